"""Images as images of containers.

An image is ``cassini/<install>:<digest>`` in the engine. It gets that name only once it is built
and its Python ran: whatever has the name is whole. Until then it goes by a name of its one build,
so that nobody's pruning takes it, and builders that make the same at once do not meet. Names also
keep it from ``docker image prune``.

With a registry the reference is ``registry/…@sha256:…``, and an image counts as built only when the
registry gives that digest back. Builders that share the folder ``work`` build a digest once; others
waste a second build and end with the same.
"""

import asyncio
import platform
import re
import time
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from cassini.contracts.images import ImageSpec
from cassini.runtime.errors import BackendError, CassiniError, GiveUp
from services.builder.backends.base import BuiltImage, LogSink
from services.builder.backends.digest_lock import hold
from services.builder.backends.docker.access import read_access, read_secret
from services.builder.backends.docker.buildkit import build_with_buildkit, find_buildkit
from services.builder.backends.docker.checks import check_image, look_at_base
from services.builder.backends.docker.classic import build_classic
from services.builder.backends.docker.context import build_context
from services.builder.backends.docker.engine import Engine
from services.builder.backends.docker.failures import BuildFailed, explain_build
from services.builder.backends.docker.options import BuildOptions
from services.builder.backends.docker.records import EngineImage
from services.builder.backends.docker.room import make_room
from services.builder.backends.local_env import base_interpreter
from services.builder.backends.processes import to_its_end
from services.builder.backends.resolving import resolve_lock
from services.builder.backends.uv_command import UvCommand, find_uv
from services.builder.disk import disk_errors
from services.builder.dockerfile import Conda
from services.builder.extras import conda_python, find_extras_problem
from services.builder.logs import clean_line
from services.builder.recipe import Recipe
from services.builder.settings import BuilderSettings

LABEL = "io.cassini.installation"
"""Not the label of workloads: containers inherit the labels of their image."""
DIGEST_LABEL = "io.cassini.image"
STAGE_LABEL = "io.cassini.stage"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEPT_LINES = 60


class DockerBackend:
    """Images of containers in one Docker engine.

    Args:
        settings: how they are built and where they go.
        installation_id: whose they are; only its images are ever touched.
        work: a folder for locks, build contexts and uv's cache; shared by replicas where it can be.
    """

    def __init__(self, settings: BuilderSettings, *, installation_id: str, work: Path) -> None:
        self._settings = settings
        self._installation = installation_id
        self._work = work.absolute()
        short = installation_id[:8].lower()
        self._repository = f"cassini/{short}"
        self._remote = f"{settings.registry}/cassini-{short}" if settings.registry else None
        self._cache = f"cassini-{short}-packages"
        self._engine = Engine(settings.docker_host, self._credentials)

    async def close(self) -> None:
        """Close the connections to the engine."""
        await self._engine.close()

    async def resolve(self, spec: ImageSpec, log: LogSink) -> Recipe:
        """Fix the base by its content, and lock the packages for its Python."""
        problem = find_extras_problem(spec)
        if problem is not None:
            raise GiveUp(problem, reason="InvalidImage")
        if spec.environment_yml and self._conda is None:
            message = "Conda is switched off here: name the packages in the requirements."
            raise GiveUp(message, reason="CondaOff")
        name = spec.base_image or self._settings.base_image
        base = await self._engine.ensure(name, log)
        facts = await look_at_base(
            self._engine, base.id, machine=platform.machine(), label=self._label
        )
        pinned = conda_python(spec.environment_yml)
        python = f"cpython-{pinned}" if pinned else facts.python
        lock = ""
        if spec.builtin is not None or spec.requirements.strip():
            access = await asyncio.to_thread(read_access, self._settings)
            uv = UvCommand(find_uv(), self._work / "package-cache", access.resolving())
            version = re.sub(r"[^\d.]", "", python)
            target = ("--python-version", version, "--python-platform", facts.platform)
            options = ("--python", base_interpreter(), *target, "--only-binary", ":all:")
            lock = await resolve_lock(uv, spec, log, options=options)
        return Recipe.of(
            spec, lock=lock, python=python, platform=facts.platform, base=_pinned(name, base)
        )

    async def fits(self, recipe: Recipe) -> bool:
        """Say whether the base is there, or in a registry."""
        if not recipe.platform.startswith(f"{platform.machine()}-manylinux"):
            return False
        return "@" in recipe.base or await self._engine.find(recipe.base) is not None

    async def build(self, recipe: Recipe, log: LogSink) -> BuiltImage:
        """Make the image, or find it made; waits while another replica makes it."""
        digest = recipe.digest
        async with hold(await self._lock_path(digest), log):
            built = await self.verify(digest)
            if built is not None:
                await log("The image is there already.")
                return built
            if await self._local(digest) is None:
                await self._make(recipe, log)
            if self._remote is not None:
                await self._publish(digest, log)
            built = await self.verify(digest)
        if built is None:
            raise BackendError("The image was removed as soon as it was built.")
        return built

    async def verify(self, digest: str) -> BuiltImage | None:
        """Return the image if the registry, or without one the engine, has it whole."""
        name = self._name(digest)
        if self._remote is not None:
            found = await self._engine.registry_digest(f"{self._remote}:{digest}")
            return BuiltImage(f"{self._remote}@{found}", digest) if found else None
        image = await self._local(digest)
        if image is None:
            return None
        await self._engine.tag(image.id, name)  # remembers that it is in use
        return BuiltImage(name, digest)

    async def remove(self, digest: str) -> None:
        """Take the image's names away in the engine; in a registry it stays.

        Raises:
            BackendError: a container still uses it.
        """
        async with hold(await self._lock_path(digest)):
            await self._engine.untag(self._name(digest))
            if self._remote is not None:
                await self._engine.untag(f"{self._remote}:{digest}")

    async def make_room(self, wanted: Collection[str]) -> None:
        """Keep images and BuildKit's cache within their budgets."""
        await make_room(
            self._engine,
            self._repository,
            wanted=wanted,
            budget=self._settings.disk_budget_bytes,
            now=time.time(),
            build_seconds=self._settings.build_timeout,
        )
        if self._settings.cache_budget_bytes is not None:
            await self._engine.prune_build_cache(self._settings.cache_budget_bytes)

    @property
    def _label(self) -> str:
        return f"{LABEL}={self._installation}"

    @property
    def _conda(self) -> Conda | None:
        channel = self._settings.conda_channel
        return Conda(channel, self._settings.conda_image) if channel else None

    async def _local(self, digest: str) -> EngineImage | None:
        image = await self._engine.find(self._name(digest))
        if image is None or image.labels.get(DIGEST_LABEL) != digest:
            return None
        return image if image.labels.get(LABEL) == self._installation else None

    async def _make(self, recipe: Recipe, log: LogSink) -> None:
        """Build under a passing name, look whether it works, give it its name."""
        began = time.monotonic()
        build = uuid4().hex
        passing = f"{self._repository}:building-{build}"
        base = f"{self._repository}:base-{build}"
        try:
            source = await self._engine.ensure(recipe.base, log)
            await self._engine.tag(source.id, base)
            if recipe.environment_yml:
                await self._ensure_conda(log)
            await self._run_build(recipe, base, passing, log)
            await log("Looking whether the image works.")
            await check_image(self._engine, passing, recipe, label=self._label)
            await self._engine.tag(passing, self._name(recipe.digest))
        finally:
            for name in (passing, base):
                with suppress(CassiniError):  # what stays is removed when room is made
                    await to_its_end(self._engine.untag(name, used=True))
        await log(f"The image is built; it took {time.monotonic() - began:.1f} seconds.")

    async def _run_build(self, recipe: Recipe, base: str, name: str, log: LogSink) -> None:
        said: deque[str] = deque(maxlen=_KEPT_LINES)

        async def tell(raw: str) -> None:
            line = clean_line(raw)
            if line.strip():
                said.append(line)
                await log(line)

        command = await self._buildkit_command()
        await log(f"Building with {'BuildKit' if command else 'the classic builder'}.")
        stage = f"{STAGE_LABEL}={self._installation}-{uuid4().hex}"
        access = await asyncio.to_thread(read_access, self._settings)
        options = BuildOptions(
            host=self._settings.docker_host,
            name=name,
            labels={LABEL: self._installation, DIGEST_LABEL: recipe.digest},
            network=self._settings.build_network,
            arguments=access.proxies,
            log=tell,
            seconds=self._settings.build_timeout,
        )
        context = build_context(
            recipe,
            access,
            folder=self._work / "contexts",
            base=base,
            buildkit=command is not None,
            cache=self._cache,
            stage=stage,
            conda=self._conda,
        )
        async with context as folder:
            try:
                if command is not None:
                    await build_with_buildkit(command, folder, options)
                else:
                    await build_classic(self._engine, folder, options, stage)
            except BuildFailed as failed:
                raise explain_build(list(said), clean_line(str(failed))) from None

    async def _buildkit_command(self) -> str | None:
        """Return the command that builds with BuildKit, or None for the classic builder."""
        wish = self._settings.docker_builder
        if wish == "classic":
            return None
        command = await find_buildkit()
        if command is not None and await self._engine.has_buildkit():
            return command
        if wish == "buildkit":
            raise BackendError("BuildKit needs the docker command with its buildx plugin.")
        return None

    async def _ensure_conda(self, log: LogSink) -> None:
        try:
            await self._engine.ensure(self._settings.conda_image, log)
        except CassiniError as error:
            message = f"Conda's program cannot be had: {error.message}"
            raise BackendError(message, code="conda_unreachable") from error

    async def _publish(self, digest: str, log: LogSink) -> None:
        name = f"{self._remote}:{digest}"
        await log(f"Pushing {name}.")
        await self._engine.tag(self._name(digest), name)
        await self._engine.push(name, log)

    def _credentials(self, image: str) -> dict[str, str] | None:
        """Return user and password for our registry, and for no other."""
        path, registry = self._settings.registry_credentials_file, self._settings.registry
        if path is None or registry is None:
            return None
        if image.partition("/")[0] != registry.partition("/")[0]:
            return None
        user, colon, password = read_secret(path, "the registry's user").partition(":")
        if not colon:
            raise BackendError(f"The file {path} of the registry's user is not user:password.")
        return {"username": user, "password": password}

    def _name(self, digest: str) -> str:
        if not _DIGEST.fullmatch(digest):
            raise ValueError("a digest has 64 hex digits")
        return f"{self._repository}:{digest}"

    async def _lock_path(self, digest: str) -> Path:
        self._name(digest)
        locks = self._work / "locks"
        with disk_errors("The builder's folder cannot be made"):
            await asyncio.to_thread(lambda: locks.mkdir(0o700, parents=True, exist_ok=True))
        return locks / digest


def _pinned(name: str, base: EngineImage) -> str:
    """Return the base by its content: as its registry has it, else as the engine does."""
    repository = name.partition("@")[0]
    head, _, tag = repository.rpartition(":")
    repository = head if head and "/" not in tag else repository
    ours = (each for each in base.digests if each.partition("@")[0] == repository)
    return next(ours, base.id)

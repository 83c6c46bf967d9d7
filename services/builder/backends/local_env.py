"""Images as virtual environments: ``images/<digest>``, installed by ``uv`` from the lock.

An environment cannot be moved (its scripts hold its path), so it is made in place and is an image
only once its marker is there: written last, after everything else is on the disk. Without marker
it is a leftover and is removed before the next build. One build of a digest at a time: see
``digest_lock``. Packages are hard links into uv's cache, so two images share what they share.

The interpreter is the platform's own: nothing is downloaded but packages, and of them only
wheels unless ``build_sources`` is given, since building from source runs a stranger's code with
the platform's rights.
"""

import asyncio
import contextlib
import json
import os
import platform
import re
import shutil
import stat
import sys
import sysconfig
import time
from collections.abc import Collection
from pathlib import Path

from cassini.contracts.images import ImageSpec
from cassini.runtime.errors import BackendError, GiveUp
from services.builder.backends.base import BuiltImage, LogSink
from services.builder.backends.digest_lock import hold
from services.builder.backends.processes import end_group, to_its_end
from services.builder.backends.resolving import resolve_lock
from services.builder.backends.uv_command import UvCommand, find_uv
from services.builder.disk import disk_errors
from services.builder.recipe import Recipe

INSTALL_SECONDS = 3600.0
VERIFY_SECONDS = 30.0

MARKER = "cassini-image.json"
LOCK_COPY = "cassini-lock.txt"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_READABLE = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_SEARCHABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


def base_interpreter() -> Path:
    """Return the interpreter that the platform's own environment was made from."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()


def python_tag() -> str:
    """Return implementation, version and ABI flags of the platform's Python: ``cpython-3.11``."""
    major, minor = sys.version_info[:2]
    return f"{platform.python_implementation().lower()}-{major}.{minor}{sys.abiflags}"


class LocalEnvBackend:
    """Virtual environments on this machine.

    Args:
        images: where they are; made when first needed.
        cache: what uv keeps; hard links work only within one file system.
        binary: the ``uv`` to run, by default the one installed with the platform.
        build_sources: also install packages that have no wheel, by running their build scripts.
    """

    def __init__(
        self,
        *,
        images: Path,
        cache: Path,
        binary: Path | None = None,
        build_sources: bool = False,
    ) -> None:
        self._images = images.absolute()
        self._uv = UvCommand(binary or find_uv(), cache.absolute())
        self._wheels = () if build_sources else ("--only-binary", ":all:")
        self._base = base_interpreter()

    async def resolve(self, spec: ImageSpec, log: LogSink) -> Recipe:
        """Return the committed lock of a built-in image, or lock the user's requirements now."""
        if spec.extras:
            names = ", ".join(spec.extras)
            message = f"Images are environments here, which cannot have: {names}."
            raise GiveUp(message, reason="NeedsContainers")
        options = ("--python", self._base, *self._wheels)
        lock = await resolve_lock(self._uv, spec, log, options=options)
        return Recipe(lock=lock, python=python_tag(), platform=sysconfig.get_platform())

    async def fits(self, recipe: Recipe) -> bool:
        """Say whether a recipe was resolved for the platform's Python."""
        return (recipe.python, recipe.platform) == (python_tag(), sysconfig.get_platform())

    async def build(self, recipe: Recipe, log: LogSink) -> BuiltImage:
        """Make the environment, or find it made; waits while somebody else makes it."""
        if not await self.fits(recipe):
            message = f"The image was resolved for {recipe.python}; this is {python_tag()}."
            raise GiveUp(message, reason="OtherPython")
        digest = recipe.digest
        async with hold(await self._lock_path(digest), log) as held:
            built = await self.verify(digest)
            if built is not None:
                await log("The image is there already.")
                return built
            image = self._images / digest
            try:
                await self._make(image, recipe, held, log)
            except BaseException:  # cancelled too: what is half made takes room and helps nobody
                with contextlib.suppress(OSError):  # the next build tries again
                    await to_its_end(asyncio.to_thread(_discard, image))
                raise
        return BuiltImage(reference=str(image), digest=digest)

    async def verify(self, digest: str) -> BuiltImage | None:
        """Return the environment if its marker is there and its interpreter runs.

        Raises:
            BackendError: the interpreter did not answer in time, so nothing is known.
        """
        image = self._path(digest)
        if not await asyncio.to_thread((image / MARKER).is_file):
            return None
        if not await _runs(image / "bin" / "python"):
            return None
        return BuiltImage(reference=str(image), digest=digest)

    async def remove(self, digest: str) -> None:
        """Remove the environment. What uv cached of it stays."""
        image = self._path(digest)
        async with hold(await self._lock_path(digest)):
            with disk_errors("The image cannot be removed"):
                await to_its_end(asyncio.to_thread(_discard, image))

    async def make_room(self, wanted: Collection[str]) -> None:
        """Do nothing: environments share packages with uv's cache, and pods may use old ones."""

    async def _make(self, image: Path, recipe: Recipe, held: int, log: LogSink) -> None:
        began = time.monotonic()
        with disk_errors("The image cannot be made"):
            await to_its_end(asyncio.to_thread(_discard, image))
        await log(f"Making an environment of {recipe.python}.")
        await self._uv.run(
            *("venv", "--quiet", "--no-project", "--prompt", "cassini"),
            *("--python", self._base, image),
            log=log,
            seconds=VERIFY_SECONDS,
            held=(held,),
        )
        lock = image / LOCK_COPY
        with disk_errors("The image cannot be made"):
            await asyncio.to_thread(lock.write_text, recipe.lock, encoding="utf-8")
        await self._uv.run(
            *("pip", "install", "--python", image / "bin" / "python", "--no-deps"),
            *("--compile-bytecode", *self._wheels, "--requirements", lock),
            log=log,
            seconds=INSTALL_SECONDS,
            held=(held,),
        )
        with disk_errors("The image cannot be finished"):
            await to_its_end(asyncio.to_thread(_complete, image, recipe))
        await log(f"The image is built; it took {time.monotonic() - began:.1f} seconds.")

    async def _lock_path(self, digest: str) -> Path:
        path = self._path(digest)
        locks = self._images / ".locks"
        with disk_errors("The folder of images cannot be made"):
            await asyncio.to_thread(_make_folders, self._images, locks)
        return locks / path.name

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ValueError("a digest has 64 hex digits")
        return self._images / digest


async def _runs(python: Path) -> bool:
    nothing = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *(python, "-I", "-S", "-c", "pass"),
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
        )
    except OSError:  # its base interpreter is gone
        return False
    try:
        async with asyncio.timeout(VERIFY_SECONDS):
            return await process.wait() == 0
    except TimeoutError:
        message = "The image's Python did not answer; the machine may be overloaded."
        raise BackendError(message) from None
    finally:
        await end_group(process)


def _make_folders(images: Path, locks: Path) -> None:
    images.mkdir(parents=True, exist_ok=True)
    images.chmod(0o755)  # whatever the umask
    locks.mkdir(mode=0o700, exist_ok=True)


def _discard(image: Path) -> None:
    if not image.is_dir():
        return
    (image / MARKER).unlink(missing_ok=True)  # first: what is being removed is no image
    _flush_folder(image)
    shutil.rmtree(image)


def _complete(image: Path, recipe: Recipe) -> None:
    _open_to_all(image)
    os.sync()  # packages first, then the marker: a power cut must not leave it alone
    content = {"digest": recipe.digest, "python": recipe.python, "platform": recipe.platform}
    draft = image / f"{MARKER}.draft"
    with draft.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
    draft.replace(image / MARKER)
    _flush_folder(image)


def _open_to_all(image: Path) -> None:
    """Let every uid read the image and none but ours change it, whatever the umask."""
    for folder, _, names in os.walk(image):
        _allow(Path(folder), _READABLE | _SEARCHABLE)
        for name in names:
            _allow(Path(folder, name), _READABLE)


def _allow(path: Path, wanted: int) -> None:
    now = path.lstat().st_mode
    mode = (stat.S_IMODE(now) | wanted) & ~_WRITABLE_BY_OTHERS
    if not stat.S_ISLNK(now) and mode != stat.S_IMODE(now):
        path.chmod(mode)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

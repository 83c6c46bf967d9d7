"""The folder that a build is made from: Dockerfile, lock, scripts, ``uv``, and the secrets."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from services.builder.backends.docker.access import Access
from services.builder.backends.processes import to_its_end
from services.builder.backends.uv_command import find_uv
from services.builder.disk import disk_errors
from services.builder.dockerfile import (
    CERTIFICATES_FILE,
    CONDA_FILE,
    INSTALL_FILE,
    LOCK_FILE,
    SCRIPT_FILE,
    UV_FILE,
    VARIABLES_FILE,
    Conda,
    dockerfile,
    install_script,
)
from services.builder.recipe import Recipe


@asynccontextmanager
async def build_context(
    recipe: Recipe,
    access: Access,
    *,
    folder: Path,
    base: str,
    buildkit: bool,
    cache: str,
    stage: str,
    conda: Conda | None,
) -> AsyncIterator[Path]:
    """Write the folder, and remove it afterwards; ``folder`` is where it is made.

    For BuildKit the secrets are left out of what is sent: it fetches them one by one.

    Raises:
        BackendError: it cannot be written, the disk is full for example.
    """
    text = dockerfile(recipe, base, buildkit=buildkit, cache=cache, stage=stage, conda=conda)
    files = {
        "Dockerfile": text,
        INSTALL_FILE: install_script(recipe, conda=conda),
        LOCK_FILE: recipe.lock,
        CONDA_FILE: recipe.environment_yml,
        SCRIPT_FILE: recipe.post_build.replace("\r\n", "\n"),
    }
    if buildkit:
        files[".dockerignore"] = "secrets\n"
    context = folder / f"build-{uuid4().hex}"
    try:
        with disk_errors("The build's folder cannot be written"):
            await to_its_end(asyncio.to_thread(_write, context, files, access))
        yield context
    finally:
        remove = asyncio.to_thread(shutil.rmtree, context, ignore_errors=True)
        await to_its_end(remove)


def _write(context: Path, files: Mapping[str, str], access: Access) -> None:
    secrets = context / "secrets"
    secrets.mkdir(mode=0o700, parents=True)
    for name, content in files.items():
        (context / name).write_text(content, encoding="utf-8")
    shutil.copy(find_uv(), context / UV_FILE)
    (secrets / VARIABLES_FILE).write_text(access.shell(), encoding="utf-8")
    certificates = access.certificates.read_bytes() if access.certificates else b""
    (secrets / CERTIFICATES_FILE).write_bytes(certificates)

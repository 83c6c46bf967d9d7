"""The folder that a build is made from: Dockerfile, lock, scripts, ``uv``, and the secrets."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.builder.backends.docker.access import Access
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


@contextmanager
def build_context(
    recipe: Recipe,
    access: Access,
    *,
    folder: Path,
    uv: Path,
    base: str,
    buildkit: bool,
    cache: str,
    stage: str,
    conda: Conda | None,
) -> Iterator[Path]:
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
    with disk_errors("The build's folder cannot be written"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix="build-", dir=folder, ignore_cleanup_errors=True)
    with made as name:
        context = Path(name)
        with disk_errors("The build's folder cannot be written"):
            for file, content in files.items():
                (context / file).write_text(content, encoding="utf-8")
            shutil.copy(uv, context / UV_FILE)
            secrets = context / "secrets"
            secrets.mkdir(mode=0o700)
            (secrets / VARIABLES_FILE).write_text(access.shell(), encoding="utf-8")
            certificates = access.certificates.read_bytes() if access.certificates else b""
            (secrets / CERTIFICATES_FILE).write_bytes(certificates)
        yield context

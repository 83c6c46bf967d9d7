"""JupyterHub and its proxy, installed once into the bench's own place and kept for the next run.

The place is ``$CASSINI_BENCH_HOME``, else ``~/.cache/cassini-bench``. The environment is made
from the lock of Cassini's image, then JupyterHub is added without changing any version of it, and
without what the image leaves out on purpose because it makes JupyterLab slow to import: so the
single-user servers run the same JupyterLab with the same extensions, and what is compared is the
way to start it.
"""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.ground import BenchError, say

HUB = "jupyterhub>=6,<7"
SPAWNER = "dockerspawner>=14,<15"
PROXY = "configurable-http-proxy@5"
_EXCLUDES = (
    Path(__file__).parents[2] / "services" / "builder" / "builtin" / "cassini-python.excludes"
)
_SECONDS = 1200.0
_COMPLETE = ".complete"


@dataclass(frozen=True)
class HubPlaces:
    """Where JupyterHub and its proxy are."""

    environment: Path
    proxy: Path


def bench_home() -> Path:
    """Return the directory that stays between runs."""
    given = os.environ.get("CASSINI_BENCH_HOME")
    return Path(given).absolute() if given else Path.home() / ".cache" / "cassini-bench"


def install_hub(image: Path) -> HubPlaces:
    """Return JupyterHub beside the packages of an image, installed if it is not there.

    Raises:
        BenchError: it cannot be installed.
    """
    home = bench_home()
    home.mkdir(parents=True, exist_ok=True)
    return HubPlaces(environment=_install_python(home, image), proxy=_install_proxy(home))


def install_docker_hub() -> HubPlaces:
    """Return JupyterHub with its spawner of containers, installed if it is not there.

    Raises:
        BenchError: it cannot be installed.
    """
    home = bench_home()
    home.mkdir(parents=True, exist_ok=True)
    environment = home / f"docker-hub-{_digest(HUB + SPAWNER)}"
    if not (environment / _COMPLETE).exists():
        say("Installing JupyterHub and DockerSpawner into the bench's own place (once) …")
        _make_environment(environment, Path(_base_python()))
        install = (_uv(), "pip", "install", "--quiet", "--compile-bytecode", "--python")
        _run("JupyterHub", [*install, environment / "bin" / "python", HUB, SPAWNER])
        (environment / _COMPLETE).touch()
    return HubPlaces(environment=environment, proxy=_install_proxy(home))


def make_image(lock: Path) -> Path:
    """Return an environment made from a lock as Cassini makes it (for runs without Cassini)."""
    image = bench_home() / f"image-{_digest(lock.read_text())}"
    if not (image / _COMPLETE).exists():
        say("Installing the image's packages (once) …")
        _from_lock(image, lock, Path(_base_python()))
        shutil.copyfile(lock, image / "cassini-lock.txt")
        (image / _COMPLETE).touch()
    return image


def _install_python(home: Path, image: Path) -> Path:
    lock = image / "cassini-lock.txt"
    python = image / "bin" / "python"
    version = _run("version", [python, "-VV"])
    environment = home / f"hub-{_digest(lock.read_text() + version + _EXCLUDES.read_text() + HUB)}"
    if (environment / _COMPLETE).exists():
        return environment
    say("Installing JupyterHub into the bench's own place (once) …")
    _from_lock(environment, lock, python)
    inside = environment / "bin" / "python"
    frozen = environment / "constraints.txt"
    frozen.write_text(_run("list", [_uv(), "pip", "freeze", "--python", inside]))
    _run(
        "JupyterHub",
        [
            *(_uv(), "pip", "install", "--quiet", "--compile-bytecode", "--python", inside),
            *("--constraints", frozen, "--excludes", _EXCLUDES, HUB),
        ],
    )
    (environment / _COMPLETE).touch()
    return environment


def _from_lock(environment: Path, lock: Path, python: Path) -> None:
    _make_environment(environment, python)
    _run(
        "packages",
        [
            *(_uv(), "pip", "install", "--quiet", "--no-deps", "--compile-bytecode"),
            *("--python", environment / "bin" / "python", "--requirements", lock),
        ],
    )


def _make_environment(environment: Path, python: Path) -> None:
    shutil.rmtree(environment, ignore_errors=True)
    _run("environment", [_uv(), "venv", "--quiet", "--no-project", "--python", python, environment])


def _install_proxy(home: Path) -> Path:
    folder = home / f"proxy-{_digest(PROXY)}"
    proxy = folder / "node_modules" / ".bin" / "configurable-http-proxy"
    if (folder / _COMPLETE).exists():
        return proxy
    npm = shutil.which("npm")
    if npm is None:
        raise BenchError("npm is not on the PATH: JupyterHub's proxy needs Node.js 20 or newer")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    quiet = ("--silent", "--no-audit", "--no-fund", "--no-save")
    _run("proxy", [npm, "install", *quiet, "--prefix", folder, PROXY])
    (folder / _COMPLETE).touch()
    return proxy


def _run(what: str, arguments: list[str | Path]) -> str:
    done = subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        cwd="/",
    )
    if done.returncode:
        said = done.stderr.strip()[-2000:]
        raise BenchError(f"cannot install for JupyterHub ({what}): {said}")
    return done.stdout


def _uv() -> str:
    import uv  # noqa: PLC0415 - part of the project's environment, not of the bench's imports

    return uv.find_uv_bin()


def _base_python() -> str:
    import sys  # noqa: PLC0415

    return getattr(sys, "_base_executable", None) or sys.executable


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]

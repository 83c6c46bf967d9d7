"""The API as a client with a token uses it."""

from typing import Any

import httpx

from tests.system.waiting import until

ANSWER_SECONDS = 30.0
UNKEPT = httpx.Limits(max_keepalive_connections=0)
"""Connections end with their answer, so nothing needs closing."""


class Client:
    """The API over HTTP with a token; every answer is remembered."""

    def __init__(self, url: str, token: str) -> None:
        self.token = token
        self.answers: list[tuple[str, bytes]] = []
        headers = {"Authorization": f"token {token}"} if token else {}
        self.http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=ANSWER_SECONDS,
            trust_env=False,
            limits=UNKEPT,
            event_hooks={"response": [self._remember]},
        )

    def _remember(self, answer: httpx.Response) -> None:
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
        request = f"{answer.request.method} {answer.request.url.path}"
        self.answers.append((request, head.encode() + b"\n\n" + answer.read()))

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Return the JSON of an answer, which must have this status."""
        answer = self.http.request(method, path, json=body)
        assert status == answer.status_code, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def create(self, name: str, **fields: Any) -> str:
        """Create a workspace and return its id."""
        return str(self.ask("POST", "/api/workspaces", {"name": name, **fields}, status=201)["id"])

    def show(self, workspace: str) -> Any:
        """Return a workspace."""
        return self.ask("GET", f"/api/workspaces/{workspace}")

    def do(self, verb: str, workspace: str, body: Any = None) -> Any:
        """Start, stop or restart a workspace."""
        return self.ask("POST", f"/api/workspaces/{workspace}/{verb}", body)

    def wait_for(self, workspace: str, status: str, *, seconds: float = 60.0) -> Any:
        """Wait until a workspace has a status, and return it as it is then."""
        shown: dict[str, Any] = {}

        def reached() -> bool:
            shown.update(self.show(workspace))
            return bool(status == shown["status"])

        try:
            until(reached, f"{workspace} {status}", seconds=seconds, every=0.1)
        except AssertionError as error:
            said = {name: shown[name] for name in ("status", "reason", "message")}
            raise AssertionError(f"{error}; {said}; {self.pods(workspace)}") from None
        return shown

    def start(self, workspace: str) -> Any:
        """Start a workspace, wait until it runs, and return it."""
        self.do("start", workspace)
        return self.wait_for(workspace, "running")

    def link(self, workspace: str) -> httpx.URL:
        """Return the address that opens JupyterLab, with its token."""
        return httpx.URL(self.ask("GET", f"/api/workspaces/{workspace}/open")["url"])

    def pods(self, workspace: str) -> list[Any]:
        """Return the pods of a workspace."""
        query = f"workload_type=workspace&workload_id={workspace}"
        return list(self.ask("GET", f"/api/active/pods?{query}")["pod_summaries"])

    def delete(self, workspace: str) -> None:
        """Delete a workspace, running or not."""
        self.ask("DELETE", f"/api/workspaces/{workspace}?allow_active=true", status=204)

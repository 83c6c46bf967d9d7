"""JupyterLab as a browser uses it: its HTTP interface, and cells run over a kernel's websocket."""

import json
import time
import uuid
from typing import Any

import httpx
from websockets.sync.client import connect

from tests.system.client import UNKEPT

CELL_SECONDS = 90.0


class Lab:
    """A running JupyterLab behind the link that opens it."""

    def __init__(self, link: httpx.URL) -> None:
        self.token = link.params["token"]
        self.url = str(link.copy_with(path="/", query=None)).rstrip("/")
        self.http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"token {self.token}"},
            timeout=30,
            trust_env=False,
            limits=UNKEPT,
        )

    def start_kernel(self) -> str:
        """Start a Python kernel and return its id."""
        answer = self.http.post("/api/kernels", json={"name": "python3"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def run(self, code: str, kernel: str | None = None) -> str:
        """Run a cell and return what it printed; it must not fail."""
        kernel = kernel or self.start_kernel()
        asked = _request("execute_request", {"code": code, "silent": False, "stop_on_error": True})
        address = f"{self.url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels"
        headers = {"Authorization": f"token {self.token}"}
        with connect(address, additional_headers=headers, proxy=None, max_size=None) as channels:
            channels.send(json.dumps(asked))
            return _printed(channels, asked["header"]["msg_id"])


def _request(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    header = {
        "msg_id": uuid.uuid4().hex,
        "session": uuid.uuid4().hex,
        "username": "test",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "msg_type": kind,
        "version": "5.3",
    }
    return {
        "channel": "shell",
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "buffers": [],
    }


def _printed(channels: Any, asked: str) -> str:
    """Collect the output of one cell until the kernel is idle again."""
    printed = []
    deadline = time.monotonic() + CELL_SECONDS
    while True:
        message = json.loads(channels.recv(timeout=max(0.0, deadline - time.monotonic())))
        if asked != message["parent_header"].get("msg_id"):
            continue
        kind, content = message["msg_type"], message["content"]
        assert kind != "error", "\n".join(content["traceback"])
        if kind == "stream":
            printed.append(content["text"])
        if kind == "status" and content["execution_state"] == "idle":
            return "".join(printed)

"""A headless Chromium, driven over its debugging websocket."""

import base64
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.system.waiting import until

CHROMIUM = Path("/usr/bin/chromium")
ANSWER_SECONDS = 60.0
WIDTH, HEIGHT = 1200, 720
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--no-first-run",
    "--remote-debugging-port=0",
)
_LISTENING = "DevTools listening on "


class Page:
    """One page of a browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self._call("Page.enable")
        screen = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **screen)

    def open(self, url: str) -> None:
        """Open an address."""
        assert "errorText" not in self._call("Page.navigate", url=url)

    def read(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def wait_for(self, expression: str, *, seconds: float = 60.0) -> Any:
        """Wait until an expression is true in a loaded page; returns its value."""
        whole = f"document.readyState == 'complete' && ({expression})"
        return until(lambda: self.read(whole), expression, seconds=seconds, every=0.1)

    def click(self, selector: str) -> None:
        """Click an element as soon as it is there."""
        self.wait_for(f"document.querySelector({json.dumps(selector)}) != null")
        self.read(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, text: str) -> None:
        """Put a text where the cursor is."""
        self._call("Input.insertText", text=text)

    def press_shift_enter(self) -> None:
        """Press the keys that run a cell."""
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "modifiers": 8}
        for kind in ("rawKeyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, **key)

    def screenshot(self, path: Path) -> None:
        """Save what is seen as PNG."""
        shot = self._call("Page.captureScreenshot", format="png", optimizeForSpeed=False)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        call = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            call["sessionId"] = self._session
        self._connection.send(json.dumps(call))
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            answer = json.loads(self._connection.recv(timeout=deadline - time.monotonic()))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Start a browser with a new profile; yields an empty page."""
    output = folder / "chromium.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        words = until(lambda: output.read_text().partition(_LISTENING)[2], "Chromium's address")
        address = words.splitlines()[0]
        with connect(address, proxy=None, max_size=None) as connection:
            yield Page(connection)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

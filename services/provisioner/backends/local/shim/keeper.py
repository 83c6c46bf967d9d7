"""What a shim does for its pod: start it, keep its log, pass on the wish to end, say how it ended.

The main command gets SIGTERM, and after the grace everything gets SIGKILL. No descendant outlives
the main command: with namespaces the kernel sees to it when PID 1 ends, else the shim adopts all
orphans and kills until it has no descendant left.
The shim killed itself takes the pod along (PID namespace), or leaves processes that the backend
finds by group, lock file and environment mark.
"""

from __future__ import annotations

import os
import select
import time

from . import child, groups, isolation, processes, state
from .log import Log

TYPE_CHECKING = False  # typing itself would cost the shim 3 ms
if TYPE_CHECKING:
    import signal
    from typing import Any
else:
    import _signal as signal  # signal itself would bring enum: 5 ms

_CHUNK = 65536
_CHILD_ENDS = (("alive", 0), ("log", 1), ("error", 1))
SIGNALS = (signal.SIGTERM, signal.SIGCHLD)
_KILL_PATIENCE = 30.0
_WRITE_ATTEMPTS = 600


class Keeper:
    """Runs one attempt from its lock to its end state."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._directory: str = order["directory"]
        self._groups = [path for path, _ in order["groups"]]
        self._child = 0
        self._code: int | None = None
        self._stopping: str | None = None
        self._kill_at: float | None = None
        self._pipes: dict[str, tuple[int, int]] = {}

    def run(self) -> None:
        """Begin the attempt, keep it, and write how it ended."""
        if reason := state.read_word(f"{self._directory}/{state.STOP}"):
            self._end(None, reason, "It was stopped before it began.")
        elif self._port_taken():
            self._end(None, "PortTaken", "Another process listens on its port.")
        else:
            self._record_begin()
            try:
                self._start()
            except OSError as error:
                groups.remove(self._groups)
                self._end(None, "StartFailed", child.explain(error))
                return
            self._keep()
            self._finish()

    def _port_taken(self) -> bool:
        order = self._order
        return not all(processes.port_is_free(order["host"], port) for port in order["ports"])

    def _record_begin(self) -> None:
        pid = os.getpid()
        content = f'{{"pid": {pid}, "start": {processes.start_ticks(pid)}}}\n'
        # Only a loss of power could undo it, and that ends the pod as well.
        state.write_atomic(f"{self._directory}/{state.KEEPER}", content, durable=False)

    def _start(self) -> None:
        for name in ("log", "alive", "error", "wake"):
            self._pipes[name] = os.pipe()
        for name in ("log", "error", "wake"):
            os.set_blocking(self._pipes[name][0], False)
        os.set_blocking(self._pipes["wake"][1], False)
        for number in SIGNALS:
            signal.signal(number, _noticed)
        groups.make(self._order["groups"])
        if self._order["namespaces"]:
            isolation.separate(user=self._order["uid"] is None)
        else:
            isolation.adopt_orphans()
        self._child = os.fork()
        if self._child == 0:
            os.close(self._pipes["alive"][1])
            ends = (self._pipes[name][end] for name, end in _CHILD_ENDS)
            child.become_pod(self._order, *ends)
        for name, end in _CHILD_ENDS:
            os.close(self._pipes[name][end])
        try:
            groups.join(self._groups, self._child)
            os.write(self._pipes["alive"][1], child.GO)
        except (ProcessLookupError, BrokenPipeError):
            return  # it ended already, and said why
        except OSError:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
            raise

    def _keep(self) -> None:
        """Keep log and signals until the main command ended."""
        for name in ("environment", "script"):
            del self._order[name]
        source, wake = self._pipes["log"][0], self._pipes["wake"][0]
        self._log = Log(
            f"{self._directory}/{state.LOG}",
            self._order["log_bytes"],
            self._order["log_files"],
        )
        poll = select.poll()
        poll.register(source, select.POLLIN)
        poll.register(wake, select.POLLIN)
        signal.set_wakeup_fd(self._pipes["wake"][1], warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        while self._code is None:
            for descriptor, _ in poll.poll(self._patience()):
                if descriptor == wake:
                    self._hear(os.read(wake, _CHUNK))
                elif not self._log.copy(source):
                    poll.unregister(source)
            self._code = dict(child.reaped()).get(self._child)

    def _hear(self, signals: bytes) -> None:
        if signal.SIGTERM in signals and self._stopping is None:
            # Without a wish of the backend it is somebody else's: nobody decided to end the pod.
            wish = state.read_word(f"{self._directory}/{state.STOP}")
            self._stopping = wish or "KeeperKilled"
            self._kill_at = time.monotonic() + self._order["grace"]
            os.kill(self._child, signal.SIGTERM)

    def _patience(self) -> float | None:
        """Return how long to wait at most, in milliseconds; kill when the grace is over."""
        if self._kill_at is None:
            return None
        left = self._kill_at - time.monotonic()
        if left > 0:
            return left * 1000 + 1
        os.kill(self._child, signal.SIGKILL)
        self._kill_at = None
        return None

    def _finish(self) -> None:
        """End what is left of the pod, then say how it ended."""
        if not self._order["namespaces"]:
            self._end_descendants()
        self._log.copy(self._pipes["log"][0])
        out_of_memory = groups.out_of_memory_kills(self._order["out_of_memory"])
        groups.remove(self._groups)
        try:
            error = os.read(self._pipes["error"][0], 500).decode("utf-8", "replace")
        except BlockingIOError:
            error = ""
        code = self._code
        if error:
            self._end(None, "StartFailed", error)
        elif self._stopping:
            self._end(code, self._stopping, "")
        elif code == 128 + signal.SIGKILL and out_of_memory:
            self._end(code, "OOMKilled", "It needed more memory than it may use.")
        elif code and self._port_taken():
            self._end(code, "PortTaken", "Another process listens on its port.")
        else:
            self._end(code, "Exited", "")

    def _end_descendants(self) -> None:
        """Kill until the kernel says that there is no child left: every orphan becomes ours."""
        deadline = time.monotonic() + _KILL_PATIENCE
        while time.monotonic() < deadline:
            processes.end_all(_descendants, _KILL_PATIENCE)
            try:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return

    def _end(self, code: int | None, reason: str, message: str) -> None:
        plain = "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in message)
        content = (
            f'{{"exit_code": {"null" if code is None else code}, "reason": "{reason}", '
            f'"message": "{plain}", "finished_at": {time.time():.3f}}}\n'
        )
        for _ in range(_WRITE_ATTEMPTS):
            try:
                state.write_atomic(f"{self._directory}/{state.END}", content)
            except FileNotFoundError:
                return  # the attempt was removed
            except OSError:
                time.sleep(1)  # a full disk: somebody may make room
            else:
                return


def _descendants() -> dict[int, int]:
    child.reaped()
    return processes.descendants(os.getpid())


def _noticed(_number: int, _frame: object) -> None:
    """Only wake the loop, through the wake-up pipe."""

"""Runs inside a pod while it starts: says its steps, and writes down that it answers. Stdlib only.

It ends when the pod is ready, and with the pod.
"""

import os
import sys
import time

STATE = "/opt/cassini-pod/state"
FAST_SECONDS, SLOW_SECONDS, FAST_FOR_SECONDS = 0.05, 1.0, 20.0
SERVER_ERROR = 500


def answers(port: int, path: str) -> bool:
    """Tell whether any status below 500 comes back."""
    import socket  # noqa: PLC0415 - what the first looks do not need is loaded beside the pod's start

    try:
        with socket.create_connection(("127.0.0.1", port), 2.0) as connection:
            request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            words = connection.makefile("rb").readline(200).split()
    except OSError:
        return False
    return len(words) > 1 and words[0].startswith(b"HTTP/") and words[1] < b"%d" % SERVER_ERROR


def main() -> None:
    """Look until it is ready."""
    port, path = sys.argv[1:]
    began, said = time.monotonic(), 0
    while True:
        try:
            with open(f"{STATE}/report", "rb") as report:  # noqa: PTH123 - pathlib takes 10 ms
                steps = report.read(65536)
        except OSError:
            steps = b""
        for line in steps[said:].splitlines():
            print(line.decode("ascii", "replace"), flush=True)  # noqa: T201 - what it is for
        said = len(steps)
        started = b" main begin\n" in steps
        if started and (port == "-" or answers(int(port), path)):
            with open(f"{STATE}/ready", "w"):  # noqa: PTH123
                pass
            print("ready", flush=True)  # noqa: T201
            return
        slow = time.monotonic() - began > FAST_FOR_SECONDS
        time.sleep(SLOW_SECONDS if slow else FAST_SECONDS)


if __name__ == "__main__" and os.path.isdir(STATE):  # noqa: PTH112
    main()

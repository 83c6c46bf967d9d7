"""Ends a program that turns to another machine.

Imported at the start of every Python program of the clients' environment. An error could be caught
by the program itself; an end cannot, and every test sees it.
"""

import os
import sys

EXIT_CODE = 97
_HERE = ("", "localhost", "::1")
_LOOKS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_SENDS = ("socket.connect", "socket.sendto", "socket.sendmsg")


def _watch(event: str, arguments: tuple) -> None:
    if event in _LOOKS:
        host = arguments[0]
    elif event in _SENDS and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and name not in _HERE and not name.startswith("127."):
        os.write(2, f"this program turned to another machine: {name}\n".encode())
        os._exit(EXIT_CODE)


sys.addaudithook(_watch)

"""Images that hold a server of a few lines in the place of JupyterLab.

An image is a virtual environment whose package ``jupyterlab`` is that server: it takes the same
arguments, listens on the same port, answers ``/api`` to everybody and all else only with its token.
Everything around it is real. Each time it starts it adds a line to ``starts`` in its home, so that
what was started twice shows. Images stand outside of the data directory, which is copied.
"""

import sys
import sysconfig
import textwrap
from collections.abc import Collection
from pathlib import Path

from cassini.contracts.images import ImageSpec
from services.builder.backends.base import BuiltImage, LogSink
from services.builder.backends.local_env import base_interpreter, python_tag
from services.builder.recipe import Recipe

SERVER = textwrap.dedent(
    """
    import _socket, os, sys

    options = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    with open(os.environ["HOME"] + "/starts", "a") as starts:
        starts.write(os.environ["CASSINI_POD"] + "\\n")
    server = _socket.socket()
    server.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    server.bind((options["--ServerApp.ip"], int(options["--ServerApp.port"])))
    server.listen(16)
    while True:
        number, _ = server._accept()
        connection = _socket.socket(fileno=number)
        path = connection.recv(4096).decode("latin-1").partition(" ")[2].partition(" ")[0]
        token = path.partition("token=")[2]
        allowed = path == "/api" or token == os.environ["JUPYTER_TOKEN"]
        status = "200 OK" if allowed else "403 Forbidden"
        head = f"HTTP/1.1 {status}\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{{}}"
        connection.sendall(head.encode())
        connection.close()
    """
)


class TinyImages:
    """Makes such images; an ``ImageBackend``."""

    def __init__(self, images: Path) -> None:
        self._images = images

    async def resolve(self, spec: ImageSpec, log: LogSink) -> Recipe:
        """Return a recipe of nothing but the name."""
        await log("A tiny image.")
        name = spec.builtin or spec.requirements
        return Recipe(f"{name}==1\n", python_tag(), sysconfig.get_platform())

    async def fits(self, recipe: Recipe) -> bool:
        """Say yes."""
        return True

    async def build(self, recipe: Recipe, log: LogSink) -> BuiltImage:
        """Make the environment, or find it made."""
        image = self._images / recipe.digest
        if not (image / "bin" / "python").exists():
            _make(image)
        await log("The tiny image is built.")
        return BuiltImage(str(image), recipe.digest)

    async def verify(self, digest: str) -> BuiltImage | None:
        """Return the image if it is there."""
        image = self._images / digest
        return BuiltImage(str(image), digest) if (image / "bin" / "python").exists() else None

    async def remove(self, digest: str) -> None:
        """Keep it: other copies of the data directory use it."""

    async def make_room(self, wanted: Collection[str]) -> None:
        """Keep them all, for the same reason."""


def _make(image: Path) -> None:
    base = base_interpreter()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    package = image / "lib" / version / "site-packages" / "jupyterlab"
    for folder in (image / "bin", package):
        folder.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(SERVER)
    (image / "pyvenv.cfg").write_text(f"home = {base.parent}\n")
    (image / "bin" / "python").symlink_to(base)

"""What the backend puts into each container beside its image, as one archive. Pure.

    /opt/cassini-pod/
      entry      the first command: waits for the values, runs the script, writes its end
      begin.py   what the entry runs, becomes the script
      deliver    run beside the pod: brings the values, then becomes follow.py
      follow.py  tells the steps of the start, and when the pod answers
      script     the plan's script
      wake       a named pipe: the entry waits on it for the values
      overlay/   the pod's own environment
      state/     what is written down, so that whoever comes later knows it:
        begun    the boot id of the machine: the values came, the script runs
        report   the steps (``services/provisioner/startup.py``)
        ready    it has answered once
        stop     Unix seconds: it is to end (written by the backend, before it is asked to)
        end      ``<exit code> <1 where it was asked to>``: the script ended

It lies in the container's own layer: there it outlives the processes, costs no memory, is read
and written while the container runs or not, and goes with the container. The values lie nowhere
but in ``/run/cassini``, in memory, until ``entry`` has read them, a moment later.
"""

import io
import tarfile
from collections.abc import Iterator
from importlib import resources

FOLDER = "/opt/cassini-pod"
STATE = f"{FOLDER}/state"
OVERLAY = f"{FOLDER}/overlay"
REPORT = f"{STATE}/report"
RUNTIME = "/run/cassini"
HOME = "/home/jovyan"
USER_ID = 1000

ENTRY = ("/bin/sh", f"{FOLDER}/entry")
DELIVER = ("/bin/sh", f"{FOLDER}/deliver")

_FILES = ("entry", "begin.py", "deliver", "follow.py")
_PRIVATE, _OPEN = 0o600, 0o755


def archive(script: str, home_mode: int, now: float) -> bytes:
    """Return the archive to put into a new container at ``/``; it makes the home jovyan's."""
    members = [
        _folder(HOME, home_mode, now),
        *(_folder(path, _OPEN, now) for path in (FOLDER, STATE)),
        _member(f"{FOLDER}/wake", tarfile.FIFOTYPE, _PRIVATE, now),
    ]
    contents = [(f"{FOLDER}/{name}", content) for name, content in _contents()]
    contents.append((f"{FOLDER}/script", script.encode()))
    return _packed([(member, b"") for member in members] + _written(contents, now))


def stop_mark(now: float) -> bytes:
    """Return the archive to put at ``/`` into a container that is to end."""
    folders = [(_folder(path, _OPEN, now), b"") for path in (FOLDER, STATE)]
    return _packed(folders + _written([(f"{STATE}/stop", f"{now:.3f}\n".encode())], now))


def _contents() -> Iterator[tuple[str, bytes]]:
    folder = resources.files(__name__)
    return ((name, (folder / name).read_bytes()) for name in _FILES)


def _written(contents: list[tuple[str, bytes]], now: float) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(_member(path, tarfile.REGTYPE, 0o644, now), content) for path, content in contents]


def _folder(path: str, mode: int, now: float) -> tarfile.TarInfo:
    return _member(path, tarfile.DIRTYPE, mode, now)


def _member(path: str, kind: bytes, mode: int, now: float) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path.lstrip("/"))
    member.type, member.mode, member.mtime = kind, mode, int(now)
    member.uid = member.gid = USER_ID
    return member


def _packed(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archived:
        for member, content in members:
            member.size = len(content)
            archived.addfile(member, io.BytesIO(content))
    return buffer.getvalue()

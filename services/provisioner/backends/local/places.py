"""Where the local backend keeps things under the data directory.

``homes/<workload>``, ``workloads/<workload>/<revision>/<rank>-<attempt>/`` (one attempt, its log
included) with ``workloads/<workload>/<revision>/venv`` beside (the overlay its attempts share), and
``trash/``. Whatever is to be erased is renamed into the trash first, so that a crash leaves it
whole or gone. All calls block: use a thread.
"""

import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from services.provisioner.backends.local.shim import state
from services.provisioner.plan import PodName

_TRAVERSABLE = 0o711
_PRIVATE = 0o700
_SECONDS_PER_DAY = 86400
_DISCARDED = re.compile(r"([0-9a-f]{32})-(\d{1,20})")
_ERASING = "removed-"


class Places:
    """Paths under one data directory, and what is done with them."""

    def __init__(self, data: Path, clock: Callable[[], float]) -> None:
        self.data = data
        self.homes = data / "homes"
        self.workloads = data / "workloads"
        self.trash = data / "trash"
        self._clock = clock

    def prepare(self) -> None:
        """Make the folders; what an interrupted removal left is erased."""
        for folder in (self.homes, self.workloads):
            make_folder(folder, _TRAVERSABLE)
        make_folder(self.trash, _PRIVATE)
        for entry in self.trash.glob(f"{_ERASING}*"):
            erase(entry)
        for workload in _folders(self.workloads):
            for revision in _folders(workload):
                self._remove_unused(revision)
            with suppress(OSError):  # it has revisions
                workload.rmdir()

    def home(self, workload_id: str) -> Path:
        """Return the home of a workload."""
        return self.homes / workload_id

    def revision(self, name: PodName) -> Path:
        """Return the folder of a pod's revision."""
        return self.workloads / name.workload_id / str(name.revision)

    def overlay(self, name: PodName) -> Path:
        """Return the environment that a revision adds to its image."""
        return self.revision(name) / "venv"

    def attempt(self, name: PodName) -> Path:
        """Return the folder of one pod."""
        return self.revision(name) / f"{name.rank}-{name.attempt}"

    def make_attempt(self, name: PodName, owner: tuple[int, int] | None) -> None:
        """Make all folders a pod needs; ``owner`` is (uid, gid), None for our own."""
        for folder in (self.revision(name).parent, self.revision(name), self.attempt(name)):
            make_folder(folder, _TRAVERSABLE)
        inside = self.attempt(name) / state.INSIDE
        for folder in (self.home(name.workload_id), self.overlay(name), inside, inside / "tmp"):
            make_folder(folder, _PRIVATE, owner)

    def names(self, workload_id: str | None = None) -> Iterator[PodName]:
        """Yield every attempt there is a folder of, in order.

        Raises:
            OSError: a folder cannot be read, so the list would not be complete.
        """
        for workload in sorted(_folders(self.workloads)):
            if workload_id is not None and workload.name != workload_id:
                continue
            for revision in sorted(_folders(workload)):
                for attempt in sorted(_folders(revision)):
                    with suppress(ValueError):
                        yield PodName.parse(f"{workload.name}-{revision.name}-{attempt.name}")

    def remove_attempt(self, name: PodName) -> None:
        """Erase what is left of a pod; the overlay goes with the last attempt."""
        self._dispose(self.attempt(name), str(name))
        self._remove_unused(self.revision(name))

    def discard_home(self, workload_id: str) -> None:
        """Move a home to the trash."""
        stamp = int(self._clock() * 1_000_000)
        with suppress(FileNotFoundError):
            self.home(workload_id).rename(self.trash / f"{workload_id}-{stamp}")

    def recover_home(self, workload_id: str) -> None:
        """Take the newest home back from the trash, if there is none now."""
        found = [entry for entry in self._discarded() if entry[1].name.startswith(workload_id)]
        if found and not self.home(workload_id).exists():
            max(found)[1].rename(self.home(workload_id))

    def purge(self, days: float) -> None:
        """Erase the homes that have been in the trash for longer than so many days."""
        for discarded_at, path in self._discarded():
            if discarded_at < self._clock() - days * _SECONDS_PER_DAY:
                self._dispose(path, path.name)

    def _remove_unused(self, revision: Path) -> None:
        """Erase what a revision without attempts has left, and the folder of its workload."""
        if all(folder.name == "venv" for folder in _folders(revision)):
            self._dispose(revision, f"{revision.parent.name}-{revision.name}")
        with suppress(OSError):  # other revisions, or already gone
            revision.parent.rmdir()

    def _discarded(self) -> list[tuple[float, Path]]:
        return [
            (int(match[2]) / 1_000_000, path)
            for path in _folders(self.trash)
            if (match := _DISCARDED.fullmatch(path.name))
        ]

    def _dispose(self, path: Path, label: str) -> None:
        doomed = self.trash / f"{_ERASING}{label}-{time.monotonic_ns()}"
        with suppress(FileNotFoundError):
            path.rename(doomed)
            erase(doomed)


def make_folder(path: Path, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Make a folder of exactly this mode and owner; one that exists stays as it is.

    One that a crash left half made, ours and closed to everybody else, is completed.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=_PRIVATE)
    try:
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (PermissionError, NotADirectoryError):
        return  # closed by its owner, or somebody put a link here
    try:
        found = os.fstat(held)
        if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == _PRIVATE:
            os.fchmod(held, mode)
            if owner is not None:
                os.fchown(held, *owner)
    finally:
        os.close(held)


def make_memory(folder: Path, owner: tuple[int, int] | None) -> None:
    """Make the folder in memory of a pod without namespaces.

    Raises:
        OSError: somebody else has it.
    """
    make_folder(folder, 0o700, owner)
    if folder.is_symlink() or folder.stat().st_uid != (owner[0] if owner else os.getuid()):
        raise PermissionError(f"{folder} belongs to somebody else")


def erase(path: Path) -> None:
    """Erase a folder, also one whose owner took his own rights away in it."""
    try:
        shutil.rmtree(path)
    except PermissionError:
        for folder, names, _ in os.walk(path):
            for entry in (Path(folder, name) for name in names):
                if not entry.is_symlink():
                    entry.chmod(_PRIVATE)
        shutil.rmtree(path)


def _folders(path: Path) -> list[Path]:
    try:
        return [entry for entry in path.iterdir() if entry.is_dir() and not entry.is_symlink()]
    except FileNotFoundError:
        return []

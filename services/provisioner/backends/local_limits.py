"""Which limits this machine lets us set: control groups v2 (delegated or root's), v1 as root.

Version 1 groups lie at the root of their hierarchy and version 2 groups under the nearest group
that is ours to divide, so that they outlive the process that made them. ``find_limits`` only
proposes: the backend proves it with a real process before it promises anything.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PERIOD_MICROSECONDS = 100_000
_LEAST_QUOTA_MICROSECONDS = 1_000
_UNLIMITED = 1 << 60
"""Version 1 says *no limit* with a number near 2^63."""


@dataclass(frozen=True)
class Limits:
    """Where groups of pods are made: controller -> folder; v2 has one folder for all."""

    folders: Mapping[str, Path] = field(default_factory=dict)
    unified: bool = False
    swap: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """What is limited, in the words of the backend fact."""
        return tuple(sorted(self.folders, reverse=True))

    def groups(
        self, name: str, cores: float, memory_bytes: int
    ) -> list[tuple[str, dict[str, str]]]:
        """Return the groups of one pod with their settings."""
        quota = max(int(cores * _PERIOD_MICROSECONDS), _LEAST_QUOTA_MICROSECONDS)
        if self.unified:
            settings = {
                "memory.max": str(memory_bytes),
                **({"memory.swap.max": "0"} if self.swap else {}),
                "cpu.max": f"{quota} {_PERIOD_MICROSECONDS}",
            }
            return [(str(self.folders["memory"] / name), settings)]
        files = {
            "memory": {"memory.limit_in_bytes": str(memory_bytes)},
            "cpu": {
                "cpu.cfs_period_us": str(_PERIOD_MICROSECONDS),
                "cpu.cfs_quota_us": str(quota),
            },
        }
        return [(str(folder / name), files[word]) for word, folder in self.folders.items()]

    def out_of_memory_events(self, name: str) -> str | None:
        """Return the file that counts the processes the kernel ended for want of memory."""
        if "memory" not in self.folders:
            return None
        events = "memory.events" if self.unified else "memory.oom_control"
        return str(self.folders["memory"] / name / events)


def find_limits(installation_id: str) -> Limits:
    """Return the limits this machine seems to offer, with the folders for them made."""
    folder = f"cassini-{installation_id}"
    try:
        return _unified(folder) or _version_1(folder) or Limits()
    except OSError:
        return Limits()


def _mounts() -> list[tuple[str, Path, set[str]]]:
    """Return the mounted hierarchies: (type, folder, options)."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        if kind in {"cgroup", "cgroup2"}:
            found.append((kind, Path(before.split()[4]), set(options.split(","))))
    return found


def _unified(folder: str) -> Limits | None:
    for kind, mount, _ in _mounts():
        if kind != "cgroup2" or not _offers(mount / "cgroup.controllers"):
            continue
        parent = mount if os.geteuid() == 0 else _delegated(mount)
        if parent is None:
            return None
        wanted = "+memory +cpu"
        if not _offers(parent / "cgroup.subtree_control"):
            (parent / "cgroup.subtree_control").write_text(wanted)
        group = parent / folder
        group.mkdir(exist_ok=True)
        (group / "cgroup.subtree_control").write_text(wanted)
        swap = (group / "memory.swap.max").exists()
        return Limits({"memory": group, "cpu": group}, unified=True, swap=swap)
    return None


def _offers(file: Path) -> bool:
    return file.exists() and {"memory", "cpu"} <= set(file.read_text().split())


def _delegated(mount: Path) -> Path | None:
    """Return the nearest group above ours that we may divide."""
    own = next(
        (
            line[3:]
            for line in Path("/proc/self/cgroup").read_text().splitlines()
            if line[:3] == "0::"
        ),
        "/",
    )
    group = mount / own.lstrip("/")
    while group != mount:
        group = group.parent
        ours = all(os.access(path, os.W_OK) for path in (group, group / "cgroup.procs"))
        if ours and _offers(group / "cgroup.subtree_control"):
            return group
    return None


def _version_1(folder: str) -> Limits | None:
    if os.geteuid() != 0:
        return None
    found = {}
    for kind, mount, options in _mounts():
        for word in {"memory", "cpu"} & options if kind == "cgroup" else ():
            (mount / folder).mkdir(exist_ok=True)
            found[word] = mount / folder
    return Limits(found) if found else None


def machine_memory() -> int:
    """Return the bytes of memory we may use: the machine's, or our own group's if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for kind, mount, options in _mounts():
        name = "memory.max" if kind == "cgroup2" else "memory.limit_in_bytes"
        if kind == "cgroup" and "memory" not in options:
            continue
        try:
            value = (mount / name).read_text().strip()
        except OSError:
            continue
        if value.isdigit() and int(value) < _UNLIMITED:
            total = min(total, int(value))
    return total

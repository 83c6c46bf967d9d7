"""Which limits this machine lets us set: control groups v2 (delegated or root's), v1 as root.

Version 1 groups lie at the root of their hierarchy and version 2 groups under the nearest group
that is ours to divide, so that they outlive the process that made them. ``find_limits`` only
proposes: the backend proves it with a real process before it promises anything.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_LIMITED = frozenset({"memory", "cpu"})
_COUNTING = "cpuacct"
"""Version 1 counts processor time here; often one hierarchy with ``cpu``."""
_PERIOD_MICROSECONDS = 100_000
_LEAST_QUOTA_MICROSECONDS = 1_000
_OCTAL = re.compile(r"\\([0-7]{3})")
"""How the kernel writes a space in a path."""
_UNLIMITED = 1 << 60
"""Version 1 says *no limit* with a number near 2^63."""


class NoLimits(Exception):
    """This machine offers no limits; the text says why."""


@dataclass(frozen=True)
class Limits:
    """Where groups of pods are made: controller -> folder; v2 has one folder for all."""

    folders: Mapping[str, Path] = field(default_factory=dict)
    unified: bool = False
    swap: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """What is limited, in the words of the backend fact."""
        return tuple(sorted(_LIMITED & self.folders.keys(), reverse=True))

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
        return [(str(folder / name), files.get(word, {})) for word, folder in self.folders.items()]

    def out_of_memory_events(self, name: str) -> str | None:
        """Return the file that counts the processes the kernel ended for want of memory."""
        if "memory" not in self.folders:
            return None
        events = "memory.events" if self.unified else "memory.oom_control"
        return str(self.folders["memory"] / name / events)


def find_limits(installation_id: str) -> Limits:
    """Return the limits this machine seems to offer, with the folders for them made.

    Raises:
        NoLimits: it offers none.
    """
    folder = f"cassini-{installation_id}"
    try:
        return _unified(folder) or _version_1(folder)
    except OSError as error:
        raise NoLimits(f"{error.strerror}: {error.filename}.") from error


class Hierarchy(NamedTuple):
    """A mounted tree of control groups."""

    unified: bool
    folder: Path
    controllers: frozenset[str]
    """Those of version 1 (and other mount options)."""


def hierarchies() -> list[Hierarchy]:
    """Return the mounted trees of control groups."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        if kind in {"cgroup", "cgroup2"}:
            folder = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), before.split()[4]))
            found.append(Hierarchy(kind == "cgroup2", folder, frozenset(options.split(","))))
    return found


def _unified(folder: str) -> Limits | None:
    for unified, mount, _ in hierarchies():
        if not unified or not _offers(mount / "cgroup.controllers"):
            continue
        parent = mount if os.geteuid() == 0 else _delegated(mount)
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


def _delegated(mount: Path) -> Path:
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
    raise NoLimits(
        "no control group with memory and cpu was handed over to this user "
        "(as a service of systemd: Delegate=cpu memory)."
    )


def _version_1(folder: str) -> Limits:
    trees = {word: tree for tree in hierarchies() for word in tree.controllers}
    if not _LIMITED & trees.keys():
        raise NoLimits("no control groups with memory or cpu are mounted.")
    if os.geteuid() != 0:
        raise NoLimits("control groups of version 1 are for root only.")
    wanted = [word for word in ("memory", "cpu", _COUNTING) if word in trees]
    if _COUNTING in wanted and trees[_COUNTING] == trees.get("cpu"):
        wanted.remove(_COUNTING)
    for word in wanted:
        (trees[word].folder / folder).mkdir(exist_ok=True)
    return Limits({word: trees[word].folder / folder for word in wanted})


def machine_memory() -> int:
    """Return the bytes of memory we may use: the machine's, or our own group's if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for unified, mount, controllers in hierarchies():
        name = "memory.max" if unified else "memory.limit_in_bytes"
        if not unified and "memory" not in controllers:
            continue
        try:
            value = (mount / name).read_text().strip()
        except OSError:
            continue
        if value.isdigit() and int(value) < _UNLIMITED:
            total = min(total, int(value))
    return total

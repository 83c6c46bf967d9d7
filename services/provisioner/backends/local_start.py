"""Starting a shim: what it is told, how it is detached, and what this machine lets it do.

What the machine offers is found out by running a real, empty pod: whatever would stop a pod stops
that one. All calls block: use a thread.
"""

import marshal
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from services.provisioner.backends import local_layout as layout
from services.provisioner.backends import local_state as state
from services.provisioner.backends import shim
from services.provisioner.backends.local_limits import Limits
from services.provisioner.backends.local_owners import Owners
from services.provisioner.backends.local_places import Places, make_folder
from services.provisioner.plan import HttpProbe, PodName, PodPlan

_PORTS = range(20_000, 32_768)
"""Below the ports that the kernel gives to outgoing connections."""
_PORT_ATTEMPTS = 200
_PROBE_SECONDS = 10.0
"""How long an empty pod may take on a busy machine."""


@dataclass(frozen=True)
class Abilities:
    """What pods on this machine get."""

    namespaces: bool = False
    limits: Limits = field(default_factory=Limits)

    @property
    def isolation(self) -> str:
        """The word of the backend fact."""
        return "namespaces" if self.namespaces else "none"


@dataclass(frozen=True)
class Starter:
    """Prepares pods of one installation and starts their shims."""

    places: Places
    owners: Owners
    installation_id: str
    host: str
    log_bytes: int
    log_files: int

    def owner(self, owner_id: str) -> tuple[int, int] | None:
        """Return the user and group an owner's pods run as; None: as ourselves."""
        if os.geteuid() != 0:
            return None
        number = self.owners.number(owner_id)
        return number, number

    def order(
        self,
        plan: PodPlan,
        secrets: Mapping[str, str],
        ports: Mapping[int, int],
        abilities: Abilities,
    ) -> dict[str, Any]:
        """Return all that a shim is told."""
        owner, places = self.owner(plan.owner_id), self.places
        uid, gid = owner or (os.getuid(), os.getgid())
        home = str(places.home(plan.name.workload_id))
        namespaces, limits = abilities.namespaces, abilities.limits
        return {
            "directory": str(places.attempt(plan.name)),
            "environment": layout.environment(
                plan,
                secrets,
                ports,
                places,
                installation_id=self.installation_id,
                namespaces=namespaces,
            ),
            "script": plan.script if namespaces else layout.map_home(plan.script, home),
            "home": layout.HOME if namespaces else home,
            "uid": owner and uid,
            "gid": owner and gid,
            "namespaces": namespaces,
            "mounts": layout.mounts(plan, places, uid, gid) if namespaces else [],
            "groups": limits.groups(str(plan.name), plan.cores, plan.memory_bytes),
            "out_of_memory": limits.out_of_memory_events(str(plan.name)),
            "host": self.host,
            "ports": list(ports.values()),
            "grace": float(plan.grace_seconds),
            "log_bytes": self.log_bytes,
            "log_files": self.log_files,
        }

    def find_abilities(self, offered: Limits, *, namespaces: bool) -> Abilities:
        """Return the most that an empty pod ran with."""
        wanted = [Abilities(namespaces=namespaces, limits=offered)]
        wanted += [Abilities(namespaces=namespaces), Abilities(limits=offered)]
        return next((abilities for abilities in wanted if self._works(abilities)), Abilities())

    def _works(self, abilities: Abilities) -> bool:
        with tempfile.TemporaryDirectory(prefix="removed-", dir=self.places.trash) as folder:
            places = Places(Path(folder), time.time)
            places.data.chmod(0o711)
            places.prepare()
            plan = _empty_plan(places.homes)
            starter = replace(self, places=places)
            places.make_attempt(plan.name, self.owner(plan.owner_id))
            order = starter.order(plan, {}, {}, abilities)
            if not abilities.namespaces:
                order["home"] = "/"
            pid = spawn(order, "probe")
            return _ended_well(pid, places.attempt(plan.name) / state.END)


def _empty_plan(image: Path) -> PodPlan:
    return PodPlan(
        name=PodName("0" * 32, 1, 0, time.time_ns()),
        declarer="",
        owner_id="probe",
        image=str(image),
        script="exit 0",
        environment={},
        secret_variables={},
        cores=1.0,
        memory_bytes=64 * 1024 * 1024,
        ports=(),
        readiness=None,
        grace_seconds=1.0,
    )


def _ended_well(pid: int, end: Path) -> bool:
    held = os.pidfd_open(pid)
    try:
        deadline = time.monotonic() + _PROBE_SECONDS
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                signal.pidfd_send_signal(held, signal.SIGKILL)
                os.waitpid(pid, 0)
                return False
            time.sleep(0.005)
    finally:
        os.close(held)
    return end.exists() and '"exit_code": 0' in end.read_text()


def spawn(order: Mapping[str, Any], label: str) -> int:
    """Start a shim in a session of its own and tell it its order; return its pid.

    Raises:
        OSError: no process can be started.
    """
    executable = getattr(sys, "_base_executable", None) or sys.executable
    arguments = [executable, "-I", "-S", "-E", str(Path(shim.__file__)), label]
    read, write = os.pipe()
    try:
        pid = os.posix_spawn(
            executable,
            arguments,
            {"LC_ALL": "C.UTF-8"},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, read, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsid=True,
            setsigmask=(),
        )
    except OSError:
        os.close(write)
        raise
    finally:
        os.close(read)
    # A shim that finds nothing to do ends without reading.
    with suppress(BrokenPipeError), os.fdopen(write, "wb") as pipe:
        pipe.write(marshal.dumps(dict(order)))
    return pid


def free_ports(count: int, host: str, taken: set[int]) -> list[int]:
    """Return ports that nobody listens on now and no other pod was promised.

    Raises:
        OSError: none was found.
    """
    found: list[int] = []
    for _ in range(_PORT_ATTEMPTS):
        if len(found) == count:
            return found
        port = random.choice(_PORTS)  # noqa: S311 - not a secret
        if port in taken or port in found:
            continue
        with socket.socket() as attempt, suppress(OSError):
            attempt.bind((host, port))
            found.append(port)
    if len(found) == count:
        return found
    raise OSError(f"no free port on {host}")


def make_memory(folder: Path, owner: tuple[int, int] | None) -> None:
    """Make the folder in memory of a pod without namespaces.

    Raises:
        OSError: somebody else has it.
    """
    make_folder(folder, 0o700, owner)
    if folder.is_symlink() or folder.stat().st_uid != (owner[0] if owner else os.getuid()):
        raise PermissionError(f"{folder} belongs to somebody else")


def probe_of(readiness: HttpProbe | None) -> tuple[int | None, str]:
    """Return port and path of a readiness check."""
    return (None, "") if readiness is None else (readiness.port, readiness.path)

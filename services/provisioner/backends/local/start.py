"""Starting a shim: what it is told, and how it is detached. All calls block: use a thread."""

import marshal
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.provisioner.backends.local import layout, shim
from services.provisioner.backends.local.limits import Limits
from services.provisioner.backends.local.owners import Owners
from services.provisioner.backends.local.places import Places
from services.provisioner.plan import PodPlan

_INTERPRETER = getattr(sys, "_base_executable", None) or sys.executable
"""The one without our virtual environment: a shim needs nothing of it."""
COMMAND = (_INTERPRETER, "-I", "-S", "-E", str(Path(shim.__file__).with_name("shim.py")))
"""Starts a shim: isolated from the environment, from ``site`` and from the current directory."""


@dataclass(frozen=True)
class Abilities:
    """What pods on this machine get."""

    namespaces: bool = False
    limits: Limits = field(default_factory=Limits)
    notes: tuple[str, ...] = ()
    """Why it is not more, for people."""

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


def spawn(order: Mapping[str, Any], label: str) -> int:
    """Start a shim in a session of its own and tell it its order; return its pid.

    Raises:
        OSError: no process can be started.
    """
    read, write = os.pipe()
    try:
        pid = os.posix_spawn(
            COMMAND[0],
            [*COMMAND, label],
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

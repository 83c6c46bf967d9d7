"""What pods can get on this machine, found out by running a real, empty one.

Whatever would stop a pod stops that one, and its end tells the reason, which is kept for people.
All calls block: use a thread.
"""

import json
import os
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from services.provisioner.backends.local.limits import Limits
from services.provisioner.backends.local.places import Places
from services.provisioner.backends.local.shim import state
from services.provisioner.backends.local.start import Abilities, Starter, spawn
from services.provisioner.plan import PodName, PodPlan

_PATIENCE_SECONDS = 10.0
"""How long an empty pod may take on a busy machine."""
_NO_NAMESPACES = "Pods see this machine's files and processes, as namespaces cannot be had: {}"
_NO_LIMITS = "Nothing keeps pods from using all memory and processors, as limits cannot be set: {}"


def find_abilities(starter: Starter, wanted: Abilities) -> Abilities:
    """Return the most of what is wanted that an empty pod ran with, and why it is not more."""
    namespaces, limits = wanted.namespaces, bool(wanted.limits.folders)
    problem = _problem(starter, wanted) if namespaces or limits else None
    if problem is None:
        return wanted
    notes = wanted.notes
    if namespaces:
        isolated = replace(wanted, limits=Limits())
        failed = _problem(starter, isolated) if limits else problem
        if failed is None:
            return replace(isolated, notes=(*notes, without_limits(problem)))
        notes = (*notes, _NO_NAMESPACES.format(failed))
    if limits:
        limited = replace(wanted, namespaces=False, notes=notes)
        failed = _problem(starter, limited) if namespaces else problem
        if failed is None:
            return limited
        notes = (*notes, without_limits(failed))
    return Abilities(notes=notes)


def without_limits(reason: str) -> str:
    """Return the note that there are no limits."""
    return _NO_LIMITS.format(reason)


def _problem(starter: Starter, abilities: Abilities) -> str | None:
    """Return why an empty pod does not run with these, None if it does."""
    with tempfile.TemporaryDirectory(prefix="removed-", dir=starter.places.trash) as folder:
        places = Places(Path(folder), time.time)
        places.data.chmod(0o711)
        places.prepare()
        plan = _empty_plan(places.homes)
        trial = replace(starter, places=places)
        places.make_attempt(plan.name, trial.owner(plan.owner_id))
        order = trial.order(plan, {}, {}, abilities)
        if not abilities.namespaces:
            order["home"] = "/"  # its user may not enter the trash
        if not _ends(spawn(order, "trial")):
            return f"an empty pod took longer than {_PATIENCE_SECONDS:.0f} seconds."
        return _reason(places.attempt(plan.name) / state.END)


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


def _ends(pid: int) -> bool:
    """Wait for our child's end; kill it and return False if that takes too long."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return False
        time.sleep(0.005)
    return True


def _reason(end: Path) -> str | None:
    try:
        told = json.loads(end.read_text())
    except FileNotFoundError:
        return "an empty pod ended without a word."
    if told["exit_code"] == 0:
        return None
    return str(told["message"] or f"an empty pod ended with exit code {told['exit_code']}.")

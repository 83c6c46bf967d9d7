"""From a plan to the container that the engine is asked for. Pure; no secret value comes here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.provisioner.backends.docker import inside, names
from services.provisioner.backends.docker.names import Names
from services.provisioner.plan import PodPlan
from services.provisioner.settings import DockerSettings

_NANO = 1_000_000_000
_JOVYAN = frozenset({"jovyan", "1000"})
# What sudo and package managers need of the engine's default stays: CHOWN, DAC_OVERRIDE, FOWNER,
# FSETID, SETUID, SETGID, KILL, AUDIT_WRITE, NET_BIND_SERVICE.
_NEVER_NEEDED = ("MKNOD", "NET_RAW", "SETFCAP", "SETPCAP", "SYS_CHROOT")


@dataclass(frozen=True)
class Surroundings:
    """What a container is put into."""

    home: str
    network: str
    user: str
    cores: float
    """How many the engine has."""


def user_of(image_user: str) -> str:
    """Return the user that a pod runs as: the image's where it is jovyan, else his number."""
    name = image_user.partition(":")[0]
    return image_user if name in _JOVYAN else f"{inside.USER_ID}:{inside.USER_ID}"


def labels(plan: PodPlan, its_names: Names) -> dict[str, str]:
    """Return the labels by which a pod is known without any other record."""
    name = plan.name
    return {
        **its_names.labels("pod", name.workload_id),
        names.REVISION: str(name.revision),
        names.RANK: str(name.rank),
        names.ATTEMPT: str(name.attempt),
        names.DECLARER: plan.declarer,
        names.GRACE: f"{plan.grace_seconds:g}",
        names.PORTS: ",".join(map(str, plan.ports)),
        names.PROBE: f"{plan.readiness.port} {plan.readiness.path}" if plan.readiness else "",
    }


def environment(plan: PodPlan) -> dict[str, str]:
    """Return what is set beside the image's own environment and the secrets."""
    found = {"LANG": "C.UTF-8", **plan.environment}
    found |= {
        "HOME": inside.HOME,
        "USER": "jovyan",
        "LOGNAME": "jovyan",
        "NB_USER": "jovyan",
        "CASSINI_OVERLAY": inside.OVERLAY,
        "CASSINI_REPORT": inside.REPORT,
        "CASSINI_LISTEN": "0.0.0.0",  # noqa: S104 - inside the workload's own network
        "XDG_RUNTIME_DIR": inside.RUNTIME,
        "JUPYTER_RUNTIME_DIR": f"{inside.RUNTIME}/jupyter",
    }
    if plan.ports:
        found["PORT"] = str(plan.ports[0])
    return found


def host_config(plan: PodPlan, around: Surroundings, settings: DockerSettings) -> Mapping[str, Any]:
    """Return limits, mounts and privileges, as the library's ``create_host_config`` takes them."""
    owner = f"uid={inside.USER_ID},gid={inside.USER_ID}"
    return {
        "network_mode": around.network,
        "binds": {around.home: {"bind": inside.HOME, "mode": "rw"}},
        "tmpfs": {inside.RUNTIME: f"mode=0700,{owner},size=64m"},
        "mem_limit": plan.memory_bytes,
        "memswap_limit": plan.memory_bytes,
        "shm_size": plan.memory_bytes,  # counts as the pod's memory
        "nano_cpus": math.ceil(min(plan.cores, around.cores) * _NANO),
        "pids_limit": settings.processes,
        "init": True,
        "restart_policy": {"Name": "no"},
        "cap_drop": list(_NEVER_NEEDED) if settings.sudo else ["ALL"],
        "security_opt": None if settings.sudo else ["no-new-privileges"],
        "extra_hosts": {"host.docker.internal": "host-gateway"},
        "log_config": {
            "type": "json-file",
            "config": {
                "max-size": f"{settings.log_file_megabytes}m",
                "max-file": str(settings.log_files),
            },
        },
    }

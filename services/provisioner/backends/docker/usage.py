"""What a pod has used, from the engine's statistics of its container. Pure."""

from collections.abc import Mapping
from typing import Any

from services.provisioner.backends.base import PodUsage
from services.provisioner.plan import PodName

_NANO = 1_000_000_000


def usage(name: PodName, began_at: float, stats: Mapping[str, Any]) -> PodUsage:
    """Read one look at the statistics, of control groups of either version."""
    cpu = (stats.get("cpu_stats") or {}).get("cpu_usage") or {}
    memory = stats.get("memory_stats") or {}
    details = memory.get("stats") or {}
    unused = details.get("total_inactive_file", details.get("inactive_file", 0))
    used = memory.get("usage")
    networks = (stats.get("networks") or {}).values()
    return PodUsage(
        name=name,
        began_at=began_at,
        cpu_seconds=cpu["total_usage"] / _NANO if "total_usage" in cpu else None,
        memory_bytes=None if used is None else max(used - unused, 0),
        received_bytes=sum(each["rx_bytes"] for each in networks) if networks else None,
        sent_bytes=sum(each["tx_bytes"] for each in networks) if networks else None,
    )

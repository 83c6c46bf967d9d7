"""The pods that a resource has had, as the contract shows them."""

from typing import Self

from services.api.resources.models import PodRecord
from services.api.wire import DateTime, WireOut, timestamp


class PodHistory(WireOut):
    """A pod. Beside the contract: ``end_time``, which ``sc`` prints, and how it ended."""

    pod_name: str
    status: str
    last_seen: DateTime
    start_time: DateTime | None
    label_job_name: str | None = None
    end_time: DateTime | None
    reason: str | None
    message: str | None
    exit_code: int | None

    @classmethod
    def of(cls, record: PodRecord, *, now: float) -> Self:
        """Show what is remembered of a pod; one that is there is seen now."""
        end = record.finished_at
        return cls(
            pod_name=record.name,
            status=record.status,
            last_seen=timestamp(record.last_seen if record.gone else now),
            start_time=timestamp(record.started_at),
            end_time=None if end is None else timestamp(end),
            reason=record.reason,
            message=record.message,
            exit_code=record.exit_code,
        )


class ResourceHistory(WireOut):
    """The pods of a resource, the newest first."""

    pods: list[PodHistory]

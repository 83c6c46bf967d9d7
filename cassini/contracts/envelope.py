"""The envelope of every event: CloudEvents 1.0 attributes, with trace and causation ids.

Attribute names are those of the CloudEvents 1.0 specification (context attributes) and of its
distributed tracing extension (``traceparent``); ``causationid`` is ours: the id of the event
whose handling emitted this one.
"""

from datetime import datetime
from typing import Any, Literal

from cassini.contracts.catalog import CATALOG, event_type
from cassini.contracts.resources import Declared, Hint, Message, Observed, ServiceName


class Envelope(Message):
    """One event as it is stored and sent."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: str | None = None
    causationid: str | None = None
    data: dict[str, Any]

    def message(self) -> Message:
        """Return the data as the message its type stands for.

        Raises:
            KeyError: the type is not in the catalogue.
            pydantic.ValidationError: the data is not of that type.
        """
        return CATALOG[self.type].model.model_validate(self.data)


def envelop(
    message: Declared | Observed | Hint,
    *,
    event_id: str,
    source: ServiceName,
    time: datetime,
    traceparent: str | None = None,
    causationid: str | None = None,
) -> Envelope:
    """Put a message into an envelope; the subject is the id of its resource."""
    return Envelope(
        id=event_id,
        source=f"/cassini/{source}",
        type=event_type(message).name,
        subject=message.id,
        time=time,
        traceparent=traceparent,
        causationid=causationid,
        data=message.model_dump(mode="json"),
    )

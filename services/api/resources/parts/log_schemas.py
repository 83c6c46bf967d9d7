"""Lines of logs as the contract shows them."""

from services.api.paging import PageOut
from services.api.wire import DateTime, WireOut


class HistoricLog(WireOut):
    """One line that a pod printed."""

    timestamp: DateTime
    content: str
    pod_name: str
    container_name: str


class HistoricLogList(PageOut):
    """A page of lines, oldest first."""

    logs: list[HistoricLog]

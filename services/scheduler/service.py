"""The scheduler, put together: it reads no event yet; its nouns (job, run) come with the jobs."""

from cassini.contracts.resources import ServiceName
from cassini.runtime.service import Ground, Service
from services.scheduler.tables import TABLES


class SchedulerService(Service):
    """Has its place in composition and health."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ServiceName.SCHEDULER, TABLES, ground)

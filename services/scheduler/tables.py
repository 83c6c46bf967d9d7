"""The metadata of this service's tables, apart from every other service's."""

from pathlib import Path

from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from cassini.runtime.service import ServiceTables


class SchedulerTable(SQLModel, registry=registry()):
    """Base of the scheduler's tables; SQLModel has one metadata for all by default."""


TABLES = ServiceTables(SchedulerTable.metadata, Path(__file__).parent / "migrations")

"""What ``cassini admin`` does, on the API's own database; the platform may run or not."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from cassini.contracts.resources import ServiceName
from cassini.runtime.database import Database
from cassini.runtime.errors import Conflict
from cassini.runtime.settings import PlatformSettings
from services.places import Places

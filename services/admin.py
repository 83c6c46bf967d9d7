"""What ``cassini admin`` does, on the services' own databases; the platform may run or not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from urllib.parse import urlencode

import httpx
from sqlmodel.ext.asyncio.session import AsyncSession

from cassini.contracts.resources import ServiceName
from cassini.runtime.clock import SystemClock
from cassini.runtime.database import Database
from cassini.runtime.dead_letters import DeadLetters, OutboxLetters
from cassini.runtime.declarations import list_strays
from cassini.runtime.errors import Conflict, NotFound
from cassini.runtime.settings import PlatformSettings
from services.api.keys import load_keys
from services.api.people.accounts import create_sign_in_link, create_token, create_user
from services.api.tables import TABLES
from services.places import Places

_LOOK_AGAIN_SECONDS = 1.0


async def make_sign_in_link(settings: PlatformSettings, username: str) -> str:
    """Return the address of a new sign-in link.

    Raises:
        NotFound: there is no such user.
        Conflict: there is no platform in the data directory.
    """
    async with _api_database(settings) as session:
        code = await create_sign_in_link(session, username, now=SystemClock().now())
    url = Places(settings.home).announced() or settings.url
    return f"{url}/sign-in?{urlencode({'code': code})}"


async def make_token(settings: PlatformSettings, username: str) -> str:
    """Return a new API token.

    Raises:
        NotFound: there is no such user.
        Conflict: there is no platform in the data directory.
    """
    async with _api_database(settings) as session:
        keys = load_keys(settings.keys or Places(settings.home).keys)
        return await create_token(session, keys, username, now=SystemClock().now())


async def make_user(settings: PlatformSettings, name: str) -> list[str]:
    """Make a user and return what the one who made them should read.

    Raises:
        Invalid: the name does not follow the rules.
        Conflict: the name is taken, or there is no platform in the data directory.
    """
    async with _api_database(settings) as session:
        made = await create_user(session, name, now=SystemClock().now())
    lines = [f"Made the user {name}. To let them in: cassini admin sign-in-link --user {name}"]
    return [*lines, made.notice] if made.notice else lines


async def find_strays(settings: PlatformSettings) -> list[str]:
    """Return a line for everything that was found and belongs to nothing the API knows.

    Raises:
        Conflict: there is no platform in the data directory.
    """
    async with _api_database(settings) as session:
        return [f"{noun} {id_}" for noun, id_ in await list_strays(session, TABLES.declaration)]


async def list_dead_letters(settings: PlatformSettings, broker: str | None) -> list[str]:
    """Return a line for every event that was given up, at the broker if one is named.

    Raises:
        Conflict: there is no platform in the data directory.
        BackendError: the broker cannot be used.
    """
    async with _dead_letters(settings, broker) as places:
        found = [letter for place in places for letter in await place.letters()]
    return [f"{each.id} {each.type} {each.subject} {each.reader}: {each.reason}" for each in found]


async def change_dead_letters(
    settings: PlatformSettings, broker: str | None, ids: Collection[str], *, discard: bool
) -> int:
    """Replay or discard dead letters, all if none is named; returns how many.

    Raises:
        Conflict: there is no platform in the data directory.
        BackendError: the broker cannot be used.
        NotFound: none of those named is there.
    """
    which = ids or None
    async with _dead_letters(settings, broker) as places:
        counts = [
            await (place.discard(which) if discard else place.replay(which)) for place in places
        ]
    if ids and not sum(counts):
        raise NotFound("no dead letter has such an id: see `cassini admin dead-letters list`")
    return sum(counts)


async def wait_ready(settings: PlatformSettings, say: Callable[[str], None]) -> str:
    """Wait until a workspace could be started; says what is waited for. Returns the address."""
    last = ""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}") as client:
        while True:
            why = await _why_not_ready(client)
            if why is None:
                return settings.url
            if why != last:
                say(why)
            last = why
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _why_not_ready(client: httpx.AsyncClient) -> str | None:
    try:
        reply = await client.get("/health/platform")
        return None if reply.is_success else str(reply.json()["message"])
    except (httpx.HTTPError, ValueError, KeyError):
        return "waiting for the api to answer"


@asynccontextmanager
async def _dead_letters(
    settings: PlatformSettings, broker: str | None
) -> AsyncIterator[Sequence[DeadLetters]]:
    """Open where dead letters are: the broker, or the outbox of every service."""
    if broker is not None:
        from cassini.runtime.dead_letters_rabbitmq import BrokerLetters  # noqa: PLC0415 - optional

        yield [BrokerLetters(broker)]
        return
    async with AsyncExitStack() as stack:
        letters = []
        for name in ServiceName:
            tables = import_module(f"services.{name}.tables").TABLES
            database = await stack.enter_async_context(_database(settings, name))
            letters.append(OutboxLetters(database, tables.outbox, SystemClock()))
        yield letters


@asynccontextmanager
async def _api_database(settings: PlatformSettings) -> AsyncIterator[AsyncSession]:
    async with _database(settings, ServiceName.API) as database, database.write() as session:
        yield session


@asynccontextmanager
async def _database(settings: PlatformSettings, service: ServiceName) -> AsyncIterator[Database]:
    places = Places(settings.home)
    with places.problems_told():
        path = places.database_file(service)
        if settings.database_url is None and not path.exists():
            raise Conflict(
                f"there is no platform in {settings.home} yet: run `cassini up` once, or name its "
                "data directory with --home or CASSINI_HOME",
                code="no_platform",
            )
        database = Database(
            settings.database_address or f"sqlite+aiosqlite:///{path}", schema=service
        )
        try:
            yield database
        finally:
            await database.close()

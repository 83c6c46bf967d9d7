"""Every error becomes a status and a body of message and code, and tells no secrets."""

import errno
import sqlite3

import pytest
from fastapi import APIRouter
from httpx import ASGITransport, AsyncClient
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.testing import capture_logs

from cassini.runtime.errors import (
    BackendError,
    CallerError,
    Conflict,
    Forbidden,
    GiveUp,
    Invalid,
    NotFound,
    OverQuota,
    Retry,
    Unauthenticated,
)
from services.api.access import Action, access
from services.api.app import create_app
from services.api.errors import STATUS, answer, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Invalid("x"), 400),
        (CallerError("x"), 400),
        (Unauthenticated("x"), 401),
        (Forbidden("x"), 403),
        (OverQuota("x"), 403),
        (NotFound("x"), 404),
        (Conflict("x"), 409),
        (Retry("x", after=3), 429),
        (GiveUp("x", reason="Y"), 500),
        (BackendError("x"), 503),
    ],
)
def test_each_class_has_its_status(error, status):
    assert status_of(error) == status
    response = answer(error)
    assert response.status_code == status
    assert response.body == b'{"message": "x", "code": "%s"}' % error.code.encode()


def test_every_class_of_the_table_is_reached_by_itself():
    assert all(issubclass(kind, Exception) for kind in STATUS)


def test_a_retry_tells_when(api):
    assert answer(Retry("x", after=61.4)).headers["retry-after"] == "61"
    assert answer(Unauthenticated("x")).headers["www-authenticate"] == "Bearer"


def trouble(original):
    return OperationalError("INSERT secret", {"password": "hunter2"}, original)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (trouble(sqlite3.OperationalError("database or disk is full")), 503, "disk_full"),
        (OSError(errno.ENOSPC, "No space left on device"), 503, "disk_full"),
        (trouble(sqlite3.OperationalError("unable to open database file")), 503, "database_away"),
        (ConnectionRefusedError("no"), 503, "database_away"),
        (TimeoutError("no"), 503, "database_away"),
        (PoolTimeout("no"), 503, "database_away"),
        (IntegrityError("INSERT secret", {}, Exception("UNIQUE hunter2")), 409, "conflict"),
        (IntegrityError("INSERT secret", {}, Exception("FOREIGN KEY hunter2")), 409, "conflict"),
        (DataError("INSERT secret", {}, Exception("out of range hunter2")), 400, "invalid"),
        (ProgrammingError("SELECT secret", {}, Exception("hunter2")), 500, "internal_error"),
        (OSError(errno.EACCES, "secret/path"), 500, "internal_error"),
        (RuntimeError("hunter2"), 500, "internal_error"),
    ],
)
async def test_what_goes_wrong_outside_is_told_clearly_and_without_details(
    api, error, status, code
):
    router = APIRouter()

    async def fail():
        raise error

    router.add_api_route("/fail", fail, openapi_extra=access(Action.OPEN))
    transport = ASGITransport(create_app(api, [router]))
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        with capture_logs() as lines:
            response = await client.get("/fail")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert "hunter2" not in response.text
    assert "secret" not in response.text
    if status == 500:
        assert lines[0]["error_id"] in response.json()["message"]


async def test_a_database_that_is_away_answers_503(connect, world, tmp_path):
    client = connect()
    await world.api.database.close()
    broken = world.api.database.__class__(f"sqlite+aiosqlite:///{tmp_path}/not/there/api.db")
    away = connect(database=broken)
    response = await away.get("/api/orgs", headers=world.owner.header)
    assert (response.status_code, response.json()["code"]) == (503, "database_away")
    assert (await client.get("/health/live")).status_code == 200
    await broken.close()

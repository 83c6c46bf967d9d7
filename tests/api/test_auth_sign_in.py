"""Signing in: links that work once, passwords, and how guessing is slowed."""

import asyncio

import pytest
from argon2 import PasswordHasher
from sqlmodel import select

from services.api.auth import passwords
from services.api.auth.links import LINK_SECONDS
from services.api.auth.models import SignInLink, User
from services.api.auth.passwords import hash_password, is_password
from services.api.auth.throttle import ADDRESS_LIMIT, PAIR_LIMIT, WINDOW_SECONDS

ORIGIN = {"Origin": "http://localhost:8765"}
PASSWORD = "correct horse 文"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch):
    """Passwords at a thousandth of their price: dozens are tried here."""
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", cheap)
    passwords._nobodys_hash.cache_clear()
    yield
    passwords._nobodys_hash.cache_clear()


async def use(client, code, headers=ORIGIN):
    return await client.post("/sign-in", data={"code": code}, headers=headers)


@pytest.fixture
async def password(browser):
    """The password that ``owner`` has set."""
    body = {"password": PASSWORD}
    response = await browser.post("/api/auth/password", json=body, headers=ORIGIN)
    assert response.status_code == 204
    return PASSWORD


async def log_in(client, password, username="owner"):
    body = {"username": username, "password": password}
    return await client.post("/api/auth/login", json=body)


async def test_a_link_signs_in_and_leads_to_the_start_page(client, world):
    response = await use(client, await world.link("owner"))
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert (await client.get("/api/user")).json()["username"] == "owner"


async def test_looking_at_a_link_does_not_use_it_up(client, world):
    code = await world.link("owner")
    page = await client.get("/sign-in", params={"code": code})
    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    assert f'value="{code}"' in page.text
    assert (await use(client, code)).status_code == 303


async def test_a_link_works_once_also_when_used_at_once(connect, world):
    code = await world.link("owner")
    answers = await asyncio.gather(*(use(connect(), code) for _ in range(5)))
    assert sorted(each.status_code for each in answers) == [303, 401, 401, 401, 401]


@pytest.mark.parametrize(("seconds", "status"), [(-1, 303), (1, 401)])
async def test_a_link_is_over_after_its_time(client, world, clock, seconds, status):
    code = await world.link("owner")
    clock.advance(LINK_SECONDS + seconds)
    response = await use(client, code)
    assert response.status_code == status
    if status == 401:
        assert "has expired" in response.text
        assert "cassini admin sign-in-link" in response.text


async def test_an_unknown_or_used_link_says_so_and_what_to_do(client, world):
    code = await world.link("owner")
    await use(client, code)
    for each, words in ((code, "used already"), ("nothing", "not known"), ("", "user name")):
        response = await use(client, each)
        assert response.status_code in {400, 401}
        assert words in response.text
        assert "cassini admin sign-in-link" in response.text


async def test_only_the_hash_of_a_link_is_kept(world, api):
    code = await world.link("owner")
    async with api.database.read() as session:
        row = (await session.exec(select(SignInLink))).one()
    assert code not in str(row)
    assert len(row.code_hash) == 64


@pytest.mark.parametrize("headers", [{}, {"Origin": "null"}, {"Origin": "http://evil.example"}])
async def test_another_page_cannot_sign_a_browser_in(client, world, headers):
    code = await world.link("owner")
    assert (await use(client, code, headers)).status_code == 403
    assert (await use(client, code)).status_code == 303


async def test_a_locked_user_cannot_use_a_link(client, world, api):
    code = await world.link("owner")
    async with api.database.write() as session:
        user = (await session.exec(select(User).where(User.username == "owner"))).one()
        user.locked = True
        session.add(user)
    assert (await use(client, code)).status_code == 403


async def test_a_password_signs_in_with_204_and_a_cookie(client, password):
    response = await log_in(client, password)
    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get("/api/user")).json()["username"] == "owner"


async def test_a_password_signs_in_on_the_page(client, password):
    form = {"username": "owner", "password": password}
    assert (await client.post("/sign-in", data=form, headers=ORIGIN)).status_code == 303


@pytest.mark.parametrize("username", ["owner", "other", "nobody", "a\u00e9 '; --", "x" * 255])
async def test_wrong_password_unknown_user_and_no_password_answer_alike(client, password, username):
    response = await log_in(client, "wrong", username)
    assert response.status_code == 401
    expected = {"message": "the user name or the password is wrong", "code": "wrong_password"}
    assert response.json() == expected
    assert "set-cookie" not in response.headers


async def test_guessing_is_slowed_and_the_right_password_waits_too(client, password, clock):
    for _ in range(PAIR_LIMIT):
        assert (await log_in(client, "wrong")).status_code == 401
    response = await log_in(client, password)
    assert (response.status_code, response.json()["code"]) == (429, "too_many_tries")
    assert 0 < int(response.headers["retry-after"]) <= WINDOW_SECONDS
    clock.advance(WINDOW_SECONDS + 1)
    assert (await log_in(client, password)).status_code == 204


async def test_guessing_many_names_from_one_address_is_slowed(client, world):
    statuses = [
        (await log_in(client, "wrong", f"user{number}")).status_code
        for number in range(ADDRESS_LIMIT + 1)
    ]
    assert statuses == [401] * ADDRESS_LIMIT + [429]


async def test_signing_in_rightly_is_never_slowed(client, password):
    for _ in range(ADDRESS_LIMIT + 2):
        assert (await log_in(client, password)).status_code == 204


async def test_a_new_password_needs_the_present_one_and_ends_other_sessions(
    browser, connect, password
):
    second = connect()
    await log_in(second, password)
    body = {"password": "another long one"}
    refused = await browser.post("/api/auth/password", json=body, headers=ORIGIN)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")
    body["current_password"] = password
    done = await browser.post("/api/auth/password", json=body, headers=ORIGIN)
    assert done.status_code == 204
    assert (await browser.get("/api/user")).status_code == 200
    assert (await second.get("/api/user")).status_code == 204
    assert (await log_in(second, "another long one")).status_code == 204


@pytest.mark.parametrize("word", ["", "short", "x" * 1025])
async def test_passwords_have_a_length(browser, word):
    response = await browser.post("/api/auth/password", json={"password": word}, headers=ORIGIN)
    assert response.status_code == 400


async def test_a_password_is_not_set_with_a_token(client, world):
    body = {"password": PASSWORD}
    response = await client.post("/api/auth/password", json=body, headers=world.owner.header)
    assert response.status_code == 403


async def test_a_password_is_kept_as_an_argon2_hash(monkeypatch):
    monkeypatch.undo()
    kept = await hash_password(PASSWORD)
    assert kept.startswith("$argon2id$v=19$m=65536,")
    assert PASSWORD not in kept
    assert await is_password(kept, PASSWORD)
    assert not await is_password(kept, PASSWORD + "x")
    assert not await is_password(None, "the password of nobody")

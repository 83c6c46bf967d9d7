"""Browser sessions: the cookie, its end, and whose page may use it."""

import pytest
from sqlmodel import select

from services.api.auth.models import BrowserSession
from services.api.auth.origin import origin_of
from services.api.auth.sessions import SESSION_SECONDS

ORIGIN = "http://localhost:8765"


async def sign_in(client, world, origin=ORIGIN):
    form = {"code": await world.link("owner")}
    return await client.post("/sign-in", data=form, headers={"Origin": origin})


async def test_the_cookie_is_hidden_from_scripts_and_other_sites(client, world):
    cookie = (await sign_in(client, world)).headers["set-cookie"]
    name, _, flags = cookie.partition("=")
    assert name == "cassini"
    for flag in ("HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={SESSION_SECONDS}"):
        assert flag in flags
    assert "Domain" not in flags


async def test_under_https_the_cookie_is_secure_and_bound_to_the_host(connect, world):
    url = "https://cassini.example"
    cookie = (await sign_in(connect(base_url=url), world, url)).headers["set-cookie"]
    assert cookie.startswith("__Host-cassini=")
    assert "Secure" in cookie


async def test_a_signed_in_browser_may_read(browser):
    assert (await browser.get("/api/user")).json()["username"] == "owner"


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://localhost:8766", "https://localhost:8765", "http://evil.example", ""],
)
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_a_cookie_changes_nothing_for_another_origin(browser, origin, method):
    headers = {} if origin is None else {"Origin": origin}
    path = "/api/tokens" if method == "POST" else "/api/tokens/x"
    response = await browser.request(method, path, json={}, headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "bad_origin")


async def test_a_cookie_changes_things_for_our_own_origin(browser):
    response = await browser.post("/api/tokens", json={}, headers={"Origin": ORIGIN})
    assert response.status_code == 201


async def test_a_token_needs_no_origin_even_beside_a_cookie(browser, world):
    headers = world.other.header | {"Origin": "http://evil.example"}
    response = await browser.post("/api/tokens", json={}, headers=headers)
    assert (response.status_code, response.json()["user_id"]) == (201, world.other.user_id)


async def test_a_session_ends_by_itself(browser, clock):
    clock.advance(SESSION_SECONDS - 1)
    assert (await browser.get("/api/user")).status_code == 200
    clock.advance(2)
    assert (await browser.get("/api/user")).status_code == 204


async def test_signing_in_forgets_sessions_that_are_over(client, world, api, clock):
    await sign_in(client, world)
    clock.advance(SESSION_SECONDS + 1)
    await sign_in(client, world)
    async with api.database.read() as session:
        assert len((await session.exec(select(BrowserSession))).all()) == 1


async def test_signing_out_ends_this_session_only(browser, connect, world):
    second = connect()
    await sign_in(second, world)
    response = await browser.get("/api/auth/logout", headers={"Sec-Fetch-Site": "same-origin"})
    assert (response.status_code, response.headers["location"]) == (302, "/")
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert (await browser.get("/api/user")).status_code == 204
    assert (await second.get("/api/user")).status_code == 200


async def test_the_secret_of_an_ended_session_is_worth_nothing(browser):
    secret = browser.cookies["cassini"]
    await browser.get("/api/auth/logout")
    response = await browser.get("/api/user", headers={"Cookie": f"cassini={secret}"})
    assert response.status_code == 204


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_site_cannot_sign_anybody_out(browser, site):
    response = await browser.get("/api/auth/logout", headers={"Sec-Fetch-Site": site})
    assert response.status_code == 302
    assert (await browser.get("/api/user")).status_code == 200


@pytest.mark.parametrize("secret", ["", "x", "x" * 5000])
async def test_an_unknown_cookie_is_nobody(client, secret):
    response = await client.get("/api/user", headers={"Cookie": f"cassini={secret}"})
    assert response.status_code == 204


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://localhost:8765", "http://localhost:8765"),
        ("https://Cassini.Example/", "https://cassini.example"),
        ("https://cassini.example:443/x", "https://cassini.example"),
        ("http://cassini.example:80", "http://cassini.example"),
        ("http://[::1]:8765", "http://[::1]:8765"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url, origin):
    assert origin_of(url) == origin

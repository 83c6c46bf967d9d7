"""Tokens: what stands in them, what is kept of them, and when they stop to count."""

import base64
import json

import jwt
import pytest
from sqlalchemy import text
from sqlmodel import select

from services.api.auth.models import ApiToken, User
from services.api.auth.tokens import digest, mint_token, revoke_resource_tokens

UNKNOWN = "the token is not known or was revoked: make a new one"


async def whoami(client, header):
    return await client.get("/api/user", headers={"Authorization": header})


@pytest.mark.parametrize("scheme", ["token", "Token", "Bearer", "bearer", "BEARER  "])
async def test_both_schemes_are_understood(client, world, scheme):
    response = await whoami(client, f"{scheme} {world.owner.token}")
    assert (response.status_code, response.json()["username"]) == (200, "owner")


@pytest.mark.parametrize("header", ["", "token", "token ", "Basic abc", "x y z"])
async def test_other_headers_are_401(client, world, header):
    response = await whoami(client, header)
    assert (response.status_code, response.json()["code"]) == (401, "bad_token")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_token_names_its_row_and_nothing_else(api, world):
    claims = jwt.decode(world.owner.token, options={"verify_signature": False})
    assert set(claims) == {"sub", "iat", "jti"}
    async with api.database.read() as session:
        row = await session.get(ApiToken, claims["sub"])
    assert row.text_hash == digest(world.owner.token)


async def test_no_token_text_and_no_cookie_is_in_the_database(api, world, browser):
    header = await world.resource_token(world.owner, await world.workspace(world.owner))
    planted = [world.owner.token, header["Authorization"].split()[1], browser.cookies["cassini"]]
    async with api.database.read() as session:
        for table in ("api_token", "browser_session", "sign_in_link", "account"):
            dump = str((await session.execute(text(f"SELECT * FROM {table}"))).all())
            assert [secret for secret in planted if secret in dump] == []


def tampered(token):
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    other = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "0" * 32}).encode())
    return f"{head}.{other.decode().rstrip('=')}.{signature}"


async def test_forged_tokens_are_401(client, world, api):
    row_id = jwt.decode(world.owner.token, options={"verify_signature": False})["sub"]
    forged = [
        tampered(world.owner.token),
        jwt.encode({"sub": row_id, "iat": 1}, "0" * 32, algorithm="HS256"),
        jwt.encode({"sub": row_id, "iat": 1}, None, algorithm="none"),
        jwt.encode({"iat": 1}, api.keys.token, algorithm="HS256"),
        jwt.encode({"sub": "0" * 32}, api.keys.token, algorithm="HS256"),
        # Rightly signed and of a known row, but not the text that was given out.
        jwt.encode({"sub": row_id, "iat": 1}, api.keys.token, algorithm="HS256"),
        "x",
        "x.y.z",
    ]
    for each in forged:
        response = await whoami(client, f"token {each}")
        assert response.status_code == 401
        assert response.json() == {"message": UNKNOWN, "code": "bad_token"}


async def test_an_expired_token_is_401_and_says_expired(client, world, clock):
    body = {"expires_in": 60}
    made = await client.post("/api/tokens", json=body, headers=world.owner.header)
    header = f"token {made.json()['access_token']}"
    clock.advance(59)
    assert (await whoami(client, header)).status_code == 200
    clock.advance(2)
    response = await whoami(client, header)
    assert (response.status_code, response.json()["code"]) == (401, "token_expired")
    assert "expired" in response.json()["message"]


async def test_a_revoked_token_is_401(client, world):
    made = (await client.post("/api/tokens", json={}, headers=world.owner.header)).json()
    header = f"token {made['access_token']}"
    assert (await whoami(client, header)).status_code == 200
    await client.delete(f"/api/tokens/{made['id']}", headers=world.owner.header)
    assert (await whoami(client, header)).status_code == 401


async def test_a_revoked_token_that_has_expired_too_is_not_to_be_refreshed(client, world, clock):
    body = {"expires_in": 60}
    made = (await client.post("/api/tokens", json=body, headers=world.owner.header)).json()
    await client.delete(f"/api/tokens/{made['id']}", headers=world.owner.header)
    clock.advance(61)
    response = await whoami(client, f"token {made['access_token']}")
    assert response.json() == {"message": UNKNOWN, "code": "bad_token"}


async def test_the_tokens_of_a_resource_end_together_and_no_others_do(client, world, api, clock):
    mine, another = await world.workspace(world.owner), await world.workspace(world.owner)
    ended = await world.resource_token(world.owner, mine)
    kept = await world.resource_token(world.owner, another)
    async with api.database.write() as session:
        await revoke_resource_tokens(session, mine, now=clock.now())
    assert (await client.get("/api/user", headers=ended)).status_code == 401
    assert (await client.get("/api/user", headers=kept)).status_code == 200


async def test_a_resource_token_of_an_admin_is_no_admin(client, world):
    header = await world.resource_token(world.admin, await world.workspace(world.admin))
    for method, path in (("POST", "/api/users"), ("POST", "/api/tokens"), ("GET", "/api/users")):
        body = {"username": "x", "email": "a@b.example"}
        response = await client.request(method, path, headers=header, json=body)
        assert response.status_code == 403


async def test_a_locked_user_is_refused_with_the_reason(client, world, api):
    async with api.database.write() as session:
        user = (await session.exec(select(User).where(User.username == "owner"))).one()
        user.locked, user.locked_reason = True, "left the team"
        session.add(user)
    response = await whoami(client, f"token {world.owner.token}")
    assert (response.status_code, response.json()["code"]) == (403, "locked")
    assert "left the team" in response.json()["message"]


async def test_tokens_made_in_the_same_second_differ(api, world):
    async with api.database.write() as session:
        texts = {
            (await mint_token(session, api.keys, now=1.0, user_id=world.owner.user_id))[1]
            for _ in range(5)
        }
    assert len(texts) == 5

"""``POST /api/auth/token``: a refresh token for new texts, as the official client asks for it."""

import pytest

PATH = "/api/auth/token"
FIELDS = {
    "access_token",
    "refresh_token",
    "token_type",
    "expires_at",
    "refresh_expires_at",
    "expires_in",
    "refresh_expires_in",
}


@pytest.fixture
async def pair(client, world):
    body = {"expires_in": 60, "refresh_expires_in": 3600}
    made = await client.post("/api/tokens", json=body, headers=world.owner.header)
    return made.json()


def grant(text):
    return {"grant_type": "refresh_token", "refresh_token": text}


async def whoami(client, text):
    return await client.get("/api/user", headers={"Authorization": f"token {text}"})


async def test_a_refresh_token_gives_new_texts_with_every_field(client, pair):
    response = await client.post(PATH, json=grant(pair["refresh_token"]))
    answer = response.json()
    assert response.status_code == 200
    assert set(answer) == FIELDS
    assert answer["token_type"] == "Bearer"
    assert (answer["expires_in"], answer["refresh_expires_in"]) == (60, 3600)
    assert answer["expires_at"] == "2027-01-15T08:01:00+00:00"
    assert answer["refresh_expires_at"] == "2027-01-15T09:00:00+00:00"
    assert response.headers["cache-control"] == "no-store"
    assert (await whoami(client, answer["access_token"])).json()["username"] == "owner"


async def test_what_does_not_end_is_null(client, world):
    made = await client.post("/api/tokens", json={"expires_in": 9}, headers=world.owner.header)
    answer = (await client.post(PATH, json=grant(made.json()["refresh_token"]))).json()
    assert (answer["refresh_expires_at"], answer["refresh_expires_in"]) == (None, None)


async def test_the_way_of_the_official_client(client, clock, pair):
    """An answer 401 that says expired, a refresh without any header, the request again."""
    clock.advance(61)
    refused = await whoami(client, pair["access_token"])
    assert refused.status_code == 401
    assert "expired" in refused.json()["message"]
    again = (await client.post(PATH, json=grant(pair["refresh_token"]))).json()
    assert (await whoami(client, again["access_token"])).status_code == 200


async def test_a_text_that_was_replaced_is_401_and_says_expired(client, pair):
    await client.post(PATH, json=grant(pair["refresh_token"]))
    refused = await whoami(client, pair["access_token"])
    assert (refused.status_code, refused.json()["code"]) == (401, "token_expired")
    assert "expired" in refused.json()["message"]


async def test_a_second_use_ends_the_token_and_hides_it(client, world, clock, pair):
    first = (await client.post(PATH, json=grant(pair["refresh_token"]))).json()
    clock.advance(61)
    second = await client.post(PATH, json=grant(pair["refresh_token"]))
    assert (second.status_code, second.json()["code"]) == (401, "refresh_token_reused")
    assert "make a new one" in second.json()["message"]
    for text in (first["refresh_token"], pair["refresh_token"]):
        third = await client.post(PATH, json=grant(text))
        assert (third.status_code, third.json()["code"]) == (401, "bad_refresh_token")
    path = f"/api/tokens/{pair['id']}"
    assert (await client.get(path, headers=world.owner.header)).status_code == 404


async def test_a_deleted_token_is_not_refreshed(client, world, pair):
    await client.delete(f"/api/tokens/{pair['id']}", headers=world.owner.header)
    response = await client.post(PATH, json=grant(pair["refresh_token"]))
    assert (response.status_code, response.json()["code"]) == (401, "bad_refresh_token")


async def test_a_locked_users_token_is_not_refreshed(client, world, pair):
    path, body = f"/api/users/{world.owner.user_id}", {"locked": True}
    assert (await client.patch(path, json=body, headers=world.admin.header)).status_code == 200
    response = await client.post(PATH, json=grant(pair["refresh_token"]))
    assert (response.status_code, response.json()["code"]) == (403, "locked")


async def test_a_code_is_refused_until_codes_are_given_out(client):
    body = {
        "grant_type": "authorization_code",
        "code": "c",
        "code_verifier": "v",
        "redirect_uri": "https://app.example/",
    }
    response = await client.post(PATH, json=body)
    assert (response.status_code, response.json()["code"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"grant_type": "password"},
        {"grant_type": "refresh_token"},
        {"grant_type": "refresh_token", "refresh_token": ""},
        {"grant_type": "refresh_token", "refresh_token": None},
        {"grant_type": "refresh_token", "refresh_token": "x" * 1025},
        {"grant_type": "authorization_code"},
        [],
        "text",
    ],
)
async def test_bad_grants_are_400(client, body):
    response = await client.post(PATH, json=body)
    assert response.status_code == 400
    assert set(response.json()) == {"message", "code"}


async def test_a_grant_needs_no_header_and_minds_none(client, world, pair):
    """An expired text that is still sent along does not get in the way."""
    headers = {"Authorization": "token nonsense"}
    response = await client.post(PATH, json=grant(pair["refresh_token"]), headers=headers)
    assert response.status_code == 200

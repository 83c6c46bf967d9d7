"""What holds for every request, whatever its route."""

import json

import pytest

from cassini.runtime.service import Health

JSON = {"Content-Type": "application/json"}


async def test_every_answer_tells_the_version_of_the_saturn_api(client):
    for path in ("/api/status", "/nowhere", "/"):
        response = await client.get(path)
        assert response.headers["x-saturn-version"] == "2026.02.01"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"


async def test_status_tells_a_date_like_version_and_ours(client):
    answer = (await client.get("/api/status")).json()
    assert answer["status"] == "ok"
    assert answer["version"] >= "2026.02.01"
    assert answer["cassini_version"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/api/status", 405, "method_not_allowed"),
        ("GET", "/api/status/", 404, "not_found"),
        ("GET", "/api/orgs", 401, "unauthenticated"),
    ],
)
async def test_refusals_of_the_router_have_message_and_code(client, method, path, status, code):
    response = await client.request(method, path)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["message"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/status", "GET"),
        ("/api/tokens", "GET, POST"),
        (f"/api/workspaces/{'0' * 32}", "DELETE, GET, PATCH"),
        ("/api/workspaces/info", "GET"),
    ],
)
async def test_a_method_that_is_not_there_is_refused_with_those_that_are(client, path, allowed):
    response = await client.request("PUT", path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)


async def test_a_whole_number_may_have_a_point(client, world):
    response = await client.post(
        "/api/tokens", content=b'{"expires_in": 60.0}', headers=world.owner.header | JSON
    )
    assert response.status_code == 201


async def test_a_body_over_the_limit_is_413_whether_its_length_is_told_or_not(client, world):
    async def chunks():
        for _ in range(20):
            yield b"x" * 65536

    for body in (b"x" * 1_048_577, chunks()):
        headers = world.owner.header | JSON
        response = await client.post("/api/tokens", content=body, headers=headers)
        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


async def test_a_body_at_the_limit_is_read(client, world):
    body = json.dumps({"description": "x", "extra": ""})
    body = body[:-2] + "y" * (1_048_576 - len(body)) + body[-2:]
    headers = world.owner.header | JSON
    response = await client.post("/api/tokens", content=body, headers=headers)
    assert response.status_code == 201


async def test_json_without_a_content_type_is_read_with_an_authorization_header(client, world):
    body = b'{"description": "untyped"}'
    response = await client.post("/api/tokens", content=body, headers=world.owner.header)
    assert (response.status_code, response.json()["description"]) == (201, "untyped")


async def test_json_without_a_content_type_is_refused_without_one(browser, client):
    for each in (browser, client):
        response = await each.post("/api/tokens", content=b"{}", headers={"Origin": "null"})
        assert (response.status_code, response.json()["code"]) == (415, "content_type_required")


async def test_a_text_plain_body_is_never_json(client):
    body = b'{"username": "owner", "password": "x"}'
    headers = {"Content-Type": "text/plain"}
    response = await client.post("/api/auth/login", content=body, headers=headers)
    assert response.status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"description": 1}',
        b'{"description": ["x"]}',
        b'{"expires_in": "soon"}',
        b'{"expires_in": 0}',
        b'{"expires_in": "60"}',
        b'{"expires_in": true}',
        b'{"expires_in": 60.5}',
        b'{"expires_in": 99999999999999999999999}',
        b'{"expires_in": 1' + b"0" * 5000 + b"}",
        b'{"expires_in": 1e999}',
        b'{"expires_in": NaN}',
        b'{"description": "' + b"x" * 256 + b'"}',
        b'{"description": "a\\u0000b"}',
        b'{"description": "\\ud800"}',
        b'{"a\\u0000": 1}',
        b'{"scope": "all"}',
        b'{"identity": {"user_id": 5}}',
        b'{"identity": "Not A Name"}',
    ],
)
async def test_bad_bodies_are_400_with_a_readable_message_and_change_nothing(client, world, body):
    headers = world.owner.header | JSON
    response = await client.post("/api/tokens", content=body, headers=headers)
    assert response.status_code == 400
    assert set(response.json()) == {"message", "code"}
    listed = await client.get("/api/tokens", headers=world.owner.header)
    assert len(listed.json()["tokens"]) == 1


async def test_a_wrong_field_is_named_in_the_message(client, world):
    response = await client.post(
        "/api/tokens", json={"expires_in": "x"}, headers=world.owner.header
    )
    assert response.json()["message"].startswith("expires_in: ")


@pytest.mark.parametrize("path", ["/api/tokens/a%00b", "/api/users?username=%00", "/x%00"])
async def test_nul_in_an_address_is_no_server_error(client, world, path):
    response = await client.get(path, headers=world.owner.header)
    assert response.status_code in {400, 404}


async def test_unicode_is_kept_as_it_was_sent(client, world):
    text = "Ünïcode 文字 🪐"
    made = await client.post("/api/tokens", json={"description": text}, headers=world.owner.header)
    assert made.json()["description"] == text


async def test_fields_nobody_knows_are_ignored(client, world):
    body = {"description": "x", "state": {"id": 1}, "unheard_of": True}
    made = await client.post("/api/tokens", json=body, headers=world.owner.header)
    assert made.status_code == 201


async def test_delete_takes_a_body(client, world):
    made = await client.post("/api/tokens", json={}, headers=world.owner.header)
    response = await client.request(
        "DELETE", f"/api/tokens/{made.json()['id']}", json={"x": 1}, headers=world.owner.header
    )
    assert (response.status_code, response.content) == (204, b"")


async def test_health_answers_503_with_the_reason_when_not_ready(connect):
    async def ill() -> Health:
        return Health(ready=False, reason="the image is not built yet")

    client = connect(platform=ill)
    assert (await client.get("/health/live")).json() == {"status": "ok"}
    assert (await client.get("/health/ready")).status_code == 200
    response = await client.get("/health/platform")
    assert response.status_code == 503
    expected = {"message": "the image is not built yet", "code": "not_ready"}
    assert response.json() == expected

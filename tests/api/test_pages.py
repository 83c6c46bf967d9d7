"""The plain pages: what they show, to whom, and their headers."""

import base64
import hashlib
import re

import pytest

from services.api.context import WorkspaceLink

ORIGIN = {"Origin": "http://localhost:8765"}


async def test_a_stranger_is_told_how_to_sign_in(client):
    response = await client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "cassini admin sign-in-link" in response.text


async def test_pages_are_not_kept_framed_or_scripted(client, browser):
    for each in (await client.get("/"), await browser.get("/"), await client.get("/sign-in")):
        assert each.headers["cache-control"] == "no-store"
        assert each.headers["x-frame-options"] == "DENY"
        assert each.headers["referrer-policy"] == "same-origin"
        policy = each.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "<script" not in each.text
        style = re.search("<style>(.*)</style>", each.text, re.DOTALL)[1]
        allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"'sha256-{allowed}'" in policy


@pytest.fixture
def shown(connect, browser):
    async def load(links):
        async def workspaces_of(session, caller):
            return links

        client = connect(workspaces_of=workspaces_of)
        client.cookies = browser.cookies
        return await client.get("/")

    return load


async def test_the_start_page_shows_me_my_workspaces_and_the_curl_lines(shown):
    page = await shown(
        [
            WorkspaceLink("open-one", "running", "/workspaces/abc/open"),
            WorkspaceLink("broken", "error", None, "<b>no such package</b>"),
        ]
    )
    assert "owner" in page.text
    assert '<a href="/workspaces/abc/open">' in page.text
    assert page.text.count("Open JupyterLab") == 1
    assert "&lt;b&gt;no such package&lt;/b&gt;" in page.text
    assert "export SATURN_BASE_URL=http://localhost:8765" in page.text
    assert "/api/workspaces/ID/start" in page.text


async def test_the_start_page_works_with_no_workspace(shown):
    assert "None yet." in (await shown([])).text


async def test_the_code_of_a_link_is_shown_as_text(client):
    page = await client.get("/sign-in", params={"code": '"><script>alert(1)</script>'})
    assert "<script" not in page.text


async def test_the_password_form_sets_a_password(browser, connect):
    form = {"current": "", "password": "a long enough one"}
    done = await browser.post("/password", data=form, headers=ORIGIN)
    assert (done.status_code, "is set" in done.text) == (200, True)
    body = {"username": "owner", "password": "a long enough one"}
    assert (await connect().post("/api/auth/login", json=body)).status_code == 204


@pytest.mark.parametrize(
    ("headers", "password", "status"),
    [({}, "a long enough one", 403), (ORIGIN, "short", 400), (ORIGIN, "x" * 1025, 400)],
)
async def test_the_password_form_refuses(browser, headers, password, status):
    form = {"password": password}
    assert (await browser.post("/password", data=form, headers=headers)).status_code == status


@pytest.mark.parametrize(
    "body", [b"a=1&" * 20, b"\xff\xff", b"username=%00&password=x", b"", b"code", b"username=x"]
)
async def test_bad_forms_are_refused_on_a_page(client, world, body):
    headers = ORIGIN | {"Content-Type": "application/x-www-form-urlencoded"}
    response = await client.post("/sign-in", content=body, headers=headers)
    assert response.status_code == 400
    assert "You are not signed in" in response.text

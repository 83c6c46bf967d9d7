"""Bodies: what is read, and what is not."""

import pytest

from cassini.runtime.errors import Invalid
from services.api.requests import BodyRules, check_text


async def run(messages, headers=()):
    """Send one request through the rules; returns the bodies the app got and the answers."""
    got, sent, coming = [], [], iter(messages)

    async def app(scope, receive, send):
        got.append((await receive())["body"])

    async def receive():
        return next(coming)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": list(headers)}
    await BodyRules(app)(scope, receive, send)
    return got, [message["status"] for message in sent if "status" in message]


def part(body, *, more):
    return {"type": "http.request", "body": body, "more_body": more}


JSON = (b"content-type", b"application/json")


async def test_parts_become_one_body():
    parts = [part(b'{"a"', more=True), part(b": 1}", more=False)]
    assert await run(parts, [JSON]) == ([b'{"a": 1}'], [])


async def test_half_a_body_does_not_reach_the_app():
    parts = [part(b"{}", more=True), {"type": "http.disconnect"}]
    assert await run(parts, [JSON]) == ([], [])


@pytest.mark.parametrize("length", [b"1048577", b"9" * 5000, b"-1", b"1e9", b""])
async def test_a_length_that_is_too_much_is_refused_unread(length):
    assert await run([], [JSON, (b"content-length", length)]) == ([], [413])


async def test_other_protocols_pass():
    passed = []

    async def app(scope, receive, send):
        passed.append(scope["type"])

    await BodyRules(app)({"type": "lifespan"}, None, None)
    assert passed == ["lifespan"]


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "ä\udfff"])
def test_text_no_database_keeps_is_refused(text):
    with pytest.raises(Invalid) as caught:
        check_text(text, "the body")
    assert caught.value.code == "bad_text"


@pytest.mark.parametrize("text", ["", "a", "ä", "🪐", "\\u0000", 5, None])
def test_other_text_passes(text):
    check_text(text, "the body")

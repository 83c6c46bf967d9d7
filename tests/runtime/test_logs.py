import json
import logging

import pytest
import structlog

from cassini.runtime.logs import configure_logging, redact

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
PLANTED = "planted-value-0123456789"


def redacted(**event):
    return redact(None, "info", event)


@pytest.mark.parametrize(
    "name",
    ["token", "claim_token", "password", "SATURN_TOKEN", "sealed", "Authorization", "cookie"],
)
def test_a_value_is_struck_out_by_its_name(name):
    assert redacted(**{name: PLANTED}) == {name: "[redacted]"}


@pytest.mark.parametrize(
    "text",
    [
        f"signed in with {JWT}",
        f"Authorization: token {PLANTED}",
        f"Authorization: Bearer {PLANTED}",
        f"GET /sign-in?code={PLANTED}",
        f"GET /x?a=1&token={PLANTED}",
    ],
)
def test_a_text_is_cleared_of_what_looks_like_a_token(text):
    line = redacted(event=text)["event"]

    assert "[redacted]" in line
    assert JWT not in line
    assert PLANTED not in line


def test_values_are_struck_out_at_any_depth():
    line = json.dumps(
        redacted(
            request={"headers": {"Authorization": PLANTED}, "lines": [f"token {PLANTED}"]},
            error=ValueError(f"bad token {PLANTED}"),
            pairs=[("password", f"Bearer {PLANTED}")],
        )
    )

    assert PLANTED not in line


def test_what_is_no_secret_stays_as_it_is():
    event = {"event": "a token is used", "count": 3, "ok": True, "none": None, "list": [1, "a"]}

    assert redact(None, "info", dict(event)) == event


def fail(what):
    raise ValueError(what)


@pytest.fixture
def configured():
    before, level = logging.root.handlers[:], logging.root.level
    structlog_before = structlog.get_config()
    yield
    structlog.configure(**structlog_before)
    logging.root.handlers[:] = before
    logging.root.setLevel(level)


def test_lines_of_libraries_pass_the_same_processors(configured, capsys):
    configure_logging(form="json")
    logging.getLogger("some.library").warning("header %s", f"token {PLANTED}")
    structlog.get_logger("ours").warning("ours", token=PLANTED)
    try:
        fail(f"token {PLANTED}")
    except ValueError:
        logging.getLogger("some.library").exception("failed")
        structlog.get_logger("ours").exception("failed")

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines][:2] == ["header [redacted]", "ours"]
    assert [line["logger"] for line in lines][:2] == ["some.library", "ours"]
    assert all("ValueError" in line["exception"] for line in lines[2:])
    assert PLANTED not in json.dumps(lines)


def test_text_lines_show_no_local_variables(configured, capsys):
    configure_logging(form="text")
    local_value = PLANTED
    try:
        fail(len(local_value))
    except ValueError:
        structlog.get_logger("ours").exception("failed")

    text = capsys.readouterr().err
    assert "ValueError" in text
    assert PLANTED not in text


def test_lines_below_the_level_are_left_out(configured, capsys):
    configure_logging(level="warning", form="json")
    structlog.get_logger("ours").info("quiet")
    structlog.get_logger("ours").warning("loud")

    assert "quiet" not in capsys.readouterr().err

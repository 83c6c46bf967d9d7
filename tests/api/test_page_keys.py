"""Page keys come back as they were given out, to the list that gave them, or not at all."""

import base64
import json
import string

import pytest

from cassini.runtime.errors import Invalid
from services.api.app import create_app
from services.api.page_keys import PageKeys, page_asked

KEYS = PageKeys(b"a key of this test")
PLACE = [1_800_000_000.123456, "0123456789abcdef" * 2]
LETTERS = string.ascii_letters + string.digits + "-_"


def refused(key, *, keys=KEYS, order="things"):
    with pytest.raises(Invalid) as caught:
        keys.read(order, key)
    return caught.value.code == "bad_page_key"


def test_a_key_gives_back_its_place():
    assert KEYS.read("things", KEYS.make("things", PLACE)) == PLACE


def test_a_key_with_one_letter_changed_is_refused():
    key = KEYS.make("things", PLACE)
    for place, letter in enumerate(key):
        for other in LETTERS:
            if other != letter:
                assert refused(key[:place] + other + key[place + 1 :])


def test_a_key_of_another_order_or_another_platform_is_refused():
    key = KEYS.make("things", PLACE)
    assert refused(key, order="others")
    assert refused(key, keys=PageKeys(b"another"))


def unsigned(content):
    return base64.urlsafe_b64encode(b"0" * 16 + json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "key", ["x", "????", "ünïcode", "0" * 4000, "=", unsigned(PLACE), unsigned(None), "A" * 24]
)
def test_a_key_that_was_not_given_out_is_refused(key):
    assert refused(key)


def test_a_key_cut_short_or_made_longer_is_refused():
    key = KEYS.make("things", PLACE)
    for other in (key[:-1], key[1:], key + "A", key + "=", key + "\n", key.upper()):
        assert refused(other)


def test_both_keys_at_once_are_refused(api):
    key = KEYS.make("things", PLACE)
    with pytest.raises(Invalid, match="not both"):
        page_asked(api, prev_key=key, next_key=key, page_size=1)


def test_no_key_shows_the_secret():
    assert "a key of this test" not in repr(KEYS)


@pytest.mark.parametrize("key", ["x", "A" * 24, "A" * 500, "%00", "ü"])
@pytest.mark.parametrize("name", ["prev_key", "next_key"])
async def test_bad_keys_are_400_over_http(client, world, name, key):
    response = await client.get(f"/api/orgs?{name}={key}", headers=world.owner.header)
    assert response.status_code == 400
    assert set(response.json()) == {"message", "code"}


async def test_an_empty_key_asks_for_the_first_page(client, world):
    response = await client.get("/api/orgs?next_key=&prev_key=", headers=world.owner.header)
    assert response.status_code == 200


def test_every_page_key_is_marked_in_the_openapi_document(api):
    paths = create_app(api).openapi()["paths"]
    found = [
        parameter["schema"]
        for path in paths.values()
        for operation in path.values()
        for parameter in operation.get("parameters", ())
        if parameter["name"] in {"prev_key", "next_key"}
    ]
    assert found
    for schema in found:
        assert schema["format"] == "page-key"
        assert schema["maxLength"] == 400
        assert schema["pattern"]

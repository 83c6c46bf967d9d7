"""``/api/secrets``: values that are kept and never shown, and who may see that there are any."""

import pytest

from services.api.credentials.schemas import LONGEST_VALUE
from tests.api.resources.secrets import (
    SECRETS,
    change,
    give,
    given,
    look,
    make,
    show,
    start,
    stored,
    told,
    workspace,
)


async def names(client, **query):
    answer = await client.get(SECRETS, params=query)
    assert answer.status_code == 200, answer.text
    assert {"prev_key", "next_key"} <= answer.json().keys()
    return [each["name"] for each in answer.json()["secrets"]]


async def test_a_value_goes_sealed_to_its_keeper_and_is_in_no_answer(world, ada):
    made = await make(ada, value="pläin\n\n")
    wish = await world.wish("credential", made["id"])
    assert world.value(wish) == "pläin\n\n"
    assert (made["status"], made["editable"], made["access"]) == ("pending", True, "owner")
    for answer in (made, await show(ada, made), (await ada.get(SECRETS)).json()):
        assert "pläin" not in str(answer)
    await told(world, made)
    assert (await show(ada, made))["status"] == "stored"


async def test_a_name_is_an_owners_own_until_its_secret_is_gone(world, ada, admin):
    made = await make(ada)
    answer = await ada.post(SECRETS, json={"name": "key", "value": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    other = await make(admin)
    third = await make(ada, "third")
    renamed = await ada.patch(f"{SECRETS}/{third['id']}", json={"name": "key"})
    assert renamed.status_code == 409
    assert (await ada.delete(f"{SECRETS}/{made['id']}")).status_code == 204
    assert (await world.wish("credential", made["id"])).wanted == "absent"
    assert (await ada.get(f"{SECRETS}/{made['id']}")).status_code == 404
    assert (await change(ada, third, name="key"))["name"] == "key"
    assert other["id"] != made["id"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "key"},
        {"name": "", "value": "x"},
        {"name": " key", "value": "x"},
        {"name": "a\nb", "value": "x"},
        {"name": "k" * 129, "value": "x"},
        {"name": "key", "value": "a\0b"},
        {"name": "key", "value": "é" * (LONGEST_VALUE // 2 + 1)},
        {"name": "key", "value": "x", "access": "account"},
        {"name": "key", "value": 5},
    ],
)
async def test_what_cannot_be_kept_is_refused_and_not_repeated(ada, body):
    answer = await ada.post(SECRETS, json=body)
    assert answer.status_code == 400
    assert "é" not in answer.text


async def test_the_longest_value_is_kept(world, ada):
    value = "é" * (LONGEST_VALUE // 2)
    made = await make(ada, value=value)
    assert world.value(await world.wish("credential", made["id"])) == value


async def test_only_a_new_value_is_declared_again(world, ada):
    made = await stored(world, ada)
    await change(ada, made, name="other", access="org")
    assert (await world.wish("credential", made["id"])).generation == 1
    assert (await change(ada, made, value="v2"))["status"] == "pending"
    wish = await world.wish("credential", made["id"])
    assert (wish.generation, world.value(wish)) == (2, "v2")


async def test_lists_show_own_ones_and_those_of_the_org(ada, admin):
    await make(ada, "adas")
    await make(admin, "admins")
    await make(admin, "org-key", access="org")
    assert await names(ada) == ["adas", "org-key"]
    assert await names(ada, access="org") == ["org-key"]
    assert await names(ada, name="ada") == ["adas"]
    assert await names(ada, owner="main/ada") == ["adas"]
    assert await names(admin) == ["admins", "org-key"]
    assert await names(admin, owner_name="main/ada") == ["adas"]
    assert (await ada.get(SECRETS, params={"owner": "main/admin"})).status_code == 404
    page = (await ada.get(SECRETS, params={"page_size": 1})).json()
    assert await names(ada, page_size=1, next_key=page["next_key"]) == ["org-key"]


async def test_one_of_the_org_may_be_seen_by_all_and_changed_by_its_owner(ada, admin):
    made = await make(admin, access="org")
    assert (await show(ada, made))["editable"] is False
    url = f"{SECRETS}/{made['id']}"
    assert (await ada.patch(url, json={"value": "mine"})).status_code == 403
    assert (await ada.delete(url)).status_code == 403
    await change(admin, made, access="owner")
    assert (await ada.get(url)).status_code == 404


async def test_a_lost_value_says_what_to_do_until_it_is_entered_again(world, ada):
    made = await stored(world, ada)
    await told(world, made, "lost")
    shown = await show(ada, made)
    assert (shown["status"], shown["message"]) == ("lost", "value lost: enter it again")
    await change(ada, made, value="again")
    assert (await show(ada, made))["status"] == "pending"
    await told(world, made)
    assert (await show(ada, made))["message"] is None


async def test_a_fact_about_an_older_value_says_nothing_of_the_new_one(world, ada):
    made = await make(ada)
    await change(ada, made, value="v2")
    await told(world, made, generation=1)
    assert (await show(ada, made))["status"] == "pending"


async def test_after_an_older_database_the_secret_follows_the_numbers(world, ada):
    """The store is ahead: the wish is declared past it, and says whether the value is the same."""
    made = await stored(world, ada)
    await told(world, made, generation=7)
    assert (await world.wish("credential", made["id"])).generation == 8
    assert (await show(ada, made))["status"] == "pending"
    await told(world, made, "lost")
    assert (await show(ada, made))["status"] == "lost"


async def test_what_was_given_keeps_an_empty_place_when_the_secret_goes(world, ada):
    made = await stored(world, ada)
    resource_id = await workspace(ada)
    await give(ada, resource_id, secret_id=made["id"], description="for the bucket")
    await start(ada, resource_id)
    await world.running(resource_id)
    await ada.delete(f"{SECRETS}/{made['id']}")
    (place,) = await given(ada, resource_id)
    assert (place["secret"], place["description"]) == (None, "for the bucket")
    shown = await look(ada, resource_id)
    assert (shown["status"], shown["require_restart"]) == ("running", True)
    refused = await start(ada, resource_id, "restart", status=409)
    assert refused["code"] == "secret_missing"
    assert "variable KEY (for the bucket)" in refused["message"]


async def test_one_that_is_kept_to_oneself_again_is_taken_from_others(world, ada, admin):
    made = await stored(world, admin, access="org")
    hers, own = await workspace(ada), await workspace(admin)
    for client, resource_id in ((ada, hers), (admin, own)):
        await give(client, resource_id, secret_id=made["id"])
    await change(admin, made, access="owner")
    assert [each["secret"] for each in await given(ada, hers)] == [None]
    assert [each["secret"]["id"] for each in await given(admin, own)] == [made["id"]]

"""``/api/orgs``: the orgs one is in, who is in them, and who may change them."""

from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlmodel import select

from services.api.auth.models import Org
from tests.api.contract_fields import ORG

OWNER = {
    "id",
    "name",
    "identity_name",
    "org_name",
    "created_at",
    "org_admin",
    "org_id",
    "user_id",
    "group_id",
    "identity_type",
    "avatar_url",
}
DETAILS = OWNER | {"limits_id", "limits", "org", "user", "group"}


@pytest.fixture
async def elsewhere(world, api):
    """The id of an org that only a stranger is in."""
    await world.stranger()
    async with api.database.read() as session:
        return (await session.exec(select(Org.id).where(Org.name == "elsewhere"))).one()


@pytest.fixture
def org_path(world):
    return f"/api/orgs/{world.org_id}"


async def test_orgs_lists_the_primary_one(client, world):
    answer = (await client.get("/api/orgs", headers=world.owner.header)).json()
    assert set(answer["orgs"][0]) == ORG
    assert (answer["orgs"][0]["name"], answer["orgs"][0]["is_primary"]) == ("main", True)
    none = await client.get("/api/orgs?name=%25", headers=world.owner.header)
    assert none.json()["orgs"] == []


async def test_only_an_admin_lists_the_orgs_of_others(client, world, elsewhere):
    for person in (world.owner, world.admin):
        own = (await client.get("/api/orgs", headers=person.header)).json()["orgs"]
        assert [org["id"] for org in own] == [world.org_id]
    refused = await client.get("/api/orgs?all_orgs=true", headers=world.owner.header)
    assert refused.status_code == 403
    listed = await client.get("/api/orgs?all_orgs=True", headers=world.admin.header)
    assert {org["id"] for org in listed.json()["orgs"]} == {world.org_id, elsewhere}


async def test_an_org_is_shown_to_those_in_it(client, world, elsewhere, org_path):
    shown = await client.get(org_path, headers=world.owner.header)
    assert (shown.status_code, set(shown.json())) == (200, ORG)
    for org_id in (elsewhere, "0" * 32, "x"):
        for path in ("", "/owners"):
            answer = await client.get(f"/api/orgs/{org_id}{path}", headers=world.owner.header)
            assert (answer.status_code, answer.json()["code"]) == (404, "org_not_found")
        patched = await client.patch(f"/api/orgs/{org_id}", json={}, headers=world.owner.header)
        assert (patched.status_code, patched.json()["code"]) == (404, "org_not_found")
    seen = await client.get(f"/api/orgs/{elsewhere}", headers=world.admin.header)
    assert seen.status_code == 200


async def test_an_admin_of_the_org_changes_it(client, world, org_path):
    body = {
        "email": "team@x.example",
        "description": "Wir · zusammen",
        "website_url": "https://x.example/team",
        "logo_image_url": "https://x.example/logo.png",
        "name": "ignored",
        "locked": False,
        "limits_id": None,
    }
    refused = await client.patch(org_path, json=body, headers=world.other.header)
    assert (refused.status_code, refused.json()["message"]) == (
        403,
        "only an admin of the org may do this",
    )
    await world.make_org_admin(world.other)
    for person in (world.other, world.admin):
        answer = await client.patch(org_path, json=body, headers=person.header)
        assert answer.status_code == 200
    shown = (await client.get(org_path, headers=world.owner.header)).json()
    assert shown == answer.json()
    changed = ("email", "description", "website_url", "logo_image_url")
    assert {name: shown[name] for name in changed} == {name: body[name] for name in changed}
    assert shown["name"] == "main"


async def test_addresses_are_taken_away_with_null(client, world, org_path):
    body = {"website_url": "https://x.example", "logo_image_url": "data:image/png;base64,AA=="}
    await client.patch(org_path, json=body, headers=world.admin.header)
    body = {"website_url": None, "logo_image_url": None}
    answer = await client.patch(org_path, json=body, headers=world.admin.header)
    assert (answer.json()["website_url"], answer.json()["logo_image_url"]) == (None, "")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"locked": True}, 409, "only_org"),
        ({"limits_id": "0" * 32}, 400, "not_offered"),
        ({"website_url": "javascript:alert(1)"}, 400, "invalid_fields"),
        ({"website_url": "https://x example"}, 400, "invalid_fields"),
        ({"website_url": "https://" + "x" * 3000}, 400, "invalid_fields"),
        ({"logo_image_url": "data:text/html,x"}, 400, "invalid_fields"),
        ({"logo_image_url": "https://x.example/" + "x" * 40_000}, 400, "invalid_fields"),
        ({"email": "nobody"}, 400, "invalid_fields"),
        ({"description": "x" * 2049}, 400, "invalid_fields"),
        ({"description": None}, 400, "invalid_fields"),
    ],
)
async def test_bad_changes_are_refused_and_change_nothing(
    client, world, org_path, body, status, code
):
    body = {"description": "changed"} | body
    answer = await client.patch(org_path, json=body, headers=world.admin.header)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    shown = await client.get(org_path, headers=world.admin.header)
    assert shown.json()["description"] == ""


async def test_the_refusal_to_lock_the_only_org_says_why(client, world, org_path):
    answer = await client.patch(org_path, json={"locked": True}, headers=world.admin.header)
    assert "nobody could work" in answer.json()["message"]
    await world.make_org_admin(world.other)
    answer = await client.patch(org_path, json={"locked": True}, headers=world.other.header)
    assert (answer.status_code, answer.json()["message"]) == (403, "only an admin may do this")


async def test_owners_are_the_caller_alone_unless_all_are_asked_for(client, world, org_path):
    path = f"{org_path}/owners"
    own = (await client.get(path, headers=world.owner.header)).json()
    assert [owner["id"] for owner in own["owners"]] == [world.owner.owner_id]
    assert set(own["owners"][0]) == OWNER
    everybody = await client.get(f"{path}?all_users=True", headers=world.owner.header)
    names = [owner["name"] for owner in everybody.json()["owners"]]
    assert sorted(names) == ["main/admin", "main/other", "main/owner"]


async def test_details_of_others_are_for_admins_of_the_org(client, world, org_path):
    path = f"{org_path}/owners?details=true"
    own = (await client.get(path, headers=world.other.header)).json()["owners"]
    assert [set(owner) for owner in own] == [DETAILS]
    refused = await client.get(f"{path}&all_users=true", headers=world.other.header)
    assert refused.status_code == 403
    await world.make_org_admin(world.other)
    for person in (world.other, world.admin):
        shown = await client.get(f"{path}&all_users=true", headers=person.header)
        assert [set(owner) for owner in shown.json()["owners"]] == [DETAILS] * 3
        assert {owner["user"]["username"] for owner in shown.json()["owners"]} == {
            "admin",
            "other",
            "owner",
        }


async def test_owners_are_found_by_part_of_their_name_and_by_kind(client, world, org_path):
    path = f"{org_path}/owners?all_users=true&all_groups=true"
    for query, names in (
        ("name=OTH", ["other"]),
        ("name=%25", []),
        ("identity_type=user&name=adm", ["admin"]),
        ("identity_type=group", []),
    ):
        answer = await client.get(f"{path}&{query}", headers=world.owner.header)
        assert [owner["identity_name"] for owner in answer.json()["owners"]] == names
    wrong = await client.get(f"{path}&identity_type=robot", headers=world.owner.header)
    assert wrong.status_code == 400


@pytest.mark.parametrize("details", ["false", "true"])
async def test_owners_come_in_pages(client, world, org_path, details):
    path, key, seen = f"{org_path}/owners?all_users=true&page_size=2&details={details}", "", []
    while key is not None:
        answer = await client.get(f"{path}&next_key={key}", headers=world.admin.header)
        seen += [owner["id"] for owner in answer.json()["owners"]]
        key = answer.json()["next_key"]
    people = (world.admin, world.owner, world.other)
    assert sorted(seen) == sorted(person.owner_id for person in people)


async def test_a_page_costs_as_many_queries_whatever_it_holds(client, world, org_path, api):
    counts = []
    for size in (1, 3):
        with statements(api.database) as asked:
            query = f"all_users=true&details=true&page_size={size}"
            await client.get(f"{org_path}/owners?{query}", headers=world.admin.header)
        counts.append(len(asked))
    assert counts[0] == counts[1] > 0


@contextmanager
def statements(database):
    """Collect the statements that are only read with."""
    asked = []

    def note(_connection, _cursor, statement, *_more):
        asked.append(statement)

    engine = database._reader.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)


async def test_tokens_for_a_resource_see_their_own_owner_alone(client, world, org_path):
    header = await world.resource_token(world.owner, await world.workspace(world.owner))
    own = await client.get(f"{org_path}/owners", headers=header)
    assert [owner["id"] for owner in own.json()["owners"]] == [world.owner.owner_id]
    refused = await client.get(f"{org_path}/owners?all_users=true", headers=header)
    assert refused.status_code == 403

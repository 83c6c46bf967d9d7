"""saturn_client as a library: what its ``SaturnConnection`` does for an admin's scripts."""

import pytest

from tests.clients.remote import Refused

pytestmark = [
    pytest.mark.clients,
    pytest.mark.jupyter,
    pytest.mark.timeout(600),
]

NOBODY = "0" * 32


@pytest.fixture(scope="module")
def org(library) -> str:
    """The id of the only org."""
    return library.primary_org()["id"]


class TestOptions:
    def test_a_size_by_its_name(self, library):
        size = library.get_size("small")
        assert ("small", 0, False) == (size["name"], size["gpu"], size["disabled"])

    @pytest.mark.parametrize("kind", ["sizes", "disk_space", "auto_shutoff"])
    def test_every_kind_of_option_is_offered(self, library, kind):
        assert library.options()[kind]
        assert library.list_options(kind)

    def test_sizes_are_picked_by_a_pattern(self, library):
        found = library.list_options("sizes", glob="m*")
        assert {"micro", "medium"} <= {size["name"] for size in found}
        assert "small" not in {size["name"] for size in found}


class TestUsers:
    def test_one_is_made_and_changed(self, library):
        made = library.create_user("grace", "grace@example.org", send_reset_email=False)
        assert ("grace", "grace@example.org", False) == (
            made["username"],
            made["email"],
            made["admin"],
        )
        new = {"full_name": "Grace Hopper", "email": "hopper@example.org"}
        changed = library.update_user(made["id"], **new)
        assert {name: made[name] for name in changed} | new == changed
        brief = library.get_user(made["id"])
        assert {name: changed[name] for name in ("id", "username", "avatar_url")} == brief
        assert "grace" in {user["username"] for user in library.get_all_users()}

    def test_one_is_deleted(self, library, client_of):
        made = library.create_user("gone", "gone@example.org", send_reset_email=False)
        theirs = client_of(made["id"])
        library.delete_user(made["id"])
        theirs.ask("GET", "/api/user", status=401)
        assert "gone" not in {user["username"] for user in library.get_all_users()}

    def test_one_that_is_locked_is_kept_out_until_unlocked(self, library, client_of):
        made = library.create_user("locked-out", "out@example.org", send_reset_email=False)
        theirs = client_of(made["id"])
        theirs.ask("GET", "/api/user")
        assert library.update_user(made["id"], locked=True)["locked"]
        assert "locked" in theirs.ask("GET", "/api/user", status=403)["message"]
        assert not library.update_user(made["id"], locked=False)["locked"]
        assert "locked-out" == theirs.ask("GET", "/api/user")["username"]

    def test_an_admin_is_made_and_unmade(self, library, client_of):
        made = library.create_user("helper", "helper@example.org", send_reset_email=False)
        theirs = client_of(made["id"])
        library.update_user(made["id"], admin=True)
        theirs.ask("GET", "/api/users?details=true")
        library.update_user(made["id"])
        theirs.ask("GET", "/api/users?details=true", status=403)

    @pytest.mark.parametrize(
        ("name", "email", "said"),
        [("admin", "a@example.org", "admin"), ("Two Words", "b@example.org", "user name")],
    )
    def test_one_that_cannot_be_is_refused_with_the_reason(self, library, name, email, said):
        with pytest.raises(Refused, match=said) as refused:
            library.create_user(name, email, send_reset_email=False)
        assert refused.value.status in (400, 409)

    def test_all_of_many_pages_are_found(self, library, http):
        names = {f"page-{number:03}" for number in range(102)}
        for name in sorted(names):
            body = {"username": name, "email": f"{name}@example.org", "send_reset_email": False}
            http.ask("POST", "/api/users", body, status=201)
        found = [user["username"] for user in library.get_all_users()]
        assert names <= set(found)
        assert len(set(found)) == len(found)
        assert all("email" in user for user in library.get_all_users(details=True))


class TestOwners:
    def test_everybody_of_the_org_for_an_admin(self, library, org):
        library.create_user("owner-one", "one@example.org", send_reset_email=False)
        owners = {owner["name"]: owner for owner in library.get_owners(org, all_users=True)}
        assert {"main/admin", "main/owner-one"} <= owners.keys()
        assert ("owner-one", "user") == (
            owners["main/owner-one"]["identity_name"],
            owners["main/owner-one"]["identity_type"],
        )

    def test_details_hold_org_and_user(self, library, org):
        owners = library.get_owners(org, all_users=True, details=True)
        (mine,) = [owner for owner in owners if owner["name"] == "main/admin"]
        assert org == mine["org"]["id"]
        assert "admin" == mine["user"]["username"]

    def test_without_all_users_the_ones_that_the_caller_is(self, library, org):
        assert ["main/admin"] == [owner["name"] for owner in library.get_owners(org)]
        assert ["main/admin"] == [
            owner["name"] for owner in library.get_owners(org, users_only=True)
        ]

    def test_groups_are_asked_for_and_there_are_none(self, library, org):
        assert [] == library.get_owners(org, all_groups=True, groups_only=True)

    def test_an_org_that_is_none(self, library):
        with pytest.raises(Refused) as refused:
            library.get_owners(NOBODY)
        assert 404 == refused.value.status


class TestOrgs:
    def test_the_primary_one_is_listed(self, library, org):
        for listed in (library.orgs(), library.list_organizations(all_orgs=True)):
            (only,) = listed
            assert ("main", True, org) == (only["name"], only["is_primary"], only["id"])
        assert library.get_organization(org) == library.list_organizations()[0]

    def test_it_can_be_described(self, library, org):
        new = {"description": "We look at stars", "email": "stars@example.org"}
        new |= {"website_url": "https://stars.example.org"}
        changed = library.update_organization(org, **new)
        assert new == {name: changed[name] for name in new}
        assert changed == library.get_organization(org)

    def test_a_user_prefers_an_org(self, library, org):
        me = library.current_user()["id"]
        said = library.set_preferred_org(me, org)
        assert org == said["default_org_id"]
        assert "main/admin" == said["default_owner"]["name"]


class TestResources:
    def test_all_workspaces_of_many_pages_are_found(self, library, http):
        """More than a page of either list, so that both are walked."""
        names = {f"many-{number:03}" for number in range(103)}
        for name in sorted(names):
            http.create(name)
        found = [workspace["name"] for workspace in library.get_all_workspaces()]
        assert names <= set(found)
        assert len(set(found)) == len(found)
        recipes = library.list_resources("workspace", resource_name="many-")
        assert names == {recipe["spec"]["name"] for recipe in recipes}
        assert len(names) == len(recipes)

    def test_one_by_its_name_and_owner(self, library, http):
        workspace = http.create("chosen")
        recipe = library.get_resource("workspace", "chosen", owner_name="main/admin")
        assert workspace == recipe["state"]["id"]
        (listed,) = library.list_resources(resource_name="chosen", status="stopped")
        assert recipe == listed
        assert [] == library.list_resources(resource_name="chosen", status=["running", "error"])

    def test_a_template_is_made_into_a_workspace_of_a_new_name(self, library, http):
        http.create("original", description="to be copied")
        template = library.get_resource("workspace", "original", as_template=True)
        template["spec"]["name"] = "copy"
        made = library.create(template)
        assert ("copy", "to be copied") == (made["spec"]["name"], made["spec"]["description"])
        with pytest.raises(Refused, match="copy") as refused:
            library.create(template)
        assert 409 == refused.value.status

    @pytest.mark.parametrize("enforce", [True, False])
    def test_unknown_fields_are_refused_unless_they_may_be_there(self, library, http, enforce):
        http.create(f"base-{enforce}")
        template = library.get_resource("workspace", f"base-{enforce}", as_template=True)
        template["spec"] |= {"name": f"odd-{enforce}", "colour": "blue"}
        if enforce:
            with pytest.raises(Refused, match="colour"):
                library.create(template)
        else:
            assert "colour" not in library.create(template, enforce_unknown=False)["spec"]

    def test_one_is_deleted(self, library, http):
        workspace = http.create("short")
        assert 204 == library.delete("workspace", workspace)
        http.ask("GET", f"/api/workspaces/{workspace}", status=404)

"""Rows and recipes are two forms of the same: there and back changes nothing."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from cassini import __version__
from services.api.images.models import Image, ImageTag
from services.api.people.owners import Owner
from services.api.resources.columns import values_of as columns_of
from services.api.resources.models import Workspace
from services.api.resources.recipe_schemas import WorkspaceRecipe, scope_of_recipe
from services.api.resources.recipes import recipe_of, values_of
from services.api.resources.schemas import WorkspaceCreate
from services.api.resources.sizes import Sizes
from services.api.resources.surroundings import Surroundings
from tests.api.resources import wanted

ID, TAG_ID, OWNER_ID = "a" * 32, "b" * 32, "c" * 32
OWN = f"workspace:{ID}"
AROUND = Surroundings(
    tags={
        TAG_ID: (
            ImageTag(id=TAG_ID, image_id="d", version=__version__, image_uri="x", created_at=0),
            Image(id="d", owner_id=OWNER_ID, name="cassini-python", created_at=0),
        )
    },
    owners={OWNER_ID: Owner(OWNER_ID, "e", "main", "f", "ada", org_admin=False, created_at=0)},
    sizes=Sizes(None),
)
scopes = st.sampled_from([None, OWN, "read", f"read {OWN}", "workspace:" + "9" * 32])


def row_of(values):
    fixed = {"id": ID, "owner_id": OWNER_ID, "image_tag_id": TAG_ID}
    fixed |= {"created_at": 0.0, "updated_at": 0.0}
    return Workspace(**fixed, **{"subdomain": "its-own"} | values)


def shown(row, scope=OWN, **kwargs):
    """Return a row's recipe as it is on the wire."""
    recipe = recipe_of(row, AROUND, secrets=[], token_scope=scope, base_url="http://x", **kwargs)
    return json.loads(recipe.model_dump_json(exclude_unset=True))


def read(recipe):
    return WorkspaceRecipe.model_validate(recipe).spec


@settings(deadline=None)
@given(wanted.bodies, scopes)
def test_any_row_comes_back_from_its_recipe(body, scope):
    values = columns_of(WorkspaceCreate.model_validate(body))

    spec = read(shown(row_of(values), scope))

    assert values_of(spec) == values
    assert (spec.owner, spec.image) == ("main/ada", f"main/ada/cassini-python:{__version__}")
    back = None if spec.token_scope is None else scope_of_recipe(spec.token_scope, ID)
    assert back == scope


@settings(deadline=None)
@given(wanted.specs)
def test_any_recipe_is_the_same_when_it_was_applied_and_shown(spec):
    values = values_of(read({"type": "workspace", "spec": spec}))

    once = shown(row_of(values))
    twice = shown(row_of(values_of(read(once))))

    assert once == twice
    assert values_of(read(once)) == values


@settings(deadline=None)
@given(wanted.specs)
def test_a_recipe_holds_null_for_nothing_but_a_token_without_a_scope(spec):
    recipe = shown(row_of(values_of(read({"type": "workspace", "spec": spec}))), None)

    assert {name for name, value in recipe["spec"].items() if value is None} == {"token_scope"}


def test_a_template_says_nothing_of_whose_it_is_and_how_it_is():
    row = row_of(columns_of(WorkspaceCreate(name="a", instance_size="micro", subdomain="mine")))

    recipe, template = shown(row), shown(row, as_template=True)

    assert recipe.keys() - template.keys() == {"state"}
    assert recipe["spec"].keys() - template["spec"].keys() == {"owner"}
    assert "mine" not in json.dumps(template)
    assert ID not in json.dumps(template)


def test_the_state_has_the_route_of_jupyterlab():
    row = row_of(columns_of(WorkspaceCreate(name="a", instance_size="micro")))

    assert shown(row)["state"] == {
        "id": ID,
        "status": "stopped",
        "url": f"http://x/workspaces/{ID}/open",
        "ssh_url": None,
        "ssh_user": None,
        "routes": [
            {
                "subdomain": "its-own",
                "container_port": 8888,
                "url": f"http://x/workspaces/{ID}/open",
            }
        ],
    }

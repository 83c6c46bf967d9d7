"""saturn_api, generated from the published contract: its strict models take every answer of ours.

A walk goes through some operations as a script of a user would. Each runs once, so that the last
test can say which operations of the package were never called.
"""

import pytest

from tests.clients.remote import Operations, program
from tests.clients.walks import (
    access,
    images,
    installation,
    people,
    recipes,
    secrets,
    workspaces,
)
from tests.clients.walks.ground import Ground

pytestmark = [
    pytest.mark.clients,
    pytest.mark.jupyter,
    pytest.mark.timeout(600),
]

WALKS = (
    installation.installation,
    installation.server_options,
    people.users,
    people.pages,
    people.orgs,
    people.current_user,
    access.api_tokens,
    access.token_for_somebody_else,
    access.refresh,
    access.browser,
    images.images,
    images.image_tags,
    recipes.recipes,
    secrets.secrets,
    secrets.attachments,
    workspaces.settings,
    workspaces.what_can_be_chosen,
    workspaces.own_token,
    workspaces.one_that_runs,
)

LATER = {
    "clients sign in with tokens so far, not by OAuth": {"authorization.get_oauth_init"},
    "limits and what is used are not counted yet": {
        "current_user.get_aggregated_usage",
        "orgs.get_aggregated_usage",
        "orgs.get_daily_usage",
        "orgs.get_daily_user_usage",
        "orgs.get_owner_usage",
        "orgs.get_usage_limits",
    },
    "there is one org, and every user is its member": {
        "orgs.accept_invitation",
        "orgs.create",
        "orgs.create_invitation",
        "orgs.create_member",
        "orgs.decline_invitation",
        "orgs.delete",
        "orgs.delete_invitation",
        "orgs.delete_member",
        "orgs.get_invitation",
        "orgs.get_member",
        "orgs.list_invitations",
        "orgs.update_invitation",
        "orgs.update_member",
    },
    "images of one's own are not built or imported yet": {
        "image_tags.create",
        "image_tags.delete",
        "image_tags.get_runtime_summary",
        "image_tags.get_status_history",
        "image_tags.stop",
        "image_tags.update",
        "images.create",
        "images.delete",
        "images.update",
    },
    "a workspace has not all of its parts yet": {
        "workspaces.create_resource_template",
        "workspaces.create_route",
        "workspaces.create_service_account_attachment",
        "workspaces.create_viewer",
        "workspaces.delete_route",
        "workspaces.delete_service_account_attachment",
        "workspaces.delete_viewer",
        "workspaces.get_resource_template",
        "workspaces.get_route",
        "workspaces.get_service_account_attachment",
        "workspaces.list_routes",
        "workspaces.list_viewers",
        "workspaces.update_resource_template",
        "workspaces.update_route",
    },
    "there is one cluster": {"workspaces.get_cluster_history"},
    "its model wants one word where the contract has a list of them, so no answer fits": {
        "workspaces.get_server_options"
    },
}
"""Operations that are not called, of the areas that are, and why."""

LATER_AREAS = {
    "other kinds of resources": {"dask_clusters", "deployments", "jobs"},
    "people in groups, and what they may use": {"groups", "invitations", "limits"},
    "what a resource is given": {
        "external_repo_attachments",
        "external_repos",
        "service_account_entitlements",
        "service_accounts",
        "shared_folder_attachments",
        "shared_folders",
        "ssh_private_keys",
        "ssh_public_keys",
    },
    "what happened, told to people": {"notifications"},
    "files outside of any resource": {"artifacts", "object_storage"},
    "the token factory": {"datasets", "fine_tuning_jobs", "inference_endpoints"},
    "more than one cluster": {"clusters"},
}
"""Areas of which nothing is served yet."""


@pytest.fixture(scope="module")
def ground(clients, http, platform, image):
    with program(clients, "call_saturn_api.py") as running:
        api = Operations(running, http.token, set())
        yield Ground(api, http, platform, image, started=workspaces.start_one(api))


@pytest.fixture(scope="module")
def take(ground):
    """Takes a walk, the first time it is asked to; fails every time if it failed."""
    ended = {}

    def once(walk):
        if walk not in ended:
            try:
                ended[walk] = walk(ground)
            except BaseException as error:
                ended[walk] = error
                raise
        if ended[walk] is not None:
            raise ended[walk]

    return once


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.__name__)
def test_the_models_take_every_answer_and_it_is_what_was_sent(take, walk):
    take(walk)


def test_every_operation_is_called_or_its_time_has_not_come(take, ground):
    for walk in WALKS:
        take(walk)
    all_areas, later = set().union(*LATER_AREAS.values()), set().union(*LATER.values())
    offered = set(ground.api.all())
    ours = {name for name in offered if name.partition(".")[0] not in all_areas}
    assert ours - later == ground.api.answered
    assert later <= ours
    assert all_areas <= {name.partition(".")[0] for name in offered}

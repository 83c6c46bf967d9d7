"""secrets, and what workspaces are given of them."""

from tests.clients.walks.ground import Ground, only, refusal
from tests.system.waiting import until


def secrets(ground: Ground) -> None:
    api = ground.api.secrets
    sent = {"name": "star-key", "owner": "main/admin", "access": "org", "value": "shining-value"}
    made = api.create(sent)
    assert ("star-key", "org", True) == (made["name"], made["access"], made["editable"])
    assert "main/admin" == made["owner"]["name"]
    assert "shining-value" not in str(made)
    assert 409 == refusal(api.create, sent)
    assert made == api.get(made["id"])
    assert made == only(api.list(name="star", owner="main/admin", access="org")["secrets"])
    changed = api.update(made["id"], {"access": "owner", "value": "other-value"})
    assert made | {"access": "owner"} == changed
    status = f"/api/secrets/{made['id']}"
    until(lambda: ground.http.ask("GET", status)["status"] == "stored", "a stored value")
    assert api.delete(made["id"]) is None
    assert 404 == refusal(api.get, made["id"])


def attachments(ground: Ground) -> None:
    api, secret = ground.api.workspaces, ground.api.secrets.create({"name": "a", "value": "x"})
    workspace = api.create({"name": "given-secrets"})["id"]
    variable = {"attachment_type": "environment_variable", "location": "KEY", "description": "one"}
    made = api.create_secret_attachment(workspace, variable | {"secret_id": secret["id"]})
    assert variable == {name: made[name] for name in variable}
    assert secret == made["secret"]
    new = {"attachment_type": "file", "location": ".key", "secret": {"name": "b", "value": "y"}}
    file = api.create_secret_attachment(workspace, new)
    assert ("/home/jovyan/.key", "b") == (file["location"], file["secret"]["name"])
    assert file == api.get_secret_attachment(workspace, file["id"])
    listed = api.list_secret_attachments(workspace, attachment_type="file", location="key")
    assert file == only(listed["secret_attachments"])
    assert 409 == refusal(api.create_secret_attachment, workspace, variable)
    changed = api.update_secret_attachment(workspace, file["id"], {"description": "two"})
    assert file | {"description": "two"} == changed

    ground.api.secrets.delete(secret["id"])
    assert api.get_secret_attachment(workspace, made["id"])["secret"] is None
    assert 409 == refusal(api.start, workspace)
    assert api.delete_secret_attachment(workspace, made["id"]) is None
    assert 404 == refusal(api.get_secret_attachment, workspace, made["id"])
    api.delete(workspace)

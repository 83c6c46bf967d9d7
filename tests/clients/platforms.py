"""What the clients' tests ask of a platform, whichever form it has."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from tests.system.client import Client
from tests.system.waiting import until


class AnyPlatform(Protocol):
    """A running platform and its command line."""

    url: str
    port: int
    """Of this machine."""

    def client(self, user: str = "admin") -> Client:
        """Return a client with a new token of this user."""
        ...

    def cassini(self, *words: str) -> str:
        """Return what a ``cassini`` command prints; it must succeed."""
        ...


def built_in_image(client: Client) -> str:
    """Return the built-in image as a recipe names it: ``main/admin/cassini-python:0.1.0``."""
    (found,) = client.ask("GET", "/api/images")["images"]
    (tag,) = client.ask("GET", f"/api/images/{found['id']}/tags")["image_tags"]
    return f"{found['owner']['name']}/{found['name']}:{tag['version']}"


def empty(client: Client, names: Sequence[str] = ("workspaces", "secrets", "users")) -> None:
    """Delete what is the caller's, and other users, for others who use the platform after them."""
    for name in names:
        while found := [
            each["id"]
            for each in client.ask("GET", f"/api/{name}?page_size=100")[name]
            if each.get("username") != "admin"
        ]:
            for id_ in found:
                query = "?allow_active=true" if name == "workspaces" else ""
                until(partial(_deleted, client, f"/api/{name}/{id_}{query}"), f"the end of {id_}")


def _deleted(client: Client, path: str) -> bool:
    """Whether it could be deleted: no user can while something of theirs is being deleted."""
    return client.http.delete(path).status_code in {204, 404}

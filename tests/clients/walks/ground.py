"""What every walk through saturn_api is given."""

from dataclasses import dataclass

from tests.clients.platforms import AnyPlatform
from tests.clients.remote import Operations, Refused
from tests.system.client import Client


@dataclass(frozen=True)
class Ground:
    """A platform, seen through saturn_api."""

    api: Operations
    """As the admin calls it."""
    http: Client
    """The admin without any client of theirs: to prepare, and to wait for facts."""
    platform: AnyPlatform
    image: str
    """The built-in image, as a recipe names it."""
    started: str
    """The id of a workspace that was started."""


def refusal(call, *words, **named) -> int:
    """Return the status with which an operation is refused."""
    try:
        call(*words, **named)
    except Refused as refused:
        return refused.status
    raise AssertionError("it was not refused")


def only(found: list):
    """Return the one thing of a list."""
    assert len(found) == 1, found
    return found[0]


def without_nulls(value):
    """Return JSON without what is null in it: the models have every field that could be there."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value

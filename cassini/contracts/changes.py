"""Hints that something changed: who is interested looks at it, and nothing depends on them."""

from cassini.contracts.resources import Hint, ResourceId


class ResourceChangedV1(Hint):
    """A resource changed, or is gone; what it is now stands in the api's database."""

    owner_id: ResourceId
    kind: str
    """``workspace``, and the other types of resources as they come."""

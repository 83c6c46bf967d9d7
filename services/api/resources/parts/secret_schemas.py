"""Secrets that a resource is given, as the contract sends and shows them."""

from typing import Annotated, Literal, Self

from pydantic import Field

from services.api.auth.caller import Caller
from services.api.credentials.schemas import SecretCreate, SecretOut
from services.api.paging import PageOut
from services.api.people.owners import Owner
from services.api.resources.checks import Description, SecretLocation, ShortText
from services.api.resources.secrets import Attached
from services.api.wire import DateTime, WireChange, WireIn, WireOut, timestamp

SecretAttachmentType = Literal["environment_variable", "file"]
SecretId = Annotated[ShortText, Field(min_length=1)]


class SecretAttachmentCreate(WireIn):
    """A secret to be given: one that there is, or a new one; without any: a place to be filled."""

    attachment_type: SecretAttachmentType = "environment_variable"
    location: SecretLocation
    description: Description = ""
    secret: SecretCreate | None = None
    secret_id: SecretId | None = None


class SecretAttachmentUpdate(WireChange):
    """A change: only what is sent is changed; null for the secret empties the place."""

    attachment_type: SecretAttachmentType = "environment_variable"
    location: SecretLocation = ""
    description: Description = ""
    secret: SecretCreate | None = None
    secret_id: SecretId | None = None


class SecretAttachmentOut(WireOut):
    """A place in a resource, and the secret that fills it."""

    id: str
    created_at: DateTime
    attachment_type: SecretAttachmentType
    location: str
    description: str
    secret: SecretOut | None

    @classmethod
    def of(cls, attached: Attached, owners: dict[str, Owner], caller: Caller) -> Self:
        """Show a place to a caller."""
        place, secret = attached.place, attached.secret
        computed = {
            "created_at": timestamp(place.created_at),
            "secret": secret and SecretOut.of(secret, owners[secret.owner_id], caller),
        }
        stored = place.model_dump(include=set(cls.model_fields) - set(computed))
        return cls.model_validate(stored | computed)


class SecretAttachmentList(PageOut):
    """A page of what a resource is given."""

    secret_attachments: list[SecretAttachmentOut]

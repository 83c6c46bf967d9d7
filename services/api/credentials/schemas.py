"""Secrets as the contract sends and shows them. A value is sent, and never shown."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints

from cassini.contracts.credentials import CredentialStatus
from services.api.access import Action, is_allowed
from services.api.auth.caller import Caller
from services.api.credentials.models import Secret
from services.api.paging import PageOut
from services.api.people.owners import Owner, OwnerOut, OwnerReference
from services.api.wire import DateTime, WireChange, WireIn, WireOut, timestamp

LONGEST_VALUE = 65_536
"""In bytes of UTF-8: Linux gives one variable twice that."""


def _one_line(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError("must be one line, with no space at its ends")
    return name


def _short_text(value: str) -> str:
    if "\0" in value:
        raise ValueError("must be text without NUL bytes, which no variable can hold")
    if len(value.encode()) > LONGEST_VALUE:
        raise ValueError(f"must have at most {LONGEST_VALUE} bytes: keep it in a file of the home")
    return value


SecretName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    AfterValidator(_one_line),
    Field(json_schema_extra={"format": "one-line"}),
]
SecretValue = Annotated[
    str,
    StringConstraints(max_length=LONGEST_VALUE),
    AfterValidator(_short_text),
    Field(json_schema_extra={"format": "password"}),
]
SecretAccessLevel = Literal["org", "owner"]


class SecretCreate(WireIn):
    """A new secret."""

    name: SecretName
    owner: OwnerReference | None = None
    access: SecretAccessLevel = "owner"
    value: SecretValue


class SecretUpdate(WireChange):
    """A change of a secret: only what is sent is changed."""

    name: SecretName = ""
    access: SecretAccessLevel = "owner"
    value: SecretValue = ""


class SecretOut(WireOut):
    """A secret. Beside the contract: whether its value is stored, and what to do if not."""

    id: str
    name: str
    owner: OwnerOut
    created_at: DateTime
    access: SecretAccessLevel
    editable: bool
    status: Literal["pending", "stored", "lost"]
    message: str | None

    @classmethod
    def of(cls, secret: Secret, owner: Owner, caller: Caller) -> Self:
        """Show a secret to a caller."""
        lost = secret.status == CredentialStatus.LOST
        computed = {
            "owner": OwnerOut.of(owner),
            "created_at": timestamp(secret.created_at),
            "editable": is_allowed(
                caller, Action.EDIT, owner_id=secret.owner_id, resource_id=secret.id
            ),
            "message": "value lost: enter it again" if lost else secret.message,
        }
        stored = secret.model_dump(include=set(cls.model_fields) - set(computed))
        return cls.model_validate(stored | computed)


class SecretList(PageOut):
    """A page of secrets."""

    secrets: list[SecretOut]

"""Owners as recipes name them: a path, or an object whose unknown fields can be named."""

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter

from services.api.auth.names import LONGEST_PATH, PATH_PATTERN
from services.api.people.owners import OwnerFields
from services.api.wire import RecipePart

_PATH: TypeAdapter[str] = TypeAdapter(Annotated[str, StringConstraints(max_length=LONGEST_PATH)])


class OwnerPart(RecipePart, OwnerFields):
    """An owner named by an object: ``{name}``, ``{id}`` or ``{user_id, org_id}``."""

    model_config = ConfigDict(extra="allow")


def _one_form(sent: object) -> object:
    """Choose the form first, so that a mistake is told once and not for every form."""
    if isinstance(sent, dict):
        return OwnerPart.model_validate(sent)
    if isinstance(sent, str):
        return _PATH.validate_python(sent)
    if isinstance(sent, OwnerPart):
        return sent
    raise ValueError("write <org>/<user>, <user>, or an object with name or id")


_Path = Annotated[
    str, Field(json_schema_extra={"pattern": PATH_PATTERN, "maxLength": LONGEST_PATH})
]
RecipeOwner = Annotated[_Path | OwnerPart, BeforeValidator(_one_form)]
"""What a recipe may say in an ``owner`` field."""

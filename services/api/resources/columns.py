"""From what clients send to the columns of a row: what needs no database. Pure.

One setting has one form in a row, whichever way it came, so that two rows with the same settings
are equal.
"""

from typing import Any

from cassini.runtime.errors import Invalid
from services.api.images.references import ImageTagById, ImageTagByUri, ImageTagReference
from services.api.resources import offers
from services.api.resources.checks import ExtraPackagesIn
from services.api.resources.schemas import WorkspaceCreate, WorkspaceUpdate

_NOT_COLUMNS = {
    "owner",
    "image_uri",
    "image_tag_id",
    "image_enforce_trusted",
    "external_repo_attachments",
}


def values_of(body: WorkspaceCreate | WorkspaceUpdate) -> dict[str, Any]:
    """Return the columns that a body sets: for a change only those that were sent.

    Raises:
        Invalid: something is asked for that this platform does not offer.
    """
    values = body.model_dump(exclude=_NOT_COLUMNS)
    if isinstance(body, WorkspaceUpdate):
        values = {name: value for name, value in values.items() if name in body.model_fields_set}
    asked = [*offers.not_offered(values)]
    if body.external_repo_attachments:
        repositories = "external_repo_attachments"
        asked.append(offers.NotOffered(repositories, offers.INSTEAD[repositories]))
    offers.refuse(asked)
    return tidy(values)


def image_of(body: WorkspaceCreate | WorkspaceUpdate) -> tuple[ImageTagReference, str] | None:
    """Return the image version that a body asks for, and the field that does; None: none does.

    Raises:
        Invalid: two fields do.
    """
    trusted = body.image_enforce_trusted
    if body.image_tag_id is not None and body.image_uri is not None:
        raise Invalid("Give image_tag_id or image_uri, not both.", code="two_images")
    if body.image_tag_id is not None:
        by_id = ImageTagById(tag_id=body.image_tag_id, enforce_trusted=trusted)
        return by_id, "image_tag_id"
    if body.image_uri is not None:
        return ImageTagByUri(uri=body.image_uri, enforce_trusted=trusted), "image_uri"
    return None


def tidy(values: dict[str, Any]) -> dict[str, Any]:
    """Return columns in the one form that each has; no subdomain means the one that is there."""
    tidied = dict(values)
    if not tidied.get("subdomain"):
        tidied.pop("subdomain", None)
    if "environment_variables" in tidied:
        tidied["environment_variables"] = tidied["environment_variables"] or {}
    if "extra_packages" in tidied:
        tidied["extra_packages"] = _packages(tidied["extra_packages"])
    if tidied.get("config_files"):
        tidied["config_files"] = {
            path: {"content": file["content"], "mode": file["mode"].zfill(4)}
            for path, file in tidied["config_files"].items()
        }
    return tidied


def _packages(packages: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the packages of the one installer there is; None where it installs nothing."""
    if not packages or not packages["pip"]:
        return None
    kept = ExtraPackagesIn(pip=packages["pip"], as_requirements_txt=packages["as_requirements_txt"])
    return kept.model_dump()

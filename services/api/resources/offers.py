"""What can be asked for and is not offered here, and what to do instead. Pure.

All of it in one request is refused with one answer, so that nobody has to mend a request field by
field, and nothing that was asked for is dropped silently.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cassini.runtime.errors import Invalid

_CLONE = "git repositories cannot be attached yet: clone them in start_script"
INSTEAD = {
    "ide": "there is no image with RStudio here: use jupyter",
    "start_dind": "there is no Docker in Docker here: leave it out",
    "external_repo_attachments": _CLONE,
    "git_repositories": _CLONE,
    "shared_folders": "there are no shared folders yet: leave them out",
    "dask_cluster": "there are no Dask clusters yet: use dask.distributed.LocalCluster inside",
    "viewers": "only the owner can open it: leave them out",
}
_INSTALLERS = ("conda", "apt", "cran", "remotes", "bioconductor")
_USE_PIP = "cannot be used with the images here: use pip, or start_script"


class NotOffered(NamedTuple):
    """One thing that was asked for in vain."""

    field: str
    instead: str


def not_offered(values: Mapping[str, Any], *, place: str = "") -> Iterator[NotOffered]:
    """Return what the settings of a row ask for in vain; ``place`` stands before each field."""
    if values.get("ide") == "rstudio":
        yield NotOffered(f"{place}ide", INSTEAD["ide"])
    if values.get("start_dind"):
        yield NotOffered(f"{place}start_dind", INSTEAD["start_dind"])
    packages = values.get("extra_packages") or {}
    for installer in _INSTALLERS:
        if packages.get(installer):
            yield NotOffered(f"{place}extra_packages.{installer}", _USE_PIP)


def refuse(asked: Sequence[NotOffered]) -> None:
    """Refuse a request that asks for what is not offered.

    Raises:
        Invalid: there is something; the message names each field and what to do instead.
    """
    if asked:
        listed = "; ".join(f"{each.field}: {each.instead}" for each in asked)
        raise Invalid(f"This is not offered here: {listed}.", code="not_offered")

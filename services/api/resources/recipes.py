"""Recipes and rows: the columns that a recipe asks for, and a row as a recipe. Pure."""

from collections.abc import Iterator
from typing import Any, Literal

from services.api.resources import offers
from services.api.resources.columns import tidy
from services.api.resources.models import Workspace
from services.api.resources.offers import NotOffered
from services.api.resources.opening import page_url
from services.api.resources.recipe_dialects import IDE_PORT, SCHEMA_VERSION
from services.api.resources.recipe_schemas import (
    ConfigFileEntry,
    ExtraPackagesRecipe,
    PipPackages,
    ResourceState,
    RouteState,
    SecretAttachmentRecipe,
    WorkspaceRecipe,
    WorkspaceSpec,
    scope_in_recipe,
)
from services.api.resources.surroundings import Surroundings

AppliedAs = Literal["created", "updated", "unchanged"]

_SAME = (
    "name",
    "description",
    "tags",
    "environment_variables",
    "start_script",
    "start_dind",
    "ide",
    "disk_space",
    "auto_shutoff",
    "start_ssh",
    "self_destruct",
)
_RENAMED = {
    "instance_type": "instance_size",
    "working_directory": "working_dir",
    "use_spot_instance": "is_spot",
}
_INSTALLERS = ("apt", "cran", "remotes", "bioconductor")
_MISSING = ("git_repositories", "shared_folders", "dask_cluster", "viewers")
_PLACE = "spec."
_ONE_ROUTE = f"JupyterLab has the only route, on port {IDE_PORT}: leave it out"
_OWNERS_ROUTE = "JupyterLab opens for its owner only: write owner"


def values_of(spec: WorkspaceSpec) -> dict[str, Any]:
    """Return the columns that a recipe asks for: all but the image.

    The subdomain is among them only where the recipe has one.

    Raises:
        Invalid: it asks for what this platform does not offer; the message names all of it.
    """
    values = {name: getattr(spec, name) for name in _SAME}
    values |= {column: getattr(spec, field) for field, column in _RENAMED.items()}
    files = spec.config_files
    values["config_files"] = files and {
        path: {"content": file.content, "mode": file.mode} for path, file in files.items()
    }
    values["extra_packages"] = _installed(spec.extra_packages)
    values["subdomain"] = next((route.subdomain for route in spec.routes), "")
    offers.refuse([*_not_offered(spec), *offers.not_offered(values, place=_PLACE)])
    return tidy(values)


def recipe_of(
    row: Workspace,
    around: Surroundings,
    *,
    secrets: list[SecretAttachmentRecipe],
    token_scope: str | None,
    base_url: str,
    as_template: bool = False,
    action: AppliedAs | None = None,
) -> WorkspaceRecipe:
    """Return the recipe of a workspace as it is now; what is not set is not there.

    A template, from which copies are made, says nothing of whose it is and how it is. The row was
    checked when it was written and is not checked again.
    """
    recipe = WorkspaceRecipe.model_construct(
        schema_version=SCHEMA_VERSION,
        type="workspace",
        spec=_spec(row, around, secrets, token_scope),
    )
    if as_template:
        return recipe
    owned = recipe.spec.model_copy(update={"owner": around.owners[row.owner_id].name})
    state = _state(row, base_url)
    if action is not None:
        state = state.model_copy(update={"action": action})
    return recipe.model_copy(update={"spec": owned, "state": state})


def _spec(
    row: Workspace,
    around: Surroundings,
    secrets: list[SecretAttachmentRecipe],
    token_scope: str | None,
) -> WorkspaceSpec:
    tag, image = around.tags[row.image_tag_id]
    fields = {name: getattr(row, name) for name in _SAME}
    fields |= {field: getattr(row, column) for field, column in _RENAMED.items()}
    fields["config_files"] = row.config_files and {
        path: ConfigFileEntry.model_construct(content=file["content"], mode=file["mode"])
        for path, file in row.config_files.items()
    }
    return WorkspaceSpec.model_construct(
        **{name: value for name, value in fields.items() if value is not None},
        image=f"{around.owners[image.owner_id].name}/{image.name}:{tag.version}",
        extra_packages=_packages(row.extra_packages),
        token_scope=scope_in_recipe(token_scope, row.id),
        git_repositories=[],
        secrets=secrets,
        shared_folders=[],
        routes=[],
        viewers=[],
    )


def _state(row: Workspace, base_url: str) -> ResourceState:
    url = page_url(row, base_url)
    route = RouteState(subdomain=row.subdomain, container_port=IDE_PORT, url=url)
    return ResourceState(
        id=row.id, status=row.status, url=url, ssh_url=None, ssh_user=None, routes=[route]
    )


def _installed(packages: ExtraPackagesRecipe) -> dict[str, Any]:
    """Return packages as a row has them, also of the installers that are not offered."""
    pip, conda = packages.pip, packages.conda
    values: dict[str, Any] = {
        "pip": pip and (pip.install or pip.requirements_txt),
        "as_requirements_txt": bool(pip and pip.requirements_txt),
        "conda": conda and (conda.install or conda.environment_yml),
    }
    for installer in _INSTALLERS:
        part = getattr(packages, installer)
        values[installer] = part and part.install
    return values


def _packages(packages: dict[str, Any] | None) -> ExtraPackagesRecipe:
    if not packages:
        return ExtraPackagesRecipe()
    form = "requirements_txt" if packages.get("as_requirements_txt") else "install"
    return ExtraPackagesRecipe(pip=PipPackages(**{form: packages["pip"]}))


def _not_offered(spec: WorkspaceSpec) -> Iterator[NotOffered]:
    """Return what a recipe asks for in vain beside what the columns show."""
    for name in _MISSING:
        if getattr(spec, name):
            yield NotOffered(f"{_PLACE}{name}", offers.INSTEAD[name])
    has_ide = False
    for number, route in enumerate(spec.routes):
        place = f"{_PLACE}routes.{number}"
        if route.container_port != IDE_PORT or has_ide:
            yield NotOffered(place, _ONE_ROUTE)
            continue
        has_ide = True
        if route.visibility != "owner":
            yield NotOffered(f"{place}.visibility", _OWNERS_ROUTE)

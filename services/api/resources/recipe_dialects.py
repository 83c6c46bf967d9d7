"""Older dialects of recipes, as the current one. Pure.

A recipe without ``spec`` is flat (2022.01.06 and 2022.08.01): exactly one of ``jupyter_server``,
``rstudio_server``, ``job`` and ``deployment`` holds what belongs to that kind, all else stands
beside it. In every form packages may be a plain text where the current one has an object. The
shape decides, not the version, which only tells whether a recipe is of a later one than is known
here. What nobody knows is handed on under the path that it was sent with.
"""

import re
from collections.abc import Mapping
from typing import Any

from cassini.runtime.errors import Invalid

SCHEMA_VERSION = "2025.10.01"
IDE_PORT = 8888
"""The port that JupyterLab's route is known by."""

_KIND = "workspace"
_OTHER_KINDS = frozenset({"deployment", "job", "image"})
VERSION_PATTERN = r"^20[0-9]{2}\.[0-9]{2}\.[0-9]{2}$"
_VERSION = re.compile(VERSION_PATTERN)
_SHOWN = 60

_SERVER = "jupyter_server"
_FLAT_KINDS = (_SERVER, "rstudio_server", "job", "deployment")
_BESIDE = frozenset(
    {
        "name",
        "owner",
        "description",
        "tags",
        "image",
        "working_directory",
        "environment_variables",
        "extra_packages",
        "config_files",
        "start_script",
        "git_repositories",
        "shared_folders",
        "secrets",
        "dask_cluster",
    }
)
_INSIDE = frozenset(
    {
        "instance_type",
        "disk_space",
        "auto_shutoff",
        "start_ssh",
        "start_dind",
        "use_spot_instance",
        "self_destruct",
        "routes",
        "viewers",
    }
)
_VERSIONS = ("schema_version", "version")
_INSTALLERS = ("pip", "conda", "apt", "cran", "remotes", "bioconductor")


def current(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe of any known dialect in the current one.

    Raises:
        Invalid: it is of a later version, or of a kind that is not offered here.
    """
    kinds = [kind for kind in _FLAT_KINDS if recipe.get(kind) is not None]
    found = _unfolded(recipe, kinds) if kinds and recipe.get("spec") is None else dict(recipe)
    _check_version("schema_version", found.get("schema_version"))
    kind = found.get("type")
    if isinstance(kind, str) and kind in _OTHER_KINDS:
        raise _no_such_kind("type", kind)
    spec = found.get("spec")
    if isinstance(spec, Mapping) and isinstance(spec.get("extra_packages"), Mapping):
        spec = {**spec, "extra_packages": _packages(spec["extra_packages"])}
    if isinstance(spec, Mapping) and isinstance(spec.get("secrets"), list):
        spec = {**spec, "secrets": [_secret(entry) for entry in spec["secrets"]]}
    if spec is not None:
        found["spec"] = spec
    return found | {"schema_version": SCHEMA_VERSION}


def _unfolded(recipe: Mapping[str, Any], kinds: list[str]) -> dict[str, Any]:
    """Return a flat recipe of a Jupyter server in the current form."""
    if kinds != [_SERVER]:
        others = [kind for kind in kinds if kind != _SERVER]
        raise _no_such_kind(others[0], others[0])
    server = recipe[_SERVER]
    if not isinstance(server, Mapping):
        raise Invalid(f"{_SERVER}: must be an object", code="invalid_fields")
    for name in _VERSIONS:
        _check_version(name, recipe.get(name))
    _check_visibility(recipe.get("visibility"))
    spec = {name: value for name, value in recipe.items() if name in _BESIDE}
    spec |= {name: value for name, value in server.items() if name in _INSIDE}
    if recipe.get("image_uri") is not None:
        if spec.get("image") is not None:
            raise Invalid("Give image or image_uri, not both.", code="two_images")
        spec["image"] = {"uri": recipe["image_uri"]}
    if recipe.get("credentials"):
        spec["secrets"] = recipe["credentials"]
    if server.get("subdomain"):
        more = spec.get("routes")
        route = {"container_port": IDE_PORT, "subdomain": server["subdomain"]}
        spec["routes"] = [route, *(more if isinstance(more, list) else [])]
    return _unknown(recipe, server) | {"type": _KIND, "spec": spec}


def _unknown(recipe: Mapping[str, Any], server: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a flat recipe that no dialect knows."""
    beside = {*_BESIDE, *_VERSIONS, _SERVER, "image_uri", "credentials", "visibility"}
    found = {name: value for name, value in recipe.items() if name not in beside}
    for name, value in server.items():
        if name not in _INSIDE and name != "subdomain":
            found[f"{_SERVER}.{name}"] = value
    return found


def _packages(packages: Mapping[str, Any]) -> dict[str, Any]:
    """Return packages as objects: older dialects have a text, or an object with ``packages``."""
    found = dict(packages)
    for installer in _INSTALLERS:
        value = found.get(installer)
        if isinstance(value, str):
            found[installer] = {"install": value}
        elif isinstance(value, Mapping) and "packages" in value and "install" not in value:
            rest = {name: each for name, each in value.items() if name != "packages"}
            found[installer] = {"install": value["packages"], **rest}
    mamba, conda = found.pop("use_mamba", None), found.get("conda")
    if mamba is not None and isinstance(conda, Mapping):
        found["conda"] = {"use_mamba": mamba, **conda}
    return found


def _secret(entry: object) -> object:
    """Return a secret's entry: older dialects call the type of attachment ``type``."""
    if not isinstance(entry, Mapping) or "type" not in entry or "attachment_type" in entry:
        return entry
    rest = {name: value for name, value in entry.items() if name != "type"}
    return {"attachment_type": entry["type"], **rest}


def _check_version(field: str, version: object) -> None:
    if version is None:
        return
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise Invalid(
            f"{field}: {str(version)[:_SHOWN]!r} is no version of recipes: write it like "
            f"{SCHEMA_VERSION}, or leave it out",
            code="bad_schema_version",
        )
    if version > SCHEMA_VERSION:
        raise Invalid(
            f"{field}: {version} is later than {SCHEMA_VERSION}, the last one known here: a field "
            f"may mean something else in it. Check the recipe, then write {SCHEMA_VERSION}",
            code="unknown_schema_version",
        )


def _check_visibility(visibility: object) -> None:
    if visibility is not None and visibility != "owner":
        raise Invalid(
            "visibility: nobody but the owner sees a resource here yet: write owner, or leave it "
            "out",
            code="not_offered",
        )


def _no_such_kind(field: str, kind: str) -> Invalid:
    return Invalid(
        f"{field}: there are no recipes for {kind} here yet, only for: {_KIND}",
        code="not_offered",
    )

"""From a workspace's row to the snapshot that a revision is made from. Pure."""

from typing import Any

from cassini.contracts.workloads import (
    ConfigFile,
    ExtraPackages,
    Identity,
    SecretFile,
    SecretVariable,
    WorkloadSpec,
)
from services.api.people.owners import Owner
from services.api.resources.models import Workspace
from services.api.resources.sizes import Size


def workspace_spec(
    row: Workspace,
    *,
    owner: Owner,
    base_url: str,
    image: str,
    size: Size,
    secrets: tuple[SecretVariable, ...],
    secret_files: tuple[SecretFile, ...],
) -> WorkloadSpec:
    """Return what a workspace's processes are made from, as its row is now."""
    packages: dict[str, Any] = row.extra_packages or {}
    return WorkloadSpec(
        kind="workspace",
        identity=Identity(
            resource_name=row.name,
            resource_type="workspace",
            owner=owner.name,
            owner_id=owner.id,
            base_url=base_url,
        ),
        image=image,
        cores=size.cores,
        memory_bytes=size.memory_bytes,
        environment=row.environment_variables,
        secrets=secrets,
        secret_files=secret_files,
        working_directory=row.working_dir,
        extra_packages=ExtraPackages(
            pip=packages.get("pip") or "",
            as_requirements_txt=bool(packages.get("as_requirements_txt")),
        ),
        config_files={
            path: ConfigFile(content=entry["content"], mode=entry["mode"])
            for path, entry in (row.config_files or {}).items()
        },
        start_script=row.start_script or "",
        debug_mode=row.debug_mode,
    )

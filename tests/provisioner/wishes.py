"""Wishes as the API would declare them, for tests."""

from cassini.contracts.resources import ServiceName
from cassini.contracts.workloads import (
    Identity,
    SecretVariable,
    WorkloadDeclaredV1,
    WorkloadSpec,
)

WORKLOAD = "a" * 32
OWNER = "b" * 32
TOKEN = "c" * 32


def make_spec(**changes) -> WorkloadSpec:
    values = {
        "kind": "workspace",
        "identity": Identity(
            resource_name="notes",
            resource_type="workspace",
            owner="acme/ada",
            owner_id=OWNER,
            base_url="http://cassini.test:8765/",
        ),
        "image": "/data/images/0123",
        "cores": 2,
        "memory_bytes": 4 << 30,
        "secrets": (
            SecretVariable(variable="SATURN_TOKEN", credential_id=TOKEN, minimum_generation=1),
        ),
    }
    return WorkloadSpec(**(values | changes))


def make_wish(**changes) -> WorkloadDeclaredV1:
    values = {
        "id": WORKLOAD,
        "declarer": ServiceName.API,
        "generation": 1,
        "wanted": "running",
        "revision": 1,
    }
    if changes.get("wanted", "running") == "running":
        values["spec"] = make_spec()
    return WorkloadDeclaredV1(**(values | changes))

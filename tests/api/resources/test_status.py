import pytest

from cassini.contracts.images import ImageStatus
from cassini.contracts.resources import Wanted
from cassini.contracts.workloads import WorkloadObservedV1, WorkloadStatus
from services.api.resources.status import held_by_image, state_of

EXPECTED = {
    "running": {
        "pending": "pending",
        "running": "running",
        "stopping": "pending",
        "stopped": "pending",
        "error": "error",
        "completed": "stopping",
        "absent": "pending",
        "unknown": "pending",
    },
    "stopped": {
        "pending": "stopping",
        "running": "stopping",
        "stopping": "stopping",
        "stopped": "stopped",
        "error": "error",
        "completed": "stopped",
        "absent": "stopped",
        "unknown": "stopping",
    },
}


def fact(status: str, generation: int = 2) -> WorkloadObservedV1:
    return WorkloadObservedV1(
        id="a" * 32,
        declarer="api",
        generation=generation,
        sequence=1,
        revision=1,
        status=status,
        reason="Why",
        message="A sentence.",
    )


@pytest.mark.parametrize("wanted", [Wanted.RUNNING, Wanted.STOPPED])
@pytest.mark.parametrize("status", list(WorkloadStatus))
def test_the_state_follows_from_what_is_wanted_and_what_is_seen(wanted, status):
    seen = state_of(wanted, 2, fact(status))

    assert seen.status == EXPECTED[wanted][status]
    assert (seen.reason, seen.message) == ("Why", "A sentence.")


@pytest.mark.parametrize("status", list(WorkloadStatus))
def test_a_fact_of_an_older_wish_does_not_count(status):
    assert state_of(Wanted.RUNNING, 3, fact(status)).status == "pending"
    assert state_of(Wanted.STOPPED, 3, fact(status)).status == "stopping"


def test_a_start_that_waits_for_its_image_says_so():
    assert held_by_image(ImageStatus.BUILDING, None, None).status == "pending"
    failed = held_by_image(ImageStatus.ERROR, "NoSuchPackage", "nope is not there")
    assert (failed.status, failed.reason) == ("error", "NoSuchPackage")
    assert "nope is not there" in str(failed.message)

import pytest

from cassini.runtime.errors import BackendError, GiveUp
from services.builder.backends.docker.failures import explain_build
from services.builder.dockerfile import (
    APT_TITLE,
    CONDA_TITLE,
    PIP_TITLE,
    SCRIPT_TITLE,
    USER_TITLE,
)

FAILED = "process did not complete successfully: exit code: 1"


@pytest.mark.parametrize(
    ("lines", "error", "reason"),
    [
        ([APT_TITLE, "E: Unable to locate package nope"], FAILED, "PackageNotFound"),
        ([APT_TITLE, "dpkg: error processing package x"], FAILED, "BuildFailed"),
        ([USER_TITLE, "useradd: not found"], FAILED, "UnfitBaseImage"),
        ([CONDA_TITLE, "error libmamba Could not solve for"], FAILED, "RequirementsConflict"),
        ([PIP_TITLE, "Hash mismatch for six"], FAILED, "HashMismatch"),
        ([PIP_TITLE, "x", SCRIPT_TITLE, "connection refused"], FAILED, "PostBuildFailed"),
        ([], "something else", "BuildFailed"),
    ],
)
def test_what_can_never_work_has_its_reason(lines, error, reason):
    failure = explain_build(lines, error)
    assert isinstance(failure, GiveUp)
    assert reason == failure.reason


@pytest.mark.parametrize(
    ("lines", "error", "code"),
    [
        ([APT_TITLE, "Temporary failure resolving 'deb.debian.org'"], FAILED, "registry"),
        ([CONDA_TITLE, "critical libmamba Download error (6) Could not resolve host"], "", "regi"),
        ([PIP_TITLE, "error sending request for url"], FAILED, "registry"),
        ([PIP_TITLE, "write /x: no space left on device"], FAILED, "disk_full"),
        ([SCRIPT_TITLE, "x: No space left on device"], FAILED, "disk_full"),
        ([PIP_TITLE], "Cannot connect to the Docker daemon at unix:///x", "engine_unreachable"),
    ],
)
def test_what_may_work_later_is_tried_again(lines, error, code):
    failure = explain_build(lines, error)
    assert isinstance(failure, BackendError)
    assert failure.code.startswith(code)


def test_people_read_what_the_failed_step_said_and_nothing_before_it():
    failure = explain_build([PIP_TITLE, "Installed 3", SCRIPT_TITLE, "boom"], FAILED)
    assert "boom" in failure.message
    assert "Installed 3" not in failure.message

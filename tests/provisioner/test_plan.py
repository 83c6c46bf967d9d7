import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from cassini.contracts.workloads import ConfigFile, ExtraPackages, SecretFile, SecretVariable
from services.provisioner.kinds.base import InvalidSpec
from services.provisioner.plan import HttpProbe, PodName, plan_pod
from tests.provisioner.wishes import TOKEN, WORKLOAD, make_spec, make_wish

GOLDEN = Path(__file__).parent / "golden"

CASES = {
    "workspace": make_wish(),
    "workspace-own-command": make_wish(
        revision=7,
        spec=make_spec(
            command='python -m http.server "$PORT"',
            working_directory="/srv/it's here",
            debug_mode=True,
            secrets=(),
        ),
    ),
    "workspace-everything": make_wish(
        revision=3,
        spec=make_spec(
            environment={"GREETING": "hello $(world)", "SATURN_TOKEN": "mine", "LANG": "de_DE"},
            config_files={
                ".config/app.toml": ConfigFile(content="a = 'b'\n", mode="0600"),
                "plain.txt": ConfigFile(content=""),
            },
            extra_packages=ExtraPackages(pip="pandas>=2 'my pkg'"),
            start_script="echo start\r\necho again\r\n",
            secret_files=(
                SecretFile(
                    path="/home/jovyan/.aws/credentials",
                    credential_id="d" * 32,
                    minimum_generation=3,
                ),
                SecretFile(
                    path="/home/jovyan/it's.pem", credential_id="e" * 32, minimum_generation=1
                ),
            ),
        ),
    ),
}


def compare_with_golden(path: Path, text: str) -> None:
    if os.environ.get("CASSINI_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("case", CASES)
def test_plan_is_the_golden_one(case):
    plan = asdict(plan_pod(CASES[case], 0, 1))
    script = plan.pop("script")
    plan["name"] = str(PodName(**plan["name"]))
    compare_with_golden(GOLDEN / f"{case}.sh", script)
    compare_with_golden(GOLDEN / f"{case}.json", json.dumps(plan, indent=2) + "\n")


def test_name_tells_workload_revision_rank_and_attempt():
    name = plan_pod(make_wish(revision=4), 2, 3).name
    assert str(name) == f"{WORKLOAD}-4-2-3"
    assert PodName.parse(str(name)) == name


@pytest.mark.parametrize("text", ["", "x-1-0-1", f"{WORKLOAD}-1-0", f"{WORKLOAD}-1-0-1\n"])
def test_what_is_no_pods_name_is_refused(text):
    with pytest.raises(ValueError, match="not the name of a pod"):
        PodName.parse(text)


def test_platform_wins_over_the_users_variables():
    taken = {
        "SATURN_BASE_URL": "http://evil.test",
        "SATURN_RESOURCE_TYPE": "PrefectFlow",
        "SATURN_TOKEN": "mine",
        "JUPYTER_TOKEN": "",
        "HOME": "/root",
        "PORT": "1",
        "CASSINI_REPORT": "/etc/passwd",
        "OWN": "kept",
        "OMP_NUM_THREADS": "1",
    }
    environment = plan_pod(make_wish(spec=make_spec(environment=taken)), 0, 1).environment
    assert environment["SATURN_BASE_URL"] == "http://cassini.test:8765"
    assert environment["SATURN_RESOURCE_TYPE"] == "SingleUserServer"
    assert environment["HOME"] == "/home/jovyan"
    assert environment["OWN"] == "kept"
    assert environment["OMP_NUM_THREADS"] == "1"
    assert not {"SATURN_TOKEN", "JUPYTER_TOKEN", "PORT", "CASSINI_REPORT"} & environment.keys()


def test_a_secret_wins_over_every_plain_variable_of_its_name():
    secret = SecretVariable(variable="KEY", credential_id=TOKEN, minimum_generation=1)
    spec = make_spec(environment={"KEY": "plain"}, secrets=(secret,))
    plan = plan_pod(make_wish(spec=spec), 0, 1)
    assert "KEY" not in plan.environment
    assert plan.secret_variables == {"KEY": TOKEN}


def test_the_values_of_files_travel_in_variables_of_the_platform():
    files = tuple(
        SecretFile(path=f"/home/jovyan/{name}", credential_id=name * 32, minimum_generation=1)
        for name in "de"
    )
    plan = plan_pod(make_wish(spec=make_spec(secret_files=files)), 0, 1)
    assert plan.secret_variables == {
        "SATURN_TOKEN": TOKEN,
        "CASSINI_FILE_0": "d" * 32,
        "CASSINI_FILE_1": "e" * 32,
    }


@pytest.mark.parametrize("name", ["HOME", "PORT", "CASSINI_REPORT", "A B"])
def test_a_secret_cannot_take_the_place_of_what_the_platform_sets(name):
    secret = SecretVariable(variable=name, credential_id=TOKEN, minimum_generation=1)
    with pytest.raises(InvalidSpec, match="environment variable"):
        plan_pod(make_wish(spec=make_spec(secrets=(secret,))), 0, 1)


@pytest.mark.parametrize("name", ["", "A B", "A=B", "1A", "A\n"])
def test_a_variable_that_no_shell_takes_is_refused(name):
    with pytest.raises(InvalidSpec, match="cannot be the name of an environment variable"):
        plan_pod(make_wish(spec=make_spec(environment={name: "x"})), 0, 1)


def test_a_wish_without_a_spec_is_refused():
    with pytest.raises(InvalidSpec, match="nothing of what is to run"):
        plan_pod(make_wish(wanted="stopped"), 0, 1)


def test_readiness_is_asked_on_the_first_port():
    assert plan_pod(make_wish(), 0, 1).readiness == HttpProbe(8888, "/api")

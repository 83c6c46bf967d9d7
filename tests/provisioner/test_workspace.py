import pytest

from services.provisioner.kinds.base import InvalidSpec
from services.provisioner.kinds.workspace import plan_workspace
from tests.provisioner.wishes import make_spec


def main_of(**changes) -> str:
    return plan_workspace(make_spec(**changes)).main


def test_jupyterlab_runs_from_the_image_on_the_port_given_with_no_token_in_its_arguments():
    main = main_of()
    assert '"$CASSINI_IMAGE"/bin/python -m jupyterlab ' in main
    assert '--ServerApp.port="$PORT"' in main
    assert "--ServerApp.port_retries=0" in main
    assert '--ServerApp.ip="${CASSINI_LISTEN:-127.0.0.1}"' in main
    assert "token" not in main.lower()


@pytest.mark.parametrize("directory", ["/srv/data", "/home/jovyan-too"])
def test_a_working_directory_outside_the_home_is_no_preferred_directory(directory):
    assert "preferred_dir" not in main_of(working_directory=directory)


def test_a_working_directory_in_the_home_is_the_preferred_directory():
    main = main_of(working_directory="/home/jovyan/my notes")
    assert "--FileContentsManager.preferred_dir=\"$HOME\"/'my notes'" in main


def test_readiness_of_jupyterlab_is_a_path_that_needs_no_token():
    assert plan_workspace(make_spec()).readiness_path == "/api"


def test_an_own_command_replaces_jupyterlab_and_is_ready_when_anything_answers():
    plan = plan_workspace(make_spec(command="serve 'it' $PORT"))
    assert plan.main == "sh -c 'serve '\"'\"'it'\"'\"' $PORT'"
    assert plan.readiness_path == "/"


def test_a_blank_command_is_no_command():
    assert main_of(command="  ") == main_of()


def test_a_command_with_a_nul_character_is_refused():
    with pytest.raises(InvalidSpec, match="NUL character in the command"):
        main_of(command="a\0b")


def test_dask_saturn_takes_a_workspace_for_a_single_user_server():
    plan = plan_workspace(make_spec())
    assert plan.environment == {"SATURN_RESOURCE_TYPE": "SingleUserServer"}

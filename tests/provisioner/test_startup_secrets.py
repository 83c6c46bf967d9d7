"""Secret files: the script is run by the machine's own shells in a tree of its own."""

import shutil
import stat
from pathlib import Path

import pytest

from cassini.contracts.workloads import ConfigFile, SecretFile
from services.provisioner.kinds.base import InvalidSpec
from services.provisioner.kinds.workspace import plan_workspace
from services.provisioner.startup import build_script
from tests.provisioner.tree import Tree
from tests.provisioner.wishes import WORKLOAD, make_spec

SHELLS = [path for name in ("sh", "dash", "bash") if (path := shutil.which(name))]
VALUE = 'it\'s "$(touch owned)" `x`\\n %s é -n\n\n\n'


@pytest.fixture
def tree(tmp_path) -> Tree:
    return Tree(tmp_path)


def files(*paths) -> tuple[SecretFile, ...]:
    return tuple(
        SecretFile(path=f"/home/jovyan/{path}", credential_id="d" * 32, minimum_generation=1)
        for path in paths
    )


def run(tree, *paths, values=(VALUE,), **changes):
    extra = {f"CASSINI_FILE_{number}": value for number, value in enumerate(values)}
    return tree.run(secret_files=files(*paths), extra=extra, **changes)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_value_is_in_memory_behind_a_link_for_its_owner_alone(tree, shell):
    run(tree, "a dir/it's.pem", ".other", values=(VALUE, ""), shell=shell)
    link = tree.home / "a dir/it's.pem"
    file = link.readlink()
    assert link.read_bytes() == VALUE.encode()
    assert file.is_relative_to(tree.runtime)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert (tree.home / ".other").read_bytes() == b""
    assert list(tree.root.rglob("owned")) == []


def test_it_is_there_before_anything_else_runs_and_no_variable_has_it(tree):
    look = "cat a; env | grep -c CASSINI_FILE"
    done = run(tree, "workspace/a", values=("value\n",), start_script=look, command=look)
    assert tree.steps()[:3] == ["secrets begin", "secrets done", "directories begin"]
    assert done.returncode == 1  # that grep found nothing; it also ends the start script
    assert [line for line in done.stdout.splitlines() if line in {"value", "0"}] == ["value", "0"]


def test_the_main_command_has_no_variable_of_a_file(tree):
    done = run(tree, "workspace/a", values=("value\n",), command="cat a; env | sort")
    assert "value" in done.stdout.splitlines()
    assert "CASSINI_FILE" not in done.stdout


def test_the_link_of_the_start_before_is_replaced(tree):
    run(tree, "a", values=("old",))
    old = tree.runtime.rename(tree.root / "gone")
    shutil.rmtree(old)
    tree.runtime.mkdir()
    run(tree, "a", values=("new",))
    assert (tree.home / "a").read_text() == "new"


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_what_is_the_users_own_is_never_replaced(tree, kind):
    tree.home.mkdir()
    place = tree.home / "a"
    if kind == "file":
        place.write_text("mine")
    elif kind == "link":
        (tree.home / "b").write_text("mine")
        place.symlink_to("b")
    else:
        place.mkdir()
    done = run(tree, "a")
    assert (done.returncode, tree.steps()) == (1, ["secrets begin", "secrets failed 1"])
    assert "a is " in done.stderr
    assert "is left as it is" in done.stderr
    assert "Move what is in its place" in done.stderr
    assert kind == "directory" or place.read_text() == "mine"


def test_it_never_leaves_the_home_through_a_link(tree):
    (tree.root / "outside").mkdir()
    tree.home.mkdir()
    (tree.home / "way").symlink_to(tree.root / "outside")
    done = run(tree, "way/a")
    assert "leads out of the home directory" in done.stderr
    assert list((tree.root / "outside").iterdir()) == []


def test_without_memory_of_the_backend_it_makes_its_own(tree):
    del tree.environment["XDG_RUNTIME_DIR"]
    try:
        run(tree, "a", values=("value",))
        file = (tree.home / "a").readlink()
        assert file.is_relative_to("/dev/shm")
        assert stat.S_IMODE(file.parents[1].stat().st_mode) == 0o700
        assert (tree.home / "a").read_text() == "value"
    finally:
        for folder in Path("/dev/shm").glob(f"cassini-{WORKLOAD}.*"):
            shutil.rmtree(folder)


@pytest.mark.parametrize("path", ["/etc/passwd", "/home/jovyan/../x", "/home/jovyan/", "/home/jov"])
def test_a_path_outside_the_home_is_refused(path):
    file = SecretFile(path=path, credential_id="d" * 32, minimum_generation=1)
    spec = make_spec(secret_files=(file,))
    with pytest.raises(InvalidSpec, match=r"secret file .* relative to the home directory"):
        build_script(WORKLOAD, spec, plan_workspace(spec))


def test_two_files_at_one_path_are_refused():
    for spec in (
        make_spec(secret_files=files("a/b"), config_files={"a//b": ConfigFile(content="")}),
        make_spec(secret_files=files("a", "./a")),
    ):
        with pytest.raises(InvalidSpec, match="Two files are to be at"):
            build_script(WORKLOAD, spec, plan_workspace(spec))

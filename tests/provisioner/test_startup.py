"""The script is run by the machine's own /bin/sh in a tree of its own."""

import json
import shutil
import stat

import pytest

from cassini.contracts.workloads import ConfigFile, ExtraPackages
from services.provisioner.kinds.base import InvalidSpec
from services.provisioner.kinds.workspace import plan_workspace
from services.provisioner.startup import build_script
from tests.provisioner.tree import Tree
from tests.provisioner.wishes import WORKLOAD, make_spec

HOSTILE = 'it\'s "$(touch owned)" `touch owned`; touch owned\n\\n %s é 漢 -n\n'


@pytest.fixture
def tree(tmp_path) -> Tree:
    return Tree(tmp_path)


SHELLS = [path for name in ("sh", "dash", "bash") if (path := shutil.which(name))]


@pytest.mark.parametrize("shell", SHELLS)
def test_all_steps_run_in_order_and_the_main_command_takes_over(tree, shell):
    done = tree.run(
        shell=shell,
        config_files={"a.txt": ConfigFile(content="x")},
        extra_packages=ExtraPackages(pip="one"),
        start_script="true",
    )
    assert tree.steps() == [
        "directories begin",
        "directories done",
        "files begin",
        "files done",
        "packages begin",
        "packages done",
        "start-script begin",
        "start-script done",
        "main begin",
    ]
    assert done.returncode == 7
    assert done.stdout.splitlines()[-1] == str(tree.home / "workspace")


def test_report_begins_with_unix_seconds(tree):
    tree.run()
    lines = tree.report.read_text().splitlines()
    assert all(int(line.split()[0]) > 1_700_000_000 for line in lines)


def test_nothing_wanted_means_no_step_for_it(tree):
    done = tree.run()
    assert tree.steps() == ["directories begin", "directories done", "main begin"]
    assert done.stderr == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_hostile_text_arrives_as_it_is_and_runs_nowhere(tree, shell):
    name = "it's $(touch owned) `x`/a\"b.txt"
    done = tree.run(
        shell=shell,
        config_files={name: ConfigFile(content=HOSTILE, mode="0640")},
        working_directory="/home/jovyan/$(touch owned) 'x'",
        extra_packages=ExtraPackages(pip="'$(touch owned)' '`x`;y'"),
        command='printf %s "it\'s $((1 + 1))"',
    )
    file = tree.home / name
    assert file.read_text() == HOSTILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(tree.root.rglob("owned")) == []
    assert json.loads(done.stdout.splitlines()[-3])[-2:] == ["$(touch owned)", "`x`;y"]
    assert done.stdout.endswith("it's 2")
    assert (tree.home / "$(touch owned) 'x'").is_dir()


def test_a_config_file_replaces_a_link_instead_of_following_it(tree):
    outside = tree.root / "outside.txt"
    outside.write_text("mine")
    tree.home.mkdir()
    (tree.home / "a.txt").symlink_to(outside)
    tree.run(config_files={"a.txt": ConfigFile(content="new")})
    assert outside.read_text() == "mine"
    assert (tree.home / "a.txt").read_text() == "new"


def test_a_config_file_never_leaves_the_home_through_a_link(tree):
    (tree.root / "outside").mkdir()
    tree.home.mkdir()
    (tree.home / "way").symlink_to(tree.root / "outside")
    done = tree.run(config_files={"way/a.txt": ConfigFile(content="x")})
    assert tree.steps()[-1] == "files failed 1"
    assert "leads out of the home directory" in done.stderr
    assert list((tree.root / "outside").iterdir()) == []


def test_a_config_file_where_a_directory_is_fails(tree):
    (tree.home / "a").mkdir(parents=True)
    done = tree.run(config_files={"a": ConfigFile(content="x")})
    assert (done.returncode, tree.steps()[-1]) == (1, "files failed 1")
    assert "a is a directory" in done.stderr


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../a", "a/../../b", "~/a", "a/", ".", "a\nb", "a\0b"]
)
def test_a_config_file_outside_the_home_is_refused(path):
    spec = make_spec(config_files={path: ConfigFile(content="x")})
    with pytest.raises(InvalidSpec, match="relative to the home directory"):
        build_script(WORKLOAD, spec, plan_workspace(spec))


@pytest.mark.parametrize("mode", ["", "rw", "99", "0644; touch x", "07777"])
def test_a_mode_that_is_none_is_refused(mode):
    spec = make_spec(config_files={"a": ConfigFile(content="x", mode=mode)})
    with pytest.raises(InvalidSpec, match="not like 0644"):
        build_script(WORKLOAD, spec, plan_workspace(spec))


def test_packages_are_installed_by_the_overlays_own_python(tree):
    done = tree.run(extra_packages=ExtraPackages(pip="pandas>=2 'a b'"))
    arguments = json.loads(next(line for line in done.stdout.splitlines() if line[0] == "["))
    assert arguments[:2] == ["install", "--no-input"]
    assert arguments[-2:] == ["pandas>=2", "a b"]


def test_a_requirements_file_is_given_whole(tree):
    text = "# it's mine\npandas>=2 ; python_version > '3'\n"
    tree.run(extra_packages=ExtraPackages(pip=text, as_requirements_txt=True))
    assert (tree.overlay / "requirements.txt").read_text() == f"{text}\n"


def test_packages_that_fail_stop_the_start_and_say_what_to_do(tree):
    done = tree.run(extra_packages=ExtraPackages(pip="nope"), extra={"PIP_EXIT": "3"})
    assert (done.returncode, tree.steps()[-1]) == (3, "packages failed 3")
    assert "The extra packages cannot be installed (exit code 3)." in done.stderr
    assert "correct the names or versions" in done.stderr


def test_addresses_and_options_of_packages_are_not_logged_by_us(tree):
    pip = "--index-url https://u:pw@host/simple one"
    done = tree.run(extra_packages=ExtraPackages(pip=pip), extra={"PIP_EXIT": "1"})
    ours = [line for line in done.stdout.splitlines() if line.startswith("cassini:")]
    assert not any("pw" in line for line in ours)


def test_an_open_quotation_mark_in_packages_is_refused():
    spec = make_spec(extra_packages=ExtraPackages(pip="'pandas"))
    with pytest.raises(InvalidSpec, match="not closed"):
        build_script(WORKLOAD, spec, plan_workspace(spec))


def test_a_start_script_runs_as_a_child_in_the_working_directory(tree):
    script = "pwd >where.txt\r\nexport NEW=1\r\ncd /\r\n"
    done = tree.run(start_script=script, command='pwd; printf %s "${NEW:-unset}"')
    workspace = tree.home / "workspace"
    assert (workspace / "where.txt").read_text() == f"{workspace}\n"
    assert done.stdout.splitlines()[-2:] == [str(workspace), "unset"]


def test_a_start_script_that_fails_stops_the_start_with_its_code(tree):
    done = tree.run(start_script="echo why >&2; exit 42")
    assert (done.returncode, tree.steps()[-1]) == (42, "start-script failed 42")
    assert "why\ncassini: The start script failed (exit code 42)." in done.stderr


def test_a_start_script_that_stops_halfway_by_a_syntax_error_fails(tree):
    done = tree.run(start_script="if true; then")
    assert done.returncode != 0
    assert tree.steps()[-1].startswith("start-script failed")

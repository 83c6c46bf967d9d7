"""The script is run by the machine's own /bin/sh in a tree of its own."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from cassini.contracts.workloads import ConfigFile, ExtraPackages
from services.provisioner.kinds.base import InvalidSpec, KindPlan
from services.provisioner.kinds.workspace import plan_workspace
from services.provisioner.startup import MAX_SCRIPT_BYTES, build_script
from tests.provisioner.wishes import WORKLOAD, make_spec

HOSTILE = 'it\'s "$(touch owned)" `touch owned`; touch owned\n\\n %s é 漢 -n\n'
FAKE_PIP = """
import json, os, sys
print(json.dumps(sys.argv[1:]))
sys.exit(int(os.environ.get("PIP_EXIT", "0")))
"""


class Tree:
    """A home, an image and an overlay under a name full of traps."""

    def __init__(self, root: Path) -> None:
        self.root = root / 'it\'s a "tree" $HOME'
        self.home = self.root / "home"
        self.overlay = self.root / "overlay"
        self.image = self.root / "image"
        self.report = self.root / "report"
        self.runtime = self.root / "runtime"
        packages = self.image / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
        (packages / "pip").mkdir(parents=True)
        (packages / "pip" / "__main__.py").write_text(FAKE_PIP)
        (packages / "in_the_image.py").write_text("")
        (self.image / "bin").mkdir()
        interpreter = Path(sys.executable).resolve()
        (self.image / "bin" / "python").symlink_to(interpreter)
        (self.image / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\nprompt = x\n")
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "PORT": "1",
            "CASSINI_IMAGE": str(self.image),
            "CASSINI_OVERLAY": str(self.overlay),
            "CASSINI_REPORT": str(self.report),
            "CASSINI_RUNTIME": str(self.runtime),
        }

    def run(self, *, shell="/bin/sh", extra=None, **changes) -> subprocess.CompletedProcess[str]:
        spec = make_spec(**({"command": "pwd; exit 7"} | changes))
        script = build_script(spec, plan_workspace(WORKLOAD, spec))
        return subprocess.run(
            [shell, "-c", script],
            env=self.environment | (extra or {}),
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def steps(self) -> list[str]:
        return [line.split(" ", 1)[1] for line in self.report.read_text().splitlines()]


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
        build_script(spec, plan_workspace(WORKLOAD, spec))


@pytest.mark.parametrize("mode", ["", "rw", "99", "0644; touch x", "07777"])
def test_a_mode_that_is_none_is_refused(mode):
    spec = make_spec(config_files={"a": ConfigFile(content="x", mode=mode)})
    with pytest.raises(InvalidSpec, match="not like 0644"):
        build_script(spec, plan_workspace(WORKLOAD, spec))


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
        build_script(spec, plan_workspace(WORKLOAD, spec))


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


def test_the_overlay_is_an_environment_of_its_own_on_top_of_the_image(tree):
    look = "import in_the_image, sys; print(sys.prefix); print(in_the_image.__file__)"
    done = tree.run(command=f'python -c "{look}"; command -v pip; command -v python3')
    prefix, module, pip, python = done.stdout.splitlines()[-4:]
    assert prefix == str(tree.overlay)
    assert module.startswith(str(tree.image))
    assert (pip, python) == (str(tree.overlay / "bin/pip"), str(tree.overlay / "bin/python3"))


def test_what_is_installed_in_the_overlay_comes_before_the_image(tree):
    tree.run()
    packages = next(tree.overlay.glob("lib/python3*/site-packages"))
    (packages / "in_the_image.py").write_text("")
    done = tree.run(command='python -c "import in_the_image as i; print(i.__file__)"')
    assert done.stdout.splitlines()[-1] == str(packages / "in_the_image.py")


def test_terminals_pip_is_the_overlays(tree):
    done = tree.run(command="pip install x")
    assert json.loads(done.stdout.splitlines()[-1]) == ["install", "x"]


def test_the_kernel_is_the_overlays_python(tree):
    done = tree.run(command='printf %s "$JUPYTER_PATH"')
    folder = Path(done.stdout.splitlines()[-1].removeprefix("cassini: starting"))
    kernel = json.loads((folder / "kernels/python3/kernel.json").read_text())
    assert folder == tree.overlay / "share/jupyter"
    assert kernel["argv"][0] == str(tree.overlay / "bin/python")


def test_running_twice_on_the_same_tree_changes_nothing(tree):
    first = tree.run(command="python -c 'import sys; print(sys.prefix)'")
    second = tree.run(command="python -c 'import sys; print(sys.prefix)'")
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == second.stdout


def test_an_image_without_python_fails_and_says_so(tree):
    done = tree.run(extra={"CASSINI_IMAGE": str(tree.root / "nothing")})
    assert (done.returncode, tree.steps()[-1]) == (1, "directories failed 1")
    assert "the image holds no Python environment" in done.stderr


def test_a_working_directory_that_cannot_be_made_fails(tree):
    (tree.root / "file").write_text("")
    done = tree.run(working_directory=str(tree.root / "file" / "x"))
    assert tree.steps()[-1].startswith("directories failed")
    assert "Look whether the disk is full" in done.stderr


def test_runtime_directory_is_in_memory_and_private(tree):
    shm = Path("/dev/shm")
    if not shm.is_dir():
        pytest.skip("no /dev/shm on this machine")
    old = shm / f"cassini-{WORKLOAD}.left-over"
    old.mkdir(exist_ok=True)
    try:
        done = tree.run(
            extra={"CASSINI_RUNTIME": ""}, command='printf "\\n%s" "$JUPYTER_RUNTIME_DIR"'
        )
        runtime = Path(done.stdout.splitlines()[-1])
        assert runtime.parent.parent == shm
        assert stat.S_IMODE(runtime.parent.stat().st_mode) == 0o700
        assert not old.exists()
    finally:
        for folder in shm.glob(f"cassini-{WORKLOAD}.*"):
            shutil.rmtree(folder)


def test_main_command_replaces_the_script(tree):
    done = tree.run(command="echo $PPID $$")
    parent, own = done.stdout.splitlines()[-1].split()
    assert int(parent) == os.getpid()
    assert own


def test_debug_mode_ends_well_when_the_main_command_does(tree):
    done = tree.run(debug_mode=True, command="true")
    assert done.returncode == 0
    assert tree.steps()[-1] == "main begin"


def test_debug_mode_keeps_the_pod_up_after_a_failure_and_says_so(tree):
    spec = make_spec(debug_mode=True, command="exit 9")
    script = build_script(spec, plan_workspace(WORKLOAD, spec))
    process = subprocess.Popen(
        ["/bin/sh", "-c", script],
        env=tree.environment,
        cwd=tree.root,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        line = process.stderr.readline()
        assert "The main command failed (exit code 9). Debug mode keeps this pod up" in line
        assert process.poll() is None
        assert tree.steps()[-1] == "main failed 9"
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_debug_mode_passes_a_stop_on_to_the_main_command(tree):
    command = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"
    spec = make_spec(debug_mode=True, command=command)
    process = subprocess.Popen(
        ["/bin/sh", "-c", build_script(spec, plan_workspace(WORKLOAD, spec))],
        env=tree.environment,
        cwd=tree.root,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        while process.stdout.readline() != "up\n":
            assert process.poll() is None
        process.terminate()
        assert process.wait(10) == 3
        assert process.stdout.read() == "bye\n"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_script_too_long_for_one_argument_is_refused():
    spec = make_spec(config_files={"a": ConfigFile(content="x" * MAX_SCRIPT_BYTES)})
    with pytest.raises(InvalidSpec, match="too long"):
        build_script(spec, plan_workspace(WORKLOAD, spec))


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_no_script_can_hold_is_refused(text):
    kind = KindPlan(main="true", ports=(1,), readiness_path=None, grace_seconds=1)
    with pytest.raises(InvalidSpec, match="the start script"):
        build_script(make_spec(start_script=text), kind)

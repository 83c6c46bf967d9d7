"""The script is run by the machine's own /bin/sh in a tree of its own."""

import json
import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from cassini.contracts.workloads import ConfigFile
from services.provisioner.kinds.base import InvalidSpec, KindPlan
from services.provisioner.kinds.workspace import plan_workspace
from services.provisioner.startup import MAX_SCRIPT_BYTES, build_script
from tests.provisioner.tree import Tree
from tests.provisioner.wishes import WORKLOAD, make_spec


@pytest.fixture
def tree(tmp_path) -> Tree:
    return Tree(tmp_path)


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
            extra={"XDG_RUNTIME_DIR": ""}, command='printf "\\n%s" "$JUPYTER_RUNTIME_DIR"'
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
    script = build_script(WORKLOAD, spec, plan_workspace(spec))
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
        ["/bin/sh", "-c", build_script(WORKLOAD, spec, plan_workspace(spec))],
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
        build_script(WORKLOAD, spec, plan_workspace(spec))


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_no_script_can_hold_is_refused(text):
    kind = KindPlan(main="true", ports=(1,), readiness_path=None, grace_seconds=1)
    with pytest.raises(InvalidSpec, match="the start script"):
        build_script(WORKLOAD, make_spec(start_script=text), kind)

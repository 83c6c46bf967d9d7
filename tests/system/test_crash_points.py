"""SIGKILL of the platform at every step boundary of start, stop, restart and delete.

What the boundaries are and how they are found: ``crash/doors.py`` and ``crash/exploring.py``. What
must be true afterwards: ``crash/facts.py``. The workload is a tiny server; platform, databases,
bus, shims, namespaces and homes are the real ones. Every seventh occurrence is killed at, beginning
with a random one; in CI every other one; with ``CASSINI_TEST_CRASH_EVERY=1`` every one, and none is
skipped.
"""

import os
import random

import pytest

from tests.system.crash.exploring import Explorer
from tests.system.crash.lanes import OneHome, prepared, zygote


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("verb", ["restart", "delete", "start", "stop"])
def test_a_kill_at_any_boundary_changes_nothing_in_the_end(verb, tmp_path):
    every = int(os.environ.get("CASSINI_TEST_CRASH_EVERY", "7"))
    with zygote(tmp_path / "log") as server, prepared(server) as ground:
        explorer = Explorer(server, ground, verb)
        found = explorer.explore(every=every, first=random.randrange(every))
    print(found.report())
    assert not found.failures, "\n" + "\n".join(found.failures)
    if every == 1:
        assert [] == found.never_killed()


@pytest.mark.jupyter
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("jupyter")
@pytest.mark.parametrize("verb", ["restart", "delete"])
def test_the_same_with_jupyterlab_at_some_boundaries(verb, built_home, tmp_path):
    with zygote(tmp_path / "log") as server:
        try:
            explorer = Explorer(server, OneHome(server, built_home.path), verb)
            found = explorer.explore(every=30, first=random.randrange(30))
        finally:
            built_home.clear(keep=("images", "package-cache"))
    assert not found.failures, "\n" + "\n".join(found.failures)
    assert found.killed

# ruff: noqa: ASYNC240 - tests look at files and processes between, for microseconds
"""Pods are kept to their memory and processors where the machine lets us, and no group is left."""

import os
import signal
from pathlib import Path

import pytest

from services.provisioner.backends.local import limits
from tests.provisioner.backends.local.machine import ended, started


async def test_the_limits_of_a_killed_shim_are_cleaned_up(machine):
    backend = await machine.backend(limits="best")
    if not (await backend.describe()).limits:
        pytest.skip("this machine does not let us limit anything")
    plan = machine.plan("sleep 1000")
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, started)
    os.kill(machine.shim(plan.name), signal.SIGKILL)
    await machine.pod(backend, plan.name, ended)
    assert not any(Path(group).exists() for group in machine.intent(plan.name)["groups"])


async def test_a_pod_is_in_its_groups_from_its_first_line_on(machine):
    backend = await machine.backend(limits="best")
    limited = (await backend.describe()).limits
    if not limited:
        pytest.skip("this machine does not let us limit anything")
    plan = machine.plan("cat /proc/self/cgroup", begin=False)
    await backend.create(plan, {})
    await machine.pod(backend, plan.name, ended)
    shown = [line for line in machine.log(plan.name).splitlines() if str(plan.name) in line]
    assert len(shown) == len(machine.intent(plan.name)["groups"])


def test_a_machine_without_control_groups_says_so(monkeypatch):
    monkeypatch.setattr(limits, "hierarchies", list)
    with pytest.raises(limits.NoLimits, match="no control groups"):
        limits.find_limits("x")


def test_control_groups_that_nobody_handed_over_are_said_to_be_so(monkeypatch, tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu io memory")
    tree = limits.Hierarchy(unified=True, folder=tmp_path, controllers=frozenset())
    monkeypatch.setattr(limits, "hierarchies", lambda: [tree])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(limits.NoLimits, match="Delegate=cpu memory"):
        limits.find_limits("x")


def test_groups_of_version_2_are_one_for_all(tmp_path):
    folders = {"memory": tmp_path, "cpu": tmp_path}
    found = limits.Limits(folders, unified=True, swap=True)
    assert found.groups("pod", 0.5, 1000) == [
        (
            f"{tmp_path}/pod",
            {"memory.max": "1000", "memory.swap.max": "0", "cpu.max": "50000 100000"},
        )
    ]
    assert found.out_of_memory_events("pod") == f"{tmp_path}/pod/memory.events"


def version_1(monkeypatch, root, *mounts):
    """Have these controllers mounted, as root sees them."""
    trees = []
    for words in mounts:
        (root / words).mkdir()
        trees.append(
            limits.Hierarchy(
                unified=False, folder=root / words, controllers=frozenset({"rw", *words.split(",")})
            )
        )
    monkeypatch.setattr(limits, "hierarchies", lambda: trees)
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_processor_time_is_counted_where_version_1_counts_it_apart(monkeypatch, tmp_path):
    version_1(monkeypatch, tmp_path, "memory", "cpu", "cpuacct")
    found = limits.find_limits("x")
    assert found.words == ("memory", "cpu")
    groups = dict(found.groups("pod", 1.0, 1000))
    assert groups[f"{tmp_path}/cpuacct/cassini-x/pod"] == {}
    assert len(groups) == 3


def test_one_group_serves_where_version_1_limits_and_counts_in_one_tree(monkeypatch, tmp_path):
    version_1(monkeypatch, tmp_path, "memory", "cpu,cpuacct")
    found = limits.find_limits("x")
    assert [path for path, _ in found.groups("pod", 1.0, 1000)] == [
        f"{tmp_path}/memory/cassini-x/pod",
        f"{tmp_path}/cpu,cpuacct/cassini-x/pod",
    ]


def test_what_only_counts_does_not_limit(monkeypatch, tmp_path):
    version_1(monkeypatch, tmp_path, "cpuacct")
    with pytest.raises(limits.NoLimits, match="no control groups with memory or cpu"):
        limits.find_limits("x")

# ruff: noqa: ASYNC240 - tests look at files and processes between, for microseconds
"""Homes outlive their pods; discarded homes are kept for their days."""

from pathlib import Path

from tests.provisioner.backends.local.machine import ended, started


async def test_a_removed_pod_leaves_its_home_and_nothing_else(machine, isolated):
    backend, _ = isolated
    first = machine.plan('echo one; echo x > "$HOME/kept"')
    await backend.create(first, {})
    await machine.pod(backend, first.name, ended)
    second = machine.plan('echo two; cat "$HOME/kept"; sleep 1000', attempt=2)
    await backend.create(second, {})
    await machine.pod(backend, second.name, started)
    await backend.remove(first.name)
    assert machine.places.overlay(second.name).exists()
    await machine.until(lambda: "x" in machine.log(second.name))
    await backend.remove(second.name)
    await backend.remove(second.name)
    assert machine.left(second.name) == {}
    assert await backend.list_pods() == []
    assert list(machine.places.workloads.iterdir()) == []
    assert await backend.read_logs(second.name, first=0, lines=1) is None
    assert (machine.places.home(first.name.workload_id) / "kept").exists()
    assert not list(Path("/dev/shm").glob(f"cassini-{first.name.workload_id}-*"))


async def test_a_home_is_kept_in_the_trash_for_its_days(machine):
    now = [1_000_000.0]
    backend = await machine.backend(clock=lambda: now[0], isolation="none")
    workload = "d" * 32
    home = machine.places.home(workload)
    home.mkdir()
    (home / "notebook").write_text("old")
    await backend.discard_home(workload)
    await backend.discard_home(workload)
    assert not home.exists()
    await backend.recover_home(workload)
    assert (home / "notebook").read_text() == "old"
    await backend.discard_home(workload)
    now[0] += 6.9 * 86400
    home.mkdir()
    (home / "notebook").write_text("new")
    await backend.discard_home(workload)
    await backend.recover_home(workload)
    await backend.recover_home(workload)
    assert (home / "notebook").read_text() == "new"
    now[0] += 86400
    await machine.backend(clock=lambda: now[0], isolation="none")
    assert list(machine.places.trash.iterdir()) == []

"""Homes outlive their pods; discarded homes are kept for their days."""

from cassini.testing.waiting import until
from tests.provisioner.backends.conformance.rig import ended, started


async def test_a_removed_pod_leaves_its_home_and_nothing_else(rig):
    backend = await rig.backend()
    first = rig.plan('echo one; echo x > "$HOME/kept"')
    await rig.run(backend, first)
    second = rig.plan('echo two; cat "$HOME/kept"; sleep 1000', attempt=2)
    await backend.create(second, {})
    await rig.pod(backend, second.name, started)
    await backend.remove(first.name)
    await rig.printed(backend, second.name, "x")
    await backend.remove(second.name)
    await backend.remove(second.name)
    assert await rig.living(second.name) == 0
    assert await backend.list_pods() == []
    assert await rig.remains() == []
    assert await backend.read_logs(second.name, first=0, lines=1) is None
    third = rig.plan('cat "$HOME/kept"', attempt=3)
    await rig.run(backend, third)
    assert await rig.log(backend, third.name) == "x\n"


async def test_a_home_belongs_to_the_pods_user_and_keeps_its_mode(rig):
    backend = await rig.backend()
    first = rig.plan('cd && touch mine && chmod 750 . && stat -c %a "$HOME"')
    await rig.run(backend, first)
    second = rig.plan(
        'stat -c %a "$HOME"; [ -O "$HOME" ] && [ -O "$HOME/mine" ] && echo own', attempt=2
    )
    await rig.run(backend, second)
    assert await rig.log(backend, second.name) == "750\nown\n"


async def test_a_home_is_kept_in_the_trash_for_its_days(rig):
    now = [1_000_000.0]
    backend = await rig.backend(clock=lambda: now[0])
    attempts = iter(range(1, 100))

    async def home_after(command: str) -> str:
        plan = rig.plan(
            command + '; cat "$HOME/notebook" 2>/dev/null || echo none', attempt=next(attempts)
        )
        await rig.run(backend, plan)
        said = await rig.log(backend, plan.name)
        await backend.remove(plan.name)
        return said.splitlines()[-1]

    await home_after('echo old > "$HOME/notebook"')
    await backend.discard_home(rig.workload)
    await backend.discard_home(rig.workload)
    await backend.recover_home(rig.workload)
    assert await home_after("true") == "old"
    await backend.discard_home(rig.workload)
    now[0] += 6.9 * 86400
    assert await home_after("true") == "none"
    await home_after('echo new > "$HOME/notebook"')
    await backend.discard_home(rig.workload)
    await backend.recover_home(rig.workload)
    await backend.recover_home(rig.workload)
    assert await home_after("true") == "new"
    await backend.discard_home(rig.workload)
    now[0] += 7.1 * 86400
    await backend.discard_home(rig.workload)
    await backend.recover_home(rig.workload)
    assert await home_after("true") == "none"


async def test_homes_of_workloads_are_apart(rig):
    backend = await rig.backend()
    await rig.run(backend, rig.plan('echo mine > "$HOME/notebook"'))
    rig.workload = "f" + rig.workload[1:]
    other = rig.plan('cat "$HOME/notebook" 2>/dev/null || echo none')
    pod = await rig.run(backend, other)
    assert ended(pod)
    said = await until(lambda: rig.log(backend, other.name))  # the last lines may come after it
    assert said.splitlines()[-1] == "none"
    await backend.remove(other.name)

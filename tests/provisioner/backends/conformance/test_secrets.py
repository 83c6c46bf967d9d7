"""Secret values reach the pod's processes and nothing else."""

import asyncio

from tests.provisioner.backends.conformance.rig import ready, started


async def test_secret_values_reach_the_pod_and_are_found_nowhere_else(rig):
    backend = await rig.backend()
    planted = "planted-" + "s3cr3t" * 3
    plan = rig.plan("echo ${#SECRET}; sleep 1000", readiness=None)
    await backend.create(plan, {"SECRET": planted})
    await rig.pod(backend, plan.name, ready)
    await rig.printed(backend, plan.name, f"{len(planted)}\n")
    assert await rig.finds(planted.encode(), plan.name) == []


async def test_a_value_arrives_as_it_is(rig):
    backend = await rig.backend()
    value = 'it\'s $HOME `date` "quoted" \\ grün\n\n last line\t'
    plan = rig.plan("exec python -I -S -c 'import os; print(ascii(os.environ[\"SECRET\"]))'")
    if "OPEN_PYTHON" in plan.environment:
        plan = rig.plan("printf '%s|' \"$SECRET\"; echo")
        await rig.run(backend, plan, {"SECRET": value})
        assert await rig.log(backend, plan.name) == value + "|\n"
        return
    await rig.run(backend, plan, {"SECRET": value})
    assert await rig.log(backend, plan.name) == ascii(value) + "\n"


async def test_many_and_long_values_arrive(rig):
    backend = await rig.backend()
    values = {f"SECRET_{number}": "x" * 20_000 for number in range(20)}
    plan = rig.plan("env | grep -c ^SECRET_; echo ${#SECRET_19}")
    await rig.run(backend, plan, values)
    assert await rig.log(backend, plan.name) == "20\n20000\n"


async def test_a_pod_gets_its_values_once_whoever_else_brings_them(rig):
    backend, second = await rig.backend(), await rig.backend()
    plan = rig.plan('echo "$SECRET"; sleep 1000')
    await asyncio.gather(*(each.create(plan, {"SECRET": "v"}) for each in (backend, second)))
    await rig.pod(backend, plan.name, started)
    await rig.printed(backend, plan.name, "v")
    await second.create(plan, {"SECRET": "another"})
    assert await rig.log(backend, plan.name) == "v\n"

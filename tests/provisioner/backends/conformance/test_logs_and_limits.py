"""What pods print, use and may use, on every backend."""

import pytest

from services.provisioner.backends.base import EndReason
from tests.provisioner.backends.conformance.conftest import make_rig
from tests.provisioner.backends.conformance.rig import SERVE, ready


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
async def limited(request):
    """A rig whose pods are kept to their limits, where the machine lets us."""
    options = {"limits": "best"} if request.param == "local" else {}
    rig = await make_rig(request.param, **options)
    yield rig
    await rig.clean()


async def test_a_log_is_paged_by_the_numbers_of_its_lines(rig):
    backend = await rig.backend()
    plan = rig.plan("seq 0 2999; while [ ! -e ~/go ]; do sleep 0.05; done; seq 3000 3009; exit 3")
    await backend.create(plan, {})
    await rig.printed(backend, plan.name, "2999\n")

    async def texts(first, lines):
        page = await backend.read_logs(plan.name, first=first, lines=lines)
        assert page.first == (first if first >= 0 else page.end + first)
        return [line.text for line in page.lines]

    assert await texts(0, 3) == ["0", "1", "2"]
    assert await texts(1500, 2) == ["1500", "1501"]
    assert await texts(-2, 2) == ["2998", "2999"]
    assert await texts(3000, 5) == []
    await rig.touch(plan.name, "go")
    await rig.printed(backend, plan.name, "3009\n")
    assert await texts(2998, 4) == ["2998", "2999", "3000", "3001"]
    assert await texts(-3, 2) == ["3007", "3008"]
    second = await rig.backend()
    page = await second.read_logs(plan.name, first=3005, lines=100)
    assert (page.first, page.end, page.more) == (3005, 3010, False)
    assert [line.text for line in page.lines] == [str(number) for number in range(3005, 3010)]
    assert page.lines[0].at <= page.lines[-1].at


async def test_what_was_printed_is_text_whatever_it_was(rig):
    backend = await rig.backend()
    plan = rig.plan("printf 'gr\\303\\274n\\377\\n\\n\\033[31mred\\r\\n'; printf 'the end'")
    await rig.run(backend, plan)
    page = await backend.read_logs(plan.name, first=0, lines=10)
    assert [line.text for line in page.lines] == ["grün�", "", "\x1b[31mred\r", "the end"]


async def test_a_very_long_line_is_one_line(rig):
    backend = await rig.backend()
    plan = rig.plan("echo before; head -c 50000 /dev/zero | tr '\\0' x; echo; echo after")
    await rig.run(backend, plan)
    page = await backend.read_logs(plan.name, first=0, lines=10)
    before, long, after = (line.text for line in page.lines)
    assert (before, after) == ("before", "after")
    assert long == "x" * 16384 + f" … [{50000 - 16384} bytes more]"


async def test_a_pod_that_outgrows_its_memory_is_told_so(limited):
    backend = await limited.backend()
    if "memory" not in (await backend.describe()).limits:
        pytest.skip("this machine does not let us limit memory")
    plan = limited.plan(
        "exec python -I -S -c 'x = bytearray(200_000_000)'", memory_bytes=64 * 1024 * 1024
    )
    pod = await limited.run(backend, plan)
    assert (pod.exit_code, pod.reason) == (137, EndReason.OOM_KILLED)


async def test_a_pod_that_wants_more_cores_than_there_are_gets_all(limited):
    backend = await limited.backend()
    description = await backend.describe()
    assert description.cores > 0
    assert description.memory_bytes > 0
    plan = limited.plan("echo fine", cores=description.cores * 4)
    pod = await limited.run(backend, plan)
    assert (pod.exit_code, pod.reason) == (0, EndReason.EXITED)


async def test_what_pods_use_is_measured(limited):
    backend = await limited.backend()
    plan = limited.plan(SERVE)
    await backend.create(plan, {})
    await limited.pod(backend, plan.name, ready)
    [usage] = await backend.measure()
    assert usage.name == plan.name
    assert usage.cpu_seconds > 0
    assert usage.memory_bytes > 100_000
    assert usage.received_bytes is not None

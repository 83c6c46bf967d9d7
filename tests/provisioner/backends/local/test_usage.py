# ruff: noqa: ASYNC240 - a folder is made and looked at in microseconds
"""What real pods are measured to use, with and without groups and namespaces, and by whom."""

import asyncio
import json
import os
import sysconfig
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cassini.testing.waiting import until
from services.provisioner.backends.local import group_usage, usage
from services.provisioner.backends.local.sockets import Carried
from services.provisioner.plan import PodName
from tests.provisioner.backends.local.machine import started

PROJECT = Path(__file__).parents[4]
MEGABYTE = 1_000_000
BURNED, HELD, SENT = 1.5, 200 * MEGABYTE, 10 * MEGABYTE

BURN = f"""
import os, time
def burn(seconds):
    before = time.process_time()
    while time.process_time() - before < seconds:
        pass
if os.fork() == 0:
    burn({BURNED} / 3)
    os._exit(0)
os.wait()
if os.fork() == 0:
    if os.fork() == 0:  # its parent ends before it does
        burn({BURNED} / 3)
        print("orphan burned", flush=True)
    os._exit(0)
os.wait()
burn({BURNED} / 3)
print("burned", flush=True)
time.sleep(1000)
"""
HOLD = f"""
import time
held = b"x" * {HELD}
print("held", flush=True)
time.sleep(1000)
"""
SEND = """
import os, socket, time
server = socket.create_connection(("127.0.0.1", int(os.environ["TARGET"])))
while count := int(server.recv(20)):
    server.sendall(b"x" * count)
server.close()
print("closed", flush=True)
time.sleep(1000)
"""


@pytest.fixture(params=["groups", "processes"])
async def measured(request, machine):
    """A backend that measures by control groups or by processes: (backend, its isolation)."""
    backend = await machine.backend(limits="best" if request.param == "groups" else "none")
    described = await backend.describe()
    if request.param == "groups" and not described.limits:
        pytest.skip("this machine does not let us make control groups")
    return backend, described.isolation


async def begin(machine, backend, isolation, program, *, attempt=1, **environment):
    """Start a pod that runs a program; returns its name."""
    plan = machine.plan(machine.python(isolation, "PROGRAM"), attempt=attempt, readiness=None)
    variables = {**plan.environment, "PROGRAM": program, **environment}
    await backend.create(replace(plan, environment=variables), {})
    await machine.pod(backend, plan.name, started)
    return plan.name


async def use_of(backend, name):
    (found,) = [each for each in await backend.measure() if each.name == name]
    return found


async def sent(backend, name, count):
    """Return what a pod has used once so much of what it sent is confirmed."""

    async def look():
        found = await use_of(backend, name)
        return found if found.sent_bytes >= count else None

    return await until(look)


async def printed(machine, name, *words):
    await machine.until(lambda: {*words} <= {*machine.log(name).splitlines()})


class Peer:
    """The other end of a pod's connection: tells it how many bytes to send, and reads them."""

    def __init__(self) -> None:
        self.arrived = 0
        self.asked = 0
        self._writer = None

    async def serve(self, reader, writer) -> None:
        self._writer = writer
        while data := await reader.read(1 << 20):
            self.arrived += len(data)
        writer.close()

    async def ask(self, count: int) -> None:
        """Have it send so many bytes; returns when they are here."""
        await until(lambda: self._writer)
        wanted = self.arrived + count
        self._writer.write(str(count).encode())
        self.asked += len(str(count))
        await until(lambda: self.arrived >= wanted)


@asynccontextmanager
async def listening():
    """Yield (peer, the port it listens on)."""
    peer = Peer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    try:
        yield peer, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if peer._writer is not None:
            peer._writer.close()


async def test_processor_time_counts_with_that_of_children_that_ended(machine, measured):
    backend, isolation = measured
    name = await begin(machine, backend, isolation, BURN)
    await printed(machine, name, "burned", "orphan burned")
    used = (await use_of(backend, name)).cpu_seconds
    assert BURNED <= used + 0.05 < BURNED + 1.0


async def test_memory_that_is_held_counts(machine, measured):
    backend, isolation = measured
    name = await begin(machine, backend, isolation, HOLD)
    await printed(machine, name, "held")
    assert HELD < (await use_of(backend, name)).memory_bytes < HELD + 60 * MEGABYTE


async def test_memory_that_processes_share_counts_once(machine):
    backend = await machine.backend(limits="none")
    isolation = (await backend.describe()).isolation
    shared = HOLD.replace("print", "import os; [os.fork() for _ in range(2)]; print")
    name = await begin(machine, backend, isolation, shared)
    await machine.until(lambda: machine.log(name).count("held") == 4)
    assert HELD < (await use_of(backend, name)).memory_bytes < HELD + 100 * MEGABYTE


async def test_bytes_over_loopback_count_both_ways(machine, isolated):
    backend, isolation = isolated
    async with listening() as (peer, port):
        name = await begin(machine, backend, isolation, SEND, TARGET=str(port))
        await peer.ask(SENT)
        first = await sent(backend, name, SENT)
        assert peer.arrived == SENT
        assert SENT <= first.sent_bytes <= SENT + 10  # the kernel counts the ends of the stream
        assert first.received_bytes == peer.asked
        await peer.ask(1000)
        second = await sent(backend, name, first.sent_bytes + 1000)
        assert second.sent_bytes == first.sent_bytes + 1000
        assert second.received_bytes == peer.asked


async def test_what_a_connection_carried_stays_counted_when_it_is_closed(machine, measured):
    backend, isolation = measured
    async with listening() as (peer, port):
        name = await begin(machine, backend, isolation, SEND, TARGET=str(port))
        await peer.ask(SENT)
        before = await sent(backend, name, SENT)
        await peer.ask(0)
        await printed(machine, name, "closed")
        after = await use_of(backend, name)
        assert after.sent_bytes == before.sent_bytes >= SENT


async def test_a_platform_that_starts_again_counts_what_connections_carry_from_then_on(machine):
    first = await machine.backend()
    isolation = (await first.describe()).isolation
    async with listening() as (peer, port):
        name = await begin(machine, first, isolation, SEND, TARGET=str(port))
        await peer.ask(SENT)
        cpu_seconds = (await sent(first, name, SENT)).cpu_seconds
        await first.close()
        second = await machine.backend()
        found = await use_of(second, name)
        assert (found.received_bytes, found.sent_bytes) == (0, 0)
        assert found.cpu_seconds >= cpu_seconds
        await peer.ask(1000)
        assert (await sent(second, name, 1000)).sent_bytes == 1000


async def test_every_attempt_has_counts_of_its_own(machine, measured):
    backend, isolation = measured
    first = await begin(machine, backend, isolation, BURN)
    await printed(machine, first, "burned", "orphan burned")
    assert (await use_of(backend, first)).cpu_seconds > BURNED - 0.05
    await backend.remove(first)
    assert await backend.measure() == []
    second = await begin(machine, backend, isolation, HOLD, attempt=2)
    await printed(machine, second, "held")
    (found,) = await backend.measure()
    assert found.name == second
    assert found.cpu_seconds < BURNED - 0.05


async def test_where_the_kernel_tells_of_no_connections_the_network_is_not_known(
    machine, monkeypatch
):
    def refuse():
        raise OSError("no sock_diag here")

    monkeypatch.setattr(usage, "connections", refuse)
    backend = await machine.backend()
    isolation = (await backend.describe()).isolation
    name = await begin(machine, backend, isolation, HOLD)
    await printed(machine, name, "held")
    found = await use_of(backend, name)
    assert (found.received_bytes, found.sent_bytes) == (None, None)
    assert found.memory_bytes > HELD


def test_a_number_that_names_another_connection_now_counts_from_zero(monkeypatch):
    monkeypatch.setattr(usage, "socket_inodes", lambda _pid: [7])
    name, counter = PodName("a" * 32, 1, 0, 1), usage.Usage(since=0.0)
    counter._counts[name] = counts = usage._Counts()
    for carried in (Carried(1000, 500), Carried(1200, 500), Carried(20, 600)):
        counter._count({7: carried}, {name: [1]}, {name})
    assert (counts.received, counts.sent) == (1220, 1100)


GROUPS = {
    "version 2": (
        {
            "g/cpu.stat": "usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n",
            "g/memory.current": "5000\n",
            "g/memory.stat": "anon 1000\ninactive_file 1500\nactive_file 9\n",
        },
        (2.5, 3500),
    ),
    "version 1": (
        {
            "memory/memory.usage_in_bytes": "5000\n",
            "memory/memory.stat": "inactive_file 7\ntotal_inactive_file 1500\n",
            "cpu/cpu.stat": "nr_periods 3\nnr_throttled 0\nthrottled_time 0\n",
            "cpuacct/cpuacct.usage": "2500000000\n",
        },
        (2.5, 3500),
    ),
    "version 1 without accounting": (
        {"cpu/cpu.stat": "nr_periods 3\nnr_throttled 0\nthrottled_time 0\n"},
        (None, None),
    ),
    "cache that goes faster than it is read": (
        {"g/memory.current": "5000\n", "g/memory.stat": "inactive_file 6000\n"},
        (None, 0),
    ),
    "none": ({}, (None, None)),
}


@pytest.mark.parametrize("case", GROUPS)
def test_groups_of_both_versions_are_understood(case, tmp_path):
    files, expected = GROUPS[case]
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    groups = [str(tmp_path / each) for each in ("g", "memory", "cpu", "cpuacct")]
    assert (group_usage.cpu_seconds(groups), group_usage.memory_bytes(groups)) == expected


NORMAL_USER = """
import asyncio, json, sys
from pathlib import Path
from services.provisioner.backends.local import LocalBackend
from services.provisioner.plan import PodName, PodPlan

def enough(usage):
    return usage.sent_bytes >= 1000 and usage.cpu_seconds > 1.45

async def main(data, installation, workload, port, burn, send):
    backend = LocalBackend(data=data, installation_id=installation)
    await backend.open()
    program = burn.replace("time.sleep(1000)", "held = b'x' * 50_000_000") + send
    plan = PodPlan(name=PodName(workload, 1, 0, 1), declarer="api", owner_id="b" * 32,
        image=str(data / "images" / "digest"), environment={"PROGRAM": program, "TARGET": port},
        script='exec python3 -I -S -c "$PROGRAM"', secret_variables={}, cores=1.0,
        memory_bytes=10**9, ports=(), readiness=None, grace_seconds=1.0)
    await backend.create(plan, {})
    async with asyncio.timeout(30):
        while not (found := await backend.measure()) or not enough(found[0]):
            await asyncio.sleep(0.02)
    print(json.dumps({"groups": (await backend.describe()).limits, **vars(found[0])}, default=str))
    await backend.remove(plan.name)
    await backend.close()

asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
"""


async def test_a_normal_user_measures_too(machine):
    if os.geteuid() != 0:
        pytest.skip("the other tests run as a normal user already")
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip("no Python here that another user may run")
    folder = machine.data / "users"
    (folder / "images" / "digest" / "bin").mkdir(parents=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    async with listening() as (peer, port):
        process = await asyncio.create_subprocess_exec(
            *(python, "-c", NORMAL_USER, folder, machine.installation, machine.workload),
            *(str(port), BURN, SEND),
            cwd=PROJECT,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": sysconfig.get_path("purelib"),
            },
            user=65534,
            group=65534,
            extra_groups=[],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await peer.ask(1000)
        told, problem = await process.communicate()
    assert process.returncode == 0, problem.decode()
    found = json.loads(told.splitlines()[-1])  # after what the backend logs
    assert BURNED <= found["cpu_seconds"] + 0.05 < BURNED + 1.0
    assert 50 * MEGABYTE < found["memory_bytes"] < 100 * MEGABYTE
    assert 1000 <= found["sent_bytes"] <= 1010

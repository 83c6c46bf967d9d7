"""Ports are free when given, and a stranger on one never passes for the pod."""

import asyncio
import socket

import pytest

from services.provisioner.backends.base import EndReason, PodPhase
from services.provisioner.backends.local import backend as backend_module
from services.provisioner.backends.local import ports
from tests.provisioner.backends.local.machine import ended, started


async def test_a_pod_whose_port_is_taken_does_not_begin(machine, monkeypatch, isolated):
    backend, _ = isolated
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        monkeypatch.setattr(backend_module, "free_ports", lambda *_: [taken])
        plan = machine.plan("echo ran")
        await backend.create(plan, {})
        pod = await machine.pod(backend, plan.name, ended)
    assert (pod.phase, pod.reason) == (PodPhase.ENDED, EndReason.PORT_TAKEN)
    assert machine.log(plan.name) == ""


async def test_a_stranger_on_the_port_never_passes_for_the_pod(machine, isolated):
    backend, _ = isolated
    plan = machine.plan("sleep 1000")
    await backend.create(plan, {})
    pod = await machine.pod(backend, plan.name, started)

    async def answer(reader, writer):
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", pod.endpoints[0].port)
    async with server:
        pod = await machine.pod(backend, plan.name, lambda pod: ended(pod) or pod.ready)
    assert (pod.ready, pod.reason) == (False, EndReason.PORT_TAKEN)


async def test_a_main_command_that_lost_its_port_to_a_stranger_ends_as_port_taken(machine):
    backend = await machine.backend()
    plan = machine.plan("while [ ! -e ~/go ]; do sleep 0.02; done; exit 1", readiness=None)
    await backend.create(plan, {})
    pod = await machine.pod(backend, plan.name, started)
    with socket.create_server(("127.0.0.1", pod.endpoints[0].port)):
        (machine.places.home(plan.name.workload_id) / "go").touch()
        pod = await machine.pod(backend, plan.name, ended)
    assert pod.reason is EndReason.PORT_TAKEN


def test_ports_are_different_and_none_of_those_promised_already(monkeypatch):
    monkeypatch.setattr(ports, "_PORTS", range(31_000, 31_004))
    found = ports.free_ports(2, "127.0.0.1", {31_000, 31_001})
    assert sorted(found) == [31_002, 31_003]


def test_no_free_port_is_an_error(monkeypatch):
    monkeypatch.setattr(ports, "_PORTS", range(31_000, 31_002))
    with pytest.raises(OSError, match=r"no free port on 127\.0\.0\.1"):
        ports.free_ports(1, "127.0.0.1", {31_000, 31_001})

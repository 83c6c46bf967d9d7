"""What a machine does not offer is found out, told, and done without."""

from pathlib import Path

import structlog

from services.provisioner.backends.local import backend as backend_module
from services.provisioner.backends.local import layout
from services.provisioner.backends.local.limits import Limits, NoLimits

UNUSABLE = Limits({"memory": Path("/proc/nowhere")})


async def notes(machine, **options):
    """Open a backend; return its description and what it logged."""
    with structlog.testing.capture_logs() as logged:
        backend = await machine.backend(**options)
    return await backend.describe(), [line["reason"] for line in logged]


async def test_limits_that_cannot_be_set_are_done_without_and_the_reason_is_told(
    machine, monkeypatch
):
    monkeypatch.setattr(backend_module, "find_limits", lambda _: UNUSABLE)
    wanted = (await (await machine.backend()).describe()).isolation
    found, logged = await notes(machine, limits="best")
    assert (found.isolation, found.limits) == (wanted, ())
    assert "/proc/nowhere" in found.notes[-1]
    assert "limits cannot be set" in found.notes[-1]
    assert logged == list(found.notes)


async def test_namespaces_that_cannot_be_had_are_done_without_and_the_reason_is_told(
    machine, monkeypatch
):
    monkeypatch.setattr(layout, "mounts", lambda *_: [("bind", "/proc/none", "/home/jovyan")])
    found, logged = await notes(machine)
    assert found.isolation == "none"
    [note] = found.notes
    assert "namespaces cannot be had" in note
    assert logged == [note]


async def test_both_reasons_are_told_when_neither_can_be_had(machine, monkeypatch):
    monkeypatch.setattr(layout, "mounts", lambda *_: [("bind", "/proc/none", "/home/jovyan")])
    monkeypatch.setattr(backend_module, "find_limits", lambda _: UNUSABLE)
    found, logged = await notes(machine, limits="best")
    assert (found.isolation, found.limits) == ("none", ())
    assert [("namespaces" in note, "limits" in note) for note in found.notes] == [
        (True, False),
        (False, True),
    ]
    assert logged == list(found.notes)


async def test_limits_that_are_not_offered_have_a_reason_too(machine, monkeypatch):
    def none(_):
        raise NoLimits("control groups are on holiday.")

    monkeypatch.setattr(backend_module, "find_limits", none)
    found, _ = await notes(machine, isolation="none", limits="best")
    [note] = found.notes
    assert note.endswith("limits cannot be set: control groups are on holiday.")


async def test_what_is_not_wanted_is_not_missed(machine):
    found, logged = await notes(machine, isolation="none", limits="none")
    assert (found.notes, logged) == ((), [])

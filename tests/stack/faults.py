"""What is broken on purpose, each as a function that returns when the fault is over.

A container that is only told to stop stays stopped, so a crash is made by killing its first
process: then the engine restarts it as it would in life.
"""

import json
import os
import random
import secrets
import shlex
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.stack.checks import until
from tests.stack.stack import SERVICES, Stack, run

Fault = Callable[[Stack], None]

_ENGINE_COMMAND = "CASSINI_DRILL_RESTART_DOCKER"
"""How the Docker daemon is restarted here, as a shell command; without it that is left out."""
_UP_SECONDS = 120.0


def kill(service: str, stack: Stack, *, count: int | None = None) -> None:
    """Kill -9 every replica of a service at the same moment, or some of them."""
    for container in stack.containers(service)[:count]:
        state = json.loads(run("docker", "inspect", "--format", "{{json .State}}", container))
        if state["Pid"]:  # 0: it does not run, and 0 would mean all of our own processes
            with suppress(ProcessLookupError):
                os.kill(state["Pid"], signal.SIGKILL)
    until(lambda: _runs(stack, service), f"{service} is restarted", seconds=_UP_SECONDS)


def restart(service: str, stack: Stack) -> None:
    """Restart a server that the services stand on."""
    stack.compose("restart", "--timeout", "10", service)


def stop_for(service: str, seconds: float, stack: Stack) -> None:
    """Take a server away for a while."""
    stack.compose("stop", "--timeout", "10", service)
    time.sleep(seconds)
    stack.compose("start", service)


def seal(seconds: float, stack: Stack) -> None:
    """Seal OpenBao, and unseal it later."""
    stack.bao("bao operator seal")
    time.sleep(seconds)
    _unseal(stack)


def pause_pods(seconds: float, stack: Stack) -> None:
    """Freeze some workloads' containers."""
    some = _some_pods(stack)
    for pod in some:
        with suppress(AssertionError):  # it may have ended
            run("docker", "pause", pod)
    time.sleep(seconds)
    for pod in some:
        with suppress(AssertionError):
            run("docker", "unpause", pod)


def delete_pods(stack: Stack) -> None:
    """Remove some workloads' containers behind everybody's back."""
    some = _some_pods(stack)
    stack.ended_by_us.update(some)
    for pod in some:
        with suppress(AssertionError):
            run("docker", "rm", "--force", pod)


def delete_queue(name: str, stack: Stack) -> None:
    """Delete a queue with all that is in it."""
    stack.rabbitmqctl("delete_queue", "-p", "cassini", name)


def repeat_events(seconds: float, stack: Stack) -> None:
    """Have all events of a while come again, twice, and in another order."""
    user, password = "cassini-drill", secrets.token_hex(16)
    stack.rabbitmqctl("add_user", user, password)
    try:
        stack.rabbitmqctl("set_user_tags", user, "impersonator")
        stack.rabbitmqctl("set_permissions", "-p", "cassini", user, ".*", ".*", ".*")
        url = f"amqp://{user}:{password}@rabbitmq/cassini"
        script = (Path(__file__).parent / "duplicates.py").read_text()
        count = stack.python(script, url, str(seconds), str(random.randrange(10**6)))
        assert int(count) > 0, "there were no events to repeat"
    finally:
        stack.rabbitmqctl("delete_user", user)


def nothing(seconds: float, stack: Stack) -> None:
    """Break nothing, to see what the machine needs by itself."""
    del stack
    time.sleep(seconds)


def restart_engine(stack: Stack) -> None:
    """Restart the Docker daemon, and with it every container; then unseal OpenBao by hand."""
    run("sh", "-c", os.environ[_ENGINE_COMMAND])
    stack.engine_restarts.append(time.time())
    for service in (*SERVICES, "postgres", "rabbitmq", "openbao"):
        until(partial(_runs, stack, service), f"{service} is up again", seconds=_UP_SECONDS)
    _unseal(stack)


def faults(*, short: bool, replicas: int = 1) -> Mapping[str, Fault]:
    """Return the faults by name, in the order in which they are made."""
    seconds, outage = (3.0, 10.0) if short else (10.0, 90.0)
    every: dict[str, Fault] = {"no fault": partial(nothing, seconds)}
    every |= {f"kill -9 {name}": partial(kill, name) for name in SERVICES}
    if replicas > 1:
        every |= {f"kill -9 one {name}": partial(kill, name, count=1) for name in SERVICES}
    every |= {
        "restart RabbitMQ": partial(restart, "rabbitmq"),
        "restart PostgreSQL": partial(restart, "postgres"),
        "seal and unseal OpenBao": partial(seal, seconds),
        "pause containers": partial(pause_pods, seconds),
        "delete containers": delete_pods,
        "delete a queue of wishes": partial(delete_queue, "provisioner.workload.declared"),
        "delete a queue of facts": partial(delete_queue, "api.workload.observed"),
        "repeat and reorder messages": partial(repeat_events, seconds),
        f"stop RabbitMQ for {outage:.0f} s": partial(stop_for, "rabbitmq", outage),
        f"stop PostgreSQL for {outage:.0f} s": partial(stop_for, "postgres", outage),
    }
    if shlex.split(os.environ.get(_ENGINE_COMMAND, "")):
        every["restart the Docker daemon"] = restart_engine
    return every


def _unseal(stack: Stack) -> None:
    """Unseal OpenBao; right after its start, or before it leads itself, it cannot be asked yet."""

    def unsealed() -> bool:
        with suppress(AssertionError):
            stack.unseal()
            return True
        return False

    until(unsealed, "OpenBao is unsealed", seconds=_UP_SECONDS)


def _some_pods(stack: Stack) -> list[str]:
    names = [pod.container for pod in stack.pods()]
    return random.sample(names, min(5, len(names)))


def _runs(stack: Stack, service: str) -> bool:
    with suppress(AssertionError):
        states = stack.compose("ps", "--all", "--format", "{{.State}}", service).split()
        return bool(states) and all(state == "running" for state in states)
    return False

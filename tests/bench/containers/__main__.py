"""Bare containers, Cassini's compose stack and JupyterHub with DockerSpawner, in turn.

Each round starts one JupyterLab with each of them, so that whatever else the machine does meets
all of them; then many at once. Needs Docker, and what JupyterHub is installed from.
"""

import argparse
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import docker
import httpx

from tests.bench.bare import Start
from tests.bench.containers.bare import BareContainer
from tests.bench.containers.cassini import ComposedCassini
from tests.bench.containers.engine import LABEL, connect
from tests.bench.containers.hub import DockerHub
from tests.bench.containers.report import Results, to_json, to_table
from tests.bench.ground import BenchError, Ground, say
from tests.bench.report import machine
from tests.stack.stack import Stack

_QUIET_SECONDS = 2.0


class Contestant(Protocol):
    """Something that starts JupyterLabs in containers."""

    name: str

    def measure(self) -> Start: ...

    def together(self, count: int) -> float: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    options = _options(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    client, run = connect(), f"bench-{uuid.uuid4().hex[:8]}"
    ground, stack = Ground(), Stack(options.project)
    results = Results(machine(ground.directory), at_once=options.together)
    try:
        say("Building and starting the stack …")
        stack.up()
        _measure(options, client, ground, stack, run, results)
    except (AssertionError, BenchError, httpx.HTTPError) as error:
        say(f"bench: {error}")
        return 1
    except KeyboardInterrupt:
        say("bench: interrupted")
        return 130
    finally:
        ground.close(keep=options.keep)
        _remove(client, run)
        if not options.keep:
            stack.remove()
    sys.stdout.write(f"{to_table(results)}\n")
    if options.json is not None:
        options.json.write_text(to_json(results) + "\n")
    return 0


def _measure(
    options: argparse.Namespace,
    client: docker.APIClient,
    ground: Ground,
    stack: Stack,
    run: str,
    results: Results,
) -> None:
    say("Making the image, by a first start of a workspace …")
    cassini = ComposedCassini(client, stack)
    results.size = cassini.size
    contestants: list[Contestant] = [BareContainer(client, cassini.image, run), cassini]
    if not options.without_hub:
        try:
            contestants.append(DockerHub(client, ground, cassini.image, run))
        except BenchError as error:
            results.left_out.append(f"JupyterHub: {error}")
    for number in range(options.rounds + 1):
        told = []
        for each in contestants:
            time.sleep(_QUIET_SECONDS)
            start = each.measure()
            told.append(f"{each.name} {start.ready:.2f} s")
            if number:
                results.starts.setdefault(each.name, []).append(start)
        say(f"{f'Round {number}' if number else 'Warm-up'}: {', '.join(told)}")
    if options.together:
        for each in contestants:
            time.sleep(_QUIET_SECONDS)
            results.together[each.name] = each.together(options.together)
            say(f"{options.together} at once: {each.name} {results.together[each.name]:.1f} s")
    time.sleep(options.idle)
    results.memory = cassini.memory()


def _remove(client: docker.APIClient, run: str) -> None:
    for label in (run, f"{run}-hub"):
        for record in client.containers(all=True, filters={"label": f"{LABEL}={label}"}):
            client.remove_container(record["Id"], force=True, v=True)
    if client.images(name=f"{run}-hub"):
        client.remove_image(f"{run}-hub:local", force=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.containers",
        description=__doc__,
        epilog='With make: make bench BENCH="--containers --rounds 9"',
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default 5)")
    parser.add_argument("--together", type=int, default=20, help="how many at once (default 20)")
    parser.add_argument(
        "--idle", type=float, default=30.0, help="seconds before memory is measured (default 30)"
    )
    parser.add_argument("--json", type=Path, help="also write every value to this file")
    parser.add_argument("--project", default="cassini-bench", help="name of the compose project")
    parser.add_argument("--keep", action="store_true", help="leave stack and logs for a look")
    parser.add_argument("--without-hub", action="store_true", help="leave JupyterHub out")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.together < 0:
        parser.error("there must be at least one round")
    return options


if __name__ == "__main__":
    sys.exit(main())

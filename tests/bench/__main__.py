"""The run: install, start everything, measure in turn, tell, end everything.

Bare, Cassini and JupyterHub start one after the other in every round, so that whatever else the
machine does meets all of them; both platforms are up all the time.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol

from tests.bench.bare import Bare, Start
from tests.bench.cassini import Cassini
from tests.bench.containers.__main__ import main as measure_containers
from tests.bench.environments import install_hub, make_image
from tests.bench.ground import BenchError, Ground, say
from tests.bench.hub import Hub
from tests.bench.listing import measure_lists
from tests.bench.memory import Memory
from tests.bench.report import Results, machine, to_json, to_table

_REPOSITORY = Path(__file__).parents[2]
_LOCK = _REPOSITORY / "services" / "builder" / "builtin" / "cassini-python.txt"
_QUIET_SECONDS = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Contestant(Protocol):
    """Something that starts a JupyterLab and says when what happened."""

    name: str

    def measure(self) -> Start: ...


class Platform(Protocol):
    """Something that stays up and whose memory counts."""

    name: str

    def memory(self) -> Memory: ...


def main() -> int:
    """Measure and print; return the exit code."""
    if "--containers" in sys.argv:
        return measure_containers([each for each in sys.argv[1:] if each != "--containers"])
    options = _options()
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    ground = Ground()
    results = Results(machine(ground.directory), idle_seconds=options.idle)
    try:
        _measure(options, ground, results)
    except BenchError as error:
        say(f"bench: {error}")
        return 1
    except KeyboardInterrupt:
        say("bench: interrupted")
        return 130
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        ground.close(keep=options.keep)
    sys.stdout.write(f"{to_table(results)}\n")
    if options.json is not None:
        options.json.write_text(to_json(results) + "\n")
    return 0


def _measure(options: argparse.Namespace, ground: Ground, results: Results) -> None:
    cassini = None if options.without_cassini else Cassini(ground)
    image = make_image(_LOCK) if cassini is None else _bring_up(cassini, results)
    hub = None if options.without_hub else _start_hub(ground, image, results)
    results.versions |= _versions(image)
    if not options.without_starts:
        _measure_starts(options, Bare(ground, image), cassini, hub, results)
    if cassini is not None and not options.without_lists:
        results.lists = measure_lists(ground, cassini, hub, options.rounds)


def _measure_starts(
    options: argparse.Namespace,
    bare: Bare,
    cassini: Cassini | None,
    hub: Hub | None,
    results: Results,
) -> None:
    contestants = [each for each in (bare, cassini, hub) if each is not None]
    platforms = [each for each in (cassini, hub) if each is not None]
    results.memory["fresh"] = _idle(platforms, options.idle)
    for number in range(options.rounds + 1):
        _round(contestants, results, number, options.rounds)
    results.memory["after use"] = _idle(platforms, options.idle)
    if cassini is not None:
        say(f"Calling the backend {options.starts} times …")
        cassini.measure_call()
        results.calls = [cassini.measure_call() for _ in range(options.starts)]


def _bring_up(cassini: Cassini, results: Results) -> Path:
    """Start it twice: the first start builds the image, the second is what people do daily."""
    say("Starting Cassini (the first start builds the image) …")
    results.up_seconds["first"] = cassini.up()
    cassini.down()
    results.up_seconds["second"] = cassini.up()
    cassini.sign_in()
    workspace = cassini.create_workspace()
    results.size = str(workspace.get("instance_size"))
    return cassini.image()


def _start_hub(ground: Ground, image: Path, results: Results) -> Hub | None:
    try:
        places = install_hub(image)
    except BenchError as error:
        results.left_out.append(f"JupyterHub: {error}")
        return None
    say("Starting JupyterHub …")
    hub = Hub(ground, places)
    results.versions["JupyterHub"] = hub.version
    return hub


def _idle(platforms: Sequence[Platform], seconds: float) -> dict[str, Memory]:
    if platforms:
        say(f"Waiting {seconds:.0f} s to measure idle memory …")
        time.sleep(seconds)
    return {each.name: each.memory() for each in platforms}


def _round(contestants: Sequence[Contestant], results: Results, number: int, rounds: int) -> None:
    told = []
    for each in contestants:
        time.sleep(_QUIET_SECONDS)
        start = each.measure()
        told.append(f"{each.name} {start.ready:.2f} s")
        if number:
            results.starts.setdefault(each.name, []).append(start)
    label = f"Round {number} of {rounds}" if number else "Warm-up"
    say(f"{label}: {', '.join(told)}")


def _versions(image: Path) -> dict[str, str]:
    names = ("jupyterlab", "jupyter_server")
    code = f"from importlib.metadata import version\nfor n in {names}: print(n, version(n))"
    done = subprocess.run(
        [image / "bin" / "python", "-c", code], capture_output=True, text=True, check=True
    )
    return dict(line.split() for line in done.stdout.splitlines())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Measure Cassini beside bare JupyterLab and JupyterHub.",
        epilog='With make: make bench BENCH="--rounds 9 --json /tmp/bench.json"',
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default 5)")
    parser.add_argument(
        "--starts", type=int, default=20, help="starts until the backend is called (default 20)"
    )
    parser.add_argument(
        "--idle", type=float, default=10.0, help="seconds before memory is measured (default 10)"
    )
    parser.add_argument(
        "--containers",
        action="store_true",
        help="the distributed form instead, beside bare containers and JupyterHub with "
        "DockerSpawner (see --containers --help)",
    )
    parser.add_argument("--quick", action="store_true", help="one round and three starts")
    parser.add_argument("--json", type=Path, help="also write every value to this file")
    parser.add_argument("--keep", action="store_true", help="keep the run's directory with logs")
    parser.add_argument("--without-cassini", action="store_true", help="the others only")
    parser.add_argument("--without-hub", action="store_true", help="leave JupyterHub out")
    parser.add_argument("--without-starts", action="store_true", help="measure the lists only")
    parser.add_argument("--without-lists", action="store_true", help="measure the starts only")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.starts = 1, 3
    if options.rounds < 1 or options.starts < 1:
        parser.error("there must be at least one round and one start")
    if options.json is not None:
        options.json = options.json.absolute()
        if options.json.is_relative_to(_REPOSITORY):
            parser.error("--json must lie outside the repository")
        if not os.access(options.json.parent, os.W_OK):
            parser.error(f"{options.json.parent} cannot be written")
    return options


if __name__ == "__main__":
    sys.exit(main())

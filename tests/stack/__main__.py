"""``make drill``: the drill on a stack of its own, built and removed by it."""

import argparse
import sys

from tests.stack.drill import drill, table
from tests.stack.faults import faults
from tests.stack.stack import Stack


def main() -> int:
    """Run it; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="make drill", description=__doc__)
    parser.add_argument("--short", action="store_true", help="short faults")
    parser.add_argument("--replicas", type=int, default=1, help="of every service")
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--servers", type=int, default=30, help="of all people together")
    parser.add_argument(
        "--pause",
        type=float,
        default=4.0,
        help="seconds between two requests of one person; with less the machine may lag behind",
    )
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", action="append", help="faults whose name holds this, or that")
    parser.add_argument("--project", default="cassini-drill", help="name of the compose project")
    parser.add_argument("--keep", action="store_true", help="leave the stack running at the end")
    asked = parser.parse_args()
    chosen = {
        name: fault
        for name, fault in faults(short=asked.short, replicas=asked.replicas).items()
        if not asked.only or any(part in name for part in asked.only)
    }
    stack = Stack(asked.project)
    try:
        stack.up(replicas=asked.replicas)
        outcomes, wrong = drill(
            stack,
            chosen,
            people=asked.people,
            each=asked.servers // asked.people,
            pause=asked.pause,
            seed=asked.seed,
        )
    finally:
        if not asked.keep:
            stack.remove()
    print(table(outcomes))
    for line in wrong:
        print(f"wrong at the end: {line}")
    return int(bool(wrong) or any(outcome.wrong for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())

"""The whole API does what its description says, whatever is sent, for every kind of caller.

Each role has a platform of its own, and meets all phases and all checks of Schemathesis: first
every boundary of every field, as far as 45 seconds go, then what chance brings.
``CASSINI_TEST_FUZZ_SECONDS`` says for how long each of the two may go on: some minutes are enough
for all boundaries, an hour of chance finds more. The seed is printed with the result;
``CASSINI_TEST_FUZZ_SEED`` runs it again.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

GIVEN = os.environ.get("CASSINI_TEST_FUZZ_SECONDS")
BOUNDARY_SECONDS, CHANCE_SECONDS = (int(GIVEN), int(GIVEN)) if GIVEN else (45, 9)
SEED = int(os.environ.get("CASSINI_TEST_FUZZ_SEED", "0")) or random.randrange(1, 2**32)
START_SECONDS = 60
HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"


@contextmanager
def running_platform(directory: Path) -> Iterator[tuple[dict, Path]]:
    """Run a platform; yields what it says of itself, and the file of its log."""
    log = directory / "platform.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.api.fuzzing.platform", str(directory)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        said = process.stdout.readline()
        assert said, f"the platform did not start: {log.read_text()}"
        yield json.loads(said), log
    finally:
        process.communicate(timeout=START_SECONDS)


class Facts:
    """What is there from the start, as a caller sees it; nobody sees nothing."""

    def __init__(self, url: str, caller: dict[str, str]) -> None:
        headers = {"Authorization": f"token {caller.get('token', '')}"} if caller else {}
        self._client = httpx.Client(base_url=url, headers=headers, trust_env=False)
        with self._client:
            workspaces = self._rows("workspaces")
            self.images = [row["id"] for row in self._rows("images")]
            tags = [
                row
                for each in self.images
                for row in self._rows(f"images/{each}/tags", "image_tags")
            ]
            sizes = self._client.get("/api/info/servers").json().get("sizes", {})
            first = self._client.get("/api/workspaces?page_size=1").json()
            keys = [first["next_key"]] if first.get("next_key") else []
            self.tokens = [row["id"] for row in self._rows("tokens")]
        self.workspaces = [row["id"] for row in workspaces]
        self.pods = [f"{each}-1-0-1" for each in self.workspaces]
        self.image_tags = [row["id"] for row in tags]
        self.names = {
            "image-tag-id": self.image_tags,
            "image-uri": [row["image_uri"] for row in tags],
            "instance-size": list(sizes),
            "page-key": keys,
        }
        self.spared = [caller[name] for name in ("token_id", "user_id")] if caller else []

    def _rows(self, path: str, key: str | None = None) -> list[dict]:
        return self._client.get(f"/api/{path}").json().get(key or path, [])

    def for_hooks(self) -> str:
        kept = [*self.workspaces, *self.tokens, *self.images, *self.image_tags]
        return json.dumps({"spared": self.spared, "kept": kept, "names": self.names})

    def settings(self, directory: Path) -> Path:
        """Write Schemathesis' settings, with a dictionary of each kind of thing."""
        path = directory / "schemathesis.toml"
        found = {
            "images": self.images,
            "image_tags": self.image_tags,
            "pods": self.pods,
            "tokens": self.tokens,
            "workspaces": self.workspaces,
        }
        lines = [f"{name}.values = {json.dumps(ids or ['none'])}" for name, ids in found.items()]
        path.write_text("\n".join([(HERE / path.name).read_text(), "[dictionaries]", *lines, ""]))
        return path


def run_schemathesis(directory: Path, platform: dict, role: str, phases: str, seconds: int) -> int:
    """Run some phases and print what came out; returns the exit code."""
    caller = platform["callers"].get(role, {})
    facts = Facts(platform["url"], caller)
    environment = {"PYTHONPATH": str(ROOT), "CASSINI_FUZZ_FACTS": facts.for_hooks()}
    command = [
        *(SCHEMATHESIS, "--config-file", facts.settings(directory)),
        *("run", f"{platform['url']}/openapi.json", f"--phases={phases}"),
        *(f"--seed={SEED}", f"--max-time={seconds}"),
        *("--generation-database=none", "--no-color"),
        *([f"--header=Authorization: Bearer {caller['token']}"] if caller else []),
    ]
    run = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | environment | {"SCHEMATHESIS_HOOKS": "tests.api.fuzzing.hooks"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"{role}, {phases}, {seconds} s, CASSINI_TEST_FUZZ_SEED={SEED}")
    print(run.stdout, run.stderr)
    return run.returncode


@pytest.mark.timeout(2 * (BOUNDARY_SECONDS + CHANCE_SECONDS) + START_SECONDS)
@pytest.mark.parametrize("role", ["admin", "user", "nobody"])
def test_the_api_does_what_its_description_says(tmp_path, role):
    with running_platform(tmp_path) as (platform, log):
        for phases, seconds in (
            ("examples,coverage", BOUNDARY_SECONDS),
            ("fuzzing,stateful", CHANCE_SECONDS),
        ):
            assert run_schemathesis(tmp_path, platform, role, phases, seconds) == 0
    assert log.read_text() == "", "the platform logged an error"

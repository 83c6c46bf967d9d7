"""The test's side: a fork server, data directories to spoil, and jobs with their answers."""

import json
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.system.platform import fresh_home

ROOT = Path(__file__).parents[3]


@dataclass
class Answer:
    """What a job told."""

    boundaries: list[str] = field(default_factory=list)
    told: dict[str, list[Any]] = field(default_factory=dict)
    ended: int | None = None

    @property
    def killed(self) -> bool:
        """Whether it died by SIGKILL."""
        return self.ended == -9

    def last(self, what: str) -> Any:
        """Return the last value told under a name, None if there is none."""
        return self.told.get(what, [None])[-1]

    def counts(self) -> Counter[str]:
        """Return how often each boundary was passed."""
        return Counter(self.boundaries)


class Zygote:
    """A fork server in a process of its own."""

    def __init__(self, log: Path) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.system.crash.zygote"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def do(self, **job: Any) -> Answer:
        """Run a job to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        answer = Answer()
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            try:
                what, value = json.loads(line)
            except ValueError:
                continue  # half a line of a killed job
            if what == "ended":
                answer.ended = value
                return answer
            if what == "boundary":
                answer.boundaries.append(value)
            else:
                answer.told.setdefault(what, []).append(value)
        raise AssertionError(f"the fork server ended: {self._process.wait()}")

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Ground(Protocol):
    """Where data directories come from."""

    images: str | None
    """Where tiny images are; None: images are the real ones."""
    token: str

    def fresh(self) -> AbstractContextManager[Path]:
        """Give a data directory that was prepared."""


class Copies:
    """Copies of a prepared data directory, each an installation of its own."""

    def __init__(self, template: Path, images: str, token: str) -> None:
        self._template = template
        self.images: str | None = images
        self.token = token

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """Make a copy; all of it is ended and removed after."""
        with fresh_home() as home:
            shutil.copytree(self._template, home.path, dirs_exist_ok=True, symlinks=True)
            (home.path / "installation-id").write_text(uuid.uuid4().hex)
            yield home.path


class OneHome:
    """The same data directory each time, with the real image, which cannot be moved."""

    def __init__(self, server: Zygote, home: Path) -> None:
        self._home = home
        self.images: str | None = None
        self.token = _prepare(server, home, None)

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """Give it as it is."""
        yield self._home


@contextmanager
def zygote(log: Path) -> Iterator[Zygote]:
    """Run a fork server."""
    server = Zygote(log)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def prepared(server: Zygote) -> Iterator[Copies]:
    """Prepare the data directory that is copied, with a tiny image and a token."""
    with ExitStack() as stack:
        template, images = (stack.enter_context(fresh_home()).path for _ in range(2))
        yield Copies(template, str(images), _prepare(server, template, str(images)))


def _prepare(server: Zygote, home: Path, images: str | None) -> str:
    answer = server.do(kind="prepare", home=str(home), images=images)
    assert answer.ended == 0, answer.told
    return str(answer.last("token"))

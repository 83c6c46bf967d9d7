"""Both sides of the protocol in memory, for the model test.

Only the storing is written again here: what a message means is decided by the functions of
``cassini.contracts.protocol``, or by a test's wrong version of them.
"""

from dataclasses import dataclass, field, replace

from cassini.contracts.protocol import (
    SILENCE_SECONDS,
    judge_fact,
    judge_wish,
    next_sequence,
)
from cassini.contracts.resources import Declared, Observed, ServiceName, Wanted
from cassini.contracts.workloads import (
    Identity,
    WorkloadDeclaredV1,
    WorkloadObservedV1,
    WorkloadSpec,
    WorkloadStatus,
)

IDENTITY = Identity(
    resource_name="walk",
    resource_type="workspace",
    owner="org/somebody",
    owner_id="0" * 32,
    base_url="http://localhost",
)


@dataclass(frozen=True)
class Rules:
    """The decisions, so that a test can break one."""

    judge_wish: object = judge_wish
    judge_fact: object = judge_fact
    next_sequence: object = next_sequence


def spec_of(command):
    return WorkloadSpec.model_construct(
        kind="workspace", identity=IDENTITY, image="/image", cores=1.0, memory_bytes=1,
        command=command,
    )  # fmt: skip


def wish_of(resource_id, generation, revision, wanted, command):
    spec = None if command is None else spec_of(command)
    return WorkloadDeclaredV1(
        id=resource_id,
        declarer=ServiceName.API,
        generation=generation,
        revision=revision,
        wanted=wanted,
        spec=spec,
    )


@dataclass
class DeclarerRow:
    wish: Declared
    generation: int
    revision: int
    wish_digest: str
    emitted_at: float
    emit_at: float
    emit_tries: int = 1
    observed_generation: int = 0
    observed_sequence: int = 0
    fact: Observed | None = None
    stray: bool = False


class MemoryDeclarer:
    def __init__(self, clock, rules=Rules()):
        self.rows: dict[str, DeclarerRow] = {}
        self.sent: list[Declared] = []
        self._clock, self._rules = clock, rules

    async def declare(self, resource_id, wanted, command, *, new_revision):
        row = self.rows.get(resource_id)
        generation = (row.generation if row else 0) + 1
        revision = (row.revision if row else 0) + new_revision
        self._store(wish_of(resource_id, generation, revision, wanted, command), stray=False)

    async def take(self, fact):
        row = self.rows.get(fact.id)
        verdict = self._rules.judge_fact(row, fact)
        if verdict.unknown and fact.status is not WorkloadStatus.ABSENT:
            generation, revision = fact.generation + 1, fact.revision
            wish = wish_of(fact.id, generation, revision, Wanted.STOPPED, None)
            self._store(wish, stray=True)
        elif verdict.jump:
            revision = max(row.revision, fact.revision) + 1
            generation = max(row.generation, fact.generation) + 1
            changed = {"generation": generation, "revision": revision}
            self._store(row.wish.model_copy(update=changed), stray=row.stray)
        elif row is not None:
            self._hear(row, fact, verdict)

    def _hear(self, row, fact, verdict):
        if verdict.keep:
            row.observed_generation, row.observed_sequence = fact.generation, fact.sequence
            row.fact = fact
        if verdict.emit_again:
            row.emit_at = max(self._clock.now(), row.emitted_at + 5)
            row.emit_tries = max(row.emit_tries, 1)
        else:
            row.emit_tries, row.emit_at = 0, self._clock.now() + SILENCE_SECONDS

    def _store(self, wish, *, stray):
        now, wish = self._clock.now(), wish.stamped()
        row = self.rows.get(wish.id)
        new = DeclarerRow(
            wish, wish.generation, wish.revision, wish.wish_digest, now, now + 5, stray=stray
        )
        if row is not None:
            new.observed_generation = row.observed_generation
            new.observed_sequence, new.fact = row.observed_sequence, row.fact
        self.rows[wish.id] = new
        self.sent.append(wish)

    async def emit_due(self):
        now = self._clock.now()
        for row in self.rows.values():
            if row.emit_at <= now:
                self.sent.append(row.wish)
                row.emitted_at = now
                if row.emit_tries == 0:
                    row.emit_at = now + SILENCE_SECONDS
                else:
                    row.emit_at = now + min(5 * 2**row.emit_tries, 300)
                    row.emit_tries += 1

    async def view(self):
        return self.rows

    async def save(self):
        return {each: replace(row) for each, row in self.rows.items()}

    async def restore(self, saved):
        self.rows = {each: replace(row) for each, row in saved.items()}

    async def drain(self):
        sent, self.sent = self.sent, []
        return sent


@dataclass
class OwnerRow:
    generation: int = 0
    wish_digest: str = ""
    sequence: int = 0
    wish: Declared | None = None
    fact: Observed | None = None


@dataclass
class Work:
    """A step under way: the wish as it was when the step began."""

    resource_id: str
    generation: int
    wish_digest: str
    wish: Declared | None
    claim: object = field(default=None)


class MemoryOwner:
    def __init__(self, clock, rules=Rules()):
        self.rows: dict[str, OwnerRow] = {}
        self.sent: list[Observed] = []
        self._clock, self._rules = clock, rules

    async def accept(self, wish):
        row = self.rows.get(wish.id)
        if self._rules.judge_wish(row, wish) == "accept":
            row = self.rows.setdefault(wish.id, OwnerRow())
            row.generation, row.wish_digest, row.wish = wish.generation, wish.digest(), wish
        elif row.fact is not None:
            self.sent.append(row.fact)

    async def begin(self, resource_id):
        row = self.rows[resource_id]
        return Work(resource_id, row.generation, row.wish_digest, row.wish)

    async def finish(self, work, status, revision):
        row = self.rows[work.resource_id]
        if row.generation != work.generation:
            return
        old = row.fact
        seen = (work.generation, work.wish_digest, status, revision)
        if old and seen == (old.generation, old.wish_digest, old.status, old.revision):
            return
        row.sequence = self._next(row)
        row.fact = WorkloadObservedV1.model_construct(
            id=work.resource_id,
            declarer=ServiceName.API,
            generation=work.generation,
            wish_digest=work.wish_digest,
            sequence=row.sequence,
            status=status,
            revision=revision,
        )
        self.sent.append(row.fact)

    async def begin_anew(self):
        """The process was killed and starts again: of steps under way nothing was written."""

    async def find(self, resource_id):
        """Make a row for an object that has none."""
        self.rows[resource_id] = OwnerRow()

    async def observe_again(self, *, renumber=False):
        for row in self.rows.values():
            if row.fact is None:
                continue
            if renumber:
                row.sequence = self._next(row)
                row.fact = row.fact.model_copy(update={"sequence": row.sequence})
            self.sent.append(row.fact)

    def _next(self, row):
        return self._rules.next_sequence(row.sequence, int(self._clock.now() * 1_000_000))

    async def view(self):
        return self.rows

    async def save(self):
        return {each: replace(row) for each, row in self.rows.items()}

    async def restore(self, saved):
        self.rows = {each: replace(row) for each, row in saved.items()}

    async def drain(self):
        sent, self.sent = self.sent, []
        return sent

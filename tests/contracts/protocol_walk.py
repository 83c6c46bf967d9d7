"""A random walk of a declarer and an owner through everything that can go wrong between them.

The walk plays the people (who start, stop, restart and delete), the network (which swaps,
doubles, delays and loses messages), the crashes, the backups that are put back, and the world:
the processes and homes, which no restored database brings back. Then all trouble ends, the timers
run, and both sides and the world must agree.
"""

from collections import defaultdict

from cassini.contracts.protocol import OBSERVE_AGAIN_SECONDS, SILENCE_SECONDS
from cassini.contracts.resources import Declared, Wanted
from cassini.contracts.workloads import WorkloadStatus
from tests.contracts.protocol_world import Broken, World, require, require_agreement

IDS = tuple(f"{number:032x}" for number in (0xA, 0xB, 0xC))
RUN_OUT = (1, 5, 10, 20, 40, 80, 160, 300)
LOSS, DOUBLE, CRASH = 0.15, 0.15, 0.2


class Walk:
    """One walk: ``take_steps``, then ``come_to_rest``, then ``check``."""

    def __init__(self, rng, clock, declarer, owner):
        self.rng, self.clock = rng, clock
        self.declarer, self.owner = declarer, owner
        self.world = World()
        self.network = []
        self.work = {}
        self.trace = []
        self.greatest = defaultdict(int)
        self.backups = {}
        self.commands = 0
        self.created = set()
        self.clock_error = 0.0
        self.in_doubt = {}
        self.restored = None
        self.events = (
            (self.someone_acts, 12), (self.deliver, 40), (self.reconcile, 30),
            (self.emit_due, 4), (self.time_passes, 8), (self.observe_again, 1),
            (self.back_up, 2), (self.restore_declarer, 1), (self.restore_owner, 1),
            (self.restart_owner, 1), (self.process_dies, 1), (self.look_for_objects, 2),
            (self.restore_everything, 0.3),
        )  # fmt: skip

    async def take_steps(self, count):
        await self.back_up()
        events, weights = zip(*self.events, strict=True)
        for event in self.rng.choices(events, weights, k=count):
            self.trace.append(event.__name__)
            await event()
            await self.collect()

    async def someone_acts(self):
        resource_id = self.rng.choice(IDS)
        row = (await self.declarer.view()).get(resource_id)
        wanted = row.wish.wanted if row else None
        act = self.rng.choice(("start", "stop", "restart", "delete", "start", "stop"))
        self.trace[-1] += f" {act} {resource_id[-1]}"
        command = row.wish.spec.command if row and row.wish.spec else None
        if act == "start" and (row is not None or resource_id not in self.created):
            if wanted is not Wanted.RUNNING:
                await self.run_new(resource_id)
        elif act == "restart" and wanted is Wanted.RUNNING:
            await self.run_new(resource_id)
        elif act == "stop" and wanted is Wanted.RUNNING:
            await self.declarer.declare(resource_id, Wanted.STOPPED, command, new_revision=False)
        elif act == "delete" and wanted in (Wanted.RUNNING, Wanted.STOPPED):
            self.world.absence_wished.add(resource_id)
            await self.declarer.declare(resource_id, Wanted.ABSENT, command, new_revision=False)

    async def run_new(self, resource_id):
        """Raise the revision, but in a restored declarer not on top of an unanswered wish.

        That is the protocol's one limit (``docs/protocol.md``): after two wishes that nobody
        answered the revision can be one that was lost, and its process would pass for the new one.
        """
        row = (await self.declarer.view()).get(resource_id)
        if resource_id in self.in_doubt and row is not None:
            if row.observed_generation == row.generation > self.in_doubt[resource_id]:
                del self.in_doubt[resource_id]
            elif row.generation > self.in_doubt[resource_id]:
                return
        self.created.add(resource_id)
        self.commands += 1
        command = f"command {self.commands}"
        await self.declarer.declare(resource_id, Wanted.RUNNING, command, new_revision=True)

    async def collect(self):
        """Put what both sides have committed to send on the network, and look at its numbers."""
        for wish in await self.declarer.drain():
            self.network.append(wish)
        for fact in await self.owner.drain():
            self.network.append(fact)

    async def deliver(self):
        if not self.network:
            return
        index = self.rng.randrange(len(self.network))
        luck = self.rng.random()
        message = self.network[index] if luck < DOUBLE else self.network.pop(index)
        if luck < 1 - LOSS:
            await self.receive(message)

    async def receive(self, message):
        self.trace.append(f"  {_say(message)}")
        if isinstance(message, Declared):
            before = _accepted((await self.owner.view()).get(message.id))
            await self.owner.accept(message)
            after = _accepted((await self.owner.view()).get(message.id))
        else:
            before = _known((await self.declarer.view()).get(message.id))
            await self.declarer.take(message)
            after = _known((await self.declarer.view()).get(message.id))
        require(before <= after, f"a message took its reader back from {before} to {after}")

    async def reconcile(self):
        rows = await self.owner.view()
        if not rows:
            return
        resource_id = self.rng.choice(sorted(rows))
        if resource_id not in self.work:
            self.work[resource_id] = await self.owner.begin(resource_id)
            return
        work = self.work.pop(resource_id)
        seen = self.act(work)
        if self.rng.random() < CRASH:
            self.work.clear()
            await self.owner.begin_anew()
        else:
            await self.finish(work, seen)

    def act(self, work):
        """Do one thing to the world, as the wish that was read says; return what is seen."""
        world, resource_id, wish = self.world, work.resource_id, work.wish
        running = world.processes[resource_id]
        if wish is None:
            return WorkloadStatus.UNKNOWN, max(running, default=0)
        if wish.wanted is Wanted.RUNNING:
            if wish.revision in running:
                return WorkloadStatus.RUNNING, wish.revision
            if running:
                world.stop(resource_id)
            else:
                world.start(resource_id, wish.revision, wish.spec.command)
            return WorkloadStatus.PENDING, wish.revision
        if running:
            world.stop(resource_id)
            return WorkloadStatus.STOPPING, wish.revision
        if wish.wanted is Wanted.STOPPED:
            return WorkloadStatus.STOPPED, wish.revision
        world.trash_home(resource_id)
        return WorkloadStatus.ABSENT, wish.revision

    async def finish(self, work, seen):
        self.trace.append(f"  {work.resource_id[-1]} g{work.generation} seen {seen[0]} r{seen[1]}")
        before = (await self.owner.view())[work.resource_id].sequence
        await self.owner.finish(work, *seen)
        self.check_sequence(work.resource_id, before, await self.owner.view())

    def check_sequence(self, resource_id, before, rows):
        now = rows[resource_id].sequence
        if now == before:
            return
        if now <= self.greatest[resource_id]:
            raise Broken(f"sequence {now} of {resource_id} was given after a greater one")
        self.greatest[resource_id] = now

    async def emit_due(self):
        await self.declarer.emit_due()

    async def time_passes(self):
        """Tell a time that is up to 0.4 s wrong, so that sometimes it goes back a little."""
        was, self.clock_error = self.clock_error, self.rng.uniform(-0.4, 0.4)
        seconds = self.rng.choice((0.000001, 0.1, 3, 30, 400))
        self.clock.advance(seconds + self.clock_error - was)

    async def observe_again(self, *, renumber=False):
        before = {each: row.sequence for each, row in (await self.owner.view()).items()}
        await self.owner.observe_again(renumber=renumber)
        rows = await self.owner.view()
        for resource_id, sequence in before.items():
            self.check_sequence(resource_id, sequence, rows)

    async def back_up(self):
        one_too_many = self.rng.randrange(3)
        for side in (self.declarer, self.owner):
            kept = self.backups.setdefault(side, [])
            kept.append(await side.save())
            if len(kept) > 3:
                kept.pop(one_too_many)

    async def restore_declarer(self):
        await self.only_one_side(self.declarer)
        await self.put_back(self.declarer, self.rng.randrange(len(self.backups[self.declarer])))
        rows = await self.declarer.view()
        answered = {
            each: row.generation
            for each, row in rows.items()
            if row.observed_generation == row.generation
        }
        self.in_doubt = dict.fromkeys(IDS, -1) | answered

    async def restore_owner(self):
        await self.only_one_side(self.owner)
        self.work.clear()
        self.clock.advance(2)
        await self.put_back(self.owner, self.rng.randrange(len(self.backups[self.owner])))
        await self.start_owner()

    async def put_back(self, side, index):
        """Restore one of a side's backups; those taken later tell of what never was."""
        await side.restore(self.backups[side][index])
        del self.backups[side][index + 1 :]

    async def only_one_side(self, side):
        """Two sides that were restored at different times: the first one has healed before."""
        if self.restored not in {None, side}:
            await self.come_to_rest()
        self.restored = side

    async def restore_everything(self):
        """One machine's data as it was at one time; the processes are as they are now."""
        self.work.clear()
        self.network.clear()
        self.clock.advance(2)
        index = self.rng.randrange(min(map(len, self.backups.values())))
        for side in (self.declarer, self.owner):
            await self.put_back(side, index)
        await self.start_owner()
        await self.collect()
        await self.settle(0)

    async def restart_owner(self):
        self.work.clear()
        await self.start_owner()

    async def start_owner(self):
        """Look at the whole world once, then say what is seen; only then take wishes."""
        await self.owner.begin_anew()
        await self.look_for_objects()
        for resource_id in sorted(await self.owner.view()):
            work = await self.owner.begin(resource_id)
            await self.finish(work, self.act(work))
        await self.observe_again(renumber=True)

    async def process_dies(self):
        self.world.processes[self.rng.choice(IDS)].clear()

    async def look_for_objects(self):
        rows = await self.owner.view()
        for resource_id, running in sorted(self.world.processes.items()):
            if running and resource_id not in rows:
                await self.owner.find(resource_id)

    async def come_to_rest(self):
        """No more trouble: deliver everything, run every timer, longer than any of them."""
        patience = int(SILENCE_SECONDS / OBSERVE_AGAIN_SECONDS) + 2
        for seconds in RUN_OUT:
            await self.settle(seconds)
        for _ in range(patience):
            await self.settle(OBSERVE_AGAIN_SECONDS, observe=True)

    async def settle(self, seconds, *, observe=False):
        """Let time pass, and work until nothing moves; returns the wishes that were emitted."""
        self.trace.append(f"settle {seconds}")
        self.clock.advance(seconds)
        await self.declarer.emit_due()
        if observe:
            await self.observe_again()
        wishes = 0
        for _ in range(100):
            await self.look_for_objects()
            for resource_id in sorted(await self.owner.view()):
                work = self.work.pop(resource_id, None) or await self.owner.begin(resource_id)
                await self.finish(work, self.act(work))
            await self.collect()
            if not self.network:
                return wishes
            self.rng.shuffle(self.network)
            messages, self.network = self.network, []
            for message in messages:
                wishes += isinstance(message, Declared)
                await self.receive(message)
        raise Broken("the two sides never come to rest")

    async def check(self):
        wished, owned = await self.declarer.view(), await self.owner.view()
        if strangers := owned.keys() - wished.keys():
            gone = all(owned[each].fact.status is WorkloadStatus.ABSENT for each in strangers)
            require(gone, f"only the owner knows {strangers}")
        for resource_id, row in wished.items():
            require_agreement(self.world, resource_id, row, owned.get(resource_id))
        for _ in range(3):
            wishes = await self.settle(OBSERVE_AGAIN_SECONDS, observe=True)
            require(wishes == 0, "a settled wish was emitted again")


def _accepted(row):
    return row.generation if row else 0


def _known(row):
    return (row.observed_generation, row.observed_sequence) if row else (0, 0)


def _say(message):
    kind = "wish" if isinstance(message, Declared) else "fact"
    state = message.wanted if kind == "wish" else f"{message.status} s{message.sequence}"
    digest = message.wish_digest[:4]
    return f"{kind} {message.id[-1]} g{message.generation} r{message.revision} {state} {digest}"

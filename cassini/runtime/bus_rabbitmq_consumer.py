"""Taking one queue's events: together, acknowledged after the commit, and never lost.

What waits is handed to the receiver up to 64 at once, and acknowledged when it has committed. A
reader's own error is tried again here, a few times with back-off, while others go on; then the
message goes to the dead letters with its reason. Our own count, for the broker's counts more than
tries (``broker_topology.py``).

An error of something outside (the database is away) stops the consuming of this queue: all but the
first message are put back at once, for another replica may be better off; the first one is kept
and tried until it goes through, and then consuming begins again. So an outage of any length costs
one of the broker's counts.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from pydantic import ValidationError

from cassini.contracts.envelope import Envelope
from cassini.contracts.resources import ServiceName
from cassini.runtime.broker_topology import DEAD
from cassini.runtime.bus import Receiver
from cassini.runtime.bus_rabbitmq_link import ANSWER_SECONDS
from cassini.runtime.deliveries import MOST_TRIES, backoff, is_outside, outage_backoff, told
from cassini.runtime.errors import BackendError

_TOGETHER = 64
_PREFETCH = 2 * _TOGETHER

REASON, DIED_IN = "cassini-reason", "cassini-queue"
"""Headers of a dead letter: why, and the queue whose reader gave it up."""

_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Delivery:
    message: AbstractIncomingMessage
    tries: int = 0


class QueueConsumer:
    """Consumes one queue on a channel of its own."""

    def __init__(
        self,
        queue: str,
        *,
        service: ServiceName,
        user: str,
        receivers: Mapping[str, Receiver],
        doubt: Callable[[str], None],
        lost: Callable[[], None],
    ) -> None:
        """``lost`` is called when the broker says that the queue was deleted, with all in it."""
        self.problem: str | None = None
        """Why this queue is not consumed now, though the broker is there."""
        self._queue = queue
        self._service = service
        self._user = user
        self._receivers = receivers
        self._doubt = doubt
        self._lost = lost
        self._waiting: deque[_Delivery] = deque()
        self._held: set[_Delivery] = set()
        """Those that failed and are not settled yet."""
        self._news = asyncio.Event()
        self._idle = True
        self._taken = 0
        self._seen_waiting: int | None = None
        self._tag: str | None = None
        self._ending = False
        self._task: asyncio.Task[None] | None = None

    async def begin(self, connection: AbstractConnection) -> None:
        """Open the channel and consume."""
        self._channel: AbstractChannel = await connection.channel(on_return_raises=True)
        self._channel.close_callbacks.add(
            lambda _channel, error: self._doubt(f"the channel of {self._queue} closed: {error}")
        )
        underlay = await self._channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _frame: self._cancelled())
        await self._channel.set_qos(prefetch_count=_PREFETCH)
        await self._consume()
        self._task = asyncio.create_task(self._work(), name=f"take {self._queue}")

    async def check(self) -> None:
        """Prove that the broker knows the consumer and hands out to it.

        The count of consumers may be of other replicas; but when messages wait twice in a row
        while nothing came to this consumer, which has nothing to do, then it is forgotten.

        Raises:
            BackendError: it is not consuming.
        """
        queue = await self._channel.get_queue(self._queue)
        if self._tag is None:
            return
        if not queue.declaration_result.consumer_count:
            raise BackendError(f"the broker knows no consumer of {self._queue}")
        stuck = bool(queue.declaration_result.message_count) and self._idle and not self._held
        if stuck and self._seen_waiting == self._taken:
            raise BackendError(f"messages wait in {self._queue} but none is handed out")
        self._seen_waiting = self._taken if stuck else None

    async def drain(self) -> None:
        """Take no more; returns when those under way are handled and acknowledged."""
        self._ending = True
        self._news.set()
        await self._pause()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def abandon(self) -> None:
        """Forget everything: the channel is lost, and the broker hands it all out again.

        What is being handled may come to its end, so that no transaction is torn.
        """
        self._ending = True
        self._news.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=ANSWER_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _cancelled(self) -> None:
        self._lost()
        self._doubt(f"the broker stopped the consumer of {self._queue}")

    async def _consume(self) -> None:
        queue = await self._channel.get_queue(self._queue, ensure=False)
        self._tag = await queue.consume(self._take, timeout=ANSWER_SECONDS)

    async def _pause(self) -> None:
        """Stop consuming and put back what was not begun."""
        tag, self._tag = self._tag, None
        if tag is not None:
            queue = await self._channel.get_queue(self._queue, ensure=False)
            await queue.cancel(tag, timeout=ANSWER_SECONDS)
        while self._waiting:
            await self._waiting.popleft().message.nack(requeue=True)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self._taken += 1
        if self._tag is None and (self._ending or self.problem):
            await message.nack(requeue=True)
            return
        self._waiting.append(_Delivery(message))
        self._news.set()

    async def _work(self) -> None:
        try:
            while not self._ending:
                self._news.clear()
                batch = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
                self._idle = not batch
                if batch:
                    await self._handle(batch)
                else:
                    await self._news.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next session begins anew
            if not self._ending:
                _log.exception("a queue is not taken any more", queue=self._queue)
                self._doubt(f"taking {self._queue} failed: {error}")

    async def _handle(self, batch: list[_Delivery]) -> None:
        by_type: dict[str, list[tuple[_Delivery, Envelope]]] = {}
        for delivery in batch:
            try:
                envelope = self._read(delivery.message)
            except (ValidationError, KeyError, ValueError) as error:
                await self._give_up(delivery, error)
            else:
                by_type.setdefault(envelope.type, []).append((delivery, envelope))
        for name, pairs in by_type.items():
            outcomes = await self._receivers[name]([envelope for _, envelope in pairs])
            if len(by_type) == 1 and not self._held and not any(outcomes):
                # All that was handed out before is settled, so one answer does for all.
                last = max(batch, key=lambda each: each.message.delivery_tag or 0)
                await last.message.ack(multiple=True)
            else:
                await self._settle(pairs, outcomes)

    def _read(self, message: AbstractIncomingMessage) -> Envelope:
        """Return the event of a message.

        Raises:
            ValueError: it is none (``ValidationError``, too), or this queue is not for it.
        """
        envelope = Envelope.model_validate_json(message.body)
        if envelope.type not in self._receivers:
            raise ValueError(f"{self._queue} is not for {envelope.type}")
        envelope.message()
        return envelope

    async def _settle(
        self,
        pairs: Sequence[tuple[_Delivery, Envelope]],
        outcomes: Sequence[Exception | None],
    ) -> None:
        outage: tuple[_Delivery, Envelope, Exception] | None = None
        for (delivery, envelope), error in zip(pairs, outcomes, strict=True):
            if error is None:
                self._held.discard(delivery)
                await delivery.message.ack()
            elif not is_outside(error):
                await self._try_later(delivery, envelope, error)
            elif outage is None:
                outage = delivery, envelope, error
            else:
                await delivery.message.nack(requeue=True)
        if outage is not None:
            await self._wait_out(*outage)

    async def _wait_out(self, delivery: _Delivery, envelope: Envelope, error: Exception) -> None:
        """Consume nothing until this one goes through, or fails of its own."""
        tries, outcome = 0, error
        receiver = self._receivers[envelope.type]
        while True:
            self.problem = f"{self._queue} is not taken now: {told(outcome)}"
            _log.warning("a queue is not taken now", queue=self._queue, error=told(outcome))
            await self._pause()
            await self._sleep(outage_backoff(tries))
            if self._ending:
                await delivery.message.nack(requeue=True)
                return
            (result,) = await receiver([envelope])
            if result is None or not is_outside(result):
                break
            tries, outcome = tries + 1, result
        self.problem = None
        await self._consume()
        await self._settle([(delivery, envelope)], [result])

    async def _sleep(self, seconds: float) -> None:
        """Wait, but not when it is to end."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not self._ending and (left := until - loop.time()) > 0:
            self._news.clear()
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                return

    async def _try_later(self, delivery: _Delivery, envelope: Envelope, error: Exception) -> None:
        delivery.tries += 1
        final = delivery.tries >= MOST_TRIES
        _log.warning(
            "an event was not taken",
            type=envelope.type,
            subject=envelope.subject,
            queue=self._queue,
            given_up=final,
            error=told(error),
        )
        if final:
            await self._give_up(delivery, error)
            return
        self._held.add(delivery)
        asyncio.get_running_loop().call_later(backoff(delivery.tries - 1), self._again, delivery)

    def _again(self, delivery: _Delivery) -> None:
        self._waiting.append(delivery)
        self._news.set()

    async def _give_up(self, delivery: _Delivery, error: Exception) -> None:
        """Put a message to the dead letters with its reason; it leaves its queue only then."""
        message = delivery.message
        _log.error("a dead letter", queue=self._queue, id=message.message_id, error=told(error))
        dead = await self._channel.get_exchange(DEAD, ensure=False)
        letter = Message(
            message.body,
            headers={REASON: told(error), DIED_IN: self._queue},
            content_type=message.content_type,
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=message.message_id,
            timestamp=message.timestamp,
            type=message.type,
            app_id=message.app_id,
            user_id=self._user,
        )
        async with asyncio.timeout(ANSWER_SECONDS):
            await dead.publish(letter, routing_key=str(self._service), mandatory=True)
        self._held.discard(delivery)
        await message.ack()

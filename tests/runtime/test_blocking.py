"""A call that blocks holds up neither the loop nor its caller for longer than it may."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from cassini.runtime import blocking
from cassini.runtime.blocking import Unanswered, in_thread

WHOSE = ContextVar("WHOSE", default="nobody's")


@pytest.fixture
def gate():
    """What calls of a test wait for; opened at its end, so that their threads return."""
    gate = threading.Event()
    yield gate
    gate.set()


async def test_the_result_comes_back_and_the_loop_runs_on_meanwhile(gate):
    waits = asyncio.create_task(in_thread(gate.wait, 60, seconds=60))
    await asyncio.sleep(0)
    gate.set()

    assert await waits


async def test_what_the_function_raises_is_raised_even_if_it_is_a_timeout_of_its_own():
    def late():
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await in_thread(late, seconds=60)


async def test_a_call_that_hangs_is_told_with_the_name_of_who_did_not_answer(gate):
    with pytest.raises(Unanswered, match=r"the Docker engine did not answer within 0\.01 s"):
        await in_thread(gate.wait, 60, seconds=0.01, what="the Docker engine")


async def test_a_call_past_its_deadline_that_has_not_begun_never_does(gate):
    hung = [
        asyncio.create_task(in_thread(gate.wait, 60, seconds=60)) for _ in range(blocking._THREADS)
    ]
    await asyncio.sleep(0)
    begun = threading.Event()

    with pytest.raises(Unanswered):
        await in_thread(begun.set, seconds=0.01)
    gate.set()
    await asyncio.gather(*hung)
    await in_thread(int, seconds=60)

    assert not begun.is_set()


async def test_hanging_calls_leave_asyncios_own_threads_free(gate):
    hung = [
        asyncio.create_task(in_thread(gate.wait, 60, seconds=60)) for _ in range(blocking._THREADS)
    ]
    await asyncio.sleep(0)

    assert 7 == await asyncio.wait_for(asyncio.to_thread(int, 7), 10)
    gate.set()
    await asyncio.gather(*hung)


async def test_whoever_is_cancelled_does_not_wait_for_the_call(gate):
    call = asyncio.create_task(in_thread(gate.wait, 60, seconds=60))
    await asyncio.sleep(0)
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(call, 10)


async def test_the_call_has_its_callers_context():
    WHOSE.set("mine")

    assert "mine" == await in_thread(WHOSE.get, seconds=60)

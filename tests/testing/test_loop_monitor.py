import asyncio
import gc
import time

import pytest

from cassini.testing.loop_monitor import monitor_loops
from cassini.testing.waiting import until

pytestmark = pytest.mark.blocks_loop("that is what is tested")


async def test_a_callback_that_sleeps_is_found():
    with monitor_loops(0.05) as monitor:
        await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251 - the fault
        await asyncio.sleep(0)

    assert len(monitor.blocked) == 1
    assert monitor.blocked[0].startswith("0.1")


async def test_a_callback_that_computes_is_found():
    with monitor_loops(0.05) as monitor:
        await asyncio.sleep(0)
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        await asyncio.sleep(0)

    assert len(monitor.blocked) == 1


async def test_the_garbage_collector_is_not_the_callback_s_fault():
    with monitor_loops(0.05) as monitor:
        await asyncio.sleep(0)
        keep = [[number] for number in range(1_000_000)]
        began = time.perf_counter()
        while time.perf_counter() - began < 0.2:
            gc.collect()
        await asyncio.sleep(0)
        blocked = len(monitor.blocked)

    assert len(keep) == 1_000_000
    assert blocked <= 1
    assert all(float(each.split()[0]) < 0.2 for each in monitor.blocked)


async def test_waiting_in_a_thread_or_on_the_loop_blocks_nothing():
    with monitor_loops(0.05) as monitor:
        await asyncio.sleep(0.1)
        await asyncio.to_thread(time.sleep, 0.1)

    assert monitor.blocked == []


async def test_after_the_monitor_the_loop_is_as_before():
    before = asyncio.Handle._run
    with monitor_loops(0.05):
        assert asyncio.Handle._run is not before

    assert asyncio.Handle._run is before


async def test_until_returns_the_answer_or_tells_the_last_one():
    answers = iter([0, None, 7])
    assert await until(lambda: next(answers), every=0) == 7
    with pytest.raises(TimeoutError, match="the last answer was 0"):
        await until(lambda: 0, seconds=0.02)

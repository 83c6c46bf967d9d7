import asyncio
import time

from cassini.runtime.clock import SystemClock
from cassini.runtime.wake import Wake


async def test_news_that_came_before_the_wait_is_not_missed():
    wake = Wake()
    wake.set()
    wake.set()
    await asyncio.wait_for(wake.wait(None), 1)
    waiting = asyncio.create_task(wake.wait(None))
    done, _ = await asyncio.wait([waiting], timeout=0.02)
    assert done == set()
    wake.set()
    await asyncio.wait_for(waiting, 1)


async def test_a_wait_ends_by_itself_after_its_time():
    await asyncio.wait_for(Wake().wait(0.01), 1)


async def test_the_system_clock_tells_unix_seconds_and_waits():
    clock = SystemClock()
    before = clock.now()
    await clock.sleep(0.02)

    assert clock.now() - before >= 0.02
    assert abs(clock.now() - time.time()) < 1


async def test_the_fake_clock_wakes_whoever_has_slept_enough_in_order(clock):
    woken = []

    async def sleeper(seconds):
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2, 60)]
    await asyncio.sleep(0)
    assert clock.sleepers == 4
    clock.advance(5)
    await asyncio.gather(*tasks[:3])
    assert woken == [1, 2, 3]
    assert clock.sleepers == 1
    tasks[3].cancel()
    await asyncio.gather(tasks[3], return_exceptions=True)
    assert clock.sleepers == 0

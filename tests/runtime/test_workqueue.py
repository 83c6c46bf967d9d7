import asyncio

import pytest

from cassini.runtime.workqueue import WorkQueue


async def take(queue, seconds=1):
    async with asyncio.timeout(seconds):
        return await queue.take()


async def nothing_comes(queue):
    with pytest.raises(TimeoutError):
        await take(queue, 0.05)


async def test_a_key_added_twice_is_taken_once():
    queue = WorkQueue()
    queue.add("a")
    queue.add("a")
    queue.add("b")

    assert [await take(queue), await take(queue)] == ["a", "b"]
    await nothing_comes(queue)


async def test_a_key_added_while_it_is_worked_on_comes_once_more_afterwards():
    queue = WorkQueue()
    queue.add("a")
    await take(queue)
    queue.add("a")
    queue.add("a")
    await nothing_comes(queue)
    queue.done("a")

    assert await take(queue) == "a"
    queue.done("a")
    await nothing_comes(queue)


async def test_a_delayed_key_comes_when_it_is_due():
    queue = WorkQueue()
    began = asyncio.get_running_loop().time()
    queue.add("late", after=0.1)
    queue.add("soon", after=0.02)

    assert [await take(queue), await take(queue)] == ["soon", "late"]
    assert asyncio.get_running_loop().time() - began >= 0.1


async def test_the_sooner_of_two_wishes_wins():
    queue = WorkQueue()
    queue.add("a", after=60)
    queue.add("a", after=0.02)
    queue.add("a", after=60)
    assert await take(queue) == "a"
    queue.done("a")
    queue.add("a", after=60)
    queue.add("a")
    assert await take(queue) == "a"
    queue.done("a")
    await nothing_comes(queue)


async def test_a_delay_asked_for_during_the_work_begins_when_it_was_asked_for():
    queue = WorkQueue()
    queue.add("a")
    await take(queue)
    queue.add("a", after=0.02)
    queue.done("a")

    assert await take(queue) == "a"


async def test_join_waits_for_what_is_due_and_worked_on_but_not_for_delayed_keys():
    queue = WorkQueue()
    queue.add("later", after=60)
    await asyncio.wait_for(queue.join(), 1)
    queue.add("a")
    joining = asyncio.create_task(queue.join())
    await take(queue)
    done, _ = await asyncio.wait([joining], timeout=0.02)
    assert done == set()
    queue.done("a")
    await asyncio.wait_for(joining, 1)


async def test_no_wake_up_is_lost_between_many_workers():
    queue, worked = WorkQueue(), []

    async def work():
        while True:
            key = await queue.take()
            await asyncio.sleep(0)
            worked.append(key)
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(5)]
    for number in range(500):
        queue.add(str(number), after=0.001 * (number % 3))
        if number % 7 == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    await asyncio.wait_for(queue.join(), 5)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)

    assert sorted(worked, key=int) == [str(number) for number in range(500)]


async def test_a_worker_that_is_cancelled_while_it_waits_takes_no_key_with_it():
    queue = WorkQueue()
    for turns in range(10):
        waiting = asyncio.create_task(queue.take())
        for _ in range(turns):
            await asyncio.sleep(0)
        queue.add("a")
        waiting.cancel()
        outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]
        if outcome != "a":
            assert await take(queue) == "a"
        queue.done("a")

"""What every store does: keeps values whole, durable, and never an older one over a newer."""

import asyncio
import random

import pytest

from cassini.contracts.resources import new_id
from services.secrets.stores.base import NewerKept, StoredValue

VALUE = StoredValue(3, "value-id", "hush, a secret")


@pytest.fixture
def credential():
    return new_id()


async def test_what_is_put_is_there_for_the_next_process_too(store, open_store, credential):
    await store.put(credential, VALUE)

    assert VALUE == await open_store().get(credential)


async def test_a_later_value_takes_the_place_of_the_one_before(store, credential):
    await store.put(credential, VALUE)
    later = StoredValue(4, "other", "new")
    await store.put(credential, later)

    assert later == await store.get(credential)


async def test_another_value_of_the_same_generation_takes_its_place(store, credential):
    """The declarer was restored, and its wish of this generation is another now."""
    await store.put(credential, VALUE)
    other = StoredValue(3, "other", "new")
    await store.put(credential, other)

    assert other == await store.get(credential)


async def test_an_older_value_never_takes_the_place_of_a_newer_one(store, credential):
    await store.put(credential, VALUE)

    with pytest.raises(NewerKept) as refused:
        await store.put(credential, StoredValue(2, "late", "old"))

    assert 3 == refused.value.generation
    assert VALUE == await store.get(credential)


async def test_an_older_deletion_leaves_a_newer_value(store, credential):
    await store.put(credential, VALUE)

    with pytest.raises(NewerKept):
        await store.delete(credential, generation=2)

    assert VALUE == await store.get(credential)


async def test_of_many_writers_at_once_the_newest_generation_stays(open_store, credential):
    stores = [open_store() for _ in range(3)]
    values = [StoredValue(number, f"id {number}", f"value {number}") for number in range(1, 13)]
    random.Random(7).shuffle(values)

    ended = await asyncio.gather(
        *(stores[at % 3].put(credential, value) for at, value in enumerate(values)),
        return_exceptions=True,
    )

    assert {type(None), NewerKept} >= {type(each) for each in ended}
    assert 12 == (await stores[0].get(credential)).generation


async def test_what_was_never_put_or_was_deleted_is_not_there(store, credential):
    assert await store.get(credential) is None

    await store.put(credential, VALUE)
    await store.delete(credential, generation=4)
    await store.delete(credential, generation=4)

    assert await store.get(credential) is None


async def test_what_was_never_put_can_be_deleted(store, credential):
    await store.delete(credential, generation=1)

    assert await store.get(credential) is None


async def test_a_deleted_value_can_be_put_again(store, credential):
    await store.put(credential, VALUE)
    await store.delete(credential, generation=4)
    again = StoredValue(5, "again", "back")
    await store.put(credential, again)

    assert again == await store.get(credential)


@pytest.mark.parametrize("text", ["", 'ä€𝄞\n\0 "quoted" \\ {}', "x" * 100_000], ids=len)
async def test_any_text_comes_back_as_it_was(store, credential, text):
    await store.put(credential, StoredValue(1, "id", text))

    assert text == (await store.get(credential)).value


async def test_a_store_that_can_be_used_says_so(store):
    await store.check()


def test_a_value_does_not_show_itself():
    assert "hush" not in repr(VALUE)

"""The local store keeps values encrypted, whole, and for the platform alone."""

import pytest

from cassini.runtime.errors import BackendError
from services.secrets.stores.base import StoredValue
from services.secrets.stores.local import LocalStore

ID, OTHER = "a" * 32, "b" * 32
VALUE = StoredValue(3, "value-id", "hush, a secret")


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "store", tmp_path / "keys" / "store.key")


async def test_what_is_put_is_there_for_the_next_process_too(store, tmp_path):
    await store.put(ID, VALUE)

    again = LocalStore(tmp_path / "store", tmp_path / "keys" / "store.key")

    assert await again.get(ID) == VALUE


async def test_a_later_value_takes_the_place_of_the_one_before(store):
    await store.put(ID, VALUE)
    later = StoredValue(4, "other", "new")
    await store.put(ID, later)

    assert await store.get(ID) == later


async def test_what_was_never_put_or_was_deleted_is_not_there(store):
    assert await store.get(ID) is None

    await store.put(ID, VALUE)
    await store.delete(ID, generation=3)
    await store.delete(ID, generation=3)

    assert await store.get(ID) is None


async def test_no_file_holds_the_value_and_none_can_be_read_by_others(store, tmp_path):
    await store.put(ID, VALUE)

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert 2 == len(files)
    for path in files:
        assert b"hush" not in path.read_bytes()
        assert 0o600 == path.stat().st_mode & 0o777


async def test_a_file_put_under_another_id_is_refused(store, tmp_path):
    await store.put(ID, VALUE)
    (tmp_path / "store" / f"{ID}.box").rename(tmp_path / "store" / f"{OTHER}.box")

    with pytest.raises(BackendError, match="another"):
        await store.get(OTHER)


async def test_a_damaged_file_is_told_and_not_taken_for_a_missing_value(store, tmp_path):
    await store.put(ID, VALUE)
    path = tmp_path / "store" / f"{ID}.box"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(BackendError, match="damaged"):
        await store.get(ID)


def test_a_value_does_not_show_itself():
    assert "hush" not in repr(VALUE)

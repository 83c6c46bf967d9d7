"""The local store keeps values encrypted, and for the platform alone."""

import errno
import os

import pytest

from cassini.runtime.errors import BackendError
from services.secrets.stores.base import StoredValue, StoreUnavailable
from services.secrets.stores.local import LocalStore

ID, OTHER = "a" * 32, "b" * 32
VALUE = StoredValue(3, "value-id", "hush, a secret")


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "store", tmp_path / "keys" / "store.key")


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


async def test_a_damaged_file_can_be_written_anew(store, tmp_path):
    await store.put(ID, VALUE)
    path = tmp_path / "store" / f"{ID}.box"
    path.write_bytes(b"")
    again = StoredValue(1, "id", "again")

    await store.put(ID, again)

    assert again == await store.get(ID)


async def test_a_write_that_fails_is_told_and_leaves_nothing(store, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable, match="No space left"):
        await store.put(ID, VALUE)

    assert [] == list((tmp_path / "store").iterdir())


async def test_a_directory_that_is_gone_is_told(store, tmp_path):
    (tmp_path / "store").rmdir()

    with pytest.raises(StoreUnavailable, match="see that it is there"):
        await store.check()

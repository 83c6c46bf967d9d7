import base64
import stat
import threading

import pytest
from nacl.public import PrivateKey, SealedBox

from cassini.contracts.resources import ServiceName
from cassini.runtime.sealing import KeyRing, Opener, SealedTextRefused, Sealer, secret_file

ID, OTHER = "a" * 32, "b" * 32
OLD, NEW, FOREIGN = (PrivateKey.generate() for _ in range(3))
VALUE = "pa$$wört\n"


def seal(key=OLD, reader=ServiceName.SECRETS, generation=2):
    sealer = Sealer({reader: key.public_key})
    return sealer.seal(VALUE, reader=reader, resource_id=ID, generation=generation)


def open_with(sealed, *keys, service=ServiceName.SECRETS, resource_id=ID, generation=2):
    return Opener(service, keys or [OLD]).open(
        sealed, resource_id=resource_id, generation=generation
    )


def test_what_is_sealed_can_be_opened_by_its_reader():
    assert open_with(seal()) == VALUE


def test_a_wish_that_was_declared_again_with_higher_numbers_still_opens():
    assert open_with(seal(generation=2), generation=9) == VALUE


def test_sealed_text_shows_nothing_and_differs_each_time():
    assert seal() != seal()
    assert VALUE.encode() not in base64.b64decode(seal())


@pytest.mark.parametrize(
    "changed",
    [{"resource_id": OTHER}, {"generation": 1}, {"service": ServiceName.API}],
    ids=["another id", "an older wish", "another reader"],
)
def test_a_text_for_something_else_is_refused(changed):
    with pytest.raises(SealedTextRefused) as refused:
        open_with(seal(), **changed)
    assert VALUE not in str(refused.value)
    assert refused.value.reason == "SealedTextRefused"


def test_a_text_for_another_key_is_refused():
    with pytest.raises(SealedTextRefused):
        open_with(seal(FOREIGN))


def test_a_text_with_a_changed_byte_is_refused():
    content = bytearray(base64.b64decode(seal()))
    for position in (0, 40, len(content) - 1):
        content[position] ^= 1
        with pytest.raises(SealedTextRefused):
            open_with(base64.b64encode(content).decode())
        content[position] ^= 1


@pytest.mark.parametrize("garbage", ["", "no base64!", "AAAA", "ä"])
def test_garbage_is_refused(garbage):
    with pytest.raises(SealedTextRefused):
        open_with(garbage)


@pytest.mark.parametrize("inside", [b"", b"[]", b"{}", b'{"id": 1}', b"\xff"])
def test_a_sealed_text_of_another_form_is_refused(inside):
    sealed = base64.b64encode(SealedBox(OLD.public_key).encrypt(inside)).decode()
    with pytest.raises(SealedTextRefused):
        open_with(sealed)


def test_old_and_new_keys_open_side_by_side_while_they_are_rotated():
    assert open_with(seal(OLD), NEW, OLD) == open_with(seal(NEW), NEW, OLD) == VALUE
    with pytest.raises(SealedTextRefused):
        open_with(seal(OLD), NEW)


def test_a_key_ring_keeps_its_keys_in_private_files(tmp_path):
    ring = KeyRing(tmp_path / "keys")
    sealed = ring.sealer().seal(VALUE, reader=ServiceName.API, resource_id=ID, generation=1)

    again = KeyRing(tmp_path / "keys").opener(ServiceName.API)
    assert again.open(sealed, resource_id=ID, generation=1) == VALUE
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert {path.stem for path in (tmp_path / "keys").iterdir()} == set(ServiceName)


def test_a_secret_file_made_by_many_at_once_is_one(tmp_path):
    start, found = threading.Barrier(8), []

    def make():
        start.wait()
        found.append(secret_file(tmp_path / "key", 32))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert set(found) == {(tmp_path / "key").read_bytes()}
    assert [path.name for path in tmp_path.iterdir()] == ["key"]

"""The api's own keys stay the same, apart and unseen."""

import stat

from services.api.keys import load_keys


def test_keys_are_made_once_and_differ(tmp_path):
    first = load_keys(tmp_path / "keys")
    assert load_keys(tmp_path / "keys") == first
    assert len(first.token) == len(first.hmac) == 32
    assert first.token != first.hmac


def test_only_the_owner_of_the_process_may_read_the_files(tmp_path):
    load_keys(tmp_path / "keys")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()}
    assert modes == {0o600}


def test_a_representation_shows_no_key(tmp_path):
    assert repr(load_keys(tmp_path)) == "ApiKeys()"

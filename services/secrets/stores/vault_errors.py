"""What the errors of Vault and OpenBao mean to a person, and what to do about each.

The server's own words are only looked at for what they mean and never passed on: whatever it
repeats of a request is repeated to nobody.
"""

import re
from collections.abc import Sequence
from typing import Literal

from services.secrets.settings import VaultSettings
from services.secrets.stores.base import StoreUnavailable

Doing = Literal["login", "renew", "open", "read", "write"]

_LOGIN_SETTINGS = {
    "approle": "CASSINI_VAULT_ROLE_ID (or _FILE), the file of CASSINI_VAULT_SECRET_ID_FILE and"
    " CASSINI_VAULT_AUTH_MOUNT",
    "token": "the token in the file of CASSINI_VAULT_TOKEN_FILE (expired, revoked or mistyped)",
    "kubernetes": "CASSINI_VAULT_KUBERNETES_ROLE, the service account, what that role is bound to"
    " and CASSINI_VAULT_AUTH_MOUNT",
}


class AccessRefused(StoreUnavailable):
    """The token is not valid any more, or its policies do not allow this."""


def explain(
    settings: VaultSettings, doing: Doing, kind: str, errors: Sequence[str]
) -> StoreUnavailable:
    """Return the error for an answer: ``kind`` is hvac's word for its status."""
    said = " ".join(errors).lower()
    refused = kind in {"Forbidden", "Unauthorized"} or (
        doing in {"login", "renew"} and kind == "InvalidRequest"
    )
    if "sealed" in said:
        message = "the secret store is sealed: unseal it (bao operator unseal), the rest follows"
    elif kind == "VaultNotInitialized" or "not initialized" in said:
        message = "the secret store is not initialised: run bao operator init and unseal it"
    elif "namespace not found" in said:
        message = "the secret store has no such namespace: look at CASSINI_VAULT_NAMESPACE"
    elif "https server" in said:
        message = "the secret store speaks TLS: begin CASSINI_VAULT_URL with https://"
    elif "no handler for route" in said:
        message = _no_route(settings, doing)
    elif doing == "login" and refused:
        message = (
            f"the secret store refuses the {settings.auth} login at {settings.login_mount}: look at"
            f" {_LOGIN_SETTINGS[settings.auth]}"
        )
    elif refused:
        return AccessRefused(_no_access(settings), url=settings.url)
    else:
        message = (
            f"the secret store answered {_words(kind)} when it was asked to {doing}: its own log"
            " tells more"
        )
    return StoreUnavailable(message, url=settings.url)


def unreachable(settings: VaultSettings, why: str) -> StoreUnavailable:
    """Return the error for no answer; ``why`` is the client library's text of its error."""
    untrusted = re.search(r"certificate verify failed: ([^(\"']+)", why)
    if untrusted:
        message = (
            "the secret store's certificate is not trusted"
            f" ({untrusted[1].strip()}): name its authority's file in CASSINI_VAULT_CA_FILE, and"
            " see that CASSINI_VAULT_URL has a name that stands in the certificate"
        )
    elif "CA certificate bundle" in why:
        message = "the file of CASSINI_VAULT_CA_FILE is not there or cannot be read"
    elif "[SSL" in why:
        message = (
            "the secret store does not speak TLS as wanted: see whether CASSINI_VAULT_URL must"
            " begin with http://"
        )
    else:
        message = (
            "the secret store cannot be reached: see that it runs and that CASSINI_VAULT_URL is its"
            " address"
        )
    return StoreUnavailable(message, url=settings.url)


def wrong_engine(settings: VaultSettings) -> StoreUnavailable:
    """Return the error for an engine that is not KV version 2."""
    return StoreUnavailable(
        f"the secret store's engine at {settings.mount} is not KV version 2: name one that is in"
        " CASSINI_VAULT_MOUNT"
    )


def _no_route(settings: VaultSettings, doing: Doing) -> str:
    if doing == "login":
        return (
            f"the secret store has no auth method at {settings.login_mount}: enable it there, or"
            " look at CASSINI_VAULT_AUTH_MOUNT"
        )
    return (
        f"the secret store has no engine at {settings.mount}: enable KV version 2 there, or look at"
        " CASSINI_VAULT_MOUNT"
    )


def _no_access(settings: VaultSettings) -> str:
    return (
        f"the secret store refuses access to {settings.mount}/…/{settings.prefix}: see that the"
        " engine is there and that the role has the policy of deploy/openbao/cassini-policy.hcl"
        " for this mount and prefix"
    )


def _words(kind: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower()

"""The store in OpenBao: how it logs in and stays logged in, what is kept, what its errors say.

The login by Kubernetes is answered by OpenBao's own method; behind that, in the place of a
Kubernetes, stands a small server that answers its TokenReview as one does.
"""

import asyncio
import base64
import json
import logging
import threading
import time
import traceback
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import certifi
import pytest

from cassini.contracts.resources import new_id
from cassini.runtime.errors import BackendError
from cassini.testing.waiting import until
from services.secrets.settings import VaultSettings
from services.secrets.stores.base import NewerKept, StoredValue, StoreUnavailable
from services.secrets.stores.vault import VaultStore
from tests.secrets.vault import Vault

pytestmark = pytest.mark.openbao

VALUE = StoredValue(3, "value-id", "hush, a secret")


@asynccontextmanager
async def kept_open(store):
    task = asyncio.create_task(store.keep_open())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def answers(store):
    try:
        await store.check()
    except StoreUnavailable:
        return False
    return True


async def test_a_login_is_renewed_before_it_ends(vault):
    store = VaultStore(vault.prepare(token_ttl="2s", token_max_ttl="1h"))
    credential, ends = new_id(), time.monotonic() + 3
    await store.put(credential, VALUE)
    first = vault.tokens()

    async with kept_open(store):
        await until(lambda: time.monotonic() > ends, every=0.1)

    assert 1 == len(first)
    assert first == vault.tokens()
    assert VALUE == await store.get(credential)


async def test_a_login_that_may_not_live_longer_is_followed_by_another(vault):
    store = VaultStore(vault.prepare(token_ttl="1s", token_max_ttl="2s"))
    await store.check()
    first = vault.tokens()

    async with kept_open(store):
        await until(lambda: set(vault.tokens()) - set(first), every=0.1)


async def test_a_login_that_ended_unseen_is_made_anew(vault):
    store = VaultStore(vault.prepare(token_ttl="1s"))
    await store.check()
    await until(lambda: not vault.tokens(), every=0.1)

    await store.check()


async def test_a_token_that_was_revoked_is_followed_by_a_new_login_at_once(vault):
    store, credential = VaultStore(vault.prepare()), new_id()
    await store.put(credential, VALUE)
    vault.revoke_tokens()

    values = await asyncio.gather(*(store.get(credential) for _ in range(20)))

    assert [VALUE] * 20 == values
    assert 1 == len(vault.tokens())


async def test_the_role_id_may_stand_in_a_file(vault, tmp_path):
    settings = vault.prepare()
    (tmp_path / "role-id").write_text(f"{settings.role_id}\n")
    changes = {"role_id": None, "role_id_file": tmp_path / "role-id"}

    await VaultStore(VaultSettings(**(settings.model_dump() | changes))).check()


async def test_a_secret_id_that_was_replaced_is_read_again(vault):
    store = VaultStore(vault.prepare())
    old = vault.new_secret_id()
    await store.check()
    vault.ask(
        "POST",
        f"auth/approle/role/{vault.role}/secret-id-accessor/destroy",
        secret_id_accessor=old["secret_id_accessor"],
    )
    vault.revoke_tokens()
    with pytest.raises(StoreUnavailable, match="CASSINI_VAULT_SECRET_ID_FILE"):
        await store.check()

    vault.new_secret_id()

    await store.check()


async def test_a_policy_that_refuses_is_told_without_a_storm_of_logins(vault):
    settings = vault.prepare()
    read = 'path "secret/data/cassini/*" { capabilities = ["read"] }'
    lookup = 'path "auth/token/lookup-self" { capabilities = ["read"] }'
    vault.ask("PUT", f"sys/policies/acl/{vault.role}", policy=f"{read}\n{lookup}")
    vault.change_role(token_policies=[vault.role])
    store = VaultStore(settings)
    await store.check()

    for _ in range(5):
        with pytest.raises(StoreUnavailable, match=r"policy of deploy/openbao/cassini-policy\.hcl"):
            await store.put(new_id(), VALUE)

    assert 1 == len(vault.tokens())


async def test_the_role_may_do_nothing_beyond_its_prefix(vault):
    settings = vault.prepare()
    elsewhere = VaultStore(settings.model_copy(update={"prefix": "others"}))

    with pytest.raises(StoreUnavailable, match="refuses access to secret/…/others"):
        await elsewhere.put(new_id(), VALUE)
    with pytest.raises(StoreUnavailable, match="refuses access"):
        await elsewhere.get(new_id())


async def test_a_token_in_a_file_is_kept_alive_and_its_successor_is_found(vault, tmp_path):
    vault.prepare()
    path = tmp_path / "token"

    def new_token():
        made = vault.ask(
            "POST", "auth/token/create", policies=["cassini"], ttl="1s", no_default_policy=True
        )["auth"]
        path.write_text(made["client_token"])
        return made

    made = new_token()
    settings = VaultSettings(url=vault.operator.url, auth="token", token_file=path)
    store, ends = VaultStore(settings), time.monotonic() + 2
    async with kept_open(store):
        await until(lambda: time.monotonic() > ends, every=0.1)
        await store.check()
        vault.ask("POST", "auth/token/revoke-accessor", accessor=made["accessor"])
        with pytest.raises(StoreUnavailable, match="CASSINI_VAULT_TOKEN_FILE"):
            await store.check()
        new_token()
        await store.check()


class TokenReview(BaseHTTPRequestHandler):
    """Answers as a Kubernetes does that knows one service account."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["spec"]["token"] == self.server.known
        user = {"username": "system:serviceaccount:cassini:secrets", "uid": self.server.uid}
        status = {"authenticated": known, "user": user} if known else {"authenticated": False}
        answer = json.dumps(asked | {"status": status}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def _part(content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _any_certificate():
    """The method wants one, and uses none without TLS."""
    first, end, _ = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")
    return first[first.index("-----BEGIN") :] + end


@pytest.fixture
def kubernetes():
    """A server that knows one token; its signature is Kubernetes' own affair."""
    server = HTTPServer(("127.0.0.1", 0), TokenReview)
    server.uid = new_id()
    claims = {
        "iss": "kubernetes/serviceaccount",
        "kubernetes.io/serviceaccount/namespace": "cassini",
        "kubernetes.io/serviceaccount/service-account.name": "secrets",
        "kubernetes.io/serviceaccount/service-account.uid": server.uid,
    }
    server.known = ".".join((_part({"alg": "RS256"}), _part(claims), "signatur"))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_service_account_of_kubernetes_logs_in(vault, kubernetes, tmp_path):
    vault.prepare()
    mount, path = f"kubernetes-{new_id()}", tmp_path / "jwt"
    vault.ask("POST", f"sys/auth/{mount}", type="kubernetes")
    host = f"http://127.0.0.1:{kubernetes.server_port}"
    vault.ask(
        "POST",
        f"auth/{mount}/config",
        kubernetes_host=host,
        token_reviewer_jwt=kubernetes.known,
        disable_local_ca_jwt=True,
        kubernetes_ca_cert=_any_certificate(),
    )
    vault.ask(
        "POST",
        f"auth/{mount}/role/cassini",
        bound_service_account_names=["secrets"],
        bound_service_account_namespaces=["cassini"],
        token_policies=["cassini"],
    )
    settings = VaultSettings(
        url=vault.operator.url,
        auth="kubernetes",
        auth_mount=mount,
        kubernetes_role="cassini",
        kubernetes_jwt_file=path,
    )
    store, credential = VaultStore(settings), new_id()
    path.write_text(kubernetes.known + "else")
    with pytest.raises(StoreUnavailable, match="CASSINI_VAULT_KUBERNETES_ROLE"):
        await store.check()

    path.write_text(kubernetes.known)
    await store.put(credential, VALUE)

    assert VALUE == await store.get(credential)


async def test_a_sealed_server_is_told_and_heals_when_it_is_unsealed(own_openbao, tmp_path):
    store, credential = VaultStore(Vault(own_openbao.operator, tmp_path).prepare()), new_id()
    await store.put(credential, VALUE)
    await asyncio.to_thread(own_openbao.seal)
    for call in (
        store.get(credential),
        store.put(credential, VALUE),
        store.delete(credential, generation=9),
        store.check(),
    ):
        with pytest.raises(StoreUnavailable, match="the secret store is sealed: unseal it"):
            await call

    await asyncio.to_thread(own_openbao.unseal)
    await until(lambda: answers(store), seconds=30)

    assert VALUE == await store.get(credential)


async def test_a_killed_server_is_told_and_heals_when_it_is_started(own_openbao, tmp_path):
    store, credential = VaultStore(Vault(own_openbao.operator, tmp_path).prepare()), new_id()
    await store.put(credential, VALUE)
    await asyncio.to_thread(own_openbao.kill)
    with pytest.raises(StoreUnavailable, match="cannot be reached: see that it runs"):
        await store.get(credential)

    await asyncio.to_thread(own_openbao.start)
    await until(lambda: answers(store), seconds=30)

    assert VALUE == await store.get(credential)


async def test_the_values_before_are_kept_as_versions(vault):
    store, credential = VaultStore(vault.prepare()), new_id()
    for generation in (1, 2, 2, 3):
        await store.put(credential, StoredValue(generation, f"id {generation}", "hush"))

    versions = vault.versions(credential)

    assert {1, 2, 3} == versions.keys()  # what is there already makes no version
    assert [""] * 3 == [each["deletion_time"] for each in versions.values()]


async def test_a_deletion_is_soft(vault):
    store, credential = VaultStore(vault.prepare()), new_id()
    await store.put(credential, StoredValue(1, "one", "first"))
    await store.put(credential, StoredValue(2, "two", "hush"))
    await store.delete(credential, generation=3)

    deleted = {n: v for n, v in vault.versions(credential).items() if v["deletion_time"]}
    assert {1, 2} == deleted.keys()
    assert not any(each["destroyed"] for each in deleted.values())
    assert await store.get(credential) is None

    vault.ask("POST", f"secret/undelete/cassini/{credential}", versions=[2])
    back = vault.ask("GET", f"secret/data/cassini/{credential}?version=2")
    assert "hush" == back["data"]["data"]["value"]


async def test_a_write_that_comes_after_the_deletion_it_preceded_is_refused(vault):
    store, credential = VaultStore(vault.prepare()), new_id()
    await store.delete(credential, generation=2)

    with pytest.raises(NewerKept):
        await store.put(credential, StoredValue(1, "late", "old"))

    assert await store.get(credential) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "secret/data/cassini/{}"),
        ("PUT", "secret/destroy/cassini/{}"),
        ("DELETE", "secret/metadata/cassini/{}"),
    ],
    ids=["deleted", "destroyed", "all versions gone"],
)
async def test_what_an_operator_removed_is_not_there_and_can_be_put_again(vault, method, path):
    store, credential = VaultStore(vault.prepare()), new_id()
    await store.put(credential, VALUE)
    content = {"versions": [1]} if method == "PUT" else {}
    vault.ask(method, path.format(credential), **content)
    assert await store.get(credential) is None

    await store.put(credential, VALUE)

    assert VALUE == await store.get(credential)


async def test_what_somebody_else_wrote_is_told_for_that_credential_alone(vault):
    store, credential = VaultStore(vault.prepare()), new_id()
    vault.ask("POST", f"secret/data/cassini/{credential}", data={"generation": 3})

    with pytest.raises(BackendError, match="was not written by Cassini") as told:
        await store.get(credential)

    assert not isinstance(told.value, StoreUnavailable)


async def test_a_namespace_has_values_of_its_own(openbao, vault, tmp_path):
    name, credential = f"team-{new_id()}", new_id()
    openbao.ask("POST", f"sys/namespaces/{name}")
    (tmp_path / "team").mkdir()
    team = VaultStore(Vault(openbao, tmp_path / "team", namespace=name).prepare())
    root = VaultStore(vault.prepare())

    await team.put(credential, VALUE)

    assert VALUE == await team.get(credential)
    assert await root.get(credential) is None


WRONG = {
    "no such engine": ({"mount": "nowhere"}, "refuses access to nowhere/…/cassini"),
    "an engine of version 1": ({"mount": "version-one"}, "not KV version 2"),
    "no such auth method": ({"auth_mount": "nowhere"}, "login at nowhere: .*AUTH_MOUNT"),
    "no such role": ({"role_id": "nobody"}, "refuses the approle login at approle: .*ROLE_ID"),
    "no such namespace": ({"namespace": "nowhere"}, "CASSINI_VAULT_NAMESPACE"),
    "no file": ({"secret_id_file": "/nowhere/file"}, "needs the file /nowhere/file"),
    "no certificates": (
        {"ca_file": "/nowhere", "url": "https"},
        "CASSINI_VAULT_CA_FILE is not there",
    ),
    "no TLS there": ({"url": "https"}, "must begin with http://"),
    "nobody there": ({"url": "http://127.0.0.1:9"}, "cannot be reached"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_each_mistake_is_told_with_what_to_do_and_never_with_a_value(case, vault, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="urllib3")  # the platform's own logging turns it down
    settings, (change, told) = vault.prepare(), WRONG[case]
    if case == "an engine of version 1":
        vault.enable("mounts/version-one", type="kv", options={"version": "1"})
        policy = 'path "version-one/*" { capabilities = ["create", "read", "update"] }'
        vault.ask("PUT", f"sys/policies/acl/{vault.role}", policy=policy)
        vault.change_role(token_policies=[vault.role])
    secure = settings.url.replace("http:", "https:")
    changes = {name: secure if value == "https" else value for name, value in change.items()}
    store = VaultStore(VaultSettings(**(settings.model_dump() | changes)))

    with pytest.raises(StoreUnavailable, match=told) as error:
        await store.put(new_id(), VALUE)

    secret_id = (vault.directory / "secret-id").read_text().strip()
    for text in ("".join(traceback.format_exception(error.value)), caplog.text):
        assert "hush" not in text
        assert secret_id not in text


async def test_values_stand_in_no_log_line_when_all_goes_well(vault, caplog):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="urllib3")  # the platform's own logging turns it down
    store, credential = VaultStore(vault.prepare()), new_id()
    await store.put(credential, VALUE)
    await store.get(credential)
    await store.delete(credential, generation=4)

    assert credential in caplog.text
    assert "hush" not in caplog.text


async def test_a_certificate_of_an_authority_in_a_file_is_trusted_and_no_other(
    secure_openbao, tmp_path
):
    server, certificate = secure_openbao
    settings, credential = Vault(server.operator, tmp_path).prepare(), new_id()
    trusting = settings.model_copy(update={"ca_file": certificate})
    elsewhere = settings.url.replace("127.0.0.1", "localhost")

    await VaultStore(trusting).put(credential, VALUE)
    assert VALUE == await VaultStore(trusting).get(credential)

    for wrong, told in {
        settings: r"not trusted \(self.signed certificate\): .*CASSINI_VAULT_CA_FILE",
        trusting.model_copy(update={"url": elsewhere}): r"not trusted .*a name that stands in",
        trusting.model_copy(update={"url": settings.url.replace("https:", "http:")}): "speaks TLS",
    }.items():
        with pytest.raises(StoreUnavailable, match=told):
            await VaultStore(wrong).get(credential)

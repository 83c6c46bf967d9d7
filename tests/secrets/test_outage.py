"""A store that is away: what needs it waits with that reason, and goes on as soon as it is back."""

import asyncio

import pytest
from sqlalchemy import update

from cassini.contracts.credentials import CredentialObservedV1, LeaseObservedV1
from cassini.contracts.resources import new_id
from cassini.runtime import reconcile
from cassini.runtime.errors import BackendError
from cassini.runtime.service import stop_all
from cassini.testing.waiting import until
from services.secrets.models import Credential, Lease
from services.secrets.outage import Outage
from services.secrets.stores.base import StoreUnavailable
from services.secrets.stores.vault import VaultStore
from tests.secrets.vault import Vault
from tests.secrets.world import Secrets

HOUR = 3600.0


@pytest.fixture
def hourly(monkeypatch):
    """Rows that failed come again after an hour: only the end of the outage can wake them."""
    monkeypatch.setattr(reconcile, "backoff", lambda _tries: HOUR)


@pytest.fixture
def secrets(database, tmp_path):
    return Secrets(database, tmp_path)


async def test_all_that_waits_is_woken_when_the_store_is_back(secrets, hourly):
    await secrets.service.start()
    stored, credential, lease = new_id(), new_id(), new_id()
    await secrets.set(stored, "hush")
    await secrets.fact(CredentialObservedV1, stored, "stored")
    secrets.store.away = True
    await secrets.set(credential, "hush")
    await secrets.ask(lease, (stored, 1))
    await secrets.fact(CredentialObservedV1, credential, "pending")
    await secrets.fact(LeaseObservedV1, lease, "pending")

    secrets.store.away = False

    await secrets.fact(CredentialObservedV1, credential, "stored")
    await secrets.fact(LeaseObservedV1, lease, "granted")
    await stop_all([secrets.service])


async def test_what_has_waited_since_before_the_start_is_woken(secrets, hourly):
    secrets.store.away = True
    await secrets.service.prepare()
    credential = new_id()
    await secrets.set(credential, "hush")
    async with secrets.service.database.write() as session:
        await session.execute(update(Credential).values(tries=9, due_at=2e10))
    secrets.service.owned[0][0].queue.done(await secrets.service.owned[0][0].queue.take())
    secrets.store.away = False

    secrets.service.run()

    await secrets.fact(CredentialObservedV1, credential, "stored")
    await stop_all([secrets.service])


async def test_health_says_what_is_wrong_with_the_store(secrets):
    await secrets.service.start()
    assert (await secrets.service.health()).ready
    secrets.store.away = True

    health = await secrets.service.health()

    assert (False, "secrets: the store is away") == (health.ready, health.reason)
    await stop_all([secrets.service])


class CountingStore:
    """Answers each look, until it is away."""

    def __init__(self):
        self.looks = 0
        self.away = False

    async def check(self):
        self.looks += 1
        if self.away:
            raise StoreUnavailable("away")


@pytest.fixture
async def outage(database, clock):
    """An outage over nothing owned, with its store and the first look done."""
    store = CountingStore()
    outage = Outage(store, database, (), clock)
    task = asyncio.create_task(outage.run())
    await until(lambda: store.looks == 1)
    yield outage, store
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def turns():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_store_that_is_well_is_not_looked_after(outage, clock):
    _, store = outage
    clock.advance(HOUR)
    await turns()

    assert 1 == store.looks
    assert 0 == clock.sleepers


async def test_other_failures_than_the_stores_begin_no_outage(outage):
    begun, store = outage
    begun.note(BackendError("something of one credential's"))
    await turns()

    assert 1 == store.looks


async def test_a_store_that_is_away_is_looked_after_every_two_seconds_at_least(outage, clock):
    begun, store = outage
    clock.advance(HOUR)
    store.away = True
    begun.note(StoreUnavailable("away"))
    for looks in range(2, 30):
        await until(lambda looks=looks: store.looks == looks)
        await until(lambda: clock.sleepers)
        clock.advance(2)

    store.away = False
    await until(lambda: store.looks == 30)
    clock.advance(2)
    await until(lambda: store.looks >= 30)
    assert 0 == clock.sleepers


async def test_a_store_that_answers_and_fails_again_is_looked_after_less_and_less(outage, clock):
    begun, store = outage
    waited = []
    for _ in range(10):
        looks, wait = store.looks, 0.0
        begun.note(StoreUnavailable("it cannot write"))
        await turns()
        while store.looks == looks:
            clock.advance(0.2)
            wait += 0.2
            await turns()
        waited.append(wait)

    assert waited == sorted(waited)
    assert waited[0] < 1
    assert 15 == pytest.approx(waited[-1], abs=0.5)


@pytest.mark.openbao
async def test_a_sealed_store_is_shown_as_the_reason_and_heals_within_seconds(
    database, own_openbao, tmp_path, hourly
):
    store = VaultStore(Vault(own_openbao.operator, tmp_path).prepare())
    secrets = Secrets(database, tmp_path, store)
    await secrets.service.start()
    credential, other, lease = new_id(), new_id(), new_id()
    await secrets.set(credential, "hush")
    await secrets.fact(CredentialObservedV1, credential, "stored")
    await asyncio.to_thread(own_openbao.seal)

    await secrets.ask(lease, (credential, 1))
    await secrets.set(other, "hush")
    waiting = await secrets.fact(LeaseObservedV1, lease, "pending")
    unset = await secrets.fact(CredentialObservedV1, other, "pending")
    health = await secrets.service.health()
    sealed = "the secret store is sealed: unseal it"
    for said in (waiting.message, unset.message, health.reason):
        assert sealed in said

    await asyncio.to_thread(own_openbao.unseal)
    granted = await secrets.fact(LeaseObservedV1, lease, "granted")
    await secrets.fact(CredentialObservedV1, other, "stored")

    assert {credential: "hush"} == secrets.values(granted)
    assert (await secrets.service.health()).ready
    async with database.read() as session:
        assert "granted" == (await session.get(Lease, lease)).status
    await stop_all([secrets.service])

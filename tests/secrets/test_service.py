"""The secrets service, whole: wishes come in by its inbox, facts are looked at on the bus."""

import pytest
from sqlmodel import select

from cassini.contracts.credentials import (
    CredentialDeclaredV1,
    CredentialObservedV1,
    LeaseObservedV1,
)
from cassini.contracts.resources import ServiceName, new_id
from cassini.runtime.service import stop_all
from cassini.testing.waiting import until
from tests.secrets.world import Secrets


@pytest.fixture
async def secrets(database, tmp_path):
    secrets = Secrets(database, tmp_path)
    await secrets.service.start()
    yield secrets
    await stop_all([secrets.service])


async def test_a_value_that_was_set_is_lent_sealed_to_the_one_that_asked(secrets):
    credential, lease = new_id(), new_id()

    await secrets.set(credential, "hush")
    await secrets.fact(CredentialObservedV1, credential, "stored")
    await secrets.ask(lease, (credential, 1))
    granted = await secrets.fact(LeaseObservedV1, lease, "granted")

    assert {credential: "hush"} == secrets.values(granted)
    assert "hush" not in granted.model_dump_json()


async def test_a_lease_that_came_first_is_answered_when_the_value_is_there(secrets):
    credential, lease = new_id(), new_id()

    await secrets.ask(lease, (credential, 1))
    waiting = await secrets.fact(LeaseObservedV1, lease, "pending")
    await secrets.set(credential, "late")
    granted = await secrets.fact(LeaseObservedV1, lease, "granted")

    assert (credential,) == waiting.waiting_for
    assert {credential: "late"} == secrets.values(granted)


async def test_set_then_start_never_lends_the_value_of_before(secrets):
    credential, lease = new_id(), new_id()
    await secrets.set(credential, "old", generation=1)
    await secrets.fact(CredentialObservedV1, credential, "stored")

    await secrets.ask(lease, (credential, 2))
    await secrets.fact(LeaseObservedV1, lease, "pending")
    await secrets.set(credential, "new", generation=2)
    granted = await secrets.fact(LeaseObservedV1, lease, "granted")

    assert {credential: "new"} == secrets.values(granted)


async def test_a_lease_that_is_asked_for_again_is_answered_with_the_values_again(secrets):
    credential, lease = new_id(), new_id()
    await secrets.set(credential, "hush")
    await secrets.ask(lease, (credential, 1))
    first = await secrets.fact(LeaseObservedV1, lease, "granted")

    await secrets.ask(lease, (credential, 1))
    again = await until(
        lambda: [
            fact
            for fact in secrets.bus.received(LeaseObservedV1)
            if fact.id == lease and fact.sequence > first.sequence and fact.sealed
        ]
    )

    assert {credential: "hush"} == secrets.values(again[0])


async def test_no_row_of_this_service_keeps_a_sealed_value_once_it_is_stored(secrets):
    credential, lease = new_id(), new_id()
    await secrets.set(credential, "hush")
    await secrets.ask(lease, (credential, 1))
    await secrets.fact(LeaseObservedV1, lease, "granted")

    async with secrets.service.database.read() as session:
        for owned, _ in secrets.service.owned:
            rows = (await session.exec(select(owned.model))).all()
            assert rows
            for row in rows:
                assert not (row.wish or {}).get("sealed")
                assert not (row.fact or {}).get("sealed")


async def test_a_value_that_the_store_lost_is_told_and_can_be_set_again(secrets):
    credential, lease = new_id(), new_id()
    await secrets.set(credential, "hush")
    await secrets.fact(CredentialObservedV1, credential, "stored")
    await secrets.store.delete(credential, generation=1)

    await secrets.ask(lease, (credential, 1))
    lost = await secrets.fact(CredentialObservedV1, credential, "lost")
    assert (lost.reason, "set again" in lost.message) == ("ValueLost", True)
    await secrets.set(credential, "again", generation=2)
    granted = await secrets.fact(LeaseObservedV1, lease, "granted")

    assert {credential: "again"} == secrets.values(granted)


async def test_a_wish_without_its_value_is_stored_if_the_store_has_that_value(secrets):
    credential = new_id()
    await secrets.set(credential, "hush")
    await secrets.fact(CredentialObservedV1, credential, "stored")
    kept = await secrets.store.get(credential)

    await secrets.declare(
        CredentialDeclaredV1(
            id=credential,
            declarer="api",
            generation=5,
            wanted="present",
            value_id=kept.value_id,
        )
    )
    fact = await until(
        lambda: [f for f in secrets.bus.received(CredentialObservedV1) if f.generation == 5]
    )

    assert "stored" == fact[-1].status
    assert 5 == (await secrets.store.get(credential)).generation


async def test_a_value_sealed_for_another_credential_is_refused_for_good(secrets):
    credential, other = new_id(), new_id()
    text = secrets.ring.sealer().seal(
        "stolen", reader=ServiceName.SECRETS, resource_id=other, generation=1
    )
    await secrets.declare(
        CredentialDeclaredV1(
            id=credential,
            declarer="api",
            generation=1,
            wanted="present",
            value_id="x",
            sealed=text,
        )
    )
    fact = await secrets.fact(CredentialObservedV1, credential, "pending")

    assert "SealedTextRefused" == fact.reason
    assert await secrets.store.get(credential) is None


async def test_a_store_that_is_away_is_waited_for_with_its_reason_shown(secrets):
    credential = new_id()
    secrets.store.away = True
    await secrets.set(credential, "hush")
    away = await secrets.fact(CredentialObservedV1, credential, "pending")
    lease = new_id()
    await secrets.ask(lease, (credential, 1))
    waiting = await secrets.fact(LeaseObservedV1, lease, "pending")
    secrets.store.away = False

    assert "the store is away" == waiting.message
    assert ("StoreUnavailable", "the store is away") == (away.reason, away.message)
    await secrets.fact(CredentialObservedV1, credential, "stored")
    await secrets.fact(LeaseObservedV1, lease, "granted")


async def test_what_is_wished_away_is_gone_from_the_store(secrets):
    credential, lease = new_id(), new_id()
    await secrets.set(credential, "hush")
    await secrets.ask(lease, (credential, 1))
    await secrets.fact(LeaseObservedV1, lease, "granted")

    await secrets.ask(lease, generation=2, wanted="absent")
    await secrets.remove(credential, generation=2)
    await secrets.fact(LeaseObservedV1, lease, "absent")
    await secrets.fact(CredentialObservedV1, credential, "absent")

    assert await secrets.store.get(credential) is None

"""An older copy of the store, or of all but the store, is put back: nobody gets a wrong value."""

import asyncio

import pytest

from cassini.contracts.credentials import CredentialObservedV1, LeaseObservedV1
from cassini.contracts.resources import new_id
from cassini.runtime.service import stop_all
from cassini.testing.waiting import until
from services.secrets.stores.base import StoredValue
from services.secrets.stores.vault import VaultStore
from tests.secrets.vault import Vault
from tests.secrets.world import Secrets


@pytest.mark.openbao
async def test_values_that_an_older_copy_of_the_store_lacks_are_lost_until_they_are_set_again(
    database, own_openbao, tmp_path
):
    secrets = Secrets(
        database, tmp_path, VaultStore(Vault(own_openbao.operator, tmp_path).prepare())
    )
    await secrets.service.start()
    kept, changed, new = new_id(), new_id(), new_id()
    for credential in (kept, changed):
        await secrets.set(credential, "first")
        await secrets.fact(CredentialObservedV1, credential, "stored")
    backup = await asyncio.to_thread(own_openbao.operator.snapshot)
    await secrets.set(changed, "second", generation=2)
    await secrets.set(new, "new")
    await secrets.fact(CredentialObservedV1, new, "stored")
    await until(lambda: stored_at(secrets, changed, 2))
    await asyncio.to_thread(own_openbao.restore, backup)

    leases = {credential: new_id() for credential in (kept, changed, new)}
    await secrets.ask(leases[kept], (kept, 1))
    await secrets.ask(leases[changed], (changed, 2))
    await secrets.ask(leases[new], (new, 1))

    granted = await secrets.fact(LeaseObservedV1, leases[kept], "granted")
    assert {kept: "first"} == secrets.values(granted)
    for credential in (changed, new):
        await secrets.fact(CredentialObservedV1, credential, "lost")
        await secrets.set(credential, "again", generation=3)
        granted = await secrets.fact(LeaseObservedV1, leases[credential], "granted")
        assert {credential: "again"} == secrets.values(granted)
    await stop_all([secrets.service])


def stored_at(secrets, credential, generation):
    facts = secrets.bus.received(CredentialObservedV1)
    return [
        fact
        for fact in facts
        if (fact.id, fact.generation, fact.status) == (credential, generation, "stored")
    ]


async def test_a_store_that_is_ahead_of_the_wish_makes_the_declarer_jump_past_it(
    database, tmp_path
):
    """The databases of the API and of this service are older copies, the store is not."""
    secrets = Secrets(database, tmp_path)
    await secrets.service.start()
    credential, lease = new_id(), new_id()
    await secrets.store.put(credential, StoredValue(7, "of another time", "wrong"))

    await secrets.set(credential, "right", generation=4)
    ahead = await secrets.fact(CredentialObservedV1, credential, "pending")
    await secrets.set(credential, "right", generation=ahead.generation + 1)
    await secrets.ask(lease, (credential, ahead.generation + 1))
    granted = await secrets.fact(LeaseObservedV1, lease, "granted")

    assert (7, "NewerValueKept") == (ahead.generation, ahead.reason)
    assert {credential: "right"} == secrets.values(granted)
    await stop_all([secrets.service])


async def test_a_store_that_is_ahead_of_a_deletion_makes_the_declarer_jump_past_it_too(
    database, tmp_path
):
    secrets = Secrets(database, tmp_path)
    await secrets.service.start()
    credential = new_id()
    await secrets.store.put(credential, StoredValue(7, "of another time", "old"))

    await secrets.remove(credential, generation=4)
    ahead = await secrets.fact(CredentialObservedV1, credential, "pending")
    await secrets.remove(credential, generation=ahead.generation + 1)
    await secrets.fact(CredentialObservedV1, credential, "absent")

    assert 7 == ahead.generation
    assert await secrets.store.get(credential) is None
    await stop_all([secrets.service])

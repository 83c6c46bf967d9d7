"""A lease is answered whole or not at all, and never with an older value than was asked for."""

from cassini.contracts.credentials import LeasedCredential, LeaseDeclaredV1
from services.secrets.leases import answer

ONE, TWO = "1" * 32, "2" * 32


def lease(*asked):
    return LeaseDeclaredV1(
        id="f" * 32,
        declarer="provisioner",
        generation=1,
        wanted="present",
        credentials=tuple(
            LeasedCredential(credential_id=each, minimum_generation=least) for each, least in asked
        ),
    )


def test_values_of_the_generation_asked_for_and_later_ones_are_given():
    reply = answer(lease((ONE, 2), (TWO, 1)), {ONE: (2, "a"), TWO: (7, "b")})

    assert reply.complete
    assert {ONE: "a", TWO: "b"} == reply.values


def test_a_value_set_before_the_generation_asked_for_counts_as_missing():
    reply = answer(lease((ONE, 3)), {ONE: (2, "old")})

    assert not reply.complete
    assert (ONE,) == reply.missing
    assert {} == reply.values


def test_what_nobody_stored_is_missing():
    assert (TWO,) == answer(lease((ONE, 1), (TWO, 1)), {ONE: (1, "a")}).missing


def test_a_lease_of_nothing_is_granted():
    assert answer(lease(), {}).complete

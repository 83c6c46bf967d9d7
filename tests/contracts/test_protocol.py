"""The rules of declared and observed, case by case, and the digest of a wish."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cassini.contracts.credentials import CredentialDeclaredV1
from cassini.contracts.images import ImageDeclaredV1, ImageObservedV1, ImageSpec, ImageStatus
from cassini.contracts.protocol import (
    FactVerdict,
    WishVerdict,
    judge_fact,
    judge_wish,
    next_sequence,
)
from cassini.contracts.resources import ServiceName, Wanted, new_id
from cassini.contracts.workloads import WorkloadDeclaredV1, WorkloadObservedV1, WorkloadStatus

ID = "a" * 32


@dataclass
class Row:
    generation: int = 5
    revision: int = 2
    wish_digest: str = "mine"
    observed_generation: int = 4
    observed_sequence: int = 100
    sequence: int = 100


def wish(generation, what="one"):
    spec = ImageSpec(builtin=what)
    return ImageDeclaredV1(
        id=ID, declarer=ServiceName.API, generation=generation, wanted=Wanted.PRESENT, spec=spec
    )


def fact(generation, sequence=200, digest="mine"):
    return ImageObservedV1(
        id=ID,
        declarer=ServiceName.API,
        generation=generation,
        sequence=sequence,
        wish_digest=digest,
        status=ImageStatus.BUILT,
    )


@pytest.mark.parametrize(
    ("known", "came", "verdict"),
    [
        (None, wish(1), WishVerdict.ACCEPT),
        (wish(1), wish(2), WishVerdict.ACCEPT),
        (wish(1), wish(9), WishVerdict.ACCEPT),
        (wish(2), wish(2), WishVerdict.REPEATED),
        (wish(2), wish(2, "two"), WishVerdict.STALE),
        (wish(2), wish(1), WishVerdict.STALE),
    ],
    ids=["first", "next", "far ahead", "same", "same number, other wish", "older"],
)
def test_an_owner_keeps_the_newest_wish(known, came, verdict):
    row = known and Row(generation=known.generation, wish_digest=known.digest())

    assert judge_wish(row, came) is verdict


@pytest.mark.parametrize(
    ("came", "verdict"),
    [
        (fact(5, 101), FactVerdict(keep=True)),
        (fact(5, 1), FactVerdict(keep=True)),
        (fact(4, 101), FactVerdict(keep=True, emit_again=True)),
        (fact(4, 100), FactVerdict(emit_again=True)),
        (fact(3, 999), FactVerdict(emit_again=True)),
        (fact(0, 999, ""), FactVerdict(emit_again=True)),
        (fact(6, 1), FactVerdict(jump=True)),
        (fact(5, 101, "another"), FactVerdict(jump=True)),
    ],
    ids=[
        "of the wish",
        "of the wish, first one",
        "of the wish before",
        "repeated",
        "long past",
        "no wish is known",
        "ahead",
        "of another wish of this number",
    ],
)
def test_a_declarer_keeps_the_newest_fact_and_jumps_past_what_it_never_wished(came, verdict):
    assert judge_fact(Row(), came) == verdict


def test_a_fact_of_an_unknown_id_is_told():
    assert judge_fact(None, fact(1)) == FactVerdict(unknown=True)


@pytest.mark.parametrize(("generation", "digest"), [(5, "mine"), (0, "")])
def test_an_object_of_a_later_revision_makes_the_declarer_jump(generation, digest):
    found = WorkloadObservedV1(
        id=ID,
        declarer=ServiceName.API,
        generation=generation,
        sequence=1,
        wish_digest=digest,
        status=WorkloadStatus.UNKNOWN,
        revision=3,
    )

    assert judge_fact(Row(), found) == FactVerdict(jump=True)


def test_one_fact_kept_before_a_first_one_is_never_generation_0():
    row = Row(observed_generation=0, observed_sequence=0)

    assert not judge_fact(row, fact(0, 1, "")).keep


@given(st.lists(st.integers(min_value=0, max_value=2**53), min_size=2))
def test_sequences_rise_whatever_the_clock_says(times):
    last, given_out = 0, []
    for now in times:
        last = next_sequence(last, now)
        given_out.append(last)

    assert given_out == sorted(set(given_out))
    assert all(number >= now for number, now in zip(given_out, times, strict=True))


def test_the_digest_tells_wishes_apart_by_everything_but_sealed_texts():
    def credential(sealed, value_id="v1"):
        return CredentialDeclaredV1(
            id=ID,
            declarer=ServiceName.API,
            generation=1,
            wanted=Wanted.PRESENT,
            value_id=value_id,
            sealed=sealed,
        )

    assert credential("x").digest() == credential("y").digest() == credential(None).digest()
    assert credential("x").digest() != credential("x", "v2").digest()
    stopped = WorkloadDeclaredV1(
        id=ID, declarer=ServiceName.API, generation=1, revision=1, wanted=Wanted.STOPPED
    )
    assert stopped.digest() == stopped.model_copy(update={"sealed": "x"}).digest()
    assert wish(1).digest() != wish(2).digest()
    assert wish(1).digest() != wish(1, "two").digest()


def test_a_digest_that_came_with_the_wish_is_believed():
    """An owner of another release, which knows other fields, says the declarer's own digest."""
    sent = wish(1).stamped()
    with_more = sent.model_dump(mode="json") | {"new_field": 1, "wish_digest": "of all fields"}

    assert sent.digest() == wish(1).digest() == sent.wish_digest
    assert ImageDeclaredV1.model_validate(with_more).digest() == "of all fields"
    assert sent.model_copy(update={"generation": 2}).stamped().digest() == wish(2).digest()


def test_a_workload_that_is_to_run_needs_a_spec():
    with pytest.raises(ValueError, match="needs a spec"):
        WorkloadDeclaredV1(
            id=ID, declarer=ServiceName.API, generation=1, revision=1, wanted=Wanted.RUNNING
        )


@pytest.mark.parametrize("wrong", ["", "a" * 31, "A" * 32, "g" * 32, "a" * 33, f"{'a' * 32}\n"])
def test_an_id_is_32_lower_case_hex_digits(wrong):
    with pytest.raises(ValueError, match="id"):
        ImageObservedV1.model_validate(fact(1).model_dump() | {"id": wrong})
    assert len({new_id() for _ in range(100)}) == 100

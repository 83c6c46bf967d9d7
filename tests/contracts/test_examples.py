"""Golden messages: what was once sent can always be read, and means the same."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

import cassini.contracts
from cassini.contracts.catalog import CATALOG
from cassini.contracts.envelope import Envelope, envelop
from cassini.contracts.resources import Declared, Hint, Observed

EXAMPLES = Path(cassini.contracts.__file__).parent / "examples"
CASES = [
    pytest.param(path.parent.name, path, id=f"{path.parent.name}/{path.stem}")
    for path in sorted(EXAMPLES.glob("*/*.json"))
]


def read(path):
    return json.loads(path.read_text())


def test_every_event_type_has_examples_and_every_example_a_type():
    assert {path.parent.name for path in EXAMPLES.glob("*/*.json")} == set(CATALOG)


@pytest.mark.parametrize(("event_type", "path"), CASES)
def test_an_example_is_read_and_written_again_without_loss(event_type, path):
    """All that stands in it is still known: a field that was renamed or dropped would be lost."""
    message = CATALOG[event_type].model.model_validate(read(path))

    assert kept(read(path), message.model_dump(mode="json")) == read(path)


def kept(example, written):
    """Return of what was written only the fields the example has: newer ones may have come."""
    if isinstance(example, dict):
        return {
            name: kept(each, written[name]) for name, each in example.items() if name in written
        }
    if isinstance(example, list) and len(example) == len(written):
        return [kept(*pair) for pair in zip(example, written, strict=True)]
    return written


@pytest.mark.parametrize(("event_type", "path"), CASES)
def test_fields_a_newer_sender_knows_are_ignored(event_type, path):
    model = CATALOG[event_type].model
    newer = read(path) | {"field_of_the_next_release": {"a": 1}}

    assert model.model_validate(newer) == model.model_validate(read(path))


@pytest.mark.parametrize(("event_type", "path"), CASES)
def test_a_message_goes_through_its_envelope(event_type, path):
    message = CATALOG[event_type].model.model_validate(read(path))
    writer = next(iter(CATALOG[event_type].writers))
    envelope = envelop(
        message, event_id="e" * 32, source=writer, time=datetime(2026, 1, 1, tzinfo=UTC)
    )
    arrived = Envelope.model_validate_json(envelope.model_dump_json())

    assert (arrived.type, arrived.subject) == (event_type, message.id)
    assert arrived.specversion == "1.0"
    assert arrived.message() == message


@pytest.mark.parametrize(("event_type", "path"), CASES)
def test_the_digest_in_a_golden_wish_is_what_its_release_computed(event_type, path):
    message = CATALOG[event_type].model.model_validate(read(path))
    if isinstance(message, Declared):
        assert message.digest() == read(path)["wish_digest"] != ""


@pytest.mark.parametrize(("event_type", "event"), CATALOG.items(), ids=str)
def test_some_example_shows_every_required_field(event_type, event):
    """A field that became required would break messages under way: no example would lack it."""
    required = set(event.model.model_json_schema().get("required", ()))
    for path in (EXAMPLES / event_type).glob("*.json"):
        assert required <= read(path).keys()
        for name in required:
            without = {key: value for key, value in read(path).items() if key != name}
            with pytest.raises(ValidationError, match=name):
                event.model.model_validate(without)


def test_every_event_is_a_wish_a_fact_or_a_hint_of_its_noun_and_told_by_its_owner():
    for name, event in CATALOG.items():
        noun, verb, version = name.split(".")
        assert (noun, version) == (event.noun, "v1")
        base = {"declared": Declared, "observed": Observed, "changed": Hint}[verb]
        assert issubclass(event.model, base)
        if base is Declared:
            assert event.readers == {event.owner}
        else:
            assert event.writers == {event.owner}
        assert (base is Hint) == bool(event.listeners)
        assert not (event.readers and event.listeners)

"""What a lease is answered with. Pure: wish and found values in, values or what is missing out."""

from collections.abc import Mapping
from dataclasses import dataclass

from cassini.contracts.credentials import LeaseDeclaredV1


@dataclass(frozen=True)
class Answer:
    """The values by credential id, complete only when nothing is missing."""

    values: Mapping[str, str]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the lease can be granted."""
        return not self.missing


def answer(wish: LeaseDeclaredV1, found: Mapping[str, tuple[int, str]]) -> Answer:
    """Compare what a lease asks for with what is stored.

    ``found`` maps credential ids to (generation, value). A value of an earlier generation than
    asked for counts as missing: whoever set a value and then started never gets the old one.
    """
    values, missing = {}, []
    for asked in wish.credentials:
        generation, value = found.get(asked.credential_id, (-1, ""))
        if generation >= asked.minimum_generation:
            values[asked.credential_id] = value
        else:
            missing.append(asked.credential_id)
    return Answer(values, tuple(missing))

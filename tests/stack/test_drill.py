"""The drill in short: the faults that heal quickly, on a stack with all that is real."""

import pytest

from tests.stack.drill import drill, table
from tests.stack.faults import faults

pytestmark = [
    pytest.mark.docker,
    pytest.mark.rabbitmq,
    pytest.mark.postgres,
    pytest.mark.xdist_group("stack"),
    pytest.mark.timeout(1200),
]

_CHOSEN = ("no fault", "kill -9 provisioner", "delete containers", "repeat and reorder messages")


def test_every_accepted_request_has_one_effect_whatever_breaks(stack):
    every = faults(short=True)
    outcomes, wrong = drill(
        stack, {name: every[name] for name in _CHOSEN}, people=2, each=2, pause=1.0, seed=1
    )
    print(table(outcomes))

    assert [each for each in outcomes if each.wrong] == []
    assert wrong == []

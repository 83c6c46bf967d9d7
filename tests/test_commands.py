"""What the Makefile starts of the tests' own programs can be loaded: no other test does."""

from importlib import import_module

import pytest

PROGRAMS = ("bench.__main__", "bench.containers.__main__", "bench.events", "stack.__main__")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_can_be_loaded(program):
    assert import_module(f"tests.{program}").main

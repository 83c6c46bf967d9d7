"""What is concluded from the engine's events."""

from tests.stack.recorder import Life, overlaps, repetitions


def life(name, revision, start, end=None, *, attempt=1, starts=()):
    return Life(name, "server", revision, attempt, [start, *starts], end)


def test_containers_one_after_the_other_are_right():
    lives = [life("a", 1, 1.0, 2.0), life("b", 2, 2.0, 3.0), life("c", 3, 4.0)]

    assert overlaps(lives) == []
    assert repetitions(lives, set()) == []


def test_two_containers_at_the_same_moment_are_found():
    assert overlaps([life("b", 2, 1.5, 3.0), life("a", 1, 1.0, 2.0)]) == [
        "server-1-1 and server-2-1 ran at the same moment"
    ]


def test_a_container_that_runs_on_beside_all_later_ones_is_found_each_time():
    lives = [life("a", 1, 1.0), life("b", 2, 2.0, 3.0), life("c", 3, 4.0, 5.0)]

    assert len(overlaps(lives)) == 2


def test_a_container_that_was_started_twice_is_found():
    assert repetitions([life("a", 1, 1.0, 4.0, starts=[3.0])], set()) == [
        "server-1-1 was started 2 times"
    ]


def test_a_further_attempt_needs_the_end_of_the_one_before_by_a_fault():
    lives = [life("a", 1, 1.0, 2.0), life("b", 1, 3.0, attempt=2)]

    assert repetitions(lives, {"a"}) == []
    assert repetitions(lives, {"b"}) == ["server-1-2 is a further attempt that nothing explains"]


def test_a_restart_of_the_engine_explains_a_further_attempt_after_it_only():
    lives = [life("a", 1, 2.0, 3.0), life("b", 1, 6.0, attempt=2)]
    unheard = lives[1:]
    unexplained = ["server-1-2 is a further attempt that nothing explains"]

    assert repetitions(lives, (), [4.0]) == repetitions(unheard, (), [4.0]) == []
    assert repetitions(lives, (), [1.0]) == repetitions(lives, (), [7.0]) == unexplained

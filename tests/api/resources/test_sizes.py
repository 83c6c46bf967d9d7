import pytest

from cassini.runtime.errors import Invalid
from services.api.resources.sizes import GIB, Capacity, Size, Sizes


def names(cores: float, memory: int) -> list[str]:
    return [size.name for size in Sizes(Capacity(cores, memory, "local")).all]


@pytest.mark.parametrize(
    ("cores", "memory", "expected"),
    [
        (1, GIB // 2, ["micro"]),
        (0.5, GIB, ["micro"]),
        (1, GIB, ["micro"]),
        (2, 4 * GIB, ["micro", "small", "medium"]),
        (4, 16 * GIB - 1, ["micro", "small", "medium", "machine"]),
        (8, 64 * GIB, ["micro", "small", "medium", "large", "xlarge", "2xlarge"]),
    ],
)
def test_only_what_fits_is_offered_and_at_least_one(cores, memory, expected):
    assert names(cores, memory) == expected


def test_on_a_tiny_machine_the_smallest_shrinks_to_fit():
    size = Sizes(Capacity(1, GIB // 2, "local")).default

    assert (size.memory_bytes, size.memory) == (GIB // 2, "512Mi")
    assert size.display == "Micro - 1 core - 0.5 GB RAM"


def test_before_the_backend_is_seen_the_smallest_is_offered():
    assert [size.name for size in Sizes(None).all] == ["micro"]


def test_sizes_are_shown_as_saturn_shows_them():
    assert Size("large", 2, 16 * GIB).display == "Large - 2 cores - 16 GB RAM"


def test_an_unknown_size_names_the_known_ones():
    with pytest.raises(Invalid, match="micro, small, medium"):
        Sizes(Capacity(2, 4 * GIB, "local")).get("huge")


def test_a_size_that_no_longer_fits_is_still_shown_in_full():
    sizes = Sizes(Capacity(1, GIB, "local"))

    assert sizes.display("xlarge") == "Xlarge - 4 cores - 32 GB RAM"
    assert sizes.display("of another place") == "of another place"

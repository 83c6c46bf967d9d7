import pytest

from cassini.runtime.errors import Invalid
from cassini.runtime.settings import SizeSettings
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


CONFIGURED = (
    SizeSettings(name="huge", cores=64, memory="1Ti"),
    SizeSettings(name="mid", cores=2, memory="3Gi", display_name="Middle", price_per_hour=0.5),
    SizeSettings(name="tiny", cores=1, memory="512Mi", description="For looking around"),
)


def test_configured_sizes_are_offered_as_they_are_set_and_no_others():
    sizes = Sizes(Capacity(2, 4 * GIB, "local"), CONFIGURED)

    assert [size.name for size in sizes.all] == ["huge", "mid", "tiny"]
    size = sizes.get("mid")
    assert (size.cores, size.memory, size.cloud, size.price_per_hour) == (2, "3Gi", "local", 0.5)
    assert size.display == "Middle - 2 cores - 3 GB RAM"
    assert sizes.get("tiny").display == "Tiny - 1 core - 0.5 GB RAM"


def test_a_configured_size_that_does_not_fit_is_shown_and_cannot_be_chosen():
    sizes = Sizes(Capacity(2, 4 * GIB, "local"), CONFIGURED)

    message = sizes.all[0].disabled_message
    assert message == "Huge is larger than this machine, which has 2 cores - 4 GB RAM in all."
    with pytest.raises(Invalid, match="Huge is larger") as raised:
        sizes.get("huge")
    assert raised.value.code == "size_disabled"
    with pytest.raises(Invalid, match=r"Choose one of: mid, tiny\."):
        sizes.get("micro")


def test_the_first_configured_size_that_fits_is_the_default():
    assert Sizes(Capacity(2, 4 * GIB, "local"), CONFIGURED).default.name == "mid"
    assert Sizes(Capacity(1, GIB, "local"), CONFIGURED).default.name == "tiny"


def test_where_nothing_configured_fits_that_is_said():
    sizes = Sizes(Capacity(1, GIB // 4, "local"), CONFIGURED)

    assert sizes.default.name == "huge"
    with pytest.raises(Invalid, match="none fits this machine"):
        sizes.get("micro")


def test_before_the_backend_is_seen_all_that_is_configured_is_offered():
    assert Sizes(None, CONFIGURED).default.name == "huge"

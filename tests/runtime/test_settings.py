import pytest

from cassini.runtime.errors import Invalid
from cassini.runtime.settings import SETTINGS_FILE, PlatformSettings, load_settings


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch, tmp_path):
    for name in ("PORT", "HOST", "BASE_URL", "LOG_LEVEL", "LOG_FORMAT", "DATABASE_URL", "SIZES"):
        monkeypatch.delenv(f"CASSINI_{name}", raising=False)
    monkeypatch.setenv("CASSINI_HOME", str(tmp_path))


def write(tmp_path, content):
    (tmp_path / SETTINGS_FILE).write_text(content)


def test_flags_go_before_the_environment_before_the_file_before_the_defaults(tmp_path, monkeypatch):
    ports = [load_settings(PlatformSettings).port]
    write(tmp_path, "port = 2")
    ports.append(load_settings(PlatformSettings).port)
    monkeypatch.setenv("CASSINI_PORT", "3")
    ports.append(load_settings(PlatformSettings).port)
    ports.append(load_settings(PlatformSettings, port=4).port)

    assert ports == [8765, 2, 3, 4]
    assert load_settings(PlatformSettings, port=None).port == 3


def test_the_home_of_a_flag_is_where_the_file_is_read(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write(other, "port = 5")

    settings = load_settings(PlatformSettings, home=other)
    assert (settings.home, settings.port) == (other, 5)


def test_a_flag_is_right_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("CASSINI_PORT", "nonsense")

    assert load_settings(PlatformSettings, port=4).port == 4
    with pytest.raises(Invalid, match="port"):
        load_settings(PlatformSettings)


@pytest.mark.parametrize(
    "content", ["port = ", "\x00", "[[[", 'port = "unclosed'], ids=["cut", "nul", "odd", "open"]
)
def test_a_corrupt_file_is_named_with_what_to_do(tmp_path, content):
    write(tmp_path, content)
    with pytest.raises(Invalid, match=r"cannot be read.*correct or remove it") as raised:
        load_settings(PlatformSettings)
    assert str(tmp_path / SETTINGS_FILE) in raised.value.message


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / SETTINGS_FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Invalid, match="cannot be read"):
        load_settings(PlatformSettings)


def test_a_misspelt_name_in_the_file_is_named(tmp_path):
    write(tmp_path, "prot = 1")
    with pytest.raises(Invalid, match="unknown names: prot"):
        load_settings(PlatformSettings)


@pytest.mark.parametrize(
    ("name", "value"), [("port", 0), ("port", 70000), ("port", "x"), ("log_level", "loud")]
)
def test_a_wrong_value_is_named_without_the_value(name, value):
    with pytest.raises(Invalid, match=f"wrong settings: {name}"):
        load_settings(PlatformSettings, **{name: value})


def test_an_address_that_holds_a_password_is_not_in_the_message():
    with pytest.raises(Invalid) as raised:
        load_settings(PlatformSettings, database_url=["postgresql+asyncpg://u:hunter2@host/db"])
    assert "hunter2" not in str(raised.value)


def test_the_url_people_use_has_no_slash_at_its_end():
    assert load_settings(PlatformSettings, port=4).url == "http://localhost:4"
    assert load_settings(PlatformSettings, base_url="https://c.example/").url == "https://c.example"


SIZES = """
[[sizes]]
name = "small"
cores = 1
memory = "4Gi"

[[sizes]]
name = "large"
cores = 8
memory = "64Gi"
price_per_hour = 0.8
"""


def test_sizes_are_tables_in_the_file_and_json_in_the_environment(tmp_path, monkeypatch):
    write(tmp_path, SIZES)
    small, large = load_settings(PlatformSettings).sizes
    assert (small.name, small.cores, small.memory, small.price_per_hour) == (
        "small",
        1,
        "4Gi",
        None,
    )
    assert (large.name, large.price_per_hour) == ("large", 0.8)

    monkeypatch.setenv("CASSINI_SIZES", '[{"name": "other", "cores": 2, "memory": "512Mi"}]')
    assert [size.name for size in load_settings(PlatformSettings).sizes] == ["other"]
    (tmp_path / SETTINGS_FILE).unlink()
    assert [size.name for size in load_settings(PlatformSettings).sizes] == ["other"]


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ('name = "a"\ncores = 1', r"sizes\.0\.memory: Field required"),
        ('name = "a"\ncores = 1\nmemory = "4 GB"', r"sizes\.0\.memory: .*Gi"),
        ('name = "a"\ncores = 1\nmemory = "0Gi"', r"sizes\.0\.memory"),
        ('name = "a"\ncores = 0\nmemory = "4Gi"', r"sizes\.0\.cores: .*greater"),
        ('name = "a"\ncores = 1.5\nmemory = "4Gi"', r"sizes\.0\.cores"),
        ('name = "a b"\ncores = 1\nmemory = "4Gi"', r"sizes\.0\.name"),
        ('name = "a"\ncores = 1\nmemory = "4Gi"\nprice = 1', r"sizes\.0\.price: Extra"),
        ('name = "a"\ncores = 1\nmemory = "4Gi"\nprice_per_hour = nan', r"price_per_hour"),
        ('name = "a"\ncores = 1\nmemory = "4Gi"\nprice_per_hour = -1', r"price_per_hour"),
    ],
)
def test_a_wrong_size_is_named(tmp_path, size, said):
    write(tmp_path, f"[[sizes]]\n{size}")
    with pytest.raises(Invalid, match=f"wrong settings: .*{said}"):
        load_settings(PlatformSettings)


def test_a_size_that_is_there_twice_is_named(tmp_path):
    write(tmp_path, SIZES.replace("large", "small"))
    with pytest.raises(Invalid, match="small is there more than once"):
        load_settings(PlatformSettings)


def test_sizes_in_the_environment_that_are_no_json_are_told(monkeypatch):
    monkeypatch.setenv("CASSINI_SIZES", "small")
    with pytest.raises(Invalid, match=r"sizes: .*not JSON"):
        load_settings(PlatformSettings)

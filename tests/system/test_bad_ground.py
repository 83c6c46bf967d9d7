"""Starts that cannot work say why and what to do on standard error, and end with a failure."""

import os
import re
import socket
import subprocess

import pytest

from tests.conftest import missing
from tests.system.platform import Home, Platform, free_port, run_cassini

FULL_BYTES = 64 * 1024


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with hardly any room."""
    if os.geteuid() != 0:
        missing("mount", "a small file system can only be mounted by root")
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            missing("mount", f"mounts are not allowed here: {made.stderr.strip()}")
        return folder

    yield mount
    Home(folder).kill_all()
    subprocess.run(["umount", folder], check=False, capture_output=True)


def fails(home, *flags, **environment):
    """Run ``cassini up``, which must fail in a way a person can read; returns what it says."""
    ended = run_cassini(home, "up", *flags, **environment)
    assert ended.returncode not in (0, None), ended
    assert "Traceback" not in ended.stdout + ended.stderr
    assert "" == ended.stdout
    said = [line for line in ended.stderr.splitlines() if line.startswith("cassini: ")]
    assert 1 == len(said), ended.stderr
    return said[0]


@pytest.mark.parametrize("by", ["flag", "environment"])
def test_a_taken_port(home, by):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = fails(home, "--port", port) if by == "flag" else fails(home, CASSINI_PORT=port)
    assert f"port {port}" in said
    assert "CASSINI_PORT" in said


@pytest.mark.parametrize("port", ["0", "70000", "many"])
def test_a_port_that_is_none(home, port):
    said = fails(home, CASSINI_PORT=port)
    assert "port" in said


def test_an_address_that_is_not_this_machines(home):
    assert "192.0.2.1" in fails(home, "--host", "192.0.2.1", "--port", str(free_port()))


def test_a_second_copy_on_the_same_data(home, tmp_path):
    first = Platform(home, tmp_path)
    first.says("built-in image")
    said = fails(home, "--port", str(free_port()))
    assert str(home.path) in said
    assert f"process {first.process.pid}" in said
    assert first.process.poll() is None
    assert 0 == first.end(seconds=15)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("port = = 1", "cannot be read"),
        ("port = 'many'", "port"),
        ("prot = 8000", "prot"),
        ("\xff\xfe", "cannot be read"),
        ("log_level = 'loud'", "log_level"),
    ],
)
def test_a_corrupt_settings_file(home, content, said):
    (home.path / "cassini.toml").write_bytes(content.encode("latin-1"))
    shown = fails(home)
    assert said in shown
    if said == "cannot be read":
        assert str(home.path / "cassini.toml") in shown


def test_a_file_in_place_of_the_data_directory(tmp_path):
    (tmp_path / "data").write_text("a file")
    assert str(tmp_path / "data") in fails(Home(tmp_path / "data"))
    assert str(tmp_path / "data") in fails(Home(tmp_path / "data" / "deeper"))
    assert "a file" == (tmp_path / "data").read_text()


def test_a_data_directory_that_cannot_be_written(small_disk):
    folder = small_disk("ro")
    assert "cannot be written" in fails(Home(folder / "data"))


@pytest.mark.parametrize("room", [0, 16, 200])
def test_a_full_disk(small_disk, room):
    """No room at all, room for the directories, room for some of the databases (in KiB)."""
    folder = small_disk("size=300k")
    with (folder / "filler").open("wb") as filler:
        filler.write(b"\0" * (300 - room) * 1024)
    said = fails(Home(folder / "data"), "--port", str(free_port()))
    assert "disk" in said
    assert "full" in said


def test_a_disk_that_is_full_during_the_first_build(small_disk, tmp_path):
    home = Home(small_disk("size=20m"))
    platform = Platform(home, tmp_path)
    platform.says("isk is full", seconds=90)
    assert 0 == platform.end(seconds=15)
    assert "Traceback" not in platform.err.read_text()


def test_a_database_that_is_none(home):
    databases = home.path / "databases"
    databases.mkdir()
    (databases / "api.db").write_bytes(b"not a database, but long enough to look like one" * 100)
    said = fails(home, "--port", str(free_port()))
    assert f"a database in {databases} is damaged" in said
    ended = run_cassini(home, "admin", "token")
    assert 2 == ended.returncode
    assert "is damaged" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_admin_commands_name_a_missing_platform(home):
    ended = run_cassini(home, "admin", "token")
    assert 2 == ended.returncode
    assert "" == ended.stdout
    assert re.search(r"no platform in .*--home or CASSINI_HOME", ended.stderr)


def test_the_data_directory_may_have_a_blank_in_its_name(tmp_path):
    home = Home(tmp_path / "my data")
    platform = Platform(home, tmp_path)
    try:
        platform.says("built-in image")
        assert 0 == platform.end(seconds=15)
    finally:
        home.clear()
        home.path.rmdir()

"""Folders: each has its mode and owner in the end, also where a crash came between."""

import os
import stat

import pytest

from services.provisioner.backends.local.places import Places, make_folder
from services.provisioner.plan import PodName

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")


def seen(folder):
    found = folder.stat()
    return stat.S_IMODE(found.st_mode), found.st_uid


def test_a_folder_that_a_crash_left_closed_is_opened(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    make_folder(folder, 0o711)
    assert seen(folder) == (0o711, os.geteuid())


@as_root
def test_a_folder_that_a_crash_left_without_its_owner_gets_it(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    make_folder(folder, 0o700, (64_001, 64_001))
    assert seen(folder) == (0o700, 64_001)


@as_root
def test_what_an_owner_did_with_a_folder_stays(tmp_path):
    folder = tmp_path / "folder"
    make_folder(folder, 0o700, (64_001, 64_001))
    folder.chmod(0o755)
    make_folder(folder, 0o700, (64_001, 64_001))
    assert seen(folder) == (0o755, 64_001)


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path):
    other, link = tmp_path / "other", tmp_path / "link"
    other.mkdir(mode=0o700)
    link.symlink_to(other)
    make_folder(link, 0o711)
    assert seen(other) == (0o700, os.geteuid())


def test_what_an_interrupted_removal_left_is_erased_at_the_next_start(tmp_path):
    places = Places(tmp_path, lambda: 1_800_000_000.0)
    places.prepare()
    name = PodName("a" * 32, 1, 0, 1)
    kept = PodName("b" * 32, 1, 0, 1)
    for each in (name, kept):
        places.make_attempt(each, None)
    places.attempt(name).rename(places.trash / "removed-attempt")
    (places.workloads / ("c" * 32)).mkdir()
    Places(tmp_path, lambda: 1_800_000_000.0).prepare()
    assert [places.workloads / kept.workload_id] == list(places.workloads.iterdir())
    assert [] == list(places.trash.iterdir())
    assert places.home(name.workload_id).exists()
    assert places.overlay(kept).exists()

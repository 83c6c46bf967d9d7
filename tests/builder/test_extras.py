import pytest
from pydantic import ValidationError

from cassini.contracts.images import ImageSpec
from services.builder.extras import (
    MAX_APT_NAMES,
    MAX_FILE_CHARACTERS,
    conda_python,
    find_extras_problem,
    is_reference,
)


@pytest.mark.parametrize("name", ["git", "g++", "libstdc++6", "python3.11-venv", "0ad", "r-base"])
def test_names_of_debian_packages_are_taken(name):
    assert find_extras_problem(ImageSpec(apt=(name,))) is None


@pytest.mark.parametrize(
    "name",
    [
        *("", "a", "Git", "git;id", "git id", "git\nRUN id", "-y", "git=1.0", "git/sid", "git-"),
        *("$(id)", "./x.deb", "git`id`", "gi*", "ü-package", "a" * 129),
    ],
)
def test_anything_else_is_no_name_of_one(name):
    problem = find_extras_problem(ImageSpec(apt=("git", name)))
    assert problem is not None
    assert problem.startswith("Debian package 2 ")


@pytest.mark.parametrize(
    "reference",
    [
        "python:3.11-slim",
        "ubuntu",
        "nvidia/cuda:12.4.1-runtime-ubuntu22.04",
        "registry.example.com:5000/team/base_image@sha256:" + "a" * 64,
        "localhost:5000/x:1",
        "r/x:1@sha256:" + "a" * 64,
    ],
)
def test_references_of_container_images_are_taken(reference):
    assert is_reference(reference)


@pytest.mark.parametrize(
    "reference",
    [
        *("", "Python:3", "a b", "a\\nRUN id", "a AS b", "--platform=x", "a:", "a@sha256:12", "/a"),
        *("a//b", "https://example.com/a", "$BASE", "a:" + "b" * 129, "a/" * 300 + "a"),
    ],
)
def test_anything_else_is_no_reference(reference):
    assert not is_reference(reference)
    assert find_extras_problem(ImageSpec(base_image=reference or "?")) is not None


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        (ImageSpec(apt=("git",) * (MAX_APT_NAMES + 1)), "more than 300"),
        (ImageSpec(post_build="x" * (MAX_FILE_CHARACTERS + 1)), "longer"),
        (ImageSpec(environment_yml="x" * (MAX_FILE_CHARACTERS + 1)), "longer"),
        (ImageSpec(post_build="a\0b"), "not text"),
        (ImageSpec(post_build="\ud800"), "not text"),
        (ImageSpec(environment_yml="dependencies:\n  - pip:\n    - six\n"), "pip:"),
    ],
)
def test_what_is_too_long_or_no_text_is_refused(spec, word):
    assert word in find_extras_problem(spec)


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("- python=3.12", "3.12"),
        ("  - python==3.10.4", "3.10"),
        ("- 'python=3.9'", "3.9"),
        ("- python", None),
        ("- python>=3.9", None),
        ("- ipython=3.1", None),
    ],
)
def test_a_pinned_python_is_found(line, version):
    assert version == conda_python(f"dependencies:\n{line}\n")


@pytest.mark.parametrize("extra", [{"apt": ("git",)}, {"base_image": "a"}, {"post_build": "true"}])
def test_a_built_in_image_is_nothing_else(extra):
    assert ImageSpec(**extra).extras == tuple(extra)
    with pytest.raises(ValidationError):
        ImageSpec(builtin="cassini-python", **extra)
    with pytest.raises(ValidationError):
        ImageSpec()

import subprocess

import pytest

from services.builder.dockerfile import ENVIRONMENT, Conda, dockerfile, install_script
from services.builder.recipe import Recipe

CONDA = Conda("https://conda.example.com/main", "mambaorg/micromamba:2.0")
EVERYTHING = Recipe(
    lock="six==1.17.0 --hash=sha256:aaa\n",
    python="cpython-3.11",
    platform="x86_64-manylinux_2_36",
    base="python@sha256:" + "0" * 64,
    apt=("git", "g++"),
    environment_yml="dependencies:\n- r-base\n",
    post_build="touch made; echo planted-script\n",
)


def text(recipe=EVERYTHING, *, buildkit=True):
    return dockerfile(
        recipe, "cassini/x:base-1", buildkit=buildkit, cache="c", stage="s=1", conda=CONDA
    )


def test_the_steps_come_in_the_order_apt_user_packages_script():
    marks = [
        "FROM cassini/x:base-1",
        "git g++",
        "useradd",
        "USER jovyan",
        "install.sh",
        "post_build",
    ]
    places = [text().index(mark) for mark in marks]
    assert sorted(places) == places


@pytest.mark.parametrize("buildkit", [True, False])
def test_nothing_that_users_write_freely_stands_in_the_text(buildkit):
    written = text(buildkit=buildkit)
    assert "planted-script" not in written
    assert "r-base" not in written
    assert "six" not in written


def test_buildkit_mounts_what_must_not_stay():
    lines = text().splitlines()
    assert not [line for line in lines if line.startswith(("COPY", "ADD", "ARG"))]
    assert "--mount=type=secret,id=variables" in text()
    assert f"from={CONDA.image},source=/bin/micromamba" in text()


def test_the_classic_builder_copies_secrets_into_another_stage_only():
    *_, packages, final = text(buildkit=False).split("\nFROM ")
    assert "secrets" in packages
    assert "LABEL s=1" in packages
    assert "secrets" not in final
    assert "--mount" not in text(buildkit=False)


def test_an_image_has_no_entry_point_and_its_environment_first_on_the_path():
    assert "ENTRYPOINT []" in text()
    assert f"PATH={ENVIRONMENT}/bin:$PATH" in text()


def test_without_debian_packages_sudo_may_be_missing_but_with_them_a_failure_counts():
    without = text(Recipe("", "cpython-3.11", "x"))
    assert "the image does without" in without
    assert "the image does without" not in text()


@pytest.mark.parametrize(
    ("file", "python"),
    [("dependencies:\n- r-base\n", "3.11"), ("dependencies:\n  - python=3.12\n", "3.12")],
)
def test_conda_makes_the_environment_with_the_pinned_python_or_the_bases(file, python):
    recipe = Recipe("six==1\n", "cpython-3.11", "x", environment_yml=file)
    script = install_script(recipe, conda=CONDA)
    assert f"--override-channels --channel {CONDA.channel} python={python}" in script
    assert " venv " not in script
    assert script.index("micromamba create") < script.index("pip install")


def test_an_image_without_packages_is_an_empty_environment():
    script = install_script(Recipe("", "cpython-3.11", "x"), conda=None)
    assert " venv " in script
    assert "pip install" not in script


def test_the_script_is_one_that_sh_can_read():
    for recipe in (EVERYTHING, Recipe("", "cpython-3.11", "x")):
        script = install_script(recipe, conda=CONDA)
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)

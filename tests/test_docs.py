"""The pages say what is: generated ones equal the code, and what they name exists."""

import re
from pathlib import Path

import pytest
import typer

from services.cli import app
from services.reference import events_page, openapi_file, settings_page

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if path.name != "CHANGELOG.md"
)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_MAKE = re.compile(r"(?<![\w-])make ([a-z][a-z-]*)")
_TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
_PATH = re.compile(r"(?:cassini|services|tests|docs|\.ci)/[\w.,{}/-]*[\w}/]")


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("docs/events.md", events_page),
        ("docs/settings.md", settings_page),
        ("services/api/openapi.json", openapi_file),
    ],
)
def test_what_is_generated_is_current(path, written):
    assert (ROOT / path).exists(), "run `make docs`"
    assert written() == (ROOT / path).read_text(), "run `make docs`"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page):
    for link in _LINK.findall((ROOT / page).read_text()):
        target = link.partition("#")[0]
        if target and "://" not in target:
            assert ((ROOT / page).parent / target).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_every_make_command_is_a_target(page):
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text()))
    text = (ROOT / page).read_text()
    code = "\n".join([*_CODE.findall(text), *re.findall(r"```.*?```", text, re.DOTALL)])
    assert set() == set(_MAKE.findall(code)) - targets


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_every_path_in_the_text_is_there(page):
    """Names with a placeholder, like ``kinds/<kind>.py``, are not looked at."""
    named = {
        word
        for code in _CODE.findall((ROOT / page).read_text())
        for word in code.split()
        if _PATH.fullmatch(word)
    }
    assert named
    assert [] == [path for path in sorted(named) if not (ROOT / path).exists()]


def test_the_runtimes_table_names_every_file_of_it():
    text = (ROOT / "docs/architecture.md").read_text()
    table = text.partition("## The runtime")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_]+)(?:\.py|/)`", table))
    there = {
        path.stem
        for path in (ROOT / "cassini/runtime").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert there - {"__init__"} == named


def test_the_makefile_lists_every_target():
    """Plain ``make`` prints the lines that have a word about their target."""
    text = (ROOT / "Makefile").read_text()
    listed = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert set(_TARGET.findall(text)) == listed
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert listed == set(phony.split())


def commands_of(command, words=()):
    """Return every command of a program, groups too, as the words that call it."""
    found = {" ".join(words)}
    for name, part in getattr(command, "commands", {}).items():
        found |= commands_of(part, (*words, name))
    return found


def test_every_cassini_command_in_the_pages_is_one():
    known = commands_of(typer.main.get_command(app))
    text = "\n".join((ROOT / page).read_text() for page in PAGES)
    said = set(re.findall(r"(?:`|bin/)cassini (up|admin(?: (?:user )?[a-z][a-z-]*)?)", text))
    assert said
    assert set() == said - known

import re
import time

import pytest

from services.builder.builtin import builtin_names, read_builtin
from services.builder.recipe import (
    MAX_CHARACTERS,
    MAX_LINE_CHARACTERS,
    MAX_LINES,
    Recipe,
    digest_of,
    find_problem,
    requirement_lines,
)

LOCK = """six==1.17.0 \\
    --hash=sha256:bbb \\
    --hash=sha256:aaa
attrs==26.1.0 ; python_version > "3" \\
    --hash=sha256:ccc
"""


def test_the_digest_of_a_recipe_is_a_fixed_sha256():
    expected = "60bc37e6ced6618f06cccdcd4f440f4131942977a0476cb95a5a916148d705aa"
    assert expected == digest_of(LOCK, "cpython-3.11", "linux-x86_64")


def test_comments_spacing_and_order_do_not_change_the_digest():
    same = """# made by hand
attrs==26.1.0   ; python_version > "3"   --hash=sha256:ccc

six==1.17.0 --hash=sha256:aaa --hash=sha256:bbb  # tiny
"""
    assert digest_of(LOCK, "p", "l") == digest_of(same, "p", "l")


@pytest.mark.parametrize(
    ("lock", "python", "platform"),
    [
        (LOCK.replace("1.17.0", "1.16.0"), "cpython-3.11", "linux-x86_64"),
        (LOCK.replace("sha256:aaa", "sha256:ddd"), "cpython-3.11", "linux-x86_64"),
        (LOCK, "cpython-3.12", "linux-x86_64"),
        (LOCK, "cpython-3.11", "linux-aarch64"),
        ("", "cpython-3.11", "linux-x86_64"),
    ],
)
def test_every_part_of_a_recipe_changes_the_digest(lock, python, platform):
    base = Recipe(LOCK, "cpython-3.11", "linux-x86_64")
    assert base.digest != Recipe(lock, python, platform).digest


@pytest.mark.parametrize(
    "line",
    [
        "pandas",
        "pandas==2.3.*",
        "pandas>=2,<3",
        "pandas (>=2)",
        "pandas[excel, xml] ~= 2.3  # a comment",
        "zope.interface!=5.0",
        'tomli>=2 ; python_version < "3.11" and sys_platform == "linux"',
        "six @ https://example.org/six-1.17.0-py2.py3-none-any.whl",
        "six @ https://example.org/six-1.17.0.tar.gz",
        "six@git+https://example.org/six.git@main#egg=six",
        "torch==2.13.0+cpu",
        "a",
    ],
)
def test_ordinary_requirements_are_allowed(line):
    assert find_problem(line) is None


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("-r /etc/passwd", "option"),
        ("-e .", "option"),
        ("--index-url https://example.org", "option"),
        ("--extra-index-url=https://example.org", "option"),
        ("six --hash=sha256:abc", "option"),
        ("six\t--config-settings=x=y", "option"),
        ("six @ https://example.org/${UV_INDEX_PASSWORD}", "variable"),
        ("six==1.0 \\", "next line"),
        ("./six", "path"),
        ("../six", "path"),
        ("/srv/six", "path"),
        ("~/six", "path"),
        ("folder/six", "path"),
        ("C:\\six", "path"),
        ("six-1.17.0-py3-none-any.whl", "path"),
        ("six-1.17.0.tar.gz", "path"),
        ("file:///srv/six", "path"),
        ("https://example.org/six.whl", "without a name"),
        ("six @ file:///srv/six", "https://"),
        ("six @ /srv/six", "https://"),
        ("six @ http://example.org/six.whl", "https://"),
        ("six @ git+ssh://example.org/six", "https://"),
        ("six @ git+file:///srv/six", "https://"),
        ("six @ https://[bad/six.whl", "cannot be read"),
        ("six @ https://me:planted-password@example.org/six.whl", "password"),
        ("six pandas", "not a requirement"),
        ("six; import os\x00", "printed"),
        ("=1.0", "not a requirement"),
        ("é", "not a requirement"),
        ("a" * (MAX_LINE_CHARACTERS + 1), "longer"),
    ],
)
def test_what_reads_files_or_changes_the_index_is_refused_with_its_line(line, word):
    problem = find_problem(f"pandas\n\n{line}\n")
    assert problem is not None
    assert problem.startswith("Line 3 of the requirements ")
    assert word in problem
    assert "planted-password" not in problem


@pytest.mark.parametrize(
    ("requirements", "word"),
    [
        ("", "empty"),
        ("# nothing\n\n", "empty"),
        ("six\n" * (MAX_LINES + 1), "more than"),
        ("s" * (MAX_CHARACTERS + 1), "longer"),
    ],
)
def test_the_size_of_requirements_is_bounded(requirements, word):
    problem = find_problem(requirements)
    assert problem is not None
    assert word in problem


@pytest.mark.parametrize("filling", [" ", "a", "[", "a.", "\t", "=", ","])
def test_hostile_lines_are_checked_quickly(filling):
    lines = "\n".join(f"a{filling * 900}\x00" for _ in range(60))
    began = time.perf_counter()
    find_problem(lines)
    find_problem("a" + filling * (MAX_CHARACTERS - 10))
    assert time.perf_counter() - began < 1


def test_lines_come_without_comments_and_however_they_were_ended():
    text = "# top\r\nsix  ==  1.17.0  # why\n\n pandas\x0battrs\u2028click"
    assert requirement_lines(text) == ("six == 1.17.0", "pandas", "attrs", "click")


@pytest.mark.parametrize("name", builtin_names())
def test_a_built_in_lock_is_hashed_and_names_no_place(name):
    lock = read_builtin(name) or ""
    packages = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", lock, re.MULTILINE | re.DOTALL)
    assert packages
    assert [package for package in packages if "--hash=sha256:" not in package] == []
    assert None is re.search(r"://|file:|^--|/[a-z]+/", lock, re.MULTILINE)


def test_an_unknown_built_in_image_has_no_lock():
    assert read_builtin("../cassini-python") is None

"""Pure modules stay pure: the words and the decisions touch no file, clock, network or chance.

import-linter cannot say "nothing but", so the imports are read from the source. What a pure module
imports of ours is pure too: each list below names its files' whole world.
"""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRACTS = "cassini.contracts"
OUTSIDE = {
    *("asyncio", "concurrent", "fcntl", "glob", "http", "io", "logging", "multiprocessing", "os"),
    *("pathlib", "platform", "random", "secrets", "select", "selectors", "shutil", "signal"),
    *("socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time"),
    "urllib.request",
}
IMPURE_CALLS = frozenset({"now", "utcnow", "today", "open", "print", "input", "exec", "eval"})

PLANS = (
    "services/provisioner/plan.py",
    "services/provisioner/shell.py",
    "services/provisioner/startup.py",
    "services/provisioner/kinds/*.py",
)
DECISIONS = (
    "services/provisioner/decide.py",
    "services/provisioner/observed.py",
    "services/provisioner/ranks.py",
    "services/provisioner/state.py",
)
RECIPES = tuple(
    f"services/api/resources/{name}.py" for name in ("offers", "recipe_dialects", "unknown_fields")
)
PURE = {
    ("cassini/contracts/*.py",): {CONTRACTS, "pydantic"},
    PLANS: {
        CONTRACTS,
        "services.provisioner.kinds",
        "services.provisioner.plan",
        "services.provisioner.shell",
        "services.provisioner.startup",
    },
    DECISIONS: {
        CONTRACTS,
        "services.provisioner.backends.base",
        "services.provisioner.observed",
        "services.provisioner.plan",
        "services.provisioner.ranks",
        "services.provisioner.state",
    },
    RECIPES: {"cassini.runtime.errors", "pydantic"},
    (
        "services/builder/dockerfile.py",
        "services/builder/extras.py",
        "services/builder/recipe.py",
    ): {
        CONTRACTS,
        "services.builder.extras",
        "services.builder.recipe",
    },
    ("services/secrets/leases.py",): {CONTRACTS},
}
CASES = [
    pytest.param(path, allowed, id=str(path.relative_to(ROOT)))
    for patterns, allowed in PURE.items()
    for pattern in patterns
    for path in sorted(ROOT.glob(pattern))
]


def imported(tree):
    """Return every module that is imported, ``from a import b`` as ``a``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module


def within(name, packages):
    return any(name == each or name.startswith(f"{each}.") for each in packages)


def complaints(source, allowed):
    tree = ast.parse(source)
    for name in imported(tree):
        standard = name.split(".")[0] in sys.stdlib_module_names and not within(name, OUTSIDE)
        if not standard and not within(name, allowed):
            yield f"imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
            if called in IMPURE_CALLS:
                yield f"calls {called}() in line {node.lineno}"
        if isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield f"waits in line {node.lineno}"


@pytest.mark.parametrize(("path", "allowed"), CASES)
def test_a_pure_module_imports_and_calls_only_what_is_pure(path, allowed):
    assert list(complaints(path.read_text(), allowed)) == []


@pytest.mark.parametrize("patterns", PURE)
def test_every_pure_module_exists(patterns):
    for pattern in patterns:
        assert list(ROOT.glob(pattern)), f"{pattern} names no file"


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "from time import sleep",
        "import urllib.request",
        "import sqlalchemy",
        "from cassini.runtime.clock import Clock",
        "import datetime; datetime.datetime.now()",
        "open('x')",
        "async def f(): pass",
    ],
)
def test_impurity_is_found(source):
    assert list(complaints(source, {CONTRACTS})) != []

"""The shim stands alone: its files import the standard library and each other, nothing else.

It runs without ``site``, so anything more would fail at the start of every pod; and all that it
imports it holds in memory beside every pod.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from services.provisioner.backends.local import shim

FOLDER = Path(shim.__file__).parent
FILES = sorted(FOLDER.glob("*.py"))
NEIGHBOURS = {path.stem for path in FILES}
HEAVY = {
    "asyncio",
    "enum",
    "json",
    "logging",
    "pathlib",
    "socket",
    "subprocess",
    "threading",
    "typing",
}


def foreign(source):
    """Return what is imported that is neither standard nor a neighbour."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 1:
            names = [alias.name for alias in node.names] if node.module is None else [node.module]
            modules = [f"shim.{name}" for name in names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module] if node.level == 0 else ["above the shim"]
        else:
            continue
        for module in modules:
            first, _, rest = module.partition(".")
            ours = first == "shim" and rest in NEIGHBOURS
            if not ours and first not in sys.stdlib_module_names:
                yield module


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_of_the_shim_imports_only_what_is_standard_and_its_neighbours(path):
    assert list(foreign(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import structlog",
        "from services.provisioner.plan import PodName",
        "from .. import layout",
        "from . import layout",
        "from shim.layout import x",
    ],
)
def test_what_is_foreign_is_found(source):
    assert list(foreign(source)) != []


def test_it_begins_without_site_packages_and_without_heavy_modules():
    look = (
        "import sys; sys.path.append(sys.argv[1]); import shim.begin; print(*sorted(sys.modules))"
    )
    result = subprocess.run(
        [sys._base_executable, "-I", "-S", "-E", "-c", look, str(FOLDER.parent)],
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    loaded = set(result.stdout.split())
    assert loaded & HEAVY == set()
    assert {name for name in loaded if name.startswith(("services", "cassini"))} == set()

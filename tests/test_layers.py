"""What may import what, and what an import may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import srlib

PACKAGE = Path(srlib.__file__).parent

# A module may import those that stand before it, and nothing that stands after it.
ORDER = [
    "provenance",
    "places",
    "download",
    "data",
    "metrics",
    "backbone",
    "models",
    "small",
    "devices",
    "training",
    "results",
    "speed",
    "verdicts",
    "experiments",
    "plots",
    "notebook",
    "__main__",
]


def imported_modules(name):
    tree = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "srlib":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("srlib."):
            found.add(node.module.split(".")[1])
    return found


def test_every_module_has_its_place():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert modules == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_imports_run_one_way(name):
    later = ORDER[ORDER.index(name) :]
    assert imported_modules(name).isdisjoint(later)


def test_only_the_notebook_helpers_import_plots():
    users = {name for name in ORDER if "plots" in imported_modules(name)}
    assert users == {"notebook"}


@pytest.mark.parametrize(
    "module",
    [
        "srlib",
        "srlib.data",
        "srlib.metrics",
        "srlib.plots",
        "srlib.runs.results",
        "srlib.runs.verdicts",
    ],
)
def test_import_does_not_load_tensorflow(module):
    code = (
        f"import sys, {module}; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.split() == ["False", "False"], run.stderr

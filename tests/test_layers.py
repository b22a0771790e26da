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
    "zoo",
    "sources.places",
    "sources.download",
    "sources.reading",
    "sources.photos",
    "data",
    "metrics",
    "sources.backbone",
    "models",
    "fast.rewriting",
    "fast.small",
    "training",
    "receptive",
    "runs.provenance",
    "runs.results",
    "runs.speed",
    "runs.verdicts",
    "runs.claims",
    "runs.plans",
    "runs.weights",
    "runs.runner",
    "runs.queue",
    "plots",
    "diagrams",
    "notebook",
    "__main__",
]


def imported_modules(name):
    path = PACKAGE.joinpath(*name.split(".")).with_suffix(".py")
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("srlib"):
            base = node.module.removeprefix("srlib").removeprefix(".")
            names = [f"{base}.{alias.name}".strip(".") for alias in node.names]
            found |= {base, *names} & set(ORDER)
    return found


def test_every_module_has_its_place():
    files = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    modules = {".".join(file.parts) for file in files if file.name != "__init__"}
    exercises = {name for name in modules if name.startswith("exercises")}
    assert modules - exercises == set(ORDER)


def test_the_first_floor_is_small():
    assert len(list(PACKAGE.glob("*.py"))) <= 12


@pytest.mark.parametrize("name", ORDER)
def test_imports_run_one_way(name):
    later = ORDER[ORDER.index(name) :]
    assert imported_modules(name).isdisjoint(later)


def test_only_what_cells_call_imports_plots():
    users = {name for name in ORDER if "plots" in imported_modules(name)}
    assert users == {"diagrams", "notebook"}


def test_only_what_needs_tensorflow_loads_it():
    without = ("", ".zoo", ".data", ".metrics", ".plots", ".receptive", ".diagrams",
               ".runs.results", ".runs.verdicts", ".runs.plans", ".runs.provenance",
               ".exercises", ".sources.places")  # fmt: skip
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    print(name, *{'tensorflow', 'keras'} & sys.modules.keys())"
    )
    names = [f"srlib{name}" for name in without]
    command = [sys.executable, "-c", code, *names]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stdout.splitlines() == names, run.stderr

"""Digests move when a number could have moved, and only then."""

from __future__ import annotations

import json

import pytest

from srlib.runs import provenance

SOURCE = """'''What it is.'''

import math  # for pi


def area(radius):
    '''Tell the area.

    Of a disc.
    '''
    # the formula
    print(f'''disc_

# {radius}''')  # a string, and a comment
    return math.pi * radius**2
""".replace("_", "  ")  # spaces at an end that an editor would cut
SAME_CODE = """import math
def area(radius):
    print(f'''disc_

# {radius}''')
    return math.pi * radius**2""".replace("_", "  ")


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Point provenance at a srlib of four modules, in a repository of its own."""
    package = tmp_path / "srlib"
    (package / "exercises").mkdir(parents=True)
    files = {
        "__init__.py": "VERSION = 1\n",
        "data.py": "from .metrics import psnr\n",
        "metrics.py": "psnr = 1\n",
        "plots.py": "def late():\n    import srlib.data as d\n    return d\n",
        "exercises/__init__.py": "",
        "exercises/ch03.py": "from .. import metrics\n",
    }
    for name, text in files.items():
        (package / name).write_text(text)
    monkeypatch.setattr(provenance, "PACKAGE", package)
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    return package


def write_notebook(folder, *sources, name="chapter"):
    cells = [{"cell_type": "code", "source": source.splitlines(True)} for source in sources]
    path = folder / f"{name}.ipynb"
    path.write_text(
        json.dumps({"cells": [{"cell_type": "markdown", "source": ""}, *cells]})
    )
    return path


def test_comments_docstrings_and_blank_lines_do_not_count():
    assert provenance._strip(SOURCE) == SAME_CODE


def test_a_docstring_with_more_than_ascii_is_cut_at_the_right_place():
    assert provenance._strip('def f(): "é ü"; return 3') == "def f(): ; return 3"


@pytest.mark.parametrize("prefix", ["", "f"])
def test_what_a_string_holds_counts(prefix):
    source = f'x = {prefix}"""a  \n\n# b{{1}}"""\n'
    assert provenance._strip(source) == source.rstrip("\n")


def test_a_string_that_is_a_value_is_no_docstring():
    assert provenance._strip("x = 1\n'text'\n") == "x = 1\n'text'"


def test_the_digest_is_the_same_on_every_python():
    # Made on 3.11, 3.12 and 3.13, whose tokenizers differ in f-strings.
    assert provenance._digest(provenance._strip(SOURCE)) == "614abaf1f2045c08"


def test_a_comment_leaves_the_digest(library):
    before = provenance.srlib_digest()
    with (library / "data.py").open("a") as file:
        file.write("\n\n# a comment\n")
    assert provenance.srlib_digest() == before


@pytest.mark.parametrize(
    ("modules", "changed", "moves"),
    [
        (["metrics"], "metrics", True),
        (["metrics"], "data", False),
        (["metrics"], "__init__", True),  # importing a module runs its package
        (["data"], "metrics", True),  # imported by data
        (["plots"], "metrics", True),  # by data, which a function of plots imports
        (["srlib.exercises.ch03"], "metrics", True),
        (["exercises.ch03"], "exercises/__init__", True),
        (["exercises.ch03"], "plots", False),
        (None, "plots", True),
    ],
)
def test_modules_count_with_what_they_import(library, modules, changed, moves):
    before = provenance.srlib_digest(modules)
    (library / f"{changed}.py").write_text("psnr = 2\n")
    assert (provenance.srlib_digest(modules) != before) is moves


def test_an_unknown_module_is_named_with_those_that_exist(library):
    with pytest.raises(ValueError, match=r"'dato'.*srlib\.data"):
        provenance.srlib_digest(["dato"])


@pytest.mark.parametrize(
    ("cell", "uses_plots"),
    [
        ("from srlib import data, plots", True),
        ("from srlib import data", False),
        ("import srlib.plots as p", True),
        ("from srlib.plots import late", True),
        ("from srlib.exercises import ch03", False),
        ("import srlib", True),  # then any module may be meant
        ("%matplotlib inline\n!ls\nfrom srlib import plots", True),
        ("import numpy as np", False),
    ],
)
def test_a_notebook_depends_on_the_modules_it_imports(library, tmp_path, cell, uses_plots):
    path = write_notebook(tmp_path, "x = 1", cell)
    before = provenance.notebook_digest(path)
    (library / "plots.py").write_text("colour = 2\n")
    assert (provenance.notebook_digest(path) != before) is uses_plots


def test_a_notebook_depends_on_its_own_code(library, tmp_path):
    before = provenance.notebook_digest(write_notebook(tmp_path, "x = 1"))
    assert provenance.notebook_digest(write_notebook(tmp_path, "x = 2")) != before


def test_a_notebook_depends_on_the_sample_and_the_runtime_libraries(library, tmp_path):
    path = write_notebook(tmp_path, "from srlib import data")
    (tmp_path / "data" / "sample").mkdir(parents=True)
    digests = [provenance.notebook_digest(path)]
    (tmp_path / "data" / "sample" / "SHA256SUMS").write_text("00  a.jpg\n")
    digests.append(provenance.notebook_digest(path))
    (tmp_path / "requirements.lock").write_text("numpy==2.1.3 \\\n    --hash=sha256:00\n")
    digests.append(provenance.notebook_digest(path))
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    ("module", "file"),
    [("results", "results/voc2007/a.json"), ("speed", "results/benchmark.json")],
)
def test_a_notebook_depends_on_what_was_measured_if_it_reads_it(
    library, tmp_path, module, file
):
    (library / "runs").mkdir()
    (library / "runs" / "__init__.py").write_text("")
    (library / "runs" / f"{module}.py").write_text("x = 1\n")
    reader = write_notebook(tmp_path, f"from srlib.runs import {module}", name="reader")
    other = write_notebook(tmp_path, "from srlib import data", name="other")
    before = [provenance.notebook_digest(path) for path in (reader, other)]
    measured = tmp_path / "data" / file
    measured.parent.mkdir(parents=True)
    measured.write_text("{}")
    after = [provenance.notebook_digest(path) for path in (reader, other)]
    assert after[0] != before[0]
    assert after[1] == before[1]


def test_the_lock_counts_only_what_can_change_a_number(library, tmp_path):
    lock = tmp_path / "requirements.lock"
    digests = []
    for numpy, ruff in [("2.1.3", "0.1"), ("2.1.3", "0.2"), ("2.1.4", "0.2")]:
        lock.write_text(f"numpy=={numpy} \\\n    --hash=sha256:{ruff}\nruff=={ruff} ; a\n")
        digests.append(provenance.lock_digest())
    assert digests[0] == digests[1] != digests[2]


def test_a_wheel_without_the_repository_has_no_digest_of_it(library):
    assert provenance.sample_digest() == provenance.lock_digest() == "none"


def test_the_lock_pins_every_runtime_library():
    lock = (provenance.REPOSITORY / "requirements.lock").read_text()
    assert {pin.split("==")[0] for pin in provenance._pins(lock)} == set(provenance.RUNTIME)


def test_versions_are_those_installed():
    import numpy

    assert provenance.versions()["numpy"] == numpy.__version__
    assert "not installed" not in provenance.versions().values()


def test_a_missing_library_is_said_to_be_missing():
    assert provenance._version(["no-such-library"]) == "not installed"

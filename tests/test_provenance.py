"""Digests move when a picture could have moved, and only then."""

from __future__ import annotations

import ast
import json

import pytest

from srlib.runs import provenance

MODELS = '''
from srlib import zoo
from srlib.sources import download

RATES = (1, 2)

def basic(side: int = 3):
    """A network."""
    if side < 1:
        raise ValueError(f"found {side}")
    return side

def atrous(rates=RATES):
    return Block(rates)

class Block:
    size = 1

def build(name):
    download.fetch()
    return globals()[zoo.NETWORKS[name]]()

def unused():
    return 1
'''
FILES = {
    "__init__": "",
    "zoo": 'NETWORKS = {"one": "basic", "three": "atrous"}\n',
    "models": MODELS,
    "plots": "from srlib.runs import results as r\nINK, RED = 1, 2\n"
    "def row():\n    return r.mean(INK)\ndef late():\n    import srlib.models as m\n"
    "    return m.basic()\n",
    "data": "from srlib.sources.photos import sample_folder\n",
    "sources/__init__": "",
    "sources/photos": "def sample_folder():\n    return 1\n",
    "sources/download": "def fetch():\n    return 'a mirror'\n",
    "sources/backbone": "WEIGHTS_FOLDER = 1\ndef load():\n    return WEIGHTS_FOLDER\n",
    "runs/__init__": "",
    "runs/results": "def load(x):\n    return x\ndef mean(x):\n    return x.psnr\n",
    "runs/speed": "def load():\n    return 1\n",
    "exercises/__init__": "",
    "exercises/ch03": "from srlib import models\nq1 = models.build('one')\n",
}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Point provenance at a small srlib, in a repository of its own."""
    for name, text in FILES.items():
        write(tmp_path / f"srlib/{name}.py", text)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "srlib")
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def digest(folder, *sources):
    cells = [{"cell_type": "code", "source": source.splitlines(True)} for source in sources]
    write(folder / "a.ipynb", json.dumps({"cells": [{"cell_type": "markdown"}, *cells]}))
    return provenance.notebook_digest(folder / "a.ipynb")


BUILDS = "from srlib import models\nmodels.build('one')"
NAMES_ONE = "from srlib import models\nx = models.basic"
DRAWS = "%matplotlib inline\nif 1:\n    !ls\nfrom srlib.plots import row\nrow()"
LATE = "import srlib.plots as p\np.late().x"
WHOLE = "from srlib import models\nf = getattr(models, name)"
SOLVES = "from srlib.exercises import ch03\nch03.q1.check(1)"
SYNTAX = "import srlib\nsrlib.models.basic()"


@pytest.mark.parametrize(
    ("cell", "module", "old", "new", "moves"),
    [
        (BUILDS, "models", "return side", "return -side", True),
        (BUILDS, "models", "side: int = 3", "side: int = 3, more=1", True),
        (BUILDS, "models", "RATES = (1, 2)", "RATES = (1, 3)", True),  # through the table
        (BUILDS, "models", "size = 1", "size = 2", True),
        (BUILDS, "zoo", "basic", "atrous", True),
        (BUILDS, "models", "return 1", "return 2", False),  # nothing calls it
        (BUILDS, "models", "def unused", "def new():\n    return 1\n\ndef unused", False),
        (BUILDS, "models", "A network", "The network", False),
        (BUILDS, "models", "found {side}", "got {side}", False),
        (BUILDS, "models", "side: int", "side: float", False),
        (BUILDS, "models", "return side", "# why\n    return (side)", False),
        (BUILDS, "sources/download", "a mirror", "another", False),
        (BUILDS, "plots", "INK, RED = 1", "INK, RED = 3", False),
        (NAMES_ONE, "models", "return side", "return -side", True),
        (NAMES_ONE, "models", "RATES = (1, 2)", "RATES = (1, 3)", False),
        (DRAWS, "plots", "INK, RED = 1", "INK, RED = 3", True),
        (DRAWS, "runs/results", "x.psnr", "x.ssim", True),
        (DRAWS, "models", "return side", "return -side", False),
        (LATE, "models", "return side", "return -side", True),
        (SYNTAX, "models", "return side", "return -side", True),
        (WHOLE, "models", "return 1", "return 2", True),  # any of them may be meant
        (SOLVES, "models", "return side", "return -side", False),  # nbval compares it
    ],
)
def test_a_notebook_depends_on_what_its_cells_reach(library, cell, module, old, new, moves):
    before = digest(library, "y = 1", cell)
    file = library / f"srlib/{module}.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    assert (digest(library, "y = 1", cell) != before) is moves


def test_a_notebook_depends_on_its_own_code_but_not_on_its_layout(library):
    before = digest(library, "x = [1,2]", "%matplotlib inline")
    assert digest(library, "# why\nx = [1, 2]", "%matplotlib inline") == before
    assert digest(library, "x = [1, 3]", "%matplotlib inline") != before
    assert digest(library, "x = [1,2]", "%matplotlib agg") != before


@pytest.mark.parametrize(
    ("cell", "file"),
    [
        ("from srlib import data\ndata.sample_folder()", "sample/SHA256SUMS"),
        ("from srlib.runs import speed\nspeed.load()", "results/benchmark.json"),
        ("from srlib.sources import backbone\nbackbone.load()", "weights/a.keras.sha256"),
    ],
)
def test_a_notebook_depends_on_the_files_that_it_reads(library, cell, file):
    other = "x = 1"
    before = digest(library, cell), digest(library, other)
    write(library / "data" / file, "00  a.jpg\n")
    assert digest(library, cell) != before[0]
    assert digest(library, other) == before[1]


LOADS = "from srlib.runs import results\nx = results.load({})[0].psnr"
RECORD = {"dataset": "voc", "model": "basic", "train_images": 10, "psnr": 22, "seconds": 1}


@pytest.mark.parametrize(
    ("given", "changes", "moves"),
    [
        ("'voc', train_images=10", {}, True),
        ("'voc'", {"train_images": 11}, True),
        ("name", {"dataset": "flickr"}, True),  # it may be any
        ("'voc', train_images=10", {"train_images": 11}, False),
        ("'voc', model='basic', seed=any", {"model": "atrous"}, False),
        ("'voc'", {"dataset": "flickr"}, False),
    ],
)
def test_a_notebook_depends_on_the_records_that_it_can_read(library, given, changes, moves):
    results = library / "data" / "results"
    write(results / "voc" / "a.json", json.dumps(RECORD))
    before = digest(library, LOADS.format(given))
    record = RECORD | changes
    write(results / record["dataset"] / "b.json", json.dumps(record))
    assert (digest(library, LOADS.format(given)) != before) is moves


@pytest.mark.parametrize(("field", "moves"), [("psnr", True), ("seconds", False)])
def test_of_a_record_count_the_fields_that_are_read(library, field, moves):
    file, cell = library / "data/results/voc/a.json", LOADS.format("'voc'")
    write(file, json.dumps(RECORD))
    before = digest(library, cell)
    write(file, json.dumps(RECORD | {field: 5}))
    assert (digest(library, cell) != before) is moves


def test_the_code_of_a_run_is_digested_with_all_that_it_imports(library):
    before = provenance.srlib_digest(["plots"])
    file = library / "srlib/models.py"
    file.write_text(MODELS.replace("return 1", "return 2"))
    assert provenance.srlib_digest(["plots"]) != before
    with pytest.raises(ValueError, match=r"no module srlib\.dato; there are .*srlib\.data"):
        provenance.srlib_digest(["dato"])


def test_the_digest_is_the_same_on_every_python(library):
    # Made on 3.11, 3.12 and 3.13.
    assert digest(library, DRAWS, BUILDS, 'f"""{x!r:>{y}}" {1}"""') == "5cb7ee8a4d0886b6"


def test_what_the_digest_looks_for_is_there():
    known = provenance._modules()
    assert provenance.TABLE in known
    for name in (provenance.RECORDS, *provenance.FILES):
        module, _, own = name.rpartition(".")
        assert own in known[module].definitions
    for name in provenance.NOT_FOLLOWED:
        path = provenance.REPOSITORY.joinpath(*name.split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file()


def test_a_module_does_at_its_top_only_what_the_digest_sees():
    """It defines; a loop there, or a choice between two definitions, would go unseen."""
    seen = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.Expr
    for path in provenance.PACKAGE.rglob("*.py"):
        if path.name != "__main__.py" and path.parent.name != "exercises":
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                typing_only = isinstance(node, ast.If) and "TYPE_" in ast.unparse(node.test)
                known = isinstance(node, seen | ast.Import | ast.ImportFrom)
                assert known or typing_only, f"{path}:{node.lineno}"


def test_the_lock_counts_only_what_can_change_a_number(library):
    digests = []
    for numpy, ruff in [("2.1.3", "0.1"), ("2.1.3", "0.2"), ("2.1.4", "0.2")]:
        lock = f"numpy=={numpy} \\\n    --hash=sha256:{ruff}\nruff=={ruff} ; a\n"
        write(library / "requirements.lock", lock)
        digests.append(digest(library, "x = 1"))
    assert digests[0] == digests[1] != digests[2]


def test_the_lock_pins_every_runtime_library():
    lock = (provenance.REPOSITORY / "requirements.lock").read_text()
    assert {pin.split("==")[0] for pin in provenance._pins(lock)} == set(provenance.RUNTIME)


def test_versions_are_those_installed():
    import numpy

    assert provenance.versions()["numpy"] == numpy.__version__
    assert "not installed" not in provenance.versions().values()
    assert provenance._version(["no-such-library"]) == "not installed"

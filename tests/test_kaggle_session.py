"""Chapters run on a pretend Kaggle: read-only inputs, no network, srlib from its wheel.

The environment has the libraries of this one, or those of the Python that the variable
SRLIB_KAGGLE_PYTHON names: .ci/matrix names one with Kaggle's versions. It has neither srlib
nor this clone. On a pretend Colab the course comes from a repository on this machine. What
cannot be tested here is a GPU.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from itertools import product
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from srlib import data
from tools.notebooks import chapter_rules

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[1]
SLUG = "five-models-and-a-ceiling"
KAGGLE_PYTHON = os.environ.get("SRLIB_KAGGLE_PYTHON", "")
#: What the pretend image lacks, and the course's dataset brings.
NOT_THERE = ("srlib", "efficientnet", "keras_applications")
#: Of a dataset, by its owner and name: since 2026, and before.
MOUNTS = {"new": "datasets/{owner}/{slug}", "old": "{slug}"}

STARTUP = """
import os, runpy, sys
runpy.run_path({guard!r})["cut_off"]()
assert not any(os.path.exists(os.path.join(path, "srlib")) for path in sys.path if path)

def refuse_to_write(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        path, mode, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and os.path.abspath(path).startswith({inputs!r}):
            raise PermissionError(f"{{path}} is read-only, as on Kaggle")

sys.addaudithook(refuse_to_write)
"""
EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
client = nbclient.NotebookClient(notebook, kernel_name="python3", timeout=600)
client.execute(cwd=".")
nbformat.write(notebook, sys.argv[2])
"""


class Machine(NamedTuple):
    """A pretend Kaggle: its Python, and the folder where that keeps packages."""

    python: Path
    packages: Path


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """An environment with the libraries of a Python, but without srlib."""
    root = tmp_path_factory.mktemp("machine")
    libraries = root / "libraries"
    libraries.mkdir()
    whose = KAGGLE_PYTHON or sys.executable
    where = run(whose, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    for entry in Path(where.strip()).iterdir():
        if not entry.name.lower().startswith((*NOT_THERE, "__editable__", "pip", "__pyc")):
            (libraries / entry.name).symlink_to(entry)
    run(whose, "-m", "venv", "--symlinks", root / "env")
    (packages,) = (root / "env").glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(f"{libraries}\n")
    python = root / "env" / "bin" / "python"
    run(python, "-m", "ipykernel", "install", "--sys-prefix")
    return Machine(python, packages)


def run(*command):
    """Run a command that has to succeed; return what it prints."""
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=120
    ).stdout


@pytest.fixture
def session(machine, kaggle_dist, tmp_path):
    """A fresh session. Attach datasets, then execute a notebook in it."""
    for left in brought(machine.packages):
        shutil.rmtree(left)
    return Session(machine, kaggle_dist, tmp_path / "kaggle")


@pytest.fixture
def colab(machine, kaggle_dist, tmp_path):
    """A fresh session on a pretend Colab."""
    for left in brought(machine.packages):
        shutil.rmtree(left)
    return Colab(machine, kaggle_dist, tmp_path / "colab")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a repository that holds of the course what a notebook needs."""
    folder = tmp_path_factory.mktemp("repository")
    no_caches = shutil.ignore_patterns("__pycache__")
    for part in ("srlib", "data/sample", "data/results", "data/weights"):
        shutil.copytree(ROOT / part, folder / part, ignore=no_caches)
    (folder / "tools/kaggle").mkdir(parents=True)
    shutil.copyfile(ROOT / "tools/kaggle/colab.txt", folder / "tools/kaggle/colab.txt")
    git = ("git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.org")
    run(*git, "init", "-q")
    run(*git, "add", "-A")
    run(*git, "commit", "-q", "-m", "The course")
    return folder.as_uri()


def brought(packages):
    """List what was installed from the course's dataset."""
    return [path for path in packages.iterdir() if path.name.lower().startswith(NOT_THERE)]


class Session:
    def __init__(self, machine, dist, root):
        self.machine, self.dist = machine, dist
        self.inputs, self.working = root / "input", root / "working"
        self.home = root / "home"
        startup = self.home / "ipython" / "profile_default" / "startup"
        for folder in (self.inputs, self.working, startup):
            folder.mkdir(parents=True)
        guard = str(ROOT / "tests" / "no_network.py")
        code = STARTUP.format(guard=guard, inputs=str(self.inputs))
        (startup / "00-kaggle.py").write_text(code)

    def attach(self, source, mount, owner="ada", slug=SLUG):
        folder = self.inputs / MOUNTS[mount].format(owner=owner, slug=slug)
        shutil.copytree(source, folder)

    def attach_course(self, mount):
        self.attach(self.dist / "dataset", mount)

    def attach_voc(self, mount, archive, folder):
        jpegs = folder / archive / "VOCdevkit/VOC2007/JPEGImages"
        jpegs.mkdir(parents=True)
        numbers = (5, 7, 9, 12, 16, 17, 19, 20, 21, 23)  # VOC 2007 is known by its numbers
        sample = data.list_photos(data.sample_folder() / "val")
        for number, photo in zip(numbers, sample, strict=False):
            shutil.copyfile(photo, jpegs / f"{number:06}.jpg")
        self.attach(folder, mount, owner="zaraks", slug="pascal-voc-2007")

    def execute(self, notebook):
        """Execute a file or cells; return the notebook with its outputs."""
        if not isinstance(notebook, Path):
            cells = [new_code_cell(source) for source in notebook]
            notebook = self.home / "cells.ipynb"
            nbformat.write(new_notebook(cells=cells), notebook)
        before, packages = self.state(), self.others()
        for path in self.inputs.rglob("*"):
            path.chmod(0o555)
        command = [self.machine.python, "-c", EXECUTE, notebook, self.home / "done.ipynb"]
        done = subprocess.run(
            command,
            cwd=self.working,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
        assert self.state() == before, "the inputs were changed"
        assert self.others() == packages, "something else was installed"
        if done.returncode:
            raise ChildProcessError(done.stderr)
        return nbformat.read(self.home / "done.ipynb", as_version=4)

    def state(self):
        files = (path for path in self.inputs.rglob("*") if path.is_file())
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}

    def others(self):
        packages = self.machine.packages
        others = set(packages.iterdir()) - {*brought(packages), packages / "__pycache__"}
        return {(path.name, path.stat().st_mtime_ns) for path in others}

    def environment(self):
        return {
            "PATH": f"{self.machine.python.parent}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(self.home),
            "IPYTHONDIR": str(self.home / "ipython"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "KAGGLE_KERNEL_RUN_TYPE": "Batch",
            "KAGGLE_CACHE_MOUNT_FOLDER": str(self.inputs),
            "PIP_CONFIG_FILE": os.devnull,
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }


class Colab(Session):
    """No inputs; pip's index holds the two small packages, but not srlib."""

    def environment(self):
        kept = {k: v for k, v in super().environment().items() if "KAGGLE" not in k}
        index = self.home / "index"
        index.mkdir(exist_ok=True)
        for wheel in self.dist.glob("dataset/*.whl"):
            if not wheel.name.startswith("srlib"):
                shutil.copyfile(wheel, index / wheel.name)
        return {**kept, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}


def first_line(notebook):
    """Return the one output of the first code cell."""
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    (output,) = cell.outputs
    return output.data["text/markdown"]


CHAPTER = "03-model-1-basic"
WHERE = """
import srlib
from srlib import data
from srlib.runs import results
from srlib.sources import places
print(srlib.__file__, data.sample_folder(), results.RESULTS, places.own_data(), sep="\\n")
"""


on_kaggles_versions = pytest.mark.skipif(
    not KAGGLE_PYTHON, reason=".ci/matrix runs it, with Kaggle's versions"
)


@pytest.mark.parametrize(
    ("chapter", "mount"),
    [
        ("01-data", "old"),
        # It trains, loads weights, and reads records: what the others do, too.
        pytest.param("08-loss-weights", "new", marks=on_kaggles_versions),
    ],
)
def test_a_chapter_runs_to_its_end(session, chapter, mount):
    session.attach_course(mount)
    done = session.execute(session.dist / chapter / f"{chapter}.ipynb")
    line = first_line(done)
    assert line.startswith("Photos: sample: 71 train, 24 val. srlib 0.1.0, TensorFlow ")
    assert "Add Input > Datasets > zaraks/pascal-voc-2007" in line
    codes = [cell for cell in done.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in codes if cell.source.strip())


@pytest.mark.parametrize(
    ("mount", "archive"),
    list(product(MOUNTS, ("VOCtrainval_06-Nov-2007", "voctrainval_06-nov-2007"))),
)
def test_the_first_cell_finds_everything(session, tmp_path, mount, archive):
    session.attach_course(mount)
    session.attach_voc(mount, archive, tmp_path / "voc")
    done = session.execute([chapter_rules.FIRST_CELL, WHERE])
    assert first_line(done).startswith("Photos: voc2007 (10 of its 5011 photos")
    assert "not attached" not in first_line(done)
    package, sample, records, own = done.cells[1].outputs[0].text.split()
    assert Path(package).parent == session.machine.packages / "srlib"
    assert Path(sample).is_relative_to(session.inputs)
    assert Path(records).is_relative_to(session.inputs)
    assert Path(own) == session.working / "data"


@pytest.mark.parametrize("address", ["", "file:///nowhere"])
def test_without_the_dataset_the_first_cell_names_it(session, address):
    with pytest.raises(ChildProcessError, match=f"Add Input > Datasets > {SLUG}"):
        session.execute([chapter_rules.first_cell(address)])


def test_on_colab_a_chapter_begins_with_the_course_from_its_repository(colab, address):
    chapter = nbformat.read(colab.dist / f"{CHAPTER}/{CHAPTER}.ipynb", as_version=4)
    cells = [cell.source for cell in chapter.cells if cell.cell_type == "code"]
    assert chapter_rules.without_address(cells[0]) == chapter_rules.FIRST_CELL
    cells[0] = chapter_rules.first_cell(address)
    done = colab.execute([*cells[:5], WHERE])
    line = first_line(done)
    assert line.startswith("Photos: sample: 71 train, 24 val. srlib 0.1.0, TensorFlow ")
    assert "Add Input" not in line
    package, *folders = map(Path, done.cells[5].outputs[0].text.split())
    course = colab.working / "five-models"
    assert package == course / "srlib" / "__init__.py"
    assert folders == [course / "data" / name for name in ("sample", "results", ".")]
    names = {
        path.name.lower().partition("-")[0] for path in brought(colab.machine.packages)
    }
    assert names == {"efficientnet", "keras_applications"}
    # Once more in the same folder, as after a restart of the kernel.
    assert first_line(colab.execute(cells[:1])) == line


def printed(cell):
    """Return what a cell printed, in however many pieces it arrived."""
    return "".join(output.text for output in cell.outputs).strip()


def test_what_is_there_is_not_replaced(session):
    session.attach_course("old")
    install = "!pip install -qq --no-deps -r ../input/*/srlib.txt"
    show = "from importlib.metadata import version\nprint(version('efficientnet'))"
    assert printed(session.execute([install, show]).cells[1]) == "1.1.1"
    newer = session.inputs / SLUG / "efficientnet-9.9-py3-none-any.whl"
    with zipfile.ZipFile(newer, "w") as archive:
        info = "efficientnet-9.9.dist-info"
        archive.writestr(f"{info}/METADATA", "Name: efficientnet\nVersion: 9.9\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    assert printed(session.execute([install, show]).cells[1]) == "1.1.1"

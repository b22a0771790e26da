"""What goes to Kaggle is whole, and what Kaggle would refuse is found before."""

import json
import stat
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from srlib import __main__ as cli
from srlib.sources import places
from tools.kaggle import make_kaggle
from tools.notebooks import chapter_rules, chapters, first_cell

# --- The package --------------------------------------------------------------------------


@pytest.mark.slow
def test_every_chapter_has_a_folder_and_the_dataset_has_all_data(kaggle_dist):
    stems = {path.stem for path in first_cell.numbered()}
    assert {path.name for path in kaggle_dist.iterdir()} == {"dataset", *stems}
    for part in ("sample", "results", "weights"):
        source = places.PROJECT / "data" / part
        files = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
        copied = {
            p.relative_to(kaggle_dist / "dataset" / part)
            for p in (kaggle_dist / "dataset" / part).rglob("*")
            if p.is_file()
        }
        assert copied == files
    assert json.loads((kaggle_dist / "dataset/dataset-metadata.json").read_text())[
        "licenses"
    ] == [{"name": "other"}]


@pytest.mark.slow
def test_the_wheel_is_small_and_holds_all_modules_and_nothing_else(kaggle_dist):
    (wheel,) = (kaggle_dist / "dataset").glob("srlib-*-py3-none-any.whl")
    assert wheel.stat().st_size < make_kaggle.MAX_WHEEL
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    root = places.PROJECT
    modules = {str(p.relative_to(root)) for p in (root / "srlib").rglob("*.py")}
    assert names == modules | {"srlib/py.typed"}


@pytest.mark.slow
def test_a_chapter_has_a_gpu_no_internet_and_both_datasets(kaggle_dist):
    found = json.loads((kaggle_dist / "03-model-1-basic/kernel-metadata.json").read_text())
    assert found["id"] == "ada/five-models-03-model-1-basic"
    assert make_kaggle.slugify(found["title"]) == "five-models-03-model-1-basic"
    assert (found["enable_gpu"], found["enable_internet"]) == (True, False)
    assert (found["is_private"], found["code_file"]) == (True, "03-model-1-basic.ipynb")
    assert found["machine_shape"] == "NvidiaTeslaT4"
    assert found["dataset_sources"] == [
        "ada/five-models-and-a-ceiling",
        "zaraks/pascal-voc-2007",
    ]


@pytest.mark.slow
def test_no_notebook_has_outputs_dead_links_or_raw_markup(kaggle_dist):
    for path in kaggle_dist.glob("*/*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert list(make_kaggle.markup_problems(notebook)) == []
        for cell in notebook.cells:
            assert not cell.get("outputs")
            hidden = chapter_rules.HIDING_TAGS & set(cell.metadata.get("tags", []))
            assert cell.metadata.get("_kg_hide-input", False) == bool(hidden)
            assert not make_kaggle.LINK.search(cell.source) or cell.cell_type == "code"


def test_a_known_address_goes_into_the_notebooks(tmp_path, monkeypatch):
    (path, *_) = first_cell.numbered()

    def written(folder):
        make_kaggle.write_chapter(path, "ada", tmp_path / folder)
        notebook = nbformat.read(tmp_path / folder / path.name, as_version=4)
        return chapters.first_code(notebook).source

    address = "https://github.com/someone/course"
    monkeypatch.setenv("BOOK_REPOSITORY", address)
    assert written("a") == chapter_rules.first_cell(address)
    monkeypatch.setenv("BOOK_REPOSITORY", "")
    assert chapter_rules.without_address(written("b")) == chapter_rules.FIRST_CELL


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("hide-input", {"_kg_hide-input"}),
        ("remove-output", {"_kg_hide-output"}),
        ("hide-cell", {"_kg_hide-input", "_kg_hide-output"}),
        ("nbval-ignore-output", set()),
    ],
)
def test_what_the_book_hides_is_hidden(tag, parts):
    cell = new_code_cell("x = 1", metadata={"tags": [tag]})
    make_kaggle.hide(cell)
    assert {name for name, on in cell.metadata.items() if on is True} == parts


def test_colab_is_brought_what_kaggle_is():
    listed = (places.PROJECT / "tools/kaggle/colab.txt").read_text().splitlines()
    names = {line for line in listed if not line.startswith("#")}
    assert names == {extra.partition("==")[0] for extra in make_kaggle.EXTRAS}


def test_only_an_account_is_packaged_for(capsys):
    assert make_kaggle.main([]) == 1
    assert "make kaggle OWNER=ada" in capsys.readouterr().err
    with pytest.raises(make_kaggle.KaggleError, match="found 'ada/course'"):
        make_kaggle.check_owner("ada/course")


# --- What Kaggle would refuse -------------------------------------------------------------


def problems(dist, stem="03-model-1", text="# Title"):
    (dist / stem).mkdir()
    notebook = new_notebook(cells=[new_markdown_cell(text)])
    nbformat.write(notebook, dist / stem / f"{stem}.ipynb")
    return "\n".join(make_kaggle.problems(dist, [dist / stem]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": "<details>\n\n`<b>`\n\n</details>"}, ""),
        ({"text": "```{note}\nhello\n```"}, "a MyST directive"),
        ({"text": "A <span>word</span>."}, "HTML, <span>. Write Markdown"),
        ({"stem": "10-" + 9 * "very-" + "long"}, "letters; at most 50. Rename it"),
    ],
)
def test_what_kaggle_would_refuse_or_show_raw_is_named(tmp_path, given, message):
    found = problems(tmp_path, **given)
    assert message in found
    assert bool(found) == bool(message)


def test_a_wheel_with_data_or_compiled_parts_is_refused(tmp_path):
    (tmp_path / "dataset").mkdir()
    wheel = tmp_path / "dataset" / "srlib-1-cp312-none-linux_x86_64.whl"
    wheel.write_bytes(b"0" * (make_kaggle.MAX_WHEEL + 1))
    found = problems(tmp_path)
    assert "bytes, more than 250000" in found
    assert "is not pure Python" in found


@pytest.mark.parametrize("path", first_cell.numbered(), ids=lambda p: p.stem)
def test_titles_make_addresses_that_kaggle_takes(path):
    title = make_kaggle.kernel_title(path.stem)
    assert 5 <= len(title) <= 50
    assert make_kaggle.slugify(title) == f"five-models-{path.stem}"


# --- Publishing ---------------------------------------------------------------------------

STAND_IN = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
asked = folder / "asked"
with asked.open("a") as file:
    print(*sys.argv[1:], file=file)
answers = json.loads((folder / "answers.json").read_text())
queue = answers[sys.argv[2]]
code, text = queue.pop(0) if len(queue) > 1 else queue[0]
(folder / "answers.json").write_text(json.dumps(answers))
print(text)
sys.exit(code)
"""
PUSHED = [0, "Kernel version 1 successfully pushed. Please check progress at ..."]
CREATED = [0, "Your private Dataset is being created."]


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """A stand-in for the command `kaggle`, which answers as it is told."""
    program = tmp_path / "kaggle"
    program.write_text(STAND_IN.format(python=sys.executable, folder=str(tmp_path)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(make_kaggle, "ASK_EVERY", 0)

    def publish(**answers):
        usual = {"status": [[0, "ready"]], "push": [PUSHED], "version": [CREATED]}
        (tmp_path / "answers.json").write_text(json.dumps({**usual, **answers}))
        make_kaggle.push("ada", [Path("/a/01-data"), Path("/a/02-measuring")])
        return (tmp_path / "asked").read_text().splitlines()

    return publish


def test_the_first_push_creates_the_dataset_waits_for_it_and_pushes_each_chapter(kaggle):
    states = [[1, "403 - Forbidden"], [0, "pending"], [0, "ready"]]
    asked = kaggle(status=states, create=[CREATED])
    status = "datasets status ada/five-models-and-a-ceiling"
    assert asked[0] == status
    assert asked[1].startswith("datasets create -p")
    assert asked[1].endswith("kaggle/dataset -r zip")
    assert asked[2:4] == [status, status]
    assert asked[4:] == ["kernels push -p /a/01-data", "kernels push -p /a/02-measuring"]


def test_a_later_push_makes_a_new_version(kaggle):
    assert kaggle()[1].startswith("datasets version -p")


@pytest.mark.parametrize(
    "answer",
    [
        "The following are not valid dataset sources and could not be added: ['ada/x']",
        "The following are not valid tags and could not be added to the kernel: ['x']",
        "Your kernel title does not resolve to the specified id.",
    ],
)
def test_an_answer_that_tells_of_a_failure_stops_the_push(kaggle, answer):
    with pytest.raises(make_kaggle.KaggleError) as error:
        kaggle(push=[[0, f"{answer}\nKernel version 1 successfully pushed."]])
    assert answer in str(error.value)
    assert "01-data" in str(error.value)


BUSY = "Kernel push error: Maximum batch GPU session count of 2 reached."


def test_a_push_waits_while_as_many_notebooks_run_as_kaggle_takes(kaggle, monkeypatch):
    asked = kaggle(push=[PUSHED, [0, BUSY], [0, BUSY], PUSHED])
    assert asked[-4:] == [
        "kernels push -p /a/01-data",
        *["kernels push -p /a/02-measuring"] * 3,
    ]
    monkeypatch.setattr(make_kaggle, "FREE_WITHIN", -1)
    with pytest.raises(make_kaggle.KaggleError, match="session count of 2 reached"):
        kaggle(push=[[0, BUSY]])


def test_what_publishes_the_folders_is_told_in_order():
    told = make_kaggle.how_to_publish("ada", [Path("/a/01-data"), Path("/a/02-measuring")])
    order = [
        "make kaggle OWNER=ada PUSH=1",
        "kaggle auth login",
        "kaggle datasets create -p",
        "kaggle datasets status ada/five-models-and-a-ceiling",
        "kaggle kernels push -p /a/01-data",
        "kaggle kernels push -p /a/02-measuring",
        "https://www.kaggle.com/code/ada/five-models-01-data",
        "kaggle datasets version -p",
    ]
    assert sorted(order, key=told.index) == order


@pytest.mark.parametrize(
    "answer", ["Dataset version creation error: no", "Skipping folder: sample"]
)
def test_a_dataset_that_is_refused_stops_the_push(kaggle, answer):
    with pytest.raises(make_kaggle.KaggleError, match=answer):
        kaggle(version=[[0, answer]])


def test_a_command_that_fails_stops_the_push(kaggle):
    with pytest.raises(make_kaggle.KaggleError, match="401 - Unauthorized"):
        kaggle(push=[[1, "401 - Unauthorized"]])


def test_a_dataset_that_never_gets_ready_is_named(kaggle, monkeypatch):
    monkeypatch.setattr(make_kaggle, "READY_WITHIN", -1)
    with pytest.raises(make_kaggle.KaggleError, match="it says: pending"):
        kaggle(status=[[0, "ready"], [0, "pending"]])


def test_without_the_command_the_push_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(make_kaggle.KaggleError, match="pip install kaggle"):
        make_kaggle.push("ada", [])


# --- Outside a clone ----------------------------------------------------------------------


@pytest.fixture
def no_clone(tmp_path, monkeypatch):
    """An installed srlib on Kaggle: inputs, a working folder, and no clone beside it."""
    monkeypatch.setattr(places, "PROJECT", tmp_path / "site-packages")
    monkeypatch.setenv("KAGGLE_CACHE_MOUNT_FOLDER", str(tmp_path / "input"))
    (tmp_path / "working").mkdir()
    monkeypatch.chdir(tmp_path / "working")
    return tmp_path


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_in_a_clone_both_places_are_its_folder():
    assert places.course_data() == places.own_data() == places.PROJECT / "data"


@pytest.mark.parametrize("mount", ["five-models", "datasets/ada/five-models"])
def test_the_course_is_found_under_both_mounts(no_clone, mount):
    assert places.course_data() == no_clone / "site-packages" / "data"
    write(no_clone / "input" / "aaa" / "sample" / "other.txt")
    write(no_clone / "input" / mount / "sample" / "SHA256SUMS")
    assert places.course_data() == no_clone / "input" / mount
    assert places.own_data() == no_clone / "working" / "data"


def test_what_earlier_sessions_left_is_taken_up_but_replaces_nothing(no_clone, capsys):
    write(no_clone / "input/datasets/ada/course/results/voc2007/a.json", "course's")
    output = no_clone / "input/notebooks/ada/runs/data"
    write(output / "results/voc2007/b.json", "earlier")
    write(output / "runs/c.npz", "earlier")
    (output / "runs/c.npz").chmod(0o444)
    own = no_clone / "working/data"
    write(own / "results/voc2007/b.json", "mine")
    home = cli._home()
    assert home == {"folder": own / "results", "weights": own / "weights"}
    assert "Going on from c.npz" in capsys.readouterr().out
    assert (own / "results/voc2007/a.json").read_text() == "course's"
    assert (own / "results/voc2007/b.json").read_text() == "mine"
    assert (own / "runs/c.npz").stat().st_mode & stat.S_IWUSR
    assert cli._home() == home
    assert capsys.readouterr().out == ""


def test_in_a_clone_too_what_earlier_sessions_left_there_is_taken_up(no_clone, capsys):
    clone = no_clone / "site-packages"  # where srlib believes itself to be
    write(clone / "data/sample/SHA256SUMS")
    output = no_clone / "input/notebooks/ada/runs/five-models/data"
    write(output / "results/voc2007/b.json", "earlier")
    write(output / "runs/c.npz", "earlier")
    assert cli._home() == {}  # a clone's own places
    assert "Going on from c.npz" in capsys.readouterr().out
    assert (clone / "data/results/voc2007/b.json").read_text() == "earlier"
    assert (clone / "data/runs/c.npz").read_text() == "earlier"


def test_in_a_clone_that_is_not_on_kaggle_nothing_is_taken_up():
    assert cli._home() == {}

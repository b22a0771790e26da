"""Every chapter keeps to the rules, and every rule catches what it is there for."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.notebooks import chapter_rules, chapters, first_cell, solve

PNG = "iVBORw0KGgo="


# --- The chapters of the book ------------------------------------------------------------

CHAPTERS = [pytest.param(path, id=path.stem) for path in chapters.chapters()]


def test_there_are_chapters():
    assert CHAPTERS, "chapters/ holds no notebook"


@pytest.mark.parametrize("path", CHAPTERS)
def test_chapter_keeps_to_the_rules(path):
    assert chapter_rules.problems(nbformat.read(path, as_version=4)) == []


@pytest.mark.parametrize("path", CHAPTERS)
def test_chapter_is_a_valid_notebook(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.mark.parametrize("path", CHAPTERS)
def test_chapter_is_not_stale(path):
    assert not chapters.is_stale(path), "run `make chapters`: its code or data moved on"


NUMBERED = [p for p in CHAPTERS if p.id[0].isdigit()]


@pytest.mark.parametrize("path", NUMBERED)
def test_title_carries_the_number_of_the_file(path):
    title = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
    assert title.startswith(f"# {int(path.stem[:2])}. ")


@pytest.mark.parametrize("path", NUMBERED)
def test_first_page_leads_to_every_chapter(path):
    assert f"]({path.stem})" in (chapters.CHAPTERS / "index.md").read_text()


@pytest.mark.parametrize("path", NUMBERED)
def test_a_solved_chapter_differs_in_its_exercises_alone(path):
    """What nbval compares in it is what it compares in the chapter itself."""
    chapter = nbformat.read(path, as_version=4)
    solved = nbformat.read(path, as_version=4)
    solve.solve(solved, path.stem)
    changed = [b for a, b in zip(chapter.cells, solved.cells, strict=True) if a != b]
    assert len(changed) >= 4
    for cell in changed:
        assert "____" not in cell.source
        assert '.outcome == "right", _checked' in cell.source
        assert cell.metadata.tags == ["nbval-ignore-output"]


# --- Each rule on a notebook that breaks it ----------------------------------------------


#: Metadata of a cell that is hidden in the book and in JupyterLab.
HIDDEN = {"tags": ["hide-input"], "jupyter": {"source_hidden": True}}


def code(source, *outputs, count=1, **metadata):
    return new_code_cell(
        source, outputs=list(outputs), execution_count=count, metadata=metadata
    )


def display(**data):
    named = {kind.replace("_", "/"): value for kind, value in data.items()}
    return new_output("display_data", data=named)


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def figure(alt="A red square"):
    return code("plt.show()", display(image_png=PNG), mystnb={"image": {"alt": alt}})


def notebook(*cells):
    return new_notebook(cells=[new_markdown_cell("# Title"), *cells])


def text(source):
    return new_markdown_cell(source)


def numbered_lines(count):
    return "\n\n".join(f"x{i} = {i}" for i in range(count))


ERROR = new_output("error", ename="ValueError", evalue="no", traceback=[])
BROKEN = {
    "was not executed": [code("x = 1", count=None)],
    "execution count 3, expected 2": [code("x = 1"), code("y = 2", count=3)],
    "an error, ValueError": [code("1 / 0", ERROR)],
    "prints or ends in a value": [code("print(1)")],
    "ends in a value, but": [code("%matplotlib inline\nx = 1\nx + 1")],
    "figure without alt text": [code("plt.show()", display(image_png=PNG))],
    "cell 2: a figure without alt": [figure(alt=" ")],
    "alt text (metadata": [code("show()", display(**{"image_svg+xml": "<svg/>"}))],
    "image without alt text: ![]": [text("![](a.png)")],
    "image without alt text: <img src": [text('<img src="a.png" alt="">')],
    "alt text: <img src='b'": [code("show()", display(text_html="<p><img src='b'></p>"))],
    "directive: '```{note}": [text("```{note}\nhello\n```")],
    "colon fence: ':::{figure}": [text("Text.\n\n:::{figure} a.png")],
    "directive: '> ```{tip}": [text("> ```{tip}\n> hello\n> ```")],
    "role: '{ref}`psnr`": [text("See {ref}`psnr`.")],
    "role: '{cite:p}`dong`": [code("show()", display(text_markdown="{cite:p}`dong`"))],
    "target: '(psnr)=": [text("(psnr)=\n## PSNR")],
    "a captioned figure among 2 outputs": [
        code(
            "show(ax)\nsay(text)",
            display(image_png=PNG),
            display(text_markdown="**22 dB**"),
            mystnb={"image": {"alt": "A square"}, "figure": {"caption": "A square."}},
        )
    ],
    "2.1 MB; at most 2": [code("show()", display(text_plain="a" * 2_100_000))],
    "9 lines of visible code": [code(numbered_lines(9))],
    "26 lines of hidden code": [code(numbered_lines(26), **HIDDEN)],
    "source_hidden in its metadata do not agree": [code("x = 1", tags=["hide-input"])],
    "cell 3: the tags and jupyter.source_hidden": [
        code("x = 1", **HIDDEN),
        code("y = 1", count=2, jupyter={"source_hidden": True}),
    ],
    "a progress bar: '━━━━": [code("fit()", printed("━━━━━━ 3/3"))],
    "a progress bar: '0%|": [code("fit()", printed(" 50%|█████     |"))],
    "a timing: '12ms": [code("fit()", printed("loss 0.1, 12ms per step"))],
    "a timing: '3.5 seconds": [code("fit()", display(text_markdown="took 3.5 seconds"))],
    "a timing: '90 s": [code("fit()", display(text_html="<b>took</b>90 s"))],
    "a rate: 'it/s": [code("fit()", printed("31.2 it/s"))],
    "a warning: 'UserWarning": [code("fit()", printed("UserWarning: no"))],
    "a warning: 'WARNING": [code("fit()", printed("WARNING:tensorflow: no"))],
    "an address in memory": [code("f", display(text_plain="<f at 0x7f31b1742e80>"))],
    "path of this machine: '/home/m": [code("f()", printed("/home/me/photo.jpg"))],
    "an output on stderr": [code("f()", printed("I see\n", name="stderr"))],
    "2 titles": [text("# Another")],
    "skips a level": [text("## Two\n\n#### Four")],
}


@pytest.mark.parametrize("problem", BROKEN)
def test_rule_names_what_is_broken(problem):
    found = chapter_rules.problems(notebook(*BROKEN[problem]))
    assert len(found) == 1
    assert problem in found[0]


def test_a_chapter_with_another_first_cell_is_named_and_repaired():
    chapter = new_notebook(cells=[text("# 3. Model 1"), code("x = 1")])
    (problem,) = chapter_rules.problems(chapter)
    assert problem == "cell 2: not the common first cell; run tools.notebooks.first_cell"
    assert first_cell.put(chapter)
    assert list(chapter_rules.same_start(chapter)) == []
    assert [cell.cell_type for cell in chapter.cells] == ["markdown", "code", "code"]
    assert not first_cell.put(chapter)


ADDRESS = "https://github.com/someone/course"


def test_a_first_cell_with_an_address_is_as_good(folder, monkeypatch, capsys):
    monkeypatch.setenv("BOOK_REPOSITORY", "")
    metadata = {"tags": first_cell.TAGS, "jupyter": {"source_hidden": True}}
    cell = new_code_cell(chapter_rules.FIRST_CELL, metadata=metadata)
    path = save(folder, text("# 1. One"), cell)
    other = save(folder, text("# All solutions"), new_code_cell("x = 1"), name="solutions")
    before = path.read_bytes(), other.read_bytes(), chapters.digest_of(path)

    def run(*arguments):
        assert first_cell.main(list(arguments)) == 0
        found = nbformat.read(path, as_version=4)
        assert list(chapter_rules.same_start(found)) == []
        assert list(chapter_rules.short_cells(found)) == []
        assert chapters.digest_of(path) == before[2]
        return chapter_rules.address_in(chapters.first_code(found).source)

    assert run() == first_cell.missing_address() == ""
    assert run("--repository", "git@github.com:someone/course.git") == ADDRESS
    assert run() == ADDRESS  # nothing else is known
    monkeypatch.setenv("BOOK_REPOSITORY", "https://gitlab.com/another/course")
    assert first_cell.missing_address() == ""  # a fork's chapters may come from elsewhere
    assert run() == "https://gitlab.com/another/course"
    assert run("--repository", "") == ""
    assert "tools.notebooks.first_cell and commit" in first_cell.missing_address()
    assert (path.read_bytes(), other.read_bytes()) == before[:2]
    with pytest.raises(SystemExit):
        first_cell.main(["--repository", "a folder"])
    assert "'a folder' is no address of a repository on" in capsys.readouterr().err


def test_an_address_makes_no_chapter_stale_but_other_changes_do(folder):
    path = save(folder, text("# 1. One"), new_code_cell(chapter_rules.FIRST_CELL))
    before = chapters.digest_of(path)
    cell = new_code_cell(chapter_rules.first_cell(ADDRESS))
    assert chapters.digest_of(save(folder, text("# 1. One"), cell)) == before
    assert chapters.digest_of(save(folder, cell, new_code_cell("x = 1"))) != before
    cell.source += "\nx = 1"
    assert chapters.digest_of(save(folder, cell)) != before
    (problem,) = chapter_rules.same_start(new_notebook(cells=[text("# 1. One"), cell]))
    assert "not the common first cell" in problem


def test_a_notebook_without_a_title_is_named():
    found = chapter_rules.problems(new_notebook(cells=[text("## Two")]))
    assert found == [
        "0 titles (# ...); exactly one is wanted",
        "cell 1: the first heading is 'Two', not the title",
    ]


GOOD = {
    "figure with alt text": [figure()],
    "image with alt text": [text('![Blocks](a.png)\n\n<img src="a" alt="Blocks">')],
    "eight visible lines": [code(numbered_lines(8))],
    "imports beside": [code(f"from a import (\n    b,\n)\n{numbered_lines(8)}")],
    "25 hidden lines": [code(numbered_lines(25), **HIDDEN)],
    "an empty cell": [code("", count=None), code("x = 1")],
    "a value made silent": [code("x;")],
    "a call that returns None": [code("ax.set_title('x')")],
    "quoted MyST": [text("Write `` {ref}`psnr` `` or\n\n````\n```{note}\n```\n````")],
    "quoted comment": [text("```python\n# not a heading\n```")],
    "formulas and folding": [
        text(r"$\frac{1}{n}$ <details><summary>a</summary>b</details>")
    ],
    "a share in a table": [code("f()", display(text_markdown="| 50% | 3 |"))],
    "units that are no times": [code("print(1)", printed("288 px, 4 steps, 96 samples"))],
    "style of a table": [code("f()", display(text_html="<style>a{top: 1s}</style>1"))],
    "a path on Kaggle": [code("f()", printed("/kaggle/input/pascal-voc-2007"))],
    "all levels": [text("## Two\n### Three\n## Two again")],
}


@pytest.mark.parametrize("name", GOOD)
def test_rules_let_pass(name):
    assert chapter_rules.problems(notebook(*GOOD[name])) == []


# --- Executing ---------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Let `chapters` work on an empty folder."""
    monkeypatch.setattr(chapters, "ROOT", tmp_path)
    monkeypatch.setattr(chapters, "CHAPTERS", tmp_path)
    return tmp_path


def save(folder, *cells, name="01-one", **metadata):
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=list(cells), metadata=metadata), path)
    return path


SOURCE = """# %% [markdown]
# # One

# %% tags=["hide-input"] mystnb={"image": {"alt": "A \\"red\\" square"}}
import os, sys
print(os.environ.get("SRLIB_DATA"), os.environ["TF_CPP_MIN_LOG_LEVEL"])
print("noise", file=sys.stderr)

# %%
open(os.path.join("here.txt"), "w").close()
"""


def test_take_over_execute_and_clean(folder, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SRLIB_DATA", "/nowhere")
    source = tmp_path_factory.mktemp("jupytext") / "01-one.py"
    source.write_text(SOURCE)
    assert chapters.main(["--from", str(source)]) == 0
    found = nbformat.read(folder / "01-one.ipynb", as_version=4)
    assert [cell.id for cell in found.cells] == ["cell-01", "cell-02", "cell-03"]
    assert [cell.get("execution_count") for cell in found.cells] == [None, 1, 2]
    assert [output.text for output in found.cells[1].outputs] == ["None 3\n"]
    assert found.cells[1].metadata == {
        "tags": ["hide-input"],
        "mystnb": {"image": {"alt": 'A "red" square'}},
        "jupyter": {"source_hidden": True},
    }
    assert set(found.metadata) == {"kernelspec", "language_info", "srlib"}
    assert found.metadata.language_info == {"name": "python"}
    assert (folder / "here.txt").is_file(), "a chapter runs in the folder of the chapters"
    assert chapters.main(["--check"]) == 0


def test_taking_over_again_keeps_the_ids(folder, tmp_path_factory):
    cells = [text("# One"), code("x = 1")]
    save(folder, *cells)
    elsewhere = tmp_path_factory.mktemp("jupytext")
    source = elsewhere / "01-one.py"
    source.write_text("# %% [markdown]\n# # Uno\n\n# %%\nx = 2\n\n# %%\nx\n")
    found = nbformat.read(chapters.take_over(source, elsewhere), as_version=4).cells
    assert [cell.id for cell in found] == [cells[0].id, cells[1].id, "cell-03"]
    assert [cell.source for cell in found] == ["# Uno", "x = 2", "x"]


@pytest.mark.slow
def test_a_failing_cell_is_named_and_nothing_is_written(folder, capsys):
    path = save(folder, text("# One"), new_code_cell("x = 1"), new_code_cell("1 / 0"))
    before = path.read_bytes()
    assert chapters.main([]) == 1
    message = capsys.readouterr().err
    assert "01-one: cell 3 failed" in message
    assert "ZeroDivisionError" in message
    assert path.read_bytes() == before
    assert [file.name for file in folder.iterdir()] == [path.name]


@pytest.mark.slow
def test_a_failure_after_taking_over_leaves_the_chapter(folder, tmp_path_factory):
    path = save(folder, text("# One"), code("print(1)", printed("1\n")))
    before = path.read_bytes()
    source = tmp_path_factory.mktemp("jupytext") / "01-one.py"
    source.write_text("# %%\n1 / 0\n")
    assert chapters.main(["--from", str(source)]) == 1
    assert path.read_bytes() == before


@pytest.mark.slow
def test_an_error_that_was_let_pass_is_refused(folder, capsys):
    cell = new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})
    path = save(folder, cell)
    before = path.read_bytes()
    assert chapters.main([]) == 1
    assert "cell 1: the output is an error, ZeroDivisionError" in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.slow
def test_only_stale_chapters_are_executed(folder, capsys):
    path = save(folder, new_code_cell("x = 1"))
    assert chapters.main(["--check"]) == 1
    assert "stale: 01-one.ipynb" in capsys.readouterr().out
    assert chapters.main([]) == 0
    first = path.read_bytes()
    capsys.readouterr()
    assert chapters.main([]) == 0
    assert capsys.readouterr().out == "No chapter is stale.\n"
    assert chapters.main(["--all"]) == 0
    assert path.read_bytes() == first


def test_changed_code_makes_a_chapter_stale(folder):
    path = save(folder, new_code_cell("x = 1"), srlib={"digest": "0" * 16})
    assert chapters.is_stale(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["09-nine"], "there is no chapter '09-nine'; there are: 01-one"),
        (["--from", "nowhere.py"], "there is no file nowhere.py"),
    ],
)
def test_a_wrong_name_is_answered_with_what_there_is(folder, capsys, arguments, message):
    save(folder, text("# One"))
    assert chapters.main(arguments) == 1
    assert message in capsys.readouterr().err


def test_a_chapter_may_be_named_by_its_path(folder):
    path = save(folder, text("# One"))
    assert chapters.select(["chapters/01-one.ipynb"], everything=False) == [path]

"""Put the exercises of srlib.exercises into the notebooks.

    python -m tools.notebooks.exercise_cells 03-model-1-basic
    python -m tools.notebooks.exercise_cells --appendix

The first puts in heads, links and code cells, and with ``--tasks tasks.md`` the texts from
there; the second makes solutions.ipynb and exercises.ipynb.

The text of a task is written in the chapter, and stays as it is. In tasks.md each starts
after a line ``# q1``; a line ``{options}`` stands for the options of a choice. Afterwards
execute what has changed (`make chapters`).
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from srlib.exercises import Exercise, catalogue
from tools.notebooks import chapters

ROOT = Path(__file__).resolve().parents[2]

HEAD = re.compile(r"### Exercise [^\n]*\n\n\*★+, up to \d+ minutes\.\* ")
FOOT = re.compile(r"\n\n\[Solution\]\([^)]*\)\s*$")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Put the exercises into the notebooks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="for example 02-measuring")
    parser.add_argument("--tasks", type=Path, metavar="FILE.md", help="texts of the tasks")
    parser.add_argument("--appendix", action="store_true", help="write the two appendices")
    options = parser.parse_args(arguments)
    if options.tasks and len(options.names) != 1:
        parser.error("--tasks goes with one chapter")
    tasks = read_tasks(options.tasks) if options.tasks else {}
    for name in options.names:
        path = chapters.find(name)
        notebook = nbformat.read(path, as_version=4)
        put(notebook, of_notebook(path.stem), tasks)
        chapters.write(notebook, path)
    if options.appendix:
        for name, make in (("solutions", solutions), ("exercises", overview)):
            notebook = make(catalogue())
            chapters.clean(notebook)
            chapters.write(notebook, chapters.CHAPTERS / f"{name}.ipynb")
    return 0


def of_notebook(stem: str) -> list[Exercise]:
    """List the exercises of one notebook."""
    return [exercise for exercise in catalogue() if exercise.chapter.notebook == stem]


def read_tasks(path: Path) -> dict[str, str]:
    """Read texts by the id of their exercise."""
    parts = re.split(r"^# (\w+)[ \t]*$", path.read_text(encoding="utf-8"), flags=re.M)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


# --- Chapters ----------------------------------------------------------------------------


def put(notebook: NotebookNode, exercises: list[Exercise], tasks: dict[str, str]) -> None:
    """Make the part of a chapter from ``## Exercises`` to ``## Further reading``.

    Cells that are there keep their outputs as long as their source stays.
    """
    name = exercises[0].chapter.name
    start = split_off(notebook, "## Exercises", f"{name}-exercises-head")
    end = split_off(notebook, "## Further reading", f"{name}-further")
    old = {cell.id: cell for cell in notebook.cells[start:end]}
    head = old[f"{name}-exercises-head"]
    head.source = head.source.split("\n### ")[0].strip()
    cells = [head, code_cell(f"{name}-exercises", import_cell(name), old)]
    for exercise in exercises:
        prefix = f"{name}-{exercise.id}"
        task = old.get(f"{prefix}-task") or new_markdown_cell("", id=f"{prefix}-task")
        task.source = task_text(exercise, tasks.get(exercise.id) or body(task.source))
        goals = [cell for key, cell in old.items() if key.startswith(f"{prefix}-goal")]
        cells += [task, *goals, code_cell(prefix, exercise.cell, old)]
    notebook.cells[start:end] = cells


def split_off(notebook: NotebookNode, heading: str, new_id: str) -> int:
    """Let a heading begin a Markdown cell of its own; return the place of that cell."""
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        if cell.source.startswith(heading):
            return place
        before, found, after = cell.source.partition(f"\n{heading}")
        if found:
            cell.source = before.rstrip()
            after = new_markdown_cell(f"{heading}{after}", id=new_id)
            notebook.cells.insert(place + 1, after)
            return place + 1
    raise chapters.ChapterError(f"no cell has the heading {heading!r}")


def import_cell(name: str) -> str:
    """Return the cell that the exercises begin with."""
    return f"from srlib.exercises import ____, {name}"


def body(source: str) -> str:
    """Return the text of a task without its head and its foot."""
    return FOOT.sub("", HEAD.sub("", source)).strip()


def task_text(exercise: Exercise, text: str) -> str:
    """Put head and foot round the text of a task."""
    text = text.replace("{options}", exercise.options_list)
    return f"{exercise.task_head}{text}{exercise.task_foot}"


def code_cell(name: str, source: str, old: dict[str, NotebookNode]) -> NotebookNode:
    """Keep the cell of this id if its source is the same; else make it new."""
    cell = old.get(name)
    if cell is None or cell.source != source:
        cell = new_code_cell(source, id=name, metadata=cell.metadata if cell else {})
    return cell


# --- Appendices --------------------------------------------------------------------------


def solutions(exercises: list[Exercise]) -> NotebookNode:
    """Make the page of all solutions: a heading each, and a cell that prints it."""
    text = (
        "# Solutions\n\nOne solution to each exercise, and why it is right. Most have "
        "others: what a check accepts is right. Try first, take a hint or two, and come "
        "here to compare.\n\nIn JupyterLab a link from a chapter may open this page at its "
        "top; *View > Table of Contents* leads to each exercise."
    )
    cells = [new_markdown_cell(text, id="title"), import_all(exercises)]
    for exercise in exercises:
        if exercise.number == 1:
            title = f"## {chapter_title(exercise)}"
            cells.append(new_markdown_cell(title, id=exercise.chapter.name))
        back = f"*{exercise.stars}* · [Back to the exercise]({exercise.link})"
        text = f"### {exercise.heading}\n\n{back}"
        name = exercise.name.replace(".", "-")
        cells += [
            new_markdown_cell(text, id=f"{name}-head"),
            new_code_cell(
                f"{exercise.name}.solution()", id=name, metadata={"tags": ["remove-input"]}
            ),
        ]
    return new_notebook(cells=cells)


def overview(exercises: list[Exercise]) -> NotebookNode:
    """Make the page that lists all exercises."""
    text = (
        "# Exercises\n\nEvery exercise of the course. Each answers at once: `check` says "
        "whether your answer is right and, if not, what is wrong; `hint` gives hints, one "
        "at a time; `solution` explains. ★ takes minutes, ★★ needs some thought, ★★★ is "
        "open-ended: there are many good answers, and the check measures yours.\n\nWhat "
        "you have solved is kept in a small file beside the notebooks and nowhere else. In "
        "a chapter, `ch03.progress()` shows it.\n\nIn JupyterLab a link may open the "
        "chapter at its top; *View > Table of Contents* leads to each exercise."
    )
    cells = [new_markdown_cell(text, id="title"), import_all(exercises)]
    numbers = sorted({exercise.chapter.number for exercise in exercises})
    for number in numbers:
        first = next(e for e in exercises if e.chapter.number == number)
        name = first.chapter.name
        heading = new_markdown_cell(f"## {chapter_title(first)}", id=name)
        source = f"notebook.say({name}.chapter.table())"
        table = new_code_cell(
            source, id=f"{name}-table", metadata={"tags": ["remove-input"]}
        )
        cells += [heading, table]
    cells[1].source = "from srlib import notebook\n" + cells[1].source
    return new_notebook(cells=cells)


def import_all(exercises: list[Exercise]) -> NotebookNode:
    """Make a cell that imports the exercises of all chapters."""
    names = sorted({exercise.chapter.name for exercise in exercises})
    lines = "".join(f"    {name},\n" for name in names)
    source = f"from srlib.exercises import (\n{lines})"
    return new_code_cell(source, id="imports", metadata={"tags": ["remove-input"]})


def chapter_title(exercise: Exercise) -> str:
    """Read the title of an exercise's chapter."""
    path = chapters.find(exercise.chapter.notebook)
    first = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
    return first.removeprefix("# ")


if __name__ == "__main__":
    sys.exit(main())

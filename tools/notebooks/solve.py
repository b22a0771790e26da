"""Write the chapters with every exercise solved, for nbval: one run compares and solves.

    python -m tools.notebooks.solve

They go to _build/solved. A cell that fits its committed output has to fit it there, too;
in the place of each stub stands the solution, and its check has to say that it is right.
"""

from __future__ import annotations

import shutil

import nbformat
from nbformat import NotebookNode

from tools.notebooks import chapters, exercise_cells

FOLDER = chapters.ROOT / "_build" / "solved"


def main() -> None:
    """Write all notebooks anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for path in chapters.chapters():
        notebook = nbformat.read(path, as_version=4)
        solve(notebook, path.stem)
        nbformat.write(notebook, FOLDER / path.name)


def solve(notebook: NotebookNode, stem: str) -> None:
    """Put the solutions in the place of the stubs."""
    found = {cell.id: cell for cell in notebook.cells}
    for exercise in exercise_cells.of_notebook(stem):
        cell = found[f"{exercise.chapter.name}-{exercise.id}"]
        call = f"{exercise.name}.check({exercise.answer})"
        right = f'assert (_checked := {call}).outcome == "right", _checked'
        solved = exercise.cell_with(exercise.solution_code)
        cell.source = solved.replace(f"\n{call}\n", f"\n{right}\n")
        cell.outputs = []
        cell.metadata["tags"] = ["nbval-ignore-output"]


if __name__ == "__main__":
    main()

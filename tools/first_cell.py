"""Put the common first code cell into every chapter with a number.

    python tools/first_cell.py

Its source is in `chapter_rules`. A first code cell that starts the chapter already is
replaced; else it comes after the title. Execute what has changed (tools/chapters.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for `python tools/first_cell.py`

from tools import chapter_rules, chapters  # noqa: E402

#: Its code is folded in the book, where it does nothing; the line that it says differs.
TAGS = ["hide-input", "nbval-ignore-output"]


def main() -> int:
    """Change the chapters that need it; return the exit code."""
    for path in chapters.chapters():
        if path.stem[0].isdigit():
            notebook = nbformat.read(path, as_version=4)
            if put(notebook):
                chapters.write(notebook, path)
                print(f"{path.stem}: changed")
    return 0


def put(notebook: NotebookNode) -> bool:
    """Put the cell in; return whether that changed anything."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if cells and "notebook.start(" in cells[0].source:
        cell = cells[0]
    else:
        cell = new_code_cell(id="first-cell")
        notebook.cells.insert(1, cell)
    before = (cell.source, cell.metadata.get("tags"))
    cell.source = chapter_rules.FIRST_CELL
    cell.metadata["tags"] = list(TAGS)
    return before != (cell.source, cell.metadata["tags"])


if __name__ == "__main__":
    sys.exit(main())

"""Put the common first code cell into every chapter with a number.

    python -m tools.notebooks.first_cell    with the address that is known

With ``--repository ADDRESS`` with that one; with ``''`` the address is taken out.

Its source is in `chapter_rules`. A first code cell that starts the chapter already is
replaced; else it comes after the title. With the course's public address the cell can
fetch the course where there is an internet and no dataset of Kaggle's, as on Colab. The
address is known from BOOK_REPOSITORY, or as git's remote; if from neither, each chapter
keeps its own.

An address makes no chapter stale. After any other change execute them (`make chapters`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tools.book import book_extension
from tools.notebooks import chapter_rules, chapters

ROOT = Path(__file__).resolve().parents[2]

#: Its code is folded in the book, where it does nothing; the line that it says differs.
TAGS = ["hide-input", "nbval-ignore-output"]


def main(arguments: list[str] | None = None) -> int:
    """Change the chapters that need it; return the exit code."""
    parser = argparse.ArgumentParser(description="Put the first cell into all chapters.")
    parser.add_argument(
        "--repository", metavar="ADDRESS", help="where the course is public"
    )
    asked = parser.parse_args(arguments).repository
    address = known_address()
    if asked is not None:
        address = book_extension.repository({"BOOK_REPOSITORY": asked})
        if asked and not address:
            hosts = ", ".join(book_extension.HOSTS)
            parser.error(f"{asked!r} is no address of a repository on one of: {hosts}")
    for path in numbered():
        notebook = nbformat.read(path, as_version=4)
        if put(notebook, address):
            chapters.write(notebook, path)
            print(f"{path.stem}: changed")
    return 0


def numbered() -> list[Path]:
    """List the chapters proper: those with a number."""
    return [path for path in chapters.chapters() if path.stem[0].isdigit()]


def missing_address() -> str:
    """Say what to do where an address is known, but the chapters do not have one."""
    if not known_address():
        return ""
    cells = (chapters.first_code(nbformat.read(path, as_version=4)) for path in numbered())
    if all(cell and chapter_rules.address_in(cell.source) for cell in cells):
        return ""
    return (
        "The chapters' first cell does not know the course's public address: the buttons to"
        " Colab and Kaggle lead to notebooks that cannot fetch it. Run python -m"
        " tools.notebooks.first_cell and commit what it changes."
    )


def known_address() -> str | None:
    """Return the course's public address (see `book_extension.repository`), if known."""
    return book_extension.repository() or None


def put(notebook: NotebookNode, address: str | None = None) -> bool:
    """Put the cell in; return whether that changed anything.

    Parameters
    ----------
    address
        Where the course can be fetched; ``""``: nowhere; ``None``: as the cell says.
    """
    cell = chapters.first_code(notebook)
    if cell is None or "notebook.start(" not in cell.source:
        cell = new_code_cell(id="first-cell")
        notebook.cells.insert(1, cell)
    before = (cell.source, cell.metadata.get("tags"))
    if address is None:
        address = chapter_rules.address_in(cell.source)
    cell.source = chapter_rules.first_cell(address)
    cell.metadata["tags"] = list(TAGS)
    return before != (cell.source, cell.metadata["tags"])


if __name__ == "__main__":
    sys.exit(main())

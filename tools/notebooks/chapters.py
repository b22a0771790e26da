"""Execute the chapters, and keep their outputs with them.

``make chapters`` executes the stale ones: those whose cells, srlib modules, sample photos
or numerical libraries changed since they were last executed. A chapter is written only
after every cell has succeeded. By hand:

    python -m tools.notebooks.chapters                  all that are stale
    python -m tools.notebooks.chapters 02-measuring     these, stale or not

With ``--all`` all; ``--check`` lists the stale ones and changes nothing; ``--from
/tmp/02-measuring.py`` takes over jupytext's py:percent and executes it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from srlib.runs.provenance import notebook_digest
from tools.notebooks import chapter_rules

ROOT = Path(__file__).resolve().parents[2]

CHAPTERS = ROOT / "chapters"
CELL_TIMEOUT = 600  # seconds
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# Metadata that editors leave behind, and that would change without a reason.
NOTEBOOK_NOISE = ("jupytext", "widgets", "toc", "varInspector", "celltoolbar")
CELL_NOISE = ("execution", "ExecuteTime", "collapsed", "scrolled", "lines_to_next_cell")


class ChapterError(Exception):
    """A chapter that cannot be taken as it is. The message says which cell, and why."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse(arguments)
    try:
        if options.source:
            with tempfile.TemporaryDirectory() as folder:
                return execute_all(
                    [take_over(path, Path(folder)) for path in options.source]
                )
        chosen = select(options.names, everything=options.all)
        return check(chosen) if options.check else execute_all(chosen)
    except ChapterError as error:
        print(error, file=sys.stderr)
        return 1


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Execute chapters in place.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="for example 02-measuring")
    parser.add_argument("--all", action="store_true", help="also those that are not stale")
    parser.add_argument("--check", action="store_true", help="only list the stale ones")
    parser.add_argument(
        "--from",
        dest="source",
        action="append",
        type=Path,
        metavar="FILE.py",
        help="make chapters/FILE.ipynb from a py:percent file, then execute it",
    )
    options = parser.parse_args(arguments)
    if options.source and (options.names or options.all or options.check):
        parser.error("--from goes without names, --all and --check")
    return options


# --- Which chapters ----------------------------------------------------------------------


def chapters() -> list[Path]:
    """List all notebooks of the book."""
    return sorted(CHAPTERS.glob("*.ipynb"))


def select(names: list[str], *, everything: bool) -> list[Path]:
    """Pick the chapters named; without names the stale ones, or all."""
    if names:
        return [find(name) for name in names]
    return [path for path in chapters() if everything or is_stale(path)]


def find(name: str) -> Path:
    """Find a chapter by its name, with or without folder and ending."""
    path = CHAPTERS / f"{Path(name).name.removesuffix('.ipynb')}.ipynb"
    if not path.is_file():
        known = ", ".join(path.stem for path in chapters()) or "none"
        raise ChapterError(f"there is no chapter {name!r}; there are: {known}")
    return path


def is_stale(path: Path) -> bool:
    """Tell whether what the chapter ran with has changed since."""
    stored = nbformat.read(path, as_version=4).metadata.get("srlib", {})
    return stored.get("digest") != digest_of(path)


def digest_of(path: Path) -> str:
    """Digest what a chapter's outputs depend on.

    An address in its first cell does not count: it changes no output, and writing it into
    all chapters (`first_cell`) should make none of them stale.
    """
    notebook = nbformat.read(path, as_version=4)
    if not (cell := first_code(notebook)) or not chapter_rules.address_in(cell.source):
        return notebook_digest(path)
    cell.source = chapter_rules.without_address(cell.source)
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(notebook, Path(folder, path.name))
        return notebook_digest(Path(folder, path.name))


def first_code(notebook: NotebookNode) -> NotebookNode | None:
    """Return the first cell of a notebook that holds code."""
    codes = (cell for cell in notebook.cells if cell.cell_type == "code")
    return next(codes, None)


def check(paths: list[Path]) -> int:
    """List those that are stale."""
    stale = [path for path in paths if is_stale(path)]
    for path in stale:
        print(f"stale: {path.relative_to(ROOT)}; run `make chapters`")
    return 1 if stale else 0


# --- Executing ---------------------------------------------------------------------------


def execute_all(paths: list[Path]) -> int:
    """Execute one after the other, go on after a failure, tell the seconds of each."""
    if not paths:
        print("No chapter is stale.")
    failed = 0
    for path in paths:
        start = time.perf_counter()
        print(f"{path.stem} ...", flush=True)
        try:
            for problem in execute(path):
                print(f"  breaks a rule: {problem}")
        except ChapterError as error:
            failed += 1
            print(error, file=sys.stderr)
        print(f"{path.stem}: {time.perf_counter() - start:.1f} s", flush=True)
    return 1 if failed else 0


def execute(path: Path) -> list[str]:
    """Execute a notebook, and store it in chapters/ with its outputs and its digest.

    Returns
    -------
    list of str
        The rules that it breaks all the same (tests/test_chapters.py fails on them).

    Raises
    ------
    ChapterError
        If a cell fails, or the result must not be stored. The chapter is then as it was.
    """
    digest = digest_of(path)
    notebook = nbformat.read(path, as_version=4)
    run(notebook, path.stem)
    clean(notebook)
    notebook.metadata["srlib"] = {"digest": digest}
    refuse(notebook, path.stem)
    write(notebook, CHAPTERS / path.name)
    return chapter_rules.problems(notebook)


def run(notebook: NotebookNode, name: str) -> None:
    """Execute all cells in a fresh kernel, in the folder of the chapters."""
    client = NotebookClient(
        notebook,
        kernel_name=KERNEL["name"],
        timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # not its warning about plain TCP
        resources={"metadata": {"path": str(CHAPTERS)}},
    )
    try:
        client.execute(env=environment())
    except CellTimeoutError:
        reason = f"took longer than {CELL_TIMEOUT} s"
        raise ChapterError(f"{name}: {failing_cell(notebook)} {reason}") from None
    except (CellExecutionError, DeadKernelError) as error:
        raise ChapterError(f"{name}: {failing_cell(notebook)} failed:\n{error}") from None


def environment() -> dict[str, str]:
    """Tell the kernel's environment.

    Committed outputs come from the sample, so SRLIB_DATA must not lead to other photos.
    """
    kept = {name: value for name, value in os.environ.items() if name != "SRLIB_DATA"}
    return {**kept, "TF_CPP_MIN_LOG_LEVEL": "3"}


def failing_cell(notebook: NotebookNode) -> str:
    """Name the last cell that was started: the one that failed."""
    started = [
        number
        for number, cell in enumerate(notebook.cells, 1)
        if cell.cell_type == "code" and (cell.execution_count or cell.outputs)
    ]
    return f"cell {started[-1]}" if started else "the first cell"


def clean(notebook: NotebookNode) -> None:
    """Drop what would differ from run to run, and what editors leave behind."""
    for key in NOTEBOOK_NOISE:
        notebook.metadata.pop(key, None)
    notebook.metadata["kernelspec"] = dict(KERNEL)
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        for key in CELL_NOISE:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]


def refuse(notebook: NotebookNode, name: str) -> None:
    """Refuse a notebook that is too large or holds an error."""
    found = [*chapter_rules.size(notebook), *chapter_rules.errors(notebook)]
    if found:
        raise ChapterError("\n".join(f"{name}: {problem}" for problem in found))


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook whole or not at all, its hidden code hidden everywhere."""
    chapter_rules.fold_hidden(notebook)
    nbformat.validate(notebook)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        nbformat.write(notebook, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


# --- Taking over a jupytext file ---------------------------------------------------------


def take_over(source: Path, folder: Path) -> Path:
    """Make FOLDER/NAME.ipynb from NAME.py in jupytext's py:percent format.

    The cells keep the ids that the cells at the same places have in the chapter already.
    """
    if not source.is_file():
        raise ChapterError(f"there is no file {source}")
    notebook = jupytext.read(source, fmt="py:percent")
    if not notebook.cells:
        raise ChapterError(f"{source} holds no cell; a cell starts with '# %%'")
    chapter = CHAPTERS / f"{source.stem}.ipynb"
    old = nbformat.read(chapter, as_version=4).cells if chapter.is_file() else []
    for cell, name in zip(notebook.cells, ids([cell.id for cell in old]), strict=False):
        cell["id"] = name
    notebook.update(nbformat=4, nbformat_minor=5)
    clean(notebook)
    target = folder / chapter.name
    write(notebook, target)
    return target


def ids(old: list[str]) -> Iterator[str]:
    """Repeat the old ids, then make new ones: always the same ones."""
    yield from old
    number = len(old)
    while True:
        number += 1
        if (name := f"cell-{number:02d}") not in old:
            yield name


if __name__ == "__main__":
    sys.exit(main())

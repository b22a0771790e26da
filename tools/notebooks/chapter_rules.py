"""What every chapter keeps to: each rule takes a notebook and yields what breaks it.

``problems`` applies all of them. ``make chapters`` prints what it finds, and
tests/test_chapters.py fails on it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

MAX_BYTES = 2_000_000
MAX_VISIBLE_LINES = 8
MAX_HIDDEN_LINES = 25
HIDING_TAGS = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
FIGURES = {"image/png", "image/jpeg", "image/svg+xml"}

FENCED = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1[`~]*[ \t]*$", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"(?<!`)(``?)(?!`)(?:(?!\n\n).)+?(?<!`)\1(?!`)", re.DOTALL)
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$", re.MULTILINE)
MAGIC = re.compile(r"^[ \t]*[%!].*$", re.MULTILINE)
NUMBERED = re.compile(r"^# \d+\. ", re.MULTILINE)
TAG = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
IMAGE_WITHOUT_ALT = re.compile(
    r"!\[\s*\]\([^)]*\)|<img\b(?![^>]*\balt\s*=\s*(?:\"[^\"]*[^\s\"]|'[^']*[^\s']))[^>]*>",
    re.IGNORECASE,
)


#: The first code cell of every chapter with a number. In a clone srlib is there; on Kaggle
#: it is installed from the attached dataset, by name and without its dependencies, so that
#: nothing else changes. `first_cell.py` puts it into the notebooks, with or without an
#: address (`first_cell`).
FIRST_CELL = """\
from glob import glob
from importlib.util import find_spec

if not find_spec("srlib"):  # on Kaggle the course's dataset brings it
    found = glob("../input/*/srlib.txt") + glob("../input/*/*/*/srlib.txt")
    assert found, "Add Input > Datasets > five-models-and-a-ceiling"
    !pip install -qq --no-deps -r {found[0]}
from srlib import notebook

photos = notebook.start()"""

#: What `first_cell` adds to it where the course's public address is known: without the
#: dataset, as on Colab, the course is fetched from there, whole and once. `colab.txt` lists
#: the two small packages that Colab lacks.
FROM_REPOSITORY = """\
    if not found:  # elsewhere, as on Colab, its repository does
        import sys

        address = "ADDRESS"
        !test -d five-models || git clone -q --depth 1 {address} five-models
        sys.path.append("five-models")
        found = glob("five-models/tools/kaggle/colab.txt")
"""
_ADDED = re.compile(re.escape(FROM_REPOSITORY).replace("ADDRESS", r'([^"\n]+)'))


def first_cell(address: str = "") -> str:
    """Write the common first cell; with an address it can fetch the course from there."""
    if not address:
        return FIRST_CELL
    before, line, after = FIRST_CELL.partition("    assert found")
    return before + FROM_REPOSITORY.replace("ADDRESS", address) + line + after


def address_in(source: str) -> str:
    """Return the address that a first cell fetches the course from, or an empty string.

    Examples
    --------
    >>> address_in(first_cell("https://github.com/someone/course"))
    'https://github.com/someone/course'
    >>> address_in(first_cell())
    ''
    """
    found = _ADDED.search(source)
    return found[1] if found else ""


def without_address(source: str) -> str:
    """Take from a first cell what `first_cell` added for an address."""
    return _ADDED.sub("", source, count=1)


class Banned(NamedTuple):
    """A pattern that must not occur, and what it is called."""

    what: str
    pattern: re.Pattern


def _banned(what: str, pattern: str) -> Banned:
    return Banned(what, re.compile(pattern, re.MULTILINE))


MYST = (
    _banned("a MyST directive", r"^[ \t>]*(?:```+|~~~+)[ \t]*\{[^}\n]+\}"),
    _banned("a MyST colon fence", r"^[ \t>]*:::+.*"),
    _banned("a MyST role", r"\{[A-Za-z][\w:.+-]*\}`[^`\n]+`"),
    _banned("a MyST target", r"^\([\w.:-]+\)=[ \t]*$"),
)
NOISE = (
    _banned("a progress bar", r"\r|[█▏▎▍▌▋▊▉━]{3,}|\[[=>.]{5,}\]|\d%\|"),
    _banned("a timing", r"\b\d+(?:\.\d+)?\s?(?:[nµum]?s|secs?|seconds?|minutes?)\b"),
    _banned("a rate", r"\b(?:it|samples|images|photos)/s\b|\bETA\b"),
    _banned("a warning", r"\bwarning\b|\b\w{0,40}Warning\b|\bWARNING\b|^[WE]0000 00:00"),
    _banned("an address in memory", r"\b0x[0-9a-f]{6,}"),
    _banned("a path of this machine", r"(?<![\w.])/(?:home|root|tmp|work|Users|var)/\w"),
)


def problems(notebook: NotebookNode) -> list[str]:
    """Apply every rule to a notebook.

    Parameters
    ----------
    notebook
        As ``nbformat.read`` returns it, with its outputs.

    Returns
    -------
    list of str
        What is wrong, each with the number of its cell; cells count from 1. Empty if
        nothing is.
    """
    return [problem for rule in RULES for problem in rule(notebook)]


def size(notebook: NotebookNode) -> Iterator[str]:
    """Keep a notebook below 2 MB, outputs included."""
    found = len(nbformat.writes(notebook).encode())
    if found > MAX_BYTES:
        yield f"{found / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f}"


def errors(notebook: NotebookNode) -> Iterator[str]:
    """Let no output be an error."""
    for number, output in _outputs(notebook):
        if output.output_type == "error":
            yield f"cell {number}: the output is an error, {output.ename}: {output.evalue}"


def executed_in_order(notebook: NotebookNode) -> Iterator[str]:
    """Execute every code cell, from top to bottom, in a fresh kernel."""
    filled = (pair for pair in _code_cells(notebook) if pair[1].source.strip())
    for expected, (number, cell) in enumerate(filled, 1):
        if cell.get("execution_count") is None:
            yield f"cell {number}: was not executed; run `make chapters`"
        elif cell.execution_count != expected:
            count = cell.execution_count
            yield f"cell {number}: execution count {count}, expected {expected}"


def outputs_present(notebook: NotebookNode) -> Iterator[str]:
    """Keep the output of a cell that prints or ends in a value."""
    for number, cell in _code_cells(notebook):
        if not cell.outputs and _shows_something(cell.source):
            yield f"cell {number}: prints or ends in a value, but has no output"


def alt_text(notebook: NotebookNode) -> Iterator[str]:
    """Say in words what every figure shows."""
    for number, cell in _code_cells(notebook):
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if kinds & FIGURES and not alt.strip():
            yield f"cell {number}: a figure without alt text (metadata mystnb.image.alt)"
    for number, text in _markdown(notebook):
        for match in IMAGE_WITHOUT_ALT.finditer(text):
            yield f"cell {number}: an image without alt text: {match[0][:60]}"


def captioned_figure_alone(notebook: NotebookNode) -> Iterator[str]:
    """Let a cell with a caption show its figure only: the book captions every output."""
    for number, cell in _code_cells(notebook):
        shown = [output for output in cell.outputs if "data" in output]
        if "figure" in cell.metadata.get("mystnb", {}) and len(shown) != 1:
            yield (
                f"cell {number}: a captioned figure among {len(shown)} outputs; "
                "show it alone, and say the rest in the next cell"
            )


def plain_markdown(notebook: NotebookNode) -> Iterator[str]:
    """Write no MyST: other places show it raw."""
    for number, text in _markdown(notebook):
        yield from _find(MYST, number, text)


def quiet_outputs(notebook: NotebookNode) -> Iterator[str]:
    """Show no progress, timing, warning or path: they differ on every machine."""
    for number, output in _outputs(notebook):
        if output.get("name") == "stderr":
            yield f"cell {number}: an output on stderr: {output.text[:60]!r}"
        for text in _texts(output):
            yield from _find(NOISE, number, text)


def short_cells(notebook: NotebookNode) -> Iterator[str]:
    """Keep visible code to 8 lines a cell and hidden code to 25, but for imports."""
    for number, cell in _code_cells(notebook):
        body = ast.parse(MAGIC.sub("", cell.source)).body
        imports = (node for node in body if isinstance(node, ast.Import | ast.ImportFrom))
        lines = sum(bool(line.strip()) for line in cell.source.splitlines())
        lines -= sum(node.end_lineno - node.lineno + 1 for node in imports)
        hidden = _is_hidden(cell)
        most = MAX_HIDDEN_LINES if hidden else MAX_VISIBLE_LINES
        if lines > most:
            kind = "hidden" if hidden else "visible"
            yield f"cell {number}: {lines} lines of {kind} code; at most {most}"


def folded_alike(notebook: NotebookNode) -> Iterator[str]:
    """Hide in JupyterLab what the book hides. The book reads tags, JupyterLab does not."""
    for number, cell in _code_cells(notebook):
        if _is_folded(cell) != _is_hidden(cell):
            yield (
                f"cell {number}: the tags and jupyter.source_hidden in its metadata do not "
                f"agree; executing the chapter sets the second by the first"
            )


def fold_hidden(notebook: NotebookNode) -> None:
    """Mark for JupyterLab the code that tags hide in the book."""
    for _, cell in _code_cells(notebook):
        if _is_hidden(cell):
            cell.metadata.setdefault("jupyter", {})["source_hidden"] = True
        elif _is_folded(cell):
            del cell.metadata["jupyter"]["source_hidden"]


def headings(notebook: NotebookNode) -> Iterator[str]:
    """Start with the one title, and leave out no level below it."""
    found = [
        (number, len(match[1]), match[2])
        for number, text in _markdown_cells(notebook)
        for match in HEADING.finditer(text)
    ]
    titles = sum(level == 1 for _, level, _ in found)
    if titles != 1:
        yield f"{titles} titles (# ...); exactly one is wanted"
    if found and found[0][1] != 1:
        yield f"cell {found[0][0]}: the first heading is {found[0][2]!r}, not the title"
    for (_, above, _), (number, level, text) in pairwise(found):
        if level > above + 1:
            yield f"cell {number}: heading {text!r} skips a level"


def same_start(notebook: NotebookNode) -> Iterator[str]:
    """Start every chapter with a number with the same code cell."""
    if not any(NUMBERED.search(text) for _, text in _markdown_cells(notebook)):
        return
    number, cell = next(_code_cells(notebook), (1, None))
    if cell is None or without_address(cell.source) != FIRST_CELL:
        yield f"cell {number}: not the common first cell; run tools.notebooks.first_cell"


RULES: tuple[Callable[[NotebookNode], Iterator[str]], ...] = (
    size,
    errors,
    executed_in_order,
    outputs_present,
    alt_text,
    captioned_figure_alone,
    plain_markdown,
    quiet_outputs,
    short_cells,
    folded_alike,
    headings,
    same_start,
)


# --- What the rules look at --------------------------------------------------------------


def _is_hidden(cell: NotebookNode) -> bool:
    return not HIDING_TAGS.isdisjoint(cell.metadata.get("tags", []))


def _is_folded(cell: NotebookNode) -> bool:
    return cell.metadata.get("jupyter", {}).get("source_hidden", False)


def _code_cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """Pick the cells with code; they are numbered from 1, as a reader counts."""
    numbered = enumerate(notebook.cells, 1)
    return ((number, cell) for number, cell in numbered if cell.cell_type == "code")


def _outputs(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    cells = _code_cells(notebook)
    return ((number, output) for number, cell in cells for output in cell.outputs)


def _markdown_cells(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """Texts of the Markdown cells, without the code that they quote."""
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            yield number, without_code(cell.source)


def _markdown(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """Texts of the Markdown cells, and the Markdown and HTML that code displays."""
    yield from _markdown_cells(notebook)
    for number, output in _outputs(notebook):
        for kind in ("text/markdown", "text/html"):
            if kind in output.get("data", {}):
                yield number, without_code(output.data[kind])


def without_code(text: str) -> str:
    """Drop quoted code, but keep what MyST would take for a directive or a role."""

    def unless_myst(match: re.Match) -> str:
        return match[0] if any(banned.pattern.match(match[0]) for banned in MYST) else ""

    return CODE_SPAN.sub(_unless_role, FENCED.sub(unless_myst, text))


def _unless_role(match: re.Match) -> str:
    """Keep a code span that follows ``}``: that is how a role is written."""
    return match[0] if match.string[: match.start()].endswith("}") else ""


def _texts(output: NotebookNode) -> list[str]:
    """Texts of an output that a reader sees: of HTML without the tags."""
    data = output.get("data", {})
    kinds = ("text/plain", "text/markdown", "text/latex")
    html = TAG.sub(" ", data.get("text/html", ""))
    return [output.get("text", ""), html, *(data[kind] for kind in kinds if kind in data)]


def _find(banned: tuple[Banned, ...], number: int, text: str) -> Iterator[str]:
    for what, pattern in banned:
        if match := pattern.search(text):
            yield f"cell {number}: {what}: {match[0].strip()[:60]!r}"


def _shows_something(source: str) -> bool:
    """Tell whether a cell surely shows something.

    It does if it prints, or if its last line is a value. A call may return None, as those
    of matplotlib do, and a ``;`` silences.
    """
    body = ast.parse(MAGIC.sub("", source)).body
    calls = [
        node.value.func.id
        for node in body
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
    ]
    if {"print", "display"} & set(calls):
        return True
    ends_in_value = bool(body) and isinstance(body[-1], ast.Expr)
    silenced = source.rstrip().endswith(";")
    return ends_in_value and not silenced and not isinstance(body[-1].value, ast.Call)

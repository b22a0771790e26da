"""What a number was made with: digests of the code and the data, and versions.

A notebook's outputs are only as good as the code that made them. ``make chapters``
stores ``notebook_digest`` in each notebook when it executes it, and a test compares:
when ``srlib``, the sample photos or the numerical libraries have moved on, it fails.

Pure standard library. In a wheel, where the repository's files are absent, the digests
of those files are ``"none"``.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import platform
import re
import tokenize
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parent

#: Characters kept of a SHA-256. Sixteen (64 bits) are enough to notice a change.
DIGEST_LENGTH = 16
NONE = "none"

#: The libraries that can change a number. The book and the tests have others.
RUNTIME = (
    "efficientnet",
    "keras",
    "matplotlib",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "scikit-image",
    "scipy",
    "tensorflow",
    "tensorflow-cpu",
)

#: Names under which the same library is installed on different machines.
DISTRIBUTIONS = {
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "keras": ("keras",),
    "numpy": ("numpy",),
    "opencv": (
        "opencv-python",
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
    "scikit-image": ("scikit-image",),
    "matplotlib": ("matplotlib",),
}


def srlib_digest(modules: Iterable[str] | None = None) -> str:
    """Digest the code of srlib, so that a change of it can be noticed.

    Comments, docstrings, blank lines and trailing spaces do not count: they change no
    number. The digest is the same on every Python version.

    Parameters
    ----------
    modules
        Names such as ``"data"`` or ``"srlib.exercises.ch03"``. Only these count, and
        what they import from srlib, directly or not. All of srlib if None.

    Returns
    -------
    str
        The first 16 hexadecimal characters of a SHA-256.

    Raises
    ------
    ValueError
        If srlib has no such module.

    Examples
    --------
    >>> len(srlib_digest(["provenance"]))
    16
    >>> srlib_digest(["provenance"]) == srlib_digest(["srlib.runs.provenance"])
    True
    """
    known = _modules()
    names = set(known) if modules is None else _closure(modules, known)
    parts = (f"{name}\n{_code_of(known[name])}" for name in sorted(names))
    return _digest("\n".join(parts))


def sample_digest() -> str:
    """Digest the list of the sample photos' checksums; ``"none"`` outside a clone."""
    sums = REPOSITORY / "data" / "sample" / "SHA256SUMS"
    return _digest(_read(sums)) if sums.is_file() else NONE


def results_digest() -> str:
    """Digest the records of the runs and the SHA-256 of the trained weights."""
    data = REPOSITORY / "data"
    records = sorted((data / "results").glob("*/**/*.json"))
    return _digest_of_files([*records, *sorted((data / "weights").glob("*.sha256"))])


def benchmark_digest() -> str:
    """Digest what ``tools/speed/benchmark.py`` measured."""
    return _digest_of_files([REPOSITORY / "data" / "results" / "benchmark.json"])


def lock_digest() -> str:
    """Digest the pinned versions of the libraries that can change a number.

    Only those count, so that a newer book theme or test runner makes no notebook stale.
    Outside a clone it is ``"none"``.
    """
    lock = REPOSITORY / "requirements.lock"
    return _digest("\n".join(_pins(_read(lock)))) if lock.is_file() else NONE


def versions() -> dict[str, str]:
    """Tell the versions of Python and of the numerical libraries installed here.

    Examples
    --------
    >>> list(versions())
    ['python', 'tensorflow', 'keras', 'numpy', 'opencv', 'scikit-image', 'matplotlib']
    """
    installed = {name: _version(names) for name, names in DISTRIBUTIONS.items()}
    return {"python": platform.python_version(), **installed}


def notebook_digest(path: str | Path) -> str:
    """Digest all that a notebook's outputs depend on.

    That is its own code cells, the srlib modules that they import, the sample photos, the
    pinned numerical libraries and, if it reads records or the benchmark, those.

    Parameters
    ----------
    path
        An ``.ipynb`` file.

    Returns
    -------
    str
        The first 16 hexadecimal characters of a SHA-256.
    """
    cells = _code_cells(json.loads(_read(Path(path))))
    known = _modules()
    imported = _imports(_without_magics("\n".join(cells)), "__main__", known)
    library = srlib_digest(imported) if imported else NONE
    readers = {"results": results_digest, "speed": benchmark_digest}
    runs = f"{PACKAGE.name}.runs"
    measured = [
        digest() for name, digest in readers.items() if f"{runs}.{name}" in imported
    ]
    return _digest("\n".join([library, sample_digest(), lock_digest(), *measured, *cells]))


# --- The modules of srlib, and which imports which ---------------------------------------


def _modules() -> dict[str, Path]:
    """Map ``srlib``, ``srlib.data``, ``srlib.exercises.ch03``... to their files."""
    return {_module_name(path): path for path in PACKAGE.rglob("*.py")}


def _module_name(path: Path) -> str:
    """Name a module: ``srlib/exercises/__init__.py`` is ``srlib.exercises``."""
    parts = [PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _closure(modules: Iterable[str], known: dict[str, Path]) -> set[str]:
    """Add to some modules what they import from srlib, and what that imports."""
    full_names = (_full_name(module, known) for module in modules)
    waiting = [name for full in full_names for name in _packages_of(full)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(_read(known[name]), name, known)
    return found


def _full_name(module: str, known: dict[str, Path]) -> str:
    """Turn ``data`` into ``srlib.data``; refuse a module that is not there."""
    root = PACKAGE.name
    name = module if module.split(".")[0] == root else f"{root}.{module}"
    if name not in known:
        raise ValueError(f"srlib has no module {module!r}; it has {sorted(known)}")
    return name


def _imports(source: str, importer: str, known: dict[str, Path]) -> set[str]:
    """Find the srlib modules that a source imports, wherever in it."""
    dotted: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            dotted.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, importer, known)
            dotted.update(f"{base}.{alias.name}" for alias in node.names)
    # With a plain `import srlib` any module may follow: count them all.
    if PACKAGE.name in dotted:
        return set(known)
    return {name for path in dotted for name in _packages_of(path) if name in known}


def _base(node: ast.ImportFrom, importer: str, known: dict[str, Path]) -> str:
    """Tell the absolute name of what ``from ... import`` names; ``.`` is relative."""
    if not node.level:
        return node.module or ""
    is_package = importer in known and known[importer].name == "__init__.py"
    parents = importer.split(".")
    parents = parents[: len(parents) - node.level + is_package]
    return ".".join([*parents, *filter(None, [node.module])])


def _packages_of(dotted: str) -> Iterator[str]:
    """List ``a``, ``a.b`` and ``a.b.c`` for ``a.b.c``: an import runs all of them."""
    parts = dotted.split(".")
    return (".".join(parts[: end + 1]) for end in range(len(parts)))


# --- Code without what changes no number -------------------------------------------------


def _code_of(path: Path) -> str:
    return _strip(_read(path))


def _strip(source: str) -> str:
    r"""Remove comments, docstrings, blank lines and trailing spaces.

    Examples
    --------
    >>> print(_strip("def f():\n    '''Doc.'''\n\n    return '#'  # why\n"))
    def f():
        return '#'
    """
    lines = source.split("\n")  # as tokenize counts them; splitlines knows other ends
    docstrings = _cut_docstrings(lines, ast.parse(source))
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for token in tokens:
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    verbatim = _rows_inside_strings(tokens) - docstrings
    numbered = enumerate(lines, 1)
    kept = (line if row in verbatim else line.rstrip() or None for row, line in numbered)
    return "\n".join(line for line in kept if line is not None)


def _cut_docstrings(lines: list[str], tree: ast.AST) -> set[int]:
    """Blank the docstrings of a module, its classes and functions; tell their rows."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    rows: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None:
            first, last = node.body[0].lineno, node.body[0].end_lineno
            # ast counts columns in bytes
            before = lines[first - 1].encode()[: node.body[0].col_offset].decode()
            after = lines[last - 1].encode()[node.body[0].end_col_offset :].decode()
            lines[first - 1 : last] = [before + after] + [""] * (last - first)
            rows.update(range(first, last + 1))
    return rows


def _rows_inside_strings(tokens: list[tokenize.TokenInfo]) -> set[int]:
    """Find the lines that end inside a string: their spaces and blanks count.

    An f-string is one token up to Python 3.11 and several from 3.12 on.
    """
    rows: set[int] = set()
    open_at: list[int] = []
    for token in tokens:
        kind = tokenize.tok_name[token.type]
        if kind == "STRING":
            rows.update(range(token.start[0], token.end[0]))
        elif kind == "FSTRING_START":
            open_at.append(token.start[0])
        elif kind == "FSTRING_END":
            rows.update(range(open_at.pop(), token.end[0]))
    return rows


# --- Notebooks, lock file, installed packages --------------------------------------------


def _code_cells(notebook: dict) -> list[str]:
    """List the sources of a notebook's code cells; they are strings or lists of lines."""
    cells = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    return ["".join(cell["source"]).rstrip() for cell in cells]


def _without_magics(source: str) -> str:
    """Drop IPython's ``%magic`` and ``!command`` lines, which are not Python."""
    return "\n".join(
        line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))
    )


def _pins(lock: str) -> list[str]:
    r"""List the sorted ``name==version`` of the runtime libraries in a lock file.

    Examples
    --------
    >>> _pins("numpy==2.1.3 \\\n    --hash=sha256:00\nruff==0.17.6 \\\n")
    ['numpy==2.1.3']
    """
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock, flags=re.MULTILINE)
    return sorted(f"{name}=={version}" for name, version in pins if name in RUNTIME)


def _version(names: Iterable[str]) -> str:
    """Tell the version of the first of these distributions that is installed."""
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "not installed"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _digest_of_files(files: Iterable[Path]) -> str:
    return _digest("\n".join(_read(file) for file in files if file.is_file()))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]

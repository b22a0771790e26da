"""What a number was made with: digests of the code and the data, and versions.

``make chapters`` stores `notebook_digest` in each notebook when it executes it, and a test
compares. nbval compares numbers and text in any case; the digest is for what it cannot
compare, the pictures. So it follows only what a chapter's cells reach: from the names that
they use to the definitions behind these, and on. What no cell reaches makes none stale.

Pure standard library. In a wheel, where the repository's files are absent, the digests
of those files are ``"none"``.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parent

#: Characters kept of a SHA-256. Sixteen (64 bits) are enough to notice a change.
DIGEST_LENGTH = 16
NONE = "none"

#: Where nothing is that could change a picture.
NOT_FOLLOWED = (
    "srlib.sources.download", "srlib.sources.places", "srlib.runs.provenance",
    "srlib.runs.queue", "srlib.exercises",
)  # fmt: skip
#: The strings of this table name functions that are looked up with ``globals()``.
TABLE = "srlib.zoo"
#: What reads the records. A chapter depends on those that its calls of it select.
RECORDS = "srlib.runs.results.load"
#: What reads other files of ``data``, and which. Of weights their sums are enough.
FILES = {
    "srlib.sources.photos.sample_folder": "sample/SHA256SUMS",
    "srlib.sources.backbone.WEIGHTS_FOLDER": "weights/*.sha256",
    "srlib.runs.speed.load": "results/benchmark.json",
}

#: The libraries that can change a number. The book and the tests have others.
RUNTIME = (
    "efficientnet", "keras", "matplotlib", "numpy", "opencv-python-headless", "pillow",
    "scikit-image", "scipy", "tensorflow", "tensorflow-cpu",
)  # fmt: skip
#: Names under which the same library is installed on different machines.
_OPENCV = ("opencv-python", "opencv-contrib-python")
DISTRIBUTIONS = {
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "keras": ("keras",),
    "numpy": ("numpy",),
    "opencv": tuple(name + end for name in _OPENCV for end in ("", "-headless")),
    "scikit-image": ("scikit-image",),
    "matplotlib": ("matplotlib",),
}


def srlib_digest(modules: Iterable[str]) -> str:
    """Digest modules such as ``"training"``, with the modules that they import.

    Returns 16 hexadecimal digits, the same on every Python. Raises ``ValueError`` if srlib
    has no such module.
    """
    known = _modules()
    waiting, found = [f"srlib.{name}" for name in modules], set()
    while waiting:
        name = waiting.pop()
        if name not in known:
            raise ValueError(f"There is no module {name}; there are {', '.join(known)}.")
        found.add(name)
        for path in known[name].imported.values():
            homes = {path, path.rpartition(".")[0]}
            waiting += homes & known.keys() - found
    return _digest("\n".join(sorted(_traits(n)[0] for n in _reach(found, known).values())))


def notebook_digest(path: str | Path) -> str:
    """Digest all that a notebook's pictures depend on.

    That is its own code, what this reaches in srlib, the pinned numerical libraries and,
    where it reads them, the sample, the weights, the benchmark and the records that it
    selects. Comments, docstrings, annotations and the messages of errors do not count.
    Returns 16 hexadecimal digits, the same on every Python.
    """
    every = json.loads(_read(Path(path)))["cells"]  # a source is a string, or lines
    codes = ("".join(c["source"]).rstrip() for c in every if c["cell_type"] == "code")
    source = "\n".join(codes)
    magic = re.compile(r"^([ \t]*)[%!].*$", flags=re.MULTILINE)  # IPython's, not Python
    cells = ast.parse(magic.sub(r"\1pass", source))
    known, here = _modules(), _module(cells)
    reached = _reach((n for u in _uses(cells) for n in _find(u, here, known)), known)
    parts = [line[0] for line in magic.finditer(source)]
    parts += [
        _facts(cells),
        lock_digest(),
        *sorted(_traits(node)[0] for node in reached.values()),
    ]
    for name in sorted(FILES.keys() & reached.keys()):
        files = sorted((REPOSITORY / "data").glob(FILES[name]))
        parts += map(_read, files) if files else [NONE]
    if RECORDS in reached:
        calls = (node for node in ast.walk(cells) if isinstance(node, ast.Call))
        loads = [c for c in calls if RECORDS in _find(next(_uses(c.func), ""), here, known)]
        words = {word for tree in (cells, *reached.values()) for word in _words(tree)}
        parts += _records(list(map(_selection, loads)) or [("", {})], words)
    return _digest("\n".join(parts))


def lock_digest() -> str:
    """Digest the pinned versions of the libraries that can change a number, no others."""
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


# --- What reaches what -------------------------------------------------------------------


class Module(NamedTuple):
    """What the names at the top of a module mean: definitions, and what was imported."""

    definitions: dict[str, ast.AST]
    imported: dict[str, str]


def _modules() -> dict[str, Module]:
    """Read ``srlib``, ``srlib.data``, ``srlib.runs.results``... that are followed."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["srlib", *path.relative_to(PACKAGE).with_suffix("").parts]
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not any(f"{name}.".startswith(f"{other}.") for other in NOT_FOLLOWED):
            found[name] = _parsed(_read(path))
    return found


@lru_cache
def _parsed(source: str) -> Module:
    return _module(ast.parse(source))


def _module(tree: ast.Module) -> Module:
    definitions: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = (name for target in targets for name in ast.walk(target))
            definitions |= {n.id: node for n in names if isinstance(n, ast.Name)}
    imported = {}
    for node in ast.walk(tree):  # anywhere: a function may import what it needs
        if isinstance(node, ast.Import | ast.ImportFrom):
            base = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                imported[name] = base + alias.name if base or alias.asname else name
    return Module(definitions, imported)


def _reach(starts: Iterable[str], known: Mapping[str, Module]) -> dict[str, ast.AST]:
    """Follow names to definitions, and the names in these; give the definitions by name."""
    waiting, reached = list(starts), {}
    while waiting:
        name = waiting.pop()
        if name in known:  # the module itself: any of its names may be meant
            waiting += [f"{name}.{own}" for own in known[name].definitions]
        elif name not in reached:
            home, _, own = name.rpartition(".")
            reached[name] = known[home].definitions[own]
            for use in _traits(reached[name])[1]:
                waiting += _find(use, known[home], known, home)
                if use == "globals":
                    called = _strings(known[TABLE]) & known[home].definitions.keys()
                    waiting += [f"{home}.{function}" for function in called]
    return reached


def _strings(module: Module) -> set[Any]:
    nodes = (node for tree in module.definitions.values() for node in ast.walk(tree))
    return {node.value for node in nodes if isinstance(node, ast.Constant)}


def _find(
    use: str, here: Module, known: Mapping[str, Module], home: str = ""
) -> Iterator[str]:
    """Say what ``data.load_pairs.x`` means here: a definition, or a whole module."""
    first, *rest = use.split(".")
    if first in here.imported:
        path = [*here.imported[first].split("."), *rest]
        end = len(path)
        while end and ".".join(path[:end]) not in known:
            end -= 1
        module = ".".join(path[:end])
        if end == len(path):
            yield module
        elif end:
            yield from _find(".".join(path[end:]), known[module], known, module)
    elif home and first in here.definitions:
        yield f"{home}.{first}"


# --- Code without what changes no number -------------------------------------------------

#: Fields of a syntax tree that say nothing about what is computed.
SILENT = {"annotation", "returns", "ctx", "kind", "type_comment", "type_params"}


def _counts(node: Any) -> bool:
    """Leave out docstrings, errors, and imports (what they bring is followed)."""
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return not text and not isinstance(node, ast.Raise | ast.Import | ast.ImportFrom)


def _facts(node: Any) -> str:
    """Write what a syntax tree computes, the same for every layout and Python.

    Examples
    --------
    >>> _facts(ast.parse("f(1)  # why").body[0].value)
    "Call(func=Name(id='f'),args=[Constant(value=1)])"
    """
    if isinstance(node, list):
        return f"[{','.join(_facts(item) for item in node if _counts(item))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.JoinedStr):  # Python 3.12 puts empty texts into formats
        return _facts([part for part in node.values if getattr(part, "value", 0) != ""])
    fields = ((k, v) for k, v in ast.iter_fields(node) if k not in SILENT)
    facts = (f"{k}={_facts(v)}" for k, v in fields if v is not None and v != [])
    return f"{type(node).__name__}({','.join(facts)})"


@lru_cache(maxsize=4096)
def _traits(node: ast.AST) -> tuple[str, tuple[str, ...]]:
    """Say what a definition computes, and the names that it uses; once for all chapters."""
    return _facts(node), tuple(_uses(node))


def _uses(node: Any) -> Iterator[str]:
    """List the names in a syntax tree with what follows them: ``data.read_photo``."""
    chain, end = [], node
    while isinstance(end, ast.Attribute):
        chain, end = [end.attr, *chain], end.value
    if isinstance(end, ast.Name):
        yield ".".join([end.id, *chain])
    elif chain:
        yield from _uses(end)
    elif isinstance(node, list):
        for item in node:
            yield from _uses(item)
    elif isinstance(node, ast.AST) and _counts(node):
        for field, value in ast.iter_fields(node):
            yield from () if field in SILENT else _uses(value)


# --- Records, notebooks, lock file, installed packages -----------------------------------


def _selection(call: ast.Call) -> tuple[str, dict[str, Any]]:
    """Read a call of `results.load`: its dataset, and the fields that it fixes."""
    dataset = next((arg.value for arg in call.args if isinstance(arg, ast.Constant)), "")
    given = ((k.arg, k.value) for k in call.keywords if isinstance(k.value, ast.Constant))
    return dataset, {name: node.value for name, node in given}


def _words(tree: ast.AST) -> Iterator[str]:
    """List the attributes and keywords in a tree: what it may read of a record."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.keyword):
            yield node.attr if isinstance(node, ast.Attribute) else node.arg or ""


def _records(selections: list[tuple[str, dict]], words: set[str]) -> Iterator[str]:
    """Write the records that any of the calls selects, with the fields that are read."""
    folder = REPOSITORY / "data" / "results"
    for file in sorted(folder.glob("*/**/*.json")):
        record = json.loads(_read(file))
        if any(
            dataset in ("", file.relative_to(folder).parts[0])
            and all(record.get(key, value) == value for key, value in fixed.items())
            for dataset, fixed in selections
        ):
            yield json.dumps(
                {key: record[key] for key in sorted(words & record.keys() or record)}
            )


def _pins(lock: str) -> list[str]:
    """List the sorted ``name==version`` of the runtime libraries in a lock file."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock, flags=re.MULTILINE)
    return sorted(f"{name}=={version}" for name, version in pins if name in RUNTIME)


def _version(names: Iterable[str]) -> str:
    """Tell the version of the first of these distributions that is installed."""
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "not installed"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]

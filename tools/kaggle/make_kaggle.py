"""Package the course for Kaggle: one dataset, and a notebook for each chapter.

    python -m tools.kaggle.make_kaggle --owner NAME    write dist/kaggle, say how to publish

With ``--push`` it is published, and the answers are read.

NAME is the account on Kaggle. The dataset holds the wheel of srlib, two small packages that
Kaggle's image may lack, the sample, the records and the weights. Nothing in dist is
committed. Kaggle's command line lets much pass in silence (kaggle 2.2.5): see `failures`.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from tools.notebooks import chapter_rules, first_cell

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist" / "kaggle"
TITLE = "Five Models and a Ceiling"
SLUG = "five-models-and-a-ceiling"
VOC = "zaraks/pascal-voc-2007"
MACHINE = "NvidiaTeslaT4"

#: What srlib needs and Kaggle's image may lack: pure Python, 60 KB. Installed by name, so
#: that what is there is not replaced.
EXTRAS = ("efficientnet==1.1.1", "keras-applications==1.0.8")
INSTALL = """\
--no-index
--find-links .
srlib
efficientnet
keras-applications
"""
DESCRIPTION = """\
What the notebooks of the course *Five Models and a Ceiling: super-resolution, measured*
need on Kaggle, without the internet: its library `srlib`, 95 free photos, a record of every
run, and trained networks.

Code: Apache-2.0. Text and figures: CC BY 4.0. Each photo keeps its own licence:
`sample/CREDITS.csv`. Weights: `weights/README.md`.
"""

MAX_WHEEL = 250_000  # bytes: code alone; with any of the data it would be megabytes
READY_WITHIN = 900  # seconds that Kaggle may take to unpack the dataset
FREE_WITHIN = 7200  # seconds that the notebooks pushed before may run
ASK_EVERY = 10
#: Kaggle's answer when as many notebooks run as it lets one account.
BUSY = "GPU session count"


class KaggleError(Exception):
    """A package that Kaggle would not take. The message says what to change."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Package the course for Kaggle.")
    parser.add_argument("--owner", default="", help="the account on Kaggle")
    parser.add_argument("--push", action="store_true", help="publish it, too")
    options = parser.parse_args(arguments)
    try:
        folders = make(options.owner)
        if options.push:
            push(options.owner, folders)
        else:
            print(how_to_publish(options.owner, folders))
    except KaggleError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


# --- Writing the folders -----------------------------------------------------------------


def make(owner: str, dist: Path = DIST) -> list[Path]:
    """Write all folders anew, and check them.

    Returns
    -------
    list of Path
        The folders of the chapters, in order. The dataset's is ``dataset`` beside them.

    Raises
    ------
    KaggleError
        If `owner` is no name of an account, a package cannot be had, or a rule is broken.
    """
    check_owner(owner)
    shutil.rmtree(dist, ignore_errors=True)
    write_dataset(owner, dist / "dataset")
    paths = first_cell.numbered()
    folders = [write_chapter(path, owner, dist / path.stem) for path in paths]
    if found := list(problems(dist, folders)):
        raise KaggleError("\n".join(found))
    size = sum(path.stat().st_size for path in (dist / "dataset").rglob("*"))
    print(
        f"Wrote {shown(dist)}: the dataset ({size / 1e6:.0f} MB), {len(folders)} chapters."
    )
    return folders


def check_owner(owner: str) -> None:
    """Refuse what cannot be the name of an account."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", owner):
        found = f"found {owner!r}" if owner else "none was given"
        raise KaggleError(
            "Name your account on Kaggle, as in kaggle.com/NAME: letters, digits, - and _ "
            f"({found}). For example: make kaggle OWNER=ada"
        )


def write_dataset(owner: str, folder: Path) -> None:
    """Write the dataset: wheels, data, licences, metadata."""
    folder.mkdir(parents=True)
    build_wheel(folder)
    fetch_extras(folder)
    (folder / "srlib.txt").write_text(INSTALL, encoding="utf-8")
    for part in ("sample", "results", "weights"):
        shutil.copytree(
            ROOT / "data" / part, folder / part, ignore=shutil.ignore_patterns(".*")
        )
    for name in ("LICENSE", "LICENSE-TEXT.md"):
        shutil.copyfile(ROOT / name, folder / name)
    metadata = {
        "id": f"{owner}/{SLUG}",
        "title": TITLE,
        "subtitle": "Library, photos, records and weights of a super-resolution course",
        "description": DESCRIPTION,
        "licenses": [{"name": "other"}],  # code, text and photos have different ones
        "keywords": [],
    }
    write_json(folder / "dataset-metadata.json", metadata)


def build_wheel(folder: Path) -> Path:
    """Build the wheel of srlib, from a copy, so that nothing is left in the clone."""
    with tempfile.TemporaryDirectory() as copy:
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copyfile(ROOT / name, Path(copy, name))
        no_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "srlib", Path(copy, "srlib"), ignore=no_caches)
        pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", copy, to=folder)
    return next(folder.glob("srlib-*.whl"))


def fetch_extras(folder: Path) -> None:
    """Get the wheels of `EXTRAS`."""
    pip("wheel", "--no-deps", *EXTRAS, to=folder)


def pip(command: str, *arguments: str, to: Path) -> None:
    """Run pip for wheels that go to a folder."""
    base = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    line = [*base, command, *arguments, "--wheel-dir", str(to)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise KaggleError(f"{shlex.join(line)} failed:\n{done.stderr or done.stdout}")


def write_chapter(path: Path, owner: str, folder: Path) -> Path:
    """Write one chapter: the notebook without outputs, and its metadata.

    If the course's public address is known, its first cell can fetch the course from there:
    for those who turn the internet on instead of attaching the dataset.
    """
    folder.mkdir(parents=True)
    notebook = nbformat.read(path, as_version=4)
    first_cell.put(notebook, first_cell.known_address())
    notebook.metadata.pop("srlib", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
            hide(cell)
        elif cell.cell_type == "markdown":
            cell.source = with_links_to_kaggle(cell.source, owner)
    nbformat.write(notebook, folder / path.name)
    metadata = {
        "id": f"{owner}/{slugify(kernel_title(path.stem))}",
        "title": kernel_title(path.stem),
        "code_file": path.name,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_tpu": False,
        "enable_internet": False,
        "machine_shape": MACHINE,
        "dataset_sources": [f"{owner}/{SLUG}", VOC],
        "competition_sources": [],
        "kernel_sources": [],
        "model_sources": [],
        "keywords": ["gpu"],
    }
    write_json(folder / "kernel-metadata.json", metadata)
    return folder


def hide(cell: NotebookNode) -> None:
    """Hide on Kaggle, which does not read tags, what they hide in the book."""
    for part in ("input", "output"):
        tags = {f"{verb}-{what}" for verb in ("hide", "remove") for what in (part, "cell")}
        if not tags.isdisjoint(cell.metadata.get("tags", [])):
            cell.metadata[f"_kg_hide-{part}"] = True


def kernel_title(stem: str) -> str:
    """Turn ``03-model-1-basic`` into ``Five Models 03 Model 1 Basic``, below 50 letters.

    Kaggle makes the address of the title, so both must say the same.
    """
    words = (word if word == "to" else word.capitalize() for word in stem.split("-"))
    return " ".join(["Five Models", *words])


def slugify(title: str) -> str:
    """Make an address of a title, as Kaggle does.

    Examples
    --------
    >>> slugify("Five Models 03: Model 1")
    'five-models-03-model-1'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


LINK = re.compile(r"(?<!!)\[([^\]\n]*)\]\((?!https?:|#|mailto:)([^)\s#]*)(#[^)\s]*)?\)")


def with_links_to_kaggle(text: str, owner: str) -> str:
    """Lead links between chapters to their notebooks on Kaggle; keep the words of others.

    Examples
    --------
    >>> with_links_to_kaggle("[3](03-model-1-basic.ipynb#x), [all](solutions.ipynb)", "ada")
    '[3](https://www.kaggle.com/code/ada/five-models-03-model-1-basic#x), all'
    """
    stems = {path.stem for path in first_cell.numbered()}

    def lead(match: re.Match) -> str:
        words, target, anchor = match[1], Path(match[2]).stem, match[3] or ""
        if target not in stems:
            return words
        slug = slugify(kernel_title(target))
        return f"[{words}](https://www.kaggle.com/code/{owner}/{slug}{anchor})"

    return LINK.sub(lead, text)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write readable JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


# --- What Kaggle would refuse, or show raw -----------------------------------------------


def problems(dist: Path, folders: list[Path]) -> Iterator[str]:
    """Find it: too long a title, markup that it does not know, a wheel with data in it.

    The rest of the metadata is written above, and is the same for every chapter.
    """
    for folder in folders:
        title = kernel_title(folder.name)
        if len(title) > 50:
            yield f"{folder}: {title!r} has {len(title)} letters; at most 50. Rename it."
        notebook = nbformat.read(folder / f"{folder.name}.ipynb", as_version=4)
        yield from (f"{folder}: {text}" for text in markup_problems(notebook))
    for wheel in (dist / "dataset").glob("srlib-*.whl"):
        size = wheel.stat().st_size
        if size > MAX_WHEEL:
            yield f"{wheel} has {size} bytes, more than {MAX_WHEEL}. Take out what is data."
        if not wheel.name.endswith("-py3-none-any.whl"):
            yield f"{wheel} is not pure Python. Build it without compiled parts."


HTML = re.compile(r"</?(?!details\b|summary\b)[a-z][a-z0-9]*\b[^>]*>")


def markup_problems(notebook: NotebookNode) -> Iterator[str]:
    """Find what a notebook on Kaggle would show raw."""
    yield from chapter_rules.plain_markdown(notebook)
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            for tag in HTML.findall(chapter_rules.without_code(cell.source)):
                yield f"cell {number}: HTML, {tag}. Write Markdown."


# --- Publishing --------------------------------------------------------------------------


def version_command() -> list[str]:
    """Say what publishes a new version of the dataset. Folders are left out without -r."""
    where = shown(DIST / "dataset")
    return ["kaggle", "datasets", "version", "-p", where, "-r", "zip", "-m", "New version"]


def create_command() -> list[str]:
    """Say what publishes the dataset for the first time."""
    return ["kaggle", "datasets", "create", "-p", shown(DIST / "dataset"), "-r", "zip"]


def status_command(owner: str) -> list[str]:
    """Say what tells whether Kaggle has unpacked the dataset."""
    return ["kaggle", "datasets", "status", f"{owner}/{SLUG}"]


def commands(owner: str, folders: list[Path]) -> list[list[str]]:
    """List what publishes everything for the first time, in order."""
    pushes = [["kaggle", "kernels", "push", "-p", shown(folder)] for folder in folders]
    return [create_command(), status_command(owner), *pushes]


HOW_TO_PUBLISH = """
To publish it:

  make kaggle OWNER={owner} PUSH=1

or by hand, with Kaggle's command (pip install kaggle; then once: kaggle auth login). First
the dataset:

  {create}
  {status}

When the answer to that is "ready", the chapters that you want. Each runs at once; Kaggle
takes two at a time.

  {pushes}

They are then at https://www.kaggle.com/code/{owner}/{first} and so on. To replace the
dataset later:

  {version}
"""


def how_to_publish(owner: str, folders: list[Path]) -> str:
    """Tell what publishes the folders, and what comes of it."""
    create, status, *pushes = map(shlex.join, commands(owner, folders))
    return HOW_TO_PUBLISH.format(
        owner=owner,
        create=create,
        status=status,
        pushes="\n  ".join(pushes),
        first=slugify(kernel_title(folders[0].name)),
        version=shlex.join(version_command()),
    )


def shown(path: Path) -> str:
    """Write a path from here on, if it lies below."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def push(owner: str, folders: list[Path]) -> None:
    """Publish everything, and stop at the first answer that tells of a failure.

    Raises
    ------
    KaggleError
        With Kaggle's answer.
    """
    if shutil.which("kaggle") is None:
        raise KaggleError("There is no command `kaggle`. Install it: pip install kaggle")
    there = not is_refused(ask(status_command(owner), check=False))
    ask(version_command() if there else create_command())
    wait_until_ready(owner)
    for command in commands(owner, folders)[2:]:
        push_notebook(command)
    print(f"Published: https://www.kaggle.com/{owner}/code")


def wait_until_ready(owner: str) -> None:
    """Wait for the dataset: a notebook pushed before it goes without, in silence."""
    until = time.monotonic() + READY_WITHIN
    while not re.search(r"\bready\b", answer := ask(status_command(owner), check=False)):
        if time.monotonic() > until:
            raise KaggleError(
                f"Kaggle has not unpacked the dataset within {READY_WITHIN} s; it says: "
                f"{answer.strip()}. Push again when kaggle.com/datasets/{owner}/{SLUG} is "
                "ready."
            )
        time.sleep(ASK_EVERY)


def push_notebook(command: list[str]) -> None:
    """Push a notebook. Kaggle runs it at once, so many at a time: wait for the others."""
    until = time.monotonic() + FREE_WITHIN
    while True:
        try:
            ask(command)
        except KaggleError as error:
            if BUSY not in str(error) or time.monotonic() > until:
                raise
            print("Waiting until one of the notebooks that run is done.", flush=True)
            time.sleep(3 * ASK_EVERY)
        else:
            return


def ask(command: list[str], *, check: bool = True) -> str:
    """Run a command of Kaggle's, and show and return its answer."""
    print(f"$ {shlex.join(command)}", flush=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answer = done.stdout + done.stderr
    print(answer, end="", flush=True)
    if check and (done.returncode or failures(answer)):
        lines = "\n".join(failures(answer)) or answer.strip()
        raise KaggleError(f"Kaggle refused `{shlex.join(command)}`:\n{lines}")
    if done.returncode:
        return f"refused: {answer}"
    return answer


def is_refused(answer: str) -> bool:
    """Tell whether Kaggle knows no such dataset, or does not let this account see it."""
    return bool(re.search(r"^refused:|\b40[34]\b|not found|error", answer, re.I))


#: What Kaggle's command line prints, and then exits as if all had gone well.
FAILURE = re.compile(
    r"^.*(?:not valid (?:\w+ sources|tags)|Kernel push error|Dataset creation error"
    r"|Dataset version creation error|Upload unsuccessful|Skipping folder"
    r"|does not resolve to the specified id).*$",
    re.MULTILINE | re.IGNORECASE,
)


def failures(answer: str) -> list[str]:
    """Pick the lines of an answer that tell of a failure.

    Examples
    --------
    >>> failures("Kernel push error: Maximum batch GPU session count of 2 reached.")
    ['Kernel push error: Maximum batch GPU session count of 2 reached.']
    """
    return FAILURE.findall(answer)


if __name__ == "__main__":
    sys.exit(main())

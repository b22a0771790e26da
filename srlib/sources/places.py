"""Where the course's files are, where new ones go, and how they are written.

In a clone both are its folder ``data``. On Kaggle ``srlib`` is installed from a wheel; the
sample, the records and the weights come with the attached dataset, which is read-only, and
what a session makes goes to its working folder. Pure standard library.
"""

from __future__ import annotations

import os
import shutil
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

#: What tells the course's folder from others: the list of the sample's photos.
MARK = Path("sample", "SHA256SUMS")


def course_data() -> Path:
    """Return the folder that holds ``sample``, ``results`` and ``weights``.

    If there is none, return where a clone has it, so that messages name that.
    """
    folders = (PROJECT / "data", *_mounts())
    return next((f for f in folders if (f / MARK).is_file()), PROJECT / "data")


def in_clone() -> bool:
    """Tell whether srlib runs from a clone of the course, with everything beside it."""
    return (PROJECT / "data" / MARK).is_file()


def own_data() -> Path:
    """Return where downloads, unfinished runs and new records go: a folder to write to."""
    return (PROJECT if in_clone() else Path.cwd()) / "data"


def kaggle_inputs() -> Path:
    """Return where Kaggle mounts what is attached to a notebook."""
    return Path(os.environ.get("KAGGLE_CACHE_MOUNT_FOLDER", "/kaggle/input"))


def on_kaggle() -> bool:
    """Tell whether this is a session on Kaggle."""
    return "KAGGLE_KERNEL_RUN_TYPE" in os.environ


def take_up() -> list[Path]:
    """Copy what earlier sessions left into `own_data`, so that runs go on from there.

    Records and unfinished runs are looked for in the course's dataset and in the outputs of
    earlier sessions that are attached, with or without a clone of the course in them. What
    is there already stays.

    Returns
    -------
    list of Path
        The copies.
    """
    own = own_data()
    copies = []
    for mount in _mounts():
        for root in (mount, mount / "data", *sorted(mount.glob("*/data"))):
            for pattern in ("results/**/*.json", "runs/*"):
                for file in sorted(root.glob(pattern)):
                    copy = own / file.relative_to(root)
                    if file.is_file() and not copy.exists():
                        copy.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(file, copy)  # not its mode: that is read-only
                        copies.append(copy)
    return copies


def _mounts() -> Iterator[Path]:
    """Yield the attached folders: ``<slug>``, or since 2026 ``<kind>/<owner>/<slug>``."""
    for pattern in ("*", "*/*/*"):
        yield from sorted(kaggle_inputs().glob(pattern))


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Give a path to write to, which then becomes `file`: whole, or not at all.

    Its name is unlike any other's, whoever else writes the same file at the same time; its
    ending is the same.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.stem}.{uuid.uuid4().hex}.part{file.suffix}")
    try:
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def set_aside(file: Path, why: object) -> None:
    """Rename a file that cannot be used, so that it is in nobody's way, and say so."""
    aside = file.with_name(file.name + ".damaged")
    file.replace(aside)
    warnings.warn(f"{why} It was set aside as {aside.name}.", stacklevel=3)

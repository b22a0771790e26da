"""The records of finished runs: read, checked, compared.

A record is one JSON file, ``data/results/<dataset>/<name>.json``. It says what went into a
run and what came out of it, down to the score of every photo. What interpolation reaches on
the same photos stands beside, once for all runs: ``baselines/<recipe>-<data digest>.json``.
`runner` writes them; chapters compute their tables and verdicts from them, so this module
needs no TensorFlow.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from srlib.sources import places

RESULTS = places.course_data() / "results"

#: Lists the versions of srlib whose records stand, each with the reason.
ACCEPTED = "ACCEPTED.json"

Scores = dict[str, float]
ByPhoto = dict[str, list[float]]

#: In dB: scores that differ by less are the same, computed on another machine.
SAME = 0.001


class RecordError(ValueError):
    """A record that cannot be trusted. The message names the file and what is wrong."""


class BaselinesError(RecordError):
    """A record may be sound, but what it is compared with is not there."""


@dataclass(frozen=True)
class Record:
    """What one run was given, and what came of it. By output means ``x2`` and ``x4``.

    Attributes
    ----------
    name
        Names the run, and its file.
    model
        Key of `zoo.NETWORKS`.
    changes
        Arguments of the model's function that differ from the article's.
    dataset, recipe
        Where the photos came from, and how they were shrunk.
    seed
        Of the fresh weights and of the order of the photos.
    loss, loss_weights
        ``"mse"`` or ``"psnr"`` (see `training.fit`); by output.
    epochs, batch_size
        Epochs that were planned; pairs a step.
    patience, stopped_early
        After how many flat epochs a run may stop (``None``: never), and whether it did.
    train_images, val_images
        How many photos.
    backbone
        Kind of the frozen features; ``None`` if the model has none.
    parameters, trainable_parameters
        How many numbers the model holds, and how many were trained.
    history
        Curves of `training.fit`, one number an epoch.
    psnr_db, article_psnr_db, ssim
        Of the validation photos, by output: mean of each photo's PSNR; the article's own
        number (mean over batches of 64, nothing clipped); mean of each photo's SSIM.
    per_image
        PSNR in dB of each validation photo, by output.
    baselines
        The same by output, then by method: kept in a file apart.
    seconds
        Wall-clock time of the training, on a machine that may have had other work.
    versions, srlib_digest, data_digest
        What the run was made with: of the libraries, of the code, of the photos.
    black
        At the ``start`` and at the ``end``, by output: which share of each colour's pixels
        is black (`runner.black_shares`). Empty in records from before it was noted.
    """

    name: str
    model: str
    changes: dict[str, Any]
    dataset: str
    recipe: str
    seed: int
    loss: str
    loss_weights: Scores
    epochs: int
    batch_size: int
    patience: int | None
    stopped_early: bool
    train_images: int
    val_images: int
    backbone: str | None
    parameters: int
    trainable_parameters: int
    history: dict[str, list[float]]
    psnr_db: Scores
    article_psnr_db: Scores
    ssim: Scores
    per_image: ByPhoto
    baselines: dict[str, ByPhoto]
    seconds: float
    versions: dict[str, str]
    srlib_digest: str
    data_digest: str
    black: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    @property
    def protocol(self) -> str:
        """What the scores were made from, in short: to stand below a figure."""
        dataset = {"voc2007": "VOC 2007"}.get(self.dataset, self.dataset)
        return (
            f"{dataset}, {self.recipe} recipe, RGB; {self.epochs} epochs of "
            f"{self.train_images} photos, scored on {self.val_images} others"
        )

    @property
    def is_published(self) -> bool:
        """Whether the network and its loss are the article's own."""
        return not self.changes and self.loss == "mse"

    def scores(self, head: str) -> np.ndarray:
        """Return the PSNR in dB of each validation photo."""
        return np.asarray(self.per_image[head])

    def baseline(self, head: str, method: str) -> np.ndarray:
        """Return the PSNR in dB of each validation photo by an interpolation or ceiling."""
        return np.asarray(self.baselines[head][method])


#: Fields that came later have defaults, which older records then have.
REQUIRED = {f.name for f in fields(Record) if f.default is f.default_factory is MISSING} - {
    "baselines"
}
#: Fields with one entry an output.
BY_HEAD = {f.name for f in fields(Record) if f.type == "Scores"} | {"per_image"}


# --- Files -----------------------------------------------------------------------------


def load(
    dataset: str = "voc2007",
    *,
    folder: Path | None = None,
    accepted: bool = True,
    **wanted: Any,
) -> list[Record]:
    """Load the records of a dataset, sorted by name. All of them are checked.

    A file is read again when it has changed: records are shared, not to be written to.

    Parameters
    ----------
    dataset, folder
        A folder inside `folder`, which is that of the course's results.
    accepted
        Refuse records of versions of srlib that ``ACCEPTED.json`` does not list.
    wanted
        Keep only those that `select` keeps: ``train_images=1000``.

    Raises
    ------
    RecordError
        If there are none, or one contradicts its fields' types, its name, its folder or
        itself, was made by code that is not listed, or from other photos than the rest.
    """
    folder = folder or RESULTS
    records = [read(file) for file in sorted((folder / dataset).glob("*.json"))]
    if not records:
        raise RecordError(
            f"{folder / dataset} holds no records. `python -m srlib run --plan seeds` "
            f"makes some."
        )
    if accepted:
        _check_code(records, folder)
    _check_photos(records)
    return select(records, **wanted)


def read(file: Path) -> Record:
    """Read and check one record, and its baselines. See `load` for what is refused."""
    content = _sound(file, defects)
    beside = _baselines_file(file.parent, content["recipe"], content["data_digest"])
    try:
        known = _sound(beside, _baseline_defects)
        baselines = {head: known[head] for head in content["psnr_db"]}
    except (RecordError, KeyError) as error:
        raise BaselinesError(f"{beside}: cannot be read ({error}).") from error
    counts = {len(s) for by_method in baselines.values() for s in by_method.values()}
    if counts != {content["val_images"]}:
        raise BaselinesError(
            f"{beside}: has {sorted(counts)} scores by a method, but {file.name} "
            f"{content['val_images']}. Delete it; the next run makes it again."
        )
    return Record(**content, baselines=baselines)


def write(record: Record, folder: Path | None = None) -> Path:
    """Write a record, whole or not at all. Numbers keep six significant digits."""
    folder = (folder or RESULTS) / record.dataset
    file = folder / f"{record.name}.json"
    content = rounded(asdict(record))
    baselines = content.pop("baselines")
    for defect in defects(content, file):
        raise RecordError(f"The run {record.name} made no valid record: {defect}.")
    write_baselines(baselines, record.recipe, record.data_digest, folder)
    _write_json(file, {k: v for k, v in content.items() if v or k in REQUIRED})
    return file


def write_baselines(
    baselines: Mapping[str, ByPhoto], recipe: str, data_digest: str, folder: Path
) -> None:
    """Keep the baselines of some photos in a dataset's folder; set a damaged file aside.

    Raises
    ------
    RecordError
        If other numbers are there for the same photos.
    """
    file, new = _baselines_file(folder, recipe, data_digest), rounded(baselines)
    try:
        known = _sound(file, _baseline_defects) if file.exists() else {}
    except RecordError as error:
        places.set_aside(file, error)
        known = {}
    for head, by_method in new.items() if known else ():
        for method, scores in by_method.items():
            there = known.get(head, {}).get(method, [])
            if len(there) != len(scores) or not np.allclose(there, scores, 0, SAME):
                raise RecordError(
                    f"{file}: holds other scores by {method} at {head} than now come from "
                    f"the same photos. Find out why, or move {folder} away."
                )
    if not known:
        _write_json(file, {"name": file.stem, **new})


def _baselines_file(folder: Path, recipe: str, data_digest: str) -> Path:
    return folder / "baselines" / f"{recipe}-{data_digest}.json"


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
    with places.whole(file) as part:
        part.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """Return what a file would give back: six significant digits, lists for tuples."""
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _sound(file: Path, check: Callable[..., Iterator[str]]) -> dict[str, Any]:
    """Return what a JSON file holds, if `check` finds nothing wrong with it."""
    try:
        stat = file.stat()
        return _read_once(file, check, stat.st_mtime_ns, stat.st_size)
    except (OSError, ValueError, RecursionError) as error:
        why = error if isinstance(error, RecordError) else f"cannot be read ({error})"
        raise RecordError(f"{file}: {why}. Delete it; its run makes it again.") from error


@lru_cache(maxsize=2048)
def _read_once(file: Path, check: Callable[..., Iterator[str]], *_: int) -> dict[str, Any]:
    content = json.loads(file.read_text(encoding="utf-8"))
    for defect in check(content, file):
        raise RecordError(defect)
    return content


# --- What is refused -------------------------------------------------------------------


def defects(content: Any, file: Path) -> Iterator[str]:
    """Yield what is wrong with the content of a record's file; nothing if it is sound."""
    if not isinstance(content, dict):
        yield f"holds a {type(content).__name__}, expected an object with fields"
        return
    hints = get_type_hints(Record)
    del hints["baselines"]
    broken = [f"the field {name} is missing" for name in REQUIRED - content.keys()]
    broken += [f"the field {name} is unknown" for name in content.keys() - hints.keys()]
    for name in content.keys() & hints.keys():
        broken += _misfits(content[name], hints[name], name)
    yield from sorted(broken)
    if not broken:  # what follows relies on all that
        yield from _contradictions(content, file)


def _baseline_defects(content: Any, file: Path) -> Iterator[str]:
    tables = dict(content) if isinstance(content, dict) else {}
    if tables.pop("name", None) != file.stem:
        yield f"holds no baselines of {file.stem}"
    yield from _misfits(tables, dict[str, ByPhoto], "baselines")


def _misfits(value: Any, hint: Any, where: str) -> Iterator[str]:
    """Yield the places of what is not of its type, and of NaN and infinity."""
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind is UnionType:
        kind, inner = (type(None) if value is None else inner[0]), ()
    if kind is not Any and type(value) is not kind and (kind, type(value)) != (float, int):
        yield f"{where} is a {type(value).__name__}, expected {kind.__name__}"
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where} is not a finite number"
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _misfits(item, inner[-1] if inner else Any, f"{where}.{key}")


def _contradictions(content: dict[str, Any], file: Path) -> Iterator[str]:
    """Yield where a sound record contradicts itself, or the place where it lies."""
    c = SimpleNamespace(**content)
    photos, label = f"({c.train_images}|all)", "(-.+)?"
    if c.changes or c.loss != "mse":
        label = "-.+"
    yield from _unless_equal("its name", c.name, file.stem)
    yield from _unless_equal("its dataset", c.dataset, file.parent.name)
    named = f"{c.model}{label}-{c.recipe}-{photos}x{c.epochs}-s{c.seed}"
    if not re.fullmatch(named, c.name):
        yield f"is named {c.name}, but holds the run {named}"
    for digest in ("srlib_digest", "data_digest"):
        if not re.fullmatch("[0-9a-f]{16}", content[digest]):
            yield f"{digest} is {content[digest]!r}, expected 16 hexadecimal digits"
    for name in BY_HEAD & content.keys():
        yield from _unless_equal(name, sorted(content[name]), sorted(c.loss_weights))
    for head, scores in c.per_image.items():
        yield from _unless_equal(f"{head} per_image: scores", len(scores), c.val_images)
        mean, said = np.mean(scores), c.psnr_db.get(head, math.nan)
        if not abs(mean - said) <= SAME:
            yield f"{head} psnr_db is {said}, but the mean of its photos is {mean:.4f}"
    epochs = {len(curve) for curve in c.history.values()}
    if len(epochs) != 1 or (epochs != {c.epochs} and not c.stopped_early):
        yield f"history has {sorted(epochs)} epochs, expected {c.epochs}"


def _unless_equal(what: str, found: Any, expected: Any) -> Iterator[str]:
    if found != expected:
        yield f"{what} is {found}, expected {expected}"


def _check_code(records: list[Record], folder: Path) -> None:
    listing = folder / ACCEPTED
    accepted = json.loads(listing.read_text(encoding="utf-8")) if listing.exists() else {}
    for record in records:
        if record.srlib_digest not in accepted:
            raise RecordError(
                f"{record.name}: was made with srlib {record.srlib_digest}, which "
                f"{listing} does not list. Delete the record and run it again, or list "
                f"that version and say why its numbers stand."
            )


def _check_photos(records: list[Record]) -> None:
    """Refuse a record made from other photos than those that it is compared with."""
    first: dict[tuple, Record] = {}
    for record in records:
        key = (record.dataset, record.train_images, record.val_images)
        other = first.setdefault(key, record)
        if record.data_digest != other.data_digest:
            raise RecordError(
                f"{record.name}: its data_digest is {record.data_digest}, but that of "
                f"{other.name} is {other.data_digest}: they saw other photos and cannot "
                f"be compared. Run one of them again."
            )


# --- Comparing -------------------------------------------------------------------------


def select(records: Iterable[Record], **wanted: Any) -> list[Record]:
    """Keep the records whose fields have these values.

    A value may be a function, which is asked: ``seed=lambda seed: seed < 3``.
    """
    return [r for r in records if all(_fits(getattr(r, k), v) for k, v in wanted.items())]


def _fits(value: Any, wanted: Any | Callable[[Any], bool]) -> bool:
    return wanted(value) if callable(wanted) else value == wanted


def bootstrap_interval(
    differences: np.ndarray, *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return where the mean of paired differences may lie, given these photos.

    The photos are drawn again with replacement, `draws` times, and the mean taken each
    time (percentile bootstrap). It tells how much the choice of photos matters, and
    nothing about the seed of the training.

    Parameters
    ----------
    differences
        One number a photo, such as a model's PSNR minus bilinear's.

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993.
    """
    differences = np.asarray(differences, float)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(differences), size=(draws, len(differences)))
    tail = (1 - level) / 2
    low, high = np.quantile(differences[chosen].mean(axis=1), [tail, 1 - tail])
    return float(low), float(high)

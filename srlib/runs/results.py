"""The records of finished runs: read, checked, compared.

A record is one JSON file, ``data/results/<dataset>/<name>.json``. It says what went into a
run and what came out of it, down to the score of every photo. `experiments` writes them;
chapters compute their tables and verdicts from them, so this module needs no TensorFlow.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import numpy as np

from srlib.sources import places

RESULTS = places.course_data() / "results"

#: Lists the versions of srlib whose records stand, each with the reason.
ACCEPTED = "ACCEPTED.json"

Scores = dict[str, float]


class RecordError(ValueError):
    """A record that cannot be trusted. The message names the file and what is wrong."""


@dataclass(frozen=True)
class Record:
    """What one run was given, and what came of it. By output means ``x2`` and ``x4``.

    Attributes
    ----------
    name
        Names the run, and its file.
    model, article_number
        Key of `zoo.NETWORKS`; the article's number for it.
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
        By output, then by method: PSNR in dB of each validation photo.
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
    article_number: int
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
    per_image: dict[str, list[float]]
    baselines: dict[str, dict[str, list[float]]]
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


#: Fields that came later: records from before lack them, and have their defaults.
LATER = {f.name for f in fields(Record) if f.default_factory is not MISSING}


# --- Files -----------------------------------------------------------------------------


def load(
    dataset: str = "voc2007",
    *,
    folder: Path | None = None,
    accepted: bool = True,
    **wanted: Any,
) -> list[Record]:
    """Load the records of a dataset, sorted by name. All of them are checked.

    Parameters
    ----------
    dataset
        Name of the folder inside `folder`.
    folder
        The results of the course unless another is given.
    accepted
        Refuse records of versions of srlib that ``ACCEPTED.json`` does not list.
    wanted
        Keep only those that `select` keeps: ``train_images=1000``.

    Raises
    ------
    RecordError
        If there are none, or one has a missing or an unknown field, a NaN, a value of the
        wrong kind, a list of the wrong length, an unknown digest, or was made from other
        photos than the rest.
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
    """Read and check one record. See `load` for what is refused."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{file}: cannot be read ({error}). Delete it; its run makes it again."
        ) from error
    for defect in defects(content, file.stem):
        raise RecordError(f"{file}: {defect}. Delete it; its run makes it again.")
    return Record(**content)


def write(record: Record, folder: Path | None = None) -> Path:
    """Write a record, whole or not at all. Numbers keep six significant digits."""
    content = _rounded(asdict(record))
    for defect in defects(content, record.name):
        raise RecordError(f"The run {record.name} made no valid record: {defect}.")
    file = (folder or RESULTS) / record.dataset / f"{record.name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items())
    part.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    part.replace(file)
    return file


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


# --- What is refused -------------------------------------------------------------------


# The kinds of values that are not simply of their field's type.
BY_HEAD = ("loss_weights", "psnr_db", "article_psnr_db", "ssim", "per_image", "baselines")
LISTS = ("history", "per_image")
OPTIONAL = {"patience": int, "backbone": str}


def defects(content: Any, name: str) -> Iterator[str]:
    """Yield what is wrong with a record's content; nothing if it is sound."""
    if not isinstance(content, dict):
        yield f"holds a {type(content).__name__}, expected an object with fields"
        return
    expected = get_type_hints(Record)
    missing = expected.keys() - content.keys() - LATER
    for name_ in sorted(missing):
        yield f"the field {name_} is missing"
    unknown = content.keys() - expected.keys()
    for name_ in sorted(unknown):
        yield f"the field {name_} is unknown"
    if missing or unknown:
        return
    expected = {key: kind for key, kind in expected.items() if key in content}
    kinds = list(_wrong_kinds(content, expected))
    yield from kinds
    if kinds:  # what follows relies on them
        return
    if content["name"] != name:
        yield f"is named {content['name']}, expected {name}"
    for where in _not_finite(content):
        yield f"{where} is not a finite number"
    yield from _wrong_lengths(content)
    for digest in ("srlib_digest", "data_digest"):
        if not _is_digest(content[digest]):
            yield f"{digest} is {content[digest]!r}, expected 16 hexadecimal digits"


def _wrong_kinds(content: dict, expected: Mapping[str, Any]) -> Iterator[str]:
    """Yield the fields that hold another type than `Record` says, and where inside."""
    for name, hint in expected.items():
        value = content[name]
        if value is None and name in OPTIONAL:
            continue
        kind = OPTIONAL.get(name) or get_origin(hint) or hint
        if type(value) is not kind and not (kind is float and type(value) is int):
            yield f"{name} is a {type(value).__name__}, expected {kind.__name__}"
    if isinstance(content["baselines"], dict):
        tables = content["baselines"].values()
        yield from _not_all("baselines", tables, dict)
        inner = [
            scores
            for table in tables
            if isinstance(table, dict)
            for scores in table.values()
        ]
        yield from _not_all("baselines", inner, list)
    for name in LISTS:
        if isinstance(content[name], dict):
            yield from _not_all(name, content[name].values(), list)


def _not_all(name: str, values: Iterable[Any], kind: type) -> Iterator[str]:
    for value in values:
        if not isinstance(value, kind):
            yield f"{name} has a {type(value).__name__}, expected {kind.__name__}"


def _not_finite(value: Any, where: str = "") -> Iterator[str]:
    """Yield the places of NaN and infinity: ``history.loss.3``."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _not_finite(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, float) and not math.isfinite(value):
        yield where


def _wrong_lengths(content: dict) -> Iterator[str]:
    heads = set(content["loss_weights"])
    for name in BY_HEAD:
        if set(content[name]) != heads:
            yield f"{name} has {sorted(content[name])}, expected {sorted(heads)}"
            return
    count = content["val_images"]
    for head in sorted(heads):
        lists = {"per_image": content["per_image"][head], **content["baselines"][head]}
        for name, scores in lists.items():
            if len(scores) != count:
                yield f"{head} {name} has {len(scores)} scores, expected {count}"
    epochs = {len(curve) for curve in content["history"].values()}
    if len(epochs) != 1 or (epochs != {content["epochs"]} and not content["stopped_early"]):
        yield f"history has {sorted(epochs)} epochs, expected {content['epochs']}"


def _is_digest(text: Any) -> bool:
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{16}", text) is not None


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

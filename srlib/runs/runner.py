"""One run: it trains a network, scores it and leaves one record.

A run that was stopped goes on from its last whole epoch, if code and photos are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from srlib import data, metrics, models, training
from srlib.runs import provenance, results
from srlib.runs.plans import RunConfig
from srlib.runs.weights import save_weights
from srlib.sources import backbone, places
from srlib.training import DivergedError

#: Unfinished runs and the local study. Nothing in it is worth keeping once they are done.
RUNS = places.own_data() / "runs"
#: The modules that decide a run's numbers.
NUMERICS = ("models", "training")
#: Of the batch that the article's PSNR was averaged over.
ARTICLE_BATCH = 64


class OtherPhotosError(ValueError):
    """The record of a run was made from other photos than are here."""


def run(
    config: RunConfig,
    photos: data.Photos,
    *,
    folder: Path | None = None,
    unfinished: Path | None = None,
    weights: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> results.Record:
    """Do one run and write its record; if the record is there, only read it.

    Whatever is damaged of an earlier attempt is set aside, with a warning that names it.

    Parameters
    ----------
    config, photos
        What to do and what with; `config` says how many of the photos.
    folder, unfinished, weights
        Where records are kept, a subfolder a dataset; where a run keeps what it needs to
        go on; where weights are kept, if any are. The course's own by default.
    callbacks
        Passed on to Keras.

    Raises
    ------
    data.DataError
        If there are fewer photos than the run needs.
    OtherPhotosError
        If its record was made from other photos.
    OSError
        If a folder cannot be written to: said before the first step.
    DivergedError
        If the loss became NaN, now or in an earlier attempt.
    """
    code, folder = _code_digest(), folder or results.RESULTS
    unfinished, weights = unfinished or RUNS, weights or backbone.WEIGHTS_FOLDER
    file = record_file(config, photos.name, folder)
    known = _known(config, photos)
    try:
        if done := look_up(config, photos, folder):
            return done
    except results.BaselinesError:
        pass  # made again, and then the record is looked at again
    except results.RecordError as error:
        places.set_aside(file, error)
    for place in (file.parent, unfinished, weights):
        _check_writable(place)
    # The same numbers each time, also after a stop.
    tf.config.experimental.enable_op_determinism()
    chosen = photos.take(config.train_photos, config.val_photos)
    train, val, baselines = _pairs(chosen, config.recipe)
    results.write_baselines(baselines, config.recipe, known["data_digest"], file.parent)
    if file.exists():
        return results.read(file)
    checkpoint = unfinished / f"{config.name}.npz"
    made_with = {"code": code, "photos": known["data_digest"], "run": repr(config)}
    diary = _Diary(checkpoint, made_with)
    model = models.build(config.model, seed=config.seed, **dict(config.changes))
    at_birth = black_shares(model, val)
    history = training.fit(
        model,
        train,
        val,
        epochs=config.total_epochs,
        batch_size=config.batch_size,
        loss=config.loss,
        loss_weights=config.loss_weights,
        seed=config.seed,
        patience=config.patience,
        checkpoint=checkpoint,
        callbacks=[diary, *callbacks],
    )
    record = results.Record(
        **known,
        stopped_early=len(history["loss"]) < config.total_epochs,
        backbone=backbone.backbone_kind(model),
        parameters=model.count_params(),
        trainable_parameters=sum(w.numpy().size for w in model.trainable_weights),
        history=history,
        **_scores(model, val),
        baselines={head: baselines[head] for head in model.output},
        black={"start": at_birth, "end": black_shares(model, val)},
        seconds=round(sum(diary.seconds), 1),
        versions=provenance.versions(),
        srlib_digest=code,
    )
    if not file.exists():  # else another worker took this one for dead, and did its run
        if config.keeps_weights:
            save_weights(model, config.name, weights)
        results.write(record, folder)
    for leftover in (checkpoint, diary.file):
        leftover.unlink(missing_ok=True)
    return record


def record_file(config: RunConfig, dataset: str, folder: Path | None = None) -> Path:
    """Say where the record of a run is, or will be."""
    return (folder or results.RESULTS) / dataset / f"{config.name}.json"


def look_up(
    config: RunConfig, photos: data.Photos, folder: Path | None = None
) -> results.Record | None:
    """Return the record of a run on these photos; ``None`` if there is no such file.

    Raises
    ------
    results.RecordError
        If it is damaged or of another run.
    OtherPhotosError
        If it is of this run, but on other photos.
    """
    file = record_file(config, photos.name, folder)
    if not file.exists():
        return None
    record = results.read(file)
    for name, value in results.rounded(_known(config, photos)).items():
        found = getattr(record, name)
        if found != value:
            photos_differ = name == "data_digest"
            raise (OtherPhotosError if photos_differ else results.RecordError)(
                f"{file}: its {name} is {found}, but that of this run is {value}. Move it "
                "away, or give the folder of these photos another name."
            )
    return record


def _known(config: RunConfig, photos: data.Photos) -> dict[str, Any]:
    """Return the fields of a record that are known before its run; the photos come last."""
    chosen = photos.take(config.train_photos, config.val_photos)
    return {
        "name": config.name,
        "model": config.model,
        "changes": dict(config.changes),
        "dataset": photos.name,
        "recipe": config.recipe,
        "seed": config.seed,
        "loss": config.loss,
        "loss_weights": config.loss_weights,
        "epochs": config.total_epochs,
        "batch_size": config.batch_size,
        "patience": config.patience,
        "train_images": len(chosen.train),
        "val_images": len(chosen.val),
        "data_digest": photos_digest([*chosen.train, *chosen.val]),
    }


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(
            f"{folder} cannot be written to ({error.strerror}), and a run would end there. "
            "Make it a folder of yours."
        ) from error


@lru_cache
def _code_digest() -> str:
    """Digest the code as it was when this process began to run, not as it is by now."""
    return provenance.srlib_digest(NUMERICS)


@lru_cache(maxsize=1)  # one run after the other uses the same photos
def _pairs(
    photos: data.Photos, recipe: str
) -> tuple[data.Pairs, data.Pairs, dict[str, dict[str, list[float]]]]:
    train, val = (data.load_pairs(photos, part, recipe) for part in ("train", "val"))
    baselines = training.score_baselines(val)
    lists = {
        head: {method: scores.tolist() for method, scores in by_method.items()}
        for head, by_method in baselines.items()
    }
    return train, val, lists


def _scores(model: keras.Model, val: data.Pairs) -> dict[str, dict[str, Any]]:
    """Score a trained model on the validation pairs, a batch of the article at a time."""
    per_image: dict[str, list[float]] = {head: [] for head in model.output}
    ssim: dict[str, list[float]] = {head: [] for head in model.output}
    by_batch: dict[str, list[float]] = {head: [] for head in model.output}
    for start in range(0, len(val), ARTICLE_BATCH):
        part = val[start : start + ARTICLE_BATCH]
        raw = model.predict_on_batch(data.as_float(part.lr))
        for head, picture in raw.items():
            target = data.as_float(getattr(part, head))
            by_batch[head].append(metrics.batch_psnr(target, picture))
            picture = np.clip(picture, 0, 1)
            per_image[head] += metrics.psnr(target, picture).tolist()
            ssim[head] += metrics.ssim(target, picture).tolist()
    return {
        "per_image": per_image,
        "psnr_db": {head: float(np.mean(scores)) for head, scores in per_image.items()},
        "ssim": {head: float(np.mean(scores)) for head, scores in ssim.items()},
        "article_psnr_db": {h: float(np.mean(scores)) for h, scores in by_batch.items()},
    }


def black_shares(model: keras.Model, val: data.Pairs) -> dict[str, list[float]]:
    """Return by output which share of each colour's pixels is 0 or below, over 64 photos.

    A colour at 1.0 is black in every pixel. Behind a ReLU no gradient reaches it.
    """
    raw = model.predict_on_batch(data.as_float(val[:ARTICLE_BATCH].lr))
    return {head: np.mean(p <= 0, axis=(0, 1, 2)).tolist() for head, p in raw.items()}


class _Diary(keras.callbacks.Callback):
    """What a run notes beside its checkpoint: what it is made with, and each epoch's time.

    A checkpoint made with something else is set aside: going on would mix two networks.
    """

    def __init__(self, checkpoint: Path, about: dict[str, str]) -> None:
        super().__init__()
        self.file, self.checkpoint = checkpoint.with_suffix(".json"), checkpoint
        self.about, self.seconds = about, []
        try:
            found = json.loads(self.file.read_bytes())
            self.seconds = [float(second) for second in found.pop("seconds")]
            diverged = found.pop("diverged", None)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            found = None
        if found != about:
            self.seconds, diverged = [], None
            for file in filter(Path.exists, (checkpoint, self.file)):
                why = f"{file}: damaged, or made by other code, photos or settings."
                places.set_aside(file, f"{why} The run starts afresh.")
        self._save(diverged)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.started = time.perf_counter()
        del self.seconds[epoch:]  # of an epoch that is done again

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.seconds.append(round(time.perf_counter() - self.started, 3))
        # A ReLU turns NaN into 0: weights can be lost behind a sound loss.
        numbers = [*(logs or {}).values(), *self.model.get_weights()]
        finite = all(np.isfinite(number).all() for number in numbers)
        self._save(None if finite else epoch + 1)

    def _save(self, diverged: int | None) -> None:
        with places.whole(self.file) as part:
            content = {**self.about, "seconds": self.seconds, "diverged": diverged}
            part.write_text(json.dumps(content), encoding="ascii")
        if diverged:
            self.checkpoint.unlink(missing_ok=True)
            raise DivergedError(
                f"{self.file.stem}: weights or loss are NaN from epoch {diverged} on, and "
                f"would be again. Change the run, or delete {self.file} to try once more."
            )


def photos_digest(files: Iterable[Path]) -> str:
    """Digest the names and the contents of photos. Of a file that stays it is known."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(os.fsencode(file.name))
        stat = file.stat()
        digest.update(_file_digest(file, stat.st_mtime_ns, stat.st_size))
    return digest.hexdigest()[: provenance.DIGEST_LENGTH]


@cache
def _file_digest(file: Path, *_: int) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()

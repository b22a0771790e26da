"""One run: it trains a network, scores it and leaves one record.

A run that was stopped goes on from its last whole epoch.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from srlib import data, metrics, models, training, zoo
from srlib.runs import provenance, results
from srlib.runs.plans import RunConfig
from srlib.runs.weights import save_weights
from srlib.sources import backbone, places

#: Unfinished runs and the local study. Nothing in it is worth keeping once they are done.
RUNS = places.own_data() / "runs"
#: The modules that decide a run's numbers.
NUMERICS = ("training",)
#: Of the batch that the article's PSNR was averaged over.
ARTICLE_BATCH = 64


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

    Parameters
    ----------
    config
        What to do.
    photos
        What to do it with; `config` says how many of them.
    folder
        Where records are kept, a subfolder a dataset. The course's own by default.
    unfinished
        Where a run keeps what it needs to go on, while it is not done.
    weights
        Where trained weights are kept, of the runs that keep any.
    callbacks
        Passed on to Keras.

    Raises
    ------
    data.DataError
        If there are fewer photos than the run needs.
    """
    code = _code_digest()
    folder, unfinished = folder or results.RESULTS, unfinished or RUNS
    file = record_file(config, photos.name, folder)
    if file.exists():
        return results.read(file)
    unfinished.mkdir(parents=True, exist_ok=True)
    checkpoint = unfinished / f"{config.name}.npz"
    clock = _Clock(unfinished / f"{config.name}.seconds")
    # The same numbers each time, also after a stop.
    tf.config.experimental.enable_op_determinism()
    photos = photos.take(config.train_photos, config.val_photos)
    train, val, baselines = _pairs(photos, config.recipe)
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
        callbacks=[clock, *callbacks],
    )
    record = results.Record(
        name=config.name,
        model=config.model,
        article_number=zoo.NETWORKS[config.model].article,
        changes=dict(config.changes),
        dataset=photos.name,
        recipe=config.recipe,
        seed=config.seed,
        loss=config.loss,
        loss_weights=config.loss_weights,
        epochs=config.total_epochs,
        batch_size=config.batch_size,
        patience=config.patience,
        stopped_early=len(history["loss"]) < config.total_epochs,
        train_images=len(train),
        val_images=len(val),
        backbone=backbone.backbone_kind(model),
        parameters=model.count_params(),
        trainable_parameters=sum(w.numpy().size for w in model.trainable_weights),
        history=history,
        **_scores(model, val),
        baselines={head: baselines[head] for head in model.output},
        black={"start": at_birth, "end": black_shares(model, val)},
        seconds=round(clock.total(), 1),
        versions=provenance.versions(),
        srlib_digest=code,
        data_digest=photos_digest([*photos.train, *photos.val]),
    )
    if config.keeps_weights:
        save_weights(model, config.name, weights)
    results.write(record, folder)
    for leftover in (checkpoint, clock.file):
        leftover.unlink(missing_ok=True)
    return record


def record_file(config: RunConfig, dataset: str, folder: Path | None = None) -> Path:
    """Say where the record of a run is, or will be."""
    return (folder or results.RESULTS) / dataset / f"{config.name}.json"


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


class _Clock(keras.callbacks.Callback):
    """Note how long each epoch took, in a file that outlives this process."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        with self.file.open("a", encoding="ascii") as file:
            file.write(f"{time.perf_counter() - self.started:.3f}\n")

    def total(self) -> float:
        lines = self.file.read_text(encoding="ascii").split() if self.file.exists() else []
        return sum(map(float, lines))


def photos_digest(files: Iterable[Path]) -> str:
    """Digest the names and the contents of photos."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[: provenance.DIGEST_LENGTH]

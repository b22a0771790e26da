"""Train a network and see how good it is."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from srlib import data, metrics, small


@dataclass(frozen=True)
class Budget:
    """How much a run may cost.

    Attributes
    ----------
    name
        ``"quick"``, ``"reduced"`` or ``"full"``.
    train_photos, val_photos
        How many photos of each part; ``None`` for all.
    epochs
        ``None`` for as many as the article trained.
    batch_size
        The article's is 64. With few photos that would leave too few steps.
    """

    name: str
    train_photos: int | None
    val_photos: int | None
    epochs: int | None
    batch_size: int


#: quick: the sample, seconds. reduced: VOC 2007 on a processor, minutes. full: what the
#: article did, on a GPU or overnight.
BUDGETS = {
    "quick": Budget("quick", None, None, 20, 4),
    "reduced": Budget("reduced", 1000, 300, None, 32),
    "full": Budget("full", None, None, None, 64),
}


def choose_budget(photos: data.Photos) -> Budget:
    """Choose what this machine can do in a chapter with these photos."""
    if len(photos.train) < BUDGETS["reduced"].train_photos:
        return BUDGETS["quick"]
    return BUDGETS["full" if tf.config.list_physical_devices("GPU") else "reduced"]


def _log_mse(packed: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
    """Return the logarithm of the batch's mean squared error."""
    return keras.ops.log(keras.ops.mean(small.packed_mse(packed, picture)))


LOSSES = {"mse": small.packed_mse, "psnr": _log_mse}


def fit(
    model: keras.Model,
    train: data.Pairs,
    val: data.Pairs,
    *,
    epochs: int,
    batch_size: int = 64,
    loss: Literal["mse", "psnr"] = "mse",
    loss_weights: Mapping[str, float] | None = None,
    learning_rate: float = 1e-3,
    seed: int = 0,
    first_epoch: int = 0,
    at_small_size: bool = True,
    patience: int | None = None,
    checkpoint: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, list[float]]:
    """Train `model` with Adam on the error of each output.

    Parameters
    ----------
    model
        With outputs named ``x2`` or ``x2`` and ``x4``.
    train, val
        The pairs to learn from, and those to score after every epoch.
    epochs
        In each of them every training pair is seen once, the last batch included.
    batch_size
        Pairs a step.
    loss
        ``"mse"``: the mean squared error. ``"psnr"``: its logarithm, so that what is
        raised is the PSNR of the batch, summed over the outputs. That is the uncertainty
        weighting of Kendall, Gal and Cipolla (CVPR 2018) with each variance at its best
        value, which is the error itself: half of ``log(error)`` remains.
    loss_weights
        By output; 1 each unless told otherwise. Their weighted errors are added.
    learning_rate
        Of Adam, whose default this is.
    seed
        Decides the order of the pairs. Fresh weights have a seed of their own.
    first_epoch
        Where to go on in the order of the pairs, if epochs were trained before. Adam
        starts afresh; to go on exactly, give a `checkpoint`.
    at_small_size
        Train one pixel where the network draws a block of equal ones (see `small`). The
        numbers are the same.
    patience
        Stop when the validation loss has been flat for so many epochs: when the best of
        them is not at least 0.1 % below the best before. ``None``: never.
    checkpoint
        A file (.npz) that holds, after every epoch, all that is needed to go on: weights,
        optimiser and curves. If it is there already, training goes on from it, with the
        same numbers as if it had never stopped.
    callbacks
        Passed on to Keras.

    Returns
    -------
    dict
        One list a curve, one number an epoch: ``loss``, and by output ``x2_loss`` (mean
        squared error), ``x2_psnr_db`` and ``x2_article_psnr_db``; ``val_`` in front for
        the validation pairs.

    Raises
    ------
    ValueError
        If there is a loss weight for an output that `model` has not, or `checkpoint` was
        written with other settings.
    """
    weights = dict(loss_weights or {})
    if weights.keys() - model.output:
        raise ValueError(
            f"Found loss weights for {', '.join(weights)}, but {model.name} has the "
            f"outputs {', '.join(model.output)}. Remove the others."
        )
    trained, blocks = (
        small.small_form(model)
        if at_small_size
        else (model, dict.fromkeys(model.output, 1))
    )
    trained.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=dict.fromkeys(blocks, LOSSES[loss]),
        loss_weights={head: weights.get(head, 1.0) for head in blocks},
        metrics={head: small.packed_metrics() for head in blocks},
    )

    def pack(lr: tf.Tensor, hr: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict]:
        return lr, {
            head: small.pack_target(hr[head], block) for head, block in blocks.items()
        }

    progress = _Progress(
        checkpoint,
        patience,
        model=model.name,
        photos=zlib.crc32(train.lr),
        batch_size=batch_size,
        loss=loss,
        loss_weights=weights,
        learning_rate=learning_rate,
        seed=seed,
    )
    first_epoch = progress.restore(trained) or first_epoch
    if progress.is_flat():
        return _named_curves(progress.curves, list(blocks))
    shuffled = data.training_batches(train, batch_size, seed=seed, first_epoch=first_epoch)
    trained.fit(
        shuffled.map(pack).prefetch(2),
        steps_per_epoch=-(-len(train) // batch_size),
        validation_data=data.validation_batches(val, batch_size).map(pack),
        initial_epoch=first_epoch,
        epochs=epochs,
        callbacks=[progress, *callbacks],
        verbose=0,
    )
    return _named_curves(progress.curves, list(blocks))


class _Progress(keras.callbacks.Callback):
    """Collect the curves and, if there is a file for it, the whole state of a run."""

    def __init__(self, file: Path | None, patience: int | None, **settings: Any) -> None:
        super().__init__()
        self.file = file
        self.patience = patience
        self.settings = settings
        self.curves: dict[str, list[float]] = {}

    def restore(self, model: keras.Model) -> int:
        """Bring back what the file holds; return how many epochs that is."""
        model.optimizer.build(model.trainable_variables)
        if self.file is None or not self.file.exists():
            return 0
        with np.load(self.file, allow_pickle=False) as saved:
            about = json.loads(str(saved["about"]))
            self._check(about["settings"])
            for k, variable in enumerate(_state(model)):
                variable.assign(saved[f"variable_{k}"])
        self.curves = about["curves"]
        return len(self.curves["loss"])

    def _check(self, found: dict[str, Any]) -> None:
        for name, value in self.settings.items():
            if found.get(name) != value:
                raise ValueError(
                    f"{self.file} belongs to another run: its {name} is {found.get(name)}, "
                    f"this run's is {value}. Delete it, or name another file."
                )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        for name, value in (logs or {}).items():
            self.curves.setdefault(name, []).append(float(value))
        if self.file is not None:
            self._save()
        if self.is_flat():
            self.model.stop_training = True

    def is_flat(self) -> bool:
        """Decide from the curves alone, so that a resumed run stops where it would have."""
        losses = self.curves.get("val_loss", [])
        if self.patience is None or len(losses) <= self.patience:
            return False
        last = -self.patience
        return min(losses[last:]) > min(losses[:last]) - 0.001 * abs(min(losses[:last]))

    def _save(self) -> None:
        about = json.dumps({"settings": self.settings, "curves": self.curves})
        arrays = {f"variable_{k}": v.numpy() for k, v in enumerate(_state(self.model))}
        part = self.file.with_suffix(".part.npz")
        np.savez(part, about=np.array(about), **arrays)
        part.replace(self.file)  # whole or not at all


def _state(model: keras.Model) -> list[keras.Variable]:
    return [*model.weights, *model.optimizer.variables]


def _named_curves(history: dict[str, list], heads: list[str]) -> dict[str, list[float]]:
    """Name the curves by output, also those of a network with one output."""
    curves = {}
    for name, curve in history.items():
        part, key = ("val_", name[4:]) if name.startswith("val_") else ("", name)
        if len(heads) == 1 and key != "loss":
            key = f"{heads[0]}_{key}"
        curves[part + key] = [float(value) for value in curve]
    # Keras averages an output's own loss over batches, a small last one like any other.
    for name in [name for name in curves if name.endswith("_mse")]:
        curves[name.removesuffix("mse") + "loss"] = curves.pop(name)
    return curves


def predict(
    model: keras.Model, lr: np.ndarray, batch_size: int = 32
) -> dict[str, np.ndarray]:
    """Enlarge pictures with a network.

    Parameters
    ----------
    model
        A network of `models`.
    lr
        Stack (n, height, width, 3), ``uint8`` or in [0, 1].
    batch_size
        Pictures at a time.

    Returns
    -------
    dict
        By output a stack in [0, 1], clipped, ``float32``.
    """
    lr = data.as_float(lr) if lr.dtype == np.uint8 else np.asarray(lr, np.float32)
    parts = [
        model.predict_on_batch(lr[start : start + batch_size])
        for start in range(0, len(lr), batch_size)
    ]
    return {
        head: np.clip(np.concatenate([p[head] for p in parts]), 0, 1) for head in parts[0]
    }


def score(pictures: Mapping[str, np.ndarray], pairs: data.Pairs) -> dict[str, np.ndarray]:
    """Return the PSNR in dB of each picture, by output. See `metrics.psnr`."""
    return {
        head: metrics.psnr(data.as_float(getattr(pairs, head)), picture)
        for head, picture in pictures.items()
    }


def score_baselines(pairs: data.Pairs) -> dict[str, dict[str, np.ndarray]]:
    """Return the PSNR in dB of each picture by interpolation, and the ceilings of blocks.

    Returns
    -------
    dict
        By output, then by method: ``nearest``, ``bilinear``, ``bicubic``, and
        ``2x2 ceiling`` (for x4 also ``4x4 ceiling``), one number a picture.
    """
    lr = data.as_float(pairs.lr)
    scores = {}
    for scale in data.SCALES:
        target = data.as_float(getattr(pairs, f"x{scale}"))
        by_method = {
            method: metrics.psnr(target, metrics.upscale(lr, scale, method))
            for method in metrics.BASELINES
        }
        for block in (b for b in (2, 4) if b <= scale):
            by_method[f"{block}x{block} ceiling"] = metrics.ceiling_psnr(target, block)
        scores[f"x{scale}"] = by_method
    return scores

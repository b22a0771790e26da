"""Train a network and see how good it is."""

from __future__ import annotations

import ast
import inspect
import json
import math
import numbers
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from srlib import data, metrics, models
from srlib.fast import rewriting, small
from srlib.sources import places


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


#: A black pair that is drawn black has the logarithm of this, not of 0: 100 dB.
LEAST_MSE = 1e-10


def _log_mse(packed: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
    """Return the logarithm of the batch's mean squared error."""
    mse = keras.ops.mean(small.packed_mse(packed, picture))
    return keras.ops.log(keras.ops.maximum(mse, LEAST_MSE))


LOSSES = {"mse": small.packed_mse, "psnr": _log_mse}


class DivergedError(ValueError):
    """A training whose loss or weights are no numbers any more."""


def fit(
    model: keras.Model,
    train: data.Pairs,
    val: data.Pairs,
    *,
    epochs: int,
    batch_size: int = 64,
    loss: Literal["mse", "psnr"] = "mse",
    loss_weights: Mapping[str, float] | None = None,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
    seed: int = 0,
    first_epoch: int = 0,
    at_small_size: bool = True,
    patience: int | None = None,
    checkpoint: Path | str | None = None,
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
        Pairs a step. If they do not fit into the memory, training goes on from the last
        whole epoch with half as many, and says so in a warning.
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
        same numbers as if it had never stopped. A damaged one is renamed, with a warning,
        and training starts afresh.
    callbacks
        Passed on to Keras.

    Returns
    -------
    dict
        One list a curve, one number an epoch: ``loss``, and by output ``x2_loss`` (mean
        squared error), ``x2_psnr_db`` and ``x2_article_psnr_db``; ``val_`` in front for
        the validation pairs. ``batch_size``, too, if it had to be halved.

    Raises
    ------
    ValueError
        Before the first step, if a setting or an output of `model` is of no use, or
        `checkpoint` was written by another network, other code or with other settings.
    DivergedError
        If the loss or a weight became NaN or infinite, now or in `checkpoint`.
    """
    if loss not in LOSSES:
        raise ValueError(f"Found loss={loss!r}. Expected one of: {', '.join(LOSSES)}.")
    epochs = _number("epochs", epochs, 1)
    first_epoch = _number("first_epoch", first_epoch, 0)
    patience = patience if patience is None else _number("patience", patience, 1)
    if first_epoch >= epochs:
        raise ValueError(
            f"Nothing to train: first_epoch is {first_epoch}, and epochs={epochs} counts "
            "those before it, too."
        )
    if not isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        learning_rate = _number("learning_rate", learning_rate, 0, numbers.Real)
    heads, weights = _heads(model, train, val), dict(loss_weights or {})
    if weights.keys() - set(heads):
        raise ValueError(
            f"Found loss weights for {', '.join(weights)}, but {model.name} has the "
            f"outputs {', '.join(heads)}. Remove the others."
        )
    settings = {
        "batch_size": _number("batch_size", batch_size, 1),
        "loss": loss,
        "loss_weights": {
            head: _number(f"a weight for {head}", weights.get(head, 1.0), 0, numbers.Real)
            for head in heads
        },
        "learning_rate": keras.saving.serialize_keras_object(learning_rate),
        "seed": _number("seed", seed, 0),
    }
    trained, found = small.small_form(model) if at_small_size else (model, {})
    blocks = {head: found.get(head, 1) for head in heads}
    trained.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=dict.fromkeys(heads, LOSSES[loss]),
        loss_weights=settings["loss_weights"],
        metrics={head: small.packed_metrics() for head in heads},
    )
    trained.optimizer.build(trained.trainable_variables)
    if checkpoint is not None:
        settings |= {
            "code": _code(),
            "network": _architecture(model),
            "form": "published" if trained is model else "small",
            "photos": _digest(train, val),
        }
    progress = _Progress(trained, settings, first_epoch, patience, checkpoint)
    while progress.epoch < epochs and not progress.is_flat():
        try:
            _train(trained, blocks, train, val, epochs, progress, callbacks)
            progress.check_finite(f"The training of {model.name}")
        except tf.errors.ResourceExhaustedError:
            if progress.batch_size == 1:
                raise
            progress.halve()
    return progress.named_curves(heads)


def _number(name: str, value: Any, least: int, kind: type = numbers.Integral) -> Any:
    """Return a setting as a number of Python's own, which a file can hold."""
    if not isinstance(value, kind) or not least <= value < math.inf:
        whole = "whole " if kind is numbers.Integral else ""
        raise ValueError(
            f"Found {name}={value!r}. Expected a {whole}number, {least} or more."
        )
    return int(value) if kind is numbers.Integral else float(value)


def _heads(model: keras.Model, train: data.Pairs, val: data.Pairs) -> list[str]:
    """Draw one picture and name the outputs, if the pairs have targets for them."""
    if not len(train) or not len(val):
        raise ValueError(
            f"Found {len(train)} training pairs and {len(val)} validation pairs. Expected "
            "one or more of both."
        )
    first = train[:1]
    drawn = model(data.as_float(first.lr))
    names = list(drawn) if isinstance(drawn, dict) else [type(drawn).__name__]
    expected = {f"x{scale}": getattr(first, f"x{scale}").shape for scale in data.SCALES}
    if not names or set(names) - expected.keys():
        raise ValueError(
            f"The outputs of {model.name} are {', '.join(names) or 'missing'}. Expected a "
            'dictionary of "x2", "x4" or both: keras.Model(lr, {"x2": ..., "x4": ...}).'
        )
    for head, picture in drawn.items():
        if tuple(picture.shape) != expected[head]:
            raise ValueError(
                f"The output {head} of {model.name} has the shape {tuple(picture.shape)} "
                f"for a photo of {first.lr.shape}. Expected {expected[head]}."
            )
    return names


def _train(
    model: keras.Model,
    blocks: Mapping[str, int],
    train: data.Pairs,
    val: data.Pairs,
    epochs: int,
    progress: _Progress,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Train from where `progress` is."""

    def pack(lr: tf.Tensor, hr: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict]:
        return lr, {
            head: small.pack_target(hr[head], block) for head, block in blocks.items()
        }

    size, first_epoch = progress.batch_size, progress.epoch
    seed = progress.settings["seed"]
    shuffled = data.training_batches(train, size, seed=seed, first_epoch=first_epoch)
    model.fit(
        shuffled.map(pack).prefetch(2),
        steps_per_epoch=-(-len(train) // size),
        validation_data=data.validation_batches(val, size).map(pack),
        initial_epoch=first_epoch,
        epochs=epochs,
        callbacks=[progress, *callbacks],
        shuffle=False,  # the batches are; Keras warns if it is told to do that, too
        verbose=0,
    )


@lru_cache
def _code() -> str:
    """Digest the code that decides a run's numbers, as it is when this is first called."""
    modules = (inspect.getmodule(fit), data, models, small, rewriting)
    trees = (ast.dump(ast.parse(inspect.getsource(module))) for module in modules)
    digest = zlib.crc32("".join(trees).encode())
    return f"{digest:08x}, Keras {keras.__version__}, TensorFlow {tf.__version__}"


def _architecture(model: keras.Model) -> str:
    """Digest a network's layers, settings and wires, but not the names that Keras gave."""
    try:
        config = model.get_config() | {"name": None}
    except NotImplementedError:  # a class of its own
        config = {}
    names: dict[str, int] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            if value.get("class_name") == "__lambda__":  # its code holds its cell's number
                return "a function"
            for layer in value.get("layers", ()):
                names.setdefault(layer["name"], len(names))
            skipped = ("shared_object_id", "compile_config")
            return {key: plain(v) for key, v in value.items() if key not in skipped}
        if isinstance(value, list | tuple):
            return [plain(v) for v in value]
        return names.get(value, value) if isinstance(value, str) else value

    kinds = [type(layer).__name__ for layer in model.layers]
    shapes = [weight.shape for weight in model.weights]
    text = json.dumps(
        [plain(config), kinds, shapes], default=lambda value: type(value).__name__
    )
    return f"{model.count_params():,} parameters, {zlib.crc32(text.encode()):08x}"


def _digest(*parts: data.Pairs) -> int:
    digest = 0
    for pairs in parts:
        for picture in (*pairs.lr, *pairs.x2, *pairs.x4):
            digest = zlib.crc32(np.ascontiguousarray(picture), digest)
    return digest


class _Progress(keras.callbacks.Callback):
    """Keep the curves and the state of a run after every epoch, in a file if it has one.

    Attributes
    ----------
    epoch
        The one that comes next.
    batch_size
        Pairs a step: as many as were asked for, or what was left after halving.
    curves
        As Keras names them.
    """

    def __init__(
        self,
        trained: keras.Model,
        settings: dict[str, Any],
        epoch: int,
        patience: int | None,
        file: Path | str | None,
    ) -> None:
        super().__init__()
        self.trained = trained
        self.settings = json.loads(json.dumps(settings))  # as a file gives them back
        self.epoch = epoch
        self.patience = patience
        self.file = None if file is None else Path(file)
        self.batch_size: int = settings["batch_size"]
        self.sizes: list[int] = []  # by epoch
        self.curves: dict[str, list[float]] = {}
        self._remember()
        if self.file is not None:
            if self.file.exists():
                self._load()
            self._save()  # what fails, fails before the first step

    def _load(self) -> None:
        try:
            with np.load(self.file, allow_pickle=False) as saved:
                about = json.loads(str(saved["about"]))
                state = [saved[f"variable_{k}"] for k in range(len(saved.files) - 1)]
                found = about["settings"]
        except (OSError, MemoryError):
            raise
        except Exception as error:  # whatever a damaged file makes of its readers
            why = f"{self.file} is damaged ({type(error).__name__}: {error})."
            places.set_aside(self.file, f"{why} Training starts afresh.")
            return
        for name in {**found, **self.settings}:
            if found.get(name) != self.settings.get(name):
                raise ValueError(
                    f"{self.file} belongs to another run: its {name} is {found.get(name)}, "
                    f"this run's is {self.settings.get(name)}. Delete it, or name another "
                    "file."
                )
        self._assign(state)
        self.state, self.epoch = state, about["epoch"]
        self.curves, self.sizes = about["curves"], about["sizes"]
        self.batch_size = self.sizes[-1] if self.sizes else self.batch_size
        self.check_finite(f"{self.file} holds a training that")

    def _assign(self, arrays: Sequence[np.ndarray]) -> None:
        for variable, array in zip(_state(self.trained), arrays, strict=True):
            variable.assign(array)

    def _remember(self) -> None:
        self.state = [variable.numpy() for variable in _state(self.trained)]

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        for name, value in (logs or {}).items():
            self.curves.setdefault(name, []).append(float(value))
        self.sizes.append(self.batch_size)
        self.epoch = epoch + 1
        self._remember()
        self._save()
        if self.is_flat() or not self._is_finite():
            self.model.stop_training = True

    def _is_finite(self) -> bool:
        numbers = [self.curves.get("loss", [])[-1:], *self.state]
        return all(np.isfinite(array).all() for array in numbers)

    def check_finite(self, who: str) -> None:
        """Refuse to go on from what is no number. After all callbacks have seen it."""
        if not self._is_finite():
            raise DivergedError(
                f"{who} diverged in epoch {self.epoch}: its loss or a weight is NaN or "
                "infinite. Lower the learning rate, and delete the checkpoint, if any."
            )

    def is_flat(self) -> bool:
        """Decide from the curves alone, so that a resumed run stops where it would have."""
        losses = self.curves.get("val_loss", [])
        if self.patience is None or len(losses) <= self.patience:
            return False
        last = -self.patience
        return min(losses[last:]) > min(losses[:last]) - 0.001 * abs(min(losses[:last]))

    def halve(self) -> None:
        """Go back to the last whole epoch, with half the batch."""
        self.batch_size //= 2
        warnings.warn(
            f"A batch of {2 * self.batch_size} did not fit into the memory. Going on from "
            f"epoch {self.epoch} with batches of {self.batch_size}.",
            stacklevel=3,
        )
        self._assign(self.state)

    def named_curves(self, heads: list[str]) -> dict[str, list[float]]:
        """Name the curves by output, also those of one; add batch sizes if they changed."""
        curves = {}
        for name, curve in self.curves.items():
            part, key = ("val_", name[4:]) if name.startswith("val_") else ("", name)
            if len(heads) == 1 and key != "loss":
                key = f"{heads[0]}_{key}"
            curves[part + key] = list(curve)
        # Keras averages an output's own loss over batches, a small last one like any.
        for name in [name for name in curves if name.endswith("_mse")]:
            curves[name.removesuffix("mse") + "loss"] = curves.pop(name)
        if set(self.sizes) - {self.settings["batch_size"]}:
            curves["batch_size"] = list(self.sizes)
        return curves

    def _save(self) -> None:
        if self.file is None:
            return
        kept = ("settings", "curves", "sizes", "epoch")
        about = {name: getattr(self, name) for name in kept}
        arrays = {f"variable_{k}": array for k, array in enumerate(self.state)}
        with places.whole(self.file) as part, part.open("wb") as file:
            np.savez(file, about=np.array(json.dumps(about)), **arrays)


def _state(model: keras.Model) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]


def predict(
    model: keras.Model, lr: np.ndarray, batch_size: int = 32
) -> dict[str, np.ndarray]:
    """Enlarge pictures with a network.

    Parameters
    ----------
    model
        A network of `models`.
    lr
        Stack (n, height, width, 3), ``uint8``, or floating point in [0, 1].
    batch_size
        Pictures at a time.

    Returns
    -------
    dict
        By output a stack in [0, 1], clipped, ``float32``.

    Raises
    ------
    metrics.MetricError
        If `lr` is something else.
    """
    batch_size = _number("batch_size", batch_size, 1)
    lr = np.asarray(lr)
    if lr.ndim != 4 or lr.shape[-1] != 3 or not len(lr):
        raise metrics.MetricError(
            f"The input has the shape {lr.shape}. Expected a stack (n, height, width, 3) "
            "of one picture or more, in colour: of a single one make a stack with [None]."
        )
    if lr.dtype == np.uint8:
        lr = data.as_float(lr)
    metrics.check_picture("input", lr)
    metrics.check_range("input", lr, slack=1e-6)
    lr = lr.astype(np.float32)
    parts = [
        model.predict_on_batch(lr[start : start + batch_size])
        for start in range(0, len(lr), batch_size)
    ]
    if not isinstance(parts[0], dict):
        raise ValueError(
            f"{model.name} has no names for its outputs. Expected a dictionary of them: "
            'keras.Model(lr, {"x2": ..., "x4": ...}).'
        )
    return {
        head: np.clip(np.concatenate([p[head] for p in parts]), 0, 1).astype(np.float32)
        for head in parts[0]
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

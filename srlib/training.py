"""Train a network and see how good it is."""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from srlib import data, metrics
from srlib.fast import devices, small


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
    return keras.ops.log(small.batch_mean(small.packed_mse(packed, picture)))


def _shared_mse(packed: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
    return keras.ops.reshape(small.batch_mean(small.packed_mse(packed, picture)), (1,))


def _shared_log_mse(packed: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
    return keras.ops.reshape(_log_mse(packed, picture), (1,))


LOSSES = {"mse": small.packed_mse, "psnr": _log_mse}
#: Where devices share a batch: one number for all of it. Keras divides by the number of
#: devices what has an axis, and only that.
SHARED_LOSSES = {"mse": _shared_mse, "psnr": _shared_log_mse}


class _WholeBatches(keras.metrics.Mean):
    """The mean loss, weighted by the size of the whole batch on every device."""

    def update_state(self, loss: tf.Tensor, sample_weight: tf.Tensor) -> None:
        super().update_state(loss, sample_weight=small.whole_batch(sample_weight))


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
    on: devices.Devices | None = None,
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
        same numbers as if it had never stopped.
    callbacks
        Passed on to Keras.
    on
        What to train on; `devices.choose` decides unless told otherwise.

    Returns
    -------
    dict
        One list a curve, one number an epoch: ``loss``, and by output ``x2_loss`` (mean
        squared error), ``x2_psnr_db`` and ``x2_article_psnr_db``; ``val_`` in front for
        the validation pairs. ``batch_size``, too, if it had to be halved.

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
    on = devices.for_batches(
        on or devices.choose(batch_size), batch_size, (len(train), len(val))
    )
    with on.scope():
        # A strategy trains variables of its own, and half precision is not for keeps.
        own = model if on.is_plain else devices.twin(model)
        trained, blocks = _compiled(
            own, loss, weights, learning_rate, at_small_size, on.precision
        )
    progress = _Progress(
        checkpoint,
        patience,
        writes=on.is_chief,
        model=model.name,
        photos=zlib.crc32(train.lr),
        batch_size=batch_size,
        loss=loss,
        loss_weights=weights,
        learning_rate=learning_rate,
        seed=seed,
        **({} if on.precision == "float32" else {"precision": on.precision}),
    )
    progress.start(trained, first_epoch)
    done = progress.epoch >= epochs or progress.is_flat()
    while not done:
        try:
            _train(trained, blocks, train, val, epochs, progress, callbacks)
            done = True
        except tf.errors.ResourceExhaustedError as error:
            progress.halve(error)
            devices.check_batches(on, progress.batch_size, (len(train), len(val)))
    if own is not model:
        model.set_weights(own.get_weights())
    return progress.named_curves(list(blocks))


def _compiled(
    model: keras.Model,
    loss: str,
    weights: Mapping[str, float],
    learning_rate: float,
    at_small_size: bool,
    precision: devices.Precision,
) -> tuple[keras.Model, dict[str, int]]:
    """Say what is minimised and what is measured; return the blocks, too."""
    trained, blocks = (
        small.small_form(model)
        if at_small_size
        else (model, dict.fromkeys(model.output, 1))
    )
    devices.set_precision(trained, precision)
    optimizer = keras.optimizers.Adam(learning_rate)
    if precision == "mixed_float16":  # where small gradients would be zero
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    losses = SHARED_LOSSES if small.is_shared() else LOSSES
    trained.compile(
        optimizer=optimizer,
        loss=dict.fromkeys(blocks, losses[loss]),
        loss_weights={head: weights.get(head, 1.0) for head in blocks},
        metrics={head: small.packed_metrics() for head in blocks},
    )
    if small.is_shared():
        trained._loss_tracker = _WholeBatches(name="loss")
    return trained, blocks


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
    shuffled = shuffled.map(pack).prefetch(2)
    _build(model, shuffled.element_spec)
    model.fit(
        shuffled,
        steps_per_epoch=-(-len(train) // size),
        validation_data=data.validation_batches(val, size).map(pack),
        initial_epoch=first_epoch,
        epochs=epochs,
        callbacks=[progress, *callbacks],
        shuffle=False,  # the batches are; Keras warns if it is told to do that, too
        verbose=0,
    )


def _build(model: keras.Model, batch: Any) -> None:
    """Make the variables of metrics where devices share the batch.

    Keras would make them from the first batch: it takes that one out of the first epoch,
    and cannot if the devices have parts of different size.
    """
    if model._distribute_strategy is None:
        return
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=batch)
    model._maybe_symbolic_build = lambda **_: None
    if model.distribute_strategy.cluster_resolver is not None:
        compute = model.compute_metrics  # Keras averages over an axis that they lack

        def with_axis(*args: Any, **kwargs: Any) -> dict[str, tf.Tensor]:
            found = compute(*args, **kwargs)
            return {name: keras.ops.reshape(v, (1,)) for name, v in found.items()}

        model.compute_metrics = with_axis


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
        self, file: Path | None, patience: int | None, *, writes: bool, **settings: Any
    ) -> None:
        super().__init__()
        self.file = file
        self.patience = patience
        self.writes = writes
        self.settings = settings
        self.batch_size: int = settings["batch_size"]
        self.sizes: list[int] = []  # by epoch
        self.curves: dict[str, list[float]] = {}

    def start(self, model: keras.Model, first_epoch: int) -> None:
        """Bring back what the file holds, if there is one."""
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
        self.trained, self.epoch = model, first_epoch
        if self.file is not None and self.file.exists():
            with np.load(self.file, allow_pickle=False) as saved:
                about = json.loads(str(saved["about"]))
                self._check(about["settings"])
                self._assign([saved[f"variable_{k}"] for k in range(len(_state(model)))])
            self.curves = about["curves"]
            self.epoch = len(self.curves["loss"])
            self.sizes = about.get("sizes", [self.batch_size] * self.epoch)
            self.batch_size = self.sizes[-1]
        self.state = [variable.numpy() for variable in _state(model)]

    def _check(self, found: dict[str, Any]) -> None:
        for name in {**found, **self.settings}:
            if found.get(name) != self.settings.get(name):
                raise ValueError(
                    f"{self.file} belongs to another run: its {name} is {found.get(name)}, "
                    f"this run's is {self.settings.get(name)}. Delete it, or name another "
                    "file."
                )

    def _assign(self, arrays: Sequence[np.ndarray]) -> None:
        for variable, array in zip(_state(self.trained), arrays, strict=True):
            variable.assign(array)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        for name, value in (logs or {}).items():
            self.curves.setdefault(name, []).append(float(value))
        self.sizes.append(self.batch_size)
        self.epoch = epoch + 1
        self.state = [variable.numpy() for variable in _state(self.trained)]
        if self.file is not None and self.writes:
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

    def halve(self, error: tf.errors.ResourceExhaustedError) -> None:
        """Go back to the last whole epoch, with half the batch; give up below one pair."""
        if self.batch_size == 1:
            raise error
        self.batch_size //= 2
        warnings.warn(
            f"A batch of {2 * self.batch_size} did not fit into the memory. Going on from "
            f"epoch {self.epoch} with batches of {self.batch_size}.",
            stacklevel=3,
        )
        self._assign(self.state)

    def named_curves(self, heads: list[str]) -> dict[str, list[float]]:
        """Return the curves, and the batch sizes if they are not what was asked for."""
        curves = _named_curves(self.curves, heads)
        if set(self.sizes) - {self.settings["batch_size"]}:
            curves["batch_size"] = list(self.sizes)
        return curves

    def _save(self) -> None:
        about = {"settings": self.settings, "curves": self.curves, "sizes": self.sizes}
        arrays = {f"variable_{k}": array for k, array in enumerate(self.state)}
        part = self.file.with_suffix(".part.npz")
        np.savez(part, about=np.array(json.dumps(about)), **arrays)
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

"""The processors that a training uses: one, the GPUs of this machine, or several machines.

A strategy of TensorFlow copies the network to every device (a *replica*), gives each its
part of the batch, and adds up the gradients. The losses and metrics of `small` are taken
over the whole batch, wherever its parts are, so the numbers are those of one device but
for rounding.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import keras
import tensorflow as tf

Precision = Literal["float32", "mixed_float16"]

#: Below this batch two GPUs would spend their time on talking to each other.
LEAST_SPLIT_BATCH = 64


@dataclass(frozen=True)
class Devices:
    """What a training runs on.

    Attributes
    ----------
    strategy
        How replicas share a batch; ``None`` for one device.
    precision
        ``"float32"``, or ``"mixed_float16"``: layers compute in half precision; weights,
        outputs and losses stay in single.
    """

    strategy: tf.distribute.Strategy | None = None
    precision: Precision = "float32"

    @property
    def replicas(self) -> int:
        """Copies of the network that share each batch."""
        return self.strategy.num_replicas_in_sync if self.strategy else 1

    @property
    def is_plain(self) -> bool:
        """Whether a network can be trained as it is: one device, single precision."""
        return self.strategy is None and self.precision == "float32"

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the files. Of several workers one does."""
        resolver = self.strategy.cluster_resolver if self.strategy else None
        return resolver is None or not resolver.task_id

    def scope(self) -> AbstractContextManager:
        """Return where networks and optimisers have to be made."""
        return self.strategy.scope() if self.strategy else nullcontext()

    def __str__(self) -> str:
        parts = [describe_gpus()]
        if self.replicas > 1:
            parts.append(f"{self.replicas} replicas")
        if self.precision != "float32":
            parts.append(self.precision)
        return ", ".join(parts)


def choose(batch_size: int) -> Devices:
    """Choose what a training with this batch runs on.

    Several machines where the environment variable ``TF_CONFIG`` lists them; else all GPUs
    of this one if the batch is worth splitting; else one. ``CUDA_VISIBLE_DEVICES=0`` leaves
    one GPU; there Keras lets XLA compile, which it does not on several or on a processor.
    Single precision, unless the environment variable ``SRLIB_PRECISION`` says
    ``mixed_float16``: no GPU was at hand to show that the numbers stay the same.

    Raises
    ------
    ValueError
        If ``SRLIB_PRECISION`` is neither.
    """
    precision = _precision()
    if _workers():
        return Devices(_across_machines(), precision)
    if len(gpus()) > 1 and batch_size >= LEAST_SPLIT_BATCH:
        return Devices(_across_gpus(), precision)
    return Devices(precision=precision)


def for_batches(on: Devices, batch_size: int, counts: Iterable[int]) -> Devices:
    """Use one device of this machine where a last batch is too small to be shared.

    Parameters
    ----------
    on, batch_size
        What was chosen, for batches of that size.
    counts
        How many pairs there are to train with, and to validate with.

    Raises
    ------
    ValueError
        If the batch is shared by machines: they cannot do with less.
    """
    if _last_batch(batch_size, counts) < on.replicas and not _is_cluster(on):
        return replace(on, strategy=None)
    check_batches(on, batch_size, counts)
    return on


def check_batches(on: Devices, batch_size: int, counts: Iterable[int]) -> None:
    """Refuse batches of which a device would get no pair: TensorFlow would fail."""
    last = _last_batch(batch_size, counts)
    if last < on.replicas:
        raise ValueError(
            f"With batches of {batch_size} the last one has {last} pairs for "
            f"{on.replicas} devices. Choose another batch size."
        )


def _last_batch(batch_size: int, counts: Iterable[int]) -> int:
    return min(count % batch_size or batch_size for count in counts)


def _is_cluster(on: Devices) -> bool:
    return on.strategy is not None and on.strategy.cluster_resolver is not None


def prepare() -> None:
    """Let TensorFlow take of each GPU's memory only what it needs, not all of it."""
    for gpu in gpus():
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # in use already; then it stays as it is
            return


def gpus() -> list[Any]:
    """List the GPUs of this machine."""
    return tf.config.list_physical_devices("GPU")


def describe_gpus() -> str:
    """Name the GPUs: ``2 x Tesla T4``, or ``no GPU``."""
    names = [_details(gpu).get("device_name", "GPU") for gpu in gpus()]
    kinds = [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]
    return ", ".join(kinds) or "no GPU"


def twin(model: keras.Model) -> keras.Model:
    """Copy a network, with its weights, into the strategy in whose scope this is called.

    Parameters
    ----------
    model
        Of functional Keras layers.
    """
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    for layer, original in zip(copy.layers, model.layers, strict=True):
        layer.trainable = original.trainable
    return copy


def set_precision(model: keras.Model, precision: Precision) -> None:
    """Let the layers of a network compute in `precision`, but for those that draw.

    What follows the last weights before an output, and the layer that holds them, stay in
    single precision: half precision tells no pictures apart that differ by 1/4096.
    """
    if precision == "float32":
        return
    drawing = {id(layer) for layer in _drawing(model.output.values())}
    for layer in model._flatten_layers(include_self=False):
        if id(layer) not in drawing:
            layer.dtype_policy = keras.dtype_policies.get(precision)


def _drawing(outputs: Iterable[keras.KerasTensor]) -> Iterator[keras.Operation]:
    """Yield the layers from the last ones with weights to the outputs."""
    waiting = list(outputs)
    while waiting:
        layer, node, _ = waiting.pop()._keras_history
        yield layer
        if not layer.weights:
            waiting += layer._inbound_nodes[node].input_tensors


def _precision() -> Precision:
    asked = os.environ.get("SRLIB_PRECISION") or "float32"
    if asked not in ("float32", "mixed_float16"):
        raise ValueError(
            f"SRLIB_PRECISION is {asked!r}, expected float32 or mixed_float16."
        )
    return asked


def _details(gpu: Any) -> dict[str, Any]:
    return tf.config.experimental.get_device_details(gpu)


def _workers() -> bool:
    return bool(os.environ.get("TF_CONFIG"))


@lru_cache  # it opens a port: once in a process
def _across_machines() -> tf.distribute.Strategy:
    return tf.distribute.MultiWorkerMirroredStrategy()


@lru_cache
def _across_gpus() -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy()

"""The networks of the article, each one screen long, read from the photo downwards.

Every network takes ``lr``, a stack of pictures (n, height, width, 3) in [0, 1] of any size,
and returns a dictionary: ``x2``, twice as large, and ``x4``, four times. What comes before
the heads is the *trunk*; a *head* makes one output from it.

Shapes in the comments leave out the stack: (h, w, channels), with h, w the input's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers

Tensor = keras.KerasTensor


def photo_input() -> Tensor:
    """Start a network: pictures of any size, three channels."""
    return keras.Input((None, None, 3), name="lr")


def upsample(x: Tensor) -> Tensor:
    """Repeat every pixel as a 2x2 block (nearest neighbour). No parameters."""
    return layers.UpSampling2D(2, interpolation="nearest")(x)


# --- Model 1: two convolutions, then enlarge -------------------------------------------


def basic(*, with_x4: bool = True) -> keras.Model:
    """Model 1. With ``with_x4=False`` the article's first form, which has one output."""

    def conv(x: Tensor, filters: int, size: int, name: str | None = None) -> Tensor:
        return layers.Conv2D(filters, size, padding="same", activation="relu", name=name)(x)

    lr = photo_input()
    x = conv(lr, 64, 3)
    x = conv(x, 64, 3)
    up2 = upsample(x)  # (2h, 2w, 64)
    heads = {"x2": conv(up2, 3, 1, name="x2")}
    if with_x4:
        up4 = upsample(up2)  # (4h, 4w, 64)
        heads["x4"] = conv(up4, 3, 1, name="x4")
    return keras.Model(lr, heads, name="basic" if with_x4 else "basic_x2")


# --- The experiment as a table ---------------------------------------------------------


@dataclass(frozen=True)
class Spec:
    """How the article built and trained one network.

    Attributes
    ----------
    build
        Makes the network with fresh weights.
    title
        The article's name for it.
    epochs
        How long the article trained it.
    loss_weights
        The article's weight of each output's error. Keras adds the weighted errors.
    parameters, trainable
        How many numbers it holds, and how many of them training changes.
    """

    build: Callable[[], keras.Model]
    title: str
    epochs: int
    loss_weights: dict[str, float]
    parameters: int
    trainable: int


def _weights(x2: float, x4: float) -> dict[str, float]:
    return {"x2": x2, "x4": x4}


MODELS = {
    "basic_x2": Spec(
        lambda: basic(with_x4=False), "Model 1, one output", 12, {"x2": 1.0}, 38_915, 38_915
    ),
    "basic": Spec(basic, "Model 1", 12, _weights(1, 1), 39_110, 39_110),
}


def build(name: str, *, seed: int | None = None) -> keras.Model:
    """Build the network `name` with fresh weights, the same ones for the same `seed`.

    Raises
    ------
    ValueError
        If there is no such network. The message lists those that there are.
    """
    if name not in MODELS:
        raise ValueError(f"Unknown model {name!r}. Known: {', '.join(MODELS)}.")
    if seed is not None:
        keras.utils.set_random_seed(seed)
    return MODELS[name].build()

"""The networks of the course, each one screen long, read from the photo downwards.

Every network takes ``lr``, a stack of pictures (n, height, width, 3) in [0, 1] of any size,
and returns a dictionary: ``x2``, twice as large, and ``x4``, four times. What comes before
the heads is the *trunk*; a *head* makes one output from it.

Shapes in the comments leave out the stack: (h, w, channels), with h, w the input's. The
arguments are the article's settings, and each is there because a chapter changes it. What
a network is called and how it was trained stands in `srlib.zoo`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import keras
import tensorflow as tf
from keras import layers, ops
from keras.initializers import GlorotUniform

from srlib import zoo
from srlib.sources.backbone import CropLike, Kind, Preprocess, feature_extractor

Tensor = keras.KerasTensor
Source = Literal["picture", "trunk"]

#: max(x, 0.2 x): 0.2 is what Keras takes for the slope below zero.
LEAKY = "leaky_relu"


def photo_input() -> Tensor:
    """Start a network: pictures of any size, three channels."""
    return keras.Input((None, None, 3), name="lr")


def conv(
    x: Tensor,
    filters: int,
    size: int,
    *,
    activation: str | None = "relu",
    dilation: int = 1,
    start: type[keras.Initializer] = GlorotUniform,
    name: str | None = None,
) -> Tensor:
    """Convolve with `filters` kernels of `size` x `size`, keeping height and width."""
    return layers.Conv2D(
        filters,
        size,
        padding="same",
        dilation_rate=dilation,
        activation=activation,
        kernel_initializer=start(),
        name=name,
    )(x)


def upsample(x: Tensor) -> Tensor:
    """Repeat every pixel as a 2x2 block (nearest neighbour). No parameters."""
    return layers.UpSampling2D(2, interpolation="nearest")(x)


# --- Model 1: two convolutions, then enlarge -------------------------------------------


def basic(
    *, with_x4: bool = True, head_size: int = 1, output_activation: str | None = "relu"
) -> keras.Model:
    """Model 1.

    Parameters
    ----------
    with_x4
        ``False`` for the article's first form, which has one output.
    head_size
        Side of the output convolutions' kernels. 1, as in the article, can only recolour
        the blocks that enlarging left.
    output_activation
        ``None`` to let an output be negative.
    """
    head = partial(conv, filters=3, size=head_size, activation=output_activation)
    lr = photo_input()
    x = conv(lr, 64, 3)
    x = conv(x, 64, 3)
    up2 = upsample(x)  # (2h, 2w, 64)
    heads = {"x2": head(up2, name="x2")}
    if with_x4:
        up4 = upsample(up2)  # (4h, 4w, 64)
        heads["x4"] = head(up4, name="x4")
    return keras.Model(lr, heads, name="basic" if with_x4 else "basic_x2")


# --- Models 2 and 3: blocks, one of them after enlarging -------------------------------


def residual_block(x: Tensor, *, skip: bool = True) -> Tensor:
    """Two convolutions learn what to add to their input.

    He et al., "Deep Residual Learning for Image Recognition", 2016. Without `skip` they
    have to hand on everything themselves.
    """
    y = conv(x, 32, 3, activation=LEAKY)
    y = conv(y, 32, 3, activation=LEAKY)
    if skip:
        y = layers.Add()([x, y])
    return layers.LeakyReLU(0.2)(y)


def atrous_block(x: Tensor, *, rates: tuple[int, ...] = (1, 2, 4)) -> Tensor:
    """Convolutions whose kernels have holes, so that each sees further than the last.

    With rate 2 a kernel reads every second pixel. Yu and Koltun, "Multi-Scale Context
    Aggregation by Dilated Convolutions", 2016.
    """
    y = x
    for rate in rates:
        y = conv(y, 32, 3, dilation=rate, activation=LEAKY)
    y = layers.Concatenate()([x, y])  # 64 channels
    y = layers.LeakyReLU(0.2)(y)
    return conv(y, 32, 3, activation=LEAKY)


def residual(*, skip: bool = True) -> keras.Model:
    """Model 2. With ``skip=False`` the blocks lose their shortcut."""
    return _network_of_blocks(partial(residual_block, skip=skip), "residual")


def atrous(*, rates: tuple[int, ...] = (1, 2, 4)) -> keras.Model:
    """Model 3. `rates` are the dilations inside each block, one after the other."""
    return _network_of_blocks(partial(atrous_block, rates=rates), "atrous")


def _network_of_blocks(block: Callable[[Tensor], Tensor], name: str) -> keras.Model:
    lr = photo_input()
    x = conv(lr, 32, 1, activation=LEAKY)
    x = block(x)
    x = block(x)
    up2 = upsample(x)  # (2h, 2w, 32)
    x2 = conv(up2, 3, 1, activation=LEAKY, name="x2")
    x = block(up2)  # the only 3x3 kernels after an enlargement
    up4 = upsample(x)  # (4h, 4w, 32)
    x4 = conv(up4, 3, 1, activation=LEAKY, name="x4")
    return keras.Model(lr, {"x2": x2, "x4": x4}, name=name)


# --- Model 4: beside convolutions of its own, the features of a trained classifier -----


@dataclass(frozen=True)
class Attempt:
    """What the article changed between its four attempts at Model 4: numbers of filters.

    Attributes
    ----------
    merged
        Of the convolution that merges the two branches.
    features
        Of one after the features' enlargement; ``None``: there is none.
    enlarged
        Of one after the first enlargement; ``None``: there is none.
    before_x4
        Of those between the x2 picture and x4.
    own
        Of the two convolutions of the photo, beside the features.
    """

    merged: int
    features: int | None = None
    enlarged: int | None = None
    before_x4: tuple[int, ...] = ()
    own: int = 64

    def times(self, width: float) -> Attempt:
        """Widen every convolution, and give none where there is none."""

        def wider(filters: int | None) -> int | None:
            return filters and round(width * filters)

        return Attempt(
            round(width * self.merged),
            wider(self.features),
            wider(self.enlarged),
            tuple(round(width * filters) for filters in self.before_x4),
            round(width * self.own),
        )


ATTEMPTS = {
    1: Attempt(merged=112),
    2: Attempt(merged=112, features=48),
    3: Attempt(merged=80, features=96, enlarged=80),
    # Here the article also builds a convolution of 32 filters, and uses it nowhere.
    4: Attempt(merged=80, features=96, enlarged=80, before_x4=(64, 64)),
}


def efficientnet(
    attempt: int = 4,
    *,
    backbone: Kind = "auto",
    preprocess: Preprocess = "article",
    x4_from: Source = "picture",
    output_activation: str | None = "relu",
    start_at_identity: bool = False,
    width: float = 1,
    shuffle: bool = False,
    icnr: bool = False,
    deep_head: Literal["x2", "x4"] = "x4",
    feature_scale: float = 1,
) -> keras.Model:
    """Model 4.

    Parameters
    ----------
    attempt
        Which of the article's four; the last is the one that it kept.
    backbone, preprocess
        See `backbone.feature_extractor`.
    x4_from
        ``"picture"``, as in the article: x4 is made from the three colours of the x2
        picture. ``"trunk"``: from the channels that x2 is made from.
    output_activation
        ``None`` to let an output be negative, as it has to be to recover from it.
    start_at_identity
        Let the layers between the x2 picture and x4 begin by handing the picture on.
    width
        How many times as many filters.
    shuffle
        Enlarge by depth to space instead of repeating pixels. x4 has to come from the
        trunk: three colours do not make 2x2 pixels.
    icnr
        Let depth to space begin by repeating pixels (`Repeated`).
    deep_head
        Which output gets the convolutions that the article gave x4.
    feature_scale
        What the features are multiplied by, where they are put beside the photo's.

    Raises
    ------
    ValueError
        If `start_at_identity` or `shuffle` does not fit `x4_from`.
    """
    if start_at_identity and x4_from != "picture":
        raise ValueError(f'start_at_identity needs x4_from="picture", not {x4_from!r}.')
    if shuffle and x4_from != "trunk":
        raise ValueError(f'shuffle needs x4_from="trunk", not {x4_from!r}.')
    filters = ATTEMPTS[attempt].times(width)
    enlarge = depth_to_space if shuffle else upsample
    head = partial(conv, filters=3, size=1, activation=output_activation)
    start = CarryColours if start_at_identity else GlorotUniform
    before = Repeated if icnr else GlorotUniform

    def deepen(x: Tensor, head: str) -> Tensor:
        """Add the convolutions of the deeper head. A 1x1 kernel has no gaps to widen."""
        if head == deep_head:
            for count, dilation in zip(filters.before_x4, (1, 2), strict=False):
                x = conv(x, count, 1, dilation=dilation, start=start)
        return x

    lr = photo_input()
    x = two_branches(lr, filters.features, backbone, preprocess, filters.own, feature_scale)
    x = conv(x, filters.merged, 1, start=before)
    x = enlarge(x)  # (2h, 2w, merged); from here on every kernel is 1x1
    if filters.enlarged:
        x = conv(x, filters.enlarged, 1, start=before)
    x2 = head(deepen(x, "x2"), name="x2")
    y = enlarge(x2 if x4_from == "picture" else x)  # (4h, 4w, 3)
    x4 = head(deepen(y, "x4"), start=start, name="x4")
    return keras.Model(lr, {"x2": x2, "x4": x4}, name=f"efficientnet_{attempt}")


def two_branches(
    lr: Tensor,
    filters: int | None,
    backbone: Kind,
    preprocess: Preprocess,
    own_filters: int = 64,
    feature_scale: float = 1,
) -> Tensor:
    """Put a classifier's features, enlarged, beside two convolutions of the photo.

    Parameters
    ----------
    filters
        Of a 1x1 convolution after the features' enlargement; ``None``: there is none.
    """
    seen = feature_extractor(backbone, preprocess)(lr)  # (h / 2, w / 2, 48), rounded up
    if feature_scale != 1:
        seen = layers.Rescaling(feature_scale)(seen)
    seen = upsample(seen)
    if filters:
        seen = conv(seen, filters, 1)
    seen = CropLike()([seen, lr])  # (h, w, 48 or filters)
    own = conv(lr, own_filters, 3)
    own = conv(own, own_filters, 3)
    return layers.Concatenate()([seen, own])


@keras.saving.register_keras_serializable(package="srlib")
class CarryColours(GlorotUniform):
    """Start a 1x1 kernel so that its first three outputs are its first three inputs."""

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        """Make a kernel (1, 1, inputs, outputs)."""
        others = super().__call__(shape, dtype)[..., 3:]
        same = ops.eye(shape[2], 3, dtype=others.dtype)[None, None]
        return ops.concatenate([same, others], axis=-1)


# --- Model 5: rearrange channels into pixels -------------------------------------------


@keras.saving.register_keras_serializable(package="srlib")
class DepthToSpace(layers.Layer):
    """Lay four groups of channels out as the four pixels of a 2x2 block. No parameters.

    The sub-pixel layer of Shi et al., "Real-Time Single Image and Video Super-Resolution
    Using an Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016. The four pixels
    may differ, which is what `upsample` cannot do.
    """

    def call(self, x: Tensor) -> Tensor:
        """From (n, h, w, 4c) to (n, 2h, 2w, c), first group at the upper left."""
        return tf.nn.depth_to_space(x, 2)

    def compute_output_shape(self, shape: tuple) -> tuple:
        """Double height and width where they are known, quarter the channels."""
        count, height, width, channels = shape
        if channels % 4:
            raise ValueError(
                f"Depth to space makes 2x2 pixels of four groups of channels, but "
                f"{channels} channels do not divide by 4."
            )
        return (count, height and 2 * height, width and 2 * width, channels // 4)


@keras.saving.register_keras_serializable(package="srlib")
class Repeated(GlorotUniform):
    """Start so that the four pixels that depth to space makes of one are equal.

    Called ICNR: Aitken et al., "Checkerboard artifact free sub-pixel convolution", 2017.
    """

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        """Make a kernel (height, width, inputs, 4 filters)."""
        *rest, filters = shape
        return ops.tile(super().__call__((*rest, filters // 4), dtype), (1, 1, 1, 4))


def depth_to_space(x: Tensor) -> Tensor:
    """Enlarge twice by rearranging: (h, w, 4c) becomes (2h, 2w, c). No parameters."""
    return DepthToSpace()(x)


def subpixel(
    *,
    backbone: Kind = "auto",
    preprocess: Preprocess = "article",
    x4_from: Source = "picture",
    output_activation: str | None = "relu",
) -> keras.Model:
    """Model 5. The arguments are those of `efficientnet`."""
    head = partial(conv, filters=3, size=1, activation=output_activation)
    lr = photo_input()
    x = two_branches(lr, 48, backbone, preprocess)
    x = conv(x, 112, 1)
    x = depth_to_space(x)  # (2h, 2w, 28)
    x = conv(x, 64, 1)
    x2 = head(x, name="x2")
    y = conv(x2 if x4_from == "picture" else x, 64, 1)
    y = depth_to_space(y)  # (4h, 4w, 16)
    x4 = head(y, name="x4")
    return keras.Model(lr, {"x2": x2, "x4": x4}, name="depth_to_space")


# --- By name ----------------------------------------------------------------------------


def build(name: str, *, seed: int | None = None, **changes: Any) -> keras.Model:
    """Build the network `name` with fresh weights, the same ones for the same `seed`.

    Parameters
    ----------
    name
        One of `zoo.NETWORKS`.
    seed
        Of the fresh weights.
    changes
        Arguments of its function, to build something else than the article did.

    Raises
    ------
    ValueError
        If there is no such network. The message lists those that there are.

    Examples
    --------
    >>> build("efficientnet_1", seed=0, backbone="random", x4_from="trunk").name
    'efficientnet_1'
    """
    network = zoo.find(name)
    if seed is not None:
        keras.utils.set_random_seed(seed)
    return globals()[network.function](**network.arguments, **changes)


def multiply_adds(model: keras.Model, side: int = 72) -> int:
    """Count the multiplications of a network's convolutions for one square photo.

    Parameters
    ----------
    side
        Of the photo, in pixels.

    Examples
    --------
    >>> x = photo_input()
    >>> multiply_adds(keras.Model(x, conv(x, 8, 3)), side=10)  # 10 x 10 x (3 x 3 x 3 x 8)
    21600
    """
    convs = [layer for layer in model.layers if hasattr(layer, "kernel")]
    probe = keras.Model(model.input, [layer.output for layer in convs])
    shapes = probe.compute_output_shape((1, side, side, 3))
    total = sum(
        height * width * math.prod(layer.kernel.shape)
        for layer, (_, height, width, _) in zip(convs, shapes, strict=True)
    )
    inner = (layer for layer in model.layers if isinstance(layer, keras.Model))
    return total + sum(multiply_adds(layer, side) for layer in inner)  # the features

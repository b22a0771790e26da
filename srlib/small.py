"""The same network at the small size: less work, the same numbers.

Two facts let a network that draws blocks be trained on one pixel a block.

*Pointwise operations commute with nearest-neighbour enlargement.* A 1x1 convolution or an
activation treats each pixel alone. Of four equal pixels it makes four equal pixels, so it
may as well be applied to one of them, and the result enlarged afterwards.

*The error of a block is the error of its mean, plus a constant.* For a tile of target
pixels t with mean m, and one colour p for all of them,
``mean((t - p)^2) = (m - p)^2 + mean((t - m)^2)``. The last term does not depend on the
network, so it changes the loss but no gradient.

The second fact is also why there is a ceiling (chapter 3): the last term is the error that
remains when the network does its best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops, tree

if TYPE_CHECKING:
    import tensorflow as tf

# Layers that treat each pixel alone, whatever their settings.
POINTWISE = (
    layers.Activation,
    layers.Add,
    layers.BatchNormalization,
    layers.Concatenate,
    layers.LeakyReLU,
    layers.ReLU,
)


def small_form(model: keras.Model) -> tuple[keras.Model, dict[str, int]]:
    """Move every nearest-neighbour enlargement as far towards the outputs as it goes.

    Parameters
    ----------
    model
        Of functional Keras layers, with a dictionary of outputs.

    Returns
    -------
    small
        A network that shares every layer with `model`, so training one trains the other.
    blocks
        By output: `small` draws one pixel where `model` draws ``block`` x ``block``.
    """
    pending: dict[int, int] = {}  # by tensor: how much it is still to be enlarged
    kept: list[keras.KerasTensor] = []  # alive, so that no id is given twice

    def remember(x: keras.KerasTensor, factor: int) -> keras.KerasTensor:
        kept.append(x)
        pending[id(x)] = factor
        return x

    def enlarged(x: Any) -> Any:
        factor = pending.get(id(x), 1)
        return layers.UpSampling2D(factor)(x) if factor > 1 else x

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        factors = {pending.get(id(x), 1) for x in tree.flatten(args)}
        if _is_nearest(layer):
            (factor,) = factors
            return remember(layers.Identity()(*args), factor * layer.size[0])
        if _is_pointwise(layer) and len(factors) == 1:
            return remember(layer(*args, **kwargs), *factors)
        return layer(*tree.map_structure(enlarged, args), **kwargs)

    small = keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call
    )
    blocks = {name: pending.get(id(x), 1) for name, x in small.output.items()}
    return small, blocks


def _is_nearest(layer: keras.Layer) -> bool:
    return (
        isinstance(layer, layers.UpSampling2D)
        and layer.interpolation == "nearest"
        and layer.size[0] == layer.size[1]
    )


def _is_pointwise(layer: keras.Layer) -> bool:
    if isinstance(layer, layers.Conv2D):
        return layer.kernel_size == (1, 1) and layer.strides == (1, 1)
    return isinstance(layer, POINTWISE)


def pack_target(target: tf.Tensor, block: int) -> tf.Tensor:
    """Replace each tile by its mean colour, and beside it what that leaves out.

    Parameters
    ----------
    target
        Shape (n, height, width, 3).
    block
        Side of a tile.

    Returns
    -------
    tensor
        Shape (n, height / block, width / block, 4): three means, and the mean squared
        difference from them over the tile's pixels and channels.
    """
    if block == 1:  # nothing is averaged, nothing left out
        return ops.concatenate([target, ops.zeros_like(target[..., :1])], axis=-1)
    means = ops.average_pool(target, block)
    spread = target - ops.repeat(ops.repeat(means, block, axis=1), block, axis=2)
    rest = ops.average_pool(ops.mean(ops.square(spread), axis=-1, keepdims=True), block)
    return ops.concatenate([means, rest], axis=-1)


def packed_mse(packed: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
    """Return the mean squared error of each picture against the unpacked target."""
    picture = ops.cast(picture, packed.dtype)  # Keras casts for a loss, not for a metric
    error = ops.square(packed[..., :3] - picture)
    return ops.mean(error, axis=(1, 2, 3)) + ops.mean(packed[..., 3], axis=(1, 2))


def packed_metrics() -> list[keras.metrics.Metric]:
    """Return the metrics that training reports for one output, new each time.

    ``mse`` is the mean squared error over pictures, nothing clipped, as the loss has it.
    ``psnr_db`` is the mean over pictures, clipped to [0, 1] like `metrics.psnr`.
    ``article_psnr_db`` is what the article plotted: nothing is clipped, and the squared
    error is averaged over each batch before the logarithm is taken.
    """
    return [
        keras.metrics.MeanMetricWrapper(packed_mse, name="mse"),
        keras.metrics.MeanMetricWrapper(_psnr_db, name="psnr_db"),
        keras.metrics.MeanMetricWrapper(_article_psnr_db, name="article_psnr_db"),
    ]


def _psnr_db(packed: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
    return -10 * ops.log10(packed_mse(packed, ops.clip(picture, 0, 1)))


def _article_psnr_db(packed: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
    return -10 * ops.log10(ops.mean(packed_mse(packed, picture)))

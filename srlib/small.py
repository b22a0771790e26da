"""The same network at the small size: less work, the same numbers.

Two facts let a network that draws blocks be trained on one pixel a block.

*Pointwise operations commute with nearest-neighbour enlargement.* A 1x1 convolution or an
activation treats each pixel alone. Of four equal pixels it makes four equal pixels, so it
may as well be applied to one of them, and the result enlarged afterwards. Likewise with
depth to space: what treats each pixel alone does not ask where the pixel is.

*The error of a block is the error of its mean, plus a constant.* For a tile of target
pixels t with mean m, and one colour p for all of them,
``mean((t - p)^2) = (m - p)^2 + mean((t - m)^2)``. The last term does not depend on the
network, so it changes the loss but no gradient.

The second fact is also why there is a ceiling (chapter 3): the last term is the error that
remains when the network does its best.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops, tree

from srlib import models

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


# What is still to be done to a tensor's pixels, in this order: a number stands for
# repeating each as a block of that side, 0 for depth to space.
Pending = tuple[int, ...]
SHUFFLE = 0


def small_form(model: keras.Model) -> tuple[keras.Model, dict[str, int]]:
    """Move all that only moves pixels as far towards the outputs as it goes.

    Parameters
    ----------
    model
        Of functional Keras layers, with a dictionary of outputs.

    Returns
    -------
    small
        A network that shares every weight with `model`, so training one trains the other.
    blocks
        By output: `small` draws one pixel where `model` draws ``block`` x ``block``.
    """
    pending: dict[int, Pending] = {}  # by tensor
    kept: list[keras.KerasTensor] = []  # alive, so that no id is given twice

    def remember(x: keras.KerasTensor, moves: Pending) -> keras.KerasTensor:
        kept.append(x)
        pending[id(x)] = moves
        return x

    def moved(x: Any) -> Any:
        return _move(x, pending.get(id(x), ()))

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        inputs = {pending.get(id(x), ()) for x in tree.flatten(args)}
        if _is_nearest(layer):
            (moves,) = inputs
            return remember(layers.Identity()(*args), (*moves, layer.size[0]))
        if isinstance(layer, models.DepthToSpace):
            (moves,) = inputs
            return remember(ChannelsToPixels()(*args), (*moves, SHUFFLE))
        if _is_pointwise(layer) and len(inputs) == 1:
            return remember(layer(*args, **kwargs), *inputs)
        if _is_dilated(layer) and dilates_natively(layer.compute_dtype):
            layer = DilatedConv(layer)
        return layer(*tree.map_structure(moved, args), **kwargs)

    clone = keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call
    )
    outputs, blocks = {}, dict.fromkeys(clone.output, 1)
    for head, x in clone.output.items():
        moves = pending.get(id(x), ())
        while moves and moves[-1] != SHUFFLE:  # equal pixels are not drawn
            blocks[head] *= moves[-1]
            moves = moves[:-1]
        outputs[head] = _move(x, moves)
    return keras.Model(clone.input, outputs, name=model.name), blocks


def _move(x: Any, moves: Pending) -> Any:
    """Do to a tensor at last what was put off."""
    shuffles = moves.count(SHUFFLE)
    if shuffles:
        x = PixelsToChannels(4**shuffles)(x)
    for move in moves:
        x = models.DepthToSpace()(x) if move == SHUFFLE else layers.UpSampling2D(move)(x)
    return x


class ChannelsToPixels(layers.Layer):
    """Lay four groups of channels side by side, which moves nothing in memory.

    For what treats each pixel alone, any place is as good as the right one.
    """

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """From (n, h, w, 4c) to (n, h, 4w, c)."""
        n, h, w, c = ops.shape(x)
        return ops.reshape(x, (n, h, 4 * w, c // 4))

    def compute_output_shape(self, shape: tuple) -> tuple:
        """Leave unknown sizes unknown."""
        n, h, w, c = shape
        return (n, h, w and 4 * w, c // 4)


class PixelsToChannels(layers.Layer):
    """Undo `ChannelsToPixels`, for one or several of them."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """From (n, h, count w, c) to (n, h, w, count c)."""
        n, h, w, c = ops.shape(x)
        return ops.reshape(x, (n, h, w // self.count, self.count * c))

    def compute_output_shape(self, shape: tuple) -> tuple:
        """Leave unknown sizes unknown."""
        n, h, w, c = shape
        return (n, h, w and w // self.count, self.count * c)


class DilatedConv(layers.Layer):
    """The same convolution, of the same weights, in one operation.

    Keras cuts the picture into as many smaller ones as the kernel has holes, convolves
    these, and puts the picture together again. On a processor the cutting takes longer
    than it saves, where the convolution itself knows dilation.
    """

    def __init__(self, conv: layers.Conv2D) -> None:
        super().__init__(dtype=conv.dtype_policy)
        self.conv = conv

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Keep height and width."""
        import tensorflow as tf

        conv = self.conv
        kernel, bias = ops.convert_to_tensor(conv.kernel), ops.convert_to_tensor(conv.bias)
        x = tf.nn.conv2d(x, kernel, 1, "SAME", dilations=conv.dilation_rate)
        return conv.activation(tf.nn.bias_add(x, bias))

    def compute_output_shape(self, shape: tuple) -> tuple:
        """Change the channels only."""
        return (*shape[:-1], self.conv.filters)


@lru_cache
def dilates_natively(dtype: str) -> bool:
    """Whether TensorFlow can train a dilated convolution on this machine's device.

    In single precision it can with oneDNN or a GPU; without, as on a Mac, and in double
    precision on a processor, it has no gradient for it.
    """
    import tensorflow as tf

    x, kernel = tf.ones((1, 4, 4, 1), dtype), tf.ones((3, 3, 1, 1), dtype)
    try:
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            y = tf.nn.conv2d(x, kernel, 1, "SAME", dilations=2)
        tape.gradient(y, kernel)
    except tf.errors.OpError:
        return False
    return True


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


def _is_dilated(layer: keras.Layer) -> bool:
    return (
        isinstance(layer, layers.Conv2D)
        and max(layer.dilation_rate) > 1
        and layer.padding == "same"
        and layer.use_bias
    )


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
        difference from them over the tile's pixels and channels. With a block of one pixel
        nothing is averaged and nothing left out: the target itself.
    """
    if block == 1:
        return target
    means = ops.average_pool(target, block)
    spread = target - ops.repeat(ops.repeat(means, block, axis=1), block, axis=2)
    rest = ops.average_pool(ops.mean(ops.square(spread), axis=-1, keepdims=True), block)
    return ops.concatenate([means, rest], axis=-1)


def packed_mse(packed: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
    """Return the mean squared error of each picture against the unpacked target."""
    picture = ops.cast(picture, packed.dtype)  # Keras casts for a loss, not for a metric
    error = ops.mean(ops.square(packed[..., :3] - picture), axis=(1, 2, 3))
    if packed.shape[-1] == 3:
        return error
    return error + ops.mean(packed[..., 3], axis=(1, 2))


def whole_batch(local: tf.Tensor) -> tf.Tensor:
    """Add up a number over all devices that share a batch."""
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return local
    return replica.all_reduce("SUM", local)


def is_shared() -> bool:
    """Whether several devices share each batch, here and now."""
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync > 1


def batch_mean(values: tf.Tensor) -> tf.Tensor:
    """Return the mean over the whole batch, of which this device may have none at all."""
    if not is_shared():
        return ops.mean(values)
    return whole_batch(ops.sum(values)) / ops.cast(batch_size(values), values.dtype)


def batch_size(values: tf.Tensor) -> tf.Tensor:
    """Return how many pictures the whole batch has; `values` has one number for each."""
    return whole_batch(ops.shape(values)[0])


def each(values: tf.Tensor) -> tf.Tensor:
    """Give every device the same numbers to average: one for each picture of the batch.

    Keras averages what the devices report, whether they saw as many pictures or not.
    """
    if not is_shared():
        return values
    return ops.full((batch_size(values),), batch_mean(values))


def packed_metrics() -> list[keras.metrics.Metric]:
    """Return the metrics that training reports for one output, new each time.

    ``mse`` is the mean squared error over pictures, nothing clipped, as the loss has it.
    ``psnr_db`` is the mean over pictures, clipped to [0, 1] like `metrics.psnr`.
    ``article_psnr_db`` is what the article plotted: nothing is clipped, and the squared
    error is averaged over each batch before the logarithm is taken.
    """
    return [
        keras.metrics.MeanMetricWrapper(_mse, name="mse"),
        keras.metrics.MeanMetricWrapper(_psnr_db, name="psnr_db"),
        keras.metrics.MeanMetricWrapper(_article_psnr_db, name="article_psnr_db"),
    ]


def _mse(packed: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
    return each(packed_mse(packed, picture))


def _psnr_db(packed: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
    return each(-10 * ops.log10(packed_mse(packed, ops.clip(picture, 0, 1))))


def _article_psnr_db(packed: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
    return -10 * ops.log10(batch_mean(packed_mse(packed, picture)))

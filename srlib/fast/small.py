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

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
from keras import layers, ops, tree

from srlib import models
from srlib.sources.backbone import CropLike

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


# Layers that treat each number alone.
EACH_NUMBER = (layers.LeakyReLU, layers.ReLU)

# What is still to be done to a tensor's pixels, in this order: a number stands for
# repeating each as a block of that side, 0 for depth to space.
Pending = tuple[int, ...]
SHUFFLE = 0

LEAKY_SLOPE = 0.2  # of keras.activations.leaky_relu


class Part(NamedTuple):
    """Some of a tensor's channels: `x`, when it has been moved and cut to `like`'s size."""

    x: keras.KerasTensor
    moves: Pending
    like: keras.KerasTensor | None = None


def small_form(
    model: keras.Model, *, rewrite: bool = True
) -> tuple[keras.Model, dict[str, int]]:
    """Move all that only moves pixels as far towards the outputs as it goes.

    Parameters
    ----------
    model
        Of functional Keras layers, with a dictionary of outputs.
    rewrite
        Convolve in other operations where those take less time (see `Conv`).

    Returns
    -------
    small
        A network that shares every weight with `model`, so training one trains the other.
    blocks
        By output: `small` draws one pixel where `model` draws ``block`` x ``block``.
    """
    mover = _Mover(rewrite)
    clone = keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=mover.call
    )
    outputs, blocks = {}, dict.fromkeys(clone.output, 1)
    for head, x in clone.output.items():
        moves = mover.pending(x)
        while moves and moves[-1] != SHUFFLE:  # equal pixels are not drawn
            blocks[head] *= moves[-1]
            moves = moves[:-1]
        outputs[head] = _move(x, moves)
    return keras.Model(clone.input, outputs, name=model.name), blocks


class Only(NamedTuple):
    """What a convolution shall do: for some of its input's channels, without activation."""

    start: int
    stop: int
    with_bias: bool


class _Mover:
    """Call a network's layers again, putting off what only moves pixels."""

    def __init__(self, rewrite: bool) -> None:
        self.rewrite = rewrite
        self._pending: dict[int, Pending] = {}  # by tensor
        self._parts: dict[int, list[Part]] = {}  # of tensors that were joined from some
        self._kept: list[keras.KerasTensor] = []  # alive, so that no id is given twice

    def pending(self, x: keras.KerasTensor) -> Pending:
        return self._pending.get(id(x), ())

    def parts(self, x: keras.KerasTensor) -> list[Part]:
        return self._parts.get(id(x)) or [Part(x, self.pending(x))]

    def call(self, layer: keras.Layer, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        tensors = tree.flatten(args)
        inputs = {self.pending(x) for x in tensors}
        has_parts = any(id(x) in self._parts for x in tensors)
        if _is_nearest(layer):
            (moves,) = inputs
            return self._put_off(layers.Identity()(*args), (*moves, layer.size[0]))
        if isinstance(layer, models.DepthToSpace):
            (moves,) = inputs
            return self._put_off(ChannelsToPixels()(*args), (*moves, SHUFFLE))
        if self.rewrite and _is_plain_conv(layer):
            if _is_pointwise(layer) and not has_parts:
                return self._put_off(Conv(layer)(*args), *inputs)
            return self._convolve(layer, *args)
        if _is_pointwise(layer) and len(inputs) == 1 and inputs != {()} and not has_parts:
            return self._put_off(layer(*args, **kwargs), *inputs)
        moved = [self._moved(x) for x in tensors]
        return self._join(
            layer, tensors, layer(*tree.pack_sequence_as(args, moved), **kwargs)
        )

    def _put_off(self, x: keras.KerasTensor, moves: Pending) -> keras.KerasTensor:
        self._kept.append(x)
        self._pending[id(x)] = moves
        return x

    def _moved(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return _move(x, self.pending(x))

    def _join(
        self, layer: keras.Layer, tensors: list[keras.KerasTensor], whole: keras.KerasTensor
    ) -> keras.KerasTensor:
        """Note what `whole` was made of, so that each part can be convolved by itself."""
        parts: list[Part] = []
        if isinstance(layer, layers.Concatenate):
            parts = [part for x in tensors for part in self.parts(x)]
        elif isinstance(layer, CropLike):
            parts = [Part(tensors[0], self.pending(tensors[0]), tensors[1])]
        elif isinstance(layer, EACH_NUMBER):
            parts = [Part(layer(x), *rest) for x, *rest in self.parts(*tensors)]
        if len(parts) > 1 or any(part.moves for part in parts):
            self._kept.append(whole)
            self._parts[id(whole)] = parts
        return whole

    def _convolve(self, conv: layers.Conv2D, x: keras.KerasTensor) -> keras.KerasTensor:
        """Convolve each part at its own size, and add up the results."""
        parts, pointwise = self.parts(x), _is_pointwise(conv)
        dilated = not pointwise and max(conv.dilation_rate) > 1
        if dilated and not dilates_natively(conv.compute_dtype):
            return conv(self._moved(x))
        if dilated or (not pointwise and any(part.like is not None for part in parts)):
            parts = [Part(self._moved(x), ())]  # behind a cut edge no kernel may look
        results, start = [], 0
        for part, moves, like in parts:
            stop = start + part.shape[-1]
            only = (
                None
                if len(parts) == 1
                else Only(start, stop, with_bias=stop == x.shape[-1])
            )
            if pointwise:
                result = _move(Conv(conv, only)(part), moves)
            elif moves[-1:] == (2,):
                result = Conv(conv, only, enlarges=True)(_move(part, moves[:-1]))
            else:
                result = Conv(conv, only)(_move(part, moves))
            results.append(result if like is None else CropLike()([result, like]))
            start = stop
        if len(results) == 1:
            return results[0]
        return layers.Activation(_activation(conv))(layers.Add()(results))


def _move(x: Any, moves: Pending) -> Any:
    """Do to a tensor at last what was put off."""
    shuffles = moves.count(SHUFFLE)
    if shuffles:
        x = PixelsToChannels(4**shuffles)(x)
    for move in moves:
        x = DepthToSpace()(x) if move == SHUFFLE else layers.UpSampling2D(move)(x)
    return x


class DepthToSpace(models.DepthToSpace):
    """The same on all cores."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """From (n, h, w, 4c) to (n, 2h, 2w, c)."""
        return depth_to_space(x)


def depth_to_space(x: tf.Tensor) -> tf.Tensor:
    """Do as `tf.nn.depth_to_space` with blocks of 2, which works on one core alone."""
    n, h, w, c = ops.shape(x)
    x = ops.reshape(x, (n, h, w, 2, c // 2))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4)), (n, 2 * h, 2 * w, c // 4))


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


class Conv(layers.Layer):
    """A convolution of Keras, of the same weights, in other operations.

    *With holes.* Keras cuts the picture into as many smaller ones as the kernel has holes,
    convolves these, and puts the picture together again. On a processor the cutting takes
    longer than it saves, where the convolution itself knows dilation.

    *After an enlargement.* Of nine neighbours in a picture of 2x2 blocks only 2x2 differ.
    So for each of the four places in a block a kernel of 2x2 does, whose numbers are sums
    of the old one's, at the size before: four ninths of the multiplications.

    Parameters
    ----------
    conv
        Whose padding is "same" and whose strides are 1, with a bias.
    only
        See `Only`; ``None``: all of it.
    enlarges
        Repeat each pixel as a block of 2x2 before. For kernels of 3x3.
    """

    def __init__(
        self, conv: layers.Conv2D, only: Only | None = None, *, enlarges: bool = False
    ) -> None:
        super().__init__(dtype=conv.dtype_policy)
        self.conv = conv
        self.only = only
        self.enlarges = enlarges

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """From (n, h, w, c) to (n, h, w, filters), or (n, 2h, 2w, filters)."""
        import tensorflow as tf

        kernel = ops.convert_to_tensor(self.conv.kernel)
        if self.only is not None:
            kernel = kernel[:, :, self.only.start : self.only.stop]
        if not self.enlarges:
            # A single pixel has no neighbours that could be farther apart.
            rate = 1 if _is_pointwise(self.conv) else self.conv.dilation_rate
            return self._finish(tf.nn.conv2d(x, kernel, 1, "SAME", dilations=rate))
        n, h, w, _ = ops.shape(x)
        x = tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = self._finish(tf.nn.conv2d(x, _four_kernels(kernel), 1, "VALID"))
        # In the middle of a 2x2 window the corners of four blocks meet. Their pixels come
        # together, so a block is shifted by one. Not x[:, 1:-1]: its gradient is slow.
        x = depth_to_space(x)
        return tf.slice(x, (0, 1, 1, 0), (n, 2 * h, 2 * w, self.conv.filters))

    def _finish(self, x: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        if self.only is None or self.only.with_bias:
            bias = ops.convert_to_tensor(self.conv.bias)
            x = _add_bias(x, tf.tile(bias, (4,)) if self.enlarges else bias)
        return x if self.only else _activation(self.conv)(x)

    def compute_output_shape(self, shape: tuple) -> tuple:
        """Leave unknown sizes unknown."""
        n, *sides, _ = shape
        if self.enlarges:
            sides = [side and 2 * side for side in sides]
        return (n, *sides, self.conv.filters)


def _add_bias(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Add a number to each channel, with the gradient as a product.

    TensorFlow would add up what reaches the bias inside of the gradient of the kernel,
    which takes that a sixth longer where the picture is large.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def add_bias(x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pixels = tf.reshape(dy, (-1, dy.shape[-1]))
            return dy, tf.linalg.matvec(
                pixels, tf.ones_like(pixels[:, 0]), transpose_a=True
            )

        return tf.nn.bias_add(x, bias), gradient

    return add_bias(x, tf.convert_to_tensor(bias))  # read here, not in there


def _activation(conv: layers.Conv2D) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the activation, in the form that TensorFlow can do with the convolution."""
    is_leaky = conv.activation is keras.activations.leaky_relu
    return _leaky_relu if is_leaky else conv.activation


def _leaky_relu(x: tf.Tensor) -> tf.Tensor:
    """Do as Keras does, with a gradient that asks for the result's sign, not for `x`.

    They have the same sign. While a gradient needs `x`, no operation may swallow it.
    """
    import tensorflow as tf

    slope = LEAKY_SLOPE

    @tf.custom_gradient
    def leaky_relu(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        y = tf.nn.leaky_relu(x, slope)

        def gradient(dy: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.LeakyReluGrad(gradients=dy, features=y, alpha=slope)

        return y, gradient

    return leaky_relu(x)


def _four_kernels(kernel: tf.Tensor) -> tf.Tensor:
    """Add up the rows, then the columns, of a 3x3 kernel that meet the same pixel.

    From (3, 3, c, filters) to (2, 2, c, 4 filters). A window lies between two blocks, in
    rows and in columns: first come the filters of the pixel before, then of that behind.
    """

    def two(k: tf.Tensor, axis: int) -> list[tf.Tensor]:
        first, middle, last = ops.unstack(k, axis=axis)
        before = ops.stack([first + middle, last], axis)
        behind = ops.stack([first, middle + last], axis)
        return [before, behind]

    return ops.concatenate([k for row in two(kernel, 0) for k in two(row, 1)], axis=-1)


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


def _is_plain_conv(layer: keras.Layer) -> bool:
    return (
        isinstance(layer, layers.Conv2D)
        and layer.kernel_size in ((1, 1), (3, 3))
        and layer.strides == (1, 1)
        and layer.padding == "same"
        and layer.groups == 1
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

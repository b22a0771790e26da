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

What is moved is known exactly (`POINTWISE`). Everything else is called as the network calls
it, on the pixels that the network gives it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import keras
from keras import activations, layers, ops, tree

from srlib.fast import rewriting

if TYPE_CHECKING:
    import tensorflow as tf

# An activation may be any function, also one that looks at neighbours. These do not.
POINTWISE_FUNCTIONS = (
    activations.linear,
    activations.relu,
    activations.relu6,
    activations.leaky_relu,
    activations.elu,
    activations.gelu,
    activations.sigmoid,
    activations.hard_sigmoid,
    activations.silu,
    activations.softplus,
    activations.softmax,  # over the channels
    activations.tanh,
)


# Layers that treat each pixel alone, and when: by type, since a subclass may do anything.
POINTWISE: dict[type, Callable[[Any], bool]] = {
    layers.Activation: lambda layer: layer.activation in POINTWISE_FUNCTIONS,
    layers.Add: lambda layer: True,
    layers.Concatenate: lambda layer: layer.axis in (-1, 3),
    layers.Conv2D: lambda layer: (
        layer.kernel_size == layer.strides == (1, 1)
        and layer.data_format == "channels_last"
        and layer.activation in POINTWISE_FUNCTIONS
    ),
    layers.LeakyReLU: lambda layer: True,
    layers.ReLU: lambda layer: True,
}


def _treats_each_pixel_alone(layer: keras.Layer) -> bool:
    return type(layer) in POINTWISE and POINTWISE[type(layer)](layer)


def _repeats_pixels(layer: keras.Layer) -> bool:
    return (
        type(layer) is layers.UpSampling2D
        and layer.interpolation == "nearest"
        and layer.size[0] == layer.size[1]
        and layer.data_format == "channels_last"
    )


def small_form(
    model: keras.Model, *, rewrite: bool = True
) -> tuple[keras.Model, dict[str, int]]:
    """Move the enlargements of a network as far towards its outputs as they go.

    Parameters
    ----------
    model
        Of functional layers, with a dictionary of outputs.
    rewrite
        Convolve in other operations where those take less time (see `rewriting`).

    Returns
    -------
    small
        A network that shares every weight with `model`, so training one trains the other.
        `model` itself if it enlarges nothing, or is another kind of network.
    blocks
        By output: `small` draws one pixel where `model` draws ``block`` x ``block``. None
        for another kind of network.
    """
    if not _is_known(model):
        return model, {}
    mover = _Mover(rewrite)
    clone = mover.clone(model)
    blocks = {head: mover.block(x) for head, x in clone.output.items()}
    if not mover.has_moved:
        return model, blocks
    return keras.Model(clone.input, clone.output, name=model.name), blocks


def left_alone(model: keras.Model) -> list[str]:
    """Name the layers before which repeated pixels have to be drawn.

    They look at neighbours, or are not known exactly. The network's own name if all of it
    is left alone: it has a class or a training step of its own.
    """
    if not _is_known(model):
        return [model.name]
    mover = _Mover(rewrite=False)
    mover.clone(model)
    return mover.left_alone


def _is_known(model: keras.Model) -> bool:
    """Tell whether a network is its layers, and is trained as Keras trains."""
    own = {"call", "train_step", "test_step", "compute_loss"} & vars(model).keys()
    plain = type(model) is _functional() and model.trainable and not own
    return plain and isinstance(model.output, dict)


@lru_cache
def _functional() -> type[keras.Model]:
    x = keras.Input((1,), name="x")
    return type(keras.Model(x, layers.Identity(name="y")(x), name="xy"))


class _Mover:
    """Call a network's layers again, putting off the enlargements."""

    def __init__(self, rewrite: bool) -> None:
        self.rewrite = rewrite
        self.has_moved = False
        self.left_alone: list[str] = []
        self._blocks: dict[int, int] = {}  # by tensor: the side that a pixel stands for
        self._kept: list[keras.KerasTensor] = []  # alive, so that no id is given twice
        self._added = 0

    def clone(self, model: keras.Model) -> keras.Model:
        bare = keras.Model(model.input, model.output)  # Keras would clone the losses, too
        return keras.models.clone_model(
            bare, clone_function=lambda layer: layer, call_function=self._call
        )

    def block(self, x: keras.KerasTensor) -> int:
        return self._blocks.get(id(x), 1)

    def _call(self, layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        given = tree.flatten((args, kwargs))
        blocks = {self.block(x) for x in given}
        if len(blocks) == 1 and len(args) == 1 and not kwargs and _is_plain(layer, given):
            (block,) = blocks
            if _repeats_pixels(layer):
                self.has_moved = True
                return self._put_off(
                    self._add(layers.Identity, *args), block * layer.size[0]
                )
            if block > 1 and _treats_each_pixel_alone(layer):
                return self._put_off(layer(*args), block)
            if self.rewrite and block % 2 == 0 and rewriting.is_known(layer):
                x = self._enlarge(*args, block // 2)
                return self._add(rewriting.ConvOfEnlarged, x, conv=layer)
        if blocks != {1}:
            self.left_alone.append(layer.name)
        args, kwargs = tree.map_structure(
            lambda x: self._enlarge(x, self.block(x)) if _is_tensor(x) else x,
            (args, kwargs),
        )
        return layer(*args, **kwargs)

    def _put_off(self, x: keras.KerasTensor, block: int) -> keras.KerasTensor:
        self._kept.append(x)
        self._blocks[id(x)] = block
        return x

    def _enlarge(self, x: keras.KerasTensor, block: int) -> keras.KerasTensor:
        return x if block == 1 else self._add(layers.UpSampling2D, x, size=block)

    def _add(self, kind: type[keras.Layer], x: keras.KerasTensor, **options: Any) -> Any:
        """Call a new layer, under a name that no layer of the network has."""
        self._added += 1
        return kind(**options, dtype=x.dtype, name=f"small_form_{self._added}")(x)


def _is_tensor(x: Any) -> bool:
    return isinstance(x, keras.KerasTensor)


def _is_plain(layer: keras.Layer, given: list[Any]) -> bool:
    """Tell whether calling a layer does what its class says, and nothing beside it.

    It casts nothing, no output of it is punished, no mask says which pixels count, and its
    `call` was not replaced.
    """
    return (
        isinstance(layer, keras.Layer)
        and layer.activity_regularizer is None
        and "call" not in vars(layer)
        and all(
            _is_tensor(x)
            and x.dtype == layer.compute_dtype
            and getattr(x, "_keras_mask", None) is None
            for x in given
        )
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

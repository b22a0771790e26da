"""A 3x3 convolution after an enlargement, in fewer multiplications: the same numbers.

Of nine neighbours in a picture of 2x2 blocks only 2x2 differ. So for each of the four
places in a block a kernel of 2x2 does, whose numbers are sums of the old one's, at the size
before the enlargement: four ninths of the multiplications.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers, ops

if TYPE_CHECKING:
    import tensorflow as tf


def is_known(layer: keras.Layer) -> bool:
    """Tell whether a layer is exactly a convolution that `ConvOfEnlarged` can stand for."""
    return (
        type(layer) is layers.Conv2D
        and layer.kernel_size == (3, 3)
        and layer.strides == layer.dilation_rate == (1, 1)
        and layer.padding == "same"
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


class ConvOfEnlarged(layers.Layer):
    """Repeat each pixel as a block of 2x2, then convolve: in one, with the same weights.

    Parameters
    ----------
    conv
        See `is_known`.
    """

    def __init__(self, conv: layers.Conv2D, **options: str) -> None:
        super().__init__(**options)
        self.conv = conv

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """From (n, h, w, c) to (n, 2h, 2w, filters)."""
        import tensorflow as tf

        n, h, w, _ = ops.shape(x)
        kernels = four_kernels(ops.convert_to_tensor(self.conv.kernel))
        x = tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = tf.nn.conv2d(x, kernels, 1, "VALID")
        if self.conv.use_bias:
            bias = ops.convert_to_tensor(self.conv.bias)
            x = tf.nn.bias_add(x, tf.tile(bias, (4,)))
        # In the middle of a 2x2 window the corners of four blocks meet. Their pixels come
        # together, so a block is shifted by one. Not x[:, 1:-1]: its gradient is slow.
        x = depth_to_space(x)
        x = tf.slice(x, (0, 1, 1, 0), (n, 2 * h, 2 * w, self.conv.filters))
        return self.conv.activation(x)

    def compute_output_shape(self, shape: tuple) -> tuple:
        """Leave unknown sizes unknown."""
        n, *sides, _ = shape
        return (n, *(side and 2 * side for side in sides), self.conv.filters)


def depth_to_space(x: tf.Tensor) -> tf.Tensor:
    """Do as `tf.nn.depth_to_space` with blocks of 2, which works on one core alone."""
    n, h, w, c = ops.shape(x)
    x = ops.reshape(x, (n, h, w, 2, c // 2))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4)), (n, 2 * h, 2 * w, c // 4))


def four_kernels(kernel: tf.Tensor) -> tf.Tensor:
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

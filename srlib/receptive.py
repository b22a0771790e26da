"""What a network looks at: its receptive field, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


def receptive_field(
    model: keras.Model, lr: np.ndarray, head: str = "x4", reach: int = 22
) -> np.ndarray:
    """Measure how much each input pixel counts for the middle of an output.

    The gradient of the mean of the output pixels under the middle input pixel, with respect
    to every input pixel: absolute values, summed over colours, averaged over pictures. A
    pixel that the network cannot see has exactly 0. Luo et al., "Understanding the
    Effective Receptive Field in Deep Convolutional Neural Networks", 2016.

    Parameters
    ----------
    model
        With `head` among its outputs, of any whole scale.
    lr
        Pictures to measure on: a stack (n, height, width, 3) in [0, 1].
    head
        Which output.
    reach
        How many pixels to return on each side of the middle one.

    Returns
    -------
    numpy.ndarray
        Shape (2 * reach + 1, 2 * reach + 1), with the sum 1.

    Raises
    ------
    ValueError
        If `reach` leads beyond the pictures, or no pixel counts.
    """
    import tensorflow as tf

    row, column = lr.shape[1] // 2, lr.shape[2] // 2
    if min(lr.shape[1] - row, lr.shape[2] - column) <= reach:
        raise ValueError(
            f"{lr.shape[1]}x{lr.shape[2]} pixels do not have {reach} on each side of the "
            f"middle one. Expected at least {2 * reach + 1}x{2 * reach + 1}."
        )
    x = tf.convert_to_tensor(lr, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        drawn = model(x)[head]
        scale = drawn.shape[1] // x.shape[1]
        top, left = row * scale, column * scale
        middle = tf.reduce_mean(drawn[:, top : top + scale, left : left + scale])
    pull = np.abs(tape.gradient(middle, x)).sum(axis=-1).mean(axis=0)
    if not pull.any():
        raise ValueError(f"No input pixel counts for {head}: is its last activation shut?")
    window = pull[row - reach : row + reach + 1, column - reach : column + reach + 1]
    return window / window.sum()


def side_holding(field: np.ndarray, share: float = 1.0) -> int:
    """Return the side of the smallest centred square that holds `share` of a field.

    Examples
    --------
    >>> field = np.zeros((5, 5))
    >>> field[2, 2], field[2, 3] = 0.9, 0.1
    >>> side_holding(field), side_holding(field, 0.9)
    (3, 1)
    """
    middle = len(field) // 2
    distance = np.abs(np.indices(field.shape) - middle).max(axis=0)
    outside = [field[distance > d].sum() for d in range(middle + 1)]
    # Sums of the same numbers differ in their last digits; an empty sum is exactly 0.
    allowed = (1 - share) * field.sum() * (1 + 1e-6)
    return 1 + 2 * next(d for d, rest in enumerate(outside) if rest <= allowed)

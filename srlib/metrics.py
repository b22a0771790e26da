"""How good is a picture? PSNR, SSIM, the baselines, and the ceiling of blocks.

Pictures are floating point in [0, 1], of shape (height, width, channels) or, stacked,
(n, height, width, channels). Scores are per picture: one number for one picture, an array
of n numbers for a stack. Average them last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator


# BT.601 in studio range, as MATLAB's rgb2ycbcr: Y of black is 16, of white 235.
Y_WEIGHTS = np.array([65.481, 128.553, 24.966])
Y_OFFSET = 16.0

#: A network draws beyond [0, 1], which is clipped. So far beyond it the picture was meant
#: to be in [0, 255], and clipping would hide that.
OVERSHOOT = 15.0


class MetricError(ValueError):
    """Pictures that cannot be compared. The message says what was found and expected."""


# --- Scores ----------------------------------------------------------------------------


def mse(target: np.ndarray, picture: np.ndarray) -> np.ndarray | float:
    """Return the mean squared error of each picture.

    Examples
    --------
    >>> mse(np.zeros((2, 2, 3)), np.full((2, 2, 3), 0.5))
    0.25
    """
    target, picture = _comparable(target, picture)
    return _each(np.mean((target - picture) ** 2, axis=(-3, -2, -1)))


def psnr(
    target: np.ndarray, picture: np.ndarray, *, crop: int = 0, y_only: bool = False
) -> np.ndarray | float:
    """Return the peak signal-to-noise ratio of each picture in decibels.

    ``10 log10(1 / mse)`` after `picture` was clipped to [0, 1], as any screen would.

    Parameters
    ----------
    target, picture
        In [0, 1], floating point, the same shape.
    crop
        Pixels to leave out at each border. Papers leave out as many as the scale.
    y_only
        Compare the luma of BT.601 in studio range alone, as most papers do. It scores
        higher than RGB: see chapter 2.

    Returns
    -------
    float or numpy.ndarray
        One number a picture, in dB. Infinite for identical pictures.

    Raises
    ------
    MetricError
        If the target is not in [0, 1], the picture is far from it (one in [0, 255]), they
        differ in shape, or `crop` leaves nothing.

    Examples
    --------
    An error of one step of 255 everywhere:

    >>> black = np.zeros((8, 8, 3))
    >>> round(psnr(black, black + 1 / 255), 2)
    48.13
    """
    target, picture = (_crop(p, crop) for p in _comparable(target, picture))
    if y_only:
        if target.shape[-1] != 3:
            raise MetricError(f"Y is made from RGB; found {target.shape}. Omit y_only.")
        target, picture = to_y(target), to_y(picture)
    with np.errstate(divide="ignore"):
        return _each(-10 * np.log10(np.mean((target - picture) ** 2, axis=(-3, -2, -1))))


def batch_psnr(target: np.ndarray, picture: np.ndarray) -> float:
    """Return the article's PSNR in dB: of the mean squared error of the whole stack.

    Nothing is clipped. Bad pictures weigh more in it than in the mean of `psnr`, so it is
    never higher (the logarithm is concave: Jensen's inequality).
    """
    target, picture = _comparable(target, picture, clip=False)
    with np.errstate(divide="ignore"):
        return float(-10 * np.log10(np.mean((target - picture) ** 2)))


def ssim(target: np.ndarray, picture: np.ndarray) -> np.ndarray | float:
    """Return the structural similarity of each picture: 1 if identical, lower if not.

    The original's constants: a Gaussian window of 11x11 pixels with sigma 1.5, averaged
    over the channels.

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli: Image quality assessment: from error visibility to
    structural similarity, IEEE TIP 13 (2004).
    """
    from skimage.metrics import structural_similarity

    target, picture = _comparable(target, picture)
    if min(target.shape[-3:-1]) < 11:
        raise MetricError(f"SSIM needs 11x11 pixels or more; found {target.shape}.")

    def one(t: np.ndarray, p: np.ndarray) -> float:
        return structural_similarity(
            *(t, p), channel_axis=-1, data_range=1.0,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )  # fmt: skip

    if target.ndim == 3:
        return float(one(target, picture))
    return np.array([one(t, p) for t, p in zip(target, picture, strict=True)])


def to_y(rgb: np.ndarray) -> np.ndarray:
    """Return the luma of RGB pictures in [0, 1], with one channel: BT.601, studio range.

    Examples
    --------
    >>> to_y(np.ones((1, 1, 3))).item() * 255
    235.0
    """
    return ((rgb @ Y_WEIGHTS + Y_OFFSET) / 255)[..., None]


def _each(scores: np.ndarray) -> np.ndarray | float:
    return float(scores) if np.ndim(scores) == 0 else scores


def _comparable(
    target: np.ndarray, picture: np.ndarray, *, clip: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Check both and return them as float64, so that no small error is rounded away."""
    target, picture = np.asarray(target), np.asarray(picture)
    for name, value in {"target": target, "picture": picture}.items():
        check_picture(name, value)
    if target.shape != picture.shape:
        raise MetricError(
            f"The target is {target.shape}, the picture {picture.shape}. Expected the "
            "same shape: does the picture have the scale of this target?"
        )
    check_range("target", target, slack=1e-6)
    check_range("picture", picture, slack=OVERSHOOT)
    target, picture = target.astype(np.float64), picture.astype(np.float64)
    return target, np.clip(picture, 0, 1) if clip else picture


def check_picture(name: str, value: np.ndarray) -> None:
    """Refuse what is not floating point, no picture or stack of them, or not a number."""
    if not np.issubdtype(value.dtype, np.floating):
        raise MetricError(
            f"The {name} is {value.dtype}. Expected floating point in [0, 1]: divide by "
            "255 first (data.as_float does)."
        )
    if value.ndim not in (3, 4) or value.shape[-1] not in (1, 3) or 0 in value.shape:
        raise MetricError(
            f"The {name} has the shape {value.shape}. Expected (height, width, 3) or a "
            "stack (n, height, width, 3)."
        )
    if not np.isfinite(value).all():
        raise MetricError(f"The {name} holds NaN or infinity: has the training diverged?")


def check_range(name: str, value: np.ndarray, *, slack: float) -> None:
    """Refuse what is farther than `slack` beyond [0, 1]."""
    low, high = value.min(), value.max()
    if low < -slack or high > 1 + slack:
        raise MetricError(
            f"The {name} runs from {low:.3g} to {high:.3g}. Expected [0, 1]: divide by "
            "255, or clip."
        )


def _crop(picture: np.ndarray, crop: int) -> np.ndarray:
    height, width = picture.shape[-3:-1]
    if not 0 <= 2 * crop < min(height, width):
        raise MetricError(f"A crop of {crop} leaves nothing of {height}x{width} pixels.")
    return picture[..., crop : height - crop, crop : width - crop, :]


# --- Baselines: what a network has to beat ---------------------------------------------

BASELINES = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def upscale(lr: np.ndarray, scale: int, method: str) -> np.ndarray:
    """Enlarge pictures by interpolation.

    Parameters
    ----------
    lr
        Shape (height, width, channels) or a stack of them, in [0, 1].
    scale
        Whole factor.
    method
        ``"nearest"``, ``"bilinear"`` or ``"bicubic"`` (Keys' kernel with a = -1/2, as in
        MATLAB and ``tf.image``; OpenCV's has a = -3/4).

    Returns
    -------
    numpy.ndarray
        ``float32``, `scale` times as high and wide. Bicubic is clipped to [0, 1].

    References
    ----------
    Keys: Cubic convolution interpolation for digital image processing, IEEE TASSP 29
    (1981).
    """
    if method not in BASELINES:
        raise MetricError(f"Unknown method {method!r}. Known: {', '.join(BASELINES)}.")
    height, width = lr.shape[-3:-1]
    return resize(lr, (height * scale, width * scale), method)


def resize(picture: np.ndarray, size: tuple[int, int], method: str) -> np.ndarray:
    """Resize pictures to `size` (height, width); when it shrinks, antialiased.

    The same as MATLAB's ``imresize``, in floating point. Clipped to [0, 1].
    """
    check_picture("picture", picture)
    check_range("picture", picture, slack=OVERSHOOT)
    if picture.ndim == 4:
        return np.stack([resize(one, size, method) for one in picture])
    planes = [
        Image.fromarray(np.ascontiguousarray(picture[..., c], np.float32))
        for c in range(picture.shape[-1])
    ]
    resized = [plane.resize(size[::-1], BASELINES[method]) for plane in planes]
    return np.clip(np.stack([np.asarray(plane) for plane in resized], axis=-1), 0, 1)


def fit_linear_filter(
    lr: np.ndarray, hr: np.ndarray, scale: int, size: int = 5
) -> np.ndarray:
    """Find the best linear filter that enlarges `lr` to `hr`, by least squares.

    Each of the ``scale * scale`` pixels under one input pixel is predicted from the
    ``size * size`` input pixels around it, with one constant, in each channel alike. No
    linear method with this view can have a smaller squared error on these pictures.

    Parameters
    ----------
    lr, hr
        Stacks (n, height, width, channels) in [0, 1], `hr` `scale` times as large.
    scale
        Whole factor.
    size
        Odd side of the window in input pixels.

    Returns
    -------
    numpy.ndarray
        Shape (size * size + 1, scale * scale). The last row holds the constants.
    """
    if size % 2 == 0:
        raise MetricError(f"Expected an odd window, so that it has a centre; found {size}.")
    terms = size * size + 1
    gram, moment = np.zeros((terms, terms)), np.zeros((terms, scale * scale))
    for views, truth in _filter_rows(lr, hr, scale, size):
        gram += views.T @ views
        moment += views.T @ truth
    return np.linalg.lstsq(gram, moment, rcond=None)[0]


def apply_linear_filter(lr: np.ndarray, weights: np.ndarray, scale: int) -> np.ndarray:
    """Enlarge a stack with what `fit_linear_filter` found; clipped to [0, 1]."""
    size = int(np.sqrt(len(weights) - 1))
    height, width, channels = lr.shape[-3:]
    pictures = []
    for picture in lr:
        pixels = _views(picture, size) @ weights  # (channels * height * width, scale**2)
        grid = pixels.reshape(channels, height, width, scale, scale)
        pictures.append(grid.transpose(1, 3, 2, 4, 0).reshape(
            height * scale, width * scale, channels))  # fmt: skip
    return np.clip(np.stack(pictures), 0, 1).astype(np.float32)


def _views(picture: np.ndarray, size: int) -> np.ndarray:
    """Return the window around every pixel, and a 1: (channels * h * w, size**2 + 1)."""
    edge = size // 2
    padded = np.pad(picture, ((edge, edge), (edge, edge), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))
    rows = windows.transpose(2, 0, 1, 3, 4).reshape(-1, size * size)
    return np.hstack([rows, np.ones((len(rows), 1))]).astype(np.float64)


def _filter_rows(
    lr: np.ndarray, hr: np.ndarray, scale: int, size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    check_picture("input", lr)
    check_picture("target", hr)
    height, width, channels = lr.shape[-3:]
    if hr.shape != (len(lr), height * scale, width * scale, channels):
        raise MetricError(f"{hr.shape} is not {scale} times {lr.shape}.")
    for small, large in zip(lr, hr, strict=True):
        grid = large.reshape(height, scale, width, scale, channels)
        truth = grid.transpose(4, 0, 2, 1, 3).reshape(-1, scale * scale)
        yield _views(small, size), truth.astype(np.float64)


# --- The ceiling -----------------------------------------------------------------------


def block_means(picture: np.ndarray, block: int) -> np.ndarray:
    """Return the mean of each `block` x `block` tile: `block` times smaller each way.

    Raises
    ------
    MetricError
        If the picture's sides are not whole multiples of `block`.

    Examples
    --------
    >>> block_means(np.arange(16.0).reshape(4, 4, 1), 2)[..., 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    *stack, height, width, channels = picture.shape
    if block < 1 or height % block or width % block:
        raise MetricError(
            f"{height}x{width} pixels do not divide into blocks of {block}. Crop the "
            f"picture to {height - height % max(block, 1)}x{width - width % max(block, 1)}."
        )
    tiles = (height // block, block, width // block, block, channels)
    return picture.reshape(*stack, *tiles).mean(axis=(-4, -2))


def repeat_blocks(picture: np.ndarray, block: int) -> np.ndarray:
    """Draw each pixel as a `block` x `block` tile: nearest-neighbour enlargement."""
    return picture.repeat(block, axis=-3).repeat(block, axis=-2)


def ceiling_psnr(target: np.ndarray, block: int) -> np.ndarray | float:
    """Return the best PSNR in dB that any picture made of blocks can reach.

    Of all colours for one tile the mean of the target's pixels has the least squared
    error. So no picture that is constant on tiles, however it was made, scores higher.

    Examples
    --------
    A checkerboard is lost altogether; every tile becomes grey:

    >>> board = np.indices((4, 4)).sum(0)[..., None] % 2.0
    >>> round(ceiling_psnr(board, 2), 2)
    6.02
    """
    return psnr(target, repeat_blocks(block_means(target, block), block))


def is_block_constant(picture: np.ndarray, block: int, tolerance: float = 1e-5) -> bool:
    """Tell whether every `block` x `block` tile has one colour, within `tolerance`.

    Examples
    --------
    >>> is_block_constant(repeat_blocks(np.random.rand(4, 4, 3), 2), 2)
    True
    """
    means = repeat_blocks(block_means(picture, block), block)
    return bool(np.abs(picture - means).max() <= tolerance)

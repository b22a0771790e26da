"""Photos become training pairs, and pairs become batches.

A *pair* is one photo at three sizes: the low-resolution input ``lr`` and the two targets
``x2`` and ``x4``, twice and four times as large. How the photo is shrunk is the *recipe*.
Everything here is RGB, ``uint8`` in memory and ``float32`` in [0, 1] once it is fed to a
network. Where photos come from is in `srlib.sources.photos`, how one is read in
`srlib.sources.reading`; both are offered here.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import cv2
import numpy as np

from srlib.sources.photos import Photos as Photos
from srlib.sources.photos import credits as credits
from srlib.sources.photos import find_photos as find_photos
from srlib.sources.photos import list_photos as list_photos
from srlib.sources.photos import sample_folder as sample_folder
from srlib.sources.reading import DataError as DataError
from srlib.sources.reading import read_photo as read_photo

if TYPE_CHECKING:  # TensorFlow takes seconds to import, and only batches need it
    import tensorflow as tf

SCALES = (2, 4)
LR_SIZE = 72


# --- Recipes ---------------------------------------------------------------------------


def _stretch(photo: np.ndarray, side: int) -> np.ndarray:
    """Do as the article: pass ``cv2.resize`` nothing, which means bilinear.

    It reads 2x2 pixels of the photo however many lie under the new one, so fine detail is
    not averaged but sampled (aliasing).
    """
    return cv2.resize(photo, (side, side))


def _average(photo: np.ndarray, side: int) -> np.ndarray:
    """Average all the pixels under each new one; a side that grows is interpolated.

    One call cannot do both: where one side grows, INTER_AREA averages the other no more.
    """
    height, width = photo.shape[:2]
    smaller = (min(width, side), min(height, side))
    if smaller == (side, side):
        return cv2.resize(photo, smaller, interpolation=cv2.INTER_AREA)
    averaged = cv2.resize(photo.astype(np.float32), smaller, interpolation=cv2.INTER_AREA)
    return np.rint(cv2.resize(averaged, (side, side))).astype(np.uint8)


#: From a photo and a side in pixels to the square picture of that side.
RECIPES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "article": _stretch,
    "antialiased": _average,
}


# --- From photos to pairs --------------------------------------------------------------


class Pair(NamedTuple):
    """One photo at three sizes, each (size, size, 3), ``uint8``."""

    lr: np.ndarray
    x2: np.ndarray
    x4: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Many pairs, stacked.

    Attributes
    ----------
    lr, x2, x4
        ``uint8`` of shape (n, 72, 72, 3), (n, 144, 144, 3) and (n, 288, 288, 3), unless
        another `lr_size` was asked for.
    source
        What the pairs were made from, for the line under a figure.
    """

    lr: np.ndarray
    x2: np.ndarray
    x4: np.ndarray
    source: str = field(default="", compare=False)

    def __len__(self) -> int:
        return len(self.lr)

    def __getitem__(self, index: int | slice | np.ndarray) -> Pairs:
        """Pick pairs. One index gives a stack of one, so shapes never change."""
        if isinstance(index, (int, np.integer)):
            index = range(len(self))[index]  # raises IndexError, so that loops end
            index = slice(index, index + 1)
        return replace(self, lr=self.lr[index], x2=self.x2[index], x4=self.x4[index])


def as_float(picture: np.ndarray) -> np.ndarray:
    """Turn ``uint8`` in [0, 255] into ``float32`` in [0, 1]; the shape stays.

    Examples
    --------
    >>> as_float(np.array([0, 255], np.uint8))
    array([0., 1.], dtype=float32)
    """
    if picture.dtype != np.uint8:
        raise DataError(
            f"Expected uint8 pictures in [0, 255], found {picture.dtype}. Pictures that "
            "are in [0, 1] already need no as_float."
        )
    return picture.astype(np.float32) / 255


def make_pair(
    photo: np.ndarray, recipe: str = "article", *, lr_size: int = LR_SIZE
) -> Pair:
    """Shrink one photo to the input and both targets.

    Each size is made from the photo itself, and the photo is stretched to a square, as
    the article did.

    Parameters
    ----------
    photo
        Shape (height, width, 3), ``uint8``.
    recipe
        ``"article"``: ``cv2.resize`` with its default, bilinear without antialiasing.
        ``"antialiased"``: the mean over the area of each new pixel, bilinear along a side
        that grows.
    lr_size
        Side of the input in pixels; the targets have twice and four times that.

    Returns
    -------
    Pair
        ``lr``, ``x2`` and ``x4``.

    Raises
    ------
    DataError
        If the recipe is unknown or the photo is not ``uint8`` with three channels.
    """
    shrink = _recipe(recipe)
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[-1] != 3:
        raise DataError(
            "Expected a photo of shape (height, width, 3) and type uint8, found "
            f"{photo.shape} and {photo.dtype}. read_photo gives the right one."
        )
    return Pair(*(shrink(photo, lr_size * scale) for scale in (1, *SCALES)))


def _recipe(name: str) -> Callable[[np.ndarray, int], np.ndarray]:
    if name not in RECIPES:
        raise DataError(f"Unknown recipe {name!r}. Known: {', '.join(RECIPES)}.")
    return RECIPES[name]


def load_pairs(
    photos: Photos,
    part: Literal["train", "val"],
    recipe: str = "article",
    *,
    lr_size: int = LR_SIZE,
    bgr: bool = False,
) -> Pairs:
    """Read each photo of one part once, on all cores, and make its pair.

    A photo takes 319 KiB as a pair (72, 144 and 288 pixels, ``uint8``): 1.6 GiB for all
    of VOC 2007. So every epoch can be served from memory.

    Parameters
    ----------
    photos
        What `find_photos` returned.
    part
        ``"train"`` or ``"val"``.
    recipe, lr_size
        As in `make_pair`.
    bgr
        As in `read_photo`.

    Raises
    ------
    DataError
        If photos cannot be read or are smaller than the x4 target. All of them are tried
        before the error, which names up to ten.
    """
    _recipe(recipe)  # before thousands of photos are read, not after
    paths = getattr(photos, part)
    least = 0 if photos.enlarge else lr_size * SCALES[-1]
    sides = [lr_size * scale for scale in (1, *SCALES)]
    stacks = [np.empty((len(paths), side, side, 3), np.uint8) for side in sides]

    def load(index: int) -> DataError | None:
        try:
            photo = read_photo(paths[index], bgr=bgr)
            _check_size(photo, paths[index], least)
        except DataError as error:
            return error
        pair = make_pair(photo, recipe, lr_size=lr_size)
        for stack, picture in zip(stacks, pair, strict=True):
            stack[index] = picture
        return None

    # Decoders and OpenCV work outside the GIL, so threads are enough.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        _raise_all(pool.map(load, range(len(paths))), len(paths))
    return Pairs(*stacks, source=f"{photos.name}, {len(paths)} photos, {recipe} recipe")


def _check_size(photo: np.ndarray, path: Path, least: int) -> None:
    height, width = photo.shape[:2]
    if min(height, width) < least:
        raise DataError(
            f"{path}: {width}x{height} pixels, but the x4 target needs at least "
            f"{least}x{least}: enlarging would invent it. Remove this photo."
        )


def _raise_all(results: Iterable[DataError | None], total: int) -> None:
    errors = [error for error in results if error]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        lines = [f"- {error}" for error in errors[:10]]
        more = [f"- and {len(errors) - 10} more"] if len(errors) > 10 else []
        head = f"{len(errors)} of {total} photos cannot be used:"
        raise DataError("\n".join([head, *lines, *more]))


# --- From pairs to batches -------------------------------------------------------------


def training_batches(
    pairs: Pairs, batch_size: int = 64, *, seed: int = 0, first_epoch: int = 0
) -> tf.data.Dataset:
    """Serve shuffled batches for ever; an epoch is ``ceil(len(pairs) / batch_size)``.

    Every epoch shows every photo once, in an order that depends on `seed` and the epoch's
    number alone. So a run that was interrupted after epoch 5 continues with
    ``first_epoch=5`` exactly as it would have.

    Returns
    -------
    tf.data.Dataset
        Of ``(lr, {"x2": x2, "x4": x4})``, ``float32`` in [0, 1].
    """
    import tensorflow as tf

    def order(epoch: np.ndarray) -> np.ndarray:
        return np.random.default_rng([seed, epoch]).permutation(len(pairs))

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        indices = _call(order, epoch, tf.int64)
        indices.set_shape([len(pairs)])
        return tf.data.Dataset.from_tensor_slices(indices).batch(batch_size)

    return _serve(pairs, tf.data.Dataset.counter(first_epoch).flat_map(one_epoch))


def validation_batches(pairs: Pairs, batch_size: int = 64) -> tf.data.Dataset:
    """Serve every photo once, in order, the same each time.

    Returns
    -------
    tf.data.Dataset
        Of ``(lr, {"x2": x2, "x4": x4})``, ``float32`` in [0, 1].
    """
    import tensorflow as tf

    return _serve(pairs, tf.data.Dataset.range(len(pairs)).batch(batch_size))


def _serve(pairs: Pairs, indices: tf.data.Dataset) -> tf.data.Dataset:
    """Turn batches of indices into batches of pictures, one batch ahead of the model."""
    import tensorflow as tf

    stacks = (pairs.lr, pairs.x2, pairs.x4)

    def pick(index: np.ndarray) -> list[np.ndarray]:
        # A function, not a tensor: that would be a second copy of all the photos.
        return [stack[index] for stack in stacks]

    def fetch(index: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        pictures = _call(pick, index, [tf.uint8] * 3)
        for picture, stack in zip(pictures, stacks, strict=True):
            picture.set_shape([None, *stack.shape[1:]])
        lr, x2, x4 = (tf.cast(picture, tf.float32) / 255 for picture in pictures)
        return lr, {"x2": x2, "x4": x4}

    # Several batches at once would only take memory.
    return indices.map(fetch).prefetch(1)


_python = threading.Lock()  # held by the thread of TensorFlow's that is in Python
_state = {"ended": False, "left": float("-inf")}


def _call(function: Callable, argument: tf.Tensor, types: Any) -> Any:
    """Have a thread of TensorFlow's call a function of Python's, but not at its end."""
    import tensorflow as tf

    def call(value: np.ndarray) -> Any:
        with _python:
            try:
                if _state["ended"]:
                    raise StopIteration
                return function(value)
            finally:
                _state["left"] = time.monotonic()

    return tf.numpy_function(call, [argument], types, stateful=False)


@atexit.register
def _let_batches_end() -> None:
    """Turn away the threads that make batches ahead when a script has ended.

    One script in three would hang without this: such a thread waits for the interpreter,
    which is gone, and Python for the thread. To turn them away without to wait until they
    are gone was not enough either, on a busy machine.
    """
    with _python:
        _state["ended"] = True
    while time.monotonic() - _state["left"] < 0.5:
        time.sleep(0.05)


# --- Pictures without photos -----------------------------------------------------------


def dead_leaves(count: int, size: int = 288, seed: int = 0) -> np.ndarray:
    """Paint pictures of overlapping discs, with the statistics of natural ones.

    Radii follow a power law (density proportional to r^-3), which makes the picture look
    alike at every distance, as photographs do: occlusion, edges, flat parts and a power
    spectrum that falls about as 1/f^2. The same arguments give the same pictures.

    Parameters
    ----------
    count
        How many pictures.
    size
        Side in pixels.
    seed
        Picture k depends on `seed` and k alone.

    Returns
    -------
    numpy.ndarray
        Shape (count, size, size, 3), ``uint8``.

    References
    ----------
    Lee, Mumford, Huang: Occlusion models for natural images, IJCV 41 (2001).
    Achddou, Gousseau, Ladjal: Synthetic images as a regularity prior for image
    restoration neural networks, SSVM 2021.
    """
    if count < 1 or size < 8:
        raise DataError(f"Expected count >= 1, size >= 8; found {count} and {size}.")
    return np.stack([_leaves(size, np.random.default_rng([seed, k])) for k in range(count)])


def _leaves(size: int, rng: np.random.Generator) -> np.ndarray:
    # Drawn twice as large and halved by area, so that edges are antialiased.
    side = 2 * size
    canvas = np.empty((side, side, 3), np.uint8)
    canvas[:] = rng.integers(0, 256, 3)
    smallest, largest = side / 144, side / 3
    # Inverse of the distribution function of r^-3 cut to [smallest, largest].
    u = rng.random(2500)
    radii = (smallest**-2 - u * (smallest**-2 - largest**-2)) ** -0.5
    centres = rng.uniform(-0.1 * side, 1.1 * side, (len(radii), 2))
    colours = rng.integers(0, 256, (len(radii), 3))
    for radius, centre, colour in zip(radii, centres, colours, strict=True):
        position = tuple(int(c) for c in centre)
        cv2.circle(canvas, position, round(radius), colour.tolist(), thickness=-1)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)

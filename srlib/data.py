"""Photos, and how they become training pairs.

A *pair* is one photo at three sizes: the low-resolution input ``lr`` and the two targets
``x2`` and ``x4``, twice and four times as large. How the photo is shrunk is the *recipe*.
Everything here is RGB, ``uint8`` in memory and ``float32`` in [0, 1] once it is fed to a
network.
"""

from __future__ import annotations

import atexit
import csv
import io
import itertools
import math
import os
import re
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps

from srlib.sources import download, places

if TYPE_CHECKING:  # TensorFlow takes seconds to import, and only batches need it
    import tensorflow as tf

SCALES = (2, 4)
LR_SIZE = 72
SUFFIXES = {".jpg", ".jpeg", ".png"}
PHOTOS_A_TASK = 16  # of a thread: to hand out single ones takes a tenth more time
_ALIGNMENT = 64  # bytes: what TensorFlow asks of memory that it is to share
MAX_PIXELS = 178_956_970  # of one photo: where Pillow, too, suspects an attack

#: What ``cv2.resize`` is told by each recipe. The article passed nothing, which means
#: bilinear: it reads 2x2 pixels of the photo however many lie under the new one, so fine
#: detail is not averaged but sampled (aliasing). INTER_AREA averages all of them.
RECIPES = {"article": cv2.INTER_LINEAR, "antialiased": cv2.INTER_AREA}


class DataError(ValueError):
    """A photo, folder or setting that cannot be used. The message says what to do."""


# --- Where photos are found ------------------------------------------------------------


@dataclass(frozen=True)
class Photos:
    """The files of one dataset, split into two parts that share no photo.

    Attributes
    ----------
    name
        ``"sample"``, ``"voc2007"`` or the folder's name.
    folder
        Where the photos are.
    train, val
        The files of each part, sorted by name.
    enlarge
        Whether photos smaller than the x4 target are enlarged to it (as the article did
        with the few of VOC 2007) instead of refused.
    note
        What a reader of the numbers has to know about these photos.
    """

    name: str
    folder: Path
    train: tuple[Path, ...]
    val: tuple[Path, ...]
    enlarge: bool = False
    note: str = ""

    def take(self, train: int | None = None, val: int | None = None) -> Photos:
        """Keep the first `train` and the first `val` photos (``None``: all).

        Raises
        ------
        DataError
            If a part does not have that many.
        """
        parts = {"train": train, "val": val}
        for part, count in parts.items():
            have = len(getattr(self, part))
            if count is not None and not 1 <= count <= have:
                raise DataError(
                    f"{self.name}: asked for {count} {part} photos, but there are "
                    f"{have}. Ask for 1 to {have}."
                )
        return replace(self, train=self.train[:train], val=self.val[:val])

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        counts = f"{len(self.train)} train, {len(self.val)} val"
        return f"{self.name}{note}: {counts}"


def find_photos(
    folder: str | os.PathLike[str] | None = None, *, fetch: bool = False
) -> Photos:
    """Find the photos to work with.

    Looked for, in this order: `folder`; the environment variable ``SRLIB_DATA``; PASCAL
    VOC 2007 where Kaggle mounts it; ``data/voc2007`` of this project; and at last the
    sample that comes with the course. A folder that was named must hold photos: nothing
    is used silently in its place.

    Parameters
    ----------
    folder
        A folder of photos, or one that holds VOC 2007 in any of its usual layouts.
    fetch
        If VOC 2007 is nowhere, download it to ``data/voc2007`` (460 MB, see `download`)
        instead of taking the sample.

    Returns
    -------
    Photos
        Files sorted by name. As in the article the first fifth validates, at most 1000.

    Raises
    ------
    DataError
        If a named folder does not exist or holds too few photos.

    Examples
    --------
    >>> photos = find_photos(sample_folder())
    >>> photos.name
    'sample'
    """
    named = folder if folder is not None else os.environ.get("SRLIB_DATA") or None
    if named is not None:
        return _photos_in(Path(named).expanduser())
    own = places.own_data() / "voc2007"
    found = next((place for place in (*_kaggle_mounts(), own) if _jpeg_folder(place)), None)
    if found is None and fetch:
        found = download.download_voc2007(own)
    return _photos_in(found or sample_folder())


def sample_folder() -> Path:
    """Return the folder of the free photos that come with the course."""
    return places.course_data() / "sample"


def list_photos(folder: Path) -> list[Path]:
    """List the photos directly in `folder`, sorted by name.

    Raises
    ------
    DataError
        If there is no such folder, or no .jpg, .jpeg or .png file in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder. Name a folder that holds photos.")
    files = sorted(folder.iterdir())
    photos = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not photos:
        what = f"{len(files)} entries, none of them a photo" if files else "nothing"
        raise DataError(
            f"{folder} holds {what}. Expected files that end in "
            f"{', '.join(sorted(SUFFIXES))}, or a folder named JPEGImages."
        )
    return photos


def credits(paths: Iterable[Path]) -> str:
    """Name the photographers of photos from the sample, as their licences ask.

    A picture made from a photo under CC BY-SA has to be shared under that licence, so the
    text says so. For photos that come with no list of credits it names their folder.
    """
    entries, share_alike = [], ""
    for path in paths:
        row = _credits_of(path.parents[1]).get(f"{path.parent.name}/{path.name}")
        if row is None:
            entries.append(f"a photo of {path.parent}")
            continue
        entries.append(f"{row['title']} ({row['author']}, {row['licence']})")
        if "SA" in row["licence"]:
            share_alike = f" This figure: {row['licence']}."
    return f"Photos: {'; '.join(dict.fromkeys(entries))}.{share_alike}" if entries else ""


def _credits_of(sample: Path) -> dict[str, dict[str, str]]:
    listing = sample / "CREDITS.csv"
    if not listing.is_file():
        return {}
    with listing.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def _kaggle_mounts() -> Iterator[Path]:
    """Yield where Kaggle mounts zaraks/pascal-voc-2007: since 2026, and before."""
    root = places.kaggle_inputs()
    yield root / "datasets" / "zaraks" / "pascal-voc-2007"
    yield root / "pascal-voc-2007"


def _jpeg_folder(root: Path) -> Path | None:
    """Find the JPEGImages of VOC 2007's trainval part in `root`, whatever the case."""
    if root.name.lower() == "jpegimages" and root.is_dir():
        return root
    steps = ["VOCtrainval_06-Nov-2007", "VOCdevkit", "VOC2007"]
    for start in range(len(steps) + 1):
        found = _descend(root, [*steps[start:], "JPEGImages"])
        if found is not None:
            return found
    return None


def _descend(folder: Path, names: list[str]) -> Path | None:
    """Follow `names` downwards, ignoring case: Kaggle has lower-cased some of them."""
    if not names:
        return folder
    if not folder.is_dir():
        return None
    matches = (e for e in folder.iterdir() if e.name.lower() == names[0].lower())
    entry = next(matches, None)
    return _descend(entry, names[1:]) if entry else None


def _photos_in(folder: Path) -> Photos:
    jpegs = _jpeg_folder(folder)
    if jpegs is not None:
        return _voc_photos(jpegs)
    if (folder / "train").is_dir() and (folder / "val").is_dir():
        parts = [tuple(list_photos(folder / part)) for part in ("train", "val")]
        return Photos(folder.resolve().name, folder, *parts)
    return _split(folder.resolve().name, folder, list_photos(folder))


def _voc_photos(jpegs: Path) -> Photos:
    files = list_photos(jpegs)
    trainval = _trainval_names(jpegs.parent / "ImageSets")
    if trainval:  # a folder that holds the test photos too must not lend them
        files = [file for file in files if file.stem in trainval]
    photos = _split("voc2007", jpegs, files)
    return replace(photos, enlarge=True, note=_voc_note(files))


def _trainval_names(image_sets: Path) -> set[str]:
    for listing in (image_sets / "Main" / "trainval.txt", image_sets / "trainval.txt"):
        if listing.is_file():
            return set(listing.read_text().split())
    return set()


def _voc_note(files: list[Path]) -> str:
    """Say how this copy differs from the published one: it shows in every number."""
    notes = [] if len(files) == 5011 else [f"{len(files)} of its 5011 photos"]
    try:
        with Image.open(files[0]) as photo:
            quality = _jpeg_quality(photo)
    except OSError:  # not a picture: said when it is read, with all the others
        quality = None
    # The published files are re-encoded once at most; a whole copy at one low quality
    # was re-encoded by whoever made it.
    if quality is not None and quality < 80:
        notes.append(f"JPEG quality {quality}")
    return ", ".join(notes)


def _jpeg_quality(photo: Image.Image) -> int | None:
    """Estimate the quality setting from the first entry of the luminance table.

    The reference encoder scales its table by ``200 - 2 quality`` per cent (quality 50 and
    above), and the table's mean is 57.625 at 100 %: the same rule read backwards.
    """
    tables = getattr(photo, "quantization", None)
    if not tables:
        return None
    scale = float(np.mean(tables[0])) / 57.625
    return round(100 - 50 * scale) if scale < 1 else round(50 / scale)


def _split(name: str, folder: Path, files: list[Path]) -> Photos:
    """Let the first fifth validate, at most 1000: of VOC 2007 what the article took."""
    val = min(1000, len(files) // 5)
    if val == 0:
        raise DataError(
            f"{folder} holds {len(files)} photos: after the split nothing would be left "
            "to validate on. Expected at least 5."
        )
    return Photos(name, folder, train=tuple(files[val:]), val=tuple(files[:val]))


# --- Reading one photo -----------------------------------------------------------------


def read_photo(path: str | os.PathLike[str], *, bgr: bool = False) -> np.ndarray:
    """Read a photo as RGB.

    Parameters
    ----------
    path
        A JPEG or PNG file. Greyscale becomes three equal channels, 16 bits become 8, and
        transparency is blended onto white, each with a warning that says so.
    bgr
        Return the channels in the order of ``cv2.imread``, which the article never turned
        round: red and blue are swapped.

    Returns
    -------
    numpy.ndarray
        Shape (height, width, 3), ``uint8``.

    Raises
    ------
    DataError
        If the file is missing, empty, cut short, not a JPEG or PNG, in CMYK, or claims
        more pixels than any photo has.
    """
    path = Path(path)
    try:
        content = _read_file(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}).") from error
    if not content:
        raise DataError(f"{path}: the file is empty (0 bytes). Fetch it again.")
    decode = _decode_jpeg if content.startswith(b"\xff\xd8") else _decode_png
    photo = decode(content, path)
    return np.ascontiguousarray(photo[..., ::-1]) if bgr else photo


def _read_file(path: Path) -> bytes:
    """Do what ``path.read_bytes()`` does, in about half as many calls of the system.

    After each of them a thread of `load_pairs` has to wait for its turn in Python.
    """
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size)
        whole = 0 < size == len(content)  # a pipe has no size
        return content if whole else content + file.readall()


# C0 to CF announce a frame (its size and colours), but for the tables DHT, JPG and DAC.
_JPEG_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_DATA, _JPEG_END = 0xDA, 0xD9
_JPEG_WHOLE = bytes([0xFF, _JPEG_END])
# Inside compressed data FF is followed by 00 or a restart mark, D0 to D7.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd7])")


def _decode_jpeg(content: bytes, path: Path) -> np.ndarray:
    segments = list(_jpeg_segments(content))
    frames = [body for marker, body in segments if marker in _JPEG_FRAMES]
    if not frames or len(frames[0]) < 6:
        raise DataError(_not_a_picture_message(path, content))
    height, width = (int.from_bytes(frames[0][at : at + 2]) for at in (1, 3))
    components = frames[0][5]
    if components == 4:
        raise DataError(_cmyk_message(path))
    if width * height > MAX_PIXELS:
        raise DataError(_too_large_message(path, width, height))
    # OpenCV fills the missing part of a cut file with grey and goes on.
    if segments[-1][0] != _JPEG_END:
        raise DataError(
            f"{path}: the JPEG is cut short after {len(content)} bytes. Fetch it again."
        )
    photo = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    if photo is None:
        raise DataError(_not_a_picture_message(path, content))
    if components == 1:
        _warn_converted(path, "greyscale, repeated to three channels")
    return photo


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each segment's marker and content, up to the end of the picture.

    What a segment holds (the EXIF data may hold a small JPEG) is passed over, and so is
    what follows the picture (a phone may append a film).
    """
    at = 2
    while found := _JPEG_MARKER.search(content, at):
        marker, start = found[1][0], found.end()
        at = start + int.from_bytes(content[start : start + 2])
        yield marker, content[start + 2 : at]
        if marker == _JPEG_END:
            return
        if marker == _JPEG_DATA and content.endswith(_JPEG_WHOLE):
            yield _JPEG_END, b""  # compressed data cannot end so: spare the search for it
            return


def _decode_png(content: bytes, path: Path) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            picture.load()
            upright = ImageOps.exif_transpose(picture)
    except Image.DecompressionBombError as error:
        width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
        raise DataError(_too_large_message(path, width, height)) from error
    except (OSError, SyntaxError, ValueError) as error:
        if "truncated" in str(error):
            raise DataError(
                f"{path}: cut short after {len(content)} bytes. Fetch it again."
            ) from error
        raise DataError(_not_a_picture_message(path, content)) from error
    if content[24] == 16:  # of every PNG this byte holds the bits a channel
        _warn_converted(path, "16 bits a channel, reduced to 8")
    return _to_rgb(upright, path)


def _to_rgb(picture: Image.Image, path: Path) -> np.ndarray:
    if picture.mode.startswith("I"):  # 16 bits of grey; of colour Pillow has made 8
        grey = np.round(np.asarray(picture, np.float64) / 257).astype(np.uint8)
        picture = Image.fromarray(grey)
    if "A" in picture.mode or "transparency" in picture.info:
        _warn_converted(path, "transparent, blended onto white")
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    elif picture.mode in ("1", "L"):
        _warn_converted(path, "greyscale, repeated to three channels")
    return np.asarray(picture.convert("RGB"))


def _warn_converted(path: Path, what: str) -> None:
    warnings.warn(f"{path}: {what}", stacklevel=2)


def _cmyk_message(path: Path) -> str:
    return (
        f"{path}: the picture is in CMYK (four inks), which has no one right conversion "
        "to RGB. Convert it with a colour profile in a photo editor, or remove it."
    )


def _too_large_message(path: Path, width: int, height: int) -> str:
    return (
        f"{path}: {width}x{height} pixels are too many for a photo: the file is damaged, "
        f"or made to fill the memory. Expected at most {MAX_PIXELS} in all. Fetch it "
        "again or remove it."
    )


def _not_a_picture_message(path: Path, content: bytes) -> str:
    return (
        f"{path}: not a picture that can be read ({len(content)} bytes that begin with "
        f"{content[:12]!r}). Expected a JPEG or PNG. Fetch it again, convert or remove it."
    )


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
        ``"antialiased"``: the mean over the area of each new pixel.
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
    if recipe not in RECIPES:
        raise DataError(f"Unknown recipe {recipe!r}. Known: {', '.join(RECIPES)}.")
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[-1] != 3:
        raise DataError(
            "Expected a photo of shape (height, width, 3) and type uint8, found "
            f"{photo.shape} and {photo.dtype}. read_photo gives the right one."
        )
    sides = [lr_size * scale for scale in (1, *SCALES)]
    pair = Pair(*(np.empty((side, side, 3), np.uint8) for side in sides))
    _shrink_into(pair, photo, recipe)
    return pair


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
    paths = getattr(photos, part)
    least = 0 if photos.enlarge else lr_size * SCALES[-1]
    if recipe not in RECIPES:  # before thousands of photos are read, not after
        raise DataError(f"Unknown recipe {recipe!r}. Known: {', '.join(RECIPES)}.")

    sides = [lr_size * scale for scale in (1, *SCALES)]
    stacks = [np.empty((len(paths), side, side, 3), np.uint8) for side in sides]

    def load(index: int) -> DataError | None:
        try:
            photo = read_photo(paths[index], bgr=bgr)
            _check_size(photo, paths[index], least)
        except DataError as error:
            return error
        _shrink_into([stack[index] for stack in stacks], photo, recipe)
        return None

    def load_some(start: int) -> list[DataError | None]:
        indices = range(start, min(start + PHOTOS_A_TASK, len(paths)))
        return [load(index) for index in indices]

    # OpenCV works outside the GIL, so threads are enough.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tasks = pool.map(load_some, range(0, len(paths), PHOTOS_A_TASK))
        _raise_all(itertools.chain.from_iterable(tasks), len(paths))
    return Pairs(*stacks, source=f"{photos.name}, {len(paths)} photos, {recipe} recipe")


def _shrink_into(pictures: Iterable[np.ndarray], photo: np.ndarray, recipe: str) -> None:
    """Fill each of `pictures`, square and ``uint8``, with the photo shrunk to its size.

    OpenCV writes into them: to make new ones and copy them takes a fifth more time.
    """
    for picture in pictures:
        cv2.resize(photo, picture.shape[:2], dst=picture, interpolation=RECIPES[recipe])


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
        indices = tf.numpy_function(_visit(order), [epoch], tf.int64, stateful=False)
        indices.set_shape([len(pairs)])
        return tf.data.Dataset.from_tensor_slices(indices).batch(batch_size)

    epochs = tf.data.Dataset.counter(first_epoch)
    return _serve(pairs, epochs.flat_map(one_epoch))


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
    memories = [_Memory() for _ in stacks]

    def pick(index: np.ndarray) -> list[np.ndarray]:
        return [
            _as_floats(stack, index, memory)
            for stack, memory in zip(stacks, memories, strict=True)
        ]

    def fetch(index: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        # A function, not a constant: a constant would copy all the photos into the graph.
        pictures = tf.numpy_function(
            _visit(pick), [index], [tf.float32] * 3, stateful=False
        )
        for picture, stack in zip(pictures, stacks, strict=True):
            picture.set_shape([None, *stack.shape[1:]])
        lr, x2, x4 = pictures
        return lr, {"x2": x2, "x4": x4}

    # Several batches at once would only take memory.
    return indices.map(fetch).prefetch(1)


def _as_floats(stack: np.ndarray, index: np.ndarray, memory: _Memory) -> np.ndarray:
    """Return ``stack[index] / 255`` as ``float32``.

    Picture by picture, so that each is read once and stays in the cache.
    """
    batch = memory.lend((len(index), *stack.shape[1:]))
    for picture, k in zip(batch, index, strict=True):
        np.divide(stack[k], 255, out=picture, dtype=np.float32)
    return batch


class _Memory:
    """Memory for batches, lent again when nothing looks at a batch any more.

    New memory comes page by page from the system, which fills it with zeros first. Every
    batch would pay for that.
    """

    def __init__(self) -> None:
        self.spare: deque[np.ndarray] = deque(maxlen=2)  # one is filled while one is used

    def lend(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return a ``float32`` array that nobody else has, with anything in it.

        It is aligned as TensorFlow wants it, which then takes it over without a copy.
        """
        count = math.prod(shape)
        block = self._block(4 * count + _ALIGNMENT)
        start = -block.ctypes.data % _ALIGNMENT
        # Of a memoryview, so that views of this array keep it alive: those of an array
        # that was made from the block itself would keep the block.
        lent = np.frombuffer(memoryview(block), np.float32, count, start)
        weakref.finalize(lent, self.spare.append, block).atexit = False
        return lent.reshape(shape)

    def _block(self, size: int) -> np.ndarray:
        try:
            block = self.spare.pop()
        except IndexError:
            return np.empty(size, np.uint8)
        # The last batch of an epoch may have been smaller.
        return block if block.nbytes >= size else np.empty(size, np.uint8)


class _Visitors:
    """TensorFlow's threads that are in Python now, and when the last one left.

    Batches are made ahead, in a thread of TensorFlow's. If it asked for the interpreter
    when a script has ended, it would never get it, and Python would wait for it for ever.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.last_left = -math.inf
        self.closed = False

    def wait_until_gone(self) -> None:
        """Let those finish who are inside, and turn the few away who follow them."""
        self.closed = True
        while self.inside or time.monotonic() - self.last_left < 0.2:
            time.sleep(0.02)


_visitors = _Visitors()
atexit.register(_visitors.wait_until_gone)


def _visit(function: Callable) -> Callable:
    """Return `function` for TensorFlow to call: one whose calls are counted."""

    def counted(*arguments: np.ndarray) -> object:
        with _visitors.lock:
            _visitors.inside += 1
        try:
            if _visitors.closed:
                raise StopIteration
            return function(*arguments)
        finally:
            with _visitors.lock:
                _visitors.inside -= 1
                _visitors.last_left = time.monotonic()

    return counted


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

"""One photo, read as RGB in the colours of sRGB, or refused with the reason.

Pillow decodes JPEG, OpenCV decodes PNG: it alone compares a transparent colour at the
depth of the file, and notices rows that are missing. Of JPEGs both give the same pixels.
"""

from __future__ import annotations

import io
import os
import re
import stat
import warnings
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

#: The most that a file, and the picture in it, may take in memory: 66 million pixels of
#: 3 bytes, half of that with 16 bits a channel. Files of some KB may claim far more.
MAX_BYTES = 200_000_000

_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by the type of colour in the header
_SRGB_CICP = bytes([1, 13, 0, 1])
# Gamma, then x and y of white, red, green and blue.
_SRGB = (0.45455, 0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)

# In compressed data FF is followed by 00; markers that end them: tables, a restart, a scan.
_MARKER = re.compile(rb"\xff[\xc4\xd0-\xd7\xda]")
_JPEG_END = b"\xff\xd9"
_NOISE = bytes(1 + 151 * k % 254 for k in range(7, 71))
# Colours all over the cube, by which a profile is known for sRGB.
_PROBE = Image.fromarray(np.indices((18, 18, 18), np.uint8).reshape(3, 18, -1).T * 15)
_SLACK = 8  # bytes that may be left over: some cameras fill up their data


class DataError(ValueError):
    """A photo, folder or setting that cannot be used. The message says what to do."""


def read_photo(path: str | os.PathLike[str], *, bgr: bool = False) -> np.ndarray:
    """Read a photo as RGB.

    A colour profile is converted to sRGB with the intent "perceptual", and the photo is
    turned upright as its EXIF data say.

    Parameters
    ----------
    path
        A JPEG or PNG file. Greyscale becomes three equal channels, 16 bits become 8, and
        transparency is blended onto white, each with a warning that says so; so has a
        profile that cannot be used.
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
        If the file is missing, no plain file, empty, cut short or damaged, not a JPEG or
        PNG, in CMYK, in other colours than sRGB's by a PNG's gAMA, cHRM or cICP chunk, or
        would need more than `MAX_BYTES`.
    """
    path = Path(path)
    content, picture = open_photo(path)
    decode = _decode_png if isinstance(picture, PngImageFile) else _decode_jpeg
    colours, alpha = decode(content, picture, path)
    if colours.mode == "L":
        _warn(path, "greyscale, repeated to three channels")
    colours = _to_srgb(colours, picture.info.get("icc_profile"), path)
    photo = np.array(colours.convert("RGB") if colours.mode == "L" else colours)
    if alpha is not None and alpha.min() < 1:
        _warn(path, "transparent, blended onto white")
        for row, opaque in zip(photo, alpha[..., None], strict=True):  # one by one: memory
            row[:] = np.rint(255 - opaque * (255 - row.astype(np.float32)))
    if exif := {k: v for k, v in picture.info.items() if "exif" in k}:
        with suppress(Exception):  # EXIF data that cannot be read turn nothing
            stored = Image.fromarray(photo)
            stored.info = exif
            photo = np.array(ImageOps.exif_transpose(stored))
    return np.ascontiguousarray(photo[..., ::-1]) if bgr else photo


def open_photo(path: Path) -> tuple[bytes, JpegImageFile | PngImageFile]:
    """Read a file and the header of its picture, whose pixels are still to be decoded.

    Raises
    ------
    DataError
        As `read_photo`, as far as the header tells.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # to open a pipe would wait for its writer
            raise DataError(f"{path}: not a file, but a folder, pipe or device. Remove it.")
        if found.st_size > MAX_BYTES:
            raise DataError(_too_large(path, f"{found.st_size} bytes"))
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}).") from error
    if not content:
        raise DataError(f"{path}: the file is empty (0 bytes). Fetch it again.")
    is_png = content.startswith(b"\x89PNG")
    try:
        picture = (PngImageFile if is_png else JpegImageFile)(io.BytesIO(content))
    except Exception as error:  # of damaged headers Pillow raises errors of many kinds
        raise DataError(_not_a_picture(path, content)) from error
    width, height = picture.size
    depth = (content[24] + 7) // 8 if is_png else 1  # bytes a channel
    channels = _PNG_CHANNELS.get(content[25], 4) if is_png else 3
    if width * height * depth * max(channels, 3) > MAX_BYTES:
        raise DataError(_too_large(path, f"{width}x{height} pixels"))
    if picture.mode == "CMYK":
        raise DataError(
            f"{path}: the picture is in CMYK (four inks), which has no one right "
            "conversion to RGB. Convert it in a photo editor, or remove it."
        )
    return content, picture


# --- JPEG ------------------------------------------------------------------------------


def _decode_jpeg(
    content: bytes, picture: JpegImageFile, path: Path
) -> tuple[Image.Image, None]:
    """Decode, and make sure that the data fit the picture.

    Where data are damaged the decoder goes on and writes a warning that no library hands
    on. But a whole picture needs its data to the last byte, and nothing behind them: so
    noise behind each part must not change it, and without the end it is unfinished.
    """
    start = picture.fp.tell()  # Pillow has read up to the compressed data
    end = content.find(_JPEG_END, start)
    if end < 0:
        raise DataError(
            f"{path}: the JPEG is cut short after {len(content)} bytes. Fetch it again."
        )
    head, body = content[:start], content[start:end]
    padded = _MARKER.sub(lambda marker: _NOISE + marker[0], body) + _NOISE
    try:
        colours, again = (_pixels(head + data + _JPEG_END) for data in (body, padded))
        is_whole = colours == again and not _is_finished_by(head + body[:-_SLACK])
    except Exception:  # whatever Pillow raises: a part cannot be decoded at all
        is_whole = False
    if not is_whole:
        raise DataError(
            f"{path}: the JPEG is damaged: its data end before the picture, or behind it "
            f"({len(content)} bytes). Fetch it again or remove it."
        )
    return colours, None


def _pixels(jpeg: bytes) -> Image.Image:
    picture = JpegImageFile(io.BytesIO(jpeg))
    picture.load()
    return picture


def _is_finished_by(part: bytes) -> bool:
    """Tell whether a part of a JPEG gives the picture's last row."""
    picture = JpegImageFile(io.BytesIO(part))
    picture.draft(picture.mode, (1, 1))  # an eighth of the size is enough, and faster
    width, height = picture.size
    noise = os.urandom(width * height * len(picture.mode))
    canvas = Image.frombytes(picture.mode, picture.size, noise)
    last_row = (0, height - 1, width, height)
    before = canvas.crop(last_row).tobytes()
    picture.im = canvas.im  # what is decoded is painted over the noise
    with suppress(OSError):
        picture.load()
    return canvas.crop(last_row).tobytes() != before


# --- PNG -------------------------------------------------------------------------------


def _decode_png(
    content: bytes, picture: PngImageFile, path: Path
) -> tuple[Image.Image, np.ndarray | None]:
    """Return the colours with 8 bits, and how opaque each pixel is, from 0 to 1."""
    try:
        picture.load()  # for the chunks behind the pixels, and what it refuses
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except Exception as error:
        if "truncated" in str(error):
            raise DataError(
                f"{path}: cut short after {len(content)} bytes. Fetch it again."
            ) from error
        raise DataError(_not_a_picture(path, content)) from error
    if pixels is None:
        raise DataError(
            f"{path}: the PNG is damaged: rows or checksums are missing or wrong "
            f"({len(content)} bytes). Fetch it again or remove it."
        )
    _refuse_other_colours(content, picture.info, path)
    alpha = None
    key = picture.info.get("transparency")
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        alpha = pixels[..., 3].astype(np.float32) / np.iinfo(pixels.dtype).max
    elif pixels.ndim == 2 and isinstance(key, int):  # OpenCV keeps it of colours only
        bits = content[24]
        alpha = np.float32(pixels != key * (255 // (2**bits - 1) if bits < 16 else 1))
    colours = pixels if pixels.ndim == 2 else pixels[..., 2::-1]
    if colours.dtype == np.uint16:
        _warn(path, "16 bits a channel, reduced to 8")
        colours = ((colours.astype(np.uint32) + 128) // 257).astype(np.uint8)  # rounded
    return Image.fromarray(np.ascontiguousarray(colours)), alpha


def _refuse_other_colours(content: bytes, info: dict, path: Path) -> None:
    """Refuse a PNG that says by numbers, not by a profile, that it is not sRGB."""
    at = content.find(b"\x00\x00\x00\x04cICP", 0, content.find(b"IDAT"))
    if at >= 0:
        is_other = content[at + 8 : at + 12] != _SRGB_CICP
    else:
        said = (info.get("gamma", _SRGB[0]), *info.get("chromaticity", _SRGB[1:]))
        is_said_otherwise = "icc_profile" in info or "srgb" in info
        is_other = not is_said_otherwise and not np.allclose(said, _SRGB, 0, 0.005)
    if is_other:
        raise DataError(
            f"{path}: by its {'cICP' if at >= 0 else 'gAMA or cHRM'} chunk its colours are "
            "not those of sRGB. Convert it to sRGB in a photo editor, or remove it."
        )


# --- Colours ---------------------------------------------------------------------------


def _to_srgb(colours: Image.Image, icc: bytes | None, path: Path) -> Image.Image:
    """Convert from a colour profile, unless that is sRGB itself, in whichever version."""
    if not icc:
        return colours
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if profile.profile.xcolor_space.strip() == "RGB":
            colours = colours.convert("RGB")  # for greyscale may have such a one, too
        transform = ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            colours.mode,
            "RGB",
            ImageCms.Intent.PERCEPTUAL,
        )
        probe = _PROBE.convert(colours.mode)
        change = np.array(ImageCms.applyTransform(probe, transform), np.int16)
        if np.abs(change - np.array(probe.convert("RGB"))).max() <= 2:
            return colours
        return ImageCms.applyTransform(colours, transform)
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        _warn(path, f"its colour profile cannot be used: its colours may be off ({error})")
        return colours


# --- Messages --------------------------------------------------------------------------


def _warn(path: Path, what: str) -> None:
    warnings.warn(f"{path}: {what}", stacklevel=2)


def _too_large(path: Path, what: str) -> str:
    return (
        f"{path}: {what} are too many for a photo: the file is damaged, or made to fill "
        f"the memory. Expected at most {MAX_BYTES} bytes, in the file and decoded. Make "
        "it smaller or remove it."
    )


def _not_a_picture(path: Path, content: bytes) -> str:
    return (
        f"{path}: not a picture that can be read ({len(content)} bytes that begin with "
        f"{content[:12]!r}). Expected a JPEG or PNG. Fetch it again, convert or remove it."
    )

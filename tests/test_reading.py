"""One photo: read exactly, converted with a warning, or refused with the reason."""

import io
import os
import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from srlib import data
from srlib.data import DataError
from srlib.sources import reading


def encoded(picture, kind="JPEG", **options):
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def oriented(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def with_thumbnail(jpeg, thumbnail):
    """Put a small JPEG into the EXIF segment, as cameras do."""
    body = b"Exif\0\0MM\0*\0\0\0\x08\0\0" + thumbnail
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def png_of_chunks(*chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def png_header(width, height, bits=8, colour=2, interlaced=0):
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)


GREY, RGB, GREY_ALPHA, RGB_ALPHA = 0, 2, 4, 6


def png(samples, bits=8, colour=RGB, *chunks, rows=None):
    """Write a PNG of any depth: samples have the shape (height, width, channels)."""
    height, width = samples.shape[:2]
    numbers = samples.reshape(height, -1)
    if bits < 8:
        digits = np.unpackbits(numbers[..., None].astype(np.uint8), axis=-1)[
            ..., 8 - bits :
        ]
        lines = np.packbits(digits.reshape(height, -1), axis=-1)
    else:
        lines = numbers.astype(">u2" if bits == 16 else "u1")
    pixels = b"".join(b"\0" + line.tobytes() for line in lines[:rows])
    return png_of_chunks(
        png_header(width, height, bits, colour),
        *chunks,
        (b"IDAT", zlib.compress(pixels)),
        (b"IEND", b""),
    )


def jpeg_of_size(jpeg, width, height):
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


@pytest.fixture(scope="module")
def small_photo(make_photo):
    return make_photo(1, 48, 64)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Return a function that reads bytes as the file photo.jpg, and allows no warning."""
    path = tmp_path_factory.mktemp("read") / "photo.jpg"

    def read_bytes(content, **options):
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return data.read_photo(path, **options)

    read_bytes.path = path
    return read_bytes


def converted(read, content, *words):
    """Read a photo that warns, and check the warnings: one for each of `words`."""
    read.path.write_bytes(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        photo = data.read_photo(read.path)
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == len(words), messages
    for message, word in zip(messages, words, strict=True):
        assert str(read.path) in message
        assert word in message
    return photo


def refusal(read, content):
    """Return the message of the error that reading `content` raises. It names the file."""
    with pytest.raises(DataError) as error:
        read(content)
    assert str(read.path) in str(error.value)
    return str(error.value)


# --- Read exactly -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_channels_are_rgb_and_with_bgr_in_the_order_of_opencv(read, small_photo, kind):
    content = encoded(small_photo, kind)
    photo, turned = read(content), read(content, bgr=True)
    assert photo.dtype == turned.dtype == np.uint8
    assert np.abs(photo.astype(int) - small_photo).mean() < (10 if kind == "JPEG" else 1e-9)
    assert np.array_equal(turned, cv2.imread(str(read.path)))
    assert np.array_equal(turned[..., ::-1], photo)
    assert turned.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("progressive", [True, False])
@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [30, 90, 100])
def test_a_jpeg_has_the_pixels_that_opencv_gives(
    read, make_photo, progressive, sampling, quality
):
    options = {"progressive": progressive, "subsampling": sampling, "quality": quality}
    content = encoded(make_photo(2, 37, 61), **options)
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(read(content), expected)


def test_a_palette_png_is_read_exactly(read, small_photo):
    few_colours = Image.fromarray(small_photo).quantize(16)
    expected = np.asarray(few_colours.convert("RGB"))
    assert np.array_equal(read(encoded(few_colours, "PNG")), expected)


UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p.swapaxes(0, 1), 2),
    8: lambda p: np.rot90(p),
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_photo_is_turned_upright_as_its_exif_data_say(
    read, small_photo, kind, orientation
):
    as_stored = read(encoded(small_photo, kind))
    turned = read(encoded(small_photo, kind, exif=oriented(orientation)))
    assert np.array_equal(turned, UPRIGHT[orientation](as_stored))


# --- Converted, with a warning ----------------------------------------------------------


def test_a_grey_jpeg_becomes_three_equal_channels(read, small_photo):
    grey = small_photo[..., 0]
    photo = converted(read, encoded(grey, quality=100), "greyscale")
    assert (photo == photo[..., :1]).all()
    assert np.abs(photo[..., 0].astype(int) - grey).max() <= 2


def all_samples(bits, channels, seed=0):
    """Samples of a depth: every value that it has (of 16 bits, the ones at the edges)."""
    some = np.random.default_rng(seed).integers(0, 2**bits, 600)
    edges = [0, 1, 2, 127, 128, 129, 256, 257, 385, 386, 32768, 65406, 65407, 65535]
    values = np.concatenate([np.arange(min(2**bits, 256)), edges, some]) % 2**bits
    return np.random.default_rng(seed).choice(values, (20, 30, channels)).astype(np.int64)


def on_white(samples, bits, alpha):
    """Blend by hand: alpha of the colour, the rest white; exact, in levels of 8 bits."""
    top = 2**bits - 1
    return 255 * (samples / top * alpha + 1 - alpha) * np.ones(3)


@pytest.mark.parametrize(
    ("bits", "colour"),
    [*((b, GREY) for b in (1, 2, 4, 8, 16)), (8, RGB), (16, RGB)],
)
@pytest.mark.parametrize("transparent", [False, True])
def test_a_png_of_any_depth_has_its_levels_and_its_transparent_colour(
    read, bits, colour, transparent
):
    samples = all_samples(bits, 3 if colour == RGB else 1)
    key = (
        samples[3, 4] if bits < 16 else samples[3, 4] // 256 * 256
    )  # only its low byte is 0
    samples[3, 4], samples[0, 0] = key, key + (1 if bits == 16 else 0)
    is_key = (samples == key).all(-1, keepdims=True) & transparent
    chunk = [(b"tRNS", key.astype(">u2").tobytes())] if transparent else []
    words = ["16 bits"] * (bits == 16) + ["greyscale"] * (colour == GREY)
    words += ["transparent, blended onto white"] * transparent
    photo = converted(read, png(samples, bits, colour, *chunk), *words)
    exact = on_white(samples, bits, 1 - is_key)
    assert np.abs(photo - exact).max() <= 0.5 + 1e-9
    assert (photo[is_key[..., 0]] == 255).all()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colour", [GREY_ALPHA, RGB_ALPHA])
def test_opacity_of_any_depth_is_blended_onto_white(read, bits, colour):
    samples = all_samples(bits, 4 if colour == RGB_ALPHA else 2)
    colours, alpha = samples[..., :-1], samples[..., -1:] / (2**bits - 1)
    words = ["16 bits"] * (bits == 16) + ["transparent"]
    photo = converted(read, png(samples, bits, colour), *words)
    bound = 0.5 if bits == 8 else 1  # of 16 bits, the colour is rounded before
    assert np.abs(photo - on_white(colours, bits, alpha)).max() <= bound + 1e-3
    assert (photo[alpha[..., 0] == 0] == 255).all()


def test_a_picture_that_could_be_transparent_and_is_not_gives_no_warning(read, small_photo):
    opaque = np.dstack([small_photo, np.full((48, 64), 255, np.uint8)])
    assert np.array_equal(read(encoded(opaque, "PNG")), small_photo)


def test_transparency_in_a_palette_is_blended_onto_white(read):
    picture = Image.new("P", (3, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    picture.putdata([0, 1, 2])
    content = encoded(picture, "PNG", transparency=bytes([0, 51, 255]))
    photo = converted(read, content, "transparent")
    assert photo.tolist() == [[[255, 255, 255], [212, 214, 216], [70, 80, 90]]]


# --- Colours ----------------------------------------------------------------------------

# Columns: the XYZ (for D50, as profiles have it) of red, green and blue.
TO_XYZ = {
    "sRGB": [[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]],
    "Display P3": [
        [0.5151, 0.2920, 0.1571],
        [0.2412, 0.6922, 0.0666],
        [-0.0011, 0.0419, 0.7841],
    ],
}


def icc(colours="Display P3", gamma=2.2, space=b"RGB "):
    """Write a profile of three primaries (or of grey) and a gamma, or sRGB's curve."""

    def fixed(*numbers):
        return b"".join(struct.pack(">i", round(65536 * x)) for x in numbers)

    if gamma == "sRGB":
        curve = np.rint(65535 * linear(np.linspace(0, 255, 1024), "sRGB")).astype(">u2")
        curve = struct.pack(">4sII", b"curv", 0, 1024) + curve.tobytes()
    else:
        curve = struct.pack(">4sIIH", b"curv", 0, 1, round(256 * gamma)) + b"\0\0"
    columns = np.transpose(TO_XYZ[colours])
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        for name, column in zip((b"r", b"g", b"b"), columns, strict=True):
            tags[name + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*column)
            tags[name + b"TRC"] = curve
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content
    head = struct.pack(
        ">I4sI4s4s4s12s4s4s", start + len(body), b"", 0x02100000, b"mntr", space,
        b"XYZ ", b"", b"acsp", b"",
    ).ljust(68, b"\0") + fixed(0.9642, 1, 0.8249)  # fmt: skip
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def linear(levels, gamma):
    x = levels / 255
    if gamma == "sRGB":
        return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    return x**gamma


def in_srgb(levels, gamma, colours):
    """Convert by hand: light, then XYZ, then the light of sRGB, then its levels."""
    light = linear(levels.astype(float), gamma)
    if levels.shape[-1] == 3:
        light = light @ np.transpose(TO_XYZ[colours]) @ np.linalg.inv(TO_XYZ["sRGB"]).T
    light = np.clip(light, 0, 1)
    return 255 * np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(("colours", "gamma"), [("Display P3", "sRGB"), ("sRGB", 1.8)])
def test_a_profile_is_converted_to_srgb(read, small_photo, kind, colours, gamma):
    stored = read(encoded(small_photo, kind))
    photo = read(encoded(small_photo, kind, icc_profile=icc(colours, gamma)))
    assert np.abs(photo - in_srgb(stored, gamma, colours)).max() <= 1
    assert np.abs(photo - stored.astype(int)).max() > 5


def test_a_profile_of_grey_is_converted_too(read, small_photo):
    grey = small_photo[..., :1]
    content = encoded(grey[..., 0], "PNG", icc_profile=icc(gamma=1.8, space=b"GRAY"))
    photo = converted(read, content, "greyscale")
    assert np.abs(photo - in_srgb(grey, 1.8, "sRGB")).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("profile", ["of a camera", "of the library"])
def test_a_photo_in_srgb_stays_as_it_is_whichever_version_its_profile_has(
    read, small_photo, kind, profile
):
    library = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = icc("sRGB", "sRGB") if profile == "of a camera" else library
    stored = read(encoded(small_photo, kind))
    assert np.array_equal(read(encoded(small_photo, kind, icc_profile=profile)), stored)


@pytest.mark.parametrize("profile", [b"rubbish", icc(space=b"GRAY"), icc()[:300]])
def test_a_profile_that_cannot_be_used_is_said(read, small_photo, profile):
    content = encoded(small_photo, "PNG", icc_profile=profile)
    assert np.array_equal(
        converted(read, content, "colour profile cannot be used"), small_photo
    )


GAMMA = b"gAMA", struct.pack(">I", 45455)
PRIMARIES = 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000


@pytest.mark.parametrize(
    ("chunks", "refused"),
    [
        ([GAMMA], ""),
        ([GAMMA, (b"cHRM", struct.pack(">8I", *PRIMARIES))], ""),
        ([(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 50000))], ""),  # the first counts
        ([(b"cICP", bytes([1, 13, 0, 1]))], ""),
        ([(b"gAMA", struct.pack(">I", 100000))], "gAMA or cHRM"),
        ([(b"cHRM", struct.pack(">8I", *PRIMARIES[:2], 68000, *PRIMARIES[3:]))], "cHRM"),
        ([(b"cICP", bytes([12, 13, 0, 1]))], "cICP"),
        ([(b"cICP", bytes([9, 16, 0, 1])), (b"sRGB", b"\0")], "cICP"),
    ],
)
def test_colours_that_a_png_gives_by_numbers_are_those_of_srgb_or_refused(
    read, small_photo, chunks, refused
):
    content = png(small_photo, 8, RGB, *chunks)
    if refused:
        message = refusal(read, content)
        assert refused in message
        assert "Convert it to sRGB" in message
    else:
        assert np.array_equal(read(content), small_photo)


# --- Refused ----------------------------------------------------------------------------


def test_what_is_no_file_is_refused_and_waits_for_nobody(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in ("folder", "device", "pipe"):
        with pytest.raises(
            DataError, match=rf"{name}\.jpg: not a file, but a folder, pipe"
        ):
            data.read_photo(tmp_path / f"{name}.jpg")
    with pytest.raises(DataError, match=r"gone\.jpg: cannot be opened \(No such file"):
        data.read_photo(tmp_path / "gone.jpg")


def test_an_empty_file_is_refused(read):
    assert "empty (0 bytes). Fetch it again" in refusal(read, b"")


PART = zlib.compress(bytes(52))[:6]  # of the pixels of a PNG of 4x4


@pytest.mark.parametrize(
    "content",
    [
        b"This is a text, whatever its name says.\n",
        np.random.default_rng(0).bytes(3000),
        b"\xff\xd8" + np.random.default_rng(1).bytes(3000),
        b"\x89PNG\r\n\x1a\n" + np.random.default_rng(2).bytes(3000),
        png_of_chunks((b"IHDR", b"short")),
        png_of_chunks(png_header(4, 4), (b"IDAT", PART), (b"\0\1\2\3", b"")),
        b"\xff\xd8",
        b"\xff",
        *(encoded(Image.new("RGB", (9, 9)), kind) for kind in ("TIFF", "BMP", "WEBP")),
    ],
    ids=[
        *("text", "noise", "noise as JPEG", "noise as PNG", "PNG without a size"),
        *("PNG with a broken part", "two bytes", "one byte", "TIFF", "BMP", "WEBP"),
    ],
)
def test_what_is_no_picture_is_refused_and_its_beginning_shown(read, content):
    message = refusal(read, content)
    assert f"not a picture that can be read ({len(content)} bytes" in message
    assert repr(content[:12]) in message
    assert "Expected a JPEG or PNG" in message


@pytest.mark.parametrize("fill", [b"", b"\xff", b"\xff\xff\xff"])
def test_a_cmyk_jpeg_is_refused(read, small_photo, fill):
    content = encoded(Image.fromarray(small_photo).convert("CMYK"))
    content = content[:2] + fill + content[2:]  # a marker may begin with several FF
    assert "CMYK (four inks)" in refusal(read, content)


def test_limits_are_of_what_would_be_decoded_and_hold_before_it_is(
    read, small_photo, monkeypatch
):
    """Width, height, depth and channels count, in either format, interlaced or not."""
    decoded = []
    monkeypatch.setattr(reading, "_decode_png", lambda *_: decoded.append(1))
    monkeypatch.setattr(reading, "_decode_jpeg", lambda *_: decoded.append(1))
    jpeg = encoded(small_photo)
    for width, height, bits, colour in [
        (2**31 - 1, 2**31 - 1, 8, GREY),
        (60000, 1200, 8, RGB),
        (60000, 600, 16, GREY),  # three channels in the end
        (60000, 900, 8, RGB_ALPHA),
        (60000, 450, 16, RGB_ALPHA),
    ]:
        for interlaced in (0, 1):
            header = png_header(width, height, bits, colour, interlaced)
            content = png_of_chunks(header, (b"IDAT", b""), (b"IEND", b""))
            message = refusal(read, content)
            assert f"{width}x{height} pixels are too many" in message
            assert f"at most {reading.MAX_BYTES} bytes" in message
    assert "65500x65500 pixels are" in refusal(read, jpeg_of_size(jpeg, 65500, 65500))
    with read.path.open("wb") as file:
        file.truncate(reading.MAX_BYTES + 1)  # takes no room on the disk
    with pytest.raises(DataError, match="200000001 bytes are too many"):
        data.read_photo(read.path)
    assert not decoded


def test_a_size_of_nothing_is_refused(read, small_photo):
    refusal(read, jpeg_of_size(encoded(small_photo), 0, 48))
    refusal(read, jpeg_of_size(encoded(small_photo), 64, 0))
    refusal(read, png_of_chunks(png_header(0, 48), (b"IDAT", b""), (b"IEND", b"")))


# --- Cut short, damaged -----------------------------------------------------------------


@pytest.fixture(scope="module")
def whole_jpegs(make_photo):
    """Small JPEGs of every kind, by name."""
    photo = make_photo(1, 72, 80)
    plain, thumbnail = encoded(photo), encoded(photo[::2, ::2])
    return {
        "plain": plain,
        "progressive": encoded(photo, progressive=True),
        "optimised": encoded(photo, optimize=True, subsampling=0, quality=95),
        "greyscale": encoded(photo[..., 0]),
        "restart marks": encoded(photo, restart_marker_blocks=1),
        "thumbnail": with_thumbnail(plain, thumbnail),
        "broken thumbnail": with_thumbnail(plain, thumbnail[: len(thumbnail) // 2]),
        "white": encoded(np.full((72, 80, 3), 255, np.uint8), optimize=True),
    }


KINDS = [
    *("plain", "progressive", "optimised", "greyscale", "restart marks", "thumbnail"),
    *("broken thumbnail", "white"),
]


@pytest.mark.filterwarnings("ignore:.*greyscale")
@given(data=st.data())
def test_a_jpeg_that_is_cut_anywhere_is_refused(read, whole_jpegs, data):
    whole = whole_jpegs[data.draw(st.sampled_from(KINDS))]
    length = data.draw(st.integers(1, len(whole) - 1))
    message = refusal(read, whole[:length])
    assert f"{length} bytes" in message
    assert "Fetch it again" in message


@pytest.mark.parametrize("kind", set(KINDS) - {"greyscale"})
@pytest.mark.parametrize(
    "film",
    [b"", b"\0\0\0\x18ftypmp42\xff\xda\0\x08film", b"\xff\xd8\xff\xda\0\x02", bytes(50)],
)
def test_a_whole_jpeg_is_read_whatever_a_phone_appends_to_it(read, whole_jpegs, kind, film):
    """The thumbnail's end mark must not be taken for the photo's, nor a film's."""
    whole = whole_jpegs[kind]
    assert np.array_equal(read(whole + film), read(whole))
    for lost in (1, 2, 3):
        assert "cut short" in refusal(read, whole[:-lost])


@pytest.mark.filterwarnings("ignore:.*greyscale")
@pytest.mark.parametrize("kind", ["plain", "progressive", "optimised", "greyscale"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_jpeg_of_which_a_part_is_missing_is_refused_in_spite_of_its_end_mark(
    read, whole_jpegs, kind, share
):
    whole = whole_jpegs[kind]
    start = whole.index(b"\xff\xda")
    part = whole[: start + 20 + int(share * (len(whole) - start - 22))]
    assert "the JPEG is damaged" in refusal(read, part + b"\xff\xd9")


@pytest.mark.parametrize("kind", ["plain", "optimised"])
@pytest.mark.parametrize("zeros", [0.2, 0.5])
@pytest.mark.parametrize("at", [0.1, 0.3, 0.45])
def test_a_jpeg_with_zeros_inside_is_refused(read, whole_jpegs, kind, zeros, at):
    """As a disk or a download leaves them: the data no longer fit the picture."""
    whole = bytearray(whole_jpegs[kind])
    start = whole.index(b"\xff\xda") + 14
    size = len(whole) - start - 2
    first, length = start + int(at * size), int(zeros * size)
    whole[first : first + length] = bytes(length)
    assert "the JPEG is damaged" in refusal(read, bytes(whole))


@pytest.mark.parametrize("rows", [0, 1, 24, 47])
def test_a_png_with_too_few_rows_is_refused(read, small_photo, rows):
    message = refusal(read, png(small_photo, rows=rows))
    assert ("the PNG is damaged" if rows else "cut short") in message


def outcome(read, content):
    """Return the photo, or else the message of the error, which names the file."""
    read.path.write_bytes(content)
    try:
        return data.read_photo(read.path), None
    except DataError as error:
        return None, str(error)


@given(data=st.data())
def test_a_png_that_is_cut_is_refused_unless_every_pixel_was_there(read, small_photo, data):
    whole = encoded(small_photo, "PNG")
    length = data.draw(st.integers(1, len(whole) - 1))
    photo, message = outcome(read, whole[:length])
    if message is None:
        assert length > len(whole) - 32  # what is missing are the checksums at the end
        assert np.array_equal(photo, small_photo)
    else:
        assert str(read.path) in message
        assert f"{length} bytes" in message
        assert "Fetch it again" in message


@pytest.mark.filterwarnings("ignore")
@given(
    kind=st.sampled_from(["JPEG", "PNG"]),
    changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=9),
)
def test_whatever_bytes_are_damaged_there_is_a_photo_or_an_error_that_says_so(
    read, small_photo, kind, changes
):
    content = bytearray(encoded(small_photo, kind, exif=oriented(6)))
    for at, value in changes:
        # Half of the damage goes to the first bytes, where the structure is.
        content[at % (len(content) if at % 2 else 200)] = value
    photo, message = outcome(read, bytes(content))
    if message is None:
        assert photo.dtype == np.uint8
        assert photo.shape[2] == 3
    else:
        assert str(read.path) in message

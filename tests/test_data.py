"""Photos: where they are found, how bad ones are refused, and the pairs made from them."""

import io
import os
import shutil
import struct
import subprocess
import sys
import warnings
import zlib
from itertools import chain, islice

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from srlib import data
from srlib.data import DataError
from srlib.sources import places

# --- Where photos are found -------------------------------------------------------------


@pytest.fixture
def bare_machine(tmp_path, monkeypatch):
    """A machine with no photos: no variable, no Kaggle mount, an empty project folder."""
    monkeypatch.delenv("SRLIB_DATA", raising=False)
    monkeypatch.setenv("KAGGLE_CACHE_MOUNT_FOLDER", str(tmp_path / "kaggle"))
    for place in ("course_data", "own_data"):
        monkeypatch.setattr(places, place, lambda: tmp_path / "data")
    return tmp_path


def count(photos):
    return len(photos.train) + len(photos.val)


def test_photos_are_looked_for_in_the_order_that_the_docstring_states(
    bare_machine, make_folder, monkeypatch
):
    jpegs = "VOCtrainval_06-Nov-2007/VOCdevkit/VOC2007/JPEGImages"
    new_mount = bare_machine / "kaggle/datasets/zaraks/pascal-voc-2007"
    old_mount = bare_machine / "kaggle/pascal-voc-2007"
    named = make_folder(bare_machine / "named", 5)
    in_variable = make_folder(bare_machine / "in_variable", 6)
    make_folder(new_mount / jpegs, 7)
    make_folder(old_mount / jpegs, 8)
    make_folder(bare_machine / "data/voc2007/JPEGImages", 9)
    make_folder(bare_machine / "data/sample/train", 10)
    make_folder(bare_machine / "data/sample/val", 1)
    monkeypatch.setenv("SRLIB_DATA", str(in_variable))

    assert count(data.find_photos(named)) == 5
    assert count(data.find_photos()) == 6
    monkeypatch.setenv("SRLIB_DATA", "")  # an empty variable is no name
    assert count(data.find_photos()) == 7
    monkeypatch.delenv("SRLIB_DATA")
    assert count(data.find_photos()) == 7
    shutil.rmtree(new_mount)
    assert count(data.find_photos()) == 8
    shutil.rmtree(old_mount)
    assert count(data.find_photos()) == 9
    shutil.rmtree(bare_machine / "data/voc2007")
    sample = data.find_photos()
    assert (sample.name, len(sample.train), len(sample.val)) == ("sample", 10, 1)
    assert not sample.enlarge


@pytest.mark.parametrize(
    "layout",
    [
        "JPEGImages",
        "VOC2007/JPEGImages",
        "VOCdevkit/VOC2007/JPEGImages",
        "VOCtrainval_06-Nov-2007/VOCdevkit/VOC2007/JPEGImages",
        "voctrainval_06-nov-2007/VOCdevkit/VOC2007/JPEGImages",
        "voctrainval_06-nov-2007/vocdevkit/voc2007/jpegimages",
    ],
)
def test_voc_is_recognised_from_every_folder_above_its_photos(
    tmp_path, make_folder, layout
):
    jpegs = make_folder(tmp_path / layout)
    for folder in [jpegs, *jpegs.parents]:
        photos = data.find_photos(folder)
        assert (photos.name, photos.folder, photos.enlarge) == ("voc2007", jpegs, True)
        if folder == tmp_path:
            break


def test_the_test_photos_beside_trainval_are_not_taken(tmp_path, make_folder):
    jpegs = make_folder(tmp_path / "VOC2007/JPEGImages", 12)
    listing = tmp_path / "VOC2007/ImageSets/Main/trainval.txt"
    listing.parent.mkdir(parents=True)
    listing.write_text("001\n003\n005\n007\n009\n011\n")
    photos = data.find_photos(tmp_path)
    assert photos.val == (jpegs / "001.jpg",)
    assert photos.train == tuple(jpegs / f"{k:03}.jpg" for k in (3, 5, 7, 9, 11))


def test_a_download_is_asked_for_and_only_if_voc_is_nowhere(
    bare_machine, make_folder, monkeypatch
):
    make_folder(bare_machine / "data/sample/train")
    make_folder(bare_machine / "data/sample/val")
    asked = []

    def download(folder):
        asked.append(folder)
        make_folder(folder / "VOCdevkit/VOC2007/JPEGImages", 7)
        return folder

    monkeypatch.setattr(data.download, "download_voc2007", download)
    assert data.find_photos().name == "sample"
    assert asked == []
    photos = data.find_photos(fetch=True)
    assert (photos.name, count(photos)) == ("voc2007", 7)
    assert data.find_photos(fetch=True) == photos
    assert asked == [bare_machine / "data/voc2007"]


def test_the_test_archive_beside_trainval_is_not_taken(tmp_path, make_folder):
    for part, photos in {"VOCtest_06-Nov-2007": 9, "VOCtrainval_06-Nov-2007": 6}.items():
        make_folder(tmp_path / part / "VOCdevkit/VOC2007/JPEGImages", photos)
    assert count(data.find_photos(tmp_path)) == 6


def test_a_plain_folder_is_named_after_itself_and_its_photos_are_not_enlarged(
    tmp_path, make_folder
):
    photos = data.find_photos(make_folder(tmp_path / "holiday"))
    assert (photos.name, photos.enlarge, photos.note) == ("holiday", False, "")
    assert str(photos) == "holiday: 4 train, 1 val"


@pytest.mark.parametrize("how", ["argument", "variable"])
@pytest.mark.parametrize("content", ["missing", "empty", "without photos", "a file"])
def test_a_named_folder_without_photos_is_an_error_even_if_photos_are_elsewhere(
    bare_machine, make_folder, monkeypatch, how, content
):
    make_folder(bare_machine / "data/voc2007/JPEGImages")
    make_folder(bare_machine / "data/sample/train")
    make_folder(bare_machine / "data/sample/val")
    named = bare_machine / "named"
    if content == "a file":
        named.write_text("not a folder")
    elif content != "missing":
        named.mkdir()
    if content == "without photos":
        (named / "notes.txt").write_text("nothing here")
    if how == "variable":
        monkeypatch.setenv("SRLIB_DATA", str(named))
    found = {"missing": "not a folder", "a file": "not a folder", "empty": "holds nothing"}
    with pytest.raises(DataError) as error:
        data.find_photos(named if how == "argument" else None)
    message = str(error.value)
    assert str(named) in message
    assert found.get(content, "holds 1 entries, none of them a photo") in message
    assert "folder that holds photos" in message or ".jpeg, .jpg, .png" in message


def test_photos_are_listed_by_name_whatever_the_case_of_their_ending(tmp_path):
    for name in ("b.JPG", "c.txt", "a.jpeg", "d.Png", "e.tiff"):
        (tmp_path / name).touch()
    assert [file.name for file in data.list_photos(tmp_path)] == [
        "a.jpeg",
        "b.JPG",
        "d.Png",
    ]


@pytest.mark.parametrize(("files", "val"), [(5, 1), (9, 1), (10, 2), (4999, 999)])
def test_the_first_fifth_validates(tmp_path, files, val):
    for k in range(files):
        (tmp_path / f"{k:06}.jpg").touch()
    photos = data.find_photos(tmp_path)
    assert [int(file.stem) for file in photos.val + photos.train] == list(range(files))
    assert len(photos.val) == val


def test_at_most_1000_photos_validate_as_in_the_article(tmp_path):
    for k in range(5011):
        (tmp_path / f"{k:06}.jpg").touch()
    photos = data.find_photos(tmp_path)
    assert (len(photos.val), len(photos.train)) == (1000, 4011)


def test_a_split_that_leaves_nothing_is_refused(tmp_path, make_folder):
    make_folder(tmp_path, 4)
    with pytest.raises(DataError, match=r"holds 4 photos.*nothing.*at least 5"):
        data.find_photos(tmp_path)


def test_take_keeps_the_first_photos_of_each_part(tmp_path, make_folder):
    photos = data.find_photos(make_folder(tmp_path, 10))
    few = photos.take(3, 1)
    assert (few.train, few.val) == (photos.train[:3], photos.val[:1])
    assert photos.take() == photos
    assert photos.take(val=1).train == photos.train


@pytest.mark.parametrize("wanted", [{"train": 9}, {"train": 0}, {"val": 3}, {"val": -1}])
def test_take_refuses_more_photos_than_there_are_and_fewer_than_one(
    tmp_path, make_folder, wanted
):
    photos = data.find_photos(make_folder(tmp_path, 10))
    ((part, number),) = wanted.items()
    have = len(getattr(photos, part))
    with pytest.raises(DataError, match=f"{number} {part} .* are {have}. Ask for 1 to"):
        photos.take(**wanted)


@pytest.mark.parametrize(
    ("quality", "note"),
    [
        (75, "5 of its 5011 photos, JPEG quality 75"),
        (60, "5 of its 5011 photos, JPEG quality 60"),
        (30, "5 of its 5011 photos, JPEG quality 30"),
        (95, "5 of its 5011 photos"),
    ],
)
def test_a_copy_of_voc_says_what_is_missing_and_whether_it_was_compressed_again(
    tmp_path, make_folder, quality, note
):
    make_folder(tmp_path / "JPEGImages", quality=quality)
    photos = data.find_photos(tmp_path)
    assert photos.note == note
    assert str(photos) == f"voc2007 ({note}): 4 train, 1 val"


def test_a_broken_first_photo_is_left_for_the_error_that_names_all_broken_ones(
    tmp_path, make_folder
):
    jpegs = make_folder(tmp_path / "JPEGImages")
    (jpegs / "000.jpg").write_bytes(b"")
    photos = data.find_photos(tmp_path)
    with pytest.raises(DataError, match=r"000\.jpg: the file is empty"):
        data.load_pairs(photos, "val")


def test_credits_name_each_photo_of_the_sample_once_and_a_licence_to_share_alike(tmp_path):
    listing = "file,title,author,licence\n"
    listing += "train/a.jpg,Sea,Ann,CC0 1.0\nval/b.jpg,Sky,Bo,CC BY-SA 4.0\n"
    (tmp_path / "CREDITS.csv").write_text(listing)
    sea, sky = tmp_path / "train/a.jpg", tmp_path / "val/b.jpg"
    assert data.credits([sea, sea]) == "Photos: Sea (Ann, CC0 1.0)."
    assert data.credits([sea, sky]) == (
        "Photos: Sea (Ann, CC0 1.0); Sky (Bo, CC BY-SA 4.0). This figure: CC BY-SA 4.0."
    )
    elsewhere = tmp_path / "JPEGImages/000001.jpg"
    assert data.credits([elsewhere]) == f"Photos: a photo of {elsewhere.parent}."
    assert data.credits([]) == ""


# --- Reading one photo ------------------------------------------------------------------


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


def png_header(width, height):
    return struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)


def png_of_size(width, height):
    """A PNG that claims a size and holds a few pixels."""
    pixels = zlib.compress(bytes(100))
    return png_of_chunks(
        (b"IHDR", png_header(width, height)), (b"IDAT", pixels), (b"IEND", b"")
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
    assert len(messages) == len(words)
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


def test_a_png_is_read_exactly(read, small_photo):
    assert np.array_equal(read(encoded(small_photo, "PNG")), small_photo)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_channels_are_rgb_and_with_bgr_in_the_order_of_opencv(read, small_photo, kind):
    content = encoded(small_photo, kind)
    photo, turned = read(content), read(content, bgr=True)
    assert photo.dtype == turned.dtype == np.uint8
    assert np.abs(photo.astype(int) - small_photo).mean() < 10  # not with red for blue
    assert np.array_equal(turned, cv2.imread(str(read.path)))
    assert np.array_equal(turned[..., ::-1], photo)
    assert turned.flags["C_CONTIGUOUS"]


def test_a_palette_png_is_read_exactly(read, small_photo):
    few_colours = Image.fromarray(small_photo).quantize(16)
    expected = np.asarray(few_colours.convert("RGB"))
    assert np.array_equal(read(encoded(few_colours, "PNG")), expected)


def test_a_photo_that_comes_through_a_pipe_is_read_whole(small_photo):
    """It has no size that could be asked for before."""
    ours, theirs = os.pipe()
    with os.fdopen(ours), os.fdopen(theirs, "wb") as pipe:
        pipe.write(encoded(small_photo))
        pipe.close()
        through = data.read_photo(f"/dev/fd/{ours}")
    assert through.shape == small_photo.shape


def test_a_progressive_jpeg_is_read_like_any_other(read, small_photo):
    progressive = encoded(small_photo, progressive=True)
    assert b"\xff\xc2" in progressive
    assert np.array_equal(read(progressive), read(encoded(small_photo)))


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


# Converted, with a warning


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_greyscale_becomes_three_equal_channels(read, small_photo, kind):
    grey = small_photo[..., 0]
    photo = converted(read, encoded(grey, kind, quality=100), "greyscale")
    assert photo.shape == (48, 64, 3)
    assert (photo == photo[..., :1]).all()
    assert np.abs(photo[..., 0].astype(int) - grey).max() <= (2 if kind == "JPEG" else 0)


def test_black_and_white_becomes_three_equal_channels(read, small_photo):
    bits = small_photo[..., 0] > 128
    photo = converted(read, encoded(bits, "PNG"), "greyscale")
    assert np.array_equal(photo, np.repeat(bits[..., None] * np.uint8(255), 3, axis=-1))


def on_white(colour, alpha):
    """Blend by hand: alpha of the colour, the rest white."""
    colour, alpha = colour.astype(float), alpha[..., None] / 255
    return colour * alpha + 255 * (1 - alpha)


def test_transparency_is_blended_onto_white(read, small_photo):
    alpha = np.arange(48 * 64).reshape(48, 64).astype(np.uint8)  # every value occurs
    content = encoded(np.dstack([small_photo, alpha]), "PNG")
    photo = converted(read, content, "transparent, blended onto white")
    assert np.abs(photo - on_white(small_photo, alpha)).max() <= 0.5 + 1e-9
    assert (photo[alpha == 0] == 255).all()
    assert np.array_equal(photo[alpha == 255], small_photo[alpha == 255])


def test_transparency_of_grey_is_blended_onto_white(read):
    grey_and_alpha = Image.merge("LA", [Image.new("L", (4, 4), v) for v in (100, 51)])
    photo = converted(read, encoded(grey_and_alpha, "PNG"), "transparent")
    assert (photo == 224).all()  # 100 * 0.2 + 255 * 0.8


def test_transparency_in_a_palette_is_blended_onto_white(read):
    picture = Image.new("P", (3, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    picture.putdata([0, 1, 2])
    content = encoded(picture, "PNG", transparency=bytes([0, 51, 255]))
    photo = converted(read, content, "transparent")
    assert photo.tolist() == [[[255, 255, 255], [212, 214, 216], [70, 80, 90]]]


def test_a_transparent_colour_becomes_white(read):
    picture = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    photo = converted(read, encoded(picture, "PNG", transparency=(1, 2, 3)), "transparent")
    assert photo.tolist() == [[[255, 255, 255], [4, 5, 6]]]


def test_16_bit_grey_is_rounded_to_8_bits(read):
    deep = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    photo = converted(read, encoded(deep, "PNG"), "16 bits", "greyscale")
    assert photo[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]
    assert (photo == photo[..., :1]).all()


def test_16_bit_colour_keeps_its_high_byte(read, small_photo):
    for low_byte in (0, 200):
        deep = small_photo[..., ::-1].astype(np.uint16) * 256 + low_byte
        content = cv2.imencode(".png", deep)[1].tobytes()
        assert np.array_equal(converted(read, content, "16 bits"), small_photo)


# Refused


def test_a_missing_photo_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"gone\.jpg: cannot be opened \(No such file"):
        data.read_photo(tmp_path / "gone.jpg")


def test_a_folder_that_is_named_like_a_photo_is_refused(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(DataError, match=r"folder\.jpg: cannot be opened"):
        data.read_photo(tmp_path / "folder.jpg")


def test_an_empty_file_is_refused(read):
    assert "empty (0 bytes). Fetch it again" in refusal(read, b"")


PART = zlib.compress(bytes(52))[:6]  # of the pixels of a PNG of 4x4


@pytest.mark.parametrize(
    "content",
    [
        b"This is a text, whatever its name says.\n",
        b"<!DOCTYPE html><title>404</title>",
        np.random.default_rng(0).bytes(3000),
        b"\xff\xd8" + np.random.default_rng(1).bytes(3000),
        b"\x89PNG\r\n\x1a\n" + np.random.default_rng(2).bytes(3000),
        png_of_chunks((b"IHDR", b"short")),
        png_of_chunks((b"IHDR", png_header(4, 4)), (b"IDAT", PART), (b"\0\1\2\3", b"")),
        b"\xff\xd8",
        b"\xff",
    ],
    ids=[
        *("text", "html", "noise", "noise as JPEG", "noise as PNG", "PNG without a size"),
        *("PNG with a broken part", "two bytes", "one byte"),
    ],
)
def test_what_is_no_picture_is_refused_and_its_beginning_shown(read, content):
    message = refusal(read, content)
    assert f"not a picture that can be read ({len(content)} bytes" in message
    assert repr(content[:12]) in message
    assert "Expected a JPEG or PNG" in message


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("TIFF", "RGB"), ("TIFF", "CMYK"), ("BMP", "RGB"), ("GIF", "RGB"), ("WEBP", "RGB")],
)
def test_other_formats_are_refused_whatever_their_name(read, small_photo, kind, mode):
    content = encoded(Image.fromarray(small_photo).convert(mode), kind)
    assert "Expected a JPEG or PNG" in refusal(read, content)


@pytest.mark.parametrize("fill", [b"", b"\xff", b"\xff\xff\xff"])
def test_a_cmyk_jpeg_is_refused(read, small_photo, fill):
    content = encoded(Image.fromarray(small_photo).convert("CMYK"))
    content = content[:2] + fill + content[2:]  # a marker may begin with several FF
    assert "CMYK (four inks)" in refusal(read, content)


@pytest.mark.parametrize("size", [(65500, 65500), (65500, 1), (20000, 10000)])
def test_a_jpeg_that_claims_a_huge_size_is_refused_before_it_fills_the_memory(
    read, small_photo, size
):
    content = jpeg_of_size(encoded(small_photo), *size)
    if size[1] == 1:  # long, but small: only its data are missing
        assert read(content).shape == (1, 65500, 3)
    else:
        message = refusal(read, content)
        assert f"{size[0]}x{size[1]} pixels are too many" in message
        assert f"at most {data.MAX_PIXELS}" in message


@pytest.mark.parametrize("size", [(60000, 60000), (2**31 - 1, 2**31 - 1)])
def test_a_png_that_claims_a_huge_size_is_refused_before_it_fills_the_memory(read, size):
    message = refusal(read, png_of_size(*size))
    assert f"{size[0]}x{size[1]} pixels are too many" in message


def test_a_size_of_nothing_is_refused(read, small_photo):
    refusal(read, jpeg_of_size(encoded(small_photo), 0, 48))
    refusal(read, jpeg_of_size(encoded(small_photo), 64, 0))
    refusal(read, png_of_size(0, 48))


# Cut short


@pytest.fixture(scope="module")
def whole_jpegs(make_photo):
    """Small JPEGs of every kind, by name."""
    photo = make_photo(1, 24, 32)
    plain, thumbnail = encoded(photo), encoded(photo[::2, ::2])
    return {
        "plain": plain,
        "progressive": encoded(photo, progressive=True),
        "optimised": encoded(photo, optimize=True, subsampling=0, quality=95),
        "greyscale": encoded(photo[..., 0]),
        "restart marks": encoded(photo, restart_marker_blocks=1),
        "thumbnail": with_thumbnail(plain, thumbnail),
        "broken thumbnail": with_thumbnail(plain, thumbnail[: len(thumbnail) // 2]),
    }


@pytest.mark.filterwarnings("ignore:.*greyscale")
@given(data=st.data())
def test_a_jpeg_that_is_cut_anywhere_is_refused(read, whole_jpegs, data):
    kind = data.draw(st.sampled_from(sorted(whole_jpegs)))
    whole = whole_jpegs[kind]
    length = data.draw(st.integers(1, len(whole) - 1))
    message = refusal(read, whole[:length])
    assert f"{length} bytes" in message
    assert "Fetch it again" in message


@pytest.mark.parametrize("lost", [1, 2, 3, 100])
@pytest.mark.parametrize("kind", ["plain", "progressive", "thumbnail", "restart marks"])
def test_a_jpeg_that_lost_its_end_is_called_cut_short(read, whole_jpegs, kind, lost):
    """The thumbnail's end mark must not be taken for the photo's."""
    assert "cut short" in refusal(read, whole_jpegs[kind][:-lost])


@pytest.mark.parametrize(
    "kind",
    ["plain", "progressive", "optimised", "restart marks", "thumbnail", "broken thumbnail"],
)
def test_a_whole_jpeg_is_not_called_cut_short(read, whole_jpegs, kind):
    read(whole_jpegs[kind])


@pytest.mark.parametrize(
    "film",
    [b"\0\0\0\x18ftypmp42\xff\xda\0\x08film", b"\xff\xd8\xff\xda\0\x02", bytes(50)],
)
def test_a_film_behind_the_photo_as_phones_append_it_does_no_harm(read, whole_jpegs, film):
    plain = whole_jpegs["plain"]
    assert np.array_equal(read(plain + film), read(plain))


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


# --- Pairs ------------------------------------------------------------------------------


def article_loader(paths):
    """The article's generator as a plain loop: BGR, bilinear, divided by 255."""
    small, middle, large = [], [], []
    for path in paths:
        photo = cv2.imread(str(path))
        small.append(cv2.resize(photo, (72, 72)))
        middle.append(cv2.resize(photo, (144, 144)))
        large.append(cv2.resize(photo, (288, 288)))
    return np.array(small) / 255.0, np.array(middle) / 255.0, np.array(large) / 255.0


@pytest.mark.parametrize("bgr", [True, False])
@pytest.mark.parametrize("part", ["train", "val"])
def test_the_article_recipe_is_the_article_s_loader(tmp_path, make_folder, bgr, part):
    make_folder(tmp_path, 10)
    photos = data.find_photos(tmp_path)
    pairs = data.load_pairs(photos, part, "article", bgr=bgr)
    expected = article_loader(getattr(photos, part))
    for ours, article_s in zip((pairs.lr, pairs.x2, pairs.x4), expected, strict=True):
        in_our_order = article_s if bgr else article_s[..., ::-1]
        assert np.array_equal(data.as_float(ours), in_our_order.astype(np.float32))


def test_the_antialiased_recipe_takes_the_mean_of_the_pixels_under_each_new_one(make_photo):
    photo = make_photo(3, 576, 576)
    for picture in data.make_pair(photo, "antialiased"):
        block = 576 // len(picture)
        means = photo.reshape(len(picture), block, -1, block, 3).mean((1, 3))
        assert np.abs(picture - means).max() <= 0.5 + 1e-6


def test_the_article_recipe_aliases_and_the_antialiased_does_not():
    stripes = np.zeros((576, 576, 3), np.uint8)
    stripes[:, ::8] = 255  # thin white lines, grey from afar
    assert (data.make_pair(stripes, "antialiased").lr == 32).all()  # 255 / 8, rounded
    assert (data.make_pair(stripes, "article").lr == 0).all()  # all of them missed


@pytest.mark.parametrize("recipe", data.RECIPES)
def test_a_photo_of_the_target_s_size_is_its_own_target(make_photo, recipe):
    photo = make_photo(4, 288, 288)
    assert np.array_equal(data.make_pair(photo, recipe).x4, photo)


@pytest.mark.parametrize("recipe", data.RECIPES)
@pytest.mark.parametrize("lr_size", [72, 8])
def test_a_pair_has_the_input_and_twice_and_four_times_its_size(
    make_photo, recipe, lr_size
):
    pair = data.make_pair(make_photo(), recipe, lr_size=lr_size)
    sides = [lr_size, 2 * lr_size, 4 * lr_size]
    assert [picture.shape for picture in pair] == [(side, side, 3) for side in sides]
    assert all(picture.dtype == np.uint8 for picture in pair)


def test_an_unknown_recipe_is_refused_with_the_known_ones(tmp_path, make_photo):
    known = "Unknown recipe 'bicubic'. Known: article, antialiased."
    with pytest.raises(DataError, match=known):
        data.make_pair(make_photo(), "bicubic")
    # and before any photo is read: this one does not exist
    photos = data.Photos("none", tmp_path, (tmp_path / "gone.jpg",), ())
    with pytest.raises(DataError, match=known):
        data.load_pairs(photos, "train", "bicubic")


@pytest.mark.parametrize(
    "photo",
    [
        np.zeros((300, 300, 3), np.float32),
        np.zeros((300, 300, 3), np.uint16),
        np.zeros((300, 300), np.uint8),
        np.zeros((300, 300, 4), np.uint8),
        np.zeros((1, 300, 300, 3), np.uint8),
    ],
    ids=lambda photo: f"{photo.dtype}{photo.shape}",
)
def test_make_pair_refuses_other_shapes_and_types_and_says_which_it_found(photo):
    with pytest.raises(DataError) as error:
        data.make_pair(photo)
    assert f"found {photo.shape} and {photo.dtype}" in str(error.value)
    assert "read_photo" in str(error.value)


def test_as_float_is_exact_for_every_value():
    values = np.arange(256, dtype=np.uint8)
    assert data.as_float(values).dtype == np.float32
    assert np.array_equal(data.as_float(values), (values / 255.0).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_as_float_refuses_what_is_not_uint8(dtype):
    with pytest.raises(DataError, match=f"Expected uint8.*found {np.dtype(dtype)}"):
        data.as_float(np.zeros((2, 2, 3), dtype))


def test_pairs_are_loaded_in_the_order_of_the_files(tmp_path, make_folder):
    photos = data.find_photos(make_folder(tmp_path / "seven", 7))
    pairs = data.load_pairs(photos, "train", "antialiased", lr_size=16)
    assert len(pairs) == 6
    assert pairs.source == "seven, 6 photos, antialiased recipe"
    for index, path in enumerate(photos.train):
        expected = data.make_pair(data.read_photo(path), "antialiased", lr_size=16)
        for stack, picture in zip((pairs.lr, pairs.x2, pairs.x4), expected, strict=True):
            assert np.array_equal(stack[index], picture)


def test_a_photo_smaller_than_the_target_is_refused(tmp_path, make_folder):
    make_folder(tmp_path, 4)
    make_folder(tmp_path / "small", 1, height=287, width=400)
    (tmp_path / "small/000.jpg").rename(tmp_path / "z.jpg")
    photos = data.find_photos(make_folder(tmp_path, 4))
    with pytest.raises(
        DataError, match=r"z\.jpg: 400x287 pixels.*at least 288x288.*Remove"
    ):
        data.load_pairs(photos, "train")
    assert len(data.load_pairs(photos, "train", lr_size=71)) == 4  # 4 * 71 = 284


def test_a_small_photo_of_voc_is_enlarged_as_in_the_article(tmp_path, make_folder):
    jpegs = make_folder(tmp_path / "JPEGImages", height=120, width=500)
    pairs = data.load_pairs(data.find_photos(tmp_path), "val")
    expected = cv2.resize(cv2.imread(str(jpegs / "000.jpg")), (288, 288))[..., ::-1]
    assert np.array_equal(pairs.x4[0], expected)


def test_all_bad_photos_are_named_together(tmp_path, make_folder):
    make_folder(tmp_path, 20)
    bad = {
        "005.jpg": b"",
        "007.jpg": b"text",
        "011.jpg": (tmp_path / "011.jpg").read_bytes(),
    }
    bad["011.jpg"] = bad["011.jpg"][:3000]
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "zzz.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(DataError) as error:
        data.load_pairs(data.find_photos(tmp_path), "train")
    head, *lines = str(error.value).splitlines()
    assert head == "4 of 17 photos cannot be used:"
    reasons = ["empty", "not a picture", "cut short", "cannot be opened"]
    for line, name, reason in zip(lines, [*bad, "zzz.jpg"], reasons, strict=True):
        assert line.startswith(f"- {tmp_path / name}: ")
        assert reason in line


def test_of_many_bad_photos_ten_are_named_and_the_rest_counted(tmp_path):
    for k in range(20):
        (tmp_path / f"{k:02}.jpg").touch()
    with pytest.raises(DataError) as error:
        data.load_pairs(data.find_photos(tmp_path), "train")
    lines = str(error.value).splitlines()
    assert lines[0] == "16 of 16 photos cannot be used:"
    for k, line in zip(range(4, 14), lines[1:11], strict=True):
        assert line.startswith(f"- {tmp_path / f'{k:02}.jpg'}: ")
    assert lines[11:] == ["- and 6 more"]


def test_one_pair_is_a_stack_of_one(make_pairs):
    pairs = make_pairs(3, lr_size=4)
    for index in (0, 2, -1, -3, np.int64(1)):
        one = pairs[index]
        assert one.lr.shape == (1, 4, 4, 3)
        assert np.array_equal(one.x4[0], pairs.x4[index])
    assert np.array_equal(pairs[np.array([2, 0])].x2, pairs.x2[[2, 0]])
    assert len(pairs[1:]) == 2


def test_a_loop_over_pairs_ends(make_pairs):
    pairs = make_pairs(3, lr_size=4)
    assert len(list(islice(pairs, 10))) == 3
    with pytest.raises(IndexError):
        pairs[3]


# --- Batches ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numbered():
    """Seven pairs whose pixels tell their number: k in lr, 30 + k in x2, 60 + k in x4."""

    def stack(side, first):
        numbers = np.arange(first, first + 7, dtype=np.uint8)
        return np.broadcast_to(numbers[:, None, None, None], (7, side, side, 3)).copy()

    return data.Pairs(stack(4, 0), stack(8, 30), stack(16, 60))


def numbers(lr):
    return np.rint(np.asarray(lr)[:, 0, 0, 0] * 255).astype(int).tolist()


def epochs(batches, count):
    """Return the photos' numbers batch by batch, for `count` epochs of three batches."""
    seen = [numbers(lr) for lr, _ in batches.take(3 * count)]
    return [seen[3 * k : 3 * k + 3] for k in range(count)]


def test_each_epoch_shows_every_photo_once_the_last_batch_included(numbered):
    for epoch in epochs(data.training_batches(numbered, 3), 4):
        assert [len(batch) for batch in epoch] == [3, 3, 1]
        assert sorted(chain(*epoch)) == list(range(7))


def test_the_order_differs_between_epochs_and_seeds(numbered):
    first, second = epochs(data.training_batches(numbered, 3, seed=0), 2)
    (other,) = epochs(data.training_batches(numbered, 3, seed=1), 1)
    assert first != second
    assert first != other
    assert first != [[0, 1, 2], [3, 4, 5], [6]]


def test_the_same_seed_gives_the_same_order_whenever_it_is_read(numbered):
    batches = data.training_batches(numbered, 3, seed=5)
    again = data.training_batches(numbered, 3, seed=5)
    assert epochs(batches, 3) == epochs(batches, 3) == epochs(again, 3)


def test_first_epoch_continues_an_interrupted_run(numbered):
    whole = epochs(data.training_batches(numbered, 3, seed=2), 4)
    rest = epochs(data.training_batches(numbered, 3, seed=2, first_epoch=2), 2)
    assert rest == whole[2:]


@pytest.mark.parametrize("serve", [data.training_batches, data.validation_batches])
def test_input_and_targets_of_a_batch_belong_together(numbered, serve):
    for lr, hr in serve(numbered, 3).take(3):
        assert [30 + k for k in numbers(lr)] == numbers(hr["x2"])
        assert [60 + k for k in numbers(lr)] == numbers(hr["x4"])


def test_validation_shows_every_photo_in_order_each_time(numbered):
    batches = data.validation_batches(numbered, 3)
    for _ in range(2):
        assert [numbers(lr) for lr, _ in batches] == [[0, 1, 2], [3, 4, 5], [6]]


def test_batches_hold_the_pictures_as_float32_in_0_to_1(make_pairs):
    pairs = make_pairs(3, lr_size=8)
    ((lr, hr),) = data.validation_batches(pairs, 3)
    for batch, stack in [(lr, pairs.lr), (hr["x2"], pairs.x2), (hr["x4"], pairs.x4)]:
        assert batch.dtype == np.float32
        assert np.array_equal(batch.numpy(), data.as_float(stack))


@pytest.mark.parametrize("serve", [data.training_batches, data.validation_batches])
def test_batches_have_known_shapes_but_for_their_number(numbered, serve):
    lr, hr = serve(numbered, 3).element_spec
    assert lr.shape.as_list() == [None, 4, 4, 3]
    assert {name: spec.shape.as_list() for name, spec in hr.items()} == {
        "x2": [None, 8, 8, 3],
        "x4": [None, 16, 16, 3],
    }


@pytest.mark.parametrize("serve", [data.training_batches, data.validation_batches])
def test_a_batch_that_is_kept_stays_as_it_was(numbered, serve):
    """The memory of a batch is lent again, but not while anything looks at it."""
    batches = iter(serve(numbered, 1))
    views = [next(batches)[0].numpy()[:, 1:] for _ in range(2)]
    before = [view.copy() for view in views]
    assert len(list(islice(batches, 5))) == 5
    assert all(map(np.array_equal, views, before))


def test_memory_is_not_lent_twice_while_a_view_of_it_is_left():
    memory = data._Memory()
    lent = [memory.lend((2, 3)) for _ in range(4)]
    view = lent[2][1:, ::2].T
    view[...] = 7
    del lent
    again = [memory.lend((2, 3)) for _ in range(4)]
    for array in again:
        array[...] = 0
    assert np.all(view == 7)
    assert not any(np.shares_memory(view, array) for array in again)


def test_memory_is_lent_again_once_it_is_back():
    memory = data._Memory()
    first = memory.lend((4, 3))
    place = first.ctypes.data
    assert place % 64 == 0  # else TensorFlow would copy
    del first
    small = memory.lend((1, 3))
    assert small.ctypes.data == place
    assert small.shape == (1, 3)


def test_memory_of_a_smaller_batch_is_not_lent_for_a_larger_one():
    memory = data._Memory()
    memory.lend((1, 3))
    assert memory.lend((4, 3)).nbytes == 48


def test_memory_that_is_back_is_not_hoarded():
    memory = data._Memory()
    lent = [memory.lend((2,)) for _ in range(9)]
    del lent
    assert len(memory.spare) == 2


def test_a_script_that_ends_while_batches_are_made_ahead_ends():
    script = """if True:
        import numpy as np
        from srlib import data
        photo = np.zeros((288, 288, 3), np.uint8)
        stacks = (np.repeat(part[None], 300, 0) for part in data.make_pair(photo))
        batches = iter(data.training_batches(data.Pairs(*stacks), 64))
        next(batches)
    """
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


# --- Dead leaves ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def leaves():
    return data.dead_leaves(16, 256, seed=0)


@pytest.fixture(scope="module")
def luminance(leaves):
    return leaves @ np.array([0.299, 0.587, 0.114])


def test_dead_leaves_are_pictures_that_depend_on_the_seed_alone(leaves):
    assert leaves.shape == (16, 256, 256, 3)
    assert leaves.dtype == np.uint8
    assert np.array_equal(data.dead_leaves(2, 256, seed=0), leaves[:2])
    assert not np.array_equal(data.dead_leaves(1, 256, seed=1)[0], leaves[0])
    assert not np.array_equal(leaves[0], leaves[1])


@pytest.mark.parametrize(("count", "size"), [(0, 288), (-1, 288), (1, 7)])
def test_dead_leaves_refuse_nothing_to_paint(count, size):
    with pytest.raises(DataError, match=f"found {count} and {size}"):
        data.dead_leaves(count, size)


def test_dead_leaves_use_the_whole_range_of_every_channel(leaves):
    for channel in np.moveaxis(leaves, -1, 0):
        share = np.histogram(channel, bins=8, range=(0, 256))[0] / channel.size
        assert share.min() > 0.06
        assert share.max() < 0.2


def radial_power(pictures):
    """Power by distance from the centre of the spectrum, in cycles a picture."""
    side = pictures.shape[-1]
    window = np.outer(np.hanning(side), np.hanning(side))
    spectra = np.fft.fft2((pictures - pictures.mean((1, 2), keepdims=True)) * window)
    frequency = np.fft.fftfreq(side, 1 / side)
    radius = np.rint(np.hypot(frequency[:, None], frequency)).astype(int).ravel()
    power = (np.abs(spectra) ** 2).mean(0).ravel()
    return np.bincount(radius, power) / np.bincount(radius)


def test_the_spectrum_of_dead_leaves_falls_as_that_of_photographs(luminance):
    """Power falls about as 1 / f^2 (measured here: -2.4; noise has 0)."""
    band = np.arange(4, 64)
    power = radial_power(luminance)[band]
    slope = np.polyfit(np.log(band), np.log(power), 1)[0]
    assert -2.6 < slope < -1.4


def test_dead_leaves_have_the_same_contrast_from_near_and_from_afar(luminance):
    """As photographs do. Of noise every halving would halve the contrast."""
    contrast = []
    for _ in range(4):
        side = luminance.shape[1] // 2
        luminance = luminance.reshape(16, side, 2, side, 2).mean((2, 4))
        contrast.append(np.std(luminance[:, ::2] - luminance[:, 1::2]))
    assert max(contrast) < 1.3 * min(contrast)

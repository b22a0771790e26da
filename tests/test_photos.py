"""Where photos are found, which dataset they are called, and how they are split."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from srlib import data
from srlib.data import DataError
from srlib.sources import photos as photos_module
from srlib.sources import places

IN_VOC = sorted(photos_module._VOC_TRAINVAL)
NOT_IN_VOC = [
    f"{k:06}" for k in range(1, 9964) if f"{k:06}" not in photos_module._VOC_TRAINVAL
]
JPEGS = "VOCtrainval_06-Nov-2007/VOCdevkit/VOC2007/JPEGImages"


@pytest.fixture
def bare_machine(tmp_path, monkeypatch):
    """A machine with no photos: no variable, no Kaggle mount, an empty project folder."""
    monkeypatch.delenv("SRLIB_DATA", raising=False)
    monkeypatch.setenv("KAGGLE_CACHE_MOUNT_FOLDER", str(tmp_path / "kaggle"))
    for place in ("course_data", "own_data"):
        monkeypatch.setattr(places, place, lambda: tmp_path / "data")
    return tmp_path


def empty_files(folder, names):
    """Fill a folder with files: only their names matter until they are read."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / (name if "." in name else f"{name}.jpg")).touch()
    return folder


def count(photos):
    return len(photos.train) + len(photos.val)


# --- Where they are ---------------------------------------------------------------------


def test_photos_are_looked_for_in_the_order_that_the_docstring_states(
    bare_machine, monkeypatch
):
    new_mount = bare_machine / "kaggle/datasets/zaraks/pascal-voc-2007"
    old_mount = bare_machine / "kaggle/pascal-voc-2007"
    named = empty_files(bare_machine / "named", IN_VOC[:5])
    in_variable = empty_files(bare_machine / "in_variable", IN_VOC[:6])
    empty_files(new_mount / JPEGS, IN_VOC[:7])
    empty_files(old_mount / JPEGS, IN_VOC[:8])
    empty_files(bare_machine / "data/voc2007/JPEGImages", IN_VOC[:9])
    empty_files(bare_machine / "data/sample/train", IN_VOC[:10])
    empty_files(bare_machine / "data/sample/val", ["a"])
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


def test_a_download_is_asked_for_and_only_if_voc_is_nowhere(bare_machine, monkeypatch):
    empty_files(bare_machine / "data/sample/train", "abcd")
    empty_files(bare_machine / "data/sample/val", "e")
    asked = []

    def download(folder):
        asked.append(folder)
        empty_files(folder / "VOCdevkit/VOC2007/JPEGImages", IN_VOC[:7])
        return folder

    monkeypatch.setattr(photos_module.download, "download_voc2007", download)
    assert data.find_photos().name == "sample"
    assert asked == []
    photos = data.find_photos(fetch=True)
    assert (photos.name, count(photos)) == ("voc2007", 7)
    assert data.find_photos(fetch=True) == photos
    assert asked == [bare_machine / "data/voc2007"]


@pytest.mark.parametrize("how", ["argument", "variable"])
@pytest.mark.parametrize("content", ["missing", "empty", "without photos", "a file"])
def test_a_named_folder_without_photos_is_an_error_even_if_photos_are_elsewhere(
    bare_machine, monkeypatch, how, content
):
    empty_files(bare_machine / "data/voc2007/JPEGImages", IN_VOC[:9])
    named = bare_machine / "named"
    if content == "a file":
        named.write_text("not a folder")
    elif content != "missing":
        empty_files(named, ["notes.txt"] if content == "without photos" else [])
    if how == "variable":
        monkeypatch.setenv("SRLIB_DATA", str(named))
    found = {"missing": "not a folder", "a file": "not a folder", "empty": "holds nothing"}
    with pytest.raises(DataError) as error:
        data.find_photos(named if how == "argument" else None)
    message = str(error.value)
    assert str(named) in message
    assert found.get(content, "holds 1 entries, none of them a photo") in message
    assert "folder that holds photos" in message or ".jpeg, .jpg, .png" in message


def test_a_folder_that_must_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(
        DataError, match=rf"{tmp_path} cannot be read \(Permission denied\)"
    ):
        data.find_photos(tmp_path)


# --- Which files count ------------------------------------------------------------------


def test_photos_are_listed_by_name_whatever_the_case_and_never_hidden_ones(tmp_path):
    empty_files(tmp_path, ["b.JPG", "c.txt", "a.jpeg", "d.Png", "._b.JPG", ".x.png"])
    names = [file.name for file in data.list_photos(tmp_path)]
    assert names == ["a.jpeg", "b.JPG", "d.Png"]


def test_pictures_in_formats_that_are_not_read_are_named(tmp_path):
    empty_files(tmp_path, ["a.jpg", "b.webp", "c.HEIC", "d.tiff", "e.avif", "._f.webp"])
    with pytest.warns(UserWarning, match=r"4 pictures are passed over.*: b\.webp, c\.HEIC"):
        assert len(data.list_photos(tmp_path)) == 1


# --- Which dataset it is ----------------------------------------------------------------


@pytest.mark.parametrize(
    "layout", [".", *("/".join(JPEGS.split("/")[k:]) for k in range(4)), JPEGS.lower()]
)
def test_voc_is_recognised_from_every_folder_above_its_photos(tmp_path, layout):
    jpegs = empty_files(tmp_path / "a" / layout, IN_VOC[:5])
    for folder in [jpegs, *jpegs.parents]:
        if folder == tmp_path:
            break
        photos = data.find_photos(folder)
        assert (photos.name, photos.folder, photos.enlarge) == ("voc2007", jpegs, True)


OTHERS = [
    ("VOC2012/JPEGImages", [f"2008_{k:06}" for k in range(12)], "VOC2012"),
    ("test/VOC2007/JPEGImages", NOT_IN_VOC[:40], "other-VOC2007"),
    ("mine/JPEGImages", "abcdefg", "mine"),
    ("mine/JPEGImages", [f"{k:06}" for k in range(1, 31)], "mine"),
    ("holiday", "abcdefg", "holiday"),
    ("voc2007", "abcdefg", "other-voc2007"),  # another dataset's records are under it
    ("sample", "abcdefg", "other-sample"),
]


@pytest.mark.parametrize(("folder", "names", "name"), OTHERS)
def test_what_is_not_voc_2007_has_its_folder_s_name_and_is_not_enlarged(
    tmp_path, folder, names, name
):
    folder = empty_files(tmp_path / folder, names)
    photos = data.find_photos(folder)
    assert (photos.name, photos.enlarge, photos.note) == (name, False, "")
    assert count(photos) == len(names)


def test_the_test_archive_beside_trainval_is_not_taken(tmp_path):
    empty_files(tmp_path / JPEGS, IN_VOC[:6])
    empty_files(tmp_path / JPEGS.replace("trainval", "test"), NOT_IN_VOC[:9])
    assert [file.stem for file in data.find_photos(tmp_path).train] == IN_VOC[1:6]


def test_the_test_photos_in_the_same_folder_without_a_list_are_not_taken(
    tmp_path, monkeypatch
):
    files = [tmp_path / f"{name}.jpg" for name in sorted(IN_VOC + NOT_IN_VOC)]
    monkeypatch.setattr(photos_module, "list_photos", lambda folder: files)
    photos = data.find_photos(tmp_path)
    assert (photos.name, photos.note) == ("voc2007", "")
    assert [file.stem for file in photos.val + photos.train] == IN_VOC


WANTED = IN_VOC[:6]
LISTS = {
    "plain": "\n".join(WANTED).encode(),
    "Windows": "\r\n".join([*WANTED, "", ""]).encode(),
    "endings": "".join(f"{name}.JPG\n" for name in WANTED).encode(),
    "paths": "".join(f"/data/VOC/{name}.jpg\n" for name in WANTED).encode(),
    "Windows paths": "".join(f"C:\\VOC\\{name}.jpg \r\n" for name in WANTED).encode(),
    "mark": "\n".join(WANTED).encode("utf-8-sig"),
    "UTF-16": "\r\n".join(WANTED).encode("utf-16"),
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("place", ["ImageSets/Main", "imagesets"])
def test_a_list_says_which_photos_are_taken_however_it_is_written(tmp_path, kind, place):
    empty_files(tmp_path / "JPEGImages", [*WANTED, *NOT_IN_VOC[:6]])
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "trainval.txt").write_bytes(LISTS[kind])
    photos = data.find_photos(tmp_path)
    assert photos.name == "voc2007"
    assert [file.stem for file in photos.val + photos.train] == WANTED


def test_a_list_of_other_photos_is_an_error_that_shows_its_names(tmp_path):
    empty_files(tmp_path / "JPEGImages", WANTED)
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets/trainval.txt").write_text("x\ny\n")
    with pytest.raises(DataError, match=r"holds 6 photos, none of which .* \(x, y\)"):
        data.find_photos(tmp_path)


@pytest.mark.parametrize(
    ("quality", "note"),
    [
        (75, ", JPEG quality 75"),
        (60, ", JPEG quality 60"),
        (30, ", JPEG quality 30"),
        (95, ""),
    ],
)
def test_a_copy_of_voc_says_what_is_missing_and_whether_it_was_compressed_again(
    tmp_path, quality, note
):
    for name in IN_VOC[:5]:
        Image.new("RGB", (16, 16)).save(tmp_path / f"{name}.jpg", quality=quality)
    note = f"5 of its 5011 photos{note}"
    photos = data.find_photos(tmp_path)
    assert str(photos) == f"voc2007 ({note}): 4 train, 1 val"


BOMB = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\0\0\0\0\0\0\0"
)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\xff\xd8\xff\xe0", BOMB, "pipe", "folder"]
)
def test_a_bad_first_photo_is_left_for_the_error_that_names_all_bad_ones(
    tmp_path, make_folder, content
):
    for name, photo in zip(IN_VOC, sorted(make_folder(tmp_path).iterdir()), strict=False):
        photo.rename(tmp_path / f"{name}.jpg")
    first = tmp_path / f"{IN_VOC[0]}.jpg"
    first.unlink()
    if isinstance(content, bytes):
        first.write_bytes(content)
    else:
        {"pipe": os.mkfifo, "folder": os.mkdir}[content](first)
    photos = data.find_photos(tmp_path)
    assert photos.name == "voc2007"
    with pytest.raises(DataError, match=first.name):
        data.load_pairs(photos, "val")


# --- How they are split -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "val"), [(5, 1), (9, 1), (10, 2), (4999, 999), (5011, 1000)]
)
def test_the_first_fifth_validates_and_at_most_1000(tmp_path, files, val):
    names = [tmp_path / f"{k:06}.jpg" for k in range(files)]
    photos = photos_module._split("x", tmp_path, names)
    assert [*photos.val, *photos.train] == names
    assert len(photos.val) == val


def test_a_split_that_leaves_nothing_is_refused(tmp_path):
    empty_files(tmp_path, "abcd")
    with pytest.raises(DataError, match=r"holds 4 photos.*nothing.*at least 5"):
        data.find_photos(tmp_path)


@pytest.mark.parametrize("twin", ["copy", "hard link", "symbolic link"])
@pytest.mark.parametrize("layout", ["train and val", "one folder"])
def test_train_and_val_must_not_share_a_photo_by_whatever_name(tmp_path, twin, layout):
    parts = ("train", "val") if layout == "train and val" else ("", "")
    for k in range(6):
        part = tmp_path / parts[k == 0]
        part.mkdir(exist_ok=True)
        (part / f"{k}.jpg").write_bytes(b"content %d" % k)
    first, last = tmp_path / parts[1] / "0.jpg", tmp_path / parts[0] / "5.jpg"
    assert count(data.find_photos(tmp_path)) == 6
    shutil.copy(tmp_path / parts[0] / "4.jpg", last)  # twice in one part is no leak
    assert count(data.find_photos(tmp_path)) == 6
    last.unlink()
    make = {"copy": shutil.copy, "hard link": os.link, "symbolic link": os.symlink}
    make[twin](first, last)
    with pytest.raises(DataError, match=f"share a photo: {last} is the same as {first}"):
        data.find_photos(tmp_path)


def test_take_keeps_the_first_photos_of_each_part(tmp_path):
    photos = data.find_photos(empty_files(tmp_path, "abcdefghij"))
    few = photos.take(3, 1)
    assert (few.train, few.val) == (photos.train[:3], photos.val[:1])
    assert photos.take() == photos
    assert photos.take(val=1).train == photos.train


@pytest.mark.parametrize("wanted", [{"train": 9}, {"train": 0}, {"val": 3}, {"val": -1}])
def test_take_refuses_more_photos_than_there_are_and_fewer_than_one(tmp_path, wanted):
    photos = data.find_photos(empty_files(tmp_path, "abcdefghij"))
    ((part, number),) = wanted.items()
    have = len(getattr(photos, part))
    with pytest.raises(DataError, match=f"{number} {part} .* are {have}. Ask for 1 to"):
        photos.take(**wanted)


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

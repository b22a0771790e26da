"""The embedded photos: complete credits, free licences, no leak, nothing damaged.

Every check is a function of a folder, so that it can be shown to fail: each is run on the
real sample, and then on a copy that was broken in the way it guards against.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "sample"
FIELDS = [
    "file",
    "split",
    "title",
    "author",
    "licence",
    "licence_url",
    "source",
    "original",
    "crop",
]
LICENCES = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC BY 2.0": "https://creativecommons.org/licenses/by/2.0/",
    "CC BY 3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
}
CROP = re.compile(r"reduced ([\d.]+)x, then x=(\d+) y=(\d+) w=(\d+) h=(\d+)")

Row = dict[str, str]
Crop = tuple[float, int, int, int, int]


def photos(sample: Path) -> list[Path]:
    return sorted(sample.glob("*/*.jpg"))


def credits(sample: Path) -> list[Row]:
    with (sample / "CREDITS.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def parse_crop(row: Row) -> Crop:
    match = CROP.fullmatch(row["crop"])
    assert match, f"{row['file']}: cannot read the crop {row['crop']!r}"
    x, y, w, h = map(int, match.groups()[1:])
    return float(match[1]), x, y, w, h


def overlap(one: Crop, other: Crop) -> bool:
    (_, x, y, w, h), (_, x2, y2, w2, h2) = one, other
    return x < x2 + w2 and x2 < x + w and y < y2 + h2 and y2 < y + h


@cache
def tables(quality: int) -> dict[int, list[int]]:
    """Return the quantisation tables that Pillow writes at a quality."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", quality=quality)
    return {key: list(table) for key, table in Image.open(stream).quantization.items()}


def quality_of(picture: Image.Image) -> int:
    """Return the highest quality whose tables are nowhere finer than the file's."""
    for quality in range(100, 0, -1):
        wanted = tables(quality)
        if all(
            np.all(np.array(table) <= wanted[key])
            for key, table in picture.quantization.items()
        ):
            return quality
    return 0


# --- the checks ----------------------------------------------------------------------


def check_every_photo_has_one_credit(sample: Path) -> None:
    credited = [row["file"] for row in credits(sample)]
    present = [path.relative_to(sample).as_posix() for path in photos(sample)]
    assert credited == sorted(set(credited)), "a credit is doubled, or they are not sorted"
    assert set(present) - set(credited) == set(), "photos without a credit"
    assert set(credited) - set(present) == set(), "credits without a photo"


def check_credits_are_complete(sample: Path) -> None:
    raw = (sample / "CREDITS.csv").read_bytes()
    assert raw.decode("utf-8").splitlines()[0] == ",".join(FIELDS)
    assert b"\r" not in raw
    for row in credits(sample):
        empty = [field for field in FIELDS if not (row[field] or "").strip()]
        assert not empty, f"{row['file']}: nothing in {empty}"


def check_licences_are_free(sample: Path) -> None:
    for row in credits(sample):
        if row["licence"] == "Public domain":
            assert row["licence_url"] == row["source"].split(" in ")[0], row["file"]
        else:
            assert row["licence"] in LICENCES, f"{row['file']}: {row['licence']}"
            assert row["licence_url"] == LICENCES[row["licence"]], row["file"]


def check_no_original_is_in_both_parts(sample: Path) -> None:
    parts = defaultdict(set)
    for row in credits(sample):
        folder, name = row["file"].split("/")
        assert folder == row["split"], f"{row['file']} says it is in {row['split']}"
        assert re.fullmatch(re.escape(row["original"]) + r"-\d\d\.jpg", name), row["file"]
        # Besides the id, the photo that it came from: two ids could share one source.
        parts[row["original"]].add(folder)
        parts[row["source"]].add(folder)
    assert [key for key, folders in parts.items() if len(folders) > 1] == []


def check_pictures_are_plain_jpegs(sample: Path) -> None:
    for path in photos(sample):
        with Image.open(path) as picture:
            assert (picture.format, picture.mode) == ("JPEG", "RGB"), path.name
            assert min(picture.size) >= 288, f"{path.name} is {picture.size}"
            assert max(picture.size) <= 500, f"{path.name} is {picture.size}"
            assert not {"exif", "icc_profile", "progressive"} & set(picture.info), path.name
            # layer: id, horizontal and vertical sampling, table; all alike is 4:4:4
            sampling = {tuple(layer[1:3]) for layer in picture.layer}
            assert sampling == {(1, 1)}, f"{path.name} has thinned-out colour"


def check_quality_is_95_or_better(sample: Path) -> None:
    for path in photos(sample):
        with Image.open(path) as picture:
            assert quality_of(picture) >= 95, f"{path.name}: {quality_of(picture)}"


def check_counts_and_bytes(sample: Path) -> None:
    size = sum(path.stat().st_size for path in sample.rglob("*") if path.is_file())
    assert size < 12_000_000, f"{size} bytes"
    train, val = (len(list((sample / part).glob("*.jpg"))) for part in ("train", "val"))
    assert 90 <= train + val <= 110, f"{train + val} photos"
    assert 0.2 <= val / (train + val) <= 0.3, f"{val} of {train + val} validate"


def check_no_two_are_alike(sample: Path) -> None:
    thumbnails = {}
    for path in photos(sample):
        with Image.open(path) as picture:
            picture.draft("L", (64, 64))
            small = picture.convert("L").resize((16, 16), Image.Resampling.BOX)
        thumbnails[path.name] = np.asarray(small, dtype=np.float32)
    for (name, one), (other, two) in combinations(thumbnails.items(), 2):
        assert np.abs(one - two).mean() > 8, f"{name} and {other} look the same"


def check_crops_are_true_and_apart(sample: Path) -> None:
    crops = defaultdict(list)
    for row in credits(sample):
        crop = parse_crop(row)
        with Image.open(sample / row["file"]) as picture:
            assert picture.size == crop[3:], f"{row['file']} is {picture.size}"
        assert crop[0] >= 1, f"{row['file']} was enlarged"
        crops[row["original"]].append(crop)
    for original, found in crops.items():
        assert len({crop[0] for crop in found}) == 1, f"{original}: several reductions"
        for one, other in combinations(found, 2):
            assert not overlap(one, other), f"{original}: {one} and {other} overlap"


def check_checksums_match(sample: Path) -> None:
    listed = {}
    lines = (sample / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    for line in lines:
        digest, file = line.split("  ")
        listed[file] = digest
    files = [path.relative_to(sample).as_posix() for path in photos(sample)]
    assert list(listed) == sorted([*files, "CREDITS.csv"])
    for file, digest in listed.items():
        assert hashlib.sha256((sample / file).read_bytes()).hexdigest() == digest, file


CHECKS = [value for name, value in globals().items() if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:])
def test_sample(check: Callable[[Path], None]) -> None:
    check(SAMPLE)


# --- and each of them can fail -------------------------------------------------------


def edit_credits(sample: Path, old: str, new: str) -> None:
    path = sample / "CREDITS.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")


def resave(sample: Path, size: tuple[int, int] | None = None, **options: object) -> None:
    path = sample / "val/chelsea-01.jpg"
    picture = Image.open(path).convert(str(options.pop("mode", "RGB")))
    picture = picture.resize(size) if size else picture
    picture.save(path, **{"quality": 95, "subsampling": 0, **options})


BREAKAGES: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "photo without credit": (
        check_every_photo_has_one_credit,
        lambda s: shutil.copy(s / "val/chelsea-01.jpg", s / "val/chelsea-02.jpg"),
    ),
    "credit without photo": (
        check_every_photo_has_one_credit,
        lambda s: (s / "val/chelsea-01.jpg").unlink(),
    ),
    "credit doubled": (
        check_every_photo_has_one_credit,
        lambda s: edit_credits(s, "val/coffee-01.jpg", "val/chelsea-01.jpg"),
    ),
    "author missing": (
        check_credits_are_complete,
        lambda s: edit_credits(s, "Stefan van der Walt", ""),
    ),
    "unknown licence": (
        check_licences_are_free,
        lambda s: edit_credits(s, "CC BY 4.0,", "CC BY-NC 4.0,"),
    ),
    "wrong licence link": (
        check_licences_are_free,
        lambda s: edit_credits(s, "licenses/by/4.0", "licenses/by-sa/4.0"),
    ),
    "original in both parts": (
        check_no_original_is_in_both_parts,
        lambda s: edit_credits(s, "train/lounge-02.jpg,train", "val/lounge-02.jpg,val"),
    ),
    "too small": (check_pictures_are_plain_jpegs, lambda s: resave(s, (287, 300))),
    "grey": (check_pictures_are_plain_jpegs, lambda s: resave(s, mode="L")),
    "progressive": (check_pictures_are_plain_jpegs, lambda s: resave(s, progressive=True)),
    "thinned colour": (check_pictures_are_plain_jpegs, lambda s: resave(s, subsampling=2)),
    "with a profile": (
        check_pictures_are_plain_jpegs,
        lambda s: resave(s, icc_profile=b"x"),
    ),
    "quality 94": (check_quality_is_95_or_better, lambda s: resave(s, quality=94)),
    "too many bytes": (
        check_counts_and_bytes,
        lambda s: (s / "train/big.bin").write_bytes(bytes(3_000_000)),
    ),
    "too few photos": (
        check_counts_and_bytes,
        lambda s: [path.unlink() for path in photos(s)[:6]],
    ),
    "the same photo twice": (
        check_no_two_are_alike,
        lambda s: shutil.copy(s / "val/chelsea-01.jpg", s / "train/cat-01.jpg"),
    ),
    "crop of another size": (
        check_crops_are_true_and_apart,
        lambda s: resave(s, (450, 300)),
    ),
    "overlapping crops": (
        check_crops_are_true_and_apart,
        lambda s: edit_credits(s, "x=0 y=376 w=500", "x=0 y=374 w=500"),
    ),
    "photo changed": (check_checksums_match, lambda s: resave(s, quality=96)),
    "photo not listed": (
        check_checksums_match,
        lambda s: shutil.copy(s / "val/chelsea-01.jpg", s / "val/chelsea-02.jpg"),
    ),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_check_notices(name: str, tmp_path: Path) -> None:
    check, damage = BREAKAGES[name]
    sample = tmp_path / "sample"
    shutil.copytree(SAMPLE, sample)
    check(sample)
    damage(sample)
    with pytest.raises(AssertionError):
        check(sample)


def test_every_check_is_shown_to_fail() -> None:
    assert {check for check, _ in BREAKAGES.values()} == set(CHECKS)


# --- the script that makes it --------------------------------------------------------


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_sample", ROOT / "tools" / "once" / "make_sample.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_script_lists_what_is_there(script: ModuleType) -> None:
    made = {(photo.split, photo.name) for photo in script.PHOTOS}
    assert made == {(row["split"], row["original"]) for row in credits(SAMPLE)}


def test_no_photo_is_flat(script: ModuleType) -> None:
    for path in photos(SAMPLE):
        with Image.open(path) as picture:
            script.refuse_flat(path.name, picture)


def test_flat_crop_is_refused(script: ModuleType) -> None:
    ramp = np.tile(np.linspace(0, 255, 500), (375, 1)).astype(np.uint8)  # spread, no detail
    with pytest.raises(script.SampleError, match="nearly flat"):
        script.refuse_flat("ramp", Image.fromarray(ramp).convert("RGB"))


README = """Copyright: A. Author
License: CC-BY 2.0
Source: somewhere
Files:
one.webp
two.webp

Files: three.webp
License: CC-BY-NC-4.0
"""


def test_credit_is_found_by_its_whole_file_name(script: ModuleType) -> None:
    assert script.find_stanza(README, "two.webp", "README")["Copyright"] == "A. Author"
    with pytest.raises(script.SampleError, match=r"has 0 credits for wo\.webp"):
        script.find_stanza(README, "wo.webp", "README")


def test_unfree_licence_is_refused(script: ModuleType) -> None:
    licence = script.find_stanza(README, "three.webp", "README")["License"]
    with pytest.raises(script.SampleError, match="leave the photo out"):
        script.licence_name(licence, "three.webp")
    assert script.licence_name("CC-BY-2.0", "") == script.licence_name("CC-BY 2.0", "")


def test_wrong_package_is_refused(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(script.SampleError, match="found nothing"):
        script.make_sample(tmp_path, tmp_path, tmp_path / "out")
    (tmp_path / "lomiri-wallpapers-16.04_20.04.0-2_all.deb").write_bytes(b"not it")
    with pytest.raises(script.SampleError, match="its SHA-256 is"):
        script.make_sample(tmp_path, tmp_path, tmp_path / "out")


def test_failed_run_leaves_the_old_folder(script: ModuleType, tmp_path: Path) -> None:
    target = tmp_path / "sample"
    target.mkdir()
    (target / "CREDITS.csv").write_text("old")
    with pytest.raises(script.SampleError):
        script.make_sample(tmp_path, tmp_path, target)
    assert [path.name for path in tmp_path.iterdir()] == ["sample"]
    assert (target / "CREDITS.csv").read_text() == "old"


def test_folder_is_replaced_but_its_readme_stays(
    script: ModuleType, tmp_path: Path
) -> None:
    new, target = tmp_path / "work" / "sample", tmp_path / "sample"
    new.mkdir(parents=True)
    target.mkdir()
    (new / "CREDITS.csv").write_text("new")
    (target / "README.md").write_text("by hand")
    (target / "gone.jpg").write_text("")
    script.replace_folder(new, target)
    assert sorted(path.name for path in target.iterdir()) == ["CREDITS.csv", "README.md"]

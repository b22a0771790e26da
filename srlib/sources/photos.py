"""Where photos are found, which dataset they are, and how they are split.

A dataset's name stands in every record. So only what is proved by its file names is called
VOC 2007; all else has the name of its folder.
"""

from __future__ import annotations

import base64
import codecs
import csv
import hashlib
import itertools
import os
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath

import numpy as np

from srlib.sources import download, places
from srlib.sources.reading import DataError, open_photo

SUFFIXES = {".jpg", ".jpeg", ".png"}
_ENDING = r"(?i)\.(jpe?g|png)$"
#: Pictures that are not read. A folder that holds some of them says so.
OTHER_SUFFIXES = {
    *(".webp", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".jfif", ".jpe", ".gif", ".bmp"),
    *(".tif", ".tiff", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
}

#: The numbers of VOC 2007's trainval photos, from its own list: bit k is photo k.
_VOC_BITS = (
    b"1xVeZ`D?fh;Koo@7M8~JelId>e0E5d;*s+{%-C*l(=Hk$!lU_y^xEl^u@NpF5jdNW*qc)lq92Ydx>~&qd%m$"
    b"v#<3g#R}Y6o>>6m)1%}NLoUY><SLA~9Ix6_ty2>$auB)p*pf&SbS*xYVyQ!DbQ^7wXFC0o0O=$aIm<V(%&aL"
    b"M-97eXmO<>F2s>-{9@uA;a1m|tRqB(BmOYSg-xF0S>YJlt!A^KFV#w;?ad^Jh>k>0L!hO~Ov)yRER5ZWqs8M"
    b"<N`%CU9^1YW-M5E*7)ZZtN#Mwx2VRl{JUTI}^lE`pX}inp;6p}y?OqPRHjL=oy4AJQ!~Q>C5&GPAaftd2{XV"
    b"cHgYzq9RN&pfDRN!8tY&&{+7dlK01OIopO-{R50T{T%yU3{v(Ymd-A&dB4OMq2bUUsy2abCy*kQ2bZKa=sS0"
    b"b<(DGaVuoi6}Jns;X2tV$S`_sgD}2P%2bph{Rkg_u<o}(;J&cE)kT@3Ef(eArZ(;?dXDQyYIZezVdd;Gtv0a"
    b"@Nx3J!2jQ$Pof$}lG4Y2vwPxBQo?ETn##vZ>Chi0YT-YxQY~au@I1d5Hd~F`mFI>B>lk1gpOtZP|WMN4O595"
    b"&z9jne0(rmgm55e7Stp{;1QPWxp)O>8#b`iVo6#v;tbpse^G+ZTJ3Ts5*Rqt+s81f)z_}obikA-Um@yGGo9j"
    b"TI%cT_ZWsm=J9w~P!>1%~fJDN(B-NvFCVr;DjtjnXzUl-ZQeSR;F=8Q+Ql`8Qq`dNVNzLpor<q|<KgM2n$ot"
    b">Wm>Jj*5_<5S22(XlIf^Nz#ww_5_Kyv-#G=h??jCPtemX!D`sNx;?BXAv;#TZaiQhI^i3RIFk1vxkuB?~;}F"
    b"Io)0lru~O&#J5CO5?4UbA2(|;mX@IshSTf8*4HS<4b6{gjH#yu-okqj`L7h5?8G0hDHb1e?+esEotSq_$5n5"
    b"qkf10TsMxU`&zj6wDSlFR0Va222+`@;1f2JrD@$@a-QEgv>%Yc&(Rx0Xoo;cQ<RjE!bg$GiQ$|smh){IiZoT"
    b"2NYWTW|RWy;9YNH=WtZAXxRW^8bd7c%DY`bS^WAnTtCo{MiQRd7?q$Red7TjCy={o!>n+%x`uP8qm-pe+ag&"
    b"r_F(62>Xrs}fG_loUI%w%-zJig&Kib~aFjK9;8C|zK^BRQN)`bi=+Vu7OxRBwe&Dgd_D(cc!*Y<e~NbYUSyU"
    b"#01>6BfC!VxZO=Hl;<OXT!VKwVKkz(%D&yZDO^J)FV?6Zycd&)d$hc&K_WXPdVP588T}avY3$%Y{*fi%(&D~"
    b"oS8ort$3VeD1L(hn%77#1-R6!<d{glFAS0F58gB1vq`395sa#Y`vwqYgZ5@TZiaf6JPR`<=Xz&`22UuAhWMC"
    b"ksceW_4F>^I2$8uqCQh}yHlE#z{egmMMt4&oUeUs`QR|+#2t{Sne4B|<=k>c>6|Vuhl)WU>IjF;jQaEVrQq-"
    b"iIRq}^?_57sIB$5j+dk_!9ckz)tnjbdPA0s4}Vl3iE{(gk#mV^E7jmWavn4g=RPiF?Fl-T(WlvjNeE=gmsy9"
    b"-YpJ2%HlPhosIc@C^bti|M$OX*~pJ6@;j0_w>|k_kHYGe7"
)
_bits = np.unpackbits(np.frombuffer(base64.b85decode(_VOC_BITS), np.uint8))
_VOC_TRAINVAL = {f"{k:06}" for k in np.flatnonzero(_bits)}
VOC_PHOTOS = len(_VOC_TRAINVAL)


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
        A folder of photos, one with the folders ``train`` and ``val``, or one that holds
        VOC 2007 in any of its usual layouts. Where it has a list of VOC's kind,
        ``ImageSets/Main/trainval.txt``, the photos in it are taken and no others.
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
        If a named folder does not exist, cannot be read or holds too few photos, or if
        train and val share a photo.

    Examples
    --------
    >>> photos = find_photos(sample_folder())
    >>> photos.name
    'sample'
    """
    named = folder if folder is not None else os.environ.get("SRLIB_DATA") or None
    try:
        return _photos_in(Path(named).expanduser() if named is not None else _place(fetch))
    except PermissionError as error:
        raise DataError(f"{error.filename} cannot be read. Allow it to be read.") from error


def _place(fetch: bool) -> Path:
    own, mounts = places.own_data() / "voc2007", places.kaggle_inputs()
    # Kaggle mounts it at the first since 2026, at the second before.
    kaggle = (mounts / "datasets/zaraks/pascal-voc-2007", mounts / "pascal-voc-2007")
    found = next((place for place in (*kaggle, own) if _jpeg_folder(place)), None)
    if found is None and fetch:
        found = download.download_voc2007(own)
    return found or sample_folder()


def sample_folder() -> Path:
    """Return the folder of the free photos that come with the course."""
    return places.course_data() / "sample"


def list_photos(folder: Path) -> list[Path]:
    """List the photos directly in `folder`, sorted by name; hidden files do not count.

    Warns of pictures in formats that are not read.

    Raises
    ------
    DataError
        If there is no such folder, it cannot be read, or it holds no .jpg, .jpeg or .png.
    """
    files = _entries(folder)
    photos = [file for file in files if file.suffix.lower() in SUFFIXES]
    others = [file.name for file in files if file.suffix.lower() in OTHER_SUFFIXES]
    if not photos:
        what = f"{len(files)} entries, none of them a photo" if files else "nothing"
        raise DataError(
            f"{folder} holds {what}. Expected files that end in "
            f"{', '.join(sorted(SUFFIXES))}, or a folder named JPEGImages."
        )
    if others:
        warnings.warn(
            f"{folder}: {len(others)} pictures are passed over, since only JPEG and PNG "
            f"are read: {', '.join(others[:3])}{', ...' if len(others) > 3 else ''}",
            stacklevel=2,
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


# --- Folders and lists -----------------------------------------------------------------


def _entries(folder: Path) -> list[Path]:
    """List what is in a folder, sorted, without hidden files (macOS makes ``._x.jpg``)."""
    try:
        return sorted(e for e in folder.iterdir() if not e.name.startswith("."))
    except OSError as error:
        is_folder = not isinstance(error, FileNotFoundError | NotADirectoryError)
        what = f"cannot be read ({error.strerror})" if is_folder else "is not a folder"
        raise DataError(f"{folder} {what}. Name a folder that holds photos.") from error


def _jpeg_folder(root: Path) -> Path | None:
    """Find the JPEGImages of VOC 2007's trainval part in `root`, whatever the case."""
    if root.name.lower() == "jpegimages" and root.is_dir():
        return root
    steps = ["VOCtrainval_06-Nov-2007", "VOCdevkit", "VOC2007", "JPEGImages"]
    found = (_descend(root, *steps[start:]) for start in range(len(steps)))
    return next((folder for folder in found if folder), None)


def _descend(path: Path, *names: str) -> Path | None:
    """Follow `names` downwards, ignoring case: Kaggle has lower-cased some of them."""
    for name in names:
        inside = _entries(path) if path.is_dir() else []
        found = next((e for e in inside if e.name.lower() == name.lower()), None)
        if found is None:
            return None
        path = found
    return path


def _listed(folder: Path) -> set[str] | None:
    """Return the names, without endings, in the trainval list of a folder of VOC's kind."""
    for names in (["ImageSets", "Main", "trainval.txt"], ["ImageSets", "trainval.txt"]):
        listing = _descend(folder, *names)
        if listing is not None:
            content = listing.read_bytes()
            wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            text = content.decode("utf-16" if wide else "utf-8-sig", errors="replace")
            names = (PureWindowsPath(line.strip()).name for line in text.splitlines())
            return {re.sub(_ENDING, "", name) for name in names} - {""}
    return None


# --- Which dataset it is ---------------------------------------------------------------


def _photos_in(folder: Path) -> Photos:
    jpegs = _jpeg_folder(folder)
    if jpegs is None and (folder / "train").is_dir() and (folder / "val").is_dir():
        parts = [tuple(list_photos(folder / part)) for part in ("train", "val")]
        return _without_leak(Photos(_name_of(folder), folder, *parts))
    jpegs = jpegs or folder
    files = list_photos(jpegs)
    listed = _listed(jpegs.parent)
    if listed is not None:  # a folder that holds the test photos too must not lend them
        found = [file for file in files if file.stem in listed]
        if not found:
            raise DataError(
                f"{jpegs} holds {len(files)} photos, none of which is in its list "
                f"trainval.txt ({', '.join(sorted(listed)[:3]) or 'empty'}). Expected the "
                "photos' names, one a line. Correct the list or remove it."
            )
        files = found
    voc = [file for file in files if file.stem in _VOC_TRAINVAL]
    # Without a list the test photos may lie beside them. Photos numbered by someone else
    # have names of VOC's test part among them, too.
    if voc == files or len(voc) >= 0.99 * VOC_PHOTOS:
        return _split("voc2007", jpegs, voc, enlarge=True, note=_voc_note(voc))
    own = jpegs.parent if jpegs.name.lower() == "jpegimages" else jpegs
    return _without_leak(_split(_name_of(own), jpegs, files))


def _name_of(folder: Path) -> str:
    """Name a dataset after its folder, but never like one that it is not."""
    folder = folder.resolve()
    is_taken = folder.name.lower() in ("voc2007", "sample")
    is_other = is_taken and folder != sample_folder().resolve()
    return f"other-{folder.name}" if is_other else folder.name


def _voc_note(files: list[Path]) -> str:
    """Say how this copy differs from the published one: it shows in every number."""
    notes = [] if len(files) == VOC_PHOTOS else [f"{len(files)} of its {VOC_PHOTOS} photos"]
    # The published files are re-encoded once at most; a whole copy at one low quality
    # was re-encoded by whoever made it.
    quality = next(filter(None, map(_jpeg_quality, files[:5])), None)
    if quality is not None and quality < 80:
        notes.append(f"JPEG quality {quality}")
    return ", ".join(notes)


def _jpeg_quality(file: Path) -> int | None:
    """Estimate the quality setting from the luminance table.

    The reference encoder scales its table by ``200 - 2 quality`` per cent (quality 50 and
    above), and the table's mean is 57.625 at 100 %: the same rule read backwards.
    """
    try:
        tables = getattr(open_photo(file)[1], "quantization", None)
    except DataError:  # said when it is read, with all the others
        return None
    if not tables:
        return None
    scale = float(np.mean(tables[0])) / 57.625
    return round(100 - 50 * scale) if scale < 1 else round(50 / scale)


def _split(
    name: str, folder: Path, files: list[Path], *, enlarge: bool = False, note: str = ""
) -> Photos:
    """Let the first fifth validate, at most 1000: of VOC 2007 what the article took."""
    val = min(1000, len(files) // 5)
    if val == 0:
        raise DataError(
            f"{folder} holds {len(files)} photos: after the split nothing would be left "
            "to validate on. Expected at least 5."
        )
    return Photos(name, folder, tuple(files[val:]), tuple(files[:val]), enlarge, note)


def _without_leak(photos: Photos) -> Photos:
    """Refuse parts that share a file, by whatever names: only the bytes count."""
    by_size = defaultdict(list)
    for file in (*photos.val, *photos.train):
        with suppress(OSError):  # said when it is read
            by_size[file.stat().st_size * file.is_file()].append(file)
    by_size.pop(0, None)
    train, twins = set(photos.train), {}
    for file in itertools.chain(*(group for group in by_size.values() if len(group) > 1)):
        with suppress(OSError):
            twin = twins.setdefault(hashlib.sha256(file.read_bytes()).digest(), file)
            if file in train and twin not in train:
                raise DataError(
                    f"{photos.name}: train and val share a photo: {file} is the same as "
                    f"{twin}. No network may be judged by what it learnt from. Remove one."
                )
    return photos

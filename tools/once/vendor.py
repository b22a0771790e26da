"""Bring other people's scripts into the repository, verified: the book asks no third party.

    python -m tools.once.vendor mathjax      _vendor/mathjax: formulas
    python -m tools.once.vendor tfjs         _vendor/tfjs: what the page "Try it" runs on
    python -m tools.once.vendor axe          tests/browser/axe: only the tests load it

Once for a new version; it needs npm. The book ships _vendor as it is (`html_extra_path`
and `mathjax_path` in _config.yml). Why TensorFlow.js: tools/README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Package(NamedTuple):
    """A package of npm, and what is kept of it.

    Attributes
    ----------
    name, sha256
        With its version, and of the packed file.
    within
        The folder in the package that everything kept is in; it is left out here.
    wanted
        Files and folders (with a slash) within that.
    """

    name: str
    sha256: str
    within: str
    wanted: tuple[str, ...]


#: By what it is: where it goes, and what that is made of.
VENDORED = {
    # One bundle (TeX in, HTML out) and the fonts it loads: 1.6 of the package's 24 MB.
    "mathjax": (
        ROOT / "_vendor" / "mathjax",
        Package(
            "mathjax@3.2.2",
            "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09",
            "",
            ("LICENSE", "es5/tex-mml-chtml.js", "es5/output/chtml/fonts/woff-v2/"),
        ),
    ),
    # The core, without layers, converters or other backends; and one backend, in its form
    # for processors with SIMD (every browser since 2021) and in the plain one.
    "tfjs": (
        ROOT / "_vendor" / "tfjs",
        Package(
            "@tensorflow/tfjs-core@4.22.0",
            "e8f8aa285ad0237b901e7d79995a1450993cf11fb1b3cc02f09de167fdaf9496",
            "dist/",
            ("tf-core.es2017.min.js",),
        ),
        Package(
            "@tensorflow/tfjs-backend-wasm@4.22.0",
            "5cd6f5e18657c12fb94f4ec3dcef485c8c1a9ca39f3ef1d261c1cb13c1a231c3",
            "dist/",
            (
                "tf-backend-wasm.es2017.min.js",
                "tfjs-backend-wasm-simd.wasm",
                "tfjs-backend-wasm.wasm",
            ),
        ),
    ),
    "axe": (
        ROOT / "tests" / "browser" / "axe",
        Package(
            "axe-core@4.10.3",
            "0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292",
            "",
            ("LICENSE", "LICENSE-3RD-PARTY.txt", "axe.min.js"),
        ),
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Fetch, verify, unpack, and write the checksums of what was kept."""
    parser = argparse.ArgumentParser(description="Bring others' scripts, verified.")
    parser.add_argument("what", nargs="+", choices=VENDORED)
    for what in parser.parse_args(arguments).what:
        folder, *packages = VENDORED[what]
        with tempfile.TemporaryDirectory() as temporary:
            archives = [fetch(package, Path(temporary)) for package in packages]
            shutil.rmtree(folder, ignore_errors=True)
            for package, archive in zip(packages, archives, strict=True):
                unpack(archive, package, folder)
        if not (folder / "LICENSE").exists():
            # TensorFlow.js names its licence, Apache 2.0, without its text, which ours has.
            shutil.copy(ROOT / "LICENSE", folder / "LICENSE")
        (folder / "SHA256SUMS").write_text(checksums(folder), encoding="utf-8")
        print(f"{', '.join(package.name for package in packages)}: in {folder}")


def fetch(package: Package, folder: Path) -> Path:
    """Let npm fetch a package, and refuse it if it is not the one we know."""
    command = ["npm", "pack", "--silent", package.name]
    packed = subprocess.run(command, cwd=folder, check=True, text=True, capture_output=True)
    archive = folder / packed.stdout.strip()
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        raise SystemExit(
            f"{package.name}: the SHA-256 is {found}, expected {package.sha256}"
        )
    return archive


def unpack(archive: Path, package: Package, folder: Path) -> None:
    """Write what is wanted; in the archive all is below ``package/``."""
    folders = tuple(name for name in package.wanted if name.endswith("/"))
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            name = member.name.removeprefix(f"package/{package.within}")
            if member.isfile() and (name in package.wanted or name.startswith(folders)):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(tar.extractfile(member).read())


def checksums(folder: Path) -> str:
    """Make SHA256SUMS; ``sha256sum -c SHA256SUMS`` in that folder checks it."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  "
        f"{path.relative_to(folder).as_posix()}\n"
        for path in files
        if path.name != "SHA256SUMS"
    )


if __name__ == "__main__":
    main()

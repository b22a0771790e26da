"""Put MathJax into _vendor/mathjax, so that a page needs no third party to show a formula.

Run it once for a new version: ``python tools/vendor_mathjax.py`` (it needs npm). The book
ships the folder as it is: see ``html_extra_path`` and ``mathjax_path`` in _config.yml.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[1] / "_vendor"

PACKAGE = "mathjax@3.2.2"
SHA256 = "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09"
FOLDER = VENDOR / "mathjax"

# One bundle (TeX in, HTML out) and the fonts it loads: 1.6 of the package's 24 MB.
WANTED = ("LICENSE", "es5/tex-mml-chtml.js", "es5/output/chtml/fonts/woff-v2/")


def main() -> None:
    """Fetch, verify, unpack, and write the checksums of what was kept."""
    with tempfile.TemporaryDirectory() as temporary:
        archive = fetch(PACKAGE, SHA256, Path(temporary))
        shutil.rmtree(FOLDER, ignore_errors=True)
        unpack(archive, WANTED, FOLDER)
    write_checksums(FOLDER)
    print(f"{PACKAGE} is in {FOLDER}")


def fetch(package: str, digest: str, folder: Path) -> Path:
    """Let npm fetch a package, and refuse it if it is not the one we know."""
    command = ["npm", "pack", "--silent", package]
    packed = subprocess.run(command, cwd=folder, check=True, text=True, capture_output=True)
    archive = folder / packed.stdout.strip()
    found = sha256(archive)
    if found != digest:
        raise SystemExit(f"{package}: the SHA-256 is {found}, expected {digest}")
    return archive


def unpack(archive: Path, wanted: tuple[str, ...], folder: Path) -> None:
    """Write the wanted files and folders; in the archive all is below ``package/``."""
    folders = tuple(name for name in wanted if name.endswith("/"))
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            name = member.name.removeprefix("package/")
            if member.isfile() and (name in wanted or name.startswith(folders)):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(tar.extractfile(member).read())


def write_checksums(folder: Path) -> None:
    """Write SHA256SUMS; ``sha256sum -c SHA256SUMS`` in that folder checks it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def sha256(path: Path) -> str:
    """Hash a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()

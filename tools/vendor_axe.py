"""Put axe-core into tests/browser/axe: it finds what keeps people out of a page.

Run it once for a new version: ``python tools/vendor_axe.py`` (it needs npm). Only the
tests load it; it is no part of the book.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for `python tools/vendor_axe.py`

from tools import vendor_mathjax as vendor  # noqa: E402

FOLDER = ROOT / "tests" / "browser" / "axe"
PACKAGE = "axe-core@4.10.3"
SHA256 = "0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292"
WANTED = ("LICENSE", "LICENSE-3RD-PARTY.txt", "axe.min.js")


def main() -> None:
    """Fetch, verify, unpack, and write the checksums of what was kept."""
    with tempfile.TemporaryDirectory() as temporary:
        archive = vendor.fetch(PACKAGE, SHA256, Path(temporary))
        shutil.rmtree(FOLDER, ignore_errors=True)
        vendor.unpack(archive, WANTED, FOLDER)
    vendor.write_checksums(FOLDER)
    print(f"{PACKAGE} is in {FOLDER}")


if __name__ == "__main__":
    main()

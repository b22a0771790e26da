"""Put TensorFlow.js into _vendor/tfjs: what the page "Try it" computes with.

Run it once for a new version: ``python tools/vendor_tfjs.py`` (it needs npm). The page
loads it when the reader starts the networks, no other page does. Why this one: see
tools/measure_runtimes.py.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for `python tools/vendor_tfjs.py`

from tools import vendor_mathjax as vendor  # noqa: E402

FOLDER = vendor.VENDOR / "tfjs"
VERSION = "4.22.0"

# The core, without layers, converters or other backends; and one backend, in its form for
# processors with SIMD (every browser since 2021) and in the plain one.
PACKAGES = {
    f"@tensorflow/tfjs-core@{VERSION}": (
        "e8f8aa285ad0237b901e7d79995a1450993cf11fb1b3cc02f09de167fdaf9496",
        ("dist/tf-core.es2017.min.js",),
    ),
    f"@tensorflow/tfjs-backend-wasm@{VERSION}": (
        "5cd6f5e18657c12fb94f4ec3dcef485c8c1a9ca39f3ef1d261c1cb13c1a231c3",
        (
            "dist/tf-backend-wasm.es2017.min.js",
            "dist/tfjs-backend-wasm-simd.wasm",
            "dist/tfjs-backend-wasm.wasm",
        ),
    ),
}


def main() -> None:
    """Fetch, verify, unpack, and write the checksums of what was kept."""
    with tempfile.TemporaryDirectory() as temporary:
        archives = {
            vendor.fetch(package, digest, Path(temporary)): wanted
            for package, (digest, wanted) in PACKAGES.items()
        }
        shutil.rmtree(FOLDER, ignore_errors=True)
        for archive, wanted in archives.items():
            vendor.unpack(archive, wanted, FOLDER)
    for path in (FOLDER / "dist").iterdir():
        path.rename(FOLDER / path.name)
    (FOLDER / "dist").rmdir()
    # The packages name their licence, Apache 2.0, without its text, which ours has.
    shutil.copy(ROOT / "LICENSE", FOLDER / "LICENSE")
    vendor.write_checksums(FOLDER)
    print(f"TensorFlow.js {VERSION} is in {FOLDER}")


if __name__ == "__main__":
    main()

"""Write the photo of the ceiling by hand (chapter 3) as a script that holds its pixels.

    python -m tools.once.make_ceiling_photo

A page that was opened from a folder may show a picture beside it, but not read its pixels.
What a script brings along it may. The photo is chapter 3's, in the public domain (CC0).
"""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from srlib import data

ROOT = Path(__file__).resolve().parents[2]

#: Not .js: Jupyter Book puts every .js into every page.
TARGET = ROOT / "_static" / "live" / "ceiling-photo.mjs"
PHOTO = data.sample_folder() / "val" / "lemurs-01.jpg"


def main() -> None:
    """Shrink the photo by the article's recipe and write its x4 target, lossless."""
    target = data.make_pair(data.read_photo(PHOTO)).x4
    png = io.BytesIO()
    Image.fromarray(target).save(png, "PNG", optimize=True)
    text = base64.b64encode(png.getvalue()).decode()
    TARGET.write_text(f'window.ceilingPhoto = "data:image/png;base64,{text}";\n')


if __name__ == "__main__":
    main()

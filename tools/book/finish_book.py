"""Finish the built pages: make them light, and mend what the theme leaves to be mended.

- The theme fetches 1.5 MB of JavaScript to draw a dozen icons. They are drawn here, once,
  into the pages, from the same file.
- Figures are stored a second time as AVIF or WebP, a third of the size, for the browsers
  that can read them (all since 2023). The others take the picture that is there.
- A table's empty corner is no header, and the bar on the left is a region with a name:
  screen readers announce both.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import PIL.Image

ICON = re.compile(r'<i(\s[^>]*?)class="([^"]*\bfa-[\w-]+[^"]*)"([^>]*)>\s*</i>')
ICON_SCRIPT = re.compile(r"<script[^>]*/fontawesome\.js[^>]*></script>\s*")
DRAWING = r'"?(?<![\w-]){name}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]'
ALIAS = r'"?[\w-]+"?:\[(\d+),(\d+),\[[^\]]*"{name}"[^\]]*\],"[0-9a-f]+","([^"]+)"\]'
BRANDS = {"fab", "fa-brands"}
MODIFIERS = {"fa-solid", "fa-brands", "fa-regular", "fa-lg", "fa-fw", "fa-xs", "fa-sm"}

FIGURE = re.compile(r'<img\s[^>]*?src="([^"]*_images/[^"]+\.(?:jpe?g|png))"[^>]*?/?>')
EMPTY_HEADER = re.compile(r"<th\b([^>]*)>\s*(?:<p>\s*</p>)?\s*</th>")
SIDEBAR = '<div id="pst-primary-sidebar"'
LEAST_BYTES = 8_000
SVG_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
AVIF_QUALITY = 52  # without colour subsampling: some 37.6 dB from the figure as it is


def finish(folder: Path) -> None:
    """Rewrite the pages in a folder of the built book."""
    script = folder / "_static" / "scripts" / "fontawesome.js"
    icons = script.read_text(encoding="utf-8")
    figures = sorted((folder / "_images").glob("*.*"))
    with ThreadPoolExecutor(max_workers=2) as pool:
        small = dict(zip((f.name for f in figures), pool.map(shrink, figures), strict=True))
    for page in sorted(folder.rglob("*.html")):
        if "_static" in page.relative_to(folder).parts:
            continue
        old = page.read_text(encoding="utf-8")
        new = ICON_SCRIPT.sub("", old)
        new = ICON.sub(lambda found: drawn(icons, found), new)
        new = FIGURE.sub(lambda found: with_small(found, small), new)
        new = EMPTY_HEADER.sub(r"<td\1></td>", new)
        new = new.replace(SIDEBAR, f'{SIDEBAR} role="region" aria-label="The book"')
        if new != old:
            page.write_text(new, encoding="utf-8")


# --- Icons --------------------------------------------------------------------------------


def drawn(icons: str, found: re.Match) -> str:
    """Return the SVG of an icon in the place of its element."""
    before, classes, after = found.groups()
    names = classes.split()
    name = next(c for c in names if c.startswith("fa-") and c not in MODIFIERS)
    brand = bool(BRANDS & {*names})
    width, height, path = drawing(icons, name.removeprefix("fa-"), brand)
    hidden = "" if "aria-hidden" in found[0] else ' aria-hidden="true"'
    return (
        f'<svg{before}class="svg-inline--fa {classes}"{after}{hidden} '
        f'viewBox="0 0 {width} {height}"><path fill="currentColor" d="{path}"/></svg>'
    )


@cache
def drawing(icons: str, name: str, brand: bool) -> tuple[str, str, str]:
    """Find an icon's width, height and path: brands stand first in the file, solid last."""
    for pattern in (DRAWING, ALIAS):
        found = re.findall(pattern.format(name=re.escape(name)), icons)
        if found:
            return found[0 if brand else -1]
    raise ValueError(f"the theme has no icon {name!r}")


# --- Figures ------------------------------------------------------------------------------


def shrink(path: Path) -> Path | None:
    """Store a figure anew beside itself; return the file, or None if it is no smaller.

    A drawing loses what nobody sees, in its place: comments, and the ends of lines.
    """
    if path.suffix == ".svg":
        drawing = SVG_COMMENT.sub("", path.read_text(encoding="utf-8"))
        path.write_text(re.sub(r"\s+", " ", drawing), encoding="utf-8")
        return None
    if path.suffix not in {".jpg", ".jpeg", ".png"} or path.stat().st_size < LEAST_BYTES:
        return None
    picture = PIL.Image.open(path)
    if path.suffix == ".png":
        target = path.with_suffix(".webp")
        picture.convert("RGBA").save(target, "WEBP", lossless=True, method=4)
    else:
        target = path.with_suffix(".avif")
        options = {"quality": AVIF_QUALITY, "subsampling": "4:4:4", "speed": 6}
        picture.convert("RGB").save(target, "AVIF", **options)
    if target.stat().st_size < path.stat().st_size:
        return target
    target.unlink()
    return None


def with_small(found: re.Match, small: dict[str, Path | None]) -> str:
    """Offer the small file of a figure to the browsers that can read it."""
    address = found[1]
    name = address.rsplit("/", 1)[-1]
    chosen = small.get(name)
    if chosen is None:
        return found[0]
    kind, source = chosen.suffix[1:], address.removesuffix(name) + chosen.name
    return f'<picture><source type="image/{kind}" srcset="{source}" />{found[0]}</picture>'

"""Print the whole book into one PDF, with Chromium: ``make pdf``.

The book is built anew, and the texts of its pages are put one after another into one page,
without what is for the screen alone. Chromium prints it twice, with page numbers and an
outline: only the first print tells on which page a chapter begins, which the table of
contents of the second says. All runs on this machine, and nothing is fetched.
"""

from __future__ import annotations

import html
import posixpath
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag
from playwright.sync_api import Browser, sync_playwright
from sphinx_external_toc.parsing import parse_toc_yaml

from tools.book import build_book

ROOT = Path(__file__).resolve().parents[2]

TARGET = ROOT / "_build" / "five-models-and-a-ceiling.pdf"
NAMES = ("chromium", "chromium-browser", "google-chrome")
FOOTER = """<div style="width: 100%; font-size: 8px; text-align: center; color: #555;">
<span class="pageNumber"></span></div>"""

# What is folded is unfolded; all pictures and formulas are there. Links to files of this
# machine, such as the pictures', lead nowhere on another.
READY = """async () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  const here = location.href.split("#")[0];
  for (const link of document.querySelectorAll("a[href]")) {
    const [target] = link.href.split("#");
    if (link.protocol === "file:" && target !== here) link.removeAttribute("href");
  }
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  if (window.MathJax?.startup) await window.MathJax.startup.promise;
  await document.fonts.ready;
}"""

# In the file: a page, by the number of its object, and a place with a name on such a page.
PDF_PAGE = re.compile(rb"(\d+) 0 obj\s*<<\s*/Type\s*/Page\b")
PDF_PLACE = re.compile(rb"/(?!Dest\b)([^\s/\[]+)\s*\[(\d+) 0 R\s*/XYZ")


def main() -> int:
    """Build the book, make one page of it, print that; return the exit code."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        print(f"make pdf needs a browser, one of: {', '.join(NAMES)}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        if code := build_book.build(Path(folder)):
            return code
        book = Path(folder) / "_build" / "html"
        TARGET.parent.mkdir(exist_ok=True)
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=browser, args=["--no-sandbox", "--disable-gpu"]
            )
            print_book(chromium, book, TARGET)
            chromium.close()
    print(f"\nThe book is in {TARGET.relative_to(ROOT)}")
    return 0


# --- One page of all ----------------------------------------------------------------------


def one_page(book: Path, numbers: Mapping[str, int] = MappingProxyType({})) -> str:
    """Put the texts of all pages of a built book one after another.

    Every name of a place gets the name of its page before it: chapters have sections of
    the same name. The table of contents gives the numbers of the pages by these names.
    """
    head, texts = [], []
    for name in parse_toc_yaml(ROOT / "_toc.yml"):
        source = (book / f"{name}.html").read_text(encoding="utf-8")
        page = BeautifulSoup(source, "html.parser")
        for tag in page.head.find_all(["link", "script"]):
            needed = "stylesheet" in tag.get("rel", []) or "mathjax" in str(tag).lower()
            move(tag, name)
            if needed and str(tag) not in head:
                head.append(str(tag))
        texts.append(text_of(page, name))
    first, *others = map(str, texts)
    return (
        '<!DOCTYPE html>\n<html lang="en" data-theme="light" class="book">\n<head>'
        f'<meta charset="utf-8">\n<title>{texts[0].h1.get_text()}</title>\n'
        f'{"".join(head)}\n</head>\n<body><div class="bd-article-container">\n'
        f"{first}{contents(texts, numbers)}{''.join(others)}</div></body>\n</html>\n"
    )


def text_of(page: BeautifulSoup, name: str) -> Tag:
    """Take the text out of a page, its places renamed, and its links to other texts."""
    text = page.find("article", class_="bd-article")
    for tag in text.find_all(["script", "source"]) + text.select("a.headerlink"):
        tag.decompose()
    for tag in [text, *text.find_all(True)]:
        if tag.get("id"):
            tag["id"] = place(name, tag["id"])
        move(tag, name)
    text["id"] = place(name)
    return text


def contents(texts: list[Tag], numbers: Mapping[str, int]) -> str:
    """List the chapters and their sections, with the numbers of their pages."""

    def line(heading: Tag) -> str:
        anchor = heading.find_parent(id=True)["id"]
        number = numbers.get(anchor, "000")
        title = html.escape(heading.get_text())
        return f'<a href="#{anchor}"><span>{title}</span><span>{number}</span></a>'

    lines = []
    for text in texts[1:]:
        sections = "".join(f"<li>{line(heading)}</li>" for heading in text.find_all("h2"))
        lines.append(f"<li>{line(text.h1)}<ul>{sections}</ul></li>")
    return f'<nav class="bd-article"><h1>Contents</h1><ul>{"".join(lines)}</ul></nav>'


def move(tag: Tag, name: str) -> None:
    """Change the addresses of a tag from those of its page to those of the one page."""
    for key in ("href", "src"):
        address = tag.get(key)
        parts = urlsplit(address or "")
        if not address or parts.scheme or parts.netloc:
            continue
        path = posixpath.normpath(
            posixpath.join(posixpath.dirname(name), unquote(parts.path))
        )
        if not parts.path or path.endswith(".html"):
            page = path.removesuffix(".html") if parts.path else name
            tag[key] = "#" + place(page, unquote(parts.fragment))
        else:
            tag[key] = path


def place(name: str, anchor: str = "") -> str:
    """Name a place of a page in the one page."""
    return f"{posixpath.basename(name)}.{anchor}" if anchor else posixpath.basename(name)


# --- Printing -----------------------------------------------------------------------------


def print_book(chromium: Browser, book: Path, target: Path) -> None:
    """Print a built book, at last with the numbers of its pages."""
    page, numbers = book / "book.html", {}
    for _ in range(2):
        page.write_text(one_page(book, numbers), encoding="utf-8")
        print_page(chromium, page, target)
        numbers = page_numbers(target.read_bytes())
    page.unlink()


def page_numbers(pdf: bytes) -> dict[str, int]:
    """Find on which page of a PDF of Chromium each place is that a link leads to."""
    pages = {found[1]: number for number, found in enumerate(PDF_PAGE.finditer(pdf), 1)}
    return {
        found[1].decode(): pages[found[2]]
        for found in PDF_PLACE.finditer(pdf)
        if found[2] in pages
    }


def print_page(chromium: Browser, page: Path, target: Path) -> None:
    """Print a page of this machine into a file, whole or not at all."""
    part = target.with_suffix(".part")
    opened = chromium.new_page(color_scheme="light", reduced_motion="reduce")
    opened.set_default_timeout(300_000)
    opened.goto(page.as_uri(), wait_until="load")
    opened.emulate_media(media="print", color_scheme="light")
    opened.evaluate(READY)
    opened.pdf(
        path=part,
        format="A4",
        margin={"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
        print_background=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOTER,
        outline=True,
        tagged=True,
    )
    opened.close()
    part.replace(target)


if __name__ == "__main__":
    sys.exit(main())

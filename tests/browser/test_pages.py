"""Every page of the book loads alone, fits a phone, is light, and leads somewhere."""

from __future__ import annotations

import statistics
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from browser.pages import ADDED, CHAPTERS, DESKTOP, PAGES, PHONE, scroll_to_the_end

MEGABYTE = 1_000_000
LIVE = "chapters/try.html"

# Elements that stick out of the page on the right, but for those in a box that scrolls.
STICKING_OUT = """() => {
    const scrolls = (element) => {
        for (let at = element; at && at !== document.body; at = at.parentElement) {
            if (/auto|scroll/.test(getComputedStyle(at).overflowX)) return true;
        }
        return false;
    };
    return [...document.querySelectorAll("body *")]
        .filter((e) => e.checkVisibility({visibilityProperty: true, opacityProperty: true}))
        .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
        .filter((e) => e.getBoundingClientRect().left < innerWidth)
        .filter((e) => !scrolls(e) && !e.closest("svg, mjx-assistive-mml, dialog"))
        .map((e) => `${e.tagName} ${e.className}`);
}"""
CUT_OFF = """() => [...document.querySelectorAll(".pst-scrollable-table-container")]
    .filter((box) => box.scrollWidth > box.clientWidth)
    .map((box) => box.innerText.slice(0, 80))"""
TORN = "() => [...document.images].filter((i) => !i.naturalWidth).map((i) => i.src)"


class Page(HTMLParser):
    """The addresses that a page refers to, and the anchors that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.addresses: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors.update(values[key] for key in ("id", "name") if values.get(key))
        self.addresses.update(values[key] for key in ("href", "src") if values.get(key))
        for part in (values.get("srcset") or "").split(","):
            self.addresses.update(part.split()[:1])


def broken_links(book: Path) -> list[str]:
    own = (path for path in book.rglob("*.html") if "_static" not in path.parts)
    pages = {path.resolve(): Page(path) for path in own}
    broken = []
    for path, page in pages.items():
        for address in page.addresses:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            base = book if parts.path.startswith("/") else path.parent
            target = (base / unquote(parts.path).lstrip("/")) if parts.path else path
            target = target.resolve()
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment)
            if not target.is_file() or (
                anchor and target in pages and anchor not in pages[target].anchors
            ):
                broken.append(f"{path.relative_to(book.resolve())} -> {address}")
    return sorted(broken)


def test_every_page_of_the_table_of_contents_is_built(book):
    assert [address for address in [*PAGES, *ADDED] if not (book / address).is_file()] == []


def test_every_internal_link_and_anchor_resolves(book):
    assert broken_links(book) == []


@pytest.mark.parametrize("broken", ["b.html", "a.html#c", "#c", "x/"])
def test_a_broken_link_is_noticed(tmp_path, broken):
    (tmp_path / "a.html").write_text(f'<p id="here"><a href="{broken}">a</a>')
    assert broken_links(tmp_path) == [f"a.html -> {broken}"]


def test_a_page_loads_alone_and_fits_every_screen(visit, address):
    """To its end: no error, no other host (`visit`), no torn picture, nothing too wide."""
    page = visit(address)
    scroll_to_the_end(page)
    for width in (DESKTOP, 768, PHONE):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(STICKING_OUT) == [], width
        assert width < DESKTOP or page.evaluate(CUT_OFF) == []
    assert page.evaluate(TORN) == []


def test_a_page_works_from_a_folder(visit, address, book):
    if address == LIVE:
        pytest.skip("the live page needs a server, and says so (test_live.py)")
    page = visit((book / address).as_uri())
    assert page.title()
    assert page.evaluate(TORN) == []


def test_an_unknown_address_leads_back(visit, site):
    page = visit("no/such/page.html", errors=False)
    page.click("main a")
    page.wait_for_selector("article h1")
    assert page.url.startswith(site)


def test_the_pages_are_light(browser, site):
    weights = {
        address: weight(browser, f"{site}/{address}")
        for address in PAGES
        if address != LIVE
    }
    chapters = [weights[address] for address in CHAPTERS]
    table = "\n".join(
        f"{size / MEGABYTE:6.2f} MB  {page}" for page, size in weights.items()
    )
    print(table)
    assert max(weights.values()) <= 3 * MEGABYTE, table
    assert statistics.median(chapters) <= MEGABYTE, table


def weight(browser, address: str) -> int:
    """Count the bytes that a first visit to a page fetches, headers too."""
    page = browser.new_page(viewport={"width": DESKTOP, "height": 800})
    devtools = page.context.new_cdp_session(page)
    sizes: list[int] = []
    devtools.on("Network.loadingFinished", lambda e: sizes.append(e["encodedDataLength"]))
    devtools.send("Network.enable")
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.context.close()
    return sum(sizes)

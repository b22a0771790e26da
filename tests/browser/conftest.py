"""The built book in a real browser: it is built once, and served from this machine.

Chromium is Debian's (``apt-get install chromium``), driven by Playwright. Without it these
tests are skipped, but not where CI is set: there its absence is a failure.
"""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from browser.pages import ADDED, DESKTOP, PAGES, watch
from tools.book import build_book

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these tests out of `make check`: together they take minutes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for `address` every page of the book."""
    if "address" in metafunc.fixturenames:
        metafunc.parametrize("address", [*PAGES, *ADDED])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing = f"no browser: none of {', '.join(NAMES)} is installed"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield started
        started.close()


@pytest.fixture(scope="session")
def book(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the book: built here, or the one that SRLIB_BOOK names."""
    if built := os.environ.get("SRLIB_BOOK"):
        return Path(built).resolve()
    folder = tmp_path_factory.mktemp("book")
    assert build_book.build(folder) == 0
    return folder / "_build" / "html"


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder as static hosts do: text is compressed, what is missing is 404."""

    protocol_version = "HTTP/1.1"
    extensions_map = {  # noqa: RUF012  (the base class has it so)
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".webp": "image/webp",
        ".woff2": "font/woff2",
    }

    def do_GET(self) -> None:
        """Answer with the whole file."""
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        found = path.is_file()
        path = path if found else Path(self.directory) / "404.html"
        body = path.read_bytes() if path.is_file() else b""
        kind = self.guess_type(str(path))
        self.send_response(200 if found else 404)
        if kind.startswith("text/") or kind.endswith(("javascript", "json", "xml", "wasm")):
            body = gzip.compress(body, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def site(book: Path) -> Iterator[str]:
    """The address of the book, served on this machine, without a slash at its end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(book)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page; at the end nothing may have gone wrong on it.

    Wrong is an error on the console, a script that fails, a file that does not come, and a
    request to anywhere but the site.
    """
    problems: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(
        address: str,
        width: int = DESKTOP,
        scheme: str = "light",
        *,
        errors: bool = True,
        **more,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, **more
        )
        contexts.append(context)
        page = context.new_page()
        watch(page, site, problems, errors=errors)
        page.goto(address if ":" in address else f"{site}/{address}")
        page.wait_for_load_state("load")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []

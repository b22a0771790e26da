"""Which pages the book has, what goes wrong on them, and how a reader scrolls."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Page
from sphinx_external_toc.parsing import parse_toc_yaml

from tools.book import build_book

PAGES = [f"{page}.html" for page in parse_toc_yaml(build_book.ROOT / "_toc.yml")]
CHAPTERS = [page for page in PAGES if page.removeprefix("chapters/")[:2].isdigit()]
#: Pages beside those of the table of contents.
ADDED = ["404.html", "search.html"]
DESKTOP, PHONE = 1280, 360


def watch(page: Page, site: str, problems: list[str], *, errors: bool = True) -> None:
    """Write down whatever goes wrong on a page; a failed answer only if `errors`."""
    home = urlsplit(site).netloc

    def on_request(request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob", "file"} and parts.netloc != home:
            problems.append(f"asks {request.url}")

    def on_console(message) -> None:
        if errors and message.type == "error":
            problems.append(f"console: {message.text}")

    def on_response(response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            problems.append(f"{response.status}: {response.url}")

    page.on("request", on_request)
    page.on("console", on_console)
    page.on("response", on_response)
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))


def scroll_to_the_end(page: Page) -> None:
    """Scroll through a page as a reader does, so that all lazy pictures come."""
    page.evaluate(
        """async () => {
            for (let y = 0; y < document.body.scrollHeight; y += 0.9 * innerHeight) {
                scrollTo({top: y, behavior: "instant"});
                await new Promise(requestAnimationFrame);
                await new Promise(requestAnimationFrame);
            }
            await Promise.all([...document.images].map(
                (image) => image.complete || image.decode().catch(() => {})));
        }"""
    )
    page.wait_for_load_state("networkidle")

"""Print the whole book into one PDF, with Chromium: ``make pdf``.

Sphinx makes one page of all chapters, so that links between them work in the PDF, too.
Chromium prints it with page numbers and an outline. Both run on this machine, and nothing
is fetched.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
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


def main() -> int:
    """Build one page, print it; return the exit code."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        print(f"make pdf needs a browser, one of: {', '.join(NAMES)}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        command = [Path(sys.executable).with_name("jupyter-book"), "build", "-q"]
        command += ["--builder", "singlehtml", "--path-output", folder, ROOT]
        if code := subprocess.run(command, cwd=ROOT).returncode:
            return code
        page = one_page(Path(folder) / "_build" / "singlehtml")
        TARGET.parent.mkdir(exist_ok=True)
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=browser, args=["--no-sandbox", "--disable-gpu"]
            )
            print_page(chromium, page, TARGET)
            chromium.close()
    print(f"\nThe book is in {TARGET.relative_to(ROOT)}")
    return 0


def one_page(folder: Path) -> Path:
    """Find the page that holds all chapters: the largest."""
    return max(folder.rglob("*.html"), key=lambda path: path.stat().st_size)


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

"""A page is printed whole: folded parts too, on pages with an outline."""

from __future__ import annotations

import re

from tools import make_pdf

PAGE = """<!DOCTYPE html><html lang="en"><title>A book</title>
<h1>One</h1><p style="break-after: page">
<a href="a.png">A picture</a>, <a href="#two">below</a>, <a href="https://example.org/">there</a>.
<h1 id="two">Two</h1><details><summary>More</summary>
<p style="break-before: page">What was folded.</p></details></html>"""


def test_a_page_becomes_a_pdf_with_an_outline_and_what_is_folded(browser, tmp_path):
    page, target = tmp_path / "page.html", tmp_path / "book.pdf"
    page.write_text(PAGE, encoding="utf-8")
    make_pdf.print_page(browser, page, target)
    written = target.read_bytes()
    assert written.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", written)) == 3
    assert b"/Outlines" in written
    assert re.findall(rb"/URI \((.*?)\)", written) == [b"https://example.org/"]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []

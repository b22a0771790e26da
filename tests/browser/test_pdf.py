"""The book is printed whole: folded parts too, on pages with an outline and numbers."""

from __future__ import annotations

import re
from collections import Counter

from bs4 import BeautifulSoup

from browser.pages import CHAPTERS
from tools.book import make_pdf

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


def test_a_place_that_a_link_leads_to_has_the_number_of_its_page(browser, tmp_path):
    page, target = tmp_path / "page.html", tmp_path / "book.pdf"
    page.write_text(PAGE, encoding="utf-8")
    make_pdf.print_page(browser, page, target)
    assert make_pdf.page_numbers(target.read_bytes()) == {"two": 2}


def test_the_pages_become_one_whose_links_and_pictures_are_there(book):
    page = BeautifulSoup(make_pdf.one_page(book), "html.parser")
    names = Counter(tag["id"] for tag in page.find_all(id=True))
    assert [name for name, count in names.items() if count > 1] == []
    links = {tag["href"] for tag in page.find_all("a", href=re.compile("^#"))}
    assert len(links) > 200
    assert [link for link in links if link[1:] not in names] == []
    files = {tag["src"] for tag in page.find_all(src=True)}
    files |= {tag["href"] for tag in page.find_all("link", rel="stylesheet")}
    assert len(files) > 50
    assert [name for name in files if not (book / name.partition("?")[0]).is_file()] == []


def test_the_book_is_printed_with_formulas_pictures_and_a_table_of_contents(
    browser, book, tmp_path
):
    target = tmp_path / "book.pdf"
    make_pdf.print_book(browser, book, target)
    assert not (book / "book.html").exists()
    written = target.read_bytes()
    assert b"MathJax_Main" in written
    assert written.count(b"/DCTDecode") > 25
    numbers = make_pdf.page_numbers(written)
    chapters = [numbers[make_pdf.place(name.removesuffix(".html"))] for name in CHAPTERS]
    assert chapters == sorted(set(chapters))
    assert chapters[-1] > 100

"""What the book has beyond Jupyter Book: addresses, cards, redirects, light pages."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from docutils import nodes
from PIL import Image
from sphinx_external_toc.parsing import parse_toc_yaml

from tools.book import book_extension, build_book, finish_book

HOME = "https://github.com/someone/course"


@pytest.mark.parametrize(
    "address",
    [
        HOME,
        f"{HOME}.git",
        f"{HOME}/",
        "git@github.com:someone/course.git",
        "ssh://git@github.com/someone/course",
        "https://someone:secret@github.com/someone/course.git",
    ],
)
def test_the_repository_is_found_however_it_is_written(address):
    assert book_extension.repository({"BOOK_REPOSITORY": address}) == HOME


@pytest.mark.parametrize("address", ["", "/a/folder", "https://example.org/a/b", "../x"])
def test_what_is_no_public_repository_is_none(address):
    assert book_extension.repository({"BOOK_REPOSITORY": address}) == ""


def test_without_a_name_the_repository_is_gits_remote(tmp_path):
    assert book_extension.repository({}, tmp_path) == ""
    for command in (["init", "-q"], ["remote", "add", "origin", f"{HOME}.git"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    assert book_extension.repository({}, tmp_path) == HOME


def test_the_books_address_ends_with_a_slash_and_a_slip_is_named():
    assert book_extension.book_url({"BOOK_URL": "https://example.org/a"}).endswith("/a/")
    assert book_extension.book_url({}) == ""
    with pytest.raises(ValueError, match="expected such as"):
        book_extension.book_url({"BOOK_URL": "example.org"})


def buttons(address, monkeypatch):
    """The theme's options, and the buttons of a chapter, for a repository."""
    monkeypatch.setenv("BOOK_REPOSITORY", address)
    config = SimpleNamespace(html_theme_options={"launch_buttons": {"thebe": False}})
    book_extension.add_addresses(None, config)
    colab = f"https://colab.research.google.com/github/someone/course/blob/main/{PAGE}"
    group = {"label": "launch-buttons", "buttons": [{"text": "Colab", "url": colab}]}
    context = {"header_buttons": [group]}
    book_extension.add_kaggle(None, "", "", context, None)
    return config.html_theme_options, group["buttons"]


PAGE = "chapters/01-data.ipynb"


def test_with_a_repository_there_are_buttons(monkeypatch):
    options, (kaggle, colab) = buttons(HOME, monkeypatch)
    assert options["repository_url"] == HOME
    assert options["use_edit_page_button"]
    assert options["use_issues_button"]
    assert options["launch_buttons"]["colab_url"]
    assert kaggle["text"] == "Kaggle"
    assert kaggle["url"].endswith(f"?src={HOME}/blob/main/{PAGE}")
    assert colab["text"] == "Colab"


def test_without_a_repository_there_are_none(monkeypatch):
    options, _ = buttons("", monkeypatch)
    assert options == {"launch_buttons": {"thebe": False}}


def test_a_card_tells_title_text_and_picture():
    document = nodes.document(None, None)
    section = nodes.section()
    section += nodes.paragraph(text="Short.")
    section += nodes.paragraph(text="One sentence & another one. " * 12)
    document += section
    config = SimpleNamespace(
        root_doc="index", html_title="The Book", html_baseurl="https://example.org/b/"
    )
    context = {"title": "3. <em>Model</em> 1"}
    app = SimpleNamespace(config=config)
    book_extension.add_card(app, "chapters/03", "", context, document)
    tags = context["metatags"]
    assert '<meta property="og:title" content="3. Model 1" />' in tags
    assert 'content="One sentence &amp; another' in tags
    assert "https://example.org/b/_images/story.jpg" in tags
    assert len(book_extension.description(document)) <= 200
    config.html_baseurl, context["metatags"] = "", ""
    book_extension.add_card(app, "chapters/03", "", context, document)
    assert "og:image" not in context["metatags"]


def test_panels_are_found_by_the_name_that_the_picture_has_in_the_book():
    noted = {"width": 720, "panels": [{"title": "a", "box": [0, 0, 1, 1]}]}
    output = nbformat.v4.new_output(
        "display_data",
        {"image/jpeg": base64.b64encode(b"picture").decode()},
        metadata={"image/jpeg": noted},
    )
    other = nbformat.v4.new_output("display_data", {"image/png": ""})
    cell = nbformat.v4.new_code_cell(outputs=[output, other])
    notebook = json.loads(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    name = hashlib.sha256(b"picture").hexdigest()
    assert dict(book_extension.panels(notebook)) == {name: noted["panels"]}


def test_redirects_lead_to_pages_and_stand_in_no_pages_place():
    pages = {f"{page}.html" for page in parse_toc_yaml(build_book.ROOT / "_toc.yml")}
    found = book_extension.redirects()
    assert set(found.values()) <= pages
    assert not set(found) & pages


def test_a_sitemap_lists_every_page():
    text = book_extension.sitemap("https://example.org/", ["chapters/a&b"])
    assert "<loc>https://example.org/chapters/a&amp;b.html</loc>" in text


# --- Light pages -------------------------------------------------------------------------

ICONS = """var a={kaggle:[320,512,[],"f5fa","M1"],star:[1,2,[],"f0","B1"]};
var b={star:[3,4,[],"f0","R1"]};
var c={star:[5,6,["favourite"],"f0","S1"],"half-star":[7,8,[],"f1","H1"]};"""


@pytest.mark.parametrize(
    ("classes", "box", "path"),
    [
        ("fa-solid fa-star fa-lg", "5 6", "S1"),
        ("fas fa-favourite", "5 6", "S1"),
        ("fab fa-kaggle", "320 512", "M1"),
        ("fas fa-half-star", "7 8", "H1"),
    ],
)
def test_an_icon_is_drawn_into_the_page(classes, box, path):
    html = finish_book.ICON.sub(
        lambda found: finish_book.drawn(ICONS, found),
        f'<b><i class="{classes}" data-mode="a"></i></b>',
    )
    assert 'data-mode="a" aria-hidden="true"' in html
    assert f'viewBox="0 0 {box}"' in html
    assert f'd="{path}"' in html
    assert "<i" not in html


def test_an_unknown_icon_is_named():
    with pytest.raises(ValueError, match="no icon 'moon'"):
        finish_book.drawing(ICONS, "moon", brand=False)


def test_a_figure_is_offered_small_and_stays_as_it_was(tmp_path):
    images = tmp_path / "_images"
    (tmp_path / "_static" / "scripts").mkdir(parents=True)
    (tmp_path / "_static" / "scripts" / "fontawesome.js").write_text(ICONS)
    images.mkdir()
    x, y = np.mgrid[:400, :400] / 400
    waves = np.uint8(127 + 120 * np.sin(40 * np.stack([x, y, x * y], -1)))
    Image.fromarray(waves).save(images / "photo.jpg", quality=95)
    chart = np.uint8(np.random.default_rng(0).integers(0, 9, (400, 400)))
    Image.fromarray(chart).save(images / "chart.png", compress_level=1)
    Image.fromarray(chart[:9, :9]).save(images / "tiny.png")
    page = tmp_path / "a.html"
    page.write_text(
        '<script defer src="_static/scripts/fontawesome.js?digest=1"></script>'
        + "".join(f'<img alt="" src="_images/{path.name}" />' for path in images.iterdir())
    )
    finish_book.finish(tmp_path)
    html = page.read_text()
    assert "fontawesome" not in html
    assert '<source type="image/avif" srcset="_images/photo.avif" />' in html
    assert '<source type="image/webp" srcset="_images/chart.webp" />' in html
    assert html.count("<picture>") == 2
    assert html.count("<img") == 3
    small = np.asarray(Image.open(images / "photo.avif"), float)
    assert np.abs(small - waves).mean() < 3
    same = np.asarray(Image.open(images / "chart.webp").convert("L"))
    np.testing.assert_array_equal(same, chart)


def test_an_empty_corner_is_no_header():
    html = '<th class="head"><p></p></th><th class="head"><p>x2</p></th><thead></thead>'
    assert finish_book.EMPTY_HEADER.sub(r"<td\1></td>", html) == (
        '<td class="head"></td><th class="head"><p>x2</p></th><thead></thead>'
    )

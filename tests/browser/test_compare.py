"""The slider between two pictures of a figure: by mouse, keyboard and finger."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tools import build_book

# A figure of two pictures: red over green parts on the left, blue over yellow on the right.
PANELS = [
    {"title": "Model 1", "box": [0, 0, 0.5, 0.5], "part": [0, 0.5, 0.5, 0.5]},
    {"title": "target, 288", "box": [0.5, 0, 0.5, 0.5], "part": [0.5, 0.5, 0.5, 0.5]},
]
COLOURS = {
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "green": (0, 255, 0),
    "yellow": (255, 255, 0),
}
PAGE = """<!DOCTYPE html><html lang="en"><title>A figure</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{css}</style>
<article class="bd-article">
<figure><img alt="Two pictures" src="abc.png"></figure>
</article>
<script type="application/json" id="compare-panels">{panels}</script>
<script>{script}</script></html>"""


@pytest.fixture
def figure(tmp_path):
    """The address of a page with one figure, made with the book's script and style."""
    corners = np.array(
        [[COLOURS["red"], COLOURS["blue"]], [COLOURS["green"], COLOURS["yellow"]]]
    )
    Image.fromarray(np.uint8(corners.repeat(40, 0).repeat(40, 1))).save(
        tmp_path / "abc.png"
    )
    static = build_book.ROOT / "_static"
    page = tmp_path / "page.html"
    page.write_text(
        PAGE.format(
            css=(static / "compare.css").read_text(encoding="utf-8"),
            script=(static / "compare.js").read_text(encoding="utf-8"),
            panels=json.dumps({"abc": PANELS}),
        ),
        encoding="utf-8",
    )
    return page.as_uri()


def colours(page, tmp_path, *places):
    """Name the colours that are seen on the stage, at places from 0 to 1 from the left."""
    path = tmp_path / "stage.png"
    page.locator(".compare-stage").screenshot(path=path)
    seen = np.asarray(Image.open(path).convert("RGB"), float)
    row = seen[seen.shape[0] // 4]
    pixels = [row[int(place * (len(row) - 1))] for place in places]
    return [
        min(COLOURS, key=lambda name: np.abs(pixel - COLOURS[name]).sum())
        for pixel in pixels
    ]


def shown(page):
    return page.get_attribute(".compare-handle", "aria-valuenow")


def test_the_first_figure_is_open_with_the_first_picture_over_the_target(
    visit, figure, tmp_path
):
    page = visit(figure)
    assert colours(page, tmp_path, 0.2, 0.8) == ["red", "blue"]
    assert page.get_attribute(".compare-handle", "aria-valuetext") == (
        "50 percent Model 1, the rest target, 288"
    )


def test_by_keyboard(visit, figure, tmp_path):
    page = visit(figure)
    for _ in range(2):  # the summary, the handle
        page.keyboard.press("Tab")
    for key, expected in {
        "ArrowRight": "52", "ArrowLeft": "50", "PageUp": "60", "Home": "0", "End": "100",
        "PageDown": "90",
    }.items():  # fmt: skip
        page.keyboard.press(key)
        assert shown(page) == expected, key
    assert colours(page, tmp_path, 0.2, 0.8) == ["red", "red"]


def test_by_mouse(visit, figure, tmp_path):
    page = visit(figure)
    box = page.locator(".compare-stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], middle, steps=3)
    assert shown(page) == "25"
    page.mouse.move(box["x"] - 50, middle)
    page.mouse.up()
    assert shown(page) == "0"
    page.mouse.move(box["x"] + 0.5 * box["width"], middle)
    assert shown(page) == "0"
    assert colours(page, tmp_path, 0.2, 0.8) == ["blue", "blue"]


def test_by_finger(visit, figure):
    page = visit(figure, 360, has_touch=True, is_mobile=True)
    box = page.locator(".compare-stage").bounding_box()
    page.touchscreen.tap(box["x"] + 0.75 * box["width"], box["y"] + 20)
    assert shown(page) == "75"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_enlarged_parts_of_both_at_once(visit, figure, tmp_path):
    page = visit(figure)
    page.click("text=Enlarge the framed part")
    assert page.get_attribute(".compare-choices button", "aria-pressed") == "true"
    assert colours(page, tmp_path, 0.2, 0.8) == ["green", "yellow"]


def test_any_picture_can_be_chosen(visit, figure, tmp_path):
    page = visit(figure)
    page.select_option(".compare-choices select >> nth=0", label="target, 288")
    page.select_option(".compare-choices select >> nth=1", label="Model 1")
    assert colours(page, tmp_path, 0.2, 0.8) == ["blue", "red"]


def test_in_print_and_without_javascript_the_figure_stands_alone(visit, figure):
    page = visit(figure)
    page.emulate_media(media="print")
    assert not page.is_visible("details.compare")
    assert page.is_visible("img")
    page = visit(figure, java_script_enabled=False)
    assert page.locator("details.compare").count() == 0
    assert page.is_visible("img")

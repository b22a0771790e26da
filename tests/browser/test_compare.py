"""The slider between two pictures of a figure, and its zoom: by mouse, keyboard, finger.

The pages here are opened from a folder, as file://.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tools.book import build_book

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
<figure><a href="abc.png"><img alt="Two pictures" src="abc.png"></a></figure>
</article>
<script type="application/json" id="compare-panels">{panels}</script>
<script>{script}</script></html>"""


def write_page(tmp_path, pixels):
    """Write a page with one figure, with the book's script and style; give its address."""
    Image.fromarray(np.uint8(pixels)).save(tmp_path / "abc.png")
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


@pytest.fixture
def figure(tmp_path):
    """Four plain colours."""
    corners = np.array(
        [[COLOURS["red"], COLOURS["blue"]], [COLOURS["green"], COLOURS["yellow"]]]
    )
    return write_page(tmp_path, corners.repeat(40, 0).repeat(40, 1))


@pytest.fixture
def maps(tmp_path):
    """Two pictures of 64x64 pixels that tell where they are seen.

    Red grows to the right and green downwards, by 4 a pixel. Blue tells left from right.
    """
    x, y = np.meshgrid(4 * np.arange(64), 4 * np.arange(64))
    pictures = [np.stack([x, y, np.full_like(x, blue)], -1) for blue in (0, 255)]
    below = np.zeros((64, 128, 3))
    return write_page(tmp_path, np.concatenate([np.concatenate(pictures, 1), below]))


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
    assert page.locator("a .compare-stage").count() == 0
    for _ in range(3):  # the figure's link, the summary, the handle
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


# --- Zoom: both sides show the same place -------------------------------------------------


def seen(page, tmp_path):
    """What part of the pictures is on the stage: left, top, right, bottom, from 0 to 1.

    Each side is looked at alone, with the handle at the other edge. They must agree.
    """
    path, sides, at = tmp_path / "side.png", [], page.get_attribute(STAGE, "style")
    page.add_style_tag(content=".compare-name, .compare-handle {opacity: 0}")
    for share, blue in (("100%", 0), ("0%", 255)):
        page.evaluate(SET_HANDLE, share)
        page.locator(STAGE).screenshot(path=path)
        side = np.asarray(Image.open(path).convert("RGB"), int)[2:-2, 2:-2]
        assert np.all(side[8:-8, 8:-8, 2] == blue), "the wrong picture"
        sides.append(side[..., :2])
    page.locator("style").last.evaluate("(style) => style.remove()")
    page.evaluate("([s, at]) => document.querySelector(s).style.cssText = at", [STAGE, at])
    np.testing.assert_array_equal(*sides)
    side = sides[0][16:-16, 16:-16] / 252
    middle = len(side) // 2
    (left, right), (top, bottom) = side[middle, [0, -1], 0], side[[0, -1], middle, 1]
    return [left, top, right, bottom]


STAGE = ".compare-stage"
SET_HANDLE = f"(at) => document.querySelector('{STAGE}').style.setProperty('--at', at)"
WHOLE = pytest.approx([0, 0, 1, 1], abs=0.06)


def zoomed(page):
    return page.inner_text(".compare-zoom output")


def scrolled(page):
    page.wait_for_timeout(300)
    return page.evaluate("[scrollY, visualViewport.scale, devicePixelRatio]")


def make_long(page):
    page.add_style_tag(content=".bd-article {margin-bottom: 3000px}")


def test_the_maps_tell_sides_apart_that_differ(visit, maps, tmp_path):
    page = visit(maps)
    assert seen(page, tmp_path) == WHOLE
    page.eval_on_selector(".compare-over", "(e) => e.style.backgroundPositionX = '2%'")
    with pytest.raises(AssertionError):
        seen(page, tmp_path)


def test_zoom_by_buttons(visit, maps, tmp_path):
    page = visit(maps)
    for name in ("Zoom in", "Zoom out", "The whole picture"):
        size = page.get_by_role("button", name=name).bounding_box()
        assert min(size["width"], size["height"]) >= 44
    assert page.get_attribute("[aria-label='Zoom out']", "aria-disabled") == "true"
    for _ in range(2):
        page.click("[aria-label='Zoom in']")
    assert zoomed(page) == "225 %"
    assert page.get_attribute("[aria-label='Zoom out']", "aria-disabled") == "false"
    around = pytest.approx([0.28, 0.28, 0.72, 0.72], abs=0.04)
    assert seen(page, tmp_path) == around
    page.click("[aria-label='Zoom out']")
    assert zoomed(page) == "150 %"
    for _ in range(5):
        page.click("[aria-label='Zoom in']")
    assert zoomed(page) == "800 %"
    assert page.get_attribute("[aria-label='Zoom in']", "aria-disabled") == "true"
    page.click("text=Reset")
    assert zoomed(page) == "100 %"
    assert seen(page, tmp_path) == WHOLE


def test_zoom_by_keyboard(visit, maps, tmp_path):
    page = visit(maps)
    page.focus(".compare-handle")
    described = page.get_attribute(".compare-handle", "aria-describedby")
    assert "Shift" in page.inner_text(f"#{described}")
    for _ in range(2):
        page.keyboard.press("+")
    left, top, right, bottom = seen(page, tmp_path)
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    step = 0.125 / 2.25
    assert seen(page, tmp_path) == pytest.approx(
        [left + step, top - step, right + step, bottom - step], abs=0.02
    )
    assert shown(page) == "50"
    for _ in range(20):  # to the corner, and no further
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
    assert seen(page, tmp_path) == pytest.approx([0.56, 0.56, 1, 1], abs=0.04)
    page.keyboard.press("ArrowRight")
    assert shown(page) == "52"
    page.keyboard.press("-")
    assert zoomed(page) == "150 %"
    page.keyboard.press("0")
    assert seen(page, tmp_path) == WHOLE
    page.keyboard.press("Control++")
    assert zoomed(page) == "100 %"


def test_the_wheel_zooms_with_ctrl_alone_and_else_scrolls_the_page(visit, maps, tmp_path):
    page = visit(maps)
    make_long(page)
    box = page.locator(STAGE).bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -100)
    page.wait_for_function("document.querySelector('output').textContent > '4'")
    page.keyboard.up("Control")
    assert scrolled(page) == [0, 1, 1]
    left, top, right, bottom = seen(page, tmp_path)
    assert 0.1 < left < 0.25 < right < 0.45  # what is under the mouse stays there
    assert [top, bottom] == pytest.approx([left, right], abs=0.03)
    before = zoomed(page)
    page.mouse.wheel(0, 200)
    assert scrolled(page)[0] == 200
    assert zoomed(page) == before


def test_a_drag_moves_what_is_enlarged_and_the_handle_still_divides(visit, maps, tmp_path):
    page = visit(maps)
    page.click("[aria-label='Zoom in']")
    page.click("[aria-label='Zoom in']")
    left, top, *_ = seen(page, tmp_path)
    box = page.locator(STAGE).bounding_box()
    x, y, side = box["x"], box["y"], box["width"]
    page.mouse.move(x + 0.8 * side, y + 0.8 * side)
    page.mouse.down()
    page.mouse.move(x + 0.6 * side, y + 0.7 * side, steps=4)
    page.mouse.up()
    assert shown(page) == "50"
    now = seen(page, tmp_path)
    assert now[:2] == pytest.approx([left + 0.2 / 2.25, top + 0.1 / 2.25], abs=0.02)
    page.mouse.move(x + 0.5 * side, y + 0.1 * side)  # the line, far from its knob
    page.mouse.down()
    page.mouse.move(x + 0.3 * side, y + 0.2 * side, steps=4)
    page.mouse.up()
    assert shown(page) == "30"
    assert seen(page, tmp_path) == now


def fingers(page):
    """A function that puts fingers on places of the page, moves them, or lifts them."""
    devtools = page.context.new_cdp_session(page)

    def touch(kind, *places):
        points = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(places)]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return touch


def test_two_fingers_zoom_the_pictures_and_not_the_page(visit, maps, tmp_path):
    page = visit(maps, 360, has_touch=True, is_mobile=True)
    touch = fingers(page)
    make_long(page)
    box = page.locator(STAGE).bounding_box()
    x, y, side = box["x"], box["y"], box["width"]
    before = scrolled(page)
    touch("touchStart", (x + 0.7 * side, y + 0.4 * side))
    for spread in (0.1, 0.2, 0.3):  # about a point that stays, one finger up, one down
        kind = "touchStart" if spread == 0.1 else "touchMove"
        places = [(x + 0.7 * side, y + (0.5 + s * spread) * side) for s in (-1, 1)]
        touch(kind, *places)
    touch("touchEnd")
    assert zoomed(page) == "300 %"
    assert shown(page) == "50"
    assert scrolled(page) == before
    assert seen(page, tmp_path) == pytest.approx([0.48, 0.35, 0.78, 0.65], abs=0.04)

    left, top, *_ = seen(page, tmp_path)
    for kind, place in (("touchStart", 0.8), ("touchMove", 0.5), ("touchMove", 0.4)):
        touch(kind, (x + 0.8 * side, y + place * side))
    touch("touchEnd")
    now = seen(page, tmp_path)
    assert now[:2] == pytest.approx([left, top + 0.4 / 3], abs=0.03)
    assert scrolled(page) == before


def test_one_finger_scrolls_the_page_over_the_whole_picture(visit, maps):
    page = visit(maps, 360, has_touch=True, is_mobile=True)
    touch = fingers(page)
    make_long(page)
    box = page.locator(STAGE).bounding_box()
    x, y = box["x"] + 100, box["y"] + 200
    touch("touchStart", (x, y))
    for up in range(10, 160, 10):
        touch("touchMove", (x, y - up))
    touch("touchEnd")
    assert scrolled(page)[0] > 50


def test_pixels_are_seen_as_soon_as_they_are_enlarged(visit, figure, tmp_path):
    """A figure of 2000 pixels is smooth as a whole, and of blocks where it is enlarged."""
    style = "(e) => getComputedStyle(e).imageRendering"
    page = visit(write_page(tmp_path, np.zeros((2000, 2000, 3))))
    assert page.eval_on_selector(".compare-over", style) == "auto"
    for _ in range(3):
        page.click("[aria-label='Zoom in']")
    assert page.eval_on_selector(".compare-over", style) == "pixelated"
    assert page.eval_on_selector(".compare-side", style) == "pixelated"


def test_the_framed_part_is_shown_whole_and_can_be_enlarged_too(visit, figure):
    page = visit(figure)
    page.click("[aria-label='Zoom in']")
    page.click("text=Enlarge the framed part")
    assert zoomed(page) == "100 %"
    page.click("[aria-label='Zoom in']")
    assert zoomed(page) == "150 %"


def test_in_print_and_without_javascript_the_figure_stands_alone(visit, figure):
    page = visit(figure)
    page.emulate_media(media="print")
    assert not page.is_visible("details.compare")
    assert page.is_visible("img")
    page = visit(figure, java_script_enabled=False)
    assert page.locator("details.compare").count() == 0
    assert page.is_visible("img")

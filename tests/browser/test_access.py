"""Every page is for everybody: axe-core finds nothing, the keyboard reaches all of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from browser.pages import CHAPTERS, DESKTOP, PAGES, PHONE

AXE = Path(__file__).parent / "axe"
# What the colours decide. All else is the same in the light and in the dark.
OF_COLOUR = ("color-contrast", "link-in-text-block")

# More than axe asks for: pictures without a word, tables without a header.
SILENT = "[...document.querySelectorAll('article img')].filter((i) => !i.alt.trim())"
HEADLESS = """[...document.querySelectorAll('article table')]
    .filter((t) => !t.querySelector('th'))"""

# Everything that can be focused and is shown, in the order of the page.
FOCUSABLE = """() => [...document.querySelectorAll(
        "a[href], button, input, select, textarea, summary, [tabindex='0']")]
    .filter((e) => e.checkVisibility({visibilityProperty: true}))
    .filter((e) => !e.disabled && e.tabIndex >= 0)
    .filter((e) => !e.closest("[inert], dialog:not([open])"))
    .filter((e) => e.type !== "radio" || e.checked)
    .map((e, number) => (e.dataset.stop = number))"""

# Where the focus is, and whether one sees it: what does not change is not a sign.
FOCUSED = """() => {
    const e = document.activeElement;
    const look = (style) => [style.outlineStyle !== "none" && style.outlineWidth,
        style.outlineColor, style.boxShadow, style.backgroundColor, style.color,
        style.borderColor, style.textDecorationLine].join();
    const here = look(getComputedStyle(e));
    e.blur();
    const away = look(getComputedStyle(e));
    e.focus({focusVisible: true, preventScroll: true});
    const stop = e.dataset.stop;
    return {stop, seen: here !== away, what: e.outerHTML.slice(0, 120)};
}"""


def violations(page, *, colour: bool = True, others: bool = True, code: bool = True):
    """What axe finds by its rules for colours, and by all others; in code, too, or not."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate((AXE / "axe.min.js").read_text(encoding="utf-8"))
    # It would fetch style sheets again, and look for some that are not there.
    options = {"resultTypes": ["violations"], "preload": False}
    if not others:
        options["runOnly"] = {"type": "rule", "values": list(OF_COLOUR)}
    elif not colour:
        options["rules"] = {rule: {"enabled": False} for rule in OF_COLOUR}
    where = {"include": [["html"]], "exclude": [] if code else [["pre"]]}
    run = f"() => axe.run({json.dumps(where)}, {json.dumps(options)})"
    found = page.evaluate(f"{run}.then((result) => result.violations)")
    return [
        f"{v['id']}: {node['target']} {node['html'][:160]} {node['failureSummary'][:300]}"
        for v in found
        for node in v["nodes"]
    ]


def test_axe_finds_no_violation(visit, address):
    """On a desk and on a phone, in the light and in the dark."""
    page = visit(address, DESKTOP, "light", reduced_motion="reduce")
    assert page.evaluate(f"{SILENT}.map((i) => i.src)") == []
    assert page.evaluate(f"{HEADLESS}.map((t) => t.innerText.slice(0, 80))") == []
    assert violations(page) == [], "desktop, light"
    change(page, "dark")
    assert violations(page, others=False) == [], "desktop, dark"
    # Code has the same colours on a phone: looking at it again would take minutes.
    change(page, "dark", PHONE)
    assert violations(page, others=False, code=False) == [], "phone, dark"
    change(page, "light")
    assert violations(page, others=False, code=False) == [], "phone, light"
    assert violations(page, colour=False) == [], "phone"


def change(page, scheme: str, width: int = 0) -> None:
    """Change the theme, and the width, and let the page's scripts follow."""
    page.emulate_media(color_scheme=scheme)
    if width:
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(500)  # the theme waits for the end of the resizing
    if page.locator("html[data-theme]").count():
        page.wait_for_selector(f"html[data-theme={scheme}]")


def test_axe_would_find_one(visit):
    page = visit(PAGES[0])
    page.evaluate("document.querySelector('article img').removeAttribute('alt')")
    assert [found.split(":")[0] for found in violations(page)] == ["image-alt"]


def test_axe_is_the_one_we_know():
    sums = (AXE / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    for digest, name in (line.split("  ") for line in sums):
        assert hashlib.sha256((AXE / name).read_bytes()).hexdigest() == digest


def test_the_first_stop_of_the_keyboard_skips_to_the_text(visit):
    page = visit(CHAPTERS[0])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").strip().startswith("Skip")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("!!document.activeElement.closest('main')")


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("chosen", [PAGES[0], CHAPTERS[2], "chapters/results.html"])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit, chosen, width):
    page = visit(chosen, width)
    stops = page.evaluate(FOCUSABLE)
    reached, unseen = set(), []
    for _ in range(2 * len(stops)):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["stop"] in reached or focused["stop"] is None:
            if len(reached) >= len(stops):
                break
            continue
        reached.add(focused["stop"])
        if not focused["seen"]:
            unseen.append(focused["what"])
    left_out = "(stop) => document.querySelector(`[data-stop='${stop}']`).outerHTML"
    missed = [stop for stop in stops if str(stop) not in reached]
    assert [page.evaluate(left_out, stop)[:120] for stop in missed] == []
    assert unseen == []


def test_reduced_motion_is_respected(visit):
    page = visit(CHAPTERS[0], reduced_motion="reduce")
    moving = """() => [...document.querySelectorAll("*")].filter((e) => {
        const s = getComputedStyle(e);
        const seconds = (text) => Math.max(...text.split(",").map(parseFloat));
        return seconds(s.transitionDuration) > 0.01 || s.scrollBehavior === "smooth"
            || (s.animationName !== "none" && seconds(s.animationDuration) > 0.01);
    }).map((e) => `${e.tagName} ${e.className}`)"""
    assert page.evaluate(moving) == []

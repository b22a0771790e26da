"""The book's configuration names what exists, and a slip in it does not go unnoticed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from sphinx_external_toc.parsing import parse_toc_yaml

from tools.book import build_book
from tools.once import vendor

ROOT = build_book.ROOT
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
PAGES = {
    f"chapters/{path.stem}"
    for path in (ROOT / "chapters").iterdir()
    if path.suffix in {".ipynb", ".md"}
}


def listed_pages(toc: Path) -> set[str]:
    return set(parse_toc_yaml(toc))


def test_the_configuration_is_right():
    assert list(build_book.config_problems(CONFIG)) == []


@pytest.mark.parametrize(
    ("section", "key", "problem"),
    [
        (None, "titel", "unknown key 'titel'; known: author, bibtex_bibfiles"),
        ("execute", "execute_notebook", "unknown key 'execute_notebook' in 'execute'"),
        ("html", "fav_icon", "unknown key 'fav_icon' in 'html'; known: analytics"),
        ("sphinx", "configs", "unknown key 'configs' in 'sphinx'; known: config"),
    ],
)
def test_an_unknown_key_is_refused_with_the_known_ones(section, key, problem):
    changed = {**CONFIG, key: 1} if section is None else {**CONFIG, section: {key: 1}}
    (found,) = build_book.config_problems(changed)
    assert problem in found


def test_a_value_of_a_wrong_kind_is_refused():
    (found,) = build_book.config_problems({**CONFIG, "title": 5})
    assert found == "title: 5 is not of type 'string'"


def test_a_wrong_configuration_stops_the_build(tmp_path, monkeypatch, capsys):
    (tmp_path / "_config.yml").write_text("titel: Five Models\n")
    monkeypatch.setattr(build_book, "ROOT", tmp_path)
    monkeypatch.setattr(build_book, "build", lambda: pytest.fail("was built all the same"))
    assert build_book.main() == 1
    assert "_config.yml: unknown key 'titel'" in capsys.readouterr().err


def test_every_page_is_in_the_table_of_contents():
    assert PAGES - listed_pages(ROOT / "_toc.yml") == set()


def test_every_entry_of_the_table_of_contents_exists():
    assert listed_pages(ROOT / "_toc.yml") - PAGES == set()


def test_a_page_that_was_left_out_is_noticed(tmp_path):
    toc = tmp_path / "_toc.yml"
    lines = (ROOT / "_toc.yml").read_text(encoding="utf-8").splitlines()
    toc.write_text("\n".join(line for line in lines if "02-measuring" not in line))
    assert {"chapters/02-measuring"} == listed_pages(ROOT / "_toc.yml") - listed_pages(toc)


@pytest.mark.parametrize("name", ["logo", "favicon"])
def test_pictures_of_the_site_exist(name):
    path = CONFIG[name] if name in CONFIG else CONFIG["html"][name]
    assert (ROOT / path).is_file()


# --- Nothing is loaded from elsewhere ----------------------------------------------------

REMOTE = {
    '<script async src="https://example.org/a.js">': "https://example.org/a.js",
    "<link rel=stylesheet href=//example.org/a.css>": "//example.org/a.css",
    '<link href="https://example.org/i.png" rel="icon">': "https://example.org/i.png",
    '<img alt="" src="http://example.org/a.png">': "http://example.org/a.png",
    "<style>@import 'https://example.org/a.css'</style>": "https://example.org/a.css",
    "<style>a{background:url(https://example.org/a)}</style>": "https://example.org/a",
    '<script>import("https://example.org/m.js")</script>': "https://example.org/m.js",
}
LOCAL = (
    '<a href="https://example.org">a link waits for a click</a>',
    '<link rel="canonical" href="https://example.org/">',
    '<script src="_static/a.js"></script><img src="data:image/png;base64,AA==">',
    '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
)


@pytest.mark.parametrize("html", REMOTE)
def test_a_page_that_loads_from_another_site_is_named(tmp_path, html):
    (tmp_path / "page.html").write_text(html)
    assert list(build_book.remote_requests(tmp_path)) == [f"page.html loads {REMOTE[html]}"]


@pytest.mark.parametrize("html", LOCAL)
def test_links_and_local_files_are_let_pass(tmp_path, html):
    (tmp_path / "page.html").write_text(html)
    assert list(build_book.remote_requests(tmp_path)) == []


@pytest.mark.parametrize("what", vendor.VENDORED)
def test_the_scripts_of_others_are_here_and_unchanged(what):
    folder, *packages = vendor.VENDORED[what]
    assert (folder / "SHA256SUMS").read_text() == vendor.checksums(folder)
    for name in (name for package in packages for name in package.wanted):
        assert (folder / name).exists()


def test_the_configuration_leads_to_mathjax():
    script = CONFIG["sphinx"]["config"]["mathjax_path"].removeprefix("../mathjax/")
    assert (vendor.VENDORED["mathjax"][0] / script).is_file()


def test_what_make_is_given_is_never_executed(tmp_path):
    """Neither make nor the shell reads a value; the tools get it as it is."""
    hit = tmp_path / "hit"
    value = f"""x'; touch {hit}; '"; touch {hit}; "`touch {hit}`$(shell touch {hit})"""
    (tmp_path / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$BOOK_URL" "$@"\n')
    (tmp_path / "python").chmod(0o755)

    def make(*arguments):
        command = ["make", "--old-file=.venv/installed", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    given = [f"{name}={value}" for name in ("OWNER", "PUSH", "BOOK_URL")]
    said = make("--silent", "kaggle", f"BIN={tmp_path}", *given).stdout.splitlines()
    assert said == [value, "-m", "tools.kaggle.make_kaggle", f"--owner={value}", "--push"]
    refused = make(f"{tmp_path}/installed", f"VENV={tmp_path}", f"PYTHON={value}").stderr
    assert f"none named {value}" in refused
    assert not hit.exists()

"""What the book has beyond Jupyter Book: a Sphinx extension, named in _config.yml.

- Buttons to Kaggle and Colab, edit and issue links: when the repository's public address
  is known, from BOOK_REPOSITORY or from git's remote. Else they are absent.
- With the address of the book itself, BOOK_URL: canonical links, cards for those who
  share a page, and a sitemap.
- When a page was last changed, a page for addresses that do not exist (404.html), and
  short or former addresses that lead on (_redirects.yml).
- For compare.js: where in a figure its pictures are, from the notebooks' outputs.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from docutils import nodes
from IPython.lib.lexers import IPython3Lexer
from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).resolve().parents[2]
STORY = "_images/story.jpg"
STORY_ALT = "One photo four times: blocks, a formula without learning, and the truth"
HOSTS = ("github.com", "gitlab.com", "bitbucket.org")
DESCRIPTION_LENGTH = 200


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect everything to Sphinx."""
    # A chapter's first cell has a line for pip, which plain Python does not know.
    app.add_lexer("python", IPython3Lexer)
    app.connect("config-inited", add_addresses)
    app.connect("html-page-context", add_kaggle, priority=502)  # after the theme's buttons
    app.connect("html-page-context", add_last_changed)
    app.connect("html-page-context", add_card)
    app.connect("html-page-context", add_panels)
    app.connect("build-finished", add_files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


# --- Where the project and the book are ---------------------------------------------------


def repository(environment: Mapping[str, str] = os.environ, folder: Path = ROOT) -> str:
    """Return the public address of the repository, or an empty string.

    Examples
    --------
    >>> repository({"BOOK_REPOSITORY": "git@github.com:someone/course.git"})
    'https://github.com/someone/course'
    >>> repository({"BOOK_REPOSITORY": "/a/folder"})
    ''
    """
    named = environment.get("BOOK_REPOSITORY")
    address = git("remote", "get-url", "origin", folder=folder) if named is None else named
    found = re.fullmatch(
        r"(?:https?://(?:[^@/]+@)?|(?:ssh://)?git@)([\w.-]+)[:/]([\w.-]+)/([\w.-]+?)(?:\.git)?/?",
        address.strip(),
    )
    if found is None or found[1] not in HOSTS:
        return ""
    return f"https://{found[1]}/{found[2]}/{found[3]}"


def book_url(environment: Mapping[str, str] = os.environ) -> str:
    """Return the address at which the book will stand, with a slash at its end, or ''."""
    address = environment.get("BOOK_URL", "").strip()
    if not address:
        return ""
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError(f"BOOK_URL is {address!r}, expected such as https://example.org/")
    return address.rstrip("/") + "/"


def git(*arguments: str, folder: Path = ROOT) -> str:
    """Ask git; without git, or outside a repository, the answer is empty."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def add_addresses(app: Sphinx, config: Config) -> None:
    """Tell the theme the repository, for its buttons, and Sphinx the book's address."""
    config.html_baseurl = book_url()
    address = repository()
    if not address:
        return
    options = config.html_theme_options
    options["repository_url"] = address
    options["repository_branch"] = os.environ.get("BOOK_BRANCH", "main")
    for button in ("repository", "edit_page", "issues"):
        options[f"use_{button}_button"] = True
    if "//github.com/" in address:
        launch = dict(options.get("launch_buttons") or {})
        options["launch_buttons"] = {
            **launch,
            "colab_url": "https://colab.research.google.com",
        }


def add_kaggle(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Put a button for Kaggle before that for Colab, on the pages that have one."""
    for group in context.get("header_buttons", []):
        if group.get("label") != "launch-buttons":
            continue
        for button in group["buttons"]:
            if button["text"] == "Colab":
                source = "https://github.com/" + button["url"].partition("/github/")[2]
                kaggle = {
                    "type": "link",
                    "text": "Kaggle",
                    "tooltip": "Launch on Kaggle",
                    "icon": "fab fa-kaggle",
                    "url": f"https://www.kaggle.com/kernels/welcome?src={source}",
                }
                group["buttons"] = [kaggle, *group["buttons"]]
                break


# --- What a page says of itself -----------------------------------------------------------


def add_last_changed(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Say when the page was last changed, by git."""
    if doctree is not None:
        source = str(app.env.doc2path(page))
        context["last_updated"] = git("log", "-1", "--format=%cs", "--", source) or None


def add_card(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Write what a site shows that links to the page: title, first sentences, picture."""
    if doctree is None:
        return
    title = html.unescape(re.sub(r"<[^>]*>", "", context.get("title", "")))
    card = {
        "og:type": "website" if page == app.config.root_doc else "article",
        "og:site_name": app.config.html_title,
        "og:title": title,
        "og:description": description(doctree),
    }
    if home := app.config.html_baseurl:
        card |= {"og:url": f"{home}{page}.html", "og:image": home + STORY}
        card["og:image:alt"] = STORY_ALT
    lines = [
        f'<meta property="{name}" content="{html.escape(value)}" />'
        for name, value in card.items()
        if value
    ]
    lines.append('<meta name="twitter:card" content="summary_large_image" />')
    context["metatags"] = context.get("metatags", "") + "\n".join(["", *lines, ""])


def description(doctree: nodes.document) -> str:
    """Return the first paragraph of text, cut at a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if len(text) > 60 and isinstance(paragraph.parent, nodes.section):
            if len(text) <= DESCRIPTION_LENGTH:
                return text
            return text[: DESCRIPTION_LENGTH - 1].rsplit(" ", 1)[0] + "…"
    return ""


# --- The pictures of a figure, for compare.js ---------------------------------------------


def add_panels(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Write into a page where in its figures the pictures are that can be compared."""
    if doctree is None:
        return
    source = Path(app.env.doc2path(page))
    found = {}
    if source.suffix == ".ipynb":
        found |= panels(json.loads(source.read_text(encoding="utf-8")))
    for image, name in app.builder.images.items():
        noted = (ROOT / image).with_suffix(".json")
        if noted.is_file() and f"/{name}" in context["body"]:
            found[Path(name).stem] = json.loads(noted.read_text(encoding="utf-8"))
    if found:
        named = {f"/{name}.": value for name, value in found.items()}
        text = json.dumps(named, separators=(",", ":")).replace("</", "<\\/")
        script = f'<script type="application/json" id="compare-panels">{text}</script>'
        context["body"] = context["body"] + script


def panels(notebook: dict) -> Iterator[tuple[str, list]]:
    """Yield the panels of each figure by the figure's name in the book.

    MyST-NB names a picture by its digest. `srlib.notebook.show` leaves the panels in the
    output's metadata, which every other place ignores.
    """
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            for kind in ("image/jpeg", "image/png"):
                noted = output.get("metadata", {}).get(kind, {})
                if "panels" in noted:
                    data = base64.b64decode("".join(output["data"][kind]))
                    yield hashlib.sha256(data).hexdigest(), noted["panels"]


# --- Files beside the pages ---------------------------------------------------------------


def add_files(app: Sphinx, error: Exception | None) -> None:
    """Write 404.html, the redirects, and the sitemap if the book's address is known."""
    if error is not None or app.builder.name != "html":
        return
    folder, home = Path(app.outdir), app.config.html_baseurl
    start = f"{app.config.root_doc}.html"
    base = urlsplit(home).path or "/"
    (folder / "404.html").write_text(not_found(app.config.html_title, base, start))
    for old, new in redirects().items():
        target = folder / old
        if target.exists():
            raise ValueError(f"_redirects.yml: {old} is a page of the book")
        target.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * (len(Path(old).parts) - 1)
        target.write_text(redirect(up + new))
    if home:
        pages = sorted(app.env.found_docs)
        (folder / "sitemap.xml").write_text(sitemap(home, pages), encoding="utf-8")
        (folder / "robots.txt").write_text(f"Sitemap: {home}sitemap.xml\n")


def redirects() -> dict[str, str]:
    """Read which addresses lead where."""
    return yaml.safe_load((ROOT / "_redirects.yml").read_text(encoding="utf-8"))


def redirect(target: str) -> str:
    """Return a page that leads on, also without JavaScript."""
    return f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Moved</title>
<meta http-equiv="refresh" content="0; url={target}">
<link rel="canonical" href="{target}">
<p>This page is now <a href="{target}">here</a>.</p>
</html>
"""


def sitemap(home: str, pages: list[str]) -> str:
    """Return the list of pages that search engines read."""
    lines = []
    for page in pages:
        changed = git("log", "-1", "--format=%cs", "--", f"{page}.ipynb", f"{page}.md")
        date = f"<lastmod>{changed}</lastmod>" if changed else ""
        lines.append(f"  <url><loc>{html.escape(home + page)}.html</loc>{date}</url>\n")
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{''.join(lines)}</urlset>\n"
    )


def not_found(title: str, base: str, start: str) -> str:
    """Return the page for an address that does not exist.

    It is shown at any depth, so it loads nothing, and its links start at the root.
    """
    logo = (ROOT / "_static" / "logo.svg").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<title>Not here: {html.escape(title)}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 34rem; margin: 12vh auto; padding: 0 1.2rem;
  font: 1.05rem/1.6 system-ui, sans-serif; color: #222832; background: #fff; }}
a {{ color: #0a5c8f; }}
svg {{ width: 6rem; }}
@media (prefers-color-scheme: dark) {{
  body {{ color: #ced6dd; background: #14181e; }}
  a {{ color: #7cc4f0; }}
}}
</style>
</head>
<body>
<main>
{logo}
<h1>No page stands here</h1>
<p>Perhaps it has moved, or the address is mistyped. The details of a picture can be
guessed from few pixels, the details of an address cannot.</p>
<p><a href="{base}{start}">To the beginning of the book</a> ·
<a href="{base}search.html">Search</a></p>
</main>
</body>
</html>
"""

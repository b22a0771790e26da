"""Build the book into _build/html, and fail where Jupyter Book would only mutter.

Beyond ``jupyter-book build -W --keep-going -n``, which fails on any warning:

- a key in _config.yml that Jupyter Book does not know is refused (it would be ignored);
- so is a page that loads something from another site.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import yaml
from jupyter_book.config import get_validator

from tools.book import finish_book
from tools.notebooks import first_cell

ROOT = Path(__file__).resolve().parents[2]

BUILD = ROOT / "_build"
HTML = BUILD / "html"
STRICT = ("-q", "-W", "--keep-going", "-n")

# Keys that Jupyter Book reads but does not list among its defaults.
UNLISTED = {
    "project",
    "bibtex_bibfiles",
    "bibtex_reference_style",
    "execute.raise_on_error",
    "execute.show_tb",
    "execute.eval_regex",
    "latex.latex_documents",
}
# Below these, keys are names chosen elsewhere. Sphinx itself warns of an unknown setting.
FREE = {"sphinx.config", "sphinx.local_extensions", "latex.latex_documents"}

# What a browser fetches by itself when it opens a page: not links, which wait for a click.
ADDRESS = r"""["']?((?:https?:)?//[^"'\s>)]+)"""
FETCHING = "stylesheet|preload|icon|preconnect|modulepreload"
REMOTE = re.compile(
    rf"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\ssrc\s*=\s*{ADDRESS}
      | <link\b(?=[^>]*\brel\s*=\s*["']?(?:{FETCHING}))[^>]*\shref\s*=\s*{ADDRESS}
      | (?:@import\s|url\(|\bimport\(|\bfetch\()\s*{ADDRESS}""",
    re.VERBOSE | re.IGNORECASE,
)


def main() -> int:
    """Check the configuration, build, check the pages; return the exit code."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    if not report("_config.yml", config_problems(config)):
        return 1
    if build():
        print("\nThe book was NOT built: see the warnings above.", file=sys.stderr)
        return 1
    if not report("_build/html", remote_requests(HTML)):
        return 1
    if notice := first_cell.missing_address():
        print(f"\n{notice}")
    print(f"\nThe book is built. Open this file in a browser:\n\n  {HTML / 'index.html'}\n")
    return 0


def report(where: str, problems: Iterator[str]) -> bool:
    """Print the problems, if any; tell whether there were none."""
    found = list(problems)
    for problem in found:
        print(f"{where}: {problem}", file=sys.stderr)
    return not found


def build(parent: Path = ROOT) -> int:
    """Run Jupyter Book on a clean folder; the pages go into `parent`/_build/html.

    Sphinx skips pages that it has already read, and with them the warnings that should
    fail the build a second time.
    """
    shutil.rmtree(parent / "_build", ignore_errors=True)
    command = [Path(sys.executable).with_name("jupyter-book"), "build", *STRICT]
    command += ["--path-output", parent, ROOT]
    if code := subprocess.run(command, cwd=ROOT).returncode:
        return code
    finish_book.finish(parent / "_build" / "html")
    return 0


def config_problems(config: dict) -> Iterator[str]:
    """List what is wrong with a configuration: unknown keys, and values of a wrong kind."""
    allowed = allowed_keys()
    for key in sorted(set(keys_of(config)) - allowed):
        section, _, name = key.rpartition(".")
        siblings = (k.rpartition(".") for k in sorted(allowed))
        known = ", ".join(k for s, _, k in siblings if s == section)
        yield f"unknown key {name!r}{f' in {section!r}' if section else ''}; known: {known}"
    for error in get_validator().iter_errors(config):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"


def allowed_keys() -> set[str]:
    """List the keys of Jupyter Book's defaults, its "master list of all allowed keys"."""
    defaults = resources.files("jupyter_book") / "default_config.yml"
    return {*keys_of(yaml.safe_load(defaults.read_text(encoding="utf-8"))), *UNLISTED}


def keys_of(config: dict, prefix: str = "") -> Iterator[str]:
    """List all keys with their sections: ``html`` and ``html.favicon``."""
    for name, value in config.items():
        key = f"{prefix}{name}"
        yield key
        if isinstance(value, dict) and key not in FREE:
            yield from keys_of(value, f"{key}.")


def remote_requests(folder: Path) -> Iterator[str]:
    """List what the pages in a folder would load from other sites."""
    for page in sorted(folder.rglob("*.html")):
        for match in REMOTE.finditer(page.read_text(encoding="utf-8")):
            address = next(filter(None, match.groups()))
            yield f"{page.relative_to(folder)} loads {address}"


if __name__ == "__main__":
    sys.exit(main())

"""What the pages for people say of the project is what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from srlib.runs import plans

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "tools/README.md")


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def test_the_table_of_plans_is_that_of_the_code():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", text("README.md"), flags=re.MULTILINE)
    assert rows == [(name, str(len(plans.plan(name)))) for name in plans.PLANS]


def test_every_tool_is_named_and_every_name_is_a_tool():
    tools = [*(ROOT / "tools").rglob("*.py"), *(ROOT / "tools").rglob("*.sh")]
    there = {path.name for path in tools if path.name != "__init__.py"} | {"colab.txt"}
    named = set(re.findall(r"`([\w.]+\.(?:py|sh|txt))`", text("tools/README.md")))
    assert named == there


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page):
    made = ("dist/", "data/voc2007")
    paths = re.findall(
        r"`((?:\.\w+|chapters|data|srlib|tests|tools)/[\w./-]*)`", text(page)
    )
    assert [p for p in paths if not p.startswith(made) and not (ROOT / p).exists()] == []
    modules = re.findall(r"python -m (tools[\w.]*\w)", text(page))
    files = (ROOT / f"{name.replace('.', '/')}.py" for name in modules)
    assert [file for file in files if not file.is_file()] == []
    targets = set(re.findall(r"^(\w+):", text("Makefile"), flags=re.MULTILINE))
    assert set(re.findall(r"`make (\w+)", text(page))) <= targets


@pytest.mark.slow
def test_the_readmes_python_runs_in_a_fresh_process():
    """A saved network loads in plain Keras after the one import that it names."""
    (code,) = re.findall(r"```python\n(.*?)```", text("README.md"), flags=re.DOTALL)
    command = [sys.executable, "-c", f"{code}\nprint(network.name)"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "depth_to_space\n", done.stderr

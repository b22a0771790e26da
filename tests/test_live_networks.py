"""What the page "Try it" runs is what data/weights holds."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from srlib import zoo
from srlib.runs import weights
from srlib.sources import backbone
from tools.book import export_networks


def test_the_networks_were_exported_from_the_present_weights():
    for name in zoo.FINALS:
        file = export_networks.FOLDER / f"{name}.json"
        description = json.loads(file.read_text(encoding="utf-8"))
        _, config = weights.load_trained(name)
        source = backbone.WEIGHTS_FOLDER / f"{config.name}.keras"
        now = (source.name, hashlib.sha256(source.read_bytes()).hexdigest())
        assert (description["file"], description["sha256"]) == now, (
            f"{file} is older than {source}: python -m tools.book.export_networks"
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.FINALS)
def test_exporting_again_gives_the_same_files(name):
    description, weights = export_networks.export(name)
    file = export_networks.FOLDER / f"{name}.json"
    assert json.loads(file.read_text(encoding="utf-8")) == description
    assert file.with_suffix(".bin").read_bytes() == weights


def test_the_index_names_the_networks_and_nothing_else_does():
    index = export_networks.FOLDER / "index.json"
    assert json.loads(index.read_text(encoding="utf-8")) == export_networks.index()
    files = {path.stem for path in export_networks.FOLDER.glob("*.bin")}
    assert files == set(zoo.FINALS)
    for script in export_networks.FOLDER.parent.glob("*.mjs"):
        text = script.read_text(encoding="utf-8")
        for entry in export_networks.index():
            for word in (entry["title"], f'"{entry["name"]}"'):
                assert word not in re.sub(r"base64,.*", "", text), (script.name, word)

"""What a chapter's cells call: the outputs that they leave in the notebook."""

import io

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from PIL import Image

from srlib import data, notebook

mpl.use("agg")


@pytest.fixture
def shown(monkeypatch):
    """Collect what would be displayed."""
    outputs = []
    monkeypatch.setattr(notebook, "display", outputs.append)
    return outputs


def test_say_displays_markdown(shown):
    notebook.say("**22.25 dB**")
    assert shown[0].data == "**22.25 dB**"


def test_table_has_a_header_and_two_decimals(shown):
    notebook.table({"bilinear": {"x2": 22.254, "x4": 22.5}, "none": {"x2": "-"}}, "PSNR")
    assert shown[0].data.splitlines() == [
        "| PSNR | x2 | x4 |",
        "|:--|--:|--:|",
        "| bilinear | 22.25 | 22.50 |",
        "| none | - |  |",
    ]


def test_show_stores_twice_the_pixels_that_it_displays_and_closes_the_figure(shown):
    _, ax = plt.subplots(figsize=(4, 2))
    notebook.show(ax, "sample, RGB")
    image = Image.open(io.BytesIO(shown[0].data))
    assert (image.format, image.size) == ("PNG", (800, 400))
    assert shown[0].width == 400
    assert plt.get_fignums() == []


def test_show_writes_protocol_and_credits_under_the_figure(shown, monkeypatch):
    written = []
    monkeypatch.setattr(
        plt.Figure, "supxlabel", lambda self, text, **style: written.append(text)
    )
    photo = data.sample_folder() / "val" / "lemurs-01.jpg"
    _, axes = plt.subplots(1, 2)
    notebook.show(axes, "article recipe", [photo])
    (text,) = written
    assert text.startswith("article recipe\nPhotos: ")
    assert "Mathias Appel, CC0 1.0" in text.replace("\n", " ")
    assert Image.open(io.BytesIO(shown[0].data)).format == "JPEG"


def test_start_says_what_the_chapter_runs_on(shown, monkeypatch):
    monkeypatch.delenv("SRLIB_DATA", raising=False)
    photos = notebook.start()
    assert photos.name == "sample"
    assert "sample: 71 train, 24 val" in shown[0].data
    assert "TensorFlow 2." in shown[0].data

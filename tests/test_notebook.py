"""What a chapter's cells call: the outputs that they leave in the notebook."""

import base64
import io
import json

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from srlib import data, metrics, notebook, plots

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


def test_a_chart_is_a_drawing_with_its_words_and_the_same_every_time(shown):
    for _ in range(2):
        plots.use_style()
        _, ax = plt.subplots(figsize=(4, 2))
        ax.plot([1, 2], [3, 5])
        notebook.show(ax, "sample, RGB")
    first, second = (output.data for output in shown)
    assert first == second
    assert "sample, RGB</text>" in first
    assert plt.get_fignums() == []


def test_show_stores_one_and_a_half_times_the_pixels_of_a_photo(shown):
    _, ax = plt.subplots(figsize=(4, 2))
    notebook.show(ax, as_jpeg=True)
    image = Image.open(io.BytesIO(shown[0].data))
    assert (image.format, image.size, shown[0].width) == ("JPEG", (600, 300), 400)


def test_a_row_brings_its_pictures_along_at_their_own_size(shown):
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.repeat(rng.random((72, 72, 3)), 4, 0), 4, 1)
    photo = data.dead_leaves(1, 288)[0]
    zoom = plots.Zoom(0.25, 0.5, 0.125)
    notebook.show(plots.picture_row({"blocks": blocks, "photo": photo}, zoom), "RGB")
    bundle, metadata = shown[0]._repr_mimebundle_()
    assert metadata == {"image/jpeg": {"width": 720}}
    assert {"image/jpeg", notebook.ROW_TYPE} == set(bundle)
    row = json.loads(json.dumps(bundle[notebook.ROW_TYPE]))
    assert (row["zoom"], row["same_scene"], row["small_print"]) == (
        list(zoom),
        True,
        ["RGB"],
    )
    assert [p["title"] for p in row["pictures"]] == ["blocks", "photo"]
    read = [Image.open(io.BytesIO(base64.b64decode(p["data"]))) for p in row["pictures"]]
    assert [(p["width"], p["height"]) for p in row["pictures"]] == [i.size for i in read]
    np.testing.assert_array_equal(np.asarray(read[0]), np.rint(255 * blocks))
    assert read[1].format == "JPEG"
    assert metrics.psnr(data.as_float(np.asarray(read[1])), data.as_float(photo)) > 35


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

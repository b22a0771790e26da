"""What a chapter's cells call: the outputs that they leave in the notebook."""

import io
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from srlib import data, notebook, plots

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


def test_a_chart_is_a_drawing_of_the_figures_size_and_the_same_every_time(shown):
    for _ in range(2):
        plots.use_style()
        _, ax = plt.subplots(figsize=(4, 2))
        ax.plot([1, 2], [3, 5])
        notebook.show(ax, "sample, RGB")
    first, second = (output.data for output in shown)
    assert first == second
    assert re.match(r'<svg [^>]*width="400" height="200" viewBox="0 0 288 144"', first)
    assert plt.get_fignums() == []


@pytest.mark.parametrize(("as_jpeg", "kind"), [(True, "JPEG"), (False, "PNG")])
def test_pixels_are_stored_twice_as_dense_as_they_are_displayed(shown, as_jpeg, kind):
    _, ax = plt.subplots(figsize=(4, 2))
    ax.imshow(np.eye(3))
    notebook.show(ax, "sample, RGB", as_jpeg=as_jpeg)
    image = Image.open(io.BytesIO(shown[0].data))
    assert (image.format, image.size) == (kind, (800, 400))
    if as_jpeg:
        assert image.quantization[0][0] == 4  # as quality 88 has it
    _, metadata = shown[0]._repr_mimebundle_()
    assert metadata == {f"image/{kind.lower()}": {"width": 400}}
    assert plt.get_fignums() == []


def test_a_row_notes_where_its_pictures_are(shown):
    """In the stored picture each box holds the colour of its picture, to the edges."""
    colours = {"one\nof two": (1, 0, 0), "two": (0, 0, 1)}
    pictures = {title: np.ones((8, 8, 3)) * colour for title, colour in colours.items()}
    zoom = plots.Zoom(0.25, 0.5, 0.25)
    plots.use_style()
    notebook.show(plots.picture_row(pictures, zoom), "RGB", as_jpeg=True)
    _, metadata = shown[0]._repr_mimebundle_()
    noted = metadata["image/jpeg"]["panels"]
    assert [panel["title"] for panel in noted] == ["one of two", "two"]
    stored = np.asarray(Image.open(io.BytesIO(shown[0].data))) / 255
    height, width = stored.shape[:2]
    for panel, colour in zip(noted, colours.values(), strict=True):
        for left, top, wide, high in (panel["box"], panel["part"]):
            assert wide * width == pytest.approx(high * height, abs=2)
            for x in (left + 0.02 * wide, left + 0.98 * wide):
                for y in (top + 0.02 * high, top + 0.98 * high):
                    pixel = stored[int(y * height), int(x * width)]
                    np.testing.assert_allclose(pixel, colour, atol=0.1)


def test_pictures_of_different_things_are_not_compared(shown):
    pictures = {"one": np.zeros((8, 8, 3)), "two": np.ones((8, 8, 3))}
    notebook.show(plots.picture_row(pictures, compare=False), as_jpeg=True)
    _, metadata = shown[0]._repr_mimebundle_()
    assert metadata == {"image/jpeg": {"width": 720}}


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


def test_start_names_the_gpus_and_leaves_memory_to_others(shown, monkeypatch):
    import tensorflow as tf

    grown = []
    listed = {"GPU": ["GPU:0", "GPU:1"]}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: listed[kind])
    for name, does in {
        "get_device_details": lambda gpu: {"device_name": "Tesla T4"},
        "set_memory_growth": lambda gpu, grows: grown.append(gpu),
        "enable_op_determinism": lambda: pytest.fail("a GPU has no such operations"),
    }.items():
        monkeypatch.setattr(tf.config.experimental, name, does)
    notebook.start()
    assert "2 x Tesla T4." in shown[0].data
    assert grown == listed["GPU"]

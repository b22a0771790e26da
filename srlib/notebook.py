"""What the cells of a chapter call besides the library: start, say, show."""

from __future__ import annotations

import contextlib
import io
import os
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import PIL.Image
from IPython.display import SVG, Image, Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from srlib import __version__, data, plots
from srlib.runs import provenance
from srlib.sources import places


def start(folder: str | None = None) -> data.Photos:
    """Begin a chapter: find the photos, set the style, say in one line what is here."""
    # TensorFlow reads this once, when it is imported: no log lines between the cells.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:  # TensorFlow shall take of its memory what it needs, not all of it
        with contextlib.suppress(RuntimeError):  # in use already; then it stays as it is
            tf.config.experimental.set_memory_growth(gpu, True)
    plots.use_style()
    tf.get_logger().setLevel("ERROR")  # what remains would be about speed
    keras.utils.set_random_seed(0)
    if not gpus:
        # A GPU has no deterministic form of some operations: they would raise.
        tf.config.experimental.enable_op_determinism()
    photos = data.find_photos(folder)
    versions = provenance.versions()
    say(
        f"Photos: {photos}. srlib {__version__}, "
        f"TensorFlow {versions['tensorflow']}, Keras {versions['keras']}, "
        f"{_describe(gpus)}.{_missing_input(photos)}"
    )
    return photos


def _describe(gpus: Iterable[Any]) -> str:
    """Name the GPUs: ``2 x Tesla T4``, or ``no GPU``."""
    import tensorflow as tf

    details = tf.config.experimental.get_device_details
    names = Counter(details(gpu).get("device_name", "GPU") for gpu in gpus)
    return ", ".join(f"{count} x {name}" for name, count in names.items()) or "no GPU"


def _missing_input(photos: data.Photos) -> str:
    """Say on Kaggle what to attach for the real photos, if these are the sample."""
    if not places.on_kaggle() or photos.name != "sample":
        return ""
    return " VOC 2007 is not attached: Add Input > Datasets > zaraks/pascal-voc-2007."


def say(markdown: str) -> None:
    """Print a sentence whose numbers were just computed."""
    display(Markdown(markdown))


def table(
    rows: Mapping[str, Mapping[str, float | str]],
    corner: str = "",
    texts: Iterable[str] = (),
) -> None:
    """Print a table: by row name, then by column name; numbers with two decimals.

    Columns named in `texts` hold words and start at the left, like the row names.
    """
    columns = list(next(iter(rows.values())))
    lines = [
        f"| {corner} | " + " | ".join(columns) + " |",
        "|:--|" + "".join(":--|" if c in set(texts) else "--:|" for c in columns),
    ]
    for name, cells in rows.items():
        line = (_text(cells.get(column, "")) for column in columns)
        lines.append(f"| {name} | " + " | ".join(line) + " |")
    say("\n".join(lines))


def _text(value: float | str) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def show(
    axes: Axes, protocol: str = "", photos: Iterable[Path] = (), *, as_jpeg: bool = False
) -> None:
    """Show the figure that `axes` belong to, and in it how it was made and from what.

    Parameters
    ----------
    axes
        Any axes of the figure, or an array of them.
    protocol
        Data, recipe, colour space, crop, and what was averaged.
    photos
        The files that are shown, for their credits.
    as_jpeg
        Store as JPEG (quality 88, no colour subsampling), as figures that show photos
        always are. Other figures that hold pixels get a palette of 256 colours; charts
        are SVG, sharp at every size.
    """
    figure = (axes if isinstance(axes, Axes) else axes.flat[0]).figure
    photos = list(photos)
    lines = [protocol, data.credits(photos)] if photos else [protocol]
    columns = round(17 * figure.get_figwidth())
    small_print = "\n".join(textwrap.fill(line, columns) for line in lines if line)
    figure.supxlabel(small_print, x=0.01, ha="left", fontsize=8, color="#555555")
    display(_stored(figure, as_jpeg=as_jpeg or bool(photos)))
    plt.close(figure)


def _stored(figure: Figure, *, as_jpeg: bool) -> Image | SVG:
    if not as_jpeg and not any(ax.images for ax in figure.axes):
        drawing = io.StringIO()
        figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None})
        return SVG(_in_pixels(drawing.getvalue(), figure))
    pixels, stored = io.BytesIO(), io.BytesIO()
    # Twice the pixels that the page shows: sharp on a dense screen.
    figure.savefig(pixels, dpi=200, format="png")
    picture = PIL.Image.open(pixels).convert("RGB")
    if as_jpeg:
        picture.save(stored, "JPEG", quality=88, subsampling=0)
    else:
        picture.quantize(256, dither=PIL.Image.Dither.NONE).save(
            stored, "PNG", optimize=True
        )
    # The book makes a slider of the panels (_static/compare.js); nobody else reads them.
    panels = plots.panels(figure)
    noted = {"panels": panels} if panels else None
    width = round(100 * figure.get_figwidth())
    return Image(stored.getvalue(), width=width, metadata=noted)


def _in_pixels(svg: str, figure: Figure) -> str:
    """Give a drawing the size on a page that a picture of the figure would have.

    Its paths keep two decimals, a hundredth of a pixel: a third of the file is more.
    """
    width, height = (round(100 * inches) for inches in figure.get_size_inches())
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)
    size = f'width="{width}" height="{height}"'
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', size, svg, count=1)

"""What the cells of a chapter call besides the library: start, say, show."""

from __future__ import annotations

import base64
import io
import os
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from IPython.display import SVG, Image, Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from srlib import data, plots, provenance

#: The type under which an output holds the pictures of a row, pixel by pixel, beside the
#: flat image that every other place shows. The book makes a comparison of them.
ROW_TYPE = "application/vnd.srlib.pictures+json"
LOSSLESS_BYTES = 50_000


def start(folder: str | None = None) -> data.Photos:
    """Begin a chapter: find the photos, set the style, say in one line what is here."""
    # TensorFlow reads this once, when it is imported: no log lines between the cells.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf

    plots.use_style()
    tf.get_logger().setLevel("ERROR")  # what remains would be about speed
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    photos = data.find_photos(folder)
    gpus = tf.config.list_physical_devices("GPU")
    versions = provenance.versions()
    say(
        f"Photos: {photos}. "
        f"TensorFlow {versions['tensorflow']}, Keras {versions['keras']}, "
        f"{len(gpus) or 'no'} GPU."
    )
    return photos


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
        Store as JPEG, as figures that show photos always are, and rows of pictures.
        Others are SVG: sharp at every size, and small.
    """
    figure = (axes if isinstance(axes, Axes) else axes.flat[0]).figure
    photos = list(photos)
    lines = [protocol, data.credits(photos)] if photos else [protocol]
    columns = round(17 * figure.get_figwidth())
    small_print = "\n".join(textwrap.fill(line, columns) for line in lines if line)
    figure.supxlabel(small_print, x=0.01, ha="left", fontsize=8, color="#555555")
    row = getattr(figure, "picture_row", None)
    if row:
        display(_Pictures(_jpeg(figure), figure.get_figwidth(), _as_json(row, lines)))
    elif as_jpeg or photos:
        display(Image(_jpeg(figure), width=round(100 * figure.get_figwidth())))
    else:
        display(SVG(_svg(figure)))
    plt.close(figure)


class _Pictures(Image):
    """A flat image that brings its pictures along, for whoever can use them."""

    def __init__(self, flat: bytes, inches: float, row: dict) -> None:
        super().__init__(flat, width=round(100 * inches))
        self.row = row

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple:
        bundle, metadata = super()._repr_mimebundle_(include, exclude)
        return {**bundle, ROW_TYPE: self.row}, metadata


def _as_json(row: plots.PictureRow, lines: list[str]) -> dict:
    return {
        "pictures": [_pixels(title, image) for title, image in row.pictures.items()],
        "zoom": row.zoom,
        "same_scene": row.same_scene,
        "small_print": [line for line in lines if line],
    }


def _pixels(title: str, image: np.ndarray) -> dict:
    """Store one picture at its own size: exactly if that is small, else nearly so."""
    if np.issubdtype(image.dtype, np.floating):
        image = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    picture = PIL.Image.fromarray(image).convert("RGB")
    kind, stored = "webp", io.BytesIO()
    picture.save(stored, "WEBP", lossless=True, quality=100, method=4)
    if stored.tell() > LOSSLESS_BYTES:
        kind, stored = "jpeg", io.BytesIO()
        picture.save(stored, "JPEG", quality=92, subsampling=0)
    return {
        "title": title,
        "width": picture.width,
        "height": picture.height,
        "type": f"image/{kind}",
        "data": base64.b64encode(stored.getvalue()).decode(),
    }


def _jpeg(figure: Figure) -> bytes:
    pixels, stored = io.BytesIO(), io.BytesIO()
    # One and a half times the pixels that a page shows: sharp enough on a dense screen.
    figure.savefig(pixels, dpi=150, format="png")
    picture = PIL.Image.open(pixels).convert("RGB")
    picture.save(stored, "JPEG", quality=85, subsampling=0)
    return stored.getvalue()


def _svg(figure: Figure) -> str:
    stored = io.StringIO()
    figure.savefig(stored, format="svg", metadata={"Date": None, "Creator": None})
    return stored.getvalue()

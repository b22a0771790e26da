"""Figures. Every function draws on the axes it is given, or makes them, and returns them.

Colours are those of Okabe and Ito, which stay apart for colour-blind eyes; no meaning rests
on colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

if TYPE_CHECKING:
    import keras

#: Inches. Shown at 100 pixels an inch, so a figure fills the book's column.
WIDTH = 7.2

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY, INK = "#CC79A7", "#56B4E9", "#8A8A8A", "#222222"

#: One colour an output, in every chapter.
HEAD_COLOURS = {"x2": BLUE, "x4": RED}
HEAD_NAMES = {"x2": "x2 (144 pixels)", "x4": "x4 (288 pixels)"}


class Zoom(NamedTuple):
    """A square part of a picture, in fractions of its sides: it fits every size."""

    top: float
    left: float
    side: float

    def crop(self, picture: np.ndarray) -> np.ndarray:
        """Cut this part out of a picture."""
        top, left, side = self._pixels(picture)
        return picture[top : top + side, left : left + side]

    def frame(self, picture: np.ndarray) -> Rectangle:
        """Outline this part on a picture."""
        top, left, side = self._pixels(picture)
        return Rectangle((left - 0.5, top - 0.5), side, side, fill=False, ec=ORANGE, lw=2)

    def _pixels(self, picture: np.ndarray) -> tuple[int, int, int]:
        height = picture.shape[0]
        return tuple(round(part * height) for part in self)


def use_style() -> None:
    """Set the look that all figures of the course share."""
    mpl.rcParams.update(
        {
            "figure.facecolor": "white",
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            "axes.labelcolor": INK,
            "axes.edgecolor": GREY,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.prop_cycle": mpl.cycler(color=[BLUE, RED, GREEN, ORANGE, PURPLE, SKY]),
            "axes.axisbelow": True,
            "grid.color": "#E6E6E6",
            "legend.frameon": False,
            "image.interpolation": "nearest",
        }
    )


# --- Pictures --------------------------------------------------------------------------


def picture(ax: Axes, image: np.ndarray, title: str = "", zoom: Zoom | None = None) -> Axes:
    """Draw one picture, every pixel as it is, with a frame round the zoomed part."""
    image = np.clip(image, 0, 1) if np.issubdtype(image.dtype, np.floating) else image
    ax.imshow(image, cmap="gray", interpolation="nearest")
    ax.set_title(title)
    ax.set_axis_off()
    if zoom is not None:
        ax.add_patch(zoom.frame(image))
    return ax


def picture_row(
    pictures: Mapping[str, np.ndarray],
    zoom: Zoom | None = None,
    width: float = WIDTH,
) -> np.ndarray:
    """Draw pictures side by side, and under each its zoomed part.

    Parameters
    ----------
    pictures
        By title. Of any size: all are drawn equally large.
    zoom
        The part that the second row shows; without it there is one row.
    width
        Of the figure, in inches.

    Returns
    -------
    numpy.ndarray of Axes
        Shape (rows, pictures).
    """
    rows, columns = (1 if zoom is None else 2), len(pictures)
    longest = max(title.count("\n") for title in pictures) + 1
    height = rows * width / columns + 0.22 * longest
    _, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    for column, (title, image) in enumerate(pictures.items()):
        picture(axes[0, column], image, title, zoom)
        if zoom is not None:
            picture(axes[1, column], zoom.crop(image))
    return axes


# --- Numbers ---------------------------------------------------------------------------


def curves(
    ax: Axes, history: Mapping[str, Sequence[float]], metric: str = "psnr_db"
) -> Axes:
    """Draw one metric of a training run: training dashed, validation full, by output."""
    for head, colour in HEAD_COLOURS.items():
        for prefix, style in (("", "--"), ("val_", "-")):
            curve = history.get(f"{prefix}{head}_{metric}")
            if curve is None:
                continue
            epochs = range(1, len(curve) + 1)
            part = "validation" if prefix else "training"
            ax.plot(epochs, curve, style, color=colour, label=f"{head} {part}", marker=".")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("epoch")
    ax.legend()
    return ax


def training_run(
    history: Mapping[str, Sequence[float]], reference: Mapping[str, float] | None = None
) -> np.ndarray:
    """Draw a run's losses beside its PSNRs, with reference scores as dotted lines."""
    _, axes = plt.subplots(1, 2, figsize=(WIDTH, 3))
    curves(axes[0], history, "loss").set_title("mean squared error")
    curves(axes[1], history, "psnr_db").set_title("PSNR in dB")
    levels(axes[1], reference or {})
    return axes


def levels(ax: Axes, scores: Mapping[str, float], colour: str = GREY) -> Axes:
    """Draw horizontal lines, each with its name at the right end."""
    for name, value in scores.items():
        ax.axhline(value, color=colour, lw=1, ls=":")
        ax.annotate(
            f" {name} {value:.2f}",
            xy=(1, value),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color=colour,
        )
    return ax


def dots(ax: Axes, scores: Mapping[str, np.ndarray], unit: str = "PSNR in dB") -> Axes:
    """Draw every picture's score as a dot, one line a method, the mean as a bar."""
    for row, values in enumerate(scores.values()):
        values = np.ravel(values)
        # A fixed spread, not a random one: the same numbers give the same figure.
        spread = 0.28 * np.sin(np.arange(len(values)) * 2.4)
        ax.plot(values, row + spread, ".", color=SKY, ms=6, alpha=0.7, mew=0)
        ax.plot([values.mean()] * 2, [row - 0.4, row + 0.4], color=INK, lw=2)
        ax.annotate(
            f"{values.mean():.2f}", (values.mean(), row - 0.43), ha="center", va="bottom",
            fontsize=8, color=INK,
        )  # fmt: skip
    ax.set_yticks(range(len(scores)), list(scores))
    ax.set_ylim(len(scores) - 0.4, -0.8)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(unit)
    return ax


# --- Networks --------------------------------------------------------------------------

LAYER_COLOURS = {
    "InputLayer": "#F2F2F2",
    "Conv2D": "#D6E8F5",
    "UpSampling2D": "#FBE3C0",
    "DepthToSpace": "#D3EDE4",
}


def network(model: keras.Model, lr_size: int = 72, width: float = WIDTH) -> Axes:
    """Draw a network: a box a layer from the photo downwards, the heads framed.

    Beside a box stands the size of what leaves it for an input of `lr_size` pixels.
    """
    places = _places(model)
    depth = 1 + max(row for row, _ in places.values())
    lanes = 1 + max(lane for _, lane in places.values())
    _, ax = plt.subplots(figsize=(width, 0.62 * depth + 0.1))
    for layer in model.layers:
        row, lane = places[layer.name]
        for parent in _parents(layer):
            _arrow(ax, places[parent.name], (row, lane))
        _box(ax, layer, row, lane, _size(model, layer, lr_size), layer.name in model.output)
    ax.set(xlim=(-0.05, lanes), ylim=(depth - 0.25, -0.35))
    ax.set_axis_off()
    return ax


def _parents(layer: keras.Layer) -> list[keras.Layer]:
    tensors = layer.input if isinstance(layer.input, list) else [layer.input]
    histories = (tensor._keras_history for tensor in tensors)
    return [h.operation for h in histories if h.operation is not layer]


def _places(model: keras.Model) -> dict[str, tuple[int, int]]:
    """Give every layer a row (its distance from the input) and a lane (its branch)."""
    places: dict[str, tuple[int, int]] = {}
    taken: set[tuple[int, int]] = set()
    # An output from which nothing follows stands beside the trunk, which goes straight on.
    followed = {parent.name for layer in model.layers for parent in _parents(layer)}
    leaves = set(model.output) - followed if len(model.output) > 1 else set()
    for layer in model.layers:
        above = [places[parent.name] for parent in _parents(layer)]
        row = 1 + max((r for r, _ in above), default=-1)
        lane = min((lane for _, lane in above), default=0)
        if layer.name in leaves:
            row, lane = row - 1, lane + 1
        while (row, lane) in taken:
            lane += 1
        places[layer.name] = (row, lane)
        taken.add((row, lane))
    return places


def _size(model: keras.Model, layer: keras.Layer, lr_size: int) -> str:
    import keras

    up_to_here = keras.Model(model.input, layer.output)
    shape = up_to_here.compute_output_shape((1, lr_size, lr_size, 3))
    return f"{shape[1]}x{shape[2]}x{shape[3]}"


def _label(layer: keras.Layer) -> str:
    kind = type(layer).__name__
    if kind == "InputLayer":
        return "lr"
    if kind == "UpSampling2D":
        return "repeat pixels 2x2"
    if kind == "Conv2D":
        size = "x".join(str(side) for side in layer.kernel_size)
        name = layer.activation.__name__
        activation = {"linear": "", "relu": ", ReLU"}.get(name, f", {name}")
        return f"conv {size}, {layer.filters} filters{activation}"
    return kind


def _box(ax: Axes, layer: keras.Layer, row: int, lane: int, size: str, head: bool) -> None:
    colour = LAYER_COLOURS.get(type(layer).__name__, "#F2F2F2")
    edge, weight = (HEAD_COLOURS.get(layer.name, INK), 2.2) if head else (GREY, 0.8)
    box = FancyBboxPatch(
        (lane + 0.02, row - 0.27), 0.82, 0.5, boxstyle="round,pad=0,rounding_size=0.06",
        fc=colour, ec=edge, lw=weight,
    )  # fmt: skip
    ax.add_patch(box)
    text = f"{layer.name}: {_label(layer)}" if head else _label(layer)
    ax.text(
        lane + 0.05, row, text, va="center", fontsize=9, weight="bold" if head else None
    )
    ax.text(lane + 0.81, row, size, va="center", ha="right", fontsize=8, color="#555555")


def _arrow(ax: Axes, start: tuple[int, int], end: tuple[int, int]) -> None:
    (row, lane), (to_row, to_lane) = start, end
    look = {"arrowstyle": "-|>", "color": GREY, "lw": 1, "shrinkA": 0, "shrinkB": 0}
    if row == to_row:
        start, end = (lane + 0.84, row - 0.02), (to_lane + 0.02, row - 0.02)
    else:
        start, end = (lane + 0.43, row + 0.23), (to_lane + 0.43, to_row - 0.27)
    ax.annotate("", xy=end, xytext=start, arrowprops=look)

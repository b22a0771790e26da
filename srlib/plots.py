"""Figures. Every function draws on the axes it is given, or makes them, and returns them.

Colours are those of Okabe and Ito, which stay apart for colour-blind eyes; no meaning rests
on colour alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

if TYPE_CHECKING:
    import keras

    from srlib.runs.results import Record

#: Inches. Shown at 100 pixels an inch, so a figure fills the book's column.
WIDTH = 7.2

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY, INK = "#CC79A7", "#56B4E9", "#8A8A8A", "#222222"
SLATE = "#555555"  # for small letters, on which GREY would be too pale

#: One colour an output, in every chapter.
HEAD_COLOURS = {"x2": BLUE, "x4": RED}
HEAD_NAMES = {"x2": "x2 (144 pixels)", "x4": "x4 (288 pixels)"}


#: Marks of the axes whose pictures can be compared, and of the zoomed parts' axes.
PICTURE, PART = "picture", "part"


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
            "svg.hashsalt": "srlib",  # the same figure, the same file
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
    *,
    compare: bool = True,
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
    compare
        Whether all show the same, so that the book may let its reader slide from one to
        another.

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
    if compare and columns > 1:
        for ax, part in zip(axes[0], axes[-1], strict=True):
            ax.set_gid(PICTURE)
            part.set_gid(PICTURE if part is ax else PART)
    return axes


def panels(figure: Figure) -> list[dict[str, Any]]:
    """Tell where in a figure that was drawn the pictures are that can be compared.

    Returns
    -------
    list of dict
        A picture each: ``title``; ``box``, its left, top, width and height in fractions
        of the figure; ``part``, the box of its zoomed part, where there is one.
    """
    wholes = [ax for ax in figure.axes if ax.get_gid() == PICTURE]
    parts = [ax for ax in figure.axes if ax.get_gid() == PART]
    return [
        {
            "title": " ".join(ax.get_title(loc="left").split()),
            "box": _place(ax),
            **({"part": _place(parts[k])} if parts else {}),
        }
        for k, ax in enumerate(wholes)
    ]


def _place(ax: Axes) -> list[float]:
    place = ax.get_position()
    return [round(v, 4) for v in (place.x0, 1 - place.y1, place.width, place.height)]


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
    axes[1].get_legend().remove()  # the same, and there are the reference lines
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
            color=SLATE if colour == GREY else colour,
        )
    return ax


#: How far below bilinear interpolation, in dB, a network has gone wrong.
FAR = 5


def dots(
    ax: Axes,
    scores: Mapping[str, np.ndarray],
    unit: str = "PSNR in dB",
    *,
    floor: float = -np.inf,
) -> Axes:
    """Draw every score as a dot, one line a method, the mean as a bar.

    Many scores, those of photos, are small dots; a few, those of seeds, are large ones. A
    score below `floor` would press all others together: it is written at the left edge
    instead, and left out of the mean.
    """
    few = max(np.size(values) for values in scores.values()) <= 10
    look = {"color": BLUE, "ms": 11} if few else {"color": SKY, "ms": 6}
    half = 0.22 if few else 0.4
    for row, values in enumerate(scores.values()):
        values = np.ravel(values)
        if far := [f"{value:.1f}" for value in sorted(values[values < floor])]:
            ax.annotate(
                f"◂ {', '.join(far)}", (0.01, row + 1.8 * half),
                xycoords=("axes fraction", "data"), va="center", fontsize=8, color=RED,
            )  # fmt: skip
        values = values[values >= floor]
        if not len(values):
            continue
        # A fixed spread, not a random one: the same numbers give the same figure.
        spread = 0.7 * half * np.sin(np.arange(len(values)) * 2.4)
        ax.plot(values, row + spread, ".", alpha=0.7, mew=0, **look)
        ax.plot([values.mean()] * 2, [row - half, row + half], color=INK, lw=2)
        ax.annotate(
            f"{values.mean():.2f}", (values.mean(), row - half - 0.03), ha="center",
            va="bottom", fontsize=8, color=INK,
        )  # fmt: skip
    ax.set_yticks(range(len(scores)), list(scores))
    ax.set_ylim(len(scores) - 0.4, -0.8)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(unit)
    return ax


def seeds(
    runs: Mapping[str, Sequence[Record]], methods: Sequence[str] = ("bilinear",)
) -> np.ndarray:
    """Draw the mean score of every run as a dot, a row a network, a chart an output.

    One that is more than `FAR` dB below bilinear interpolation is written at the edge.

    Parameters
    ----------
    runs
        By the network's name, its runs from several seeds. A network without an output
        has no dots there.
    methods
        Baselines, drawn as dotted lines.

    Returns
    -------
    numpy.ndarray of Axes
        Shape (2,).
    """
    size = (WIDTH, 0.55 * len(runs) + 1.1)
    _, axes = plt.subplots(1, 2, figsize=size, sharey=True)
    one = next(record for records in runs.values() for record in records)
    for ax, head in zip(axes, HEAD_COLOURS, strict=True):
        dots(
            ax,
            {
                name: np.array([r.psnr_db[head] for r in records if head in r.psnr_db])
                for name, records in runs.items()
            },
            floor=one.baseline(head, "bilinear").mean() - FAR,
        )
        ax.set_title(HEAD_NAMES[head])
        for method in methods:
            value = float(one.baseline(head, method).mean())
            ax.axvline(value, color=GREY, lw=1, ls=":")
            ax.annotate(
                f"{method} {value:.2f}", (value, 1), xycoords=("data", "axes fraction"),
                ha="right", va="top", fontsize=8, color=INK, rotation=90,
            )  # fmt: skip
    return axes


# --- Networks --------------------------------------------------------------------------

LAYER_COLOURS = {
    "InputLayer": "#F2F2F2",
    "Conv2D": "#D6E8F5",
    "UpSampling2D": "#FBE3C0",
    "DepthToSpace": "#D3EDE4",
    "Add": "#F0DDE9",
    "Concatenate": "#F0DDE9",
}
PLAIN_NAMES = {
    "Add": "add",
    "Concatenate": "concatenate",
    "CropLike": "crop to the photo's size",
    "DepthToSpace": "depth to space 2x2",
}
ACTIVATIONS = {"linear": "", "relu": ", ReLU", "leaky_relu": ", leaky"}


def network(model: keras.Model, lr_size: int = 72, width: float = WIDTH) -> Axes:
    """Draw a network: a box a layer from the photo downwards, the heads framed.

    Beside a box stands the size of what leaves it for an input of `lr_size` pixels. An
    activation is drawn in the box of the layer before it, a skip connection on the left.
    """
    hosts = _hosts(model)
    layers = [layer for layer in model.layers if hosts[layer.name] == layer.name]
    parents = {
        layer.name: [hosts[parent.name] for parent in _parents(model, layer)]
        for layer in layers
    }
    places = _places(parents, list(model.output))
    arrows = [(places[p], places[name]) for name in parents for p in parents[name]]
    depth = 1 + max(row for row, _ in places.values())
    lanes = 1 + max(lane for _, lane in places.values())
    row_height = 0.62 if depth <= 8 else 0.45
    _, ax = plt.subplots(figsize=(width, row_height * depth + 0.1))
    for start, end in arrows:
        (_skip_arrow if _is_skip(start, end) else _arrow)(ax, start, end)
    for layer in layers:
        row, lane = places[layer.name]
        size = _size(model, layer, lr_size)
        text = _label(layer) + "".join(
            _activation(other)
            for other in model.layers
            if hosts[other.name] == layer.name and other is not layer
        )
        _box(ax, layer, row, lane, text, size, layer.name in model.output)
    # Room for the skip connections on the left, taken from the margin on the right.
    around = (-0.12, -0.12) if any(_is_skip(*arrow) for arrow in arrows) else (-0.05, 0)
    ax.set(xlim=(around[0], lanes + around[1]), ylim=(depth - 0.25, -0.35))
    ax.set_axis_off()
    return ax


def _parents(model: keras.Model, layer: keras.Layer) -> list[keras.Layer]:
    return [tensor._keras_history.operation for tensor in _node(model, layer).input_tensors]


def _node(model: keras.Model, layer: keras.Layer) -> Any:
    """Return the use of `layer` that belongs to `model`: others may share the layer."""
    here = (node for nodes in model._nodes_by_depth.values() for node in nodes)
    return next(node for node in here if node.operation is layer)


def _hosts(model: keras.Model) -> dict[str, str]:
    """Tell in whose box each layer is drawn: an activation in that of its parent."""
    followers = Counter(p.name for layer in model.layers for p in _parents(model, layer))
    hosts: dict[str, str] = {}
    for layer in model.layers:
        above = [parent.name for parent in _parents(model, layer)]
        joins = _activation(layer) and len(above) == 1 and followers[above[0]] == 1
        hosts[layer.name] = hosts[above[0]] if joins else layer.name
    return hosts


def _places(
    parents: Mapping[str, Sequence[str]], heads: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Give every box a row (its distance from the input) and a lane (its branch)."""
    places: dict[str, tuple[int, int]] = {}
    taken: set[tuple[int, int]] = set()
    # An output from which nothing follows stands beside the trunk, which goes straight on.
    followed = {parent for above in parents.values() for parent in above}
    leaves = set(heads) - followed if len(heads) > 1 else set()
    for name in parents:
        above = [places[parent] for parent in parents[name]]
        row = 1 + max((r for r, _ in above), default=-1)
        lane = min((lane for _, lane in above), default=0)
        if name in leaves:
            row, lane = row - 1, lane + 1
        while (row, lane) in taken:
            lane += 1
        places[name] = (row, lane)
        taken.add((row, lane))
    return places


def _is_skip(start: tuple[int, int], end: tuple[int, int]) -> bool:
    """Tell whether an arrow would run behind the boxes between its ends."""
    return start[1] == end[1] and end[0] - start[0] > 1


def _size(model: keras.Model, layer: keras.Layer, lr_size: int) -> str:
    import keras

    up_to_here = keras.Model(model.input, _node(model, layer).output_tensors[0])
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
        size += f" rate {layer.dilation_rate[0]}" if layer.dilation_rate[0] > 1 else ""
        name = layer.activation.__name__
        activation = ACTIVATIONS.get(name, f", {name}")
        return f"conv {size}, {layer.filters} filters{activation}"
    if layer.name.startswith("backbone_"):
        return f"features ({layer.name.removeprefix('backbone_')})"
    return PLAIN_NAMES.get(kind, kind)


def _activation(layer: keras.Layer) -> str:
    """Return what a layer that is nothing but an activation adds to a label, else ""."""
    return {"LeakyReLU": ", leaky", "ReLU": ", ReLU"}.get(type(layer).__name__, "")


def _box(
    ax: Axes, layer: keras.Layer, row: int, lane: int, text: str, size: str, head: bool
) -> None:
    colour = LAYER_COLOURS.get(type(layer).__name__, "#F2F2F2")
    edge, weight = (HEAD_COLOURS.get(layer.name, INK), 2.2) if head else (GREY, 0.8)
    box = FancyBboxPatch(
        (lane + 0.02, row - 0.27), 0.82, 0.5, boxstyle="round,pad=0,rounding_size=0.06",
        fc=colour, ec=edge, lw=weight,
    )  # fmt: skip
    ax.add_patch(box)
    look = {"weight": "bold"} if head else {}
    text = f"{layer.name}: {text}" if head else text
    look["fontsize"] = 9 if len(text) + 4 * head < 30 else 8
    ax.text(lane + 0.05, row, text, va="center", **look)
    ax.text(lane + 0.81, row, size, va="center", ha="right", fontsize=8, color=SLATE)


def _arrow(ax: Axes, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Lead an arrow from box to box; between lanes along a row first, or last."""
    (row, lane), (to_row, to_lane) = start, end
    below, above = (lane + 0.43, row + 0.23), (to_lane + 0.43, to_row - 0.27)
    if lane == to_lane:
        path = [below, above]
    elif row == to_row:
        path = [(lane + 0.84, row - 0.02), (to_lane + 0.02, row - 0.02)]
    elif lane < to_lane:
        path = [(lane + 0.84, row - 0.02), (above[0], row - 0.02), above]
    else:
        path = [below, (below[0], to_row - 0.02), (to_lane + 0.84, to_row - 0.02)]
    _draw_arrow(ax, path, GREY, 1)


def _skip_arrow(ax: Axes, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Lead an arrow round the boxes, on their left."""
    (row, lane), (to_row, _) = start, end
    edge, outside = lane + 0.02, lane - 0.07
    row, to_row = row + 0.1, to_row - 0.1
    corners = [(edge, row), (outside, row), (outside, to_row), (edge, to_row)]
    _draw_arrow(ax, corners, PURPLE, 1.8)


def _draw_arrow(
    ax: Axes, path: list[tuple[float, float]], colour: str, width: float
) -> None:
    ax.plot(*zip(*path[:-1], strict=True), color=colour, lw=width)
    look = {"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", xy=path[-1], xytext=path[-2], arrowprops=look)


# --- Receptive fields ------------------------------------------------------------------


def receptive_field(
    model: keras.Model, lr: np.ndarray, head: str = "x4", reach: int = 22
) -> np.ndarray:
    """Measure how much each input pixel counts for the middle of an output.

    The gradient of the mean of the output pixels under the middle input pixel, with respect
    to every input pixel: absolute values, summed over colours, averaged over pictures. A
    pixel that the network cannot see has exactly 0. Luo et al., "Understanding the
    Effective Receptive Field in Deep Convolutional Neural Networks", 2016.

    Parameters
    ----------
    model
        With `head` among its outputs, of any whole scale.
    lr
        Pictures to measure on: a stack (n, height, width, 3) in [0, 1].
    head
        Which output.
    reach
        How many pixels to return on each side of the middle one.

    Returns
    -------
    numpy.ndarray
        Shape (2 * reach + 1, 2 * reach + 1), with the sum 1.

    Raises
    ------
    ValueError
        If `reach` leads beyond the pictures, or no pixel counts.
    """
    import tensorflow as tf

    row, column = lr.shape[1] // 2, lr.shape[2] // 2
    if min(lr.shape[1] - row, lr.shape[2] - column) <= reach:
        raise ValueError(
            f"{lr.shape[1]}x{lr.shape[2]} pixels do not have {reach} on each side of the "
            f"middle one. Expected at least {2 * reach + 1}x{2 * reach + 1}."
        )
    x = tf.convert_to_tensor(lr, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        drawn = model(x)[head]
        scale = drawn.shape[1] // x.shape[1]
        top, left = row * scale, column * scale
        middle = tf.reduce_mean(drawn[:, top : top + scale, left : left + scale])
    pull = np.abs(tape.gradient(middle, x)).sum(axis=-1).mean(axis=0)
    if not pull.any():
        raise ValueError(f"No input pixel counts for {head}: is its last activation shut?")
    window = pull[row - reach : row + reach + 1, column - reach : column + reach + 1]
    return window / window.sum()


def side_holding(field: np.ndarray, share: float = 1.0) -> int:
    """Return the side of the smallest centred square that holds `share` of a field.

    Examples
    --------
    >>> field = np.zeros((5, 5))
    >>> field[2, 2], field[2, 3] = 0.9, 0.1
    >>> side_holding(field), side_holding(field, 0.9)
    (3, 1)
    """
    middle = len(field) // 2
    distance = np.abs(np.indices(field.shape) - middle).max(axis=0)
    outside = [field[distance > d].sum() for d in range(middle + 1)]
    # Sums of the same numbers differ in their last digits; an empty sum is exactly 0.
    allowed = (1 - share) * field.sum() * (1 + 1e-6)
    return 1 + 2 * next(d for d, rest in enumerate(outside) if rest <= allowed)


def receptive_fields(
    fields: Mapping[str, np.ndarray], share: float = 0.9, columns: int = 3
) -> np.ndarray:
    """Draw fields of `receptive_field` on one scale; what a network cannot see stays grey.

    The frame is the smallest centred square that holds `share`. Below each stand its side
    and that of the whole field.

    Returns
    -------
    numpy.ndarray of Axes
        Shape (rows, columns).
    """
    rows = -(-len(fields) // columns)
    longest = max(title.count("\n") for title in fields) + 1
    height = rows * ((WIDTH - 0.9) / columns + 0.45 + 0.2 * longest) + 0.2
    _, axes = plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False)
    colours = mpl.colormaps["viridis"].with_extremes(bad="#EDEDED")
    norm = mpl.colors.LogNorm(1e-5, 1e-1, clip=True)
    for ax, (title, field) in zip(axes.flat, fields.items(), strict=False):
        drawn = ax.imshow(np.ma.masked_equal(field, 0), cmap=colours, norm=norm)
        held = side_holding(field, share)
        corner = (len(field) - held) / 2 - 0.5
        ax.add_patch(Rectangle((corner, corner), held, held, fill=False, ec=ORANGE, lw=1.6))
        whole = side_holding(field)
        ax.set_title(title)
        ax.set_xlabel(f"sees {whole}x{whole},\n{share:.0%} within {held}x{held}")
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
    bar = ax.figure.colorbar(drawn, ax=axes, shrink=0.7, aspect=30, pad=0.02)
    bar.set_label("a pixel's share", fontsize=9)
    return axes

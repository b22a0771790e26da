"""Figures. Every function draws on the axes it is given, or makes them, and returns them.

Colours are those of Okabe and Ito, which stay apart for colour-blind eyes; no meaning rests
on colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from srlib.receptive import side_holding
from srlib.runs.verdicts import SAME_DB

if TYPE_CHECKING:
    from srlib.runs.results import Record
    from srlib.runs.verdicts import Difference

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


def forest(
    found: Mapping[tuple[str, str], Difference], same: float = SAME_DB, reach: float = 1
) -> np.ndarray:
    """Draw differences: intervals over the photos as bars, seeds as dots, a row a label.

    Parameters
    ----------
    found
        By label and output.
    same
        Differences up to here, in dB, count as none: the grey band.
    reach
        Of the axes, in dB. What lies beyond is an arrow at the edge.

    Returns
    -------
    numpy.ndarray of Axes
        Shape (2,): a chart an output.
    """
    labels = list(dict.fromkeys(label for label, _ in found))
    size = (WIDTH, 0.42 * len(labels) + 1.2)
    _, axes = plt.subplots(1, 2, figsize=size, sharey=True)
    for ax, (head, colour) in zip(axes, HEAD_COLOURS.items(), strict=True):
        ax.axvspan(-same, same, color="#EDEDED")
        for row, label in enumerate(labels):
            one = found[label, head]
            ax.plot([one.low, one.high], [row, row], color=colour, lw=5, alpha=0.5)
            for db in one.by_seed:  # a dead output would press all else together
                mark = "o" if abs(db) <= reach else "<" if db < 0 else ">"
                ax.plot(np.clip(db, -reach, reach), row, mark, color=INK, ms=4)
        limits = (-1.05 * reach, 1.05 * reach)
        ax.set(title=HEAD_NAMES[head], xlabel="dB", xlim=limits)
        ax.set_ylim(len(labels) - 0.5, -0.5)
    axes[0].set_yticks(range(len(labels)), labels)
    return axes


# --- Receptive fields ------------------------------------------------------------------


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

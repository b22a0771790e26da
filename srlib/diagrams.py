"""A network drawn: a box a layer, from the photo downwards. Only chapters use it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from srlib.plots import GREY, HEAD_COLOURS, INK, PURPLE, SLATE, WIDTH

if TYPE_CHECKING:
    import keras

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
    uses = _uses(model, lr_size)
    hosts = _hosts(model, uses)
    layers = [layer for layer in model.layers if hosts[layer.name] == layer.name]
    parents = {
        layer.name: [hosts[parent] for parent in uses[layer.name].parents]
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
        size = "x".join(str(side) for side in uses[layer.name].shape[1:])
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


class _Use(NamedTuple):
    """What the first call of a layer was given, by layer, and the shape of what it made."""

    parents: list[str]
    shape: tuple[int, ...]


def _uses(model: keras.Model, lr_size: int) -> dict[str, _Use]:
    """Call the layers of a network on a photo of `lr_size` that is not there."""
    import keras

    lr = keras.Input(batch_shape=(1, lr_size, lr_size, 3), name="photo")
    (start,) = (x for x in model.layers if isinstance(x, keras.layers.InputLayer))
    uses = {start.name: _Use([], lr.shape)}
    made = [(lr, start.name)]

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        given = keras.tree.flatten((args, kwargs))
        parents = [name for x in given for tensor, name in made if tensor is x]
        output = layer(*args, **kwargs)
        tensors = keras.tree.flatten(output)
        made.extend((x, layer.name) for x in tensors)
        uses.setdefault(layer.name, _Use(parents, tensors[0].shape))
        return output

    bare = keras.Model(model.input, model.output)  # Keras would clone the losses, too
    keras.models.clone_model(
        bare, input_tensors=lr, clone_function=lambda layer: layer, call_function=call
    )
    return uses


def _hosts(model: keras.Model, uses: Mapping[str, _Use]) -> dict[str, str]:
    """Tell in whose box each layer is drawn: an activation in that of its parent."""
    above = {layer.name: uses[layer.name].parents for layer in model.layers}
    followers = Counter(parent for parents in above.values() for parent in parents)
    hosts: dict[str, str] = {}
    for layer in model.layers:
        parents = above[layer.name]
        joins = _activation(layer) and len(parents) == 1 and followers[parents[0]] == 1
        hosts[layer.name] = hosts[parents[0]] if joins else layer.name
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

"""Write the trained networks in the form that the page "Try it" runs in the browser.

    python -m tools.book.export_networks

For each of the five networks of the article it makes two files in _static/live/networks: a
list of steps (JSON), and the weights that they name (``float32``, little-endian, one after
the other). index.json lists them: the page shows these, under these titles, in this order.
Run it when data/weights changes: a test compares.

The steps are those of `small.small_form`, which draws one pixel where the network draws a
block, with each batch normalisation folded into the convolution before it. _static/live/
network.mjs carries them out.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

from srlib import models, zoo
from srlib.fast import small
from srlib.runs.weights import load_trained
from srlib.sources import backbone

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "_static" / "live" / "networks"
#: What _static/live/network.mjs knows. Keras's name for x * sigmoid(x) is silu.
ACTIVATIONS = ("linear", "relu", "relu6", "leaky_relu", "silu")
LEAKY_SLOPE = 0.2

Step = dict[str, Any]


class ExportError(ValueError):
    """A network with something that the page cannot compute."""


@dataclass
class View:
    """Where the pixels of a tensor are, and what they see, in pixels of the input.

    Attributes
    ----------
    step
        From one pixel to the next: 2 after a stride of 2, 1/2 after an enlargement.
    low, high
        Pixel i depends on the input's pixels from ``step * i + low`` to
        ``step * i + high``.
    channels
        Numbers a pixel.
    """

    step: float
    low: float
    high: float
    channels: int


@dataclass
class Recorder:
    """The steps of a network, the arrays they need, and what each tensor sees."""

    steps: list[Step] = field(default_factory=list)
    arrays: list[np.ndarray] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=lambda: {"lr": View(1, 0, 0, 3)})
    #: By id of a tensor. The tensors are kept, so that no id is given twice.
    names: dict[int, str] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)

    def walk(self, model: keras.Model, start: str) -> Any:
        """Record a network whose input is the tensor `start`; return its output tensors."""

        def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
            output = layer(*args, **kwargs)
            inputs = [self.names.get(id(x), start) for x in keras.tree.flatten(args)]
            self.names[id(output)] = self.record(layer, inputs)
            self.kept.append(output)
            return output

        clone = keras.models.clone_model(
            model, clone_function=lambda layer: layer, call_function=call
        )
        self.kept.append(clone)
        return clone.output

    def record(self, layer: keras.Layer, inputs: list[str]) -> str:
        """Record one layer and return the name of what it makes."""
        if isinstance(layer, keras.Model):
            return self.names[id(self.walk(layer, *inputs))]
        if isinstance(layer, layers.Identity):
            return inputs[0]
        if isinstance(layer, layers.BatchNormalization):
            return self.fold(layer, *inputs)
        step, view = self.describe(layer, [self.views[name] for name in inputs])
        return self.append(step, inputs, view)

    def append(self, step: Step, inputs: list[str], view: View) -> str:
        """Add a step, named by its number."""
        name = f"t{len(self.steps)}"
        self.steps.append({**step, "from": inputs, "to": name})
        self.views[name] = view
        return name

    def describe(self, layer: keras.Layer, seen: list[View]) -> tuple[Step, View]:
        """Say what a layer does, and what its output's pixels see."""
        if isinstance(layer, layers.DepthwiseConv2D | layers.Conv2D):
            return self.convolution(layer, *seen)
        first = seen[0]
        low, high = min(v.low for v in seen), max(v.high for v in seen)
        same = View(first.step, low, high, first.channels)
        if isinstance(layer, layers.Add):
            return {"op": "add"}, same
        if isinstance(layer, layers.Concatenate):
            same.channels = sum(v.channels for v in seen)
            return {"op": "concat"}, same
        if isinstance(layer, layers.Activation | layers.LeakyReLU | layers.ReLU):
            return {"op": "activate", "activation": activation_of(layer)}, same
        if isinstance(layer, layers.Normalization):
            factor = 1 / np.sqrt(np.asarray(layer.variance)).ravel()
            offset = -np.asarray(layer.mean).ravel() * factor
            return {"op": "scale", **self.store(factor=factor, offset=offset)}, same
        if isinstance(layer, backbone.ReverseChannels):
            return {"op": "reverse"}, same
        if isinstance(layer, backbone.PadToEven):
            same.high += 1
            return {"op": "pad_to_even"}, same
        if isinstance(layer, backbone.CropLike):
            return {"op": "crop_like"}, first
        if isinstance(layer, layers.UpSampling2D) and layer.interpolation == "nearest":
            return {"op": "repeat", "block": layer.size[0]}, enlarged(first, layer.size[0])
        if isinstance(layer, models.DepthToSpace):
            view = enlarged(first, 2)
            view.channels //= 4
            return {"op": "depth_to_space", "block": 2}, view
        raise ExportError(
            f"The layer {layer.name} is a {type(layer).__name__}, which the page cannot "
            "compute. Teach `describe`, and _static/live/network.mjs, what it does."
        )

    def convolution(self, layer: layers.Conv2D, x: View) -> tuple[Step, View]:
        """Describe a convolution, or a depthwise one."""
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        (size, width), (stride, _) = layer.kernel_size, layer.strides
        dilation = layer.dilation_rate[0]
        if layer.padding != "same" or size != width:
            raise ExportError(f"The convolution {layer.name} is of a kind not known here.")
        kernel = np.asarray(layer.kernel)
        channels = kernel.shape[2] if depthwise else kernel.shape[3]
        bias = np.asarray(layer.bias) if layer.use_bias else np.zeros(channels, np.float32)
        # TensorFlow's "same" for even sizes. For odd ones it pads one more at the front.
        reach = dilation * (size - 1)
        before = max(reach + 1 - stride, 0) // 2
        view = View(
            x.step * stride,
            x.low - x.step * (before + (stride > 1)),
            x.high + x.step * (reach - before),
            channels,
        )
        step = {
            "op": "depthwise" if depthwise else "conv",
            "stride": stride,
            "dilation": dilation,
            "activation": activation_of(layer),
            # Multiplications for each pixel of the input: what the progress bar counts.
            "work": round(kernel.size / view.step**2, 1),
        }
        return {**step, **self.store(kernel=kernel, bias=bias)}, view

    def fold(self, layer: layers.BatchNormalization, name: str) -> str:
        """Multiply a batch normalisation into the convolution whose output it takes."""
        step = next(step for step in self.steps if step["to"] == name)
        if step["op"] not in ("conv", "depthwise") or step["activation"] != "linear":
            raise ExportError(f"{layer.name} does not follow a bare convolution.")
        gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in layer.weights)
        factor = gamma / np.sqrt(variance + layer.epsilon)
        kernel, bias = (self.arrays[step[part]["array"]] for part in ("kernel", "bias"))
        axis = (..., None) if step["op"] == "depthwise" else (...,)
        self.arrays[step["kernel"]["array"]] = kernel * factor[axis]
        self.arrays[step["bias"]["array"]] = (bias - mean) * factor + beta
        return name

    def store(self, **arrays: np.ndarray) -> Step:
        """Keep arrays; in the step stands which they are."""
        entries = {}
        for name, array in arrays.items():
            entries[name] = {"array": len(self.arrays), "shape": list(array.shape)}
            self.arrays.append(array)
        return entries


def activation_of(layer: keras.Layer) -> str:
    """Name a layer's activation as the page knows it."""
    if isinstance(layer, layers.LeakyReLU):
        name = "leaky_relu" if layer.negative_slope == LEAKY_SLOPE else "unknown"
    elif isinstance(layer, layers.ReLU):
        plain = not layer.negative_slope and not layer.threshold
        name = {None: "relu", 6: "relu6"}.get(layer.max_value) if plain else "unknown"
    else:
        name = keras.activations.serialize(layer.activation)
    if name not in ACTIVATIONS:
        raise ExportError(
            f"The layer {layer.name} has an activation that the page does not know: "
            f"{name}. Known: {', '.join(ACTIVATIONS)}."
        )
    return name


def enlarged(x: View, block: int) -> View:
    """See what a `block` times larger tensor sees."""
    return View(x.step / block, x.low - x.step, x.high, x.channels)


def export(name: str) -> tuple[dict[str, Any], bytes]:
    """Make the two files of a network.

    Parameters
    ----------
    name
        One of `zoo.NETWORKS`.

    Returns
    -------
    description
        ``steps``: what to compute, in order. ``outputs``: by head, the name of a tensor,
        and the side of the blocks in which its pixels are to be drawn. ``halo``: how far a
        pixel sees, in pixels of the input, rounded up to an even number. ``file``,
        ``sha256``: what it was made from.
    weights
        The bytes of the arrays.

    Raises
    ------
    ExportError
        If the network has something that the page cannot compute.
    backbone.WeightsError
        If its weights are missing or not the published ones.
    """
    model, config = load_trained(name)
    compact, blocks = small.small_form(model, rewrite=False)
    recorder = Recorder()
    heads = recorder.walk(compact, "lr")
    outputs = {
        head: {"tensor": recorder.names[id(x)], "block": blocks[head]}
        for head, x in heads.items()
    }
    source = backbone.WEIGHTS_FOLDER / f"{config.name}.keras"
    description = {
        "name": name,
        "title": zoo.NETWORKS[name].short,
        "file": source.name,
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "halo": halo([recorder.views[output["tensor"]] for output in outputs.values()]),
        "steps": list(placed(recorder)),
        "outputs": outputs,
    }
    weights = b"".join(a.astype("<f4").tobytes() for a in recorder.arrays)
    return description, weights


def halo(views: list[View]) -> int:
    """Say how far any output sees; even, so that tiles start at even pixels."""
    reach = max(max(-v.low, v.high) for v in views)
    return 2 * math.ceil(reach / 2)


def placed(recorder: Recorder) -> Iterator[Step]:
    """Replace numbers of arrays in the steps by where they start, counted in numbers."""
    starts = np.cumsum([0, *(array.size for array in recorder.arrays)]).tolist()
    for step in recorder.steps:
        yield {
            key: {"start": starts[value["array"]], "shape": value["shape"]}
            if isinstance(value, dict)
            else value
            for key, value in step.items()
        }


def index() -> list[dict[str, str]]:
    """List what the page shows, in its order."""
    return [{"name": name, "title": zoo.NETWORKS[name].short} for name in zoo.FINALS]


def write(folder: Path) -> None:
    """Write all networks into a folder, and the index last: it names what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in zoo.FINALS:
        description, weights = export(name)
        text = json.dumps(description, indent=1) + "\n"
        for suffix, content in ((".json", text.encode()), (".bin", weights)):
            part = folder / f"{name}{suffix}.part"
            part.write_bytes(content)
            part.replace(folder / f"{name}{suffix}")
        print(f"{name}: {len(weights):,} bytes, sees {description['halo']} pixels")
    text = json.dumps(index(), indent=1) + "\n"
    (folder / "index.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER)

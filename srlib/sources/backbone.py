"""The eyes that Models 4 and 5 borrow: the first layers of a trained classifier.

The article cut EfficientNetB4 after its first depthwise convolution and froze it. What is
left is small: two convolutions, each with a batch normalisation, that turn a photo into
48 channels at half its size. This module builds those layers, finds weights for them, and
says which weights it found: the layer's name is ``backbone_`` and its kind, and the name
survives saving.

==================  ===================================================  ========  =======
kind                what                                                 channels  trained
==================  ===================================================  ========  =======
``imagenet``        EfficientNetB4's, which learned on ImageNet                48  no
``imagenet-lite0``  EfficientNet-Lite0's, which comes with the course          32  no
``random``          EfficientNetB4's layers, fresh weights                     48  no
``scratch``         EfficientNetB4's layers, fresh weights                     48  yes
``plain``           one 3x3 convolution with as many multiplications           64  yes
``auto``            ``imagenet`` if its weights are on this machine, else ``random``
==================  ===================================================  ========  =======
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

import h5py
import keras
import numpy as np
from keras import layers, ops

from srlib.sources import places

Tensor = keras.KerasTensor
Kind = Literal["auto", "imagenet", "imagenet-lite0", "random", "scratch", "plain"]
Preprocess = Literal["article", "imagenet"]

KINDS = get_args(Kind)[1:]
#: Trained with the rest of the network. The others are frozen.
TRAINED_KINDS = ("scratch", "plain")
PREFIX = "backbone_"

B4_FILE = "efficientnet-b4_weights_tf_dim_ordering_tf_kernels_autoaugment_notop.h5"
WEIGHTS_FOLDER = places.course_data() / "weights"
LITE0_FILE = WEIGHTS_FOLDER / "efficientnet-lite0-stem.npz"

BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
#: The layers of the cut, and their weights in the order in which Keras holds them.
STEM = {
    "stem_conv": ("kernel",),
    "stem_bn": BATCH_NORM,
    "block1a_dwconv": ("depthwise_kernel",),
    "block1a_bn": BATCH_NORM,
}

#: Mean and standard deviation of a channel (red, green, blue) that the weights expect,
#: for pictures in [0, 1]. Lite0's are ``(255 x - 127) / 128``: see EfficientNet-Lite's
#: `efficientnet_lite_builder.py`.
IMAGENET_STATISTICS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LITE0_STATISTICS = ((127 / 255,) * 3, (128 / 255,) * 3)


class WeightsError(OSError):
    """Weights that are not there, or are not what they should be."""


# --- What a network asks for -----------------------------------------------------------


def feature_extractor(
    kind: Kind = "auto", preprocess: Preprocess = "article"
) -> keras.Model:
    """Build the layers that turn a photo into features at half its size.

    Batch normalisation always uses its stored statistics, whatever is trained.

    Parameters
    ----------
    kind
        See the table above.
    preprocess
        ``"article"``: blue, green, red in [0, 1] and nothing else, which is what the
        article fed (our photos are red, green, blue: they are turned round here).
        ``"imagenet"``: what the weights expect, which is red, green, blue, minus the mean
        colour of ImageNet and divided by its spread (Lite0 has constants of its own).

    Returns
    -------
    keras.Model
        From (n, h, w, 3) in [0, 1] to (n, h / 2, w / 2, channels), rounded up. Its name is
        ``backbone_`` and the kind that it got.

    Raises
    ------
    ValueError
        If there is no such kind or preprocessing.
    WeightsError
        If the weights cannot be had or their SHA-256 is not the published one.

    References
    ----------
    Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
    Networks", ICML 2019, https://arxiv.org/abs/1905.11946
    """
    kind = resolve_kind(kind)
    photo = keras.Input((None, None, 3))
    x = PadToEven()(photo)
    x = _preprocess(x, kind, preprocess)
    x = _stem(x, kind)  # (h / 2, w / 2, channels)
    extractor = keras.Model(photo, x, name=PREFIX + kind)
    if kind == "imagenet":
        set_stem_weights(extractor, read_b4_weights(find_b4_weights() or download_b4()))
    if kind == "imagenet-lite0":
        set_stem_weights(extractor, read_lite0_weights())
    extractor.trainable = kind in TRAINED_KINDS
    return extractor


def resolve_kind(kind: Kind) -> str:
    """Say which kind ``auto`` is on this machine, without asking the network.

    An unknown kind is a ValueError that lists those that there are.
    """
    if kind == "auto":
        return "imagenet" if find_b4_weights() else "random"
    if kind not in KINDS:
        raise ValueError(f"Unknown backbone {kind!r}. Known: auto, {', '.join(KINDS)}.")
    return kind


def backbone_kind(model: keras.Model) -> str | None:
    """Say which backbone a network has, also after saving; ``None`` if it has none."""
    names = (layer.name for layer in model.layers)
    kinds = (name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
    return next(kinds, None)


# --- The layers ------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="srlib")
class PadToEven(layers.Layer):
    """Repeat the last row of an odd height, the last column of an odd width.

    Halving rounds up, so without this a photo of 61 pixels would have features for 62,
    and the layers would disagree about where the middle of the photo is.
    """

    def call(self, x: Tensor) -> Tensor:
        """From (n, h, w, c) to the next even sizes; even ones stay as they are."""
        _, height, width, _ = ops.shape(x)
        x = ops.concatenate([x, x[:, -1:]], axis=1)[:, : height + height % 2]
        return ops.concatenate([x, x[:, :, -1:]], axis=2)[:, :, : width + width % 2]

    def compute_output_shape(self, shape: tuple) -> tuple:
        """Leave unknown sizes unknown."""
        height, width = (size and size + size % 2 for size in shape[1:3])
        return (shape[0], height, width, shape[3])


@keras.saving.register_keras_serializable(package="srlib")
class CropLike(layers.Layer):
    """Cut the first of two pictures to the size of the second, at the lower right."""

    def call(self, pictures: list[Tensor]) -> Tensor:
        """From (n, h + 1, w + 1, c) and (n, h, w, d) to (n, h, w, c)."""
        x, like = pictures
        known, wanted = tuple(x.shape[1:3]), tuple(like.shape[1:3])
        if known == wanted and None not in known:
            return x  # as in training: no copy
        _, height, width, _ = ops.shape(like)
        return x[:, :height, :width]

    def compute_output_shape(self, shapes: list[tuple]) -> tuple:
        """Take the second's height and width, the first's channels."""
        (count, _, _, channels), (_, height, width, _) = shapes
        return (count, height, width, channels)


@keras.saving.register_keras_serializable(package="srlib")
class ReverseChannels(layers.Layer):
    """Turn red, green, blue into blue, green, red."""

    def call(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return x[..., ::-1]


@keras.saving.register_keras_serializable(package="srlib")
class FixedBatchNormalization(layers.BatchNormalization):
    """Batch normalisation that uses its stored statistics in training, too."""

    def call(self, x: Tensor, training: bool = False, mask: Tensor | None = None) -> Tensor:
        """Keep the shape. What `training` says is not listened to."""
        return super().call(x, training=False, mask=mask)


def _preprocess(x: Tensor, kind: str, preprocess: Preprocess) -> Tensor:
    if preprocess == "article":
        return ReverseChannels()(x)
    if preprocess == "imagenet":
        lite0 = kind == "imagenet-lite0"
        mean, spread = LITE0_STATISTICS if lite0 else IMAGENET_STATISTICS
        return layers.Normalization(mean=mean, variance=np.square(spread).tolist())(x)
    raise ValueError(f"Unknown preprocess {preprocess!r}. Known: article, imagenet.")


def _stem(x: Tensor, kind: str) -> Tensor:
    if kind == "plain":
        # 27 x 64 multiplications a pixel: as many as B4's 27 x 48 and 9 x 48.
        return layers.Conv2D(64, 3, strides=2, padding="same", activation="swish")(x)
    if kind == "imagenet-lite0":
        return _lite0_stem(x)
    return _b4_stem(x)


def _b4_stem(x: Tensor) -> Tensor:
    """Build EfficientNetB4 with the package and take its first layers: 2,112 numbers."""
    from efficientnet import model, tfkeras

    b4 = tfkeras.EfficientNetB4(
        input_shape=(None, None, 3),
        include_top=False,
        weights=None,
        # The first of seven stages is enough, and is built in a tenth of the time.
        blocks_args=model.DEFAULT_BLOCKS_ARGS[:1],
    )
    cut = keras.Model(b4.input, b4.get_layer("block1a_activation").output)
    for layer in cut.layers[1:]:
        x = _fresh_copy(layer)(x)
    return x


def _fresh_copy(layer: layers.Layer) -> layers.Layer:
    """Copy a layer's settings, so that nothing keeps the rest of EfficientNetB4 alive."""
    if isinstance(layer, layers.Activation):
        # The package's own swish is a function that a saved file cannot name.
        return layers.Activation("swish", name=layer.name)
    if isinstance(layer, layers.BatchNormalization):
        return FixedBatchNormalization.from_config(layer.get_config())
    return type(layer).from_config(layer.get_config())


def _lite0_stem(x: Tensor) -> Tensor:
    """Build the same layers of EfficientNet-Lite0: narrower, and ReLU6 for swish."""
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="stem_conv")(x)
    x = FixedBatchNormalization(epsilon=1e-3, name="stem_bn")(x)
    x = layers.ReLU(6, name="stem_activation")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="block1a_dwconv")(x)
    x = FixedBatchNormalization(epsilon=1e-3, name="block1a_bn")(x)
    return layers.ReLU(6, name="block1a_activation")(x)


# --- The weights -----------------------------------------------------------------------


def find_b4_weights() -> Path | None:
    """Find EfficientNetB4's ImageNet weights on this machine, without asking the network.

    Looked for where Kaggle mounts what is attached, and in Keras's own cache.
    """
    kaggle = places.kaggle_inputs()
    # As deep as /kaggle/input/datasets/owner/slug/folder/name, and no deeper.
    mounted = (file for k in range(5) for file in kaggle.glob("*/" * k + B4_FILE))
    return next(filter(Path.is_file, chain(mounted, [_keras_cache() / B4_FILE])), None)


def _keras_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def download_b4() -> Path:
    """Fetch EfficientNetB4's ImageNet weights (70 MB) into Keras's cache.

    If the server cannot be reached, the WeightsError says what else there is.
    """
    from efficientnet.weights import IMAGENET_WEIGHTS_PATH

    url, cache = IMAGENET_WEIGHTS_PATH + B4_FILE, _keras_cache()
    folders = {"cache_dir": str(cache.parent), "cache_subdir": cache.name}
    try:
        return Path(keras.utils.get_file(B4_FILE, url, file_hash=_b4_hash(), **folders))
    except Exception as error:  # Keras raises a bare Exception
        raise WeightsError(
            f"EfficientNetB4's weights are not on this machine, and {url} gave none: "
            f"{error}. Fetch the file elsewhere and put it into {cache}, or use "
            'backbone="imagenet-lite0", which comes with the course, or "random".'
        ) from error


def _b4_hash() -> str:
    """Return the SHA-256 that the package publishes for the weights without the top."""
    from efficientnet.weights import IMAGENET_WEIGHTS_HASHES

    return IMAGENET_WEIGHTS_HASHES["efficientnet-b4"][1]


def read_b4_weights(path: Path) -> dict[str, np.ndarray]:
    """Read the weights of the layers in `STEM`, by ``layer/weight``, and check the file.

    Keras 3 loads files of this old format by position, which needs the whole network;
    here they are read by name.
    """
    check_sha256(path, _b4_hash())
    with h5py.File(path) as file:
        return {  # stem_bn/stem_bn/gamma:0 is our stem_bn/gamma
            f"{layer}/{name.rsplit('/', 1)[-1].removesuffix(':0')}": file[layer][name][()]
            for layer in STEM
            for name in file[layer].attrs["weight_names"].astype(str)
        }


def read_lite0_weights() -> dict[str, np.ndarray]:
    """Read the stem that comes with the course, by ``layer/weight``, and check the file."""
    check_listed(LITE0_FILE)
    with np.load(LITE0_FILE, allow_pickle=False) as arrays:
        return dict(arrays)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listing(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def list_sha256(path: Path) -> None:
    """Keep a file's SHA-256 beside it, in a file that ``sha256sum -c`` reads."""
    listed = None
    # Who else writes both may come between: whoever is last finds that the two agree.
    while listed != (listed := f"{sha256(path)}  {path.name}\n"):
        with places.whole(_listing(path)) as part:
            part.write_text(listed, encoding="utf-8")


def check_listed(path: Path) -> None:
    """Raise a WeightsError if a file is not as the ``.sha256`` beside it says."""
    if not _listing(path).is_file():
        raise WeightsError(
            f"{_listing(path)} is missing. The folder {path.parent} comes with a clone of "
            "the course: clone it again."
        )
    check_sha256(path, _listing(path).read_text(encoding="utf-8")[:64])


def check_sha256(path: Path, expected: str) -> None:
    """Raise a WeightsError if a file is missing or its SHA-256 is another."""
    if not path.is_file():
        raise WeightsError(f"{path} is missing. Get it again.")
    if (found := sha256(path)) != expected:
        raise WeightsError(
            f"{path} is not the published file: its SHA-256 is {found}, expected "
            f"{expected}. Delete it and get it again."
        )


def set_stem_weights(extractor: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    """Put weights, by ``layer/weight``, into the layers in `STEM`.

    A WeightsError names the layer if one is missing or has another shape.
    """
    for name, parts in STEM.items():
        layer = extractor.get_layer(name)
        found = [arrays.get(f"{name}/{part}") for part in parts]
        shapes = [None if array is None else array.shape for array in found]
        expected = [tuple(weight.shape) for weight in layer.weights]
        if shapes != expected:
            raise WeightsError(
                f"Layer {name} needs {', '.join(parts)} of shapes {expected}; the file "
                f"has {shapes}. It belongs to another network."
            )
        layer.set_weights(found)

"""The borrowed layers: which they are, whose weights they have, and that they keep them."""

import gc
import hashlib
import io
import os
import pickle

import h5py
import keras
import numpy as np
import pytest

from srlib import models
from srlib.sources import backbone
from tools.once import extract_lite0

FROZEN = ("random", "imagenet-lite0")


@pytest.fixture(autouse=True)
def nothing_to_be_found(monkeypatch, tmp_path):
    """A machine without EfficientNetB4's weights, where a download would be noticed."""

    def get_file(*_, **__):
        raise AssertionError("nobody asked for a download")

    monkeypatch.setenv("KAGGLE_CACHE_MOUNT_FOLDER", str(tmp_path / "input"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(keras.utils, "get_file", get_file)


@pytest.fixture
def b4_file(tmp_path, monkeypatch):
    """A file in the format of Keras 2, passed off as EfficientNetB4's, and its source."""
    from efficientnet import weights

    keras.utils.set_random_seed(5)
    source = backbone.feature_extractor("random")
    for name in ("stem_bn", "block1a_bn"):  # fresh ones are all ones and zeros
        layer = source.get_layer(name)
        layer.set_weights([np.random.default_rng(k).random(48) for k in range(4)])
    path = tmp_path / "keras" / "models" / backbone.B4_FILE
    path.parent.mkdir(parents=True)
    write_legacy_h5(path, source)
    hashes = ("0" * 64, hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setitem(weights.IMAGENET_WEIGHTS_HASHES, "efficientnet-b4", hashes)
    return path, source


def write_legacy_h5(path, model):
    """Write what `Model.save_weights` of Keras 2 wrote."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"input_1", *(name.encode() for name in backbone.STEM)]
        file.attrs["keras_version"] = b"2.2.4"
        file.create_group("input_1").attrs["weight_names"] = []
        for name, parts in backbone.STEM.items():
            group = file.create_group(name)
            names = [f"{name}/{part}:0" for part in parts]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for weight, array in zip(
                names, model.get_layer(name).get_weights(), strict=True
            ):
                group[weight] = array


def photo(height=8, width=8, count=1, seed=0):
    return np.random.default_rng(seed).random((count, height, width, 3), np.float32)


def copies(model):
    return model.get_weights()


# --- Kinds -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "channels", "parameters", "trainable"),
    [
        ("random", 48, 2112, 0),
        ("scratch", 48, 2112, 2112 - 4 * 48),  # the stored statistics are never trained
        ("imagenet-lite0", 32, 1408, 0),
        ("plain", 64, 1792, 1792),
    ],
)
def test_each_kind_halves_the_photo_and_says_what_it_is(
    kind, channels, parameters, trainable
):
    extractor = backbone.feature_extractor(kind)
    assert extractor.name == f"backbone_{kind}"
    assert extractor.count_params() == parameters
    assert sum(w.numpy().size for w in extractor.trainable_weights) == trainable
    for height, width in [(8, 8), (9, 12), (13, 21), (1, 1)]:
        features = extractor(photo(height, width))
        assert features.shape == (1, -(-height // 2), -(-width // 2), channels)


def test_the_plain_convolution_costs_as_many_multiplications():
    cut = backbone.feature_extractor("random")
    convolutions = ("stem_conv", "block1a_dwconv")
    cost = sum(cut.get_layer(name).weights[0].numpy().size for name in convolutions)
    (plain,) = (x for x in backbone.feature_extractor("plain").layers if x.weights)
    assert cost == plain.kernel.numpy().size == 1728


def test_unknown_kinds_and_preprocessing_are_refused_and_the_known_ones_listed():
    with pytest.raises(ValueError, match=r"'vgg'.*auto, imagenet, imagenet-lite0, random"):
        backbone.feature_extractor("vgg")
    with pytest.raises(ValueError, match=r"'none'.*article, imagenet"):
        backbone.feature_extractor("random", "none")


@pytest.mark.parametrize("kind", ["random", "scratch", "imagenet-lite0", "plain"])
def test_a_network_carries_the_kind_of_its_backbone(kind):
    assert backbone.backbone_kind(models.build("efficientnet_1", backbone=kind)) == kind
    assert backbone.backbone_kind(models.build("depth_to_space", backbone=kind)) == kind


def test_a_network_without_backbone_says_so():
    assert backbone.backbone_kind(models.build("basic")) is None


@pytest.mark.slow
def test_a_seed_decides_the_random_layers_and_frozen_or_not_makes_no_difference():
    def features(kind, seed):
        keras.utils.set_random_seed(seed)
        return np.asarray(backbone.feature_extractor(kind)(photo()))

    assert np.array_equal(features("random", 1), features("random", 1))
    assert np.array_equal(features("random", 1), features("scratch", 1))
    assert not np.array_equal(features("random", 1), features("random", 2))


# --- The layers are EfficientNetB4's ---------------------------------------------------


@pytest.mark.slow
def test_the_cut_is_the_start_of_the_packages_efficientnetb4():
    from efficientnet import tfkeras

    whole = tfkeras.EfficientNetB4(
        input_shape=(None, None, 3), include_top=False, weights=None
    )
    theirs = keras.Model(whole.input, whole.get_layer("block1a_activation").output)
    ours = backbone.feature_extractor("random", "article")
    ours.set_weights(theirs.get_weights())
    x = photo(32, 46)
    bgr = x[..., ::-1]
    assert np.abs(np.asarray(ours(x)) - np.asarray(theirs(bgr))).max() < 1e-5


@pytest.mark.slow
def test_nothing_of_efficientnetb4_stays_in_memory_but_the_cut():
    def layers():
        gc.collect()
        # Of its type: an object of another test may refuse to say what it is.
        return [x for x in gc.get_objects() if issubclass(type(x), keras.layers.Layer)]

    before = layers()  # other tests may have left some
    known = {id(layer) for layer in before}
    extractor = backbone.feature_extractor("random")
    alive = {layer.name for layer in layers() if id(layer) not in known}
    assert set(backbone.STEM) <= alive
    assert not [name for name in alive if name.startswith(("block1a_se", "top_conv"))]
    assert extractor.layers


def test_an_odd_size_is_made_even_by_repeating_the_last_row_and_column():
    pad = backbone.PadToEven()
    x = photo(5, 7)
    assert np.array_equal(pad(x), np.pad(x, [(0, 0), (0, 1), (0, 1), (0, 0)], "edge"))
    assert np.array_equal(pad(photo(6, 4)), photo(6, 4))
    assert pad.compute_output_shape((None, 5, None, 3)) == (None, 6, None, 3)


# --- Preprocessing ---------------------------------------------------------------------


def expected_by_the_stem(kind, preprocess, x):
    """What reaches the first convolution, from a network whose stem was taken away."""
    extractor = backbone.feature_extractor(kind, preprocess)
    before = extractor.get_layer("stem_conv").input
    return np.asarray(keras.Model(extractor.input, before)(x))


def test_the_article_fed_blue_green_red_between_0_and_1():
    x = photo()
    for kind in FROZEN:
        assert np.array_equal(expected_by_the_stem(kind, "article", x), x[..., ::-1])


def test_efficientnetb4_expects_the_statistics_of_imagenet():
    from keras.applications.imagenet_utils import preprocess_input

    x = photo()
    right = preprocess_input(255 * x, mode="torch")
    assert np.abs(expected_by_the_stem("random", "imagenet", x) - right).max() < 1e-5


def test_lite0_expects_minus_127_over_128():
    x = photo()
    right = (255 * x - 127) / 128
    assert (
        np.abs(expected_by_the_stem("imagenet-lite0", "imagenet", x) - right).max() < 1e-5
    )


# --- Frozen means frozen ---------------------------------------------------------------


def train(model, steps=5):
    lr = photo(count=2)
    targets = {
        head: photo(8 * int(head[1]), 8 * int(head[1]), count=2, seed=1)
        for head in model.output
    }
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    model.fit(lr, targets, epochs=steps, verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_4", "depth_to_space"])
@pytest.mark.parametrize("kind", FROZEN)
def test_training_changes_nothing_in_a_frozen_backbone(name, kind):
    model = models.build(name, seed=1, backbone=kind)
    extractor = model.get_layer(f"backbone_{kind}")
    before, head = copies(extractor), model.get_layer("x4").get_weights()[0]
    train(model)
    assert all(map(np.array_equal, before, copies(extractor)))
    assert not np.array_equal(head, model.get_layer("x4").kernel)


@pytest.mark.slow
def test_training_from_scratch_changes_weights_and_never_statistics():
    model = models.build("efficientnet_1", seed=1, backbone="scratch")
    extractor = model.get_layer("backbone_scratch")
    names = [weight.path for weight in extractor.weights]
    before = copies(extractor)
    train(model)
    changed = {
        name: not np.array_equal(old, new)
        for name, old, new in zip(names, before, copies(extractor), strict=True)
    }
    assert len(changed) == 10
    assert all(moved != ("moving_" in name) for name, moved in changed.items())


def test_the_features_are_the_same_in_training():
    extractor = backbone.feature_extractor("imagenet-lite0", "imagenet")
    extractor.trainable = True
    x = photo()
    assert np.array_equal(extractor(x, training=True), extractor(x, training=False))


# --- Weights: ImageNet's for EfficientNetB4 --------------------------------------------


def test_without_weights_auto_is_random_and_asks_nobody():
    assert backbone.find_b4_weights() is None
    assert backbone.resolve_kind("auto") == "random"
    assert backbone.backbone_kind(models.build("efficientnet_4")) == "random"


def test_weights_in_the_old_format_are_read_by_name(b4_file):
    _, source = b4_file
    for kind in ("imagenet", "auto"):
        extractor = backbone.feature_extractor(kind)
        assert extractor.name == "backbone_imagenet"
        assert not extractor.trainable_weights
        assert all(map(np.array_equal, copies(source), copies(extractor)))
        assert np.array_equal(source(photo()), extractor(photo()))


@pytest.mark.parametrize(
    "folder",
    [
        "input",
        "input/b4-weights",
        "input/datasets/someone/b4-weights/keras",
        "keras/models",
    ],
)
def test_weights_are_found_on_kaggle_and_in_the_cache(b4_file, tmp_path, folder):
    path, _ = b4_file
    place = tmp_path / folder / backbone.B4_FILE
    place.parent.mkdir(parents=True, exist_ok=True)
    path.rename(place)
    assert backbone.find_b4_weights() == place
    assert backbone.resolve_kind("auto") == "imagenet"
    assert backbone.feature_extractor("auto").name == "backbone_imagenet"


def test_a_file_with_the_wrong_hash_is_refused_and_both_hashes_named(b4_file):
    path, _ = b4_file
    published = backbone._b4_hash()
    path.write_bytes(b"something else")
    found = hashlib.sha256(b"something else").hexdigest()
    for kind in ("imagenet", "auto"):
        with pytest.raises(backbone.WeightsError, match=f"{found}, expected {published}"):
            backbone.feature_extractor(kind)


def test_the_published_hash_is_the_one_without_the_top():
    published = "7942c1407ff1feb34113995864970cd4d9d91ea64877e8d9c38b6c1e0767c411"
    assert backbone._b4_hash() == published


def test_asked_for_imagenet_the_package_s_file_is_fetched(b4_file, monkeypatch):
    path, source = b4_file
    path = path.rename(path.with_name("elsewhere.h5"))
    calls = []

    def get_file(*arguments, **options):
        calls.append((arguments, options))
        return str(path)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    extractor = backbone.feature_extractor("imagenet")
    assert np.array_equal(source(photo()), extractor(photo()))
    (((name, url), options),) = calls
    assert url.startswith("https://github.com/Callidior/keras-applications/releases/")
    assert url.endswith(name)
    assert options["file_hash"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert options["cache_dir"] == os.environ["KERAS_HOME"]


def test_without_network_the_error_says_what_to_do(monkeypatch):
    def get_file(*_, **__):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    with pytest.raises(backbone.WeightsError, match="URL fetch failure") as error:
        models.build("efficientnet_4", backbone="imagenet")
    for way_out in ("keras/models", "imagenet-lite0", "random"):
        assert way_out in str(error.value)


def test_weights_of_another_network_are_refused():
    extractor = backbone.feature_extractor("random")
    with pytest.raises(backbone.WeightsError, match=r"stem_conv.*48.*32"):
        backbone.set_stem_weights(extractor, backbone.read_lite0_weights())
    with pytest.raises(backbone.WeightsError, match="None"):
        backbone.set_stem_weights(extractor, {})


# --- Weights: Lite0's ------------------------------------------------------------------


def test_lite0_brings_its_weights_with_it():
    arrays = backbone.read_lite0_weights()
    assert sum(array.size for array in arrays.values()) == 1408
    extractor = backbone.feature_extractor("imagenet-lite0", "imagenet")
    features = np.asarray(extractor(photo(16, 16)))
    assert 0 <= features.min() < features.max() <= 6
    assert np.array_equal(
        extractor.get_layer("stem_conv").kernel, arrays["stem_conv/kernel"]
    )


def test_lite0_by_hand():
    """The same layers in plain NumPy, at one pixel: padding, order of axes, epsilon."""
    a = backbone.read_lite0_weights()

    def normalise(x, name):
        scale = a[f"{name}/gamma"] / np.sqrt(a[f"{name}/moving_variance"] + 1e-3)
        x = (x - a[f"{name}/moving_mean"]) * scale + a[f"{name}/beta"]
        return np.clip(x, 0, 6)

    x = photo(6, 6)
    padded = np.pad((255 * x[0] - 127) / 128, [(0, 1), (0, 1), (0, 0)])
    stem = np.zeros((3, 3, 32))
    for row in range(3):
        for column in range(3):
            patch = padded[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            stem[row, column] = np.einsum("ijc,ijco->o", patch, a["stem_conv/kernel"])
    stem = normalise(stem, "stem_bn")
    centre = np.einsum("ijc,ijc->c", stem, a["block1a_dwconv/depthwise_kernel"][..., 0])
    ours = backbone.feature_extractor("imagenet-lite0", "imagenet")(x)
    assert np.abs(np.asarray(ours)[0, 1, 1] - normalise(centre, "block1a_bn")).max() < 1e-4


def test_a_changed_lite0_file_is_refused(tmp_path, monkeypatch):
    changed = tmp_path / backbone.LITE0_FILE.name
    changed.write_bytes(backbone.LITE0_FILE.read_bytes() + b"\0")
    listing = backbone.LITE0_FILE.with_name(f"{changed.name}.sha256").read_text()
    monkeypatch.setattr(backbone, "LITE0_FILE", changed)
    with pytest.raises(backbone.WeightsError, match=r"stem\.npz\.sha256 is missing"):
        backbone.feature_extractor("imagenet-lite0")
    changed.with_name(f"{changed.name}.sha256").write_text(listing)
    with pytest.raises(backbone.WeightsError, match="is not the published file"):
        backbone.feature_extractor("imagenet-lite0")
    changed.unlink()
    with pytest.raises(backbone.WeightsError, match="is missing"):
        backbone.feature_extractor("imagenet-lite0")


# --- The tool that took Lite0 out of its pickle ----------------------------------------


def test_the_unpickler_makes_nothing_but_tensors():
    dangerous = pickle.dumps(os.system)
    with pytest.raises(pickle.UnpicklingError, match="no business in this file"):
        extract_lite0.TorchUnpickler(io.BytesIO(dangerous)).load()
    with pytest.raises(ValueError, match=r"before version 1\.6"):
        extract_lite0.read_torch_file(b"".join(map(pickle.dumps, (1, 2, {}))))


def test_a_tensor_is_read_through_its_steps():
    storage = extract_lite0.Storage("FloatStorage", 6)
    storage.content = np.arange(6, dtype="<f4")
    transposed = extract_lite0.View(storage, 0, (3, 2), (1, 3))
    assert np.array_equal(transposed.array(), np.arange(6).reshape(2, 3).T)
    with pytest.raises(ValueError, match="beyond its storage"):
        extract_lite0.View(storage, 1, (3, 2), (1, 3)).array()

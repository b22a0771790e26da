"""The networks are the article's: what they hold, what they draw, what they survive."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from srlib import metrics, models, zoo
from srlib.sources.backbone import backbone_kind

WITH_BACKBONE = [name for name in zoo.NETWORKS if zoo.NETWORKS[name].article > 3]
ATTEMPTS = [name for name in zoo.NETWORKS if name.startswith("efficientnet")]
#: Side of the squares of one colour that each head draws.
BLOCKS = {
    "basic_x2": {"x2": 2},
    "basic": {"x2": 2, "x4": 4},
    "residual": {"x2": 2, "x4": 2},
    "atrous": {"x2": 2, "x4": 2},
    **{name: {"x2": 2, "x4": 4} for name in ATTEMPTS},
    "depth_to_space": {"x2": 1, "x4": 1},
}
SIZES = [(8, 8), (9, 8), (8, 9), (13, 21), (61, 62), (72, 72), (75, 50), (31, 97)]


@pytest.fixture(scope="module", params=zoo.NETWORKS)
def model(request):
    """Each network once, with the weights of one seed."""
    return models.build(request.param, seed=1)


def pictures(height, width, count=1, seed=0):
    return np.random.default_rng(seed).random((count, height, width, 3), np.float32)


def draw(model, lr):
    return {head: np.asarray(picture) for head, picture in model(lr).items()}


def count(weights):
    return sum(weight.numpy().size for weight in weights)


# --- The article's facts ---------------------------------------------------------------


def test_the_table_is_the_articles():
    facts = {
        name: (
            spec.article,
            spec.notebook,
            spec.epochs,
            tuple(spec.loss_weights.values()),
            spec.parameters,
            spec.trainable,
        )
        for name, spec in zoo.NETWORKS.items()
    }
    assert facts == {
        "basic_x2": (1, "1", 12, (1.0,), 38_915, 38_915),
        "basic": (1, "2", 12, (1, 1), 39_110, 39_110),
        "residual": (2, "3", 12, (0.3, 0.7), 55_814, 55_814),
        "atrous": (3, "4", 12, (0.3, 0.7), 138_950, 138_950),
        "efficientnet_1": (4, "5", 20, (0.3, 0.7), 53_839, 51_727),
        "efficientnet_2": (4, "5_2", 12, (1, 1), 56_191, 54_079),
        "efficientnet_3": (4, "5_3", 25, (0.65, 0.35), 65_151, 63_039),
        "efficientnet_4": (4, "5_4", 30, (0.65, 0.35), 69_750, 67_638),
        "depth_to_space": (5, "6", 20, (0.7, 0.3), 58_198, 56_086),
    }


def test_each_network_holds_as_many_numbers_as_the_articles(model):
    spec = zoo.NETWORKS[model.name]
    assert count(model.weights) == spec.parameters
    assert count(model.trainable_weights) == spec.trainable


def test_the_outputs_are_those_that_the_loss_weights_name(model):
    spec = zoo.NETWORKS[model.name]
    assert list(model.output) == list(spec.loss_weights)
    assert set(model.output) <= {layer.name for layer in model.layers}


def test_an_unknown_name_is_refused_and_the_known_ones_listed():
    with pytest.raises(ValueError, match="'resnet'") as error:
        models.build("resnet")
    for name in zoo.NETWORKS:
        assert name in str(error.value)


def test_the_leak_is_a_fifth():
    leak = keras.activations.get(models.LEAKY)
    assert np.allclose(leak(np.array([-1.0, 0.0, 2.0])), [-0.2, 0, 2])


def test_an_atrous_block_has_46208_parameters():
    x = keras.Input((None, None, 32))
    assert keras.Model(x, models.atrous_block(x)).count_params() == 46_208


# --- Any size --------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_the_outputs_are_exactly_two_and_four_times_as_large(model, size):
    height, width = size
    for head, picture in draw(model, pictures(height, width)).items():
        scale = int(head[1])
        assert picture.shape == (1, scale * height, scale * width, 3)
        assert np.isfinite(picture).all()


def test_smaller_than_eight_works_too(model):
    for height, width in [(1, 1), (2, 3), (7, 1)]:
        x2 = draw(model, pictures(height, width))["x2"]
        assert x2.shape == (1, 2 * height, 2 * width, 3)


def test_one_graph_serves_every_size(model):
    """With sizes that are unknown when the graph is made, as in a tf.data pipeline."""
    graph = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for height, width in [(8, 8), (9, 12), (11, 13)]:
        lr = pictures(height, width)
        for head, picture in draw(model, lr).items():
            assert np.abs(picture - graph(lr)[head]).max() < 1e-5


@pytest.mark.parametrize("name", WITH_BACKBONE)
def test_an_odd_size_changes_only_what_is_near_the_border(name):
    """One row and column less: what is far from them sees nothing of the padding."""
    model = models.build(name, seed=1)
    lr = pictures(24, 24)
    even, odd = draw(model, lr), draw(model, lr[:, :23, :23])
    for head, picture in odd.items():
        far = int(head[1]) * 18
        assert np.abs(picture[:, :far, :far] - even[head][:, :far, :far]).max() < 1e-5


# --- What the heads can draw -----------------------------------------------------------


def test_each_head_draws_blocks_of_its_size_and_no_larger(model):
    drawn = draw(model, pictures(12, 16, count=3))
    assert drawn.keys() == BLOCKS[model.name].keys()
    for head, picture in drawn.items():
        block = BLOCKS[model.name][head]
        assert metrics.is_block_constant(picture, block)
        assert not metrics.is_block_constant(picture, 2 * block)


def test_a_larger_head_is_not_bound_to_blocks():
    drawn = draw(models.build("basic", seed=1, head_size=3), pictures(8, 8))
    for picture in drawn.values():
        assert not metrics.is_block_constant(picture, 2)


def test_dilation_does_nothing_to_a_1x1_kernel():
    x = pictures(9, 7)
    plain, dilated = layers.Conv2D(5, 1), layers.Conv2D(5, 1, dilation_rate=2)
    plain.build(x.shape)
    dilated.build(x.shape)
    dilated.set_weights(plain.get_weights())
    assert np.array_equal(plain(x), dilated(x))


def test_the_last_attempt_draws_the_same_without_its_dilation():
    model = models.build("efficientnet_4", seed=1, backbone="random")
    dilated = [x for x in model.layers if getattr(x, "dilation_rate", 1) == (2, 2)]
    assert [layer.kernel_size for layer in dilated] == [(1, 1)]
    lr = pictures(8, 8)
    before = draw(model, lr)["x4"]
    dilated[0].dilation_rate = (1, 1)
    assert np.array_equal(before, draw(model, lr)["x4"])


# --- What a chapter changes ------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_BACKBONE)
def test_x4_from_the_trunk_does_not_see_the_x2_picture(name):
    def x4_changes_with_x2(**changes):
        model = models.build(name, seed=1, **changes)
        lr = pictures(8, 8)
        before = draw(model, lr)["x4"]
        x2 = model.get_layer("x2")
        x2.bias.assign(x2.bias + 1)
        return not np.array_equal(before, draw(model, lr)["x4"])

    assert x4_changes_with_x2()
    assert not x4_changes_with_x2(x4_from="trunk")


@pytest.mark.parametrize("name", ATTEMPTS)
def test_started_at_the_identity_x4_is_the_x2_picture_enlarged(name):
    model = models.build(name, seed=1, start_at_identity=True)
    drawn = draw(model, pictures(8, 8))
    assert drawn["x2"].std() > 0
    assert np.allclose(drawn["x4"], metrics.repeat_blocks(drawn["x2"], 2), atol=1e-6)
    assert count(model.weights) == zoo.NETWORKS[name].parameters


def test_the_identity_start_leaves_the_other_channels_something_to_learn_from():
    kernel = np.asarray(models.CarryColours(seed=1)((1, 1, 64, 64)))
    assert np.array_equal(kernel[0, 0, :, :3], np.eye(64, 3))
    assert kernel[..., 3:].std() > 0.05


def test_the_identity_start_needs_the_picture_to_hand_on():
    with pytest.raises(ValueError, match="x4_from"):
        models.build("efficientnet_1", x4_from="trunk", start_at_identity=True)


@pytest.mark.parametrize("name", ["basic", "efficientnet_1", "depth_to_space"])
def test_without_output_relu_an_output_can_be_negative(name):
    lr = pictures(8, 8, count=4)
    relu = draw(models.build(name, seed=1), lr)
    linear = draw(models.build(name, seed=1, output_activation=None), lr)
    for head in linear:
        assert relu[head].min() == 0
    assert linear["x2"].min() < 0
    assert np.array_equal(np.maximum(linear["x2"], 0), relu["x2"])


def test_without_skip_a_residual_network_only_loses_its_additions():
    with_skip, without = models.build("residual"), models.build("residual", skip=False)
    assert count(with_skip.weights) == count(without.weights)
    added = [x for x in with_skip.layers if isinstance(x, layers.Add)]
    assert len(with_skip.layers) - len(without.layers) == len(added) == 3


def test_the_rates_of_an_atrous_network_change_what_it_sees_and_not_its_size():
    networks = [models.build("atrous", seed=1), models.build("atrous", rates=(2, 2, 2))]
    assert [count(network.weights) for network in networks] == [138_950] * 2
    rates = [
        [x.dilation_rate[0] for x in network.layers if x.name.startswith("conv2d")][1:]
        for network in networks
    ]
    assert rates == [[1, 2, 4, 1] * 3, [2, 2, 2, 1] * 3]


# --- Depth to space --------------------------------------------------------------------


def depth_to_space_by_hand(x):
    count, height, width, channels = x.shape
    out = np.zeros((count, 2 * height, 2 * width, channels // 4), x.dtype)
    for row in range(2):
        for column in range(2):
            group = (2 * row + column) * (channels // 4)
            out[:, row::2, column::2] = x[..., group : group + channels // 4]
    return out


@pytest.mark.parametrize("shape", [(1, 1, 1, 4), (2, 3, 5, 12), (1, 4, 2, 112)])
def test_depth_to_space_lays_groups_of_channels_out_as_pixels(shape):
    x = np.random.default_rng(0).random(shape, np.float32)
    ours = np.asarray(models.DepthToSpace()(x))
    assert np.array_equal(ours, depth_to_space_by_hand(x))
    assert np.array_equal(ours, tf.nn.depth_to_space(x, 2))
    assert models.DepthToSpace().compute_output_shape(shape) == ours.shape


def test_depth_to_space_knows_its_shape_before_the_sizes():
    x = keras.Input((None, 6, 8))
    assert models.depth_to_space(x).shape == (None, None, 12, 2)


def test_depth_to_space_refuses_channels_that_do_not_divide():
    with pytest.raises(ValueError, match="6 channels do not divide by 4"):
        models.depth_to_space(keras.Input((8, 8, 6)))


# --- Seeds and files -------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights(model):
    again = models.build(model.name, seed=1)
    other = models.build(model.name, seed=2)
    assert all(map(np.array_equal, model.get_weights(), again.get_weights()))
    assert not all(map(np.array_equal, model.get_weights(), other.get_weights()))


FRESH_PROCESS = """
import sys
from pathlib import Path
import keras
import numpy as np
import srlib.models
from srlib.sources.backbone import backbone_kind

assert "efficientnet" not in sys.modules, "importing srlib.models built a network"
folder = Path(sys.argv[1])
lr = np.load(folder / "lr.npy")
for path in sorted(folder.glob("*.keras")):
    model = keras.models.load_model(path, safe_mode=True)
    trainable = sum(weight.numpy().size for weight in model.trainable_weights)
    about = dict(kind=str(backbone_kind(model)), trainable=trainable)
    drawn = {head: np.asarray(picture) for head, picture in model(lr).items()}
    np.savez(path.with_suffix(".npz"), **drawn, **about)
"""


@pytest.mark.slow
def test_a_saved_network_loads_safely_in_a_fresh_process_and_draws_the_same(tmp_path):
    lr = pictures(9, 8)
    np.save(tmp_path / "lr.npy", lr)
    saved = {name: models.build(name, seed=1) for name in zoo.NETWORKS}
    saved["lite0"] = models.build(
        "efficientnet_4",
        backbone="imagenet-lite0",
        preprocess="imagenet",
        start_at_identity=True,
    )
    saved["scratch"] = models.build("depth_to_space", backbone="scratch")
    saved["plain"] = models.build("efficientnet_1", backbone="plain", x4_from="trunk")
    for name, model in saved.items():
        model.save(tmp_path / f"{name}.keras")
    command = [sys.executable, "-c", FRESH_PROCESS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, model in saved.items():
        with np.load(tmp_path / f"{name}.npz") as loaded:
            assert str(loaded["kind"]) == str(backbone_kind(model))
            assert loaded["trainable"] == count(model.trainable_weights)
            for head, picture in draw(model, lr).items():
                assert np.abs(loaded[head] - picture).max() < 1e-6


def test_a_residual_block_that_learned_nothing_hands_on_its_input():
    x = keras.Input((None, None, 32))
    model = keras.Model(x, models.residual_block(x))
    model.set_weights([0 * weight for weight in model.get_weights()])
    given = np.arange(4 * 32, dtype="float32").reshape(1, 2, 2, 32)
    np.testing.assert_array_equal(model(given), given)

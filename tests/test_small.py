"""Training at the small size: the same networks, the same errors, the same gradients."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import layers, ops

from srlib import data, metrics, models, zoo
from srlib.fast import small
from srlib.sources import backbone


@pytest.fixture
def float64():
    """Compute in double precision, so that equal means equal and not nearly."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def drawn(network, lr):
    return {head: np.asarray(picture) for head, picture in network(lr).items()}


def enlarged(pictures, blocks):
    return {
        head: metrics.repeat_blocks(picture, blocks[head])
        for head, picture in pictures.items()
    }


def assert_same_pictures(model, lr, within=1e-6, **options):
    """Check that the small form draws what the model draws; return its blocks."""
    form, blocks = small.small_form(model, **options)
    published, ours = drawn(model, lr), enlarged(drawn(form, lr), blocks)
    assert published.keys() == ours.keys() == blocks.keys()
    for head, picture in published.items():
        assert picture.std() > 0, "a network that draws nothing proves nothing"
        assert np.abs(picture - ours[head]).max() < within
    return blocks


@pytest.fixture(scope="module")
def lr():
    return np.random.default_rng(0).random((2, 8, 10, 3), np.float32)


# --- The networks of the article --------------------------------------------------------


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_the_small_form_draws_what_the_published_network_draws(name, lr):
    model = models.build(name, seed=1)
    blocks = assert_same_pictures(model, lr)
    for head, picture in drawn(model, lr).items():
        assert metrics.is_block_constant(picture, blocks[head])
        # The most that is possible: the picture is not made of larger blocks.
        if blocks[head] < 4:
            assert not metrics.is_block_constant(picture, 2 * blocks[head])


def test_model_1_draws_one_pixel_for_two_by_two_and_for_four_by_four():
    form, blocks = small.small_form(models.build("basic"))
    assert blocks == {"x2": 2, "x4": 4}
    assert small.small_form(models.build("basic_x2"))[1] == {"x2": 2}
    shapes = {head: tuple(x.shape) for head, x in form(np.zeros((1, 6, 7, 3))).items()}
    assert shapes == {"x2": (1, 6, 7, 3), "x4": (1, 6, 7, 3)}


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_no_network_passes_the_ceiling_of_its_blocks(name, make_pairs):
    """Whatever its weights: here they are random."""
    pairs = make_pairs(3, lr_size=8)
    model = models.build(name, seed=3)
    _, blocks = small.small_form(model)
    for head, picture in drawn(model, data.as_float(pairs.lr)).items():
        target = data.as_float(getattr(pairs, head))
        ceiling = metrics.ceiling_psnr(target, blocks[head])
        assert (metrics.psnr(target, picture) <= ceiling).all()


def test_training_the_small_form_trains_the_published_network():
    model = models.build("basic", seed=0)
    form, _ = small.small_form(model)
    assert len(form.trainable_variables) == len(model.trainable_variables)
    for ours, published in zip(form.weights, model.weights, strict=True):
        assert ours is published


def losses_and_gradients(network, trained, lr, targets, error):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        pictures = network(lr, training=True)
        losses = [ops.mean(error(targets[head], pictures[head])) for head in targets]
        # Different weights, so that no head can stand in for the other.
        total = sum(weight * loss for weight, loss in zip((0.3, 0.7), losses, strict=False))
    gradients = tape.gradient(total, trained)
    return [float(loss) for loss in losses], [np.asarray(g) for g in gradients]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_the_small_form_has_the_losses_and_gradients_of_the_published_network(
    name, make_pairs
):
    pairs = make_pairs(2, lr_size=8)
    lr, *hr = (stack / 255.0 for stack in (pairs.lr, pairs.x2, pairs.x4))
    model = models.build(name, seed=2)
    form, blocks = small.small_form(model)
    targets = {head: hr[("x2", "x4").index(head)] for head in blocks}
    packed = {head: small.pack_target(targets[head], blocks[head]) for head in blocks}

    losses, gradients = losses_and_gradients(
        model,
        model.trainable_variables,
        lr,
        targets,
        lambda t, p: ops.mean((t - p) ** 2, axis=(1, 2, 3)),
    )
    ours = losses_and_gradients(
        form, model.trainable_variables, lr, packed, small.packed_mse
    )
    assert ours[0] == pytest.approx(losses, rel=1e-12)
    assert any(np.abs(gradient).max() > 1e-4 for gradient in gradients)
    assert len(ours[1]) == len(gradients)
    for gradient, our_gradient in zip(gradients, ours[1], strict=True):
        assert np.abs(gradient - our_gradient).max() < 1e-12


def weights_after(network, trained, lr, targets, error, steps=50):
    """Train with Adam, a plain loop of our own, and return each step's losses too."""
    import tensorflow as tf

    adam = keras.optimizers.Adam(1e-3)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            pictures = network(lr, training=True)
            losses = [ops.mean(error(targets[h], pictures[h])) for h in targets]
            total = sum(w * loss for w, loss in zip((0.3, 0.7), losses, strict=False))
        adam.apply(tape.gradient(total, trained), trained)
        return losses

    adam.build(trained)
    history = [[float(loss) for loss in step()] for _ in range(steps)]
    return history, [np.array(weight) for weight in trained]


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_fifty_steps_of_the_small_form_are_fifty_of_the_published_network(name, make_pairs):
    pairs = make_pairs(2, lr_size=8)
    lr, *hr = (stack / 255.0 for stack in (pairs.lr, pairs.x2, pairs.x4))
    model, twin = models.build(name, seed=2), models.build(name, seed=2)
    form, blocks = small.small_form(twin)
    targets = {head: hr[("x2", "x4").index(head)] for head in blocks}
    packed = {head: small.pack_target(targets[head], blocks[head]) for head in blocks}
    start = [np.array(weight) for weight in model.trainable_variables]

    losses, weights = weights_after(
        model,
        model.trainable_variables,
        lr,
        targets,
        lambda t, p: ops.mean((t - p) ** 2, axis=(1, 2, 3)),
    )
    our_losses, our_weights = weights_after(
        form, twin.trainable_variables, lr, packed, small.packed_mse
    )
    np.testing.assert_allclose(our_losses, losses, rtol=1e-6)
    assert losses[-1] != losses[0]
    for published, ours in zip(weights, our_weights, strict=True):
        assert np.abs(published - ours).max() < 1e-6
    assert max(np.abs(f - w).max() for f, w in zip(start, weights, strict=True)) > 1e-2


@pytest.mark.parametrize("name", [n for n in zoo.NETWORKS if n != "basic_x2"])
def test_odd_sizes_are_drawn_alike(name):
    model = models.build(name, seed=1)
    for height, width in [(9, 8), (8, 11), (9, 11)]:
        photos = np.random.default_rng(0).random((2, height, width, 3), np.float32)
        assert_same_pictures(model, photos)


@pytest.mark.parametrize(
    ("name", "enlarging", "in_parts"),
    [("residual", 1, 0), ("atrous", 2, 6), ("efficientnet_4", 0, 2), ("basic", 0, 0)],
)
def test_where_it_saves_work_convolutions_are_rewritten(name, enlarging, in_parts):
    form, _ = small.small_form(models.build(name))
    found = [layer for layer in form.layers if isinstance(layer, small.Conv)]
    assert sum(layer.enlarges for layer in found) == enlarging
    assert sum(layer.only is not None for layer in found) == in_parts
    form, _ = small.small_form(models.build(name), rewrite=False)
    assert not any(isinstance(layer, small.Conv) for layer in form.layers)


def test_depth_to_space_is_tensorflow_s():
    import tensorflow as tf

    x = np.random.default_rng(0).random((2, 3, 5, 12), np.float32)
    theirs = np.asarray(tf.nn.depth_to_space(x, 2))
    assert (np.asarray(small.depth_to_space(x)) == theirs).all()


@pytest.mark.parametrize("rate", [2, 4])
def test_a_convolution_with_holes_is_keras_s_in_one_operation(rate):
    """In single precision, as it is trained; gradients of the weights and of the input."""
    import tensorflow as tf

    if not small.dilates_natively("float32"):
        pytest.skip("this machine's TensorFlow has no gradient for dilated convolutions")
    plain = layers.Conv2D(4, 3, padding="same", dilation_rate=rate, activation="relu")
    x = tf.constant(np.random.default_rng(rate).random((2, 9, 11, 3), np.float32))
    plain(x)
    found = []
    for layer in (plain, small.Conv(plain)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            value = tf.reduce_sum(y**2)
        kernel, bias = plain.kernel.value, plain.bias.value
        found.append([y, *tape.gradient(value, [x, kernel, bias])])
    for published, ours in zip(*found, strict=True):
        assert np.abs(published).max() > 0.1
        np.testing.assert_allclose(published, ours, rtol=1e-4, atol=1e-5)


# --- Which enlargements are moved, and which must not be --------------------------------


def conv(x, filters, size, **options):
    return layers.Conv2D(filters, size, padding="same", **options)(x)


def up(x, size=2, how="nearest"):
    return layers.UpSampling2D(size, interpolation=how)(x)


def pointwise_layers(x):
    x = conv(x, 8, 1, activation="softmax")
    x = layers.BatchNormalization(
        moving_mean_initializer="random_normal", gamma_initializer="random_normal"
    )(x)
    x = layers.LeakyReLU(0.1)(x)
    x = layers.ReLU(negative_slope=0.3)(layers.Activation("tanh")(x))
    return conv(x, 3, 1, dilation_rate=2)


def branches(merge, left, right, size=1, leaky=False, **options):
    def build(x):
        merged = merge()([left(x), right(x)])
        if leaky:
            merged = layers.LeakyReLU(0.3)(merged)
        return conv(merged, 3, size, **options)

    return build


def shuffled(x):
    return models.depth_to_space(conv(x, 8, 1))


def joined_thrice(x):
    large = conv(up(x), 4, 3)
    return conv(layers.Concatenate()([up(x), large, up(conv(x, 2, 1))]), 3, 3)


def joined_and_added(x):
    """What was joined goes through a convolution, and past it."""
    joined = layers.Concatenate()([up(x), conv(up(x), 4, 3)])
    return conv(layers.Add()([joined, conv(joined, 7, 3)]), 3, 1)


def cut(x):
    """To a size that cuts through the blocks at the edge."""
    return backbone.CropLike()([x, layers.ZeroPadding2D(((1, 0), (3, 0)))(strided(x))])


def strided(x):
    return layers.AveragePooling2D(2)(x)


def beside_cut(x):
    like = layers.ZeroPadding2D(((1, 0), (3, 0)))(x)
    return layers.Concatenate()([backbone.CropLike()([up(x), like]), conv(like, 4, 3)])


def reused(x):
    """One enlarged tensor goes both through a 1x1 and through a 3x3 convolution."""
    x = up(x)
    return conv(layers.Add()([conv(x, 4, 1), conv(x, 4, 3)]), 3, 1)


def shared_layer(x):
    """One layer is called before an enlargement and after it."""
    layer = layers.Conv2D(3, 1)
    return layer(up(layer(x)))


def chain(x):
    return up(conv(up(conv(x, 4, 3)), 3, 1))


NETWORKS = {  # name: the layers, and the side of the blocks that the output is made of
    "an enlargement at the end": (lambda x: up(conv(x, 3, 3)), 2),
    "by three": (lambda x: conv(up(x, 3), 3, 1), 3),
    "two enlargements": (lambda x: conv(up(conv(up(x), 4, 1)), 3, 1), 4),
    "a picture enlarged once more": (chain, 4),
    "pointwise layers": (lambda x: pointwise_layers(up(x)), 2),
    "a 3x3 convolution after": (lambda x: conv(up(x), 3, 3), 1),
    "a 3x3 convolution between": (lambda x: conv(up(conv(up(x), 4, 3)), 3, 1), 2),
    "a 1x1 convolution with strides": (lambda x: conv(up(x), 3, 1, strides=2), 1),
    "a 1x3 convolution": (lambda x: conv(up(x), 3, (1, 3)), 1),
    "a depthwise convolution": (
        lambda x: layers.DepthwiseConv2D(3, padding="same")(up(x)),
        1,
    ),
    "pooling": (lambda x: layers.MaxPooling2D(2)(up(x, 4)), 1),
    "bilinear": (lambda x: conv(up(x, how="bilinear"), 3, 1), 1),
    "only upwards": (lambda x: conv(up(x, (2, 1)), 3, 1), 1),
    "equal branches added": (branches(layers.Add, up, lambda x: up(conv(x, 3, 3))), 2),
    "equal branches joined": (
        branches(layers.Concatenate, up, lambda x: up(conv(x, 4, 1))),
        2,
    ),
    "unequal branches added": (
        branches(layers.Add, up, lambda x: conv(up(x), 3, 3)),
        1,
    ),
    "unequal branches joined": (
        branches(layers.Concatenate, lambda x: up(up(x)), lambda x: up(conv(up(x), 4, 3))),
        1,
    ),
    "large and small joined, then 3x3": (
        branches(layers.Concatenate, up, lambda x: conv(up(x), 4, 3), size=3),
        1,
    ),
    "large and small joined and activated, then 3x3": (
        branches(layers.Concatenate, up, lambda x: conv(up(x), 4, 3), size=3, leaky=True),
        1,
    ),
    "three joined, two of them small": (joined_thrice, 1),
    "joined with one that was shuffled": (
        branches(layers.Concatenate, shuffled, lambda x: conv(up(x), 4, 3), size=3),
        1,
    ),
    "joined, then 3x3 with holes": (
        branches(
            layers.Concatenate, up, lambda x: conv(up(x), 4, 3), size=3, dilation_rate=2
        ),
        1,
    ),
    "joined, and read once more": (joined_and_added, 1),
    "cut, then 1x1": (lambda x: conv(cut(up(x)), 3, 1), 1),
    "cut, then 3x3": (lambda x: conv(cut(up(x)), 3, 3), 1),
    "cut and joined, then 1x1": (lambda x: conv(beside_cut(x), 3, 1), 1),
    "cut and joined, then 3x3": (lambda x: conv(beside_cut(x), 3, 3), 1),
    "3x3 after by three": (lambda x: conv(up(x, 3), 3, 3), 1),
    "3x3 after by two, twice": (lambda x: conv(up(up(x)), 3, 3), 1),
    "3x3 after a shuffle and an enlargement": (lambda x: conv(up(shuffled(x)), 3, 3), 1),
    "3x3 without a bias": (lambda x: conv(up(x), 3, 3, use_bias=False), 1),
    "3x3 in groups": (lambda x: conv(up(x), 3, 3, groups=3), 1),
    "3x3 that makes the picture smaller": (lambda x: layers.Conv2D(3, 3)(up(x)), 1),
    "leaky, with a slope of Keras": (lambda x: conv(x, 3, 3, activation="leaky_relu"), 1),
    "one tensor, two readers": (reused, 1),
    "one layer, two places": (shared_layer, 2),
    "no enlargement": (lambda x: conv(x, 3, 3), 1),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", NETWORKS)
def test_an_enlargement_moves_behind_layers_that_treat_each_pixel_alone(name, lr):
    build, block = NETWORKS[name]
    keras.utils.set_random_seed(0)
    photo = keras.Input((None, None, 3))
    model = keras.Model(photo, {"out": build(photo)})
    for rewrite in (True, False):
        blocks = assert_same_pictures(model, lr, within=1e-12, rewrite=rewrite)
        assert blocks == {"out": block}


# --- The target at the small size -------------------------------------------------------


@st.composite
def targets_and_pictures(draw):
    """A stack of targets, and of pictures at one pixel a block, also beyond [0, 1]."""
    block = draw(st.sampled_from([1, 2, 4]))
    count, height, width = (draw(st.integers(1, 3)) for _ in range(3))
    large = (count, height * block, width * block, 3)
    target = draw(hnp.arrays(np.float64, large, elements=st.floats(0, 1)))
    beyond = st.floats(-0.5, 1.5)
    picture = draw(hnp.arrays(np.float64, (count, height, width, 3), elements=beyond))
    return block, target, picture


@given(targets_and_pictures())
def test_the_packed_error_is_the_plain_error_of_the_picture_made_of_blocks(example):
    block, target, picture = example
    packed = small.pack_target(target, block)
    assert packed.shape == (*picture.shape[:3], 3 if block == 1 else 4)
    plain = ((target - metrics.repeat_blocks(picture, block)) ** 2).mean((1, 2, 3))
    assert np.abs(np.asarray(small.packed_mse(packed, picture)) - plain).max() < 1e-12


@given(targets_and_pictures())
def test_a_packed_target_holds_the_means_and_what_they_leave_out(example):
    block, target, _ = example
    packed = np.asarray(small.pack_target(target, block))
    means = metrics.block_means(target, block)
    spread = (target - metrics.repeat_blocks(means, block)) ** 2
    assert np.abs(packed[..., :3] - means).max() < 1e-12
    rest = metrics.block_means(spread, block).mean(-1)
    if block == 1:
        assert rest.max() < 1e-12  # nothing is left out, so nothing is stored
    else:
        assert np.abs(packed[..., 3] - rest).max() < 1e-12


@pytest.mark.parametrize("block", [1, 2, 4])
def test_in_single_precision_the_packed_error_agrees_to_a_millionth(block):
    rng = np.random.default_rng(0)
    target = rng.random((3, 16, 16, 3), np.float32)
    picture = rng.random((3, 16 // block, 16 // block, 3), np.float32)
    plain = ((target - metrics.repeat_blocks(picture, block)) ** 2).mean((1, 2, 3))
    ours = small.packed_mse(small.pack_target(target, block), picture)
    assert np.abs(np.asarray(ours) - plain).max() < 1e-6


@pytest.mark.parametrize("block", [1, 2])
def test_the_metrics_are_those_of_the_metrics_module(block):
    """Pictures beyond [0, 1] tell the one that clips from the one that does not."""
    rng = np.random.default_rng(0)
    target = rng.random((4, 8, 8, 3), np.float32)
    side = 8 // block
    picture = rng.uniform(-0.3, 1.3, (4, side, side, 3)).astype(np.float32)
    large = metrics.repeat_blocks(picture, block)
    mse, per_picture, article = all_three = small.packed_metrics()
    assert [metric.name for metric in all_three] == ["mse", "psnr_db", "article_psnr_db"]
    for part in (slice(0, 3), slice(3, 4)):  # two batches, the second smaller
        packed = small.pack_target(target[part], block)
        for metric in all_three:
            metric.update_state(packed, picture[part])
    assert float(per_picture.result()) == pytest.approx(
        metrics.psnr(target, large).mean(), abs=1e-4
    )
    assert float(mse.result()) == pytest.approx(((target - large) ** 2).mean(), rel=1e-5)
    of_batches = [
        metrics.batch_psnr(target[:3], large[:3]),
        metrics.batch_psnr(target[3:], large[3:]),
    ]
    assert float(article.result()) == pytest.approx(np.mean(of_batches), abs=1e-4)


def test_pictures_in_half_precision_are_compared_in_the_target_s():
    """Keras casts for a loss, but hands a metric what the network drew."""
    target = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    picture = target.astype(np.float16)
    packed = small.pack_target(target, 1)
    error = np.asarray(small.packed_mse(packed, ops.convert_to_tensor(picture)))
    assert error == pytest.approx(metrics.mse(target, picture), rel=1e-4)


def test_each_output_gets_metrics_of_its_own():
    first, second = small.packed_metrics()[0], small.packed_metrics()[0]
    first.update_state(
        np.zeros((1, 2, 2, 4), np.float32), np.ones((1, 2, 2, 3), np.float32)
    )
    assert first is not second
    assert float(second.total) == 0

"""Training at the small size: the same networks, the same errors, the same gradients."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import layers, ops

from srlib import data, metrics, models, training, zoo
from srlib.fast import rewriting, small
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


def assert_same_pictures(model, lr, within=1e-6, **options):
    """Check that the small form draws what the model draws; return its blocks."""
    form, blocks = small.small_form(model, **options)
    published, ours = drawn(model, lr), drawn(form, lr)
    assert published.keys() == ours.keys() == blocks.keys()
    for head, picture in published.items():
        assert picture.std() > 0, "a network that draws nothing proves nothing"
        large = metrics.repeat_blocks(ours[head], blocks[head])
        assert np.abs(picture - large).max() < within
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
    odd = np.random.default_rng(0).random((2, 9, 11, 3), np.float32)
    assert_same_pictures(model, odd)


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


def test_model_1_is_trained_on_one_pixel_for_two_by_two_and_for_four_by_four():
    model = models.build("basic", seed=0)
    form, blocks = small.small_form(model)
    assert blocks == {"x2": 2, "x4": 4}
    assert small.left_alone(model) == []
    shapes = {head: tuple(x.shape) for head, x in form(np.zeros((1, 6, 7, 3))).items()}
    assert shapes == {"x2": (1, 6, 7, 3), "x4": (1, 6, 7, 3)}
    for ours, published in zip(form.weights, model.weights, strict=True):
        assert ours is published


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_only_after_an_enlargement_convolutions_are_rewritten(name):
    form, _ = small.small_form(models.build(name))
    found = [x for x in form.layers if isinstance(x, rewriting.ConvOfEnlarged)]
    assert len(found) == (name in ("residual", "atrous"))
    form, _ = small.small_form(models.build(name), rewrite=False)
    assert not any(isinstance(x, rewriting.ConvOfEnlarged) for x in form.layers)


def losses_and_gradients(network, trained, lr, targets, error):
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


# --- Any network ------------------------------------------------------------------------


def blur(x):
    """Look at neighbours, as an activation may."""
    return ops.average_pool(x, 3, strides=1, padding="same")


@keras.saving.register_keras_serializable()
class HalfConv(layers.Conv2D):
    def call(self, x):
        return super().call(x) / 2


class RolledConv(layers.Conv2D):
    def call(self, x):
        return ops.roll(super().call(x), 1, axis=1)


class Rolled(layers.LeakyReLU):
    def call(self, x):
        return ops.roll(super().call(x), 1, axis=2)


class Slanted(layers.UpSampling2D):
    def call(self, x):
        x = super().call(x)
        return x + ops.cast(ops.arange(ops.shape(x)[1]), x.dtype)[:, None, None] / 100


class Mixed(layers.Layer):
    def call(self, x, other=None):
        return x - other / 2


class Two(layers.Layer):
    def call(self, x):
        return x, 2 * blur(x)


class Counted(layers.Layer):
    def call(self, x):
        self.add_loss(ops.mean(ops.abs(x)))
        return x


FILTERS = 4
ACTIVATIONS = (None, "relu", "leaky_relu", "softmax", blur, blur, ops.tanh)


PUNISHED = st.sampled_from([None, None, None, "l2"])
CONVOLUTIONS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([layers.Conv2D, HalfConv, RolledConv]),
        "kernel_size": st.sampled_from([1, 1, 3, (1, 3)]),
        "dilation_rate": st.sampled_from([1, 1, 2]),
        "use_bias": st.booleans(),
        "activation": st.sampled_from(ACTIVATIONS),
        "kernel_regularizer": PUNISHED,
        "bias_regularizer": PUNISHED,
        "activity_regularizer": PUNISHED,
        "kernel_constraint": st.sampled_from([None, None, "max_norm"]),
        "dtype": st.sampled_from([None, None, None, None, None, "float32"]),
    }
)


def odd_conv(kind, filters=FILTERS, **options):
    if options["dtype"]:  # Keras cannot add losses of two kinds
        options |= {key: None for key in options if key.endswith("_regularizer")}
    return kind(filters, padding="same", **options)


def batch_normalization():
    return layers.BatchNormalization(gamma_initializer="random_normal")


ONE = {  # of one tensor, which keeps its size
    "leaky": lambda: layers.LeakyReLU(0.1),
    "capped": lambda: layers.ReLU(0.5, negative_slope=0.1),
    "activation": lambda: layers.Activation("tanh"),
    "neighbours": lambda: layers.Activation(blur),
    "punished": lambda: layers.Activation("tanh", activity_regularizer="l2"),
    "slopes by row": lambda: layers.PReLU("random_normal", shared_axes=(2,)),
    "normalization": batch_normalization,
    "dropout": lambda: layers.Dropout(0.3),
    "rolled": lambda: Rolled(0.1),
    "counted": Counted,
    "function": lambda: layers.Lambda(lambda x: x[:, :, ::-1]),
    "stop": lambda: ops.stop_gradient,
    "sliced": lambda: lambda x: x[..., ::-1],
    "pooled and enlarged": lambda: lambda x: up(layers.MaxPooling2D(2)(x)),
    "shuffled": lambda: (
        lambda x: models.depth_to_space(
            layers.Conv2D(4 * FILTERS, 1)(layers.AveragePooling2D(2)(x))
        )
    ),
    "network": lambda: keras.Sequential([layers.Conv2D(FILTERS, 1, activation="tanh")]),
}
TWO = {  # of two tensors of one size
    "added": lambda x, y: layers.Add()([x, y]),
    "joined": lambda x, y: layers.Conv2D(FILTERS, 1)(layers.Concatenate()([x, y])),
    "joined in height": lambda x, y: layers.AveragePooling2D((2, 1))(
        layers.Concatenate(axis=1)([x, y])
    ),
    "joined in width": lambda x, y: layers.AveragePooling2D((1, 2))(
        layers.Concatenate(axis=-2)([x, y])
    ),
    "by keyword": lambda x, y: Mixed()(x, other=y),
    "operation": lambda x, y: x + y,
    "several outputs": lambda x, y: layers.Add()([y, *Two()(x)]),
    "cut": lambda x, y: backbone.CropLike()([x, y]),
}
LARGER = (
    lambda: layers.UpSampling2D(2),
    lambda: layers.UpSampling2D(2),
    lambda: layers.UpSampling2D(2),
    lambda: layers.UpSampling2D(2, activity_regularizer="l2"),
    lambda: layers.UpSampling2D(2, interpolation="bilinear"),
    lambda: layers.UpSampling2D(2, dtype="float32"),
    lambda: Slanted(2),
)


def random_network(draw):
    """Build a network of odd layers; the same one for the same draws."""
    photo = keras.Input((4, 4, 3), name="lr")  # slopes by row ask for its size
    first = layers.Conv2D(FILTERS, 3, padding="same", activation="tanh")(photo)
    made = {1: [first], 2: [up(first)], 4: [up(up(first))]}  # by size
    shared = odd_conv(**draw(CONVOLUTIONS))
    for _ in range(draw(st.integers(4, 9))):
        scale = draw(st.sampled_from([1, 2, 2, 4, 4]))
        x = draw(st.sampled_from(made[scale][-2:]))
        kinds = ["larger", "conv", "conv", "shared", "one", "one", "two"]
        kind = draw(st.sampled_from(kinds if scale < 4 else kinds[1:]))
        if kind == "larger":
            scale, y = 2 * scale, draw(st.sampled_from(LARGER))()(x)
        elif kind == "conv":
            y = odd_conv(**draw(CONVOLUTIONS))(x)
        elif kind == "shared":
            y = shared(x)
        elif kind == "one":
            names = sorted(ONE) if scale > 1 else sorted(ONE)[:-2]
            y = ONE[draw(st.sampled_from([*names, "neighbours", "rolled"]))]()(x)
        else:
            other = draw(st.sampled_from(made[scale]))
            y = TWO[draw(st.sampled_from(sorted(TWO)))](x, other)
        made[scale].append(y)
    heads = draw(st.sampled_from([("x2",), ("x4",), ("x2", "x4")]))
    return keras.Model(
        photo,
        {
            head: odd_conv(filters=3, name=head, **draw(CONVOLUTIONS))(
                made[int(head[1])][-1]
            )
            for head in heads
        },
    )


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.thorough)])
def test_any_network_is_trained_as_it_is(count, make_pairs):
    """The same losses, punishments included, and weights; most are trained smaller."""
    pairs, smaller = make_pairs(2, lr_size=4), []
    lr, *hr = (stack / 255.0 for stack in (pairs.lr, pairs.x2, pairs.x4))
    targets = dict(zip(("x2", "x4"), hr, strict=True))

    def losses_and_weights(model, trained, blocks, loss):
        keras.utils.set_random_seed(1)
        packed = {
            head: small.pack_target(ops.convert_to_tensor(targets[head]), block)
            for head, block in blocks.items()
        }
        trained.compile(
            keras.optimizers.Adam(0.01),
            loss=dict.fromkeys(blocks, training.LOSSES[loss]),
            run_eagerly=True,
        )
        step = partial(trained.train_on_batch, lr, packed, return_dict=True)
        losses = [float(step()["loss"]) for _ in range(3)]
        return losses, model.get_weights()

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data(), st.sampled_from(sorted(training.LOSSES)))
    def check(examples, loss):
        keras.utils.set_random_seed(0)
        model = random_network(examples.draw)
        form, blocks = small.small_form(model)
        smaller.append(form is not model)
        if form is model:
            return
        start = [np.array(variable) for variable in model.variables]
        ours = losses_and_weights(model, form, blocks, loss)
        for variable, value in zip(model.variables, start, strict=True):
            variable.assign(value)
        published = losses_and_weights(model, model, dict.fromkeys(blocks, 1), loss)
        assert ours[0] == pytest.approx(published[0], rel=1e-6)
        for our_weight, weight in zip(ours[1], published[1], strict=True):
            assert np.abs(our_weight - weight).max() < 1e-6
        if set(blocks.values()) == {1}:
            assert small.left_alone(model)

    check()
    assert np.mean(smaller) > 0.5
    assert len(smaller) >= count


# --- Which enlargements are moved, and which must not be --------------------------------


def conv(x, filters, size, **options):
    return layers.Conv2D(filters, size, padding="same", **options)(x)


def up(x, size=2, how="nearest"):
    return layers.UpSampling2D(size, interpolation=how)(x)


def pointwise_layers(x):
    x = conv(x, 8, 1, activation="softmax", kernel_regularizer="l2")
    x = layers.LeakyReLU(0.1)(x)
    x = layers.ReLU(negative_slope=0.3)(layers.Activation("tanh")(x))
    return conv(x, 3, 1, dilation_rate=2, use_bias=False)


def branches(merge, left, right):
    return lambda x: conv(merge()([left(x), right(x)]), 3, 1)


def reused(x):
    """One enlarged tensor goes both through a 1x1 and through a 3x3 convolution."""
    x = up(x)
    return conv(layers.Add()([conv(x, 4, 1), conv(x, 4, 3)]), 3, 1)


def shared_layer(x):
    """One layer is called before an enlargement and after it."""
    layer = layers.Conv2D(3, 1)
    return layer(up(layer(x)))


def masked(x):
    return up(layers.Masking()(x))


def with_names_of_ours(x):
    """As in a loaded network: names that Keras will give to new layers."""
    x = layers.Identity(name="identity")(up(layers.Identity(name="small_form")(x)))
    return layers.UpSampling2D(2, interpolation="bilinear", name="up_sampling2d")(x)


def constant_added(x):
    constant = ops.convert_to_tensor(np.indices((16, 20)).sum(0)[None, ..., None] / 36)
    return layers.Add()([up(x), ops.cast(constant, x.dtype)])


NETWORKS = {  # name: the layers, and the side of the blocks that the output is made of
    "an enlargement at the end": (lambda x: up(conv(x, 3, 3)), 2),
    "by three": (lambda x: conv(up(x, 3), 3, 1), 3),
    "two enlargements": (lambda x: conv(up(conv(up(x), 4, 1)), 3, 1), 4),
    "pointwise layers": (lambda x: pointwise_layers(up(x)), 2),
    "a 3x3 convolution after": (lambda x: conv(up(x), 3, 3), 1),
    "a 3x3 convolution after by three": (lambda x: conv(up(x, 3), 3, 3), 1),
    "a 3x3 convolution after by two, twice": (lambda x: conv(up(up(x)), 3, 3), 1),
    "a 3x3 convolution between": (lambda x: conv(up(conv(up(x), 4, 3)), 3, 1), 2),
    "a 1x1 convolution with strides": (lambda x: conv(up(x), 3, 1, strides=2), 1),
    "pooling": (lambda x: layers.MaxPooling2D(2)(up(x, 4)), 1),
    "bilinear": (lambda x: conv(up(x, how="bilinear"), 3, 1), 1),
    "only upwards": (lambda x: conv(up(x, (2, 1)), 3, 1), 1),
    "equal branches": (
        branches(layers.Concatenate, up, lambda x: up(conv(x, 4, 3))),
        2,
    ),
    "unequal branches": (
        branches(layers.Add, lambda x: up(up(x)), lambda x: up(conv(up(x), 3, 3))),
        1,
    ),
    "joined in height": (branches(lambda: layers.Concatenate(axis=1), up, up), 1),
    "one tensor, two readers": (reused, 1),
    "one layer, two places": (shared_layer, 2),
    "no enlargement": (lambda x: conv(x, 3, 3), 1),
    "an activation that looks at neighbours": (
        lambda x: layers.Activation(blur)(up(x)),
        1,
    ),
    "such an activation of a convolution": (
        lambda x: conv(up(x), 3, 1, activation=blur),
        1,
    ),
    "a punished output": (lambda x: conv(up(x), 3, 1, activity_regularizer="l2"), 1),
    "a class of its own": (lambda x: HalfConv(3, 1)(up(x)), 1),
    "another precision": (lambda x: conv(up(x), 3, 1, dtype="float32"), 1),
    "masked": (masked, 1),
    "a constant": (constant_added, 1),
    "names of ours": (with_names_of_ours, 1),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", NETWORKS)
def test_an_enlargement_moves_behind_layers_that_treat_each_pixel_alone(name, lr):
    build, block = NETWORKS[name]
    keras.utils.set_random_seed(0)
    photo = keras.Input((None, None, 3))
    model = keras.Model(photo, {"out": build(photo)})
    for rewrite in (True, False):
        blocks = assert_same_pictures(model, lr, within=1e-7, rewrite=rewrite)
        assert blocks == {"out": block}
    if block == 1 and small.small_form(model)[0] is not model:
        assert small.left_alone(model), "it says where the enlargement stops"


def test_a_layer_that_draws_half_of_what_its_parent_draws_is_trained_so(make_pairs):
    """0.3 where a plain convolution draws 0.6. The curve says what the score says."""
    photo = keras.Input((None, None, 3), name="lr")
    x2 = HalfConv(3, 1, kernel_initializer="ones", name="x2")(up(photo))
    model = keras.Model(photo, {"x2": x2})
    form, blocks = small.small_form(model)
    grey = np.full((1, 4, 4, 3), 0.2, np.float32)
    assert np.asarray(form(grey)["x2"]).max() == pytest.approx(0.3)
    assert (blocks, small.left_alone(model)) == ({"x2": 1}, ["x2"])
    pairs = make_pairs(2)
    curves = training.fit(model, pairs, pairs, epochs=1)
    score = training.score(training.predict(model, pairs.lr), pairs)["x2"].mean()
    assert curves["val_x2_psnr_db"][0] == pytest.approx(score, abs=1e-4)


def test_a_network_that_trains_in_its_own_way_is_left_alone():
    class Own(keras.Model):
        def train_step(self, pair):
            raise NotImplementedError

    photo = keras.Input((None, None, 3))
    own = Own(photo, {"x2": up(photo)}, name="own")
    frozen, patched = (keras.Model(photo, {"x2": up(photo)}, name=n) for n in ("f", "p"))
    frozen.trainable = False
    patched.compute_loss = None
    for model in (own, frozen, patched):
        assert small.small_form(model) == (model, {})
        assert small.left_alone(model) == [model.name]


@pytest.mark.slow
def test_xla_trains_the_rewritten_convolution_to_the_same_numbers(make_pairs):
    """As on a GPU, where Keras lets it compile."""
    pairs, found = make_pairs(2), []
    lr = data.as_float(pairs.lr)
    for jit_compile in (False, True):
        form, blocks = small.small_form(models.build("residual", seed=0))
        targets = {
            head: small.pack_target(ops.convert_to_tensor(data.as_float(picture)), block)
            for (head, block), picture in zip(
                blocks.items(), (pairs.x2, pairs.x4), strict=True
            )
        }
        form.compile("sgd", loss=small.packed_mse, jit_compile=jit_compile)
        form.train_on_batch(lr, targets)
        found.append(form.get_weights())
    for plain, compiled in zip(*found, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-4, atol=1e-6)


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

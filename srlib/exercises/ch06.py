"""Exercises of chapter 6: Model 4, the wire, and borrowed eyes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from srlib import metrics
from srlib.exercises import expect, networks
from srlib.exercises.engine import Chapter, NotYet

if TYPE_CHECKING:
    import keras

chapter = Chapter(6, "06-model-4-efficientnet")
progress = chapter.progress


# --- 1 -----------------------------------------------------------------------------------

q1 = chapter.choice(
    "q1",
    "One wire, two losses",
    difficulty=1,
    minutes=5,
    options={
        "a": (
            "Only x4's loss is high. The step changes the matrix, and leaves x2 as it is.",
            "The loss is right, the step is not. x4 is computed from x2, so its gradient "
            "goes on through the matrix, into the layers that draw x2.",
        ),
        "b": (
            "Only x4's loss is high. The step changes the matrix, and x2 as well.",
            "x4's gradient goes through the matrix into the layers that draw x2, and asks "
            "them to exchange red and blue. x2, which was perfect, gets worse. As soon as "
            "it is, its own loss pulls the other way. That is the failure of this chapter.",
        ),
        "c": (
            "Both losses are high, because both outputs hang on the same three channels.",
            "x2's loss compares the x2 picture with its target, and knows nothing of what "
            "is made from it. The x2 picture is perfect here.",
        ),
        "d": (
            "Neither is high: x4 has all the right colours, only in another order.",
            "The squared error is taken for red, green and blue each. A red flower that is "
            "drawn blue is wrong in two numbers of three.",
        ),
    },
    right="b",
    hints=(
        "Each loss compares one picture with one target. Which picture is wrong?",
        "Which numbers have a part in x4? The step changes every one of them that training "
        "may change.",
    ),
    because="A loss changes all that its output was computed from.",
)


# --- 2 -----------------------------------------------------------------------------------


def _wire(widths: Sequence[int], *, biases: int = 1, kernel: int = 1) -> int:
    channels = [3, *widths, 3]
    return sum(
        (kernel * inputs + biases) * outputs for inputs, outputs in pairwise(channels)
    )


@chapter.exercise(
    "Count the wire",
    kind="function",
    difficulty=1,
    minutes=10,
    stub="""
        def wire(widths):
            return ____
    """,
    answer="wire",
    hints=(
        "`wire([])` is one convolution: 3 channels in, 3 filters. It has 12 parameters.",
        "Write the channels in a row, such as 3, 64, 64, 3. Each convolution goes from one "
        "number to the next.",
        "From `a` channels to `b`, a 1x1 convolution has `(a + 1) * b` parameters. "
        "`zip(channels, channels[1:])` gives the pairs.",
    ),
    solution="""
        def wire(widths):
            channels = [3, *widths, 3]
            pairs = zip(channels, channels[1:])
            return sum((a + 1) * b for a, b in pairs)
    """,
    because="""
        The wire of attempt 1 has 12 parameters, that of attempt 4 has 4,611. The
        difference, 4,599, is all that attempt 4 has more than attempt 3: 69,750 against
        65,151. So the attempt that works adds nothing but a wide wire to one that fails.
    """,
)
def q2(answer: Any) -> str:
    """Parameters of the convolutions between x2 and x4."""
    slips = {
        "You count the kernels' weights. Each filter also has a constant, its bias.": (
            lambda widths: _wire(widths, biases=0)
        ),
        "You stop before x4: its own convolution, with 3 filters, counts as well.": (
            lambda widths: _wire(widths) - ([3, *widths][-1] + 1) * 3
        ),
        "Only the first convolution has 3 channels in. Each of the others has as many as "
        "the one before it has filters.": lambda widths: 4 * (sum(widths) + 3),
        "Each filter has a bias of its own. You count one a convolution.": (
            lambda widths: _wire(widths, biases=0) + len(widths) + 1
        ),
        "You leave out the first convolution, which reads the 3 channels of x2.": (
            lambda widths: _wire(widths) - 4 * [*widths, 3][0]
        ),
        "You leave out the convolutions between the widths: each pair of neighbours has "
        "one.": lambda widths: (
            4 * widths[0] + 3 * (widths[-1] + 1) if widths else _wire(widths)
        ),
        "The kernels are 1x1, not 3x3.": lambda widths: _wire(widths, kernel=9),
        "It is right for attempt 4 alone: use the argument.": lambda widths: 4611,
    }
    expect.agree_on(answer, _wire, [([8, 16, 4],), ([],), ([5],), ([64, 64],)], slips)
    return (
        "`wire([64, 64])` is 4,611. That, minus the 12 of a bare wire, is all that attempt "
        "4 has more than attempt 3."
    )


# --- 3 -----------------------------------------------------------------------------------


@chapter.exercise(
    "Hand the colours on",
    kind="function",
    difficulty=2,
    minutes=15,
    stub="""
        def carry(inputs, filters):
            return ____
    """,
    answer="carry",
    hints=(
        "For three channels and three filters it is the identity, `np.eye(3)`, in a kernel "
        "of one point.",
        "Begin with `np.zeros((1, 1, inputs, filters))`. Which nine of its numbers have to "
        "be the identity?",
        "`kernel[0, 0, :3, :3] = np.eye(3)`.",
    ),
    solution="""
        def carry(inputs, filters):
            kernel = np.zeros((1, 1, inputs, filters))
            kernel[0, 0, :3, :3] = np.eye(3)
            return kernel
    """,
    because="""
        Layer by layer the first three channels hand the picture on, and ReLU lets it pass,
        since no colour is below zero. What the other channels hold does not matter, as long
        as the next kernel does not look at them. So `np.eye(inputs, filters)` is as good,
        and so is a kernel whose other filters are random: `CarryColours` in
        `srlib/models.py`, which `start_at_identity=True` uses, leaves them so. Then they
        are free to learn.
    """,
)
def q3(answer: Any) -> str:
    """Kernels that hand three colours on, through layers of any width."""
    picture = np.random.default_rng(6).random((5, 5, 3))
    for widths in ([], [64, 64], [3], [5, 16, 3, 7]):
        channels, drawn = [3, *widths, 3], picture
        told = " to ".join(map(str, channels))
        for a, b in pairwise(channels):
            kernel = _kernel(answer, a, b)
            drawn = np.maximum(drawn @ kernel[0, 0], 0)
        wrong = (
            f"From {told} channels, the colours do not come out as they went in. The "
            f"first pixel was {expect.shown(picture[0, 0])} and is "
            f"{expect.shown(drawn[0, 0])}."
        )
        expect.agree(drawn, picture, _other_colours(picture), wrong=wrong)
    return (
        "With these kernels x4 is the x2 picture, however wide the layers between. "
        "`start_at_identity=True` starts them so."
    )


def _kernel(answer: Any, inputs: int, filters: int) -> np.ndarray:
    found = expect.call(answer, inputs, filters)
    what = f"`carry({inputs}, {filters})`"
    flat = (inputs, filters)
    if np.shape(found) == flat:
        raise NotYet(
            f"{what} is a matrix. A kernel has four axes: height and width, both 1 here, "
            "channels in, filters."
        )
    if inputs != filters and np.shape(found) == (1, 1, filters, inputs):
        raise NotYet(
            f"{what} has its last two axes exchanged: channels in come first, then filters."
        )
    return expect.array(found, (1, 1, *flat), what)


def _other_colours(picture: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "It hands nothing on: all channels come out black.": 0 * picture,
        "Red and blue come out exchanged.": picture[..., ::-1],
        "All three channels come out as the sum of the three: each filter has to take one "
        "channel, and leave the others.": (
            picture.sum(axis=-1, keepdims=True) * np.ones(3)
        ),
    }


# --- 4 -----------------------------------------------------------------------------------


@chapter.exercise(
    "Borrowed, or not?",
    kind="bug",
    difficulty=2,
    minutes=15,
    stub="""
        def frozen_copy(eyes):
            copy = keras.models.clone_model(eyes)
            copy.trainable = False
            return copy
    """,
    answer="frozen_copy",
    hints=(
        'Try it: `eyes = extractors["imagenet-lite0"]`. Does `frozen_copy(eyes)(lr)` see '
        "what `eyes(lr)` sees?",
        "Look up `keras.models.clone_model`. What does a clone have in common with its "
        "model, and what not?",
        "The layers are copied, the numbers in them are drawn anew. `get_weights` reads "
        "all numbers of a model, `set_weights` writes them.",
    ),
    solution="""
        def frozen_copy(eyes):
            copy = keras.models.clone_model(eyes)
            copy.set_weights(eyes.get_weights())
            copy.trainable = False
            return copy
    """,
    because="""
        `clone_model` makes the same layers with fresh weights. So the colleague compared
        random features with random features. Nothing warned him: the shapes are right, the
        copy is frozen, and its features look like pictures. "Pretrained" is a claim about
        numbers. Check the numbers: the same photo has to give the same features, whatever
        the seed.
    """,
    seconds=20,
)
def q4(answer: Any) -> str:
    """Copy a feature extractor; the weights are left behind."""
    import keras

    from srlib.sources import backbone

    expect.function(answer)
    # Another one than the chapter's, some layers of it frozen already.
    eyes = backbone.feature_extractor("imagenet-lite0")
    rng = np.random.default_rng(6)
    own = [w * rng.uniform(0.7, 1.3, w.shape) for w in eyes.get_weights()]
    eyes.set_weights(own)
    eyes.trainable = True
    eyes.layers[-1].trainable = False
    flags = [layer.trainable for layer in eyes.layers]
    photo = rng.random((2, 12, 20, 3), np.float32)
    before = np.asarray(eyes(photo))
    copy = expect.call(answer, eyes)
    if not isinstance(copy, keras.Model):
        raise NotYet(
            f"Expected your function to return a network, found {expect.kind_of(copy)}."
        )
    expect.that(
        copy is not eyes,
        "You return the original, not a copy. Whoever still wanted to train it finds it "
        "frozen.",
    )
    expect.that(
        np.allclose(eyes(photo), before, atol=1e-5),
        "The original now sees something else than before: its weights were changed. Which "
        "of the two has to get those of the other?",
    )
    seen = np.asarray(networks.draw(copy, photo))
    expect.that(
        seen.shape == before.shape,
        f"The copy's features have the shape `{seen.shape}`, the original's "
        f"`{before.shape}`.",
    )
    same = np.allclose(seen, before, atol=1e-4)
    if not same and _same_kernels(copy, eyes):
        raise NotYet(
            "The kernels are the same now, and the features still are not. Batch "
            "normalisation also has numbers that are not trained: the mean and the spread "
            "that it remembers."
        )
    expect.that(
        same or not _same_kernels(copy, backbone.feature_extractor("imagenet-lite0")),
        "Whatever extractor it is given, your function copies the chapter's. Here it was "
        "given another: use the argument.",
    )
    expect.that(
        same,
        "The copy has the original's layers, but does not see what it sees: for the same "
        f"photo the features differ by up to {np.abs(seen - before).max():.2g}. What is it "
        "that makes features pretrained?",
    )
    expect.that(
        not copy.trainable_weights,
        f"It sees the same, but training would change {len(copy.trainable_weights)} of "
        "its arrays: it is not frozen.",
    )
    expect.that(
        bool(eyes.trainable_weights),
        "The copy is right, but the original is frozen now, too. Do they share layers?",
    )
    expect.that(
        [layer.trainable for layer in eyes.layers] == flags,
        "The copy is right, but the original is not left as it was: other layers of it can "
        "be trained than before.",
    )
    eyes.set_weights([2 * w for w in own])  # as training would
    expect.that(
        np.allclose(networks.draw(copy, photo), before, atol=1e-4),
        "When the original learns, your copy changes with it: they share weights.",
    )
    return "Same photo, same features. Only now can the pretrained be compared with random."


def _same_kernels(one: keras.Model, other: keras.Model) -> bool:
    kernels = [[w for w in model.weights if len(w.shape) == 4] for model in (one, other)]
    return len(kernels[0]) == len(kernels[1]) and all(
        np.array_equal(a, b) for a, b in zip(*kernels, strict=True)
    )


# --- 5 -----------------------------------------------------------------------------------

_PARAMETERS = 38_915


@chapter.exercise(
    "A picture without red",
    kind="bug",
    difficulty=2,
    minutes=15,
    stub="""
        def network():
            lr = models.photo_input()
            x = models.conv(models.conv(lr, 64, 3), 64, 3)
            x2 = models.conv(models.upsample(x), 3, 1, name="x2")
            return keras.Model(lr, {"x2": x2})
    """,
    answer="network",
    hints=(
        "No red anywhere, on any photo: what would the output channel have to be before "
        "its activation?",
        "What does `models.conv` put after a convolution if you do not say? "
        "`models.conv??` shows its code.",
        "Inside the network a ReLU is wanted. The output needs `activation=None`, or one "
        'that lets something through below zero, such as `"leaky_relu"`.',
    ),
    solution="""
        def network():
            lr = models.photo_input()
            x = models.conv(models.conv(lr, 64, 3), 64, 3)
            up = models.upsample(x)
            x2 = models.conv(up, 3, 1, activation=None, name="x2")
            return keras.Model(lr, {"x2": x2})
    """,
    because="""
        `models.conv` ends in a ReLU unless told otherwise. After the output convolution
        that is one too many: a channel that is below zero everywhere is drawn black, and
        its gradient is 0, so no training brings it back. Inside the network the ReLUs have
        to stay. Without them, convolutions in a row can do no more than one convolution.

        The mistake is a common one, because it comes from sharing: one set of settings, or
        one default, serves all layers, and the last one needs another. An official Keras
        example for super-resolution has it, too.
    """,
    seconds=20,
)
def q5(answer: Any) -> str:
    """Network with a ReLU at its output, by default."""
    model = networks.built(answer, heads=["x2"])
    size = model.count_params()
    expect.that(
        size == _PARAMETERS,
        f"Your network has {size:,} parameters, the colleague's {_PARAMETERS:,}. Leave the "
        "convolutions as they are: the mistake is not in them.",
    )
    for value in (0.5, -0.5, 1.5, -1.5, 3.5, -3.5, 6.5, -6.5):
        expect.that(
            _learns_at(model, value),
            f"An output can still die. If the last convolution computes {value:g} "
            "everywhere, the gradient of its bias is exactly 0. What cuts it off?",
        )
    for channels, which in ((3, "first"), (64, "second")):
        expect.that(
            _bends(model, channels),
            "The output cannot die now, but you took the ReLU from the layers inside as "
            f"well: the {which} convolution has none. Convolutions in a row without one do "
            "no more than a single convolution.",
        )
    return (
        "Whatever the last convolution computes, its gradient is not 0: no channel can die."
    )


def _learns_at(model: keras.Model, value: float) -> bool:
    """Tell whether all gradients are there where the last convolution computes `value`."""
    import tensorflow as tf

    photo = np.full((1, 6, 6, 3), 0.5, np.float32)
    with networks.other_weights(
        model, lambda shape: np.full(shape, value if shape == (3,) else 0)
    ):
        bias = next(weight for weight in model.trainable_weights if weight.shape == (3,))
        with tf.GradientTape() as tape:
            drawn = tf.reduce_sum(model(photo)["x2"])
        gradient = tape.gradient(drawn, bias.value)
    return gradient is not None and bool(np.all(np.asarray(gradient) != 0))


def _bends(model: keras.Model, channels: int) -> bool:
    """Tell whether something bends after the 3x3 convolution that reads `channels`.

    The others get biases that keep them where they are straight. A bias follows its kernel.
    """
    rng, own, weights, here = np.random.default_rng(6), model.get_weights(), [], False
    for array in own:
        if array.ndim == 4:
            here = array.shape[:3] == (3, 3, channels)
            kernel = rng.normal(size=array.shape)
            kernel /= np.abs(kernel).sum(axis=(0, 1, 2))
            weights.append(kernel * (0.01 if array.shape[-1] == 3 else 1))
        else:
            weights.append(np.full(array.shape, 0 if here else 4))
    off = rng.random((1, 8, 8, 3)) - 0.5
    model.set_weights(weights)
    low, level, high = (
        np.asarray(model(np.float32(0.5 + k * off))["x2"], float) for k in (-1, 0, 1)
    )
    model.set_weights(own)
    return np.abs(low + high - 2 * level).max() > 0.05 * np.abs(low - high).max()


# --- 6 -----------------------------------------------------------------------------------

_WARMER = {
    "a": "the matrix comes nearer to the identity, and both outputs are above nearest",
    "b": "the matrix comes nearer to the identity, and an output is still below nearest",
    "c": "the matrix comes no nearer to the identity",
}


@chapter.exercise(
    "A warmer wire",
    kind="measure",
    difficulty=2,
    minutes=20,
    stub="""
        measured = {"0.001": networks["attempt 1"], "0.01": ____}
        measured["conclusion"] = ____
    """,
    answer="measured",
    hints=(
        'The network is `models.build("efficientnet_1", seed=1)`, as before. Train it '
        "with `training.fit(model, train, val, **plan, loss_weights=..., "
        "learning_rate=0.01)`.",
        '`model.get_layer("x4").get_weights()[0]` is its matrix, and `distance` says how '
        'far that is off. The last of `matrices["attempt 1"]` is the one to compare it '
        "with.",
        "The PSNR is the last number of `val_x2_psnr_db` and of `val_x4_psnr_db` in what "
        "`fit` returned, and `baselines` holds that of nearest.",
    ),
    solution="""
        model = models.build("efficientnet_1", seed=1)
        weights = zoo.NETWORKS["efficientnet_1"].loss_weights
        faster = {**plan, "loss_weights": weights, "learning_rate": 0.01}
        curves = histories["attempt 1"], training.fit(model, train, val, **faster)
        last = matrices["attempt 1"][-1], model.get_layer("x4").get_weights()[0]
        print("off by", [distance(matrix) for matrix in last])
        for h in ("x2", "x4"):
            print(h, [curve[f"val_{h}_psnr_db"][-1] for curve in curves])
            print("nearest", baselines[h]["nearest"].mean())
        measured = {"0.001": networks["attempt 1"], "0.01": model}
        measured["conclusion"] = "b"
    """,
    because="""
        In this run the matrix comes nearer to the identity, but by far less than ten times
        as much, and x2 becomes worse. The matrix does not travel to a fixed goal: the three
        channels that it mixes are pulled about as well, now ten times as fast. To start the
        matrix right costs nothing and repaired the network; to hurry there makes every
        layer hurry. (Is a channel of x2 black now? `dead(model)` tells. It is one seed, and
        others end elsewhere.)
    """,
    seconds=60,
)
def q6(answer: Any) -> str:
    """Attempt 1 trained with ten times the learning rate."""
    from srlib import models

    found = expect.mapping(answer, ["0.001", "0.01", "conclusion"])
    letter = expect.choose(found["conclusion"], _WARMER, "the conclusion")
    fresh = models.build("efficientnet_1", seed=1).get_weights()
    weights = {}
    for rate in ("0.001", "0.01"):
        model = networks.network(found[rate])
        own = weights[rate] = model.get_weights()
        expect.that(
            [w.shape for w in own] == [w.shape for w in fresh],
            f"The network of {rate} has {model.count_params():,} parameters. Attempt 1 is "
            '`models.build("efficientnet_1", seed=1)`.',
        )
        kept = [
            np.corrcoef(a.ravel(), b.ravel())[0, 1]
            for a, b in zip(own, fresh, strict=True)
            if a.ndim == 4
        ]
        expect.that(
            np.median(kept) > 0.2,
            f"The network of {rate} did not start where attempt 1 did. Take the seed 1.",
        )
        expect.that(
            not np.array_equal(own[-2], fresh[-2]),
            f"The network of {rate} is not trained: its matrix is the one that it starts "
            "with.",
        )
    expect.that(
        not np.array_equal(weights["0.001"][-2], weights["0.01"][-2]),
        "Both networks have the same matrix. Build a new one and train that with 0.01.",
    )
    slow, fast = (
        np.mean([np.abs(a - b).mean() for a, b in zip(own, fresh, strict=True)])
        for own in weights.values()
    )
    expect.that(
        fast > slow,
        "The network of 0.01 has moved less far from its start than that of 0.001. Are the "
        "two exchanged?",
    )
    off = [np.abs(own[-2][0, 0] - np.eye(3)).max() for own in weights.values()]
    told, works = [f"the matrix was off by {off[0]:.2f} and then by {off[1]:.2f}"], []
    for head in ("x2", "x4"):
        before, after = (networks.score(found[r], "article", head) for r in weights)
        nearest = networks.baseline("nearest", "article", head)
        told.append(
            f"{head} went from {before:.2f} to {after:.2f} dB (nearest: {nearest:.2f})"
        )
        works.append(after > nearest)
    numbers = "; ".join(told)
    true = "c" if off[1] >= off[0] else "a" if all(works) else "b"
    expect.conclusion(letter, _WARMER, true, f"But on photos of the check {numbers}")
    return f"With ten times the rate {_WARMER[true]}: {numbers}. One seed."


# --- 7 -----------------------------------------------------------------------------------

_MOST = 30_000
_LEARNED, _GOAL = 13.0, 22.0


@chapter.exercise(
    "Rebuild the photo",
    kind="model",
    difficulty=3,
    minutes=40,
    stub="""
        def decoder():
            return ____


        eyes = extractors["imagenet-lite0"]
        seen = [np.asarray(eyes(data.as_float(p.lr))) for p in (train, val)]
        model = decoder()
    """,
    answer="model",
    hints=(
        "The linear map of this chapter asks the features of *one* place. But the layers "
        "that made them have kernels of 3x3: what they saw of one pixel is spread over "
        "several places.",
        "A 3x3 convolution with 12 filters and no activation, and `models.depth_to_space`: "
        "that is a linear map again, to four colours, but from 3x3 places. Of such a map "
        "least squares finds the best, and training comes near it.",
        "To train, begin with `keras.layers.Normalization()`, to which you show the "
        "features by `adapt(seen[0])`. Then one more 3x3 convolution with ReLU, of some "
        "dozens of filters, helps. To do without training, `tf.image.extract_patches` puts "
        "the 3x3 places side by side for `np.linalg.lstsq`.",
    ),
    solution="""
        def decoder():
            features = keras.Input((None, None, 32))
            four = keras.layers.Conv2D(12, 3, padding="same", name="map")(features)
            return keras.Model(features, models.depth_to_space(four))


        eyes, some = extractors["imagenet-lite0"], data.as_float(train[:80].lr)
        ones = [1, 1, 1, 1]
        views = tf.image.extract_patches(eyes(some), [1, 3, 3, 1], ones, ones, "SAME")
        views = views.numpy().reshape(-1, 9 * 32)
        views = np.c_[views, np.ones(len(views))]
        weights = np.linalg.lstsq(views, as_blocks(some).reshape(-1, 12))[0]
        model = decoder()
        kernel = weights[:-1].reshape(3, 3, 32, 12)
        model.get_layer("map").set_weights([kernel, weights[-1]])
    """,
    because="""
        It is still a linear map from the features to four colours, and nothing is trained.
        It only looks at 3x3 places instead of one, and that is worth many decibels. So the
        frozen features hold far more of the photo than Model 4 takes out of them. What half
        the size costs is for the most part lost afterwards: by repeating, and by kernels of
        1x1.

        A network that is trained passes the goal, too, with two convolutions and some
        dozens of epochs, if it begins by bringing the features to one size. Some of them
        are always 0, others reach 6, and Adam takes steps of the same length for all.
    """,
    seconds=60,
)
def q7(answer: Any) -> str:
    """Make a network from features at half the size back to the photo."""
    model, (score, ceiling, even) = answer, _rebuilt(answer)
    size = model.count_params()
    expect.that(
        size <= _MOST,
        f"Your decoder has {size:,} parameters; {_MOST:,} are allowed.",
    )
    told = f"{score:.2f} dB; the best picture made of 2x2 blocks has {ceiling:.2f}"
    expect.that(
        score > _LEARNED,
        f"Your photos have {told}. It has hardly learned anything: did you train it, and "
        "on photos from 0 to 1?",
    )
    expect.that(
        not even,
        f"Your photos are made of blocks of 2x2. They have {told}. Let each pixel of a "
        "block have a colour of its own.",
    )
    expect.that(
        score >= _GOAL,
        f"Your photos have {told}. The goal is {_GOAL:.0f} dB. Does your network see the "
        "neighbours of a place? Was it trained long enough?",
    )
    return f"Your photos have {told}. It took {size:,} parameters."


def _rebuilt(answer: Any) -> tuple[float, float, bool]:
    """Return score and ceiling of the rebuilt photos, and whether they are of blocks."""
    import keras

    from srlib import data
    from srlib.sources import backbone

    if not isinstance(answer, keras.Model):
        hint = ": hand in what it returns" if callable(answer) else ""
        raise NotYet(f"Expected a `keras.Model`, found {expect.kind_of(answer)}{hint}.")
    inputs = getattr(answer, "inputs", None) or []  # a subclass has none
    expect.that(
        len(inputs) < 2, "Your network has several inputs. It gets the features alone."
    )
    for tensor in inputs:
        expect.that(
            tensor.shape[-1] == 32,
            f"Your network takes {tensor.shape[-1]} channels. It gets the features, 32 of "
            "them, not the photo.",
        )
    lr = data.as_float(networks.unseen("article").lr)
    seen = backbone.feature_extractor("imagenet-lite0").predict_on_batch(lr)
    shape = np.shape(networks.draw(answer, seen[:1]))
    expect.that(
        shape == (1, 72, 72, 3),
        "For features of 36x36 your network has to return a photo of 72x72 pixels in three "
        f"colours, (1, 72, 72, 3); the shape that it returns is `{shape}`.",
    )
    drawn = np.clip(np.asarray(answer.predict(seen, batch_size=8, verbose=0)), 0, 1)
    score, ceiling = metrics.psnr(lr, drawn).mean(), metrics.ceiling_psnr(lr, 2).mean()
    return float(score), float(ceiling), metrics.is_block_constant(drawn, 2)

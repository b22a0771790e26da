"""Exercises of chapter 4: Model 2, residual blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from srlib import metrics
from srlib.exercises import expect, networks
from srlib.exercises.engine import Chapter, NotYet

chapter = Chapter(4, "04-model-2-residual")
progress = chapter.progress

_FIRST, _BLOCK, _HEAD = 128, 18_496, 99  # parameters of Model 2's parts


# --- 1 -----------------------------------------------------------------------------------

_WHOSE = {"x2": _FIRST + 2 * _BLOCK + _HEAD, "x4": _FIRST + 3 * _BLOCK + _HEAD}


@chapter.exercise(
    "Whose parameters?",
    kind="predict",
    difficulty=1,
    minutes=10,
    stub='parameters = {"x2": ____, "x4": ____}',
    answer="parameters",
    hints=(
        "Walk up the diagram from each output. Which boxes do you pass?",
        "From x2 you pass its head, two blocks and the first convolution. From x4 one "
        "block more, and another head. The parts: 128, 18,496 a block, 99 a head.",
    ),
    solution="""
        first, block, head = 128, 18_496, 99
        parameters = {
            "x2": first + 2 * block + head,
            "x4": first + 3 * block + head,
        }
    """,
    because="""
        The first convolution and two blocks serve both pictures, and learn from both
        errors. The third block has a third of all parameters and learns from the x4 error
        alone; x2 never hears of it.
    """,
)
def q1(answer: Any) -> str:
    """How many parameters each picture depends on."""
    found = expect.mapping(answer, _WHOSE)
    for head, right in _WHOSE.items():
        count = expect.whole(found[head], f"the number for {head}")
        slips = {
            _FIRST + 3 * _BLOCK + 2 * _HEAD: "that is the whole network, with both heads. "
            "Does this picture pass through the other's head?",
            right - _HEAD: "you forgot its own head, the last 1x1 convolution.",
            right - _FIRST: "you forgot the first convolution, which every picture passes.",
            _BLOCK + _HEAD: "those are the parameters that only x4 uses. It depends on the "
            "trunk, too.",
            _HEAD: "that is the head alone. What does it work on?",
            _WHOSE["x2"]: "that is what x2 depends on. One block more stands on this way.",
            _WHOSE["x4"]: "that counts three blocks. Which of them stands after the place "
            "where x2 leaves?",
        }
        wrong = f"not {count:,}. Add up the boxes that you pass on the way up."
        expect.that(count == right, f"{head}: {slips.get(count, wrong)}")
    return "The trunk serves both pictures; the third block serves x4 alone."


# --- 2 -----------------------------------------------------------------------------------

q2 = chapter.choice(
    "q2",
    "The worst block",
    difficulty=1,
    minutes=5,
    options={
        "a": (
            "with skip at 0, without skip at -1; the block with skip is in danger",
            "The other way round. With a skip the gradient is multiplied by 1 + f'(x). Put "
            "the derivative 0 into that.",
        ),
        "b": (
            "with skip at -1, without skip at 0; the block without skip is in danger",
            "With small weights the derivative of f is near 0. Then a block without skip "
            "passes on nearly nothing, and one with skip hands on what it gets, which is a "
            "good place to start.",
        ),
        "c": (
            "both at 0; both are in danger",
            "With the derivative 0, the block without skip passes on nothing, that is "
            "right. But what is left of 1 + f'(x) then?",
        ),
        "d": (
            "with skip at no derivative, without skip at 0; the block without skip is in "
            "danger",
            "Nearly. The line round the block always brings the 1. But f may take away "
            "just as much: when is 1 + f'(x) zero?",
        ),
    },
    right="b",
    hints=(
        "By what is the gradient multiplied at a block with skip, and by what without?",
        "Find the zero of 1 + f'(x), and that of f'(x). Which of the two is nearer to "
        "what small random weights make?",
    ),
)


# --- 3 -----------------------------------------------------------------------------------


@chapter.exercise(
    "A skip that is too short",
    kind="bug",
    difficulty=2,
    minutes=15,
    stub="""
        def block_with_skip(x):
            x = models.conv(x, 32, 3, activation=models.LEAKY)
            y = models.conv(x, 32, 3, activation=models.LEAKY)
            y = keras.layers.Add()([x, y])
            return keras.layers.LeakyReLU(0.2)(y)
    """,
    answer="block_with_skip",
    hints=(
        "Think of all weights as 0. What should a residual block return then, and what "
        "does this one return?",
        "The line has to lead round *both* convolutions. Follow the name `x`: what does it "
        "stand for when `Add` reads it?",
        "The first line gives the name `x` to something else. Give the result of the first "
        "convolution the name `y`, and let the second one read `y`.",
    ),
    solution="""
        def block_with_skip(x):
            y = models.conv(x, 32, 3, activation=models.LEAKY)
            y = models.conv(y, 32, 3, activation=models.LEAKY)
            y = keras.layers.Add()([x, y])
            return keras.layers.LeakyReLU(0.2)(y)
    """,
    because="""
        In the faulty block the name `x` no longer means the input when `Add` reads it, so
        the line leads round the second convolution only. The first one stands in the way of
        every gradient, and a stack of such blocks has no line that leads from its end to
        its start. Nothing shows it: shape, parameters and sight are the same. The test that
        finds it needs no training: with all weights 0 a residual block hands on its input.
    """,
    seconds=60,
)
def q3(answer: Any) -> str:
    """Judge a residual block whose input was renamed before it was added."""
    expect.function(answer)
    import keras

    from srlib import models

    x = keras.Input((None, None, 32))
    y = expect.call(answer, x)
    if not isinstance(y, keras.KerasTensor):
        raise NotYet(
            "Your function has to return what its last layer returns; it returns "
            f"{expect.kind_of(y)}."
        )
    expect.that(y is not x, "Your block returns its input as it is.")
    expect.that(
        y.shape[1:] == x.shape[1:],
        f"From 32 channels your block makes the shape {tuple(y.shape[1:])}. Expected the "
        "shape of its input.",
    )
    block, right = keras.Model(x, y), keras.Model(x, models.residual_block(x))
    size = block.count_params()
    expect.that(
        size == _BLOCK,
        f"Between input and output there are {size:,} parameters; two convolutions have "
        f"{_BLOCK:,}. Which convolution was left aside, or added?",
    )
    rng = np.random.default_rng(4)
    features = rng.normal(size=(1, 8, 8, 32)).astype(np.float32)
    block.set_weights([np.zeros_like(array) for array in block.get_weights()])
    handed_on = block.predict_on_batch(features)
    leaky = np.where(features > 0, features, 0.2 * features)
    at_zero = {
        "With all weights 0 your block returns 0: no line leads round both convolutions. "
        "What does the name that `Add` reads stand for?": 0 * features,
        "The line leads round. Now the LeakyReLU after the sum is missing.": features,
        "The input is added twice. Add it once, to what the convolutions make of it.": (
            2 * leaky
        ),
    }
    for message, slip in at_zero.items():
        expect.that(not np.allclose(handed_on, slip, atol=1e-5), message)
    expect.that(
        np.allclose(handed_on, leaky, atol=1e-5),
        "With all weights 0 your block does not hand on its input through one LeakyReLU, "
        "as it should. Change only which name stands where.",
    )
    weights = [rng.normal(size=a.shape) / 17 for a in right.get_weights()]
    for one in (block, right):
        one.set_weights(weights)
    expect.that(
        np.allclose(*(m.predict_on_batch(features) for m in (block, right)), atol=1e-4),
        "The line leads round, but the rest has changed: two convolutions one after the "
        "other, each with LeakyReLU, then the sum, then LeakyReLU.",
    )
    return "With all weights 0 the block now hands on its input. No training was needed."


# --- 4 -----------------------------------------------------------------------------------


def _x4_psnr(loss: float, x2_error: float, weights: dict[str, float]) -> float:
    return _decibels((loss - weights["x2"] * x2_error) / weights["x4"])


def _decibels(error: float) -> float:
    return float(-10 * np.log10(error))


@chapter.exercise(
    "Read a log",
    kind="function",
    difficulty=2,
    minutes=15,
    stub="""
        def x4_psnr(loss, x2_error, weights):
            return ____
    """,
    answer="x4_psnr",
    hints=(
        'Write down how the loss is made: `weights["x2"]` times one error, plus '
        '`weights["x4"]` times the other.',
        'Solve for the x4 error: take away `weights["x2"] * x2_error`, and divide what is '
        'left by `weights["x4"]`.',
        "The PSNR of an error is `-10 * np.log10(error)`.",
    ),
    solution="""
        def x4_psnr(loss, x2_error, weights):
            x4_error = (loss - weights["x2"] * x2_error) / weights["x4"]
            return -10 * np.log10(x4_error)
    """,
    because="""
        The loss is a sum of weighted errors, so one of them can be taken out of it again.
        Only then can runs with different weights be compared. (What comes out is the PSNR
        of the mean error, which is a little lower than the mean of the photos' PSNRs:
        chapter 2.)
    """,
)
def q4(answer: Any) -> str:
    """PSNR at x4 from the loss, the x2 error and the weights."""
    cases = [
        (0.0081, 0.006, {"x2": 0.3, "x4": 0.7}),
        (0.0174, 0.0087, {"x2": 1.0, "x4": 1.0}),
        (0.0075, 0.005, {"x2": 0.65, "x4": 0.35}),
    ]
    slips = {
        "You take away the x2 error without its weight.": (
            lambda loss, x2, w: _decibels((loss - x2) / w["x4"])
        ),
        "You take away the weighted x2 error, that is right. What is left is not the x4 "
        "error, but the x4 error times its weight.": (
            lambda loss, x2, w: _decibels(loss - w["x2"] * x2)
        ),
        "You do not use the weights. With 0.3 and 0.7 the loss is not the sum of the two "
        "errors.": lambda loss, x2, w: _decibels(loss - x2),
        "The weights are exchanged: which of them belongs to x2?": (
            lambda loss, x2, w: _decibels((loss - w["x4"] * x2) / w["x2"])
        ),
        "You multiply by the weight of x4. It is in the loss already: divide.": (
            lambda loss, x2, w: _decibels((loss - w["x2"] * x2) * w["x4"])
        ),
        "That is the PSNR of the loss, as if it were one error.": (
            lambda loss, x2, w: _decibels(loss)
        ),
        "That is the PSNR at x2.": lambda loss, x2, w: _decibels(x2),
        "That is the squared error at x4. Turn it into decibels.": (
            lambda loss, x2, w: (loss - w["x2"] * x2) / w["x4"]
        ),
        "The sign is wrong: a small error is a high PSNR.": (
            lambda *arguments: -_x4_psnr(*arguments)
        ),
        "The decibels of a squared error are 10 times its logarithm, not 20.": (
            lambda *arguments: 2 * _x4_psnr(*arguments)
        ),
        "Decibels are made with the logarithm to base 10, `np.log10`.": (
            lambda *arguments: _x4_psnr(*arguments) * np.log(10)
        ),
    }
    expect.agree_on(answer, _x4_psnr, cases, slips, tolerance=1e-5)
    return "Each output's own error, and its own decibels: those can be compared."


# --- 5 -----------------------------------------------------------------------------------

_FORWARDS = {
    "a": "without skips the features fade, and with skips they keep their size",
    "b": "without skips the features fade, and with skips they grow",
    "c": "the features fade with skips and without, for skips help the gradient alone",
}


@chapter.exercise(
    "Forwards",
    kind="measure",
    difficulty=2,
    minutes=15,
    stub="""
        forwards = {
            "with skip": ____,
            "without skip": ____,
            "conclusion": ____,
        }
    """,
    answer="forwards",
    hints=(
        "Copy `gradient_left` into this cell under another name. The `features` that it "
        "computes are what you need; the tape, `sent` and `end` can go.",
        "`sizes = [float(tf.math.reduce_std(f)) for f in features]` lists the spread at "
        "the start and after every block. Return the last divided by the first.",
        "Call it with `skip=True` and with `skip=False`, and any seed. Is each number "
        "above or below 1, and by how much?",
    ),
    solution="""
        def grown(skip, blocks=16):
            keras.utils.set_random_seed(0)
            photo = models.photo_input()
            after = [models.conv(photo, 32, 1, activation=models.LEAKY)]
            for _ in range(blocks):
                after.append(models.residual_block(after[-1], skip=skip))
            features = keras.Model(photo, after)(data.as_float(train.lr[:4]))
            sizes = [float(tf.math.reduce_std(f)) for f in features]
            return sizes[-1] / sizes[0]


        forwards = {
            "with skip": grown(skip=True),
            "without skip": grown(skip=False),
            "conclusion": "b",
        }
    """,
    because="""
        What is multiplied on the way back is multiplied on the way forward, too. Without
        skips the picture fades as the gradient did. With skips every block adds something
        to what it was given, and the sum grows. Three blocks can bear that. Very deep
        networks have to do something about it: normalise, or multiply f by a small number
        before it is added, as EDSR does.
    """,
)
def q5(answer: Any) -> str:
    """Spread of the features after 16 blocks, with and without skips."""
    found = expect.mapping(answer, ["with skip", "without skip", "conclusion"])
    grown, faded = (
        expect.number(found[name], f'the number "{name}"')
        for name in ("with skip", "without skip")
    )
    letter = found["conclusion"]
    if letter not in tuple(_FORWARDS):
        raise NotYet('The conclusion is one of the letters `"a"`, `"b"`, `"c"`, in quotes.')
    expect.that(
        grown > 0 and faded > 0,
        "A spread is above 0, and so is the ratio of two. Is one of your numbers a "
        "logarithm, or a mean of the features instead of their standard deviation?",
    )
    expect.that(
        grown != faded,
        "Both numbers are the same. Was `skip` handed on to `models.residual_block`?",
    )
    expect.that(
        faded < grown,
        "Your network without skips holds on to more than the one with them. Are the two "
        "exchanged, or did you divide the first spread by the last?",
    )
    expect.that(
        grown > 2 and faded < 0.02,
        f"Your numbers are {grown:.2g} with skips and {faded:.2g} without. After 16 blocks "
        "the difference should be far greater. Compare the end of the last block with the "
        "start of the first.",
    )
    expect.that(
        letter == "b",
        f"You say that {_FORWARDS[letter]}. With skips you measured {grown:.2g} times the "
        "spread at the start: that does not follow.",
    )
    return (
        f"With skips {grown:.1f} times as large, without {faded:.1g}. To add at every "
        "block keeps the signal alive, and lets it grow."
    )


# --- 6 -----------------------------------------------------------------------------------

_ALL = 55_814


@chapter.exercise(
    "Move the block",
    kind="model",
    difficulty=2,
    minutes=20,
    stub="""
        def moved():
            return ____
    """,
    answer="moved",
    hints=(
        "Begin with a copy of `_network_of_blocks` from `srlib/models.py`, with `models.` "
        "before the functions that it calls, and `models.residual_block` for `block`.",
        "One line moves: the third block now comes before the first `upsample`. What does "
        "the second `upsample` enlarge then?",
    ),
    solution="""
        def moved():
            lr = models.photo_input()
            x = models.conv(lr, 32, 1, activation=models.LEAKY)
            for _ in range(3):
                x = models.residual_block(x)
            head = {"filters": 3, "size": 1, "activation": models.LEAKY}
            up2 = models.upsample(x)
            x2 = models.conv(up2, **head, name="x2")
            x4 = models.conv(models.upsample(up2), **head, name="x4")
            return keras.Model(lr, {"x2": x2, "x4": x4})
    """,
    because="""
        After the enlargement every operation treats each pixel alone again, so x4 is made
        of 4x4 blocks, and its ceiling is Model 1's. Parameters, skips and layers are those
        of Model 2; it even costs less, since the third block now works on a quarter of the
        pixels. Only the place is another. To press its x4 picture flat changes nothing:
        whatever it scores, it scores with colours alone.
    """,
    seconds=60,
)
def q6(answer: Any) -> str:
    """Model 2 with all blocks before the first enlargement."""
    model = networks.built(answer)
    x4, x2 = (networks.block_side(model, head) for head in ("x4", "x2"))
    size = model.count_params()
    expect.that(
        x4 > 1,
        "Your x4 is not made of blocks at all. Enlarge as Model 2 does, by repeating "
        "pixels, and keep the heads.",
    )
    expect.that(
        x4 == 4,
        f"Your x4 is made of blocks of {x4}x{x4}, as Model 2's is: something still looks "
        "at neighbours after the first enlargement.",
    )
    expect.that(x2 == 2, f"Your x2 is made of blocks of {x2}x{x2}; in Model 2 it is 2x2.")
    if size != _ALL:
        why = "Is the third block gone" if size < _ALL else "Did something come in"
        raise NotYet(
            f"Your network has {size:,} parameters, Model 2 has {_ALL:,}. {why}? It should "
            "only move."
        )
    expect.that(
        _hands_on(model),
        "With all its 3x3 kernels at 0 your network draws one flat colour. So not every "
        "block has a line that leads round it.",
    )
    return (
        "x2 is made of 2x2 blocks and x4 of 4x4: Model 1's ceilings, with Model 2's "
        "parameters. Only the place has changed."
    )


def _hands_on(model: Any) -> bool:
    """Tell whether a picture comes through if all kernels but those of 1x1 are 0."""
    own = model.get_weights()
    pointwise = [w.ndim == 4 and w.shape[:2] == (1, 1) for w in own]
    model.set_weights(
        [
            np.full_like(w, keep / w.shape[-2] if keep else 0)
            for w, keep in zip(own, pointwise, strict=True)
        ]
    )
    picture = np.random.default_rng(6).random((1, 8, 8, 3), np.float32)
    try:
        drawn = model.predict_on_batch(picture)
    finally:
        model.set_weights(own)
    return all(np.ptp(drawn[head]) > 1e-4 for head in ("x2", "x4"))


# --- 7 -----------------------------------------------------------------------------------

_MOST, _DEEP, _BETTER = 60_000, 20, 0.2  # parameters, 3x3 convolutions, dB


@chapter.exercise(
    "Ten blocks deep",
    kind="model",
    difficulty=3,
    minutes=45,
    stub="""
        def deep():
            return ____


        pairs = [data.load_pairs(photos, p, "antialiased") for p in ("train", "val")]
        model = deep()
    """,
    answer="model",
    hints=(
        "Ten residual blocks of 16 filters, all at 72 pixels, have fewer than 50,000 "
        "parameters. `models.residual_block` has 32 filters: write one of your own. To "
        "draw without blocks of equal pixels, make 12 channels and use "
        "`models.depth_to_space`; for x4 make 48 and use it twice.",
        "Such a network learns, and is still far below interpolation when the time is "
        "over: it has to paint the whole picture. A skip connection can lead round a whole "
        "network, too. What would it have to hand on, so that only a residual is left?",
        "`keras.layers.UpSampling2D(2, interpolation="
        '"bicubic")(lr)` is a picture to begin with; add to it what the network makes. Let '
        "the last convolution have no activation and start at 0, "
        "`start=keras.initializers.Zeros`: then the network begins as bicubic "
        "interpolation, and its residual may be negative.",
    ),
    solution="""
        def deep():
            def block(x):
                y = models.conv(x, 16, 3, activation=models.LEAKY)
                y = models.conv(y, 16, 3, activation=models.LEAKY)
                return keras.layers.LeakyReLU(0.2)(keras.layers.Add()([x, y]))

            lr = models.photo_input()
            x = models.conv(lr, 16, 1, activation=models.LEAKY)
            for _ in range(10):
                x = block(x)
            outputs = {}
            for head, scale in (("x2", 2), ("x4", 4)):
                zero = {"activation": None, "start": keras.initializers.Zeros}
                y = models.conv(x, 3 * scale**2, 1, **zero)
                for _ in range(scale // 2):
                    y = models.depth_to_space(y)
                up = keras.layers.UpSampling2D(scale, interpolation="bicubic")(lr)
                outputs[head] = keras.layers.Add(name=head)([y, up])
            return keras.Model(lr, outputs)


        pairs = [data.load_pairs(photos, p, "antialiased") for p in ("train", "val")]
        keras.utils.set_random_seed(0)
        model = deep()
        training.fit(model, *pairs, epochs=8, batch_size=4)
    """,
    because="""
        The same idea at two sizes. The short skips let the error reach the first of twenty
        convolutions; leave them out, and for some epochs the network learns next to
        nothing. The long skip hands round what is known already, so that even an untrained
        network is as good as bicubic interpolation, and training goes on from there. Either
        alone is not enough for this short time. The last convolution has no activation:
        what is missing may be negative, and a ReLU that is shut there hears no gradient and
        stays shut. (A well-known example program for this task has one in that place.)
    """,
    seconds=120,
)
def q7(answer: Any) -> str:
    """Judge a deep network that has to beat bicubic interpolation at both outputs."""
    model = networks.network(answer)
    size = model.count_params()
    expect.that(
        size <= _MOST,
        f"Your network has {size:,} parameters; {_MOST:,} are allowed. Twenty convolutions "
        "of 16 filters have fewer than 50,000.",
    )
    shapes = [tuple(weight.shape) for weight in model.weights]
    count = sum(len(shape) == 4 and shape[:2] == (3, 3) for shape in shapes)
    expect.that(
        count >= _DEEP,
        f"Your network has {count} convolutions of 3x3; at least {_DEEP} are wanted, one "
        "after the other.",
    )
    score, bicubic = _judge(model)
    means = "; ".join(
        f"{head} has {score[head]:.2f} dB, bicubic {bicubic[head]:.2f}" for head in score
    )
    lead = min(score[head] - bicubic[head] for head in score)
    expect.that(
        lead > -2,
        f"{means}. That is far off. Do the errors reach the first layers, and has the "
        "network to paint everything from nothing?",
    )
    expect.that(
        abs(lead) > 0.01,
        f"{means}. That is bicubic interpolation itself, or nearly: the residual is still "
        "0. Train the network, or find out why it does not learn.",
    )
    expect.that(
        lead > _BETTER,
        f"{means}. Both have to be {_BETTER} dB above. Is there a skip round every "
        "block *and* one round the whole network? If so, train longer.",
    )
    return f"{means}. Twenty convolutions learnt a residual, with {size:,} parameters."


def _judge(model: Any) -> tuple[dict[str, float], dict[str, float]]:
    """Score on the validation photos of the sample, antialiased recipe; and bicubic."""
    from srlib import data, training

    val = data.load_pairs(data.find_photos(data.sample_folder()), "val", "antialiased")
    lr = data.as_float(val.lr)
    drawn = training.predict(model, lr, batch_size=8)
    score, bicubic = {}, {}
    for head, scale in (("x2", 2), ("x4", 4)):
        target = data.as_float(getattr(val, head))
        score[head] = float(metrics.psnr(target, drawn[head]).mean())
        enlarged = metrics.upscale(lr, scale, "bicubic")
        bicubic[head] = float(metrics.psnr(target, enlarged).mean())
    return score, bicubic

"""Exercises of chapter 4: Model 2, residual blocks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from srlib.exercises import expect, networks
from srlib.exercises.engine import Chapter, NotYet

chapter = Chapter(4, "04-model-2-residual")
progress = chapter.progress

_BLOCK = 18_496  # parameters of a residual block


# --- 1 -----------------------------------------------------------------------------------

# Parameters of the first convolution, a block, a head; and how many of each are passed.
_SIZES, _KERNELS = (128, _BLOCK, 99), (96, 18_432, 96)
_WHOSE = {"x2": (1, 2, 1), "x4": (1, 3, 1)}


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
        expect.that(count == _added(right), f"{head}: {_told(count, right)}")
    return "The trunk serves both pictures; the third block serves x4 alone."


def _added(parts: tuple[int, int, int], sizes: tuple[int, int, int] = _SIZES) -> int:
    return sum(size * count for size, count in zip(sizes, parts, strict=True))


def _told(count: int, right: tuple[int, int, int]) -> str:
    """Say of which parts a wrong number is the sum."""
    for parts in itertools.product((0, 1), range(5), range(3)):
        first, blocks, heads = parts
        if count == _added(parts, _KERNELS):
            return "that counts kernels alone. Each filter has a constant, its bias, too."
        if count != _added(parts):
            continue
        if parts == (1, 3, 2):
            return (
                "that is the whole network, with both heads. Does this picture pass "
                "through the other's head?"
            )
        if parts == (0, 0, 1):
            return "that is the head alone. What does it work on?"
        if heads == 0:
            return "you forgot its own head, the last 1x1 convolution."
        if heads == 2:
            return "that counts both heads. Does this picture pass through the other's?"
        if first == 0 and blocks == 1:
            return (
                "those are the parameters that only x4 uses. It depends on the trunk, too."
            )
        if first == 0:
            return "you forgot the first convolution, which every picture passes."
        if blocks > right[1]:
            return (
                f"that counts {blocks} blocks. Which of them stand after the place "
                "where x2 leaves?"
            )
        return f"that counts {blocks} of the blocks. Do no more stand on this way?"
    return f"not {count:,}. Add up the boxes that you pass on the way up."


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

    x = keras.Input((7, 10, 32))
    y = expect.call(answer, x)
    if not isinstance(y, keras.KerasTensor):
        raise NotYet(
            "Your function has to return what its last layer returns; it returns "
            f"{expect.kind_of(y)}."
        )
    expect.that(y is not x, "Your block returns its input as it is.")
    expect.that(
        y.shape[1:] == x.shape[1:],
        f"From the shape {x.shape[1:]} your block makes {y.shape[1:]}. Expected the shape "
        "of its input.",
    )
    block, right = keras.Model(x, y), keras.Model(x, models.residual_block(x))
    size = block.count_params()
    expect.that(
        size == _BLOCK,
        f"Between input and output there are {size:,} parameters; two convolutions have "
        f"{_BLOCK:,}. Which convolution was left aside, or added?",
    )
    rng = np.random.default_rng(4)
    features = rng.normal(size=(1, 7, 10, 32)).astype(np.float32)
    block.set_weights([np.zeros_like(array) for array in block.get_weights()])
    handed_on, _ = _both_ways(block, features)
    leaky = np.where(features > 0, features, 0.2 * features)
    at_zero = {
        "With all weights 0 your block returns 0: no line leads round both convolutions. "
        "What does the name that `Add` reads stand for?": 0 * features,
        "The line leads round. Now the LeakyReLU after the sum is missing.": features,
        "The input is added twice. Add it once, to what the convolutions make of it.": (
            2 * leaky
        ),
        "You take the mean of both ways. A residual block adds.": leaky / 2,
        "You subtract the input. A residual block adds it.": (leaky - 1.2 * features),
        "Below zero nothing comes through. Is there a ReLU in the place of the LeakyReLU, "
        "or another layer in the place of `Add`?": np.maximum(features, 0),
        "The slope of the LeakyReLU after the sum was 0.2. Keras takes 0.3 if it is not "
        "told.": np.where(features > 0, features, 0.3 * features),
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
    (drawn, pulls), (as_drawn, as_pulls) = (
        _both_ways(one, features) for one in (block, right)
    )
    expect.that(
        np.allclose(drawn, as_drawn, atol=1e-4),
        "The line leads round, but the rest has changed: two convolutions one after the "
        "other, each with LeakyReLU, then the sum, then LeakyReLU.",
    )
    expect.that(
        len(pulls) == len(as_pulls)
        and all(np.allclose(*two, atol=1e-3) for two in zip(pulls, as_pulls, strict=True)),
        "Forwards your block is right. But not every gradient comes back through it, "
        "and that is what the line is for. What stops it?",
    )
    return "With all weights 0 the block now hands on its input. No training was needed."


def _both_ways(block: Any, features: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return what a block makes in training, and the gradients at its input and weights."""
    import tensorflow as tf

    start = tf.Variable(features)
    with tf.GradientTape() as tape:
        drawn = block(start, training=True)
        end = tf.reduce_sum(drawn * features[..., ::-1])
    pulls = tape.gradient(end, [start, *block.trainable_weights])
    return drawn.numpy(), [np.zeros(1) if pull is None else pull.numpy() for pull in pulls]


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
        (0.0174, 0.0087, {"x4": 0.8, "x2": 0.5}),  # in any order, with any sum
        (0.0075, 0.005, {"x2": 0.65, "x4": 0.35}),
    ]

    def of(weights: Callable[[float, float], tuple[float, float]]) -> Callable[..., float]:
        def slip(loss: float, x2: float, w: dict[str, float]) -> float:
            times, divisor = weights(w["x2"], w["x4"])
            return _decibels((loss - times * x2) / divisor)

        return slip

    slips = {
        "You take away the x2 error without its weight.": of(lambda a, b: (1, b)),
        "You take away the weighted x2 error, that is right. What is left is not the x4 "
        "error, but the x4 error times its weight.": of(lambda a, b: (a, 1)),
        "You do not use the weights. With 0.3 and 0.7 the loss is not the sum of the two "
        "errors.": of(lambda a, b: (1, 1)),
        "You read the weights by their place in the dictionary. Read them by name: "
        "dictionaries have any order.": (
            lambda loss, x2, w: of(lambda a, b: tuple(w.values()))(loss, x2, w)
        ),
        "The weight of x4 is not always 1 less that of x2. It stands in the dictionary.": (
            of(lambda a, b: (a, 1 - a))
        ),
        "You bring the weights to the sum 1. Keras does not: the loss is the weighted sum "
        "as it is.": of(lambda a, b: (a / (a + b), b / (a + b))),
        "The weights are exchanged: which of them belongs to x2?": of(lambda a, b: (b, a)),
        "You multiply by the weight of x4. It is in the loss already: divide.": (
            of(lambda a, b: (a, 1 / b))
        ),
        "That is the PSNR of the loss, as if it were one error.": of(lambda a, b: (0, 1)),
        "That is the PSNR at x2.": lambda loss, x2, w: _decibels(x2),
        **expect.decibels(lambda loss, x2, w: (loss - w["x2"] * x2) / w["x4"]),
    }
    expect.agree_on(answer, _x4_psnr, cases, slips, tolerance=3e-4)  # two decimals
    return "Each output's own error, and its own decibels: those can be compared."


# --- 5 -----------------------------------------------------------------------------------

_FORWARDS = {
    "a": "without skips the features fade, and with skips they keep their size",
    "b": "without skips the features fade, and with skips they grow",
    "c": "the features fade with skips and without, for skips help the gradient alone",
}
_CASES = [(True, 1, 5), (False, 2, 4), (True, 0, 3), (True, 3, 3)]


@chapter.exercise(
    "Forwards",
    kind="measure",
    difficulty=2,
    minutes=15,
    stub="""
        def grown(skip, seed, blocks=16):
            return ____


        forwards = {"grown": grown, "conclusion": ____}
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
        def grown(skip, seed, blocks=16):
            keras.utils.set_random_seed(seed)
            photo = models.photo_input()
            after = [models.conv(photo, 32, 1, activation=models.LEAKY)]
            for _ in range(blocks):
                after.append(models.residual_block(after[-1], skip=skip))
            features = keras.Model(photo, after)(data.as_float(train.lr[:4]))
            sizes = [float(tf.math.reduce_std(f)) for f in features]
            return sizes[-1] / sizes[0]


        forwards = {"grown": grown, "conclusion": "b"}
    """,
    because="""
        What is multiplied on the way back is multiplied on the way forward, too. Without
        skips the picture fades as the gradient did. With skips every block adds something
        to what it was given, and the sum grows. Three blocks can bear that. Very deep
        networks have to do something about it: normalise, or multiply f by a small number
        before it is added, as EDSR does.
    """,
    seconds=60,
)
def q5(answer: Any) -> str:
    """Spread of the features after some blocks, with and without skips."""
    found = expect.mapping(answer, ["grown", "conclusion"])
    letter = expect.choose(found["conclusion"], _FORWARDS, "the conclusion")
    grown = expect.function(found["grown"], "grown")
    numbers = [
        expect.number(expect.call(grown, *case), f"`grown{case}`") for case in _CASES
    ]
    expect.steady(grown, *_CASES[-1])
    _expect_spreads(numbers)
    expect.that(
        numbers[-1] != numbers[-2],
        "Two seeds make the same number. Set the seed before you build the blocks, with "
        "`keras.utils.set_random_seed(seed)`.",
    )
    with_skip, without = (float(expect.call(grown, skip, 0)) for skip in (True, False))
    told = (
        f"After 16 blocks the spread is {with_skip:.0f} times as large with skips, and "
        f"{without:.0e} times without"
    )
    expect.conclusion(letter, _FORWARDS, "b", told)
    return f"{told}. To add at every block keeps the signal alive, and lets it grow."


def _expect_spreads(numbers: list[float]) -> None:
    """Compare with what the same seeds make here, which other photos hardly change."""

    def near(other: Callable[..., float]) -> bool:
        return np.allclose(numbers, [other(*case) for case in _CASES], rtol=0.08, atol=0)

    def of(formula: Callable[[Any, Any, Any], float]) -> Callable[..., float]:
        return lambda *case: formula(*_features(*case)[:3])

    right = of(lambda photo, first, last: last.std() / first.std())
    slips = {
        "With skips and without are exchanged.": lambda s, *rest: right(not s, *rest),
        "Is `skip` handed on?": lambda s, *rest: right(True, *rest),
        "Is `seed` used?": lambda skip, seed, blocks: right(skip, 0, blocks),
        "That is what is left of the gradient. Measure the features.": (
            lambda *case: _features(*case)[3]
        ),
        "You divide the first spread by the last.": lambda *case: 1 / right(*case),
        "That is the variance. The standard deviation is its root.": (
            lambda *case: right(*case) ** 2
        ),
        "That is the mean of the features. Measure their standard deviation.": of(
            lambda photo, first, last: last.mean() / first.mean()
        ),
        "That is the mean size of the features. Measure their standard deviation.": of(
            lambda photo, first, last: np.abs(last).mean() / np.abs(first).mean()
        ),
        "That is the ratio of the largest features. Measure their standard deviation.": of(
            lambda photo, first, last: last.max() / first.max()
        ),
        "That is their norm. The standard deviation leaves out the mean.": of(
            lambda photo, first, last: np.linalg.norm(last) / np.linalg.norm(first)
        ),
        "You divide by the spread of the photo. Divide by that of what the first block "
        "gets.": of(lambda photo, first, last: last.std() / photo.std()),
        "Divide the last spread by the one before the first block.": of(
            lambda photo, first, last: last.std()
        ),
        "That is a logarithm.": lambda *case: np.log10(right(*case)),
        "You divide by the spread after the first block, not before it.": (
            lambda *case: right(*case) / right(*case[:2], 1)
        ),
        "Is `blocks` used?": lambda skip, seed, blocks: right(skip, seed, 16),
    }
    if near(right):
        return
    for message, slip in slips.items():
        expect.that(not near(slip), f"`grown{_CASES[0]}` is {numbers[0]:.2g}. {message}")
    for case, number in zip(_CASES, numbers, strict=True):  # who draws weights otherwise
        own = right(*case)
        expect.that(
            own / 2.5 < number < 2.5 * own,
            f"`grown{case}` is {number:.2g}; on four photos of the sample the check "
            f"measures {own:.2g}. Divide the standard deviation after the last block by "
            "that before the first.",
        )


@cache
def _features(skip: bool, seed: int, blocks: int) -> tuple[Any, Any, Any, float]:
    """Return photos, what a stack of blocks gets and makes of them, the gradient left."""
    import keras
    import tensorflow as tf

    from srlib import data, models

    photos = data.find_photos(data.sample_folder()).take(4, 1)
    lr = data.as_float(data.load_pairs(photos, "train").lr)
    keras.utils.set_random_seed(seed)
    start = models.photo_input()
    after = [models.conv(start, 32, 1, activation=models.LEAKY)]
    for _ in range(blocks):
        after.append(models.residual_block(after[-1], skip=skip))
    with tf.GradientTape() as tape:
        first, *_, last = features = keras.Model(start, after)(lr)
        end = tf.reduce_sum(last * tf.random.stateless_normal(last.shape, (seed, 0)))
    sizes = [float(tf.norm(pull)) for pull in tape.gradient(end, features)]
    return lr, first.numpy(), last.numpy(), sizes[0] / sizes[-1]


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
        "Your x4 is not made of blocks at all: something looks at neighbours after the "
        "last enlargement, or this does so itself. Repeat pixels, and keep the heads.",
    )
    expect.that(
        x4 != 2,
        "Your x4 is made of blocks of 2x2, as Model 2's is: something still looks at "
        "neighbours after the first enlargement.",
    )
    expect.that(
        (x2, x4) == (2, 4),
        f"Your x2 is made of blocks of {x2}x{x2} and your x4 of {x4}x{x4}. Without a block "
        "after an enlargement they are of 2x2 and 4x4.",
    )
    if size != _ALL:
        why = "Is the third block gone" if size < _ALL else "Did something come in"
        raise NotYet(
            f"Your network has {size:,} parameters, Model 2 has {_ALL:,}. {why}? It should "
            "only move."
        )
    for head in ("x2", "x4"):
        seen = networks.sight(model, head)
        expect.that(
            seen == 13,
            f"Your {head} sees {seen}x{seen} pixels. Three blocks with 3x3 kernels, one "
            "after the other, see 13x13: do all of them stand on its way?",
        )
    picture = np.random.default_rng(6).random((1, 9, 14, 3), np.float32)
    expect.that(
        all(
            np.ptp(drawn, axis=(1, 2)).max() > 1e-3
            for drawn in _alike_weights(model, picture, points=True)
        ),
        "With all its 3x3 kernels at 0 your network draws one flat colour. So not every "
        "block has a line that leads round it.",
    )
    drawn, right = (
        _alike_weights(one, picture) for one in (model, q6._solved(**_names())())
    )
    expect.that(
        all(np.allclose(*two, rtol=0, atol=1e-3) for two in zip(drawn, right, strict=True)),
        "Places and parameters are right. But with the same weights your network draws "
        "another picture than Model 2's layers do: is an activation missing or another, or "
        "does a line lead elsewhere than round two convolutions?",
    )
    return (
        "x2 is made of 2x2 blocks and x4 of 4x4: Model 1's ceilings, with Model 2's "
        "parameters. Only the place has changed."
    )


def _names() -> dict[str, Any]:
    import keras

    from srlib import models

    return {"keras": keras, "models": models}


def _alike_weights(model: Any, picture: np.ndarray, points: bool = False) -> list:
    """Draw x2 and x4 with weights that follow from the shape of each array alone.

    So it does not matter in which order a network lists them. With `points`, kernels of
    3x3 are 0.
    """

    def content(shape: tuple[int, ...]) -> np.ndarray:
        numbers = np.random.default_rng(shape).normal(size=shape)
        if len(shape) == 1:
            return 0.1 * np.abs(numbers)
        return numbers * np.sqrt(2 / np.prod(shape[:-1])) * (shape[0] == 1 or not points)

    with networks.other_weights(model, content):
        drawn = model.predict_on_batch(picture)
    return [drawn[head] for head in ("x2", "x4")]


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
    count = sum(weight.shape[:2] == (3, 3) for weight in model.weights)
    expect.that(
        count >= _DEEP,
        f"Your network has {count} convolutions of 3x3; at least {_DEEP} are wanted, one "
        "after the other.",
    )
    means, leads = [], []
    for head in ("x2", "x4"):
        score = networks.score(model, "antialiased", head)
        bicubic = networks.baseline("bicubic", "antialiased", head)
        means.append(f"{head} has {score:.2f} dB, bicubic {bicubic:.2f}")
        leads.append(score - bicubic)
        seen = networks.sight(model, head)
        expect.that(
            seen > _DEEP // 2,
            f"Your {head} sees only {seen}x{seen} pixels. Do the convolutions stand "
            "side by side, not one after the other?",
        )
    told, lead = "; ".join(means), min(leads)
    expect.that(
        lead > -2,
        f"{told}. That is far off. Do the errors reach the first layers, and has the "
        "network to paint everything from nothing?",
    )
    expect.that(
        abs(lead) > 0.01,
        f"{told}. That is bicubic interpolation itself, or nearly: the residual is still "
        "0. Train the network, or find out why it does not learn.",
    )
    expect.that(
        lead > _BETTER,
        f"{told}. Both have to be {_BETTER} dB above. Is there a skip round every "
        "block *and* one round the whole network? If so, train longer.",
    )
    count = _working(model)
    expect.that(
        count >= _DEEP,
        f"{told}. But only {count} of your convolutions of 3x3 change both pictures; at "
        f"least {_DEEP} have to.",
    )
    return f"{told}. Twenty convolutions learnt a residual, with {size:,} parameters."


def _working(model: Any) -> int:
    """Count the kernels of 3x3 without which both pictures would be others."""
    picture = np.random.default_rng(7).random((1, 19, 26, 3), np.float32)
    drawn, count = model.predict_on_batch(picture), 0
    for kernel in model.weights:
        if len(kernel.shape) != 4 or kernel.shape[:2] != (3, 3):
            continue
        own = kernel.numpy()
        kernel.assign(0 * own)
        without = model.predict_on_batch(picture)
        kernel.assign(own)
        count += all(np.abs(drawn[h] - without[h]).max() > 1e-3 for h in ("x2", "x4"))
    return count

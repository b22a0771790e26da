"""Exercises of chapter 2: measuring."""

from __future__ import annotations

import functools
import itertools
from functools import cache
from typing import Any

import numpy as np

from srlib import data, metrics
from srlib.exercises import expect, networks
from srlib.exercises.engine import Chapter, NotYet

chapter = Chapter(2, "02-measuring")
progress = chapter.progress

_STEPS = {"0.3 dB": 0.3, "3 dB": 3.0, "20 dB": 20.0}
_NEAR = 0.6  # per cent: whole numbers are exact enough


@chapter.exercise(
    "Decibels in your head",
    kind="predict",
    difficulty=1,
    minutes=10,
    stub='fall = {"0.3 dB": ____, "3 dB": ____, "20 dB": ____}',
    answer="fall",
    hints=(
        "10 dB more mean a tenth of the squared error, and 3 dB about half. What is *left* "
        "after 20 dB? By how much did it fall?",
        "What is left is 10 to the power -(gain / 10). What has gone is 1 minus that, and "
        "100 times as much in per cent.",
    ),
    solution='fall = {"0.3 dB": 7, "3 dB": 50, "20 dB": 99}',
    because="""
        What is left of the squared error is 10 to the power -(gain / 10): 0.933 after 0.3
        dB, 0.501 after 3 dB, 0.01 after 20 dB. So the 0.3 dB that the article gains at x4
        are a squared error that is 7 per cent smaller. Whether you can see that is another
        question. """,
)
def q1(answer: Any) -> str:
    """Return by how many per cent the squared error falls."""
    found = expect.mapping(answer, _STEPS)
    for name, gain in _STEPS.items():
        value = expect.number(found[name], f'"{name}"')
        left = 10 ** (-gain / 10)
        slips = {
            "write how far it falls as a positive number.": -100 * (1 - left),
            "that is what is left of the squared error. By how much did it fall?": (
                100 * left
            ),
            "by so much the error itself falls, the root of the squared one.": (
                100 * (1 - 10 ** (-gain / 20))
            ),
            "decibels are powers of 10, not of e.": 100 * (1 - np.exp(-gain / 10)),
            "by so much the squared error was larger before. Compare with what it was: how "
            "much of that has gone?": 100 * (1 / left - 1),
        }
        parts = {
            "that is the part of 1. Write it in per cent.": 1 - left,
            "that is the factor, or all of it. How many per cent go?": 1 / left,
            "that is what is left, as a part of 1. Write what has gone, in per cent.": left,
        }
        if abs(value - 100 * (1 - left)) > _NEAR:
            near = {told: abs(value - slip) < 0.006 for told, slip in parts.items()}
            near |= {told: abs(value - slip) < _NEAR for told, slip in slips.items()}
            near[
                f"not by {value:g} per cent. 10 dB are a factor of 10 in the squared "
                "error, 3 dB nearly a factor of 2."
            ] = True
            expect.no(near, f"{name}: ")
    return "The 0.3 dB that the article gains are a squared error 7 per cent smaller."


@chapter.exercise(
    "Which mean?",
    kind="predict",
    difficulty=1,
    minutes=10,
    stub='means = {"of the PSNRs": ____, "of the squared errors": ____}',
    answer="means",
    hints=(
        "20 dB is a squared error of 0.01. What is 40 dB?",
        "The mean of 0.01 and 0.0001 is 0.00505. Turn that into dB.",
    ),
    solution="""
        means = {
            "of the PSNRs": (20 + 40) / 2,
            "of the squared errors": -10 * np.log10((0.01 + 0.0001) / 2),
        }
    """,
    because="""
        The squared errors are 0.01 and 0.0001. Their mean is 0.00505, hardly different from
        what it would be if the second picture were perfect: the bad picture decides alone.
        The mean of the PSNRs is 30 dB. The one is never above the other, and the more the
        photos differ, the wider they are apart.
    """,
)
def q2(answer: Any) -> str:
    """Return two means of 20 dB and 40 dB."""
    names = ("of the PSNRs", "of the squared errors")
    found = expect.mapping(answer, names)
    first, second = (expect.number(found[name], f'"{name}"') for name in names)
    expect.that(
        abs(first - 22.97) > 0.06 or abs(second - 30) > 0.06,
        "You have them the other way round.",
    )
    wrong = f"The mean of 20 and 40 is not {first:g}: just add and divide by 2."
    expect.agree(first, 30, digits=1, wrong=wrong)
    slips = {
        "The two means differ. Turn both PSNRs into squared errors, take the mean of "
        "those, and turn it into dB.": 30,
        "You added the squared errors. Divide by 2 as well.": -10 * np.log10(0.0101),
        "You took the mean of the errors' roots, 0.1 and 0.01. Take that of the squares.": (
            -20 * np.log10(0.055)
        ),
    }
    slips |= {told: slip() for told, slip in expect.decibels(lambda: 0.00505).items()}
    wrong = (
        f"The PSNR of the mean squared error is not {second:.4g}. 20 dB is a squared error "
        "of 0.01, 40 dB one of 0.0001."
    )
    expect.agree(second, -10 * np.log10(0.00505), slips, digits=1, wrong=wrong)
    return (
        "The bad picture decides nearly alone: were the other perfect, it would be 23.01."
    )


_MISTAKES = {
    "cast": "One of the two is still `uint8`, and `tf.image.psnr` divides that one by 255, "
    "and not the other.",
    "every": "The result is that of the first picture alone.",
    "clip": "Values below 0 and above 255 are taken as they are. A screen clips them.",
}


def _errors(
    targets: np.ndarray, pictures: np.ndarray, *, cast: bool = True, clip: bool = True
) -> np.ndarray:
    """Return the squared errors, for peak 1, that ``tf.image.psnr`` finds."""
    targets = np.float64(targets) / (1 if cast else 255)
    pictures = np.float64(np.clip(pictures, 0, 255) if clip else pictures)
    return np.mean((pictures - targets) ** 2, axis=(1, 2, 3)) / 255**2


def _score(
    targets: np.ndarray, pictures: np.ndarray, *, every: bool = True, **how: bool
) -> float:
    scores = -10 * np.log10(_errors(targets, pictures, **how))
    return float(scores.mean() if every else scores[0])


def _left(*done: bool) -> str:
    """Say which of the mistakes are left."""
    left = [text for text, good in zip(_MISTAKES.values(), done, strict=True) if not good]
    return left[0] + (
        f" And that is not all: {len(left)} mistakes are left." * bool(left[1:])
    )


@chapter.exercise(
    "Too good to be true",
    kind="bug",
    difficulty=2,
    minutes=20,
    stub="""
        def score(targets, pictures):
            scores = tf.image.psnr(pictures, targets, max_val=255)
            return float(scores[0])
    """,
    answer="score",
    hints=(
        "Make three targets, `np.uint8(np.rint(hr[:3] * 255))`, and three pictures, "
        "`np.float32(bicubic[:3] * 255)`. What does the function say of them, and what of "
        "`0 * pictures`?",
        "Look at number 6 of the seven ways: what happens to an argument of type `uint8`? "
        "And how many scores does `tf.image.psnr` return for a stack?",
        "`tf.cast(targets, tf.float32)`, `tf.clip_by_value(pictures, 0, 255)`, and the "
        "mean of all scores.",
    ),
    solution="""
        def score(targets, pictures):
            targets = tf.cast(targets, tf.float32)
            pictures = tf.clip_by_value(tf.cast(pictures, tf.float32), 0, 255)
            scores = tf.image.psnr(pictures, targets, max_val=255)
            return float(tf.reduce_mean(scores))
    """,
    because="""
        There are three mistakes. First, the targets are `uint8`, so `tf.image.psnr` divides
        them by 255. The pictures are floating point and stay as they are, and so does the
        peak, which takes the type of the first argument. Beside numbers up to 255 the
        targets are nearly black, so the score says how dark the picture is. A network that
        has learned nothing and paints black gets the best of all.

        Second, `[0]` keeps the first score of the batch and throws the others away. Third,
        nothing is clipped, which is the smallest of the three.

        All three stood in the official example of a large library. The metric was watched
        while the network trained, and fell as it got better.
    """,
)
def q3(answer: Any) -> str:
    """Return the mean PSNR of a stack, in spite of mixed types."""
    rng = np.random.default_rng(3)
    cases = []
    for shape in [(3, 12, 12, 3), (5, 7, 19, 3)]:
        targets = rng.integers(0, 256, shape, dtype=np.uint8)
        spread = np.geomspace(60, 10, len(targets))[:, None, None, None]
        cases.append((targets, np.float32(targets + spread * rng.normal(size=shape))))
    slips = {
        _left(*done): functools.partial(_score, **dict(zip(_MISTAKES, done, strict=True)))
        for done in itertools.product([True, False], repeat=3)
        if not all(done)
    }
    slips |= {
        "That is one score for each picture. Return their mean.": lambda t, p: (
            expect.Either(
                -10 * np.log10(_errors(t, p, cast=cast, clip=clip))
                for cast, clip in itertools.product([True, False], repeat=2)
            )
        ),
        "You average the squared errors of all pictures and take the logarithm once. This "
        "course takes the mean of the pictures' own scores.": (
            lambda t, p: -10 * np.log10(_errors(t, p).mean())
        ),
        "`uint8` has no room for values below 0 and above 255, and does not clip them: 256 "
        "becomes 0. Clip before you turn the pictures into `uint8`.": (
            lambda t, p: expect.Either(
                _score(t, turn(p).astype(np.int64).astype(np.uint8))
                for turn in (np.trunc, np.rint)
            )
        ),
        "That is the sum of the scores. Return their mean.": lambda t, p: (
            _score(t, p) * len(t)
        ),
        "That is the score of one picture alone. Return the mean of all.": (
            lambda t, p: expect.Either(-10 * np.log10(_errors(t, p)))
        ),
        **expect.decibels(_errors),
        "The pictures are cut to the range from 0 to 1, and run to 255.": (
            lambda t, p: _score(t, np.clip(p, 0, 1))
        ),
    }
    expect.agree_on(answer, _score, cases, slips, tolerance=1e-3)
    return "Types, stack and range: now the score grows when a network gets better."


_TYPO = np.array([64.481, 128.553, 24.966])


def _brightness(
    picture: np.ndarray, weights: np.ndarray = metrics.Y_WEIGHTS, offset: float = 16
) -> np.ndarray:
    return (np.asarray(picture, np.float64) @ weights + offset) / 255


@chapter.exercise(
    "Brightness, twice",
    kind="bug",
    difficulty=2,
    minutes=20,
    stub="""
        def brightness(picture):
            picture *= 255
            y = picture @ [64.481, 128.553, 24.966] / 255 + 16
            return y / 255
    """,
    answer="brightness",
    hints=(
        "Try it on white, `np.ones((1, 1, 3))`: 255 times the result has to be 235. Then "
        "try it twice on one and the same array.",
        "Red, green and blue count 0.299, 0.587 and 0.114, and all of it is spread over "
        "219 steps, from 16 to 235. Which of the three weights is not that?",
        "`picture *= 255` does not make a new array: it changes the one that was handed "
        "in, which the caller goes on using. `picture = picture * 255` makes a new one.",
    ),
    solution="""
        def brightness(picture):
            weights = [65.481, 128.553, 24.966]
            return (picture @ weights + 16) / 255
    """,
    because="""
        One digit was wrong: 0.299 times 219 is 65.481. The sum of the weights is the range,
        219, so one look at white finds it. And the picture was changed in place, so that
        everything that uses it later, the next score for instance, gets numbers up to 255.

        Both come from published code. A weight that was wrong by 1 was in one library, an
        array that was changed under the caller's hands in another. Neither raises an error.
    """,
)
def q4(answer: Any) -> str:
    """Return the brightness Y, and leave the picture as it is."""
    rng = np.random.default_rng(4)
    right = metrics.Y_WEIGHTS
    slips = {
        "White comes out as 234 of 255, and has to be 235. Is each of the three weights "
        "right?": lambda p: _brightness(p, _TYPO),
        "That is the range from 0 to 255. In this one black is 16 and white 235.": (
            lambda p: _brightness(p, right / 219 * 255, 0)
        ),
        "That runs from 16 to 235. Return it in [0, 1]: divide by 255.": (
            lambda p: 255 * _brightness(p)
        ),
        "You round, or turn it into `uint8`. Y is a number in [0, 1]: leave it as it is.": (
            lambda p: expect.Either(
                turn(255 * _brightness(p, w)) / 255
                for turn in (np.rint, np.floor)
                for w in (right, _TYPO)
            )
        ),
    }
    for shape in [(4, 5, 3), (7, 3, 3)]:
        picture = rng.random(shape)
        picture[0, 0], picture[1, 1] = 0, 1
        y, found = _brightness(picture), expect.steady(answer, picture)
        known = {message: slip(picture) for message, slip in slips.items()}
        wrong = _weighed(
            picture, expect.array(found, y.shape, "what your function returns")
        )
        expect.agree(found, y, known, tolerance=1e-5, wrong=wrong)
    return "White is 235, and the picture is still what it was."


def _weighed(picture: np.ndarray, y: np.ndarray) -> str:
    """Say by which weights a brightness was made, if it was by any."""
    known = np.concatenate([picture, np.ones_like(picture[..., :1])], axis=-1)
    fit, rest, *_ = np.linalg.lstsq(known.reshape(-1, 4), 255 * y.ravel().astype(float))
    if not rest.size or rest[0] > 1e-3:
        return "The brightness of some colours is wrong, and it is no sum of the three."
    red, green, blue, black = np.round(fit, 3)
    times = fit[:3] / metrics.Y_WEIGHTS
    if np.ptp(times) < 1e-3 * abs(times[0]):
        return (
            "The colours weigh what they should against each other. But in steps of 255 "
            f"all three count {times[0]:.3g} times as much, and black comes out as "
            f"{black:g}, not as 16: is a factor of 255 or an offset missing?"
        )
    return (
        f"In steps of 255 you weigh red with {red:g}, green with {green:g} and blue with "
        f"{blue:g}, and black comes out as {black:g}. They have to count 0.299, 0.587 and "
        "0.114 of 219 steps, and black is 16."
    )


@chapter.exercise(
    "A network without weights",
    kind="model",
    difficulty=2,
    minutes=15,
    stub="""
        def network():
            lr = tf.keras.Input((None, None, 3))
            x2 = ____
            x4 = ____
            return tf.keras.Model(lr, {"x2": x2, "x4": x4})
    """,
    answer="network",
    hints=(
        "`tf.keras.layers.UpSampling2D` enlarges. By itself it repeats pixels; which of "
        "its arguments changes that?",
        '`tf.keras.layers.UpSampling2D(2, interpolation="bilinear")(lr)` is x2. To enlarge '
        "twice by 2 is not the same as once by 4: try it on paper, with two pixels.",
    ),
    solution="""
        def network():
            lr = tf.keras.Input((None, None, 3))
            x2 = tf.keras.layers.UpSampling2D(2, interpolation="bilinear")(lr)
            x4 = tf.keras.layers.UpSampling2D(4, interpolation="bilinear")(lr)
            return tf.keras.Model(lr, {"x2": x2, "x4": x4})
    """,
    because="""
        A baseline can be one layer of a network. It has no parameters, so there is nothing
        to train, and it scores what the table says. Keep it in mind: a network that adds
        something to such a layer starts at the baseline instead of at nothing.

        Enlarged twice by 2, the new pixels in the middle are made of new pixels, and the
        corners of the straight lines are cut off. That is a little smoother.
    """,
)
def q5(answer: Any) -> str:
    """Return bilinear interpolation as a network."""
    import tensorflow as tf

    model = networks.built(answer)
    size = model.count_params()
    expect.that(
        not size,
        f"Your network has {size:,} parameters. Interpolation has none: which layers "
        "enlarge without weights?",
    )
    picture = np.random.default_rng(5).random((1, 10, 14, 3), np.float32)
    drawn = networks.draw(model, picture)
    x2 = metrics.upscale(picture, 2, "bilinear")
    twice, blocks = (metrics.upscale(x2, 2, how) for how in ("bilinear", "nearest"))
    for scale in data.SCALES:
        head, made = f"x{scale}", np.shape(drawn[f"x{scale}"])[1:3]
        expect.that(
            made == (10 * scale, 14 * scale),
            f"From 10x14 pixels {head} makes {made[0]}x{made[1]}: it enlarges to a size, "
            "not by a factor.",
        )
        cubic = tf.image.resize(picture, (10 * scale, 14 * scale), "bicubic")
        slips = {
            f"{head} repeats pixels: that is nearest neighbour.": (
                metrics.upscale(picture, scale, "nearest")
            ),
            f"{head} is not bilinear but bicubic, which takes sixteen pixels, not four.": (
                np.asarray(cubic)
            ),
            "x4 is enlarged twice by 2. That is smoother than once by 4: where do the new "
            "pixels lie?": twice,
            "x4 has the blocks of nearest neighbour: x2 was enlarged by repeating.": blocks,
        }
        right = metrics.upscale(picture, scale, "bilinear")
        wrong = f"{head} is not bilinear interpolation of the input."
        expect.agree(drawn[head], right, slips, tolerance=1e-4, wrong=wrong)
    return "It scores what the table says for bilinear, and there is nothing to train."


_CONCLUSIONS = {
    "a": "each wider window gains about as much as the one before",
    "b": "beyond 5 there is next to nothing to gain",
    "c": "windows wider than 5 are clearly worse",
}


@chapter.exercise(
    "A wider view",
    kind="measure",
    difficulty=2,
    minutes=20,
    stub="""
        train = data.load_pairs(photos.take(train=50), "train", "antialiased")


        def scored(size, train, val):
            return ____


        measured = {"scored": scored, "conclusion": ____}
    """,
    answer="measured",
    hints=(
        "`metrics.fit_linear_filter` takes the inputs, the targets, the scale and `size`. "
        "Fit on `train`; `data.as_float` makes [0, 1] of its `lr` and `x2`.",
        "Score on `val`, in the same way: `metrics.apply_linear_filter(lr, weights, 2)`, "
        "`metrics.psnr`, and the mean.",
        "Write down the four steps, from 1 to 3, from 3 to 5 and so on. Are they alike?",
    ),
    solution="""
        train = data.load_pairs(photos.take(train=50), "train", "antialiased")


        def scored(size, train, val):
            small, large = data.as_float(train.lr), data.as_float(train.x2)
            weights = metrics.fit_linear_filter(small, large, 2, size=size)
            val_lr, val_x2 = data.as_float(val.lr), data.as_float(val.x2)
            pictures = metrics.apply_linear_filter(val_lr, weights, 2)
            return metrics.psnr(val_x2, pictures).mean()


        print([scored(size, train, val) for size in (1, 3, 5, 7, 9)])
        measured = {"scored": scored, "conclusion": "b"}
    """,
    because="""
        A window of 1 sees one pixel: all it can do is what nearest neighbour does. The
        eight pixels round it bring nearly everything, the next ring a little, and what lies
        further out hardly tells a linear filter anything about the four new pixels.

        That does not say that a network need not look further. A filter weighs pixels in
        the same way everywhere. A network can ask what it is looking at, an edge or a
        texture, and that may take a wider view.
    """,
    seconds=20,
)
def q6(answer: Any) -> str:
    """Return the scores of linear filters with windows of five sizes."""
    found = expect.mapping(answer, ["scored", "conclusion"])
    pairs = networks.unseen("antialiased")
    cases = [
        (size, pairs[start : start + 3], pairs[7:11]) for size, start in [(3, 0), (1, 15)]
    ]
    slips = {
        "That is the score on the training photos. Apply the filter to `val`.": (
            lambda size, train, val: _scored(size, train, train).mean()
        ),
        "The filter is found on the validation photos. Find it on `train`.": (
            lambda size, train, val: _scored(size, val, val).mean()
        ),
        "Every size gives the same score: hand on `size` to `metrics.fit_linear_filter`.": (
            lambda size, train, val: expect.Either(
                _scored(other, train, val).mean() for other in (1, 3, 5)
            )
        ),
        "The squared errors of all photos are averaged before the logarithm. Take the mean "
        "of the photos' PSNRs.": (
            lambda *case: -10 * np.log10(np.mean(10 ** (-_scored(*case) / 10)))
        ),
        "That is one score for each photo. Return their mean.": _scored,
        "That is the score of one photo. Return the mean of all.": (
            lambda *case: expect.Either(_scored(*case))
        ),
        **expect.decibels(lambda *case: 10 ** (-_scored(*case) / 10)),
    }
    scored = found["scored"]
    expect.agree_on(
        scored, lambda *case: _scored(*case).mean(), cases, slips, tolerance=3e-4
    )
    told = "`scored` is right. On the sample the steps are +1.88, +0.15, +0.01 and +0.00 dB"
    expect.conclusion(found["conclusion"], _CONCLUSIONS, "b", told)
    return (
        "Nearly all that a linear filter can use lies within two pixels. A network may "
        "find more further out, since it is not linear."
    )


def _scored(size: int, train: data.Pairs, val: data.Pairs) -> np.ndarray:
    lr, x2, val_lr, val_x2 = map(data.as_float, (train.lr, train.x2, val.lr, val.x2))
    weights = metrics.fit_linear_filter(lr, x2, 2, size=size)
    return metrics.psnr(val_x2, metrics.apply_linear_filter(val_lr, weights, 2))


_LESS = 0.01


@chapter.exercise(
    "Fool me",
    kind="function",
    difficulty=3,
    minutes=40,
    stub="""
        def fool(lr):
            return ____
    """,
    answer="fool",
    hints=(
        "Begin with something that has a higher PSNR than bicubic. Which row of the table "
        "is it? Then you have half a decibel to give away.",
        "What does SSIM mind that PSNR does not? Look at the last table of the chapter: of "
        "the four spoilt copies, one has by far the lowest SSIM.",
        "`metrics.apply_linear_filter(lr, filters[2], 2)`, plus noise with a spread of "
        "about 0.013, cut to [0, 1].",
    ),
    solution="""
        def fool(lr):
            pictures = metrics.apply_linear_filter(lr, filters[2], 2)
            noise = np.random.default_rng(0).normal(size=pictures.shape)
            return np.clip(pictures + 0.013 * noise, 0, 1)
    """,
    because="""
        The best linear filter is half a decibel ahead of bicubic interpolation, and noise
        that costs most of that is seen in every sky and on every wall. Fewer grey levels do
        as well. By PSNR the result is ahead, by SSIM behind, and you will hardly find
        anyone who likes it better.

        Whoever judges by one number can be given that number. A network that is trained on
        the squared error is not malicious, but it does the same: it improves what is
        counted and nothing else.
    """,
    seconds=30,
)
def q7(answer: Any) -> str:
    """Return enlargements with a higher PSNR than bicubic, and a lower SSIM."""
    lr, x2, (bicubic, similar) = _mirrored()
    found = expect.call(answer, lr)
    pictures = expect.array(found, x2.shape, "what your function returns")
    if not np.issubdtype(pictures.dtype, np.floating):
        raise NotYet(
            f"Your pictures are {pictures.dtype}. Return floating point in [0, 1]."
        )
    low, high = pictures.min(), pictures.max()
    expect.that(
        low >= -0.5 and high <= 1.5,
        f"Your pictures run from {low:.3g} to {high:.3g}. Expected [0, 1].",
    )
    score = float(metrics.psnr(x2, pictures).mean())
    opinion = float(metrics.ssim(x2, pictures).mean())
    means = (
        f"PSNR {score:.2f} dB (bicubic: {bicubic:.2f}), SSIM {opinion:.3f} (bicubic: "
        f"{similar:.3f})"
    )
    worse, alike = score <= bicubic, opinion >= similar
    left = f"{score - bicubic:.2f} dB"
    faults = {
        "Worse by both opinions. Start from something that PSNR prefers to bicubic, and "
        "spoil it less.": worse and not alike,
        "The PSNR has to be higher than bicubic's. Start from something better.": worse,
        f"Better by both opinions: no one is fooled. You have {left} to give away. What "
        "does SSIM mind most?": alike,
        f"You are on the way. SSIM has to fall by {_LESS} or more, and {left} of PSNR are "
        "left.": opinion > similar - _LESS,
    }
    expect.no(faults, f"{means}. ")
    return f"{means}. By the one number it is better, by the other and by eye it is worse."


@cache
def _mirrored() -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Load the sample's validation photos, turned round, and the scores of bicubic.

    The chapter holds the targets as they are: a picture of those does not fit these.
    """
    photos = data.find_photos(data.sample_folder())
    val = data.load_pairs(photos, "val", "antialiased")
    lr, x2 = (data.as_float(stack[:, :, ::-1]) for stack in (val.lr, val.x2))
    bicubic = metrics.upscale(lr, 2, "bicubic")
    scores = (metrics.psnr(x2, bicubic).mean(), metrics.ssim(x2, bicubic).mean())
    return lr, x2, (float(scores[0]), float(scores[1]))

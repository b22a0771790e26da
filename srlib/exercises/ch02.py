"""Exercises of chapter 2: measuring."""

from __future__ import annotations

from functools import cache
from itertools import pairwise, product
from typing import Any

import numpy as np

from srlib import data, metrics
from srlib.exercises import expect, networks
from srlib.exercises.engine import Chapter, NotYet

chapter = Chapter(2, "02-measuring")
progress = chapter.progress


# --- 1 -----------------------------------------------------------------------------------

_STEPS = {"0.3 dB": 0.3, "3 dB": 3.0, "20 dB": 20.0}


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
        if _near(value, 100 * (1 - left)):
            continue
        expect.that(value >= 0, f"{name}: write how far it falls as a positive number.")
        expect.that(
            not np.isclose(value, 1 - left, atol=0.006),
            f"{name}: that is the part of 1. Write it in per cent.",
        )
        expect.that(
            not (_near(value, 100 * left) or np.isclose(value, left, atol=0.006)),
            f"{name}: that is what is left of the squared error. By how much did it fall?",
        )
        expect.that(
            not _near(value, 100 * (1 - 10 ** (-gain / 20))),
            f"{name}: by so much the error itself falls, the root of the squared one.",
        )
        raise NotYet(
            f"{name}: not by {value:g} per cent. 10 dB are a factor of 10 in the squared "
            "error, 3 dB nearly a factor of 2."
        )
    return "The 0.3 dB that the article gains are a squared error 7 per cent smaller."


def _near(value: float, right: float) -> bool:
    return abs(value - right) <= 0.6


# --- 2 -----------------------------------------------------------------------------------


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
    log = {
        name: -10 * np.log10(value)
        for name, value in {"mean": 0.00505, "sum": 0.0101, "root": 0.055**2}.items()
    }

    def is_(value: float, right: float) -> bool:
        return abs(value - right) < 0.06

    expect.that(
        not (is_(first, log["mean"]) and is_(second, 30)),
        "You have them the other way round.",
    )
    expect.that(
        is_(first, 30), f"The mean of 20 and 40 is not {first:g}: just add and divide by 2."
    )
    expect.that(
        not is_(second, 30),
        "The two means differ. Turn both PSNRs into squared errors, take the mean of "
        "those, and turn it into dB.",
    )
    expect.that(
        not np.isclose(second, 0.00505, rtol=0.01),
        "That is the mean of the squared errors. Turn it into dB.",
    )
    expect.that(
        not is_(second, log["sum"]), "You added the squared errors. Divide by 2 as well."
    )
    expect.that(
        not is_(second, log["root"]),
        "You took the mean of the errors' roots, 0.1 and 0.01. Take that of the squares.",
    )
    expect.that(
        is_(second, log["mean"]),
        f"The PSNR of the mean squared error is not {second:.4g}. 20 dB is a squared error "
        "of 0.01, 40 dB one of 0.0001.",
    )
    return (
        "The bad picture decides nearly alone: were the other perfect, it would be 23.01."
    )


# --- 3 -----------------------------------------------------------------------------------


def _score(
    targets: np.ndarray,
    pictures: np.ndarray,
    *,
    cast: bool = True,
    every: bool = True,
    clip: bool = True,
) -> float:
    """Do what ``tf.image.psnr`` does, with some of three mistakes."""
    t = targets.astype(np.float64) / (1 if cast else 255)
    p = np.clip(pictures, 0, 255) if clip else pictures
    errors = np.mean((p.astype(np.float64) - t) ** 2, axis=(1, 2, 3))
    scores = 10 * np.log10(255**2 / errors)
    return float(scores.mean() if every else scores[0])


_MISTAKES = {
    "cast": "One of the two is still `uint8`, and `tf.image.psnr` divides that one by 255, "
    "and not the other.",
    "every": "The result is that of the first picture alone.",
    "clip": "Values below 0 and above 255 are taken as they are. A screen clips them.",
}


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
    targets = rng.integers(0, 256, (3, 12, 12, 3), dtype=np.uint8)
    spread = np.array([60, 20, 10])[:, None, None, None]
    pictures = np.float32(targets + spread * rng.normal(size=targets.shape))
    found = expect.call(answer, targets, pictures)
    size = np.size(found.numpy() if hasattr(found, "numpy") else found)
    expect.that(
        size != len(targets), "That is one score for each picture. Return their mean."
    )
    value = expect.number(found, "what your function returns")
    for kept in product([True, False], repeat=3):
        done = dict(zip(_MISTAKES, kept, strict=True))
        if all(kept) or not np.isclose(value, _score(targets, pictures, **done), atol=0.01):
            continue
        left = [_MISTAKES[name] for name, right in done.items() if not right]
        more = f" And that is not all: {len(left)} mistakes are left." if left[1:] else ""
        raise NotYet(left[0] + more)
    clipped = np.clip(pictures, 0, 255)
    whole = 10 * np.log10(255**2 / np.mean((clipped - targets) ** 2))
    expect.that(
        not np.isclose(value, whole, atol=0.01),
        "You average the squared errors of all pictures and take the logarithm once. This "
        "course takes the mean of the pictures' own scores.",
    )
    expect.that(
        not np.isclose(value, _score(targets, pictures) + 20 * np.log10(255), atol=0.01),
        "Your pictures run to 1 now, and the peak is still 255. That alone adds 48 dB.",
    )
    with np.errstate(invalid="ignore"):
        turned = [np.uint8(pictures), np.uint8(np.rint(pictures))]
    expect.that(
        not any(np.isclose(value, _score(targets, p), atol=0.01) for p in turned),
        "`uint8` has no room for values below 0 and above 255, and does not clip them: 256 "
        "becomes 0. Clip before you turn the pictures into `uint8`.",
    )
    expect.that(
        value > 0,
        f"Found {value:.1f} dB, less than nothing: one of the two is divided by 255 and "
        "the other is not.",
    )
    expect.agree(value, _score(targets, pictures), tolerance=1e-3)
    return "Types, stack and range: now the score grows when a network gets better."


# --- 4 -----------------------------------------------------------------------------------

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
    picture = np.random.default_rng(4).random((4, 5, 3))
    full = metrics.Y_WEIGHTS / 219 * 255
    slips = {
        "White comes out as 234 of 255, and has to be 235. Is each of the three weights "
        "right?": _brightness(picture, _TYPO),
        "That is the range from 0 to 255. In this one black is 16 and white 235.": (
            _brightness(picture, full, 0)
        ),
        "Black has to be 16: is something missing?": _brightness(picture, offset=0),
        "That runs from 16 to 235. Return it in [0, 1]: divide by 255.": (
            255 * _brightness(picture)
        ),
        "One of the factors of 255 is gone, and another is still there.": (
            (picture @ metrics.Y_WEIGHTS / 255 + 16) / 255
        ),
    }
    expect.agree(
        expect.call(answer, picture),
        _brightness(picture),
        slips,
        tolerance=1e-5,
        what="what your function returns",
        wrong="The brightness of some colours is wrong. Red, green and blue count 0.299, "
        "0.587 and 0.114 of 219 steps, and black is 16.",
    )
    return "White is 235, and the picture is still what it was."


# --- 5 -----------------------------------------------------------------------------------


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
    seconds=30,
)
def q5(answer: Any) -> str:
    """Return bilinear interpolation as a network."""
    model = networks.built(answer)
    shapes = model.compute_output_shape((1, 10, 14, 3))
    for scale in data.SCALES:
        found = tuple(shapes[f"x{scale}"][1:3])
        expect.that(
            found == (10 * scale, 14 * scale),
            f"From 10x14 pixels x{scale} makes {found[0]}x{found[1]}: it enlarges to a "
            "size, not by a factor.",
        )
    size = model.count_params()
    expect.that(
        not size,
        f"Your network has {size:,} parameters. Interpolation has none: which layers "
        "enlarge without weights?",
    )
    picture = np.random.default_rng(5).random(
        (1, networks.SIDE, networks.SIDE, 3), np.float32
    )
    drawn = model.predict_on_batch(picture)
    for scale in data.SCALES:
        head = f"x{scale}"
        found = expect.array(np.asarray(drawn[head]), what=f"the output {head}")
        twice = metrics.upscale(metrics.upscale(picture, 2, "bilinear"), 2, "bilinear")
        slips = {
            f"{head} repeats pixels: that is nearest neighbour.": (
                metrics.upscale(picture, scale, "nearest")
            ),
            "x4 is enlarged twice by 2. That is smoother than once by 4: where do the new "
            "pixels lie?": twice if scale == 4 else np.nan,
            "x4 has the blocks of nearest neighbour: x2 was enlarged by repeating.": (
                metrics.upscale(metrics.upscale(picture, 2, "bilinear"), 2, "nearest")
                if scale == 4
                else np.nan
            ),
        }
        expect.agree(
            found,
            metrics.upscale(picture, scale, "bilinear"),
            slips,
            tolerance=1e-4,
            wrong=f"{head} is not bilinear interpolation of the input.",
        )
    return "It scores what the table says for bilinear, and there is nothing to train."


# --- 6 -----------------------------------------------------------------------------------

_SIZES = (1, 3, 5, 7, 9)
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


        def scored(size):
            return ____


        measured = {f"{size}": scored(size) for size in (1, 3, 5, 7, 9)}
        measured["conclusion"] = ____
    """,
    answer="measured",
    hints=(
        "`metrics.fit_linear_filter` takes the inputs, the targets, the scale and `size`. "
        "Fit on `train`; `data.as_float` makes [0, 1] of its `lr` and `x2`.",
        "Score on `lr` and `hr`, which the chapter made of the validation photos: "
        "`metrics.apply_linear_filter(lr, weights, 2)`, `metrics.psnr`, and the mean.",
        "Write down the four steps, from 1 to 3, from 3 to 5 and so on. Are they alike?",
    ),
    solution="""
        train = data.load_pairs(photos.take(train=50), "train", "antialiased")


        def scored(size):
            small, large = data.as_float(train.lr), data.as_float(train.x2)
            weights = metrics.fit_linear_filter(small, large, 2, size=size)
            val_lr, val_x2 = data.as_float(val.lr), data.as_float(val.x2)
            pictures = metrics.apply_linear_filter(val_lr, weights, 2)
            return metrics.psnr(val_x2, pictures).mean()


        measured = {f"{size}": scored(size) for size in (1, 3, 5, 7, 9)}
        measured["conclusion"] = "b"
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
    found = expect.mapping(answer, [*map(str, _SIZES), "conclusion"])
    psnr = []
    for size in _SIZES:
        value = expect.number(found[str(size)], f"the score of window {size}")
        expect.that(
            10 < value < 50,
            f"The score of window {size} is {value:.3g}. Expected a PSNR in dB: the mean "
            "over the photos.",
        )
        psnr.append(value)
    letter = found["conclusion"]
    if letter not in tuple(_CONCLUSIONS):
        raise NotYet('The conclusion is one of the letters `"a"`, `"b"`, `"c"`, in quotes.')
    expect.that(
        len(set(psnr)) > 1,
        "All windows have the same score. Does `scored` hand on `size` to "
        "`metrics.fit_linear_filter`?",
    )
    gains = [later - before for before, later in pairwise(psnr)]
    listed = ", ".join(f"{gain:+.2f}" for gain in gains)
    expect.that(
        gains[0] > 0.2,
        f"Your steps are {listed} dB. From 1 to 3 there should be a large one: is each "
        "filter applied with its own weights?",
    )
    expect.that(
        gains[1] > 0.03,
        f"Your steps are {listed} dB. So it is with the article's recipe. Take antialiased "
        "pairs, `val` as well as `train`.",
    )
    beyond = psnr[-1] - psnr[2]
    true = "c" if beyond < -0.1 else "b" if beyond < gains[0] / 4 else "a"
    expect.that(
        letter == true,
        f"You say: {_CONCLUSIONS[letter]}. Your steps are {listed} dB: that does not "
        "follow.",
    )
    return (
        f"Your steps are {listed} dB. Nearly all that a linear filter can use lies within "
        "two pixels. A network may find more further out, since it is not linear."
    )


# --- 7 -----------------------------------------------------------------------------------

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
    expect.that(
        score > bicubic or opinion >= similar,
        f"{means}. Worse by both opinions. Start from something that PSNR prefers to "
        "bicubic, and spoil it less.",
    )
    expect.that(
        score > bicubic,
        f"{means}. The PSNR has to be higher than that of bicubic. Start from something "
        "better.",
    )
    expect.that(
        opinion < similar,
        f"{means}. Better by both opinions: no one is fooled. You have "
        f"{score - bicubic:.2f} dB to give away. What does SSIM mind most?",
    )
    expect.that(
        opinion <= similar - _LESS,
        f"{means}. You are on the way. SSIM has to fall by {_LESS} or more, and "
        f"{score - bicubic:.2f} dB of PSNR are left.",
    )
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

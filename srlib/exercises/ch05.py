"""Exercises of chapter 5: Model 3, atrous convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from srlib import metrics, receptive
from srlib.exercises import expect, networks
from srlib.exercises.engine import Chapter, NotYet

chapter = Chapter(5, "05-model-3-atrous")
progress = chapter.progress


# --- 1 -----------------------------------------------------------------------------------

_TERNARY = {"sees": 27, "missed": 0, "paths": 1}


@chapter.exercise(
    "Every pixel once",
    kind="predict",
    difficulty=1,
    minutes=10,
    stub='row = {"sees": ____, "missed": ____, "paths": ____}',
    answer="row",
    hints=(
        "The extent is 1 plus twice the sum of the rates.",
        "How many paths are there in all, if each of three layers offers three ways? "
        "Compare that with the number of pixels.",
        "`paths((1, 3, 9), reach=14)[-1]` counts the paths to each pixel.",
    ),
    solution="""
        counts = paths((1, 3, 9), reach=14)[-1]
        reached = np.flatnonzero(counts)
        sees = int(np.ptp(reached)) + 1
        row = {"sees": sees, "missed": sees - len(reached), "paths": counts[14]}
    """,
    because="""
        There are 1 + 2 x 13 = 27 pixels, and 3 x 3 x 3 = 27 paths: exactly one to each. No
        rates see further with three kernels of three and no hole; it is counting in base
        three. Whether it is good for a network to hear each pixel only once is another
        question. Model 3's rates lead to the middle by several paths.
    """,
)
def q1(answer: Any) -> str:
    """Sight, holes and paths of the rates 1, 3, 9."""
    found = expect.mapping(answer, _TERNARY)
    sees, missed, count = (
        expect.whole(found[name], f'the number "{name}"') for name in _TERNARY
    )
    slips = {
        14: "that is one side and the middle. It sees as far on the other side.",
        26: "you forgot the middle pixel.",
        13: "that is how far it sees on one side.",
        19: "that is the last layer alone. The others look further from where it reads.",
        39: "each layer adds twice its rate, not three times.",
        15: "those are Model 3's rates, 1, 2 and 4. Here they are 1, 3 and 9.",
    }
    wrong = f"not {sees}. How far does each layer add on each side?"
    expect.that(sees == 27, f'"sees": {slips.get(sees, wrong)}')
    expect.that(
        missed == 0,
        f'"missed": not {missed}. The layer at rate 9 reads at -9, 0 and 9, and from each '
        "of these the others read all from -4 to 4. Where is a hole?",
    )
    if count == 27:
        raise NotYet('"paths": that is all of them together. How many lead to one pixel?')
    expect.that(
        count == 1,
        f'"paths": not {count}. Divide all paths among the pixels that are reached.',
    )
    return "27 paths to 27 pixels: every pixel once. No three kernels of three see further."


# --- 2 -----------------------------------------------------------------------------------

q2 = chapter.choice(
    "q2",
    "Without Adam",
    difficulty=1,
    minutes=5,
    options={
        "a": (
            "nothing; only the ratio of the two weights counts",
            "With Adam, yes: it divides by the size of recent gradients. Plain gradient "
            "descent divides by nothing. What does it do with ten times the gradient?",
        ),
        "b": (
            "every step is ten times as long, as with ten times the learning rate",
            "Each gradient is ten times as large, and plain gradient descent multiplies it "
            "by the learning rate and no more. So the sum of the loss weights is a hidden "
            "learning rate there, and the ratio still decides who steers the trunk.",
        ),
        "c": (
            "the steps of the trunk change; those of the two heads stay as they are",
            "That is what another ratio does with Adam. Here both losses become ten times "
            "as large, and no layer divides that out again.",
        ),
        "d": (
            "the steps of the two heads become ten times as long; the trunk, which hears "
            "both losses, keeps its steps",
            "The trunk's gradient is the sum of two, and each of them is ten times as "
            "large. What is the sum?",
        ),
    },
    right="b",
    hints=(
        "Write down the step of plain gradient descent: the learning rate times the "
        "gradient, and nothing else.",
        "Where did the ten go in Adam's formula? What stands in that place here?",
    ),
)


# --- 3 -----------------------------------------------------------------------------------


def _dilated(row: Any, kernel: Any, rate: int, mode: str = "constant") -> np.ndarray:
    padded = np.pad(np.asarray(row), rate, mode=mode)
    taps = [padded[k * rate : k * rate + len(row)] for k in range(3)]
    return sum(weight * tap for weight, tap in zip(kernel, taps, strict=True))


def _rolled(row: Any, kernel: Any, rate: int, sign: int) -> np.ndarray:
    taps = [np.roll(row, sign * k * rate) for k in (-1, 0, 1)]
    return sum(weight * tap for weight, tap in zip(kernel, taps, strict=True))


@chapter.exercise(
    "Right in the middle",
    kind="bug",
    difficulty=2,
    minutes=15,
    stub="""
        def dilated(row, kernel, rate):
            total = 0 * row
            for k, weight in zip((-1, 0, 1), kernel, strict=True):
                total = total + weight * np.roll(row, k * rate)
            return total
    """,
    answer="dilated",
    hints=(
        "Try it on a row of zeros with a single 1 in it, with the kernel (1, 10, 100). "
        "Put the 1 in the middle first, then at an end.",
        "`np.roll(row, 1)[i]` is `row[i - 1]`. The formula wants the first weight to meet "
        "the pixel on the left. And what does `np.roll` put where the row ends?",
        "Pad the row with `rate` zeros on each side, `padded = np.pad(row, rate)`. The "
        "pixel `k * rate` to the right of pixel i is `padded[i + rate + k * rate]`.",
    ),
    solution="""
        def dilated(row, kernel, rate):
            padded = np.pad(row, rate)
            total = 0 * row
            for k, weight in zip((-1, 0, 1), kernel, strict=True):
                start = rate + k * rate
                total = total + weight * padded[start : start + len(row)]
            return total
    """,
    because="""
        There were two mistakes. `np.roll` shifts the row to the right, so the pixel that
        comes to lie at i is the one on the left; the kernel was mirrored. And it puts what
        falls out at one end in again at the other, so the left edge of a picture saw the
        right one. With the kernel (1, 1, 1), in the middle of the row, neither can be seen:
        a test has to be made of what a mistake would change. (The chapter's `paths` may
        roll: its kernel is symmetric, and its row long enough.)
    """,
)
def q3(answer: Any) -> str:
    """Judge a dilated convolution of a row that wraps around and mirrors its kernel."""
    rng = np.random.default_rng(5)
    cases = [
        (2.0 ** np.arange(9), (3.0, 1.0, 2.0), 2),
        (rng.integers(1, 9, 7).astype(float), (1.0, -2.0, 4.0), 1),
        (rng.integers(1, 9, 12).astype(float), (0.5, 0.0, 2.0), 4),
    ]
    slips = {
        "That is how it was: try it on a row with a single 1 in it.": (
            lambda row, kernel, rate: _rolled(row, kernel, rate, 1)
        ),
        "The kernel now lies the right way round. But what falls out at one end of the row "
        "still comes in at the other; pixels outside count as 0.": (
            lambda row, kernel, rate: _rolled(row, kernel, rate, -1)
        ),
        "The ends are right now. But the kernel is mirrored: its first weight belongs to "
        "the pixel on the left.": (
            lambda row, kernel, rate: _dilated(row, kernel[::-1], rate)
        ),
        "The ends of the row are repeated outward. Here pixels outside count as 0, as "
        'with `padding="same"` in Keras.': (
            lambda row, kernel, rate: _dilated(row, kernel, rate, "edge")
        ),
        "It does not use the rate any more: it reads direct neighbours.": (
            lambda row, kernel, rate: _dilated(row, kernel, 1)
        ),
        "It returns only the middle of the row. Fill up with zeros outside, so that the "
        "result is as long as the row.": (
            lambda row, kernel, rate: _dilated(row, kernel, rate)[rate:-rate]
        ),
    }
    expect.agree_on(answer, _dilated, cases, slips)
    return "Right in the middle and at both ends, and the kernel lies the right way round."


# --- 4 -----------------------------------------------------------------------------------


def _sight(at_72: Sequence[int], at_144: Sequence[int]) -> tuple[int, int]:
    near, far = sum(at_72), sum(at_144)
    return 1 + 2 * near, 1 + 2 * (near + -(-far // 2))


@chapter.exercise(
    "Sight on paper",
    kind="function",
    difficulty=2,
    minutes=15,
    stub="""
        def sight(at_72, at_144):
            x2 = ____
            return x2, ____
    """,
    answer="sight",
    hints=(
        "Each 3x3 convolution at rate r adds r pixels on each side. Which of the two lists "
        "does x2 pass through?",
        "A step at 144 pixels is half a step at 72. Add up all steps at 144 first, halve "
        "the sum, and round.",
        "Half a pixel reaches into a whole one: round up. `-(-n // 2)` is half of `n`, "
        "rounded up.",
    ),
    solution="""
        def sight(at_72, at_144):
            x2 = 1 + 2 * sum(at_72)
            halves = -(-sum(at_144) // 2)  # rounded up
            return x2, x2 + 2 * halves
    """,
    because="""
        Rates simply add up, in whatever order, and channels do not matter. What is done
        after an enlargement counts half as far, and costs four times as much. That is why
        Model 3, with the same block in three places, sees only a little further at x4.
    """,
)
def q4(answer: Any) -> str:
    """Sides that both outputs see, from the rates at both sizes."""
    cases = [
        ((1, 2), (1, 2)),
        ((1, 1), (1,)),
        ((1, 1, 1, 1), (1, 1)),
        ((1, 2, 4, 1, 1, 2, 4, 1), (1, 2, 4, 1)),
        ((), (3,)),
        ((5,), ()),
    ]
    slips = {
        "Your x4 rounds down. Half a pixel reaches into a whole one, so it counts. "
        "(Python's `round` turns 0.5 into 0.)": (
            lambda a, b: (1 + 2 * sum(a), 1 + 2 * (sum(a) + sum(b) // 2))
        ),
        "Your x4 ends on half a pixel. A pixel that is reached by half is reached.": (
            lambda a, b: (1 + 2 * sum(a), 1 + 2 * sum(a) + sum(b))
        ),
        "You count a step at 144 pixels like one at 72. It is half as long.": (
            lambda a, b: (1 + 2 * sum(a), 1 + 2 * (sum(a) + sum(b)))
        ),
        "You halve and round every rate by itself. Add them up first.": (
            lambda a, b: (1 + 2 * sum(a), 1 + 2 * (sum(a) + sum(-(-r // 2) for r in b)))
        ),
        "That is one side and the middle. It sees as far on the other side.": (
            lambda a, b: (1 + sum(a), 1 + sum(a) + -(-sum(b) // 2))
        ),
        "The middle pixel is missing: with no convolution at all, it sees 1.": (
            lambda a, b: (2 * sum(a), 2 * (sum(a) + -(-sum(b) // 2)))
        ),
        "You count the convolutions, as if all rates were 1.": (
            lambda a, b: _sight([1] * len(a), [1] * len(b))
        ),
        "x2 does not pass the convolutions at 144: it leaves before them.": (
            lambda a, b: (_sight(a, b)[1], _sight(a, b)[1])
        ),
        "x4 passes the convolutions at 72, too.": (
            lambda a, b: (1 + 2 * sum(a), 1 + 2 * -(-sum(b) // 2))
        ),
        "Return x2 first, then x4.": lambda a, b: _sight(a, b)[::-1],
    }
    expect.agree_on(answer, _sight, cases, slips)
    return "The chapter's table, for any network of this kind. Channels do not matter."


# --- 5 -----------------------------------------------------------------------------------

_WINDOWS = ("3x3", "5x5", "7x7", "9x9")
_WORTH = 0.05  # in dB


@chapter.exercise(
    "Something to see",
    kind="measure",
    difficulty=2,
    minutes=20,
    stub="""
        seen = {"3x3": ____, "5x5": ____, "7x7": ____, "9x9": ____}
        seen["enough"] = ____
    """,
    answer="seen",
    hints=(
        'Load the pairs anew: `data.load_pairs(photos, "train", "antialiased")`, and the '
        'same for `"val"`. `data.as_float` makes floats of them.',
        "`metrics.fit_linear_filter(lr, x2, 2, size)` finds the filter on the training "
        "photos; `metrics.apply_linear_filter(val_lr, found, 2)` draws with it.",
        "`metrics.psnr(target, drawn).mean()` is the number. Go through the sizes from "
        "below: which is the first that no larger one beats by more than 0.05 dB?",
    ),
    solution="""
        sharp, judged = (
            data.load_pairs(photos, part, "antialiased") for part in ("train", "val")
        )
        lr, x2, val_lr, val_x2 = (
            data.as_float(stack)
            for stack in (sharp.lr[::2], sharp.x2[::2], judged.lr, judged.x2)
        )
        seen = {}
        for size in (3, 5, 7, 9):
            found = metrics.fit_linear_filter(lr, x2, 2, size)
            drawn = metrics.apply_linear_filter(val_lr, found, 2)
            seen[f"{size}x{size}"] = metrics.psnr(val_x2, drawn).mean()
        seen["enough"] = "5x5"
    """,
    because="""
        With this recipe an input pixel is the mean of the pixels that it stands for, so it
        does hold something about them, and its neighbours hold a little more. But it is
        near: from 3x3 to 5x5 there is something to gain, and beyond next to nothing. Model
        2's 9x9 is more than a linear method can use. Whether a network can use more is a
        question for several trainings.
    """,
)
def q5(answer: Any) -> str:
    """Judge how far the best linear filter has to look with the antialiased recipe."""
    found = expect.mapping(answer, [*_WINDOWS, "enough"])
    psnr = {name: expect.number(found[name], f'the number "{name}"') for name in _WINDOWS}
    for name, value in psnr.items():
        expect.that(
            10 < value < 50,
            f'The number "{name}" is {value:.3g}. Expected a PSNR in dB, between 10 and '
            "50: the mean over the validation photos.",
        )
    enough = found["enough"]
    if enough not in _WINDOWS:
        known = ", ".join(f'`"{name}"`' for name in _WINDOWS)
        raise NotYet(f"`enough` is one of {known}, in quotes.")
    values = [psnr[name] for name in _WINDOWS]
    expect.that(
        np.ptp(values) > 1e-6,
        "All four numbers are the same. Hand the size on to `fit_linear_filter`.",
    )
    expect.that(
        np.ptp(values) > 0.04,
        "Between your windows there is no difference worth the name. That is how it is "
        "with the article's recipe, in the chapter. Load the pairs of the other one.",
    )
    expect.that(
        min(np.diff(values)) > -0.1,
        "One of your larger windows is clearly worse than a smaller one, though it holds "
        "all of it. Is each filter applied to the input it was made for, at one scale?",
    )
    gains = {
        name: max(values[k + 1 :], default=value) - value
        for k, (name, value) in enumerate(psnr.items())
    }
    true = next(name for name, gain in gains.items() if gain <= _WORTH)
    told = f"from {enough} to the best larger window you measured {gains[enough]:+.2f} dB"
    expect.that(
        gains[enough] <= _WORTH,
        f"You say that {enough} is enough, but {told}, more than {_WORTH} dB.",
    )
    expect.that(
        enough == true,
        f"{enough} is enough, but is it the smallest that is? From {true} on you measured "
        f"no more than {max(gains[true], 0):.2f} dB.",
    )
    return (
        f"From 3x3 to {true} there are {psnr[true] - psnr['3x3']:.2f} dB to gain, and "
        "beyond next to nothing. So there is something to see, and it is near."
    )


# --- 6 -----------------------------------------------------------------------------------

_MODEL_2 = 55_814
_SEES = {"x2": 33, "x4": 41}


@chapter.exercise(
    "Sight for nothing",
    kind="model",
    difficulty=2,
    minutes=25,
    stub="""
        def wide():
            return ____
    """,
    answer="wide",
    hints=(
        "A dilated kernel costs nothing. Copy `residual_block` and `_network_of_blocks` "
        "from `srlib/models.py`, with `models.` before what they call, and let each block "
        "take two rates: `models.conv(..., dilation=rate)`.",
        "33 pixels at x2 need rates at 72 that add up to 16, in four convolutions. Equal "
        "ones leave holes. Which rates reached every pixel in exercise 1?",
        "1, 3 and 9 leave no hole, and 3 more make 16. At 144 any two that add up to 8 "
        "will do: what they miss, the window below fills.",
    ),
    solution="""
        def wide():
            def block(x, *rates):
                y = x
                for rate in rates:
                    y = models.conv(y, 32, 3, dilation=rate, activation=models.LEAKY)
                return keras.layers.LeakyReLU(0.2)(keras.layers.Add()([x, y]))

            lr = models.photo_input()
            x = models.conv(lr, 32, 1, activation=models.LEAKY)
            up2 = models.upsample(block(block(x, 1, 3), 9, 3))
            up4 = models.upsample(block(up2, 1, 7))
            head = {"filters": 3, "size": 1, "activation": models.LEAKY}
            outputs = {
                name: models.conv(up, **head, name=name)
                for name, up in (("x2", up2), ("x4", up4))
            }
            return keras.Model(lr, outputs)
    """,
    because="""
        Sight is a matter of rates alone. So Model 3's sight can be had with the parameters
        and multiplications of Model 2, without a hole: 1, 3, 9 reach every pixel once, and
        3 more reach beyond. What the article's parameters bought was not the sight. And if
        a network can have it for nothing, what it is worth can be measured by itself:
        change the rates, and nothing else.
    """,
    seconds=60,
)
def q6(answer: Any) -> str:
    """Model 2 with Model 3's sight."""
    model = networks.built(answer)
    size = model.count_params()
    expect.that(
        size <= _MODEL_2,
        f"Your network has {size:,} parameters; {_MODEL_2:,} are allowed, Model 2's. Holes "
        "in a kernel cost nothing.",
    )
    for head, least in _SEES.items():
        seen = networks.sight(model, head)
        expect.that(
            seen >= least,
            f"Your {head} sees {seen}x{seen} pixels; {least}x{least} are wanted. Add up "
            "the rates on the way to it (those at 144 count half).",
        )
        share = _holes(model, head)
        expect.that(
            share == 0,
            f"Your {head} sees {seen}x{seen} pixels from end to end, but {share:.0%} of "
            "them are holes. Which rates leave none?",
        )
    return f"Model 3's sight without a hole, with {size:,} parameters."


def _holes(model: Any, head: str, most: int = 61) -> float:
    """Measure the share of pixels that an output misses in the square that it sees."""
    own = model.get_weights()
    model.set_weights([np.full(w.shape, 1 / np.prod(w.shape[:-1])) for w in own])
    picture = np.full((1, most + 1, most + 1, 3), 0.5, np.float32)
    try:
        field = receptive.receptive_field(model, picture, head, reach=most // 2)
    finally:
        model.set_weights(own)
    edge = (len(field) - receptive.side_holding(field)) // 2
    inside = field[edge : len(field) - edge, edge : len(field) - edge]
    return float((inside == 0).mean())


# --- 7 -----------------------------------------------------------------------------------


def _pixel_sum(target: dict, drawn: dict, weights: tuple[float, float] = (1, 4)) -> float:
    x2, x4 = (np.mean((target[head] - drawn[head]) ** 2) for head in ("x2", "x4"))
    return float(weights[0] * x2 + weights[1] * x4)


@chapter.exercise(
    "The weight on the wrong head",
    kind="bug",
    difficulty=2,
    minutes=15,
    stub="""
        def total(target, drawn):
            x2 = np.mean((target["x2"] - drawn["x2"]) ** 2)
            x4 = np.mean((target["x4"] - drawn["x4"]) ** 2)
            return 4 * x2 + x4
    """,
    answer="total",
    hints=(
        "Write each mean as a sum over pixels, divided by their number. How many pixels "
        "has x4 for each one of x2?",
        "The sum over pixels is n times the mean of x2, plus 4n times the mean of x4. "
        "Divide that by n.",
    ),
    solution="""
        def total(target, drawn):
            x2 = np.mean((target["x2"] - drawn["x2"]) ** 2)
            x4 = np.mean((target["x4"] - drawn["x4"]) ** 2)
            return x2 + 4 * x4
    """,
    because="""
        To sum over pixels or to take their mean is a hidden loss weight. With sums the x4
        picture, which has four times as many pixels, weighs four times as much. Keras takes
        means, so both weigh alike until loss weights say otherwise. The mistake is a real
        one: the published code of LapSRN, another network with two outputs, sums; one port
        of it to means sets the 4 right, and a copy of that port put it on the other loss.
        It trained all the same. A wrong loss weight makes no error message.
    """,
)
def q7(answer: Any) -> str:
    """Judge a sum over pixels that was translated into means."""
    rng = np.random.default_rng(7)

    def pictures(side: int) -> dict[str, np.ndarray]:
        return {f"x{s}": rng.random((side * s, side * s, 3)) for s in (2, 4)}

    cases = [(pictures(side), pictures(side)) for side in (3, 4, 5)]

    def slip(x2: float, x4: float) -> Any:
        return lambda target, drawn: _pixel_sum(target, drawn, (x2, x4))

    def summed(target: dict, drawn: dict) -> float:
        return sum(float(((target[h] - drawn[h]) ** 2).sum()) for h in ("x2", "x4"))

    slips = {
        "That is how it was: the x2 error counts four times.": slip(4, 1),
        "Now both means weigh alike. In a sum over pixels the picture with more pixels "
        "weighs more.": slip(1, 1),
        "x4 has four times as many pixels as x2. It is the input that has a sixteenth of "
        "them.": slip(1, 16),
        "x4 is twice as high *and* twice as wide as x2.": slip(1, 2),
        "The ratio is right: that is the mean over all pixels of both. The x2 error should "
        "stand in it as it is.": slip(1 / 5, 4 / 5),
        "The ratio is right, and the result is four times too small. The x2 error should "
        "stand in it as it is.": slip(1 / 4, 1),
        "That is the sum itself, which grows with the size of the pictures. Say the same "
        "with means.": summed,
    }
    expect.function(answer)
    for target, drawn in cases:
        found = expect.call(answer, target, drawn)
        wrong = {text: function(target, drawn) for text, function in slips.items()}
        expect.agree(
            found,
            _pixel_sum(target, drawn),
            wrong,
            what="what your function returns",
            wrong="The two means are there, but not with these weights. How many pixels of "
            "x4 are there for one of x2?",
        )
    return "Sum or mean is a hidden loss weight: 4 for x4, which has four times the pixels."


# --- 8 -----------------------------------------------------------------------------------

_MOST, _SIDE, _BETTER = 20_000, 9, 0.2  # parameters, input pixels, dB


@chapter.exercise(
    "Near-sighted",
    kind="model",
    difficulty=3,
    minutes=45,
    stub="""
        def near():
            return ____


        pairs = [data.load_pairs(photos, p, "antialiased") for p in ("train", "val")]
        model = near()
    """,
    answer="model",
    hints=(
        "Compute at 72 pixels, where it is cheap, and enlarge last. Three 3x3 convolutions "
        "see 7x7. The last may make 12 channels, which `models.depth_to_space` turns into "
        "an x2 picture without blocks.",
        "Let the network start from a formula and add to it: "
        '`keras.layers.UpSampling2D(2, interpolation="bicubic")(lr)`, and '
        '`keras.layers.Add(name="x2")`.',
        "Let the last convolution have no activation and start at 0: `activation=None, "
        "start=keras.initializers.Zeros`. 38 filters fit into 20,000 parameters. Twenty or "
        "more epochs of `batch_size=4` are cheap here, and `learning_rate=2e-3` is quicker "
        "than the default.",
    ),
    solution="""
        def near():
            lr = models.photo_input()
            x = models.conv(models.conv(lr, 38, 3), 38, 3)
            zero = {"activation": None, "start": keras.initializers.Zeros}
            y = models.depth_to_space(models.conv(x, 12, 3, **zero))
            up = keras.layers.UpSampling2D(2, interpolation="bicubic")(lr)
            return keras.Model(lr, {"x2": keras.layers.Add(name="x2")([y, up])})


        pairs = [data.load_pairs(photos, p, "antialiased") for p in ("train", "val")]
        keras.utils.set_random_seed(0)
        model = near()
        more = {"epochs": 25, "batch_size": 4, "learning_rate": 2e-3}
        training.fit(model, *pairs, **more)
    """,
    because="""
        This network sees 7x7 pixels, and no linear filter with that view is as good. So
        what it has gained is not sight. It treats an edge unlike a plain surface, which a
        linear filter cannot. To look further is one way to spend parameters; to look more
        closely at what is near is another. With so few photos and so little time, the
        second pays first.
    """,
    seconds=120,
)
def q8(answer: Any) -> str:
    """Judge a small network that has to beat the best linear filter without looking far."""
    model = networks.network(answer, heads=("x2",))
    size = model.count_params()
    expect.that(
        size <= _MOST,
        f"Your network has {size:,} parameters; {_MOST:,} are allowed.",
    )
    seen = networks.sight(model, "x2")
    expect.that(
        seen <= _SIDE,
        f"Your network sees {seen}x{seen} pixels; at most {_SIDE}x{_SIDE} are allowed. "
        "Which rates or layers look further than you need?",
    )
    score, linear = _judge_x2(model)
    means = f"x2 has {score:.2f} dB, the best linear filter {linear:.2f}"
    expect.that(
        networks.block_side(model, "x2") == 1,
        f"{means}. Your x2 is made of blocks of equal pixels, and such a picture has a "
        "ceiling. What has to come after the enlargement, or instead of it?",
    )
    expect.that(
        score > linear - 2,
        f"{means}. Train it longer, or let it start from a picture that is nearly right.",
    )
    expect.that(
        score > linear + _BETTER,
        f"{means}; {_BETTER} dB more are wanted. Train it longer or faster, or spend the "
        "parameters that are left.",
    )
    return f"{means}. It sees only {seen}x{seen} and has {size:,} parameters."


def _judge_x2(model: Any) -> tuple[float, float]:
    """Score x2 on the sample, antialiased recipe; and the best linear filter, 7x7."""
    from srlib import data, training

    photos = data.find_photos(data.sample_folder())
    train = data.load_pairs(photos, "train", "antialiased")[::2]
    val = data.load_pairs(photos, "val", "antialiased")
    target, lr = data.as_float(val.x2), data.as_float(val.lr)
    drawn = training.predict(model, lr, batch_size=8)["x2"]
    best = metrics.fit_linear_filter(data.as_float(train.lr), data.as_float(train.x2), 2, 7)
    linear = metrics.apply_linear_filter(lr, best, 2)
    return tuple(float(metrics.psnr(target, x).mean()) for x in (drawn, linear))

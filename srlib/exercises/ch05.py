"""Exercises of chapter 5: Model 3, atrous convolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from srlib import data, metrics, receptive
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


def _dilated(
    row: Any, kernel: Any, rate: int, mode: str = "constant", shift: int = 0
) -> np.ndarray:
    """Convolve a row whose ends are padded; or read `shift` pixels further right."""
    reach = rate + abs(shift)
    padded = np.pad(np.asarray(row), reach, mode=mode)
    starts = [reach + shift + k * rate for k in (-1, 0, 1)]
    return sum(
        weight * padded[start : start + len(row)]
        for weight, start in zip(kernel, starts, strict=True)
    )


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
        (rng.integers(1, 9, 12), (0.5, 0.0, 2.0), 4),  # whole numbers
        (rng.random(4), (1.5, -1.0, 3.0), 3),  # shorter than the kernel reaches
        (rng.random(2), (0.5, 2.0, 4.0), 5),
    ]
    slips = {
        "That is how it was: try it on a row with a single 1 in it.": (
            lambda row, kernel, rate: _dilated(row, kernel[::-1], rate, "wrap")
        ),
        "The kernel now lies the right way round. But what falls out at one end of the row "
        "still comes in at the other; pixels outside count as 0.": (
            lambda row, kernel, rate: _dilated(row, kernel, rate, "wrap")
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
        "The row is mirrored at its ends. Here pixels outside count as 0.": (
            lambda row, kernel, rate: _dilated(row, kernel, rate, "reflect")
        ),
        "A negative index reads from the end of the row. Pixels outside count as 0.": (
            lambda row, kernel, rate: (
                _dilated(row, kernel, rate)
                + kernel[0] * np.pad(row[-rate:], (0, len(row)))[: len(row)]
            )
        ),
        "It only looks to the right: the middle weight belongs to the pixel itself.": (
            lambda row, kernel, rate: _dilated(row, kernel, rate, shift=rate)
        ),
        "It only looks to the left: the middle weight belongs to the pixel itself.": (
            lambda row, kernel, rate: _dilated(row, kernel, rate, shift=-rate)
        ),
        "The row holds whole numbers here, and so does your result: halves are lost. Make "
        "room for fractions.": (
            lambda row, kernel, rate: sum(
                _dilated(row, one, rate).astype(row.dtype) for one in np.diag(kernel)
            )
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


def _of_either(place: int) -> dict[str, Any]:
    """Slips of both outputs."""
    return {
        "That is one side and the middle. It sees as far on the other side.": (
            lambda a, b: (_sight(a, b)[place] + 1) // 2
        ),
        "That is one side alone.": lambda a, b: _sight(a, b)[place] // 2,
        "The middle pixel is missing: with no convolution at all, it sees 1.": (
            lambda a, b: _sight(a, b)[place] - 1
        ),
        "The middle pixel is counted with each convolution. It is one pixel.": (
            lambda a, b: sum(2 * r + 1 for r in (a, (*a, *b))[place])
        ),
        "You count the convolutions, as if all rates were 1.": (
            lambda a, b: _sight([1] * len(a), [1] * len(b))[place]
        ),
        "That is the area. The side of the square is asked for.": (
            lambda a, b: _sight(a, b)[place] ** 2
        ),
    }


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
        ((1, 2), (3, 3, 1)),
        ((1, 1), (4, 1)),
        ((1, 1, 1, 1), (1, 1)),
        ((1, 2, 4, 1, 1, 2, 4, 1), (1, 2, 4, 1)),
        ((), (3,)),
        ((5,), ()),
    ]
    x2_slips = {
        "x2 does not pass the convolutions at 144: it leaves before them.": (
            lambda a, b: _sight(a, b)[1]
        ),
        **_of_either(0),
    }
    x4_slips = {
        "Your x4 rounds down. Half a pixel reaches into a whole one, so it counts. "
        "(Python's `round` turns 0.5 into 0.)": lambda a, b: 1 + 2 * (sum(a) + sum(b) // 2),
        "Your x4 ends on half a pixel. A pixel that is reached by half is reached.": (
            lambda a, b: 1 + 2 * sum(a) + sum(b)
        ),
        "Half a pixel is reached on each side. Round the steps of one side up, and count "
        "them on both.": lambda a, b: 2 + 2 * sum(a) + sum(b),
        "You count a step at 144 pixels like one at 72. It is half as long.": (
            lambda a, b: 1 + 2 * (sum(a) + sum(b))
        ),
        "A step at 144 pixels is half as long as one at 72, not twice.": (
            lambda a, b: 1 + 2 * (sum(a) + 2 * sum(b))
        ),
        "You halve and round every rate by itself. Add them up first.": (
            lambda a, b: 1 + 2 * (sum(a) + sum(-(-r // 2) for r in b))
        ),
        "x4 passes the convolutions at 72, too.": lambda a, b: 1 + 2 * -(-sum(b) // 2),
        "x4 passes the convolutions at 144, too.": lambda a, b: _sight(a, b)[0],
        "That is counted in pixels of 144. The square is one of the input, 72.": (
            lambda a, b: 1 + 2 * (2 * sum(a) + sum(b))
        ),
        **_of_either(1),
    }
    for k, (near, far) in enumerate(cases):
        found = (expect.call if k else expect.steady)(answer, near, far)
        found = expect.array(found, what="what your function returns")
        expect.that(
            found.shape == (2,), "Your function has to return two numbers: x2, then x4."
        )
        right, case = _sight(near, far), f"For {near} and {far}: "
        expect.that(
            tuple(found) != right[::-1] or right[0] == right[1], "Return x2 first, then x4."
        )
        for head, one, true, slips in zip(
            ("x2", "x4"), found, right, (x2_slips, x4_slips), strict=True
        ):
            wrong = {text: slip(near, far) for text, slip in slips.items()}
            expect.agree(one, true, wrong, what=head, case=f"{case}{head}: ")
    return "The chapter's table, for any network of this kind. Channels do not matter."


# --- 5 -----------------------------------------------------------------------------------

_SIZES = (3, 5, 7, 9)
_WORTH = 0.05  # in dB


@chapter.exercise(
    "Something to see",
    kind="measure",
    difficulty=2,
    minutes=20,
    stub="""
        def filtered(train, val, size):
            return ____


        seen = {"filtered": filtered, "enough": ____}
    """,
    answer="seen",
    hints=(
        "`data.as_float(train.lr)` makes floats of the inputs of pairs, and `train.x2` are "
        "their targets. `metrics.fit_linear_filter(lr, x2, 2, size)` finds the filter.",
        "`metrics.apply_linear_filter(lr, found, 2)` draws with it; hand it the inputs of "
        "`val`. `metrics.psnr(target, drawn).mean()` is the number.",
        'Load the pairs anew: `data.load_pairs(sample, "train", "antialiased")[::2]`, and '
        'the same for `"val"`. Go through the sizes from below: which is the first that no '
        "larger one beats by more than 0.05 dB?",
    ),
    solution="""
        def filtered(train, val, size):
            lr, x2 = data.as_float(train.lr), data.as_float(train.x2)
            found = metrics.fit_linear_filter(lr, x2, 2, size)
            drawn = metrics.apply_linear_filter(data.as_float(val.lr), found, 2)
            return metrics.psnr(data.as_float(val.x2), drawn).mean()


        sample = data.find_photos(data.sample_folder())
        sharp, judged = (
            data.load_pairs(sample, part, "antialiased") for part in ("train", "val")
        )
        for size in (3, 5, 7, 9):
            print(size, filtered(sharp[::2], judged, size))
        seen = {"filtered": filtered, "enough": "5x5"}
    """,
    because="""
        With this recipe an input pixel is the mean of the pixels that it stands for, so it
        does hold something about them, and its neighbours hold a little more. But it is
        near: from 3x3 to 5x5 there is something to gain, and beyond next to nothing. Model
        2's 9x9 is more than a linear method can use. Whether a network can use more is a
        question for several trainings.
    """,
    seconds=60,
)
def q5(answer: Any) -> str:
    """Judge how far the best linear filter has to look with the antialiased recipe."""
    found = expect.mapping(answer, ["filtered", "enough"])
    filtered = expect.function(found["filtered"])
    enough = str(found["enough"]).replace(" ", "")
    enough = f"{enough}x{enough}" if enough.isdigit() else enough
    enough = int(expect.choose(enough, [f"{k}x{k}" for k in _SIZES], "`enough`")[0])
    photos = data.find_photos(data.sample_folder()).take(1, 6)
    few = data.load_pairs(photos, "val", "antialiased", lr_size=24)
    train, val = few[:3], few[3:]
    for size in (3, 7):
        drawn, right = expect.call(filtered, train, val, size), _filtered(train, val, size)
        near = np.size(drawn) == 1 and np.allclose(drawn, right, rtol=0, atol=0.005)
        expect.agree(
            drawn,
            right,
            {} if near else _other_scores(train, val, size),  # which take their time
            digits=2,
            what="what `filtered` returns",
            case=f"`filtered` of small pairs, three and three, with the size {size}: ",
        )
    psnr = _curve()
    gains = {
        size: max([psnr[k] for k in _SIZES if k > size], default=psnr[size]) - psnr[size]
        for size in _SIZES
    }
    true = next(size for size, gain in gains.items() if gain <= _WORTH)
    told = (
        f"from {enough}x{enough} to the best larger window there are "
        f"{gains[enough]:+.2f} dB"
    )
    expect.that(
        gains[enough] <= _WORTH,
        f"You say that {enough}x{enough} is enough, but {told}, more than {_WORTH} dB.",
    )
    expect.that(
        enough == true,
        f"{enough}x{enough} is enough, but is it the smallest that is? There is one below "
        f"it from which you gain no more than {max(gains[true], 0):.2f} dB.",
    )
    return (
        f"From 3x3 to {true}x{true} there are {psnr[true] - psnr[3]:.2f} dB to gain, and "
        "beyond next to nothing. So there is something to see, and it is near."
    )


def _filtered(
    train: Any,
    val: Any,
    size: int,
    score: Callable[..., Any] = metrics.psnr,
    scale: int = 2,
) -> Any:
    targets = [data.as_float(getattr(pairs, f"x{scale}")) for pairs in (train, val)]
    found = metrics.fit_linear_filter(data.as_float(train.lr), targets[0], scale, size)
    drawn = metrics.apply_linear_filter(data.as_float(val.lr), found, scale)
    return np.mean(score(targets[1], drawn))


def _other_scores(train: Any, val: Any, size: int) -> dict[str, Any]:
    right = _filtered(train, val, size)
    return {
        "That is the score on the training photos. Draw those of `val`.": (
            _filtered(train, train, size)
        ),
        "The filter was fitted on the photos that it is judged on. Fit it on `train`.": (
            _filtered(val, val, size)
        ),
        "`train` and `val` are exchanged.": _filtered(val, train, size),
        "That is the PSNR of the mean error. The mean of the photos' PSNRs is asked for.": (
            _filtered(train, val, size, metrics.batch_psnr)
        ),
        "That is a squared error. Turn it into decibels.": (
            _filtered(train, val, size, metrics.mse)
        ),
        "That is x4. Look at x2.": _filtered(train, val, size, scale=4),
        "Hand the size on to `fit_linear_filter`, whose default is 5.": (
            _filtered(train, val, 5)
        ),
        "Return the mean over the photos, not their sum.": len(val) * right,
        "Leave it as it is, in dB.": 100 * right,
    }


@cache
def _curve() -> dict[int, float]:
    """Score each size on the sample, as the exercise says."""
    photos = data.find_photos(data.sample_folder())
    train = data.load_pairs(photos, "train", "antialiased")[::2]
    val = data.load_pairs(photos, "val", "antialiased")
    return {size: _filtered(train, val, size) for size in _SIZES}


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
        height, width, share = _seen(model, head)
        seen = f"Your {head} sees {height}x{width} pixels"
        expect.that(
            min(height, width) >= least,
            f"{seen}; {least}x{least} are wanted. Add up the rates on the way to it (those "
            "at 144 count half).",
        )
        expect.that(
            share == 0,
            f"{seen} from end to end, but {share:.0%} of them are holes. Which rates leave "
            "none?",
        )
    return f"Model 3's sight without a hole, with {size:,} parameters."


def _positive(shape: tuple[int, ...]) -> np.ndarray:
    return np.full(shape, 1 / np.prod(shape[:-1]))


def _seen(model: Any, head: str, reach: int = 32) -> tuple[int, int, float]:
    """Measure the rectangle that an output sees, and the share of it that is missed.

    With positive weights, so that nothing cancels. Even kernels look further to one side.
    On several random pictures, since a maximum hears one pixel of its window only.
    """
    side = 2 * reach + 8  # a multiple of 8, for who enlarges after having shrunk
    rng, field = np.random.default_rng(5), np.zeros(1)
    with networks.other_weights(model, _positive):
        for _ in range(12):
            pictures = rng.random((4, side, side, 3), np.float32)
            field = field + receptive.receptive_field(model, pictures, head, reach)
            inside = field[np.ix_(field.any(axis=1), field.any(axis=0))]
            if inside.all():
                break
    rows, columns = (np.flatnonzero(field.sum(axis=axis)) for axis in (1, 0))
    inside = field[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return *inside.shape, float((inside == 0).mean())


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

    def pictures(height: int, width: int, order: tuple[int, int]) -> dict[str, np.ndarray]:
        return {f"x{s}": rng.random((height * s, width * s, 3)) for s in order}

    orders = (2, 4), (4, 2)  # of dictionaries; any is right
    cases = [
        (pictures(*sides, orders[k]), pictures(*sides, orders[k > 0]))
        for k, sides in enumerate([(3, 4), (1, 5)])
    ]
    by_place = (
        "You read the pictures by their place in the dictionaries. Read them by name."
    )

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
        found = expect.steady(answer, target, drawn)
        wrong = {text: function(target, drawn) for text, function in slips.items()}
        slips = {by_place: slip(4, 1), **slips}  # the first case was right
        expect.agree(
            found,
            _pixel_sum(target, drawn),
            wrong,
            tolerance=1e-5,
            what="what your function returns",
            wrong="That is not the mean squared error of x2 plus that of x4, weighted. How "
            "many pixels of x4 are there for one of x2?",
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
    height, width, _ = _seen(model, "x2")
    expect.that(
        max(height, width) <= _SIDE,
        f"Your network sees {height}x{width} pixels; at most {_SIDE}x{_SIDE} are allowed. "
        "Which rates or layers look further than you need?",
    )
    score, linear = networks.score(model, "antialiased", "x2"), _best_linear()
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
    return f"{means}. It sees only {height}x{width} and has {size:,} parameters."


@cache
def _best_linear() -> float:
    """Score the 7x7 filter on photos that no notebook holds."""
    photos = data.find_photos(data.sample_folder())
    train = data.load_pairs(photos, "train", "antialiased")[::2]
    return float(_filtered(train, networks.unseen("antialiased"), 7))

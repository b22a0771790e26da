"""Exercises of chapter 3: Model 1, blocks, and the ceiling."""

from __future__ import annotations

from typing import Any

import numpy as np

from srlib import metrics
from srlib.exercises import expect, networks
from srlib.exercises.engine import Chapter, NotYet

chapter = Chapter(3, "03-model-1-basic")
progress = chapter.progress


# --- 1 -----------------------------------------------------------------------------------


def _count(filters: int, *, biases: int = 1, heads: int = 2) -> int:
    first = (3 * 3 * 3 + biases) * filters
    second = (3 * 3 * filters + biases) * filters
    return first + second + heads * (filters + biases) * 3


@chapter.exercise(
    "Count",
    kind="function",
    difficulty=1,
    minutes=10,
    stub="""
        def count(filters):
            return ____
    """,
    answer="count",
    hints=(
        "There are four convolutions: from 3 channels to `filters`, from `filters` to "
        "`filters`, and two heads from `filters` to 3.",
        "A convolution has (height x width x channels in + 1) x filters parameters. "
        "Repeating pixels has none.",
    ),
    solution="""
        def count(filters):
            first = (3 * 3 * 3 + 1) * filters
            second = (3 * 3 * filters + 1) * filters
            head = (1 * 1 * filters + 1) * 3
            return first + second + 2 * head
    """,
    because="""
        The second convolution has nearly all of them: it grows with the square of
        `filters`, everything else in proportion to it. So half the filters leave about a
        quarter of the parameters: 10,342 instead of 39,110.
    """,
)
def q1(answer: Any) -> str:
    """Parameters of Model 1 with so many filters."""
    slips = {
        "You count the kernels' weights. Each filter also has a constant, its bias.": (
            lambda filters: _count(filters, biases=0)
        ),
        "That is the form with one output. Here both heads count, x2 and x4.": (
            lambda filters: _count(filters, heads=1)
        ),
        "The second convolution has `filters` channels in, not 3.": (
            lambda filters: 2 * 28 * filters + 6 * (filters + 1)
        ),
        "The heads' kernels are 1x1, not 3x3.": (
            lambda filters: _count(filters) + 2 * 8 * filters * 3
        ),
        "It is right for 64 filters alone: use the argument.": lambda filters: _count(64),
    }
    expect.agree_on(answer, _count, [(32,), (64,), (5,)], slips)
    return "Half the filters leave about a quarter: the second convolution is nearly all."


# --- 2 -----------------------------------------------------------------------------------

_BLOCKS = {"a": 1, "b": 2, "c": 2, "d": 1}
_REPLIES = {
    "a": "the 3x3 convolution comes last, and sees other neighbours at each pixel of a "
    "block: no blocks are left",
    "b": "after the repetition comes only ReLU, which treats each pixel alone: the blocks "
    "of 2x2 stay",
    "c": "the 3x3 convolution breaks the first blocks, then the second repetition makes "
    "new ones of 2x2",
    "d": "bilinear enlargement mixes neighbours instead of repeating a pixel: there never "
    "were any blocks",
}


@chapter.exercise(
    "Which blocks?",
    kind="predict",
    difficulty=1,
    minutes=10,
    stub='sides = {"a": ____, "b": ____, "c": ____, "d": ____}',
    answer="sides",
    hints=(
        "Walk back from the output. Where is the last operation that looks at neighbours?",
        "What counts is only what comes after that operation: if pixels are repeated once "
        "there, blocks are 2x2; if never, there are none, and the side is 1.",
    ),
    solution='sides = {"a": 1, "b": 2, "c": 2, "d": 1}',
    because="\n\n".join(
        [
            "What comes after the last look at neighbours decides.",
            "\n".join(f"- {letter}: {reply}." for letter, reply in _REPLIES.items()),
            "Head (c) is that of x4 in the next chapter's network.",
        ]
    ),
)
def q2(answer: Any) -> str:
    """Side of the blocks of four heads."""
    sides = expect.mapping(answer, _BLOCKS)
    for letter, right in _BLOCKS.items():
        side = expect.whole(sides[letter], f"the side for ({letter})")
        if side == 0:
            raise NotYet("Write 1, not 0, if there are no blocks: each pixel is its own.")
        if side == 4 and letter == "c":
            raise NotYet(
                "(c): both repetitions together would make 4x4, but what happens between "
                "them?"
            )
        expect.that(
            side == right, f"({letter}): not {side}. Think again: {_NUDGES[letter]}"
        )
    return "What comes after the last look at neighbours decides. (c) is x4 of Model 2."


_NUDGES = {
    "a": "what does a 3x3 kernel see at the left and at the right pixel of one block?",
    "b": "is there anything after the repetition that looks at a neighbour?",
    "c": "which operation comes last that looks at neighbours, and what follows it?",
    "d": "does bilinear enlargement make equal pixels?",
}


# --- 3 -----------------------------------------------------------------------------------


@chapter.exercise(
    "A ceiling that is too low",
    kind="bug",
    difficulty=2,
    minutes=15,
    stub="""
        def means_of_blocks(picture, block):
            height, width, colours = picture.shape
            rows, columns = height // block, width // block
            tiles = picture.reshape(rows, columns, block, block, colours)
            return tiles.mean(axis=(2, 3))
    """,
    answer="means_of_blocks",
    hints=(
        "Try it on `np.arange(24).reshape(4, 6, 1)` with blocks of 2. The first block "
        "holds 0, 1, 6 and 7.",
        "`reshape` never moves a number. Going through the picture row by row, which index "
        "runs first through the pixels of one row: the column of the block, or the row "
        "inside it?",
        "A row of the picture is made of `columns` times `block` pixels, so these two axes "
        "have to stand side by side: reshape to (rows, block, columns, block, colours).",
    ),
    solution="""
        def means_of_blocks(picture, block):
            height, width, colours = picture.shape
            rows, columns = height // block, width // block
            tiles = picture.reshape(rows, block, columns, block, colours)
            return tiles.mean(axis=(1, 3))
    """,
    because="""
        `reshape` cuts the numbers in the order in which they lie in memory, row by row. The
        axes have to be named in that order: row of the block, row inside it, column of the
        block, column inside it. The faulty version has the right shape and no error; it
        averages pieces of rows. Its means fit the picture worse than the true ones, so the
        ceiling that is made of them is too low, and a network may seem to pass it.
    """,
)
def q3(answer: Any) -> str:
    """Block means with two axes exchanged."""
    rng = np.random.default_rng(3)
    cases = [
        (np.arange(24.0).reshape(4, 6, 1), 2),
        (rng.random((12, 8, 3)), 4),
        (rng.random((6, 9, 3)), 3),
    ]
    slips = {
        "That is how it was: pieces of rows are averaged, not blocks.": (
            lambda p, b: p.reshape(len(p) // b, -1, b, b, p.shape[-1]).mean(axis=(2, 3))
        ),
        "The axes are in the right order now, but the mean is taken over others: which two "
        "run inside a block?": lambda p, b: _tiles(p, b).mean(axis=(2, 3)),
        "Your function takes the mean over the colours, too. Each colour has its own.": (
            lambda p, b: _tiles(p, b).mean(axis=(1, 3, 4))
        ),
        "Every block has the mean of the whole picture.": (
            lambda p, b: 0 * metrics.block_means(p, b) + p.mean(axis=(0, 1))
        ),
        "That draws the blocks large again. Return one pixel a block.": (
            lambda p, b: metrics.repeat_blocks(metrics.block_means(p, b), b)
        ),
    }
    expect.agree_on(answer, metrics.block_means, cases, slips)
    return "The axes now stand in the order in which the pixels lie in memory."


def _tiles(picture: np.ndarray, block: int) -> np.ndarray:
    height, width, colours = picture.shape
    return picture.reshape(height // block, block, width // block, block, colours)


# --- 4 -----------------------------------------------------------------------------------


def _ceiling(target: np.ndarray, block: int) -> float:
    return float(metrics.ceiling_psnr(target, block))


@chapter.exercise(
    "The ceiling from the variance",
    kind="function",
    difficulty=2,
    minutes=15,
    stub="""
        def ceiling(target, block):
            means = metrics.block_means(target, block)
            return ____
    """,
    answer="ceiling",
    hints=(
        "The error that remains in a block is its variance: the mean of the squares minus "
        "the square of the mean.",
        "`metrics.block_means(target**2, block)` is the mean of the squares of each block.",
        "Average the variances of all blocks and colours first, and take the logarithm "
        "once: -10 log10 of that mean.",
    ),
    solution="""
        def ceiling(target, block):
            means = metrics.block_means(target, block)
            squares = metrics.block_means(target**2, block)
            return -10 * np.log10(np.mean(squares - means**2))
    """,
    because="""
        The best picture made of blocks is wrong by the variance of each block, so the mean
        of the variances is its squared error, and the ceiling is the PSNR of that. No
        picture has to be painted for it.
    """,
)
def q4(answer: Any) -> str:
    """PSNR of the best picture made of blocks, from the variances of the target."""
    rng = np.random.default_rng(4)
    smooth = metrics.upscale(rng.random((6, 6, 3), np.float32), 4, "bicubic")
    cases = [(smooth, 4), (smooth, 2), (rng.random((12, 12, 3)), 3)]
    slips = {
        "You take the logarithm of each block and average then. Average the errors first: "
        "PSNR is made of the mean squared error.": (
            lambda t, b: np.mean(-10 * np.log10(_variances(t, b)))
        ),
        "That is the standard deviation. The squared error that remains is the variance.": (
            lambda t, b: -10 * np.log10(np.mean(np.sqrt(_variances(t, b))))
        ),
        "That is the variance of the whole picture. Only what varies in a block is lost.": (
            lambda t, b: -10 * np.log10(np.var(t, axis=(0, 1)).mean())
        ),
        "That is the variance of the block means, which a network can draw. What varies "
        "inside the blocks is lost.": (
            lambda t, b: (
                -10 * np.log10(np.var(metrics.block_means(t, b), axis=(0, 1)).mean())
            )
        ),
        "The sign is wrong: a small error is a high PSNR.": lambda t, b: -_ceiling(t, b),
        "That is the squared error. Turn it into decibels.": (
            lambda t, b: _variances(t, b).mean()
        ),
        "Those are the variances of the blocks. Make one number of them.": _variances,
    }
    expect.agree_on(answer, _ceiling, cases, slips, tolerance=1e-4)
    return "A ceiling can be read off the target alone, before any network exists."


def _variances(target: np.ndarray, block: int) -> np.ndarray:
    return _tiles(np.asarray(target, np.float64), block).var(axis=(1, 3))


# --- 5 -----------------------------------------------------------------------------------

_CONCLUSIONS = {
    "a": "it has reached bilinear interpolation",
    "b": "it is still below bilinear interpolation",
    "c": "it has passed its ceiling",
}


@chapter.exercise(
    "More does not help",
    kind="measure",
    difficulty=2,
    minutes=15,
    stub="""
        measured = {"before": ____, "after": ____, "conclusion": ____}
        measured["bilinear"] = mean["x4"]["bilinear"]
        measured["ceiling"] = mean["x4"]["4x4 ceiling"]
    """,
    answer="measured",
    hints=(
        '`scores["x4"]` holds the PSNR of each photo before you train on.',
        "`training.fit(both, train, val, epochs=3 * epochs, first_epoch=epochs, "
        "batch_size=budget.batch_size)` goes on where the chapter stopped.",
        "Then `training.score(training.predict(both, val.lr), val)` scores it again. Take "
        "the mean, and read your two numbers beside the baselines.",
    ),
    solution="""
        measured = {"before": scores["x4"].mean(), "conclusion": "b"}
        more = {"epochs": 3 * epochs, "first_epoch": epochs}
        training.fit(both, train, val, batch_size=budget.batch_size, **more)
        after = training.score(training.predict(both, val.lr), val)
        measured["after"] = after["x4"].mean()
        measured["bilinear"] = mean["x4"]["bilinear"]
        measured["ceiling"] = mean["x4"]["4x4 ceiling"]
    """,
    because="""
        Three times the epochs bring some tenths of a decibel, most of them at once. What is
        left to the ceiling shrinks and does not go away, and bilinear interpolation stands
        just below that ceiling. No patience makes a network draw what it cannot draw.
    """,
)
def q5(answer: Any) -> str:
    """Model 1 trained three times as long."""
    numbers = ("before", "after", "bilinear", "ceiling")
    found = expect.mapping(answer, [*numbers, "conclusion"])
    psnr = {name: expect.number(found[name], f'the number "{name}"') for name in numbers}
    for name, value in psnr.items():
        expect.that(
            10 < value < 40,
            f'The number "{name}" is {value:.3g}. Expected a PSNR in dB, between 10 and '
            "40: the mean over the photos.",
        )
    letter = found["conclusion"]
    if letter not in tuple(_CONCLUSIONS):
        raise NotYet('The conclusion is one of the letters `"a"`, `"b"`, `"c"`, in quotes.')
    before, after = psnr["before"], psnr["after"]
    expect.that(
        before != after,
        "The score is the same before and after. Take the first before you train on: "
        "`training.fit` changes the network itself.",
    )
    expect.that(
        after <= psnr["ceiling"],
        "You measured more than the ceiling allows, which no picture made of blocks can "
        "have. Look for the error in the measurement: other photos, another output?",
    )
    expect.that(
        after > before - 0.3,
        "It has become clearly worse. Did you go on with `both`, with "
        "`first_epoch=epochs`, or start a new network?",
    )
    true = "a" if after >= psnr["bilinear"] else "b"
    said = _CONCLUSIONS[letter]
    expect.that(
        letter == true,
        f"You say that {said}. Your numbers are {after:.2f} dB after training, "
        f"{psnr['bilinear']:.2f} for bilinear, {psnr['ceiling']:.2f} for the ceiling: "
        "that does not follow.",
    )
    gone = (after - before) / (psnr["ceiling"] - before)
    return (
        f"It went {gone:.0%} of the way to its ceiling, and {_CONCLUSIONS[true]}. One "
        "seed; the chapter's dots on VOC 2007 say the same."
    )


# --- 6 -----------------------------------------------------------------------------------

_MOST = 80_000


@chapter.exercise(
    "Through the ceiling",
    kind="model",
    difficulty=3,
    minutes=40,
    stub="""
        def through():
            return ____


        pairs = [data.load_pairs(photos, p, "antialiased") for p in ("train", "val")]
        model = through()
    """,
    answer="model",
    hints=(
        "Begin with a copy of `basic` from `srlib/models.py`. In exercise 2, (a) and (c) "
        "break the blocks, and (d) never has any. Check that first, untrained: "
        "`metrics.is_block_constant`.",
        "To break the blocks is not enough: a head that has to paint the picture from "
        "nothing takes long to reach bilinear interpolation. What if that were already "
        "there, and the network had only to add what is missing?",
        '`keras.layers.UpSampling2D(4, interpolation="bilinear")(lr)` is that picture; '
        "`keras.layers.Add` adds to it. What is added can be a 3x3 convolution of 48 "
        "filters without activation, and `models.depth_to_space` twice. Let its weights "
        "start at 0: `start=keras.initializers.Zeros`.",
    ),
    solution="""
        def through():
            lr = models.photo_input()
            x = models.conv(models.conv(lr, 64, 3), 64, 3)
            x2 = models.conv(models.upsample(x), 3, 1, name="x2")
            zero = {"activation": None, "start": keras.initializers.Zeros}
            y = models.conv(x, 48, 3, **zero)
            y = models.depth_to_space(models.depth_to_space(y))
            up = keras.layers.UpSampling2D(4, interpolation="bilinear")(lr)
            x4 = keras.layers.Add(name="x4")([y, up])
            return keras.Model(lr, {"x2": x2, "x4": x4})


        pairs = [data.load_pairs(photos, p, "antialiased") for p in ("train", "val")]
        keras.utils.set_random_seed(0)
        model = through()
        training.fit(model, *pairs, epochs=8, batch_size=budget.batch_size)
    """,
    because="""
        The head draws each of the sixteen pixels by itself, so nothing is made of blocks,
        and it starts as bilinear interpolation. All that training has to find is a
        correction. A head that breaks the blocks but has to paint everything from nothing
        gets there, too, only later. Other ways are as good: kernels of 3x3 at the large
        size, bilinear enlargement of the features.

        The antialiased recipe was chosen for a reason. There the input is nearly the block
        means of the target, so nearest neighbour is nearly at the ceiling, and what varies
        inside a block can be guessed from the blocks around it. With the article's recipe
        it is mostly aliasing, and hardly anything can be guessed: even the best linear
        filter of chapter 2, which draws no blocks, stays below that ceiling, and so did
        this network in 20 epochs on the sample.
    """,
    seconds=120,
)
def q6(answer: Any) -> str:
    """Model 1 with an x4 head that passes the ceiling of 4x4 blocks."""
    model = networks.network(answer)
    size = model.count_params()
    expect.that(
        size <= _MOST,
        f"Your network has {size:,} parameters; {_MOST:,} are allowed. Change the "
        "head, and leave the trunk as it is.",
    )
    side = networks.block_side(model, "x4")
    expect.that(
        side < 4,
        f"On random weights x4 is made of blocks of {side}x{side}, so no training gets it "
        "through the ceiling. What has to look at neighbours, and where?",
    )
    score, bilinear, ceiling = _judge_x4(model)
    means = f"{score:.2f} dB; the 4x4 ceiling has {ceiling:.2f}, bilinear {bilinear:.2f}"
    expect.that(
        score > ceiling,
        f"It can draw what it should, but x4 has {means}. Train it longer, or help "
        "it: what could it start from?",
    )
    expect.that(
        score > bilinear,
        f"Through the ceiling, but x4 has {means}. Beat that formula, too.",
    )
    return f"x4 has {means}. You are through, with {size:,} parameters."


def _judge_x4(model: Any) -> tuple[float, float, float]:
    """Score x4 on the validation photos of the sample, antialiased recipe."""
    from srlib import data, training

    val = data.load_pairs(data.find_photos(data.sample_folder()), "val", "antialiased")
    target, lr = data.as_float(val.x4), data.as_float(val.lr)
    drawn = training.predict(model, lr, batch_size=8)["x4"]
    pictures = (drawn, metrics.upscale(lr, 4, "bilinear"))
    score, bilinear = (metrics.psnr(target, picture).mean() for picture in pictures)
    return float(score), float(bilinear), float(metrics.ceiling_psnr(target, 4).mean())

"""Exercises of chapter 3: Model 1, blocks, and the ceiling."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from srlib import data, metrics
from srlib.exercises import expect, networks
from srlib.exercises.engine import Chapter, NotYet

chapter = Chapter(3, "03-model-1-basic")
progress = chapter.progress


# --- 1 -----------------------------------------------------------------------------------


def _count(filters: int, *, biases: tuple[int, ...] = (1, 1, 1), heads: int = 2) -> int:
    first = (3 * 3 * 3 + biases[0]) * filters
    second = (3 * 3 * filters + biases[1]) * filters
    return first + second + heads * (filters + biases[2]) * 3


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
    some = [biases for biases in itertools.product([0, 1], repeat=3) if not all(biases)]
    slips = {
        "You count the kernels' weights. Each filter also has a constant, its bias, in all "
        "of the four convolutions.": (
            lambda n: expect.Either(_count(n, biases=biases) for biases in some)
        ),
        "That is the form with one output. Here both heads count, x2 and x4.": (
            lambda n: _count(n, heads=1)
        ),
        "That is without the heads, which are convolutions of 1x1.": (
            lambda n: _count(n, heads=0)
        ),
        "The second convolution has `filters` channels in, not 3.": (
            lambda n: 56 * n + 6 * (n + 1)
        ),
        "The first convolution has 3 channels in, the colours.": lambda n: expect.Either(
            _count(n) + 9 * n * (channels - 3) for channels in (n, 1)
        ),
        "The heads' kernels are 1x1, not 3x3.": lambda n: _count(n) + 2 * 8 * n * 3,
        "The heads have 3 filters each, one for each colour.": (
            lambda n: _count(n) - 2 * 2 * (n + 1)
        ),
        "It is right for one number of filters alone: use the argument.": (
            lambda n: expect.Either(map(_count, (32, 64)))
        ),
    }
    expect.agree_on(answer, _count, [(32,), (64,), (5,), (17,)], slips)
    return "Half the filters leave about a quarter: the second convolution is nearly all."


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


_SIZES = [(12, 8, 4), (6, 9, 3), (14, 21, 7), (10, 25, 5)]


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
    cases = [(np.arange(72.0).reshape(4, 6, 3), 2)]
    cases += [(rng.random((rows, columns, 3)), n) for rows, columns, n in _SIZES]
    pairs = [axes for axes in itertools.combinations(range(5), 2) if axes != (1, 3)]
    slips = {
        "That is how it was: pieces of rows are averaged, not blocks.": (
            lambda p, b: _cut(p, b, "rcbb").mean(axis=(2, 3))
        ),
        "The axes are in the right order now, but the mean is taken over others: which two "
        "run inside a block?": lambda p, b: expect.Either(
            [_cut(p, b).mean(axis=axes) for axes in pairs]
            + [_cut(p, b).mean(axis=axis) for axis in range(5)]
        ),
        "Your function takes the mean over the colours, too. Each colour has its own.": (
            lambda p, b: expect.Either(
                _cut(p, b).mean(axis=(1, 3, 4), keepdims=keep).reshape(shape)
                for keep, shape in [
                    (False, (len(p) // b, -1)),
                    (True, (len(p) // b, -1, 1)),
                ]
            )
        ),
        "The axes are not in the order in which the pixels lie in memory. A row of the "
        "picture is made of columns of blocks, and columns inside them.": (
            lambda p, b: expect.Either(
                _cut(p, b, order).mean(axis=axes)
                for order in ("rcbb", "brbc", "brcb", "bbrc", "rbbc")
                for axes in itertools.combinations(range(4), 2)
            )
        ),
        "Rows and columns of the result are exchanged.": (
            lambda p, b: metrics.block_means(p, b).swapaxes(0, 1)
        ),
        "Every block has the mean of the whole picture.": (
            lambda p, b: 0 * metrics.block_means(p, b) + p.mean(axis=(0, 1))
        ),
        "That draws the blocks large again. Return one pixel a block.": (
            lambda p, b: metrics.repeat_blocks(metrics.block_means(p, b), b)
        ),
        "That is the sum of each block. Divide by the number of its pixels.": (
            lambda p, b: expect.Either(metrics.block_means(p, b) * n for n in (b, b * b))
        ),
        "That is one pixel of each block, not the mean of all.": lambda p, b: expect.Either(
            p[row::b, column::b] for row in range(b) for column in range(b)
        ),
    }
    expect.agree_on(answer, metrics.block_means, cases, slips)
    return "The axes now stand in the order in which the pixels lie in memory."


def _cut(picture: np.ndarray, block: int, order: str = "rbcb") -> np.ndarray:
    """Reshape a picture to (r)ows and (c)olumns of (b)locks, in this order."""
    height, width, colours = picture.shape
    sides = {"r": height // block, "c": width // block, "b": block}
    return picture.reshape(*(sides[axis] for axis in order), colours)


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
    smooth = metrics.upscale(rng.random((6, 9, 3), np.float32), 4, "bicubic")
    cases = [
        (smooth, 4),
        (smooth, 2),
        (rng.random((14, 10, 3)), 2),
        (rng.random((6, 21, 3)), 3),
    ]

    def decibels(*errors: Callable) -> Callable:
        return lambda *c: expect.Either(-10 * np.log10(np.mean(e(*c))) for e in errors)

    means = metrics.block_means

    slips = {
        "You take the logarithm of each block and average then. Average the errors first: "
        "PSNR is made of the mean squared error.": (
            lambda t, b: expect.Either(
                np.mean(-10 * np.log10(_variances(t, b).mean(axis=axes)))
                for axes in [(), (2,), (0, 1)]
            )
        ),
        "That is the standard deviation. The squared error that remains is the variance.": (
            decibels(lambda t, b: np.sqrt(_variances(t, b)))
        ),
        "That is the variance of the whole picture. Only what varies in a block is lost.": (
            decibels(lambda t, b: np.var(t), lambda t, b: np.var(t, (0, 1)))
        ),
        "That is the variance of the block means, which a network can draw. What varies "
        "inside the blocks is lost.": decibels(
            lambda t, b: np.var(means(t, b)), lambda t, b: np.var(means(t, b), (0, 1))
        ),
        "That is the variance over the colours, too. Each colour of a block has its own "
        "mean.": decibels(lambda t, b: _cut(np.float64(t), b).var(axis=(1, 3, 4))),
        "That is the mean of the squares, or the square of the means. Take their "
        "difference.": decibels(
            lambda t, b: np.float64(t) ** 2, lambda t, b: means(np.float64(t), b) ** 2
        ),
        "You divide by one less than the number of pixels (`ddof=1`). The squared error is "
        "a mean: divide by all.": (
            lambda t, b: _ceiling(t, b) - 10 * np.log10(b * b / (b * b - 1))
        ),
        "Those are the variances of the blocks. Make one number of them.": (
            lambda t, b: expect.Either([_variances(t, b), _variances(t, b).mean(axis=2)])
        ),
        **expect.decibels(lambda t, b: _variances(t, b).mean()),
    }
    own = expect.locked(answer, metrics, "ceiling_psnr", "repeat_blocks")
    expect.agree_on(own, _ceiling, cases, slips, tolerance=2e-4)
    return "A ceiling can be read off the target alone, before any network exists."


def _variances(target: np.ndarray, block: int) -> np.ndarray:
    return _cut(np.asarray(target, np.float64), block).var(axis=(1, 3))


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
        measured = {"before": scores["x4"].mean(), "network": both, "val": val}
        measured["after"] = ____
        measured["conclusion"] = ____
    """,
    answer="measured",
    hints=(
        '`scores["x4"]` holds the PSNR of each photo before you train on, and the cell '
        "keeps their mean.",
        "`training.fit(both, train, val, epochs=3 * epochs, first_epoch=epochs, "
        "batch_size=budget.batch_size)` goes on where the chapter stopped.",
        "Then `training.score(training.predict(both, val.lr), val)` scores it again. Take "
        "the mean, and read your two numbers beside the baselines.",
    ),
    solution="""
        measured = {"before": scores["x4"].mean(), "network": both, "val": val}
        more = {"epochs": 3 * epochs, "first_epoch": epochs}
        training.fit(both, train, val, batch_size=budget.batch_size, **more)
        after = training.score(training.predict(both, val.lr), val)
        measured["after"] = after["x4"].mean()
        measured["conclusion"] = "b"
    """,
    because="""
        Three times the epochs bring some tenths of a decibel, most of them at once. What is
        left to the ceiling shrinks and does not go away, and bilinear interpolation stands
        just below that ceiling. No patience makes a network draw what it cannot draw.
    """,
    seconds=60,
)
def q5(answer: Any) -> str:
    """Model 1 trained three times as long."""
    from srlib import training

    found = expect.mapping(answer, ["before", "network", "val", "after", "conclusion"])
    model, val = networks.network(found["network"]), found["val"]
    before, value = (
        expect.number(found[k], f'the number "{k}"') for k in ("before", "after")
    )
    faults = {
        "`val` holds the validation pairs: keep it.": not isinstance(val, data.Pairs),
        "x4 of Model 1 draws blocks of 4x4, and yours does not: hand in `both`.": (
            networks.block_side(model, "x4") != 4
        ),
    }
    expect.no(faults)
    target, lr = data.as_float(val.x4), data.as_float(val.lr)
    drawn = training.predict(model, val.lr)
    psnr = training.score(drawn, val)
    after = psnr["x4"].mean()
    bilinear = metrics.psnr(target, metrics.upscale(lr, 4, "bilinear")).mean()
    ceiling = metrics.ceiling_psnr(target, 4).mean()
    slips = {
        "That is the score of x2. Take x4.": psnr["x2"].mean(),
        "That is the PSNR of all errors together. Take the mean of the photos' own.": (
            metrics.batch_psnr(target, drawn["x4"])
        ),
        "That is one photo's score. Take the mean of all.": expect.Either(psnr["x4"]),
        "That is bilinear interpolation. Score `both`.": bilinear,
        "That is the ceiling. Score `both`.": ceiling,
        "That is the score before you trained on. Score `both` again.": before,
    }
    same = (
        "The network scores as it did before. Train it on, and make `measured` before that."
    )
    expect.that(abs(after - before) > 0.003, same)
    wrong = (
        f"You write {value:.2f} dB after training, and the check measures something else "
        "with your network: by the mean PSNR of x4 on `val`, in dB."
    )
    expect.agree(value, after, slips, digits=2, wrong=wrong)
    expect.that(
        after > before - 0.3,
        "It has become clearly worse. Did you go on with `both`, with "
        "`first_epoch=epochs`, or start a new network?",
    )
    true = "a" if after >= bilinear else "b"
    told = f"Yours has {after:.2f} dB; bilinear {bilinear:.2f}, the ceiling {ceiling:.2f}"
    expect.conclusion(found["conclusion"], _CONCLUSIONS, true, told)
    gone = (after - before) / (ceiling - before)
    return (
        f"It went {gone:.0%} of the way to its ceiling, and {_CONCLUSIONS[true]}. One "
        "seed; the chapter's dots on VOC 2007 say the same."
    )


_MOST = 80_000
#: Least gains in dB: over bilinear interpolation, and by what was learned.
_MARGIN, _LEARNT = 0.1, 0.05


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
        the input is aliased: it holds samples, not means, and they tell much less of what
        lies between them (chapter 1). Even the best linear filter of chapter 2, which draws
        no blocks, stays below that ceiling, and so did this network in 20 epochs on the
        sample.
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
    score, bare, bilinear, ceiling = _judge_x4(model)
    means = f"{score:.2f} dB; the 4x4 ceiling has {ceiling:.2f}, bilinear {bilinear:.2f}"
    faults = {
        "It can draw what it should. Train it longer, or help it: what could it start "
        "from?": score <= ceiling,
        f"Without its weights it has {bare:.2f}: a formula does it alone. Train the "
        "network, so that it adds something.": score < bare + _LEARNT,
        f"Through the ceiling. Beat that formula, too, by {_MARGIN} dB or more.": (
            score < bilinear + _MARGIN
        ),
    }
    expect.no(faults, f"On tiles that no notebook holds, x4 has {means}. ")
    return f"x4 has {means}. You are through, with {size:,} parameters."


def _judge_x4(model: Any) -> tuple[float, float, float, float]:
    """Score x4: as it is, with all weights 0, and beside bilinear and the ceiling."""
    score = networks.score(model, "antialiased")
    with networks.other_weights(model, np.zeros):
        bare = networks.score(model, "antialiased")
    known = (networks.baseline(how, "antialiased") for how in ("bilinear", "4x4 ceiling"))
    return score, bare, *known

"""Exercises of chapter 7: Model 5, depth to space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srlib import metrics
from srlib.exercises import expect, networks
from srlib.exercises.engine import Chapter, NotYet

if TYPE_CHECKING:
    import keras

chapter = Chapter(7, "07-model-5-depth-to-space")
progress = chapter.progress


# --- 1 -----------------------------------------------------------------------------------

_NOW = 58_198
_FIRST, _SECOND = 84 * 64, 48 * 3  # weights more, behind each of the two boxes


@chapter.exercise(
    "Count",
    kind="predict",
    difficulty=1,
    minutes=10,
    stub="parameters = ____",
    answer="parameters",
    hints=(
        "Repeating keeps all channels, depth to space leaves a quarter of them. Which "
        "layers see that?",
        "The convolution after the first box sees 112 channels instead of 28, x4's head 64 "
        "instead of 16.",
        "A channel more costs a 1x1 convolution one weight for each of its filters. There "
        "are 64 in the first, 3 in the head. The biases stay.",
    ),
    solution="parameters = 58_198 + 84 * 64 + 48 * 3",
    because="""
        63,718, so 5,520 more. Neither box has a parameter of its own; the layers behind
        them have. After the first one a convolution of 64 filters sees 84 channels more,
        after the second one a head of 3 filters sees 48 more. What depth to space costs is
        paid before it: to hand on 28 channels, somebody has to make 112.
    """,
)
def q1(answer: Any) -> str:
    """Parameters of Model 5 with repeated pixels in place of depth to space."""
    slips = {
        "That is Model 5 as it is. The boxes have no parameters, but the layers behind "
        "them do: how many channels do they see?": _NOW,
        "That is how many are added. Add them to the 58,198.": _FIRST + _SECOND,
        "You have the convolution behind the first box. There is a second box.": (
            _NOW + _FIRST
        ),
        "You have x4's head. There is a box before x2, too.": _NOW + _SECOND,
        "It gets more, not fewer: a layer that sees more channels has more weights.": (
            _NOW - _FIRST - _SECOND
        ),
        "The biases do not change: each belongs to a filter, and no filter is new.": (
            _NOW + _FIRST + 84 + _SECOND + 48
        ),
        "The numbers of channels are right, but that is 3x3. These kernels are 1x1.": (
            _NOW + 9 * (_FIRST + _SECOND)
        ),
    }
    wrong = (
        "Not that many. Follow the channels: what leaves each box now, what would leave it "
        "then, and which layer is next?"
    )
    expect.whole(answer)
    expect.agree(answer, _NOW + _FIRST + _SECOND, slips, wrong=wrong, tolerance=1e-9)
    return "Repeating has no parameters, and makes the network larger: 5,520 more."


# --- 2 -----------------------------------------------------------------------------------

_BLOCKS = {"a": 1, "b": 2, "c": 2, "d": 1}
_REPLIES = {
    "a": "the four pixels come from four groups of channels, and may all differ",
    "b": "the four groups begin equal, so their pixels are equal, too. After the first "
    "step of training they need not be",
    "c": "depth to space makes single pixels, and the repetition makes 2x2 of each",
    "d": "the repetition makes four equal pixels. Depth to space makes four of each, which "
    "differ, so no 2x2 is even. (All four pixels become the *same* four, though. A head "
    "can be poor without drawing blocks)",
}
_NUDGES = {
    "a": "do the four pixels of a block come from the same channels?",
    "b": "ICNR starts the four groups with the same kernel. What are their pixels then?",
    "c": "what does the last operation that enlarges do?",
    "d": "are the pixels that depth to space makes of one pixel equal?",
}


@chapter.exercise(
    "Which blocks?",
    kind="predict",
    difficulty=1,
    minutes=10,
    stub='sides = {"a": ____, "b": ____, "c": ____, "d": ____}',
    answer="sides",
    hints=(
        "Ask of the last operation that enlarges: does it make equal pixels, or may they "
        "differ?",
        "Repeating makes equal pixels whatever came before. Depth to space does only if "
        "its four groups of channels are equal.",
    ),
    solution='sides = {"a": 1, "b": 2, "c": 2, "d": 1}',
    because="\n\n".join(
        [
            "What enlarges last decides.",
            "\n".join(f"- {letter}: {reply}." for letter, reply in _REPLIES.items()),
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
        if side == 4 and letter in "cd":
            raise NotYet(
                f"({letter}): together the two enlarge four times, but only one of them "
                "makes equal pixels."
            )
        expect.that(
            side == right, f"({letter}): not {side}. Think again: {_NUDGES[letter]}"
        )
    return "What enlarges last decides, and with depth to space also how it starts."


# --- 3 -----------------------------------------------------------------------------------


def _stamp(
    kernel: np.ndarray, *, turn: bool = True, swap: bool = False, torch: bool = False
) -> np.ndarray:
    side, _, inputs, filters = kernel.shape
    outputs = filters // 4
    parts = kernel.reshape(side, side, inputs, 2, 2, outputs)
    if torch:
        parts = np.moveaxis(kernel.reshape(side, side, inputs, outputs, 2, 2), 3, 5)
    stamp = np.zeros((2 * side, 2 * side, outputs, inputs))
    for u, v, r, s in np.ndindex(side, side, 2, 2):
        down, right = (side - 1 - u, side - 1 - v) if turn else (u, v)
        row, column = (s, r) if swap else (r, s)
        stamp[row + 2 * down, column + 2 * right] = parts[u, v, :, r, s].T
    return stamp


@chapter.exercise(
    "A stamp of 6x6",
    kind="function",
    difficulty=2,
    minutes=30,
    stub="""
        def make_stamp(kernel):
            stamp = np.zeros((6, 6, kernel.shape[3] // 4, kernel.shape[2]))
            return ____
    """,
    answer="make_stamp",
    hints=(
        "Name the axes: `parts = kernel.reshape(3, 3, inputs, 2, 2, outputs)` is row and "
        "column in the kernel, channel in, row and column in the block, channel out.",
        "Each number of `kernel` goes to one place of the stamp. Which row of the stamp "
        "holds the weight with which a pixel reaches row `r` of the block two rows further "
        "down? A transposed convolution turns the kernel round.",
        "`stamp[r + 2 * (2 - u), s + 2 * (2 - v)] = parts[u, v, :, r, s].T`, for `u` and "
        "`v` from 0 to 2, `r` and `s` from 0 to 1.",
    ),
    solution="""
        def make_stamp(kernel):
            stamp = np.zeros((6, 6, kernel.shape[3] // 4, kernel.shape[2]))
            parts = kernel.reshape(3, 3, kernel.shape[2], 2, 2, -1)
            for u, v, r, s in np.ndindex(3, 3, 2, 2):
                stamp[r + 2 * (2 - u), s + 2 * (2 - v)] = parts[u, v, :, r, s].T
            return stamp
    """,
    because="""
        The convolution asks, for each new pixel, which old pixels it looks at; the stamp
        says, for each old pixel, what it adds to which new ones. It is the same table of
        weights, read the other way. An old pixel that stands above a new one prints it with
        the lower part of its stamp: hence the turn. The stamps of 6x6 are 2 pixels apart,
        so each new pixel is printed by 3x3 of them, as many old pixels as the kernel sees.
    """,
)
def q3(answer: Any) -> str:
    """Turn a 3x3 convolution with depth to space into one transposed convolution."""
    rng = np.random.default_rng(7)
    cases = [(rng.normal(size=(3, 3, a, 4 * b)),) for a, b in ((6, 3), (2, 2), (5, 1))]
    slips = {
        "Nothing is in the stamp yet.": lambda kernel: 0 * _stamp(kernel),
        "Right but for the turn: a pixel above the new one prints it with the lower part "
        "of its stamp.": lambda kernel: _stamp(kernel, turn=False),
        "Rows and columns inside the block are exchanged.": (
            lambda kernel: _stamp(kernel, swap=True)
        ),
        "That is PyTorch's order of channels: all four pixels of the first colour come "
        "first. Here the first pixel's colours do.": (
            lambda kernel: _stamp(kernel, torch=True)
        ),
        "The last two axes are exchanged: a stamp has channels out before channels in.": (
            lambda kernel: _stamp(kernel).swapaxes(2, 3)
        ),
        "You return the weights of a block side by side. Stamps of neighbours are 2 pixels "
        "apart: the weights for one neighbour lie 2x2 together, those for the next beside "
        "them.": (
            lambda kernel: (
                kernel[::-1, ::-1]
                .reshape(3, 3, kernel.shape[2], 2, 2, -1)
                .transpose(3, 0, 4, 1, 5, 2)
                .reshape(6, 6, -1, kernel.shape[2])
            )
        ),
    }
    expect.agree_on(answer, _stamp, cases, slips, tolerance=1e-5)
    return "The same weights, read the other way: from the old pixel to the new ones."


# --- 4 -----------------------------------------------------------------------------------


@chapter.exercise(
    "Stamps that overlap",
    kind="bug",
    difficulty=2,
    minutes=15,
    stub="""
        def enlarge(filters):
            settings = {"strides": 2, "padding": "same"}
            return keras.layers.Conv2DTranspose(filters, 3, **settings)
    """,
    answer="enlarge",
    hints=(
        "Set all weights of the layer to 1 and give it a grey picture. Then each new pixel "
        "shows how many stamps have printed on it.",
        "Draw it in one row: stamps 3 wide, 2 apart. Some pixels lie under one stamp, some "
        "under two. In two directions it is 1, 2, 2 and 4.",
        "How wide must stamps be that are 2 apart, so that every pixel lies under equally "
        "many?",
    ),
    solution="""
        def enlarge(filters):
            settings = {"strides": 2, "padding": "same"}
            return keras.layers.Conv2DTranspose(filters, 4, **settings)
    """,
    because="""
        Stamps 3 wide and 2 apart overlap on every second pixel. So in two directions pixels
        are printed 1, 2, 2 or 4 times, and even with equal weights there is a checkerboard.
        No start repairs that, ICNR neither: training has to undo it. The side of the stamp
        has to be a multiple of the stride, 2, 4 or 6. Then the overlap is even, and only
        the random start is left to weave, as in this chapter.
    """,
    seconds=20,
)
def q4(answer: Any) -> str:
    """Layer whose stamps overlap unevenly."""
    import keras

    layer = expect.call(answer, 3)
    if not isinstance(layer, keras.layers.Layer):
        raise NotYet(
            f"Expected your function to return a layer, found {expect.kind_of(layer)}."
        )
    grey = np.ones((1, 12, 12, 3), np.float32)
    shape = np.shape(layer(grey))
    expect.that(
        shape == (1, 24, 24, 3),
        "A picture of 12x12 pixels has to become one of 24x24, in as many channels as are "
        f"asked for, here 3. Your layer turns `(1, 12, 12, 3)` into `{tuple(shape)}`.",
    )
    own = layer.get_weights()
    expect.that(bool(own), "Your layer has no weights: it enlarges, and learns nothing.")
    layer.set_weights([np.full_like(w, w.ndim > 1) for w in own])
    block = np.asarray(layer(grey))[0, 10:12, 10:12, 0].ravel()
    times = block / block.min() if block.min() > 0 else block
    told = ", ".join(f"{t:.3g}" for t in sorted(times))
    expect.that(
        np.ptp(times) < 1e-3,
        "With all weights equal and an even grey picture, the four pixels of a block still "
        f"differ: as {told}. How many stamps lie over each of them?",
    )
    return "With equal weights an even picture stays even: the stamps overlap evenly."


# --- 5 -----------------------------------------------------------------------------------


def _from_pytorch(weights: np.ndarray) -> np.ndarray:
    outputs, inputs, height, width = weights.shape
    groups = weights.reshape(outputs // 4, 4, inputs, height, width)
    return groups.swapaxes(0, 1).reshape(weights.shape).transpose(2, 3, 1, 0)


@chapter.exercise(
    "Weights from PyTorch",
    kind="bug",
    difficulty=2,
    minutes=20,
    stub="""
        def from_pytorch(weights):
            kernel = weights.transpose(2, 3, 1, 0)
            return kernel
    """,
    answer="from_pytorch",
    hints=(
        "The four axes are right, and so are the shapes. What else did this chapter say is "
        "different in PyTorch?",
        "`PixelShuffle` counts all four pixels of red first, then those of green. With 12 "
        "channels: which of PyTorch's is the green of the upper left pixel, and which has "
        "to be here?",
        "In PyTorch the last axis is made of (colour, pixel), here it has to be (pixel, "
        "colour): reshape it to `(-1, 4)`, swap the two, reshape back.",
    ),
    solution="""
        def from_pytorch(weights):
            kernel = weights.transpose(2, 3, 1, 0)
            groups = kernel.reshape(*kernel.shape[:3], -1, 4)
            return groups.swapaxes(3, 4).reshape(kernel.shape)
    """,
    because="""
        PyTorch keeps its kernels as (filters, channels in, height, width), which the
        colleague had seen to. But `PixelShuffle` takes filter 0 to 3 for the four pixels of
        red, where depth to space takes filter 0 to 2 for the three colours of the first
        pixel. Copied as they are, the numbers fit and the colours land in the wrong places.
        With one colour (a network for brightness alone) the two orders are the same, so
        the mistake may sleep for years.
    """,
)
def q5(answer: Any) -> str:
    """Kernel for PixelShuffle, in the order of depth to space."""
    rng = np.random.default_rng(75)
    shapes = [(12, 2, 3, 3), (8, 3, 1, 5), (20, 4, 3, 3)]
    cases = [(rng.normal(size=shape),) for shape in shapes]
    slips = {
        "That is how it was: the axes are right, the order of the filters is PyTorch's.": (
            lambda weights: weights.transpose(2, 3, 1, 0)
        ),
        "You reorder the filters, but the wrong way round: in PyTorch the pixel counts "
        "fastest, (colour, pixel).": lambda weights: (
            weights.reshape(4, len(weights) // 4, *weights.shape[1:])
            .swapaxes(0, 1)
            .reshape(weights.shape)
            .transpose(2, 3, 1, 0)
        ),
        "The filters are in order, but you turn the kernel round. Neither library does "
        "for a plain convolution.": lambda weights: _from_pytorch(weights)[::-1, ::-1],
        "Height and width are exchanged now.": (
            lambda weights: _from_pytorch(weights).swapaxes(0, 1)
        ),
        "The filters are in order, but the axes are PyTorch's again: Keras wants (height, "
        "width, channels in, filters).": lambda weights: _from_pytorch(weights).transpose(
            3, 2, 0, 1
        ),
    }
    expect.agree_on(answer, _from_pytorch, cases, slips)
    return "Filter by filter in the layer's own order: first all colours of one pixel."


# --- 6 -----------------------------------------------------------------------------------

_NEIGHBOURS = {
    "a": "the neighbours gain nothing either, so no head can tell what is inside a block",
    "b": "the neighbours pass the ceiling, so Model 5's x4 would, too, if trained longer",
    "c": "the neighbours pass the ceiling, so a head that sees them could, too",
}


@chapter.exercise(
    "Ask the neighbours",
    kind="measure",
    difficulty=2,
    minutes=25,
    stub="""
        measured = {"colour alone": won.mean()}
        measured["with neighbours"] = ____
        measured["conclusion"] = ____
    """,
    answer="measured",
    hints=(
        "`np.roll(colours[..., :3], 1, axis=1)` is the picture moved down by one pixel, so "
        "that each place holds the colour of the one above it. There are four such moves.",
        "`np.concatenate([colours, *moved], axis=-1)` has 4 + 4 x 3 = 16 numbers a place. "
        "Fit on `some`, with `.reshape(-1, 16)`, as the chapter does with 4.",
        "Then move `val` in the same way, multiply by the new `painter`, and subtract "
        "`metrics.ceiling_psnr(target, 2)` from the PSNR.",
    ),
    solution="""
        def with_neighbours(colours):
            steps = [(axis, step) for axis in (1, 2) for step in (-1, 1)]
            moved = [np.roll(colours[..., :3], step, axis) for axis, step in steps]
            return np.concatenate([colours, *moved], axis=-1)


        measured = {"colour alone": won.mean()}
        _, colours, blocks = colours_and_blocks(some)
        views = with_neighbours(colours).reshape(-1, 16)
        painter = np.linalg.solve(views.T @ views, views.T @ blocks.reshape(-1, 12))
        target, colours, _ = colours_and_blocks(val)
        painted = tf.nn.depth_to_space(with_neighbours(colours) @ painter, 2)
        gained = metrics.psnr(target, painted.numpy()) - metrics.ceiling_psnr(target, 2)
        measured["with neighbours"] = gained.mean()
        measured["conclusion"] = "c"
    """,
    because="""
        A neighbour tells on which side a block gets brighter. A linear map that sees four
        of them passes the ceiling of 2x2 blocks, where the colour alone gained nothing.
        Model 5's x4 has everything that it needs to draw this, and is not told it: behind
        the x2 picture all its kernels are 1x1. One kernel of 3x3 there would let it see.
        (This map had the best x2 picture, made from the target. A trained network has a
        worse one.)
    """,
)
def q6(answer: Any) -> str:
    """Blocks painted from a colour and its neighbours, by least squares."""
    numbers = ("colour alone", "with neighbours")
    found = expect.mapping(answer, [*numbers, "conclusion"])
    alone, seen = (expect.number(found[name], f'"{name}"') for name in numbers)
    for value in (alone, seen):
        expect.that(
            value < 12,
            f"{value:.2f} looks like a PSNR. Write down what is won: how many dB more than "
            "the 2x2 ceiling, in the mean over the photos.",
        )
    letter = found["conclusion"]
    if not isinstance(letter, str) or letter not in _NEIGHBOURS:
        raise NotYet('The conclusion is one of the letters `"a"`, `"b"`, `"c"`, in quotes.')
    expect.that(
        abs(seen - alone) > 1e-6,
        "With neighbours it is the same as without, to every digit. Does the new map see "
        "16 numbers a place, and do you paint with it?",
    )
    expect.that(
        seen > alone - 0.05,
        f"With neighbours it is worse: {seen:.2f} dB. A map that sees more can always "
        "leave it aside. Are training and validation photos moved in the same order?",
    )
    numbers_told = f"{alone:+.2f} dB alone, {seen:+.2f} dB with neighbours"
    passes = seen > 0.05
    expect.that(
        letter != "b",
        f"You have {numbers_told}. The second is the gain of *seeing* neighbours. Which "
        "kernel behind Model 5's x2 picture sees any? Training does not give it one.",
    )
    true = "c" if passes else "a"
    expect.that(
        letter == true,
        f"You say that {_NEIGHBOURS[letter]}. You have {numbers_told}, counted from the "
        "2x2 ceiling: that does not follow.",
    )
    return f"{numbers_told}: {_NEIGHBOURS[true]}."


# --- 7 -----------------------------------------------------------------------------------

_MOST = 20_000


@chapter.exercise(
    "Small, and without a pattern",
    kind="model",
    difficulty=3,
    minutes=40,
    stub="""
        def small():
            return ____


        pairs = [data.load_pairs(photos, p, "antialiased") for p in ("train", "val")]
        model = small()
        handed_in = {"build": small, "trained": model}
    """,
    answer="handed_in",
    hints=(
        "Compute at the small size, where a convolution costs a quarter, and enlarge last: "
        "`models.depth_to_space` of 12 channels. Two or three 3x3 convolutions fit into "
        "20,000 parameters.",
        "The pattern comes from four groups of channels that begin differently. Let them "
        "begin equal: `models.conv(..., start=ICNR)`, or `start=keras.initializers.Zeros`.",
        "A network that has to paint from nothing takes long to reach bilinear. Let it "
        "begin there: `keras.layers.Add` adds what depth to space makes to "
        '`keras.layers.UpSampling2D(2, interpolation="bilinear")(lr)`. The last '
        "convolution needs `activation=None` for that.",
    ),
    solution="""
        def small():
            x = lr = models.photo_input()
            for filters in (32, 24):
                x = models.conv(x, filters, 3)
            x = models.conv(x, 12, 3, activation=None, start=ICNR)
            up = keras.layers.UpSampling2D(2, interpolation="bilinear")(lr)
            x2 = keras.layers.Add(name="x2")([models.depth_to_space(x), up])
            return keras.Model(lr, {"x2": x2})


        pairs = [data.load_pairs(photos, p, "antialiased") for p in ("train", "val")]
        keras.utils.set_random_seed(0)
        model = small()
        training.fit(model, *pairs, epochs=8, batch_size=4)
        handed_in = {"build": small, "trained": model}
    """,
    because="""
        All convolutions work at the small size. The last one begins with four equal groups
        (ICNR, or all at 0), so that the fresh network leaves an even picture even. It adds
        to bilinear interpolation, so that all it has to learn is a correction. Without that
        it gets there, too, only later.

        The antialiased recipe was chosen because there is something to learn there. With
        the article's recipe the best linear filter is no better than bilinear at x2, as
        this chapter's table shows: much of what is missing is aliasing, which nobody can
        guess.
    """,
    seconds=90,
)
def q7(answer: Any) -> str:
    """Make a small x2 network by depth to space that beats bilinear and starts even."""
    from srlib import models

    found = expect.mapping(answer, ["build", "trained"])
    model = networks.network(found["trained"], heads=["x2"])
    size = model.count_params()
    expect.that(
        size <= _MOST,
        f"Your network has {size:,} parameters; {_MOST:,} are allowed.",
    )
    expect.that(
        any(isinstance(layer, models.DepthToSpace) for layer in model.layers),
        "Enlarge by depth to space: there is no `models.depth_to_space` in your network.",
    )
    expect.that(
        networks.block_side(model, "x2") == 1,
        "On random weights x2 is made of blocks. What comes after depth to space?",
    )
    fresh = networks.built(found["build"], heads=["x2"])
    expect.that(
        fresh.count_params() == size,
        f'What "build" makes has {fresh.count_params():,} parameters, what you trained has '
        f"{size:,}. Train what your function builds.",
    )
    pattern = _pattern(fresh)
    expect.that(
        pattern < 0.01,
        f"Fresh, your network turns an even grey picture into a pattern: the four kinds of "
        f"pixels are up to {pattern:.1f} of 255 apart. How do the four groups of channels "
        "begin?",
    )
    score, bilinear = _judge_x2(model)
    told = f"{score:.2f} dB; bilinear has {bilinear:.2f}"
    expect.that(
        score > bilinear,
        f"It begins without a pattern, but x2 has {told}. Train it longer, or help it: "
        "what could it start from?",
    )
    return f"x2 has {told}. It took {size:,} parameters, and no pattern at the start."


def _pattern(model: keras.Model) -> float:
    """Measure how far the pixels of a block are apart on even grey, in 255ths."""
    grey = np.full((1, 48, 48, 3), 0.5, np.float32)
    block = np.asarray(model.predict_on_batch(grey)["x2"])[0, 48:50, 48:50]
    return float(255 * np.ptp(block, axis=(0, 1)).max())


def _judge_x2(model: keras.Model) -> tuple[float, float]:
    """Score x2 on the validation photos of the sample, antialiased recipe."""
    from srlib import data, training

    val = data.load_pairs(data.find_photos(data.sample_folder()), "val", "antialiased")
    target, lr = data.as_float(val.x2), data.as_float(val.lr)
    drawn = training.predict(model, lr, batch_size=8)["x2"]
    pictures = (drawn, metrics.upscale(lr, 2, "bilinear"))
    score, bilinear = (float(metrics.psnr(target, p).mean()) for p in pictures)
    return score, bilinear

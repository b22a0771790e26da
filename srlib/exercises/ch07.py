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
    first, second = _FIRST, _SECOND
    slips = {
        "That is Model 5 as it is. The boxes have no parameters, but the layers behind "
        "them do: how many channels do they see?": 0,
        "That is how many are added. Add them to the 58,198.": first + second - _NOW,
        "You have the convolution behind the first box. There is a second box.": first,
        "You have x4's head. There is a box before x2, too.": second,
        "It gets more, not fewer: layers that see more have more weights.": -first - second,
        "The biases do not change: no filter is new.": first + 84 + second + 48,
        "That is for 3x3. These kernels are 1x1.": 9 * (first + second),
        "Those are all channels that come then, not the new ones.": 112 * 64 + 64 * 3,
        "Frozen weights count, too: start from 58,198.": first + second - 2_112,
    }
    wrong = (
        "Not that many. Follow the channels: what leaves each box now, what would leave it "
        "then, and which layer is next?"
    )
    found = expect.whole(answer) - _NOW
    expect.agree(found, first + second, slips, wrong=wrong, tolerance=1e-9)
    return "Repeating has no parameters, and makes the network larger: 5,520 more."


# --- 2 -----------------------------------------------------------------------------------

_BLOCKS = {"a": 1, "b": 2, "c": 2, "d": 1}
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
    because="""
        What enlarges last decides.

        - a: the four pixels come from four groups of channels, and may all differ.
        - b: the four groups begin equal, so their pixels are equal, too. After the first
          step of training they need not be.
        - c: depth to space makes single pixels, and the repetition makes 2x2 of each.
        - d: the repetition makes four equal pixels. Depth to space makes four of each,
          which differ, so no 2x2 is even. (All four pixels become the *same* four, though.
          A head can be poor without drawing blocks.)
    """,
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


def _parts(kernel: np.ndarray) -> np.ndarray:
    """Name the axes: in the kernel, channel in, in the block, channel out."""
    return kernel.reshape(*kernel.shape[:3], 2, 2, -1)


def _stamp(kernel: np.ndarray) -> np.ndarray:
    side, _, inputs, _ = kernel.shape
    laid = _parts(kernel[::-1, ::-1]).transpose(0, 3, 1, 4, 5, 2)
    return laid.reshape(2 * side, 2 * side, -1, inputs)


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
        "Nothing is in the stamp yet.": lambda k: 0 * _stamp(k),
        "Right but for the turn: a pixel above the new one prints it with the lower part "
        "of its stamp.": lambda k: _stamp(k[::-1, ::-1]),
        "You turn the rows only.": lambda k: _stamp(k[:, ::-1]),
        "You turn the columns only.": lambda k: _stamp(k[::-1]),
        "You turn the blocks of 2x2, too.": lambda k: _stamp(k[::-1, ::-1])[::-1, ::-1],
        "Rows and columns are exchanged.": lambda k: _stamp(k).swapaxes(0, 1),
        "Rows and columns inside the block are exchanged.": (
            lambda k: _stamp(_parts(k).swapaxes(3, 4).reshape(k.shape))
        ),
        "That is PyTorch's order of channels: all four pixels of the first colour come "
        "first. Here the first pixel's colours do.": (
            lambda k: _stamp(_from_pytorch(k.transpose(3, 2, 0, 1)))
        ),
        "The last two axes are exchanged: a stamp has channels out before channels in.": (
            lambda k: _stamp(k).swapaxes(2, 3)
        ),
        "`reshape` alone leaves the numbers in their order. Each has its place.": (
            lambda k: k.reshape(_stamp(k).shape)
        ),
        "You return the weights of a block side by side. Stamps of neighbours are 2 pixels "
        "apart: the weights for one neighbour lie 2x2 together, those for the next beside "
        "them.": lambda k: (
            _parts(k[::-1, ::-1]).transpose(3, 0, 4, 1, 5, 2).reshape(_stamp(k).shape)
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

    if isinstance(answer, keras.layers.Layer):
        raise NotYet("Hand in the function that makes the layer, not the layer.")
    layer = expect.call(answer, 5)
    if not isinstance(layer, keras.layers.Layer):
        raise NotYet(
            f"Expected your function to return a layer, found {expect.kind_of(layer)}."
        )
    grey = np.ones((1, 12, 12, 3), np.float32)
    shape = np.shape(layer(grey))
    expect.that(
        shape[1:3] == (24, 24),
        "A picture of 12x12 pixels has to become one of 24x24. Your layer turns `(1, 12, "
        f"12, 3)` into `{tuple(shape)}`: what do the stride and the padding do?",
    )
    own = layer.get_weights()
    expect.that(bool(own), "Your layer has no weights: it enlarges, and learns nothing.")
    expect.that(
        shape == (1, 24, 24, 5),
        f"Your layer makes {shape[-1]} channels where `filters` is 5: make as many as are "
        "asked for.",
    )
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
    order = np.arange(len(weights)).reshape(-1, 4).T.ravel()
    return weights[order].transpose(2, 3, 1, 0)


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
            lambda w: w.transpose(2, 3, 1, 0)
        ),
        "You reorder the filters, but the wrong way round: in PyTorch the pixel counts "
        "fastest, (colour, pixel).": (
            lambda w: w[np.arange(len(w)).reshape(4, -1).T.ravel()].transpose(2, 3, 1, 0)
        ),
        "The filters are in order, but you turn the kernel round. Neither library does "
        "for a plain convolution.": lambda w: _from_pytorch(w)[::-1, ::-1],
        "The filters come last to first now.": lambda w: _from_pytorch(w)[..., ::-1],
        "Height and width are exchanged now.": lambda w: _from_pytorch(w).swapaxes(0, 1),
        "Channels in and out are exchanged.": lambda w: _from_pytorch(w).swapaxes(2, 3),
        "The filters are in order, but the axes are PyTorch's again: Keras wants (height, "
        "width, channels in, filters).": lambda w: _from_pytorch(w).transpose(3, 2, 0, 1),
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
        def look(colours):
            return ____


        measured = {"look": look, "fitted on": some, "scored on": val}
        measured |= {"won": ____, "conclusion": ____}
    """,
    answer="measured",
    hints=(
        "`np.roll(colours[..., :3], 1, axis=1)` is the picture moved down by one pixel, so "
        "that each place holds the colour of the one above it. There are four such moves.",
        "`np.concatenate([colours, *moved], axis=-1)` has 4 + 4 x 3 = 16 numbers a place. "
        "Return that, and fit with `.reshape(-1, 16)`, as the chapter does with 4.",
        "Then let `look` see the colours of `val`, multiply by the new `painter`, and "
        "subtract `metrics.ceiling_psnr(target, 2)` from the PSNR.",
    ),
    solution="""
        def look(colours):
            steps = [(axis, step) for axis in (1, 2) for step in (-1, 1)]
            moved = [np.roll(colours[..., :3], step, axis) for axis, step in steps]
            return np.concatenate([colours, *moved], axis=-1)


        measured = {"look": look, "fitted on": some, "scored on": val}
        _, colours, blocks = colours_and_blocks(some)
        views = look(colours).reshape(-1, 16)
        painter = np.linalg.solve(views.T @ views, views.T @ blocks.reshape(-1, 12))
        target, colours, _ = colours_and_blocks(val)
        painted = tf.nn.depth_to_space(look(colours) @ painter, 2)
        won = metrics.psnr(target, painted.numpy()) - metrics.ceiling_psnr(target, 2)
        measured |= {"won": won.mean(), "conclusion": "c"}
    """,
    because="""
        A neighbour tells on which side a block gets brighter. A linear map that sees four
        of them passes the ceiling of 2x2 blocks, where the colour alone gained nothing.
        Model 5's x4 has everything that it needs to draw this, and is not told it: behind
        the x2 picture all its kernels are 1x1. One kernel of 3x3 there would let it see.
        (This map had the best x2 picture, made from the target. A trained network has a
        worse one.)
    """,
    seconds=90,
)
def q6(answer: Any) -> str:
    """Blocks painted from a colour and its neighbours, by least squares."""
    from srlib import data

    found = expect.mapping(answer, ["look", "fitted on", "scored on", "won", "conclusion"])
    look, train, val = found["look"], found["fitted on"], found["scored on"]
    for pairs in (train, val):
        if not isinstance(pairs, data.Pairs):
            raise NotYet(f"Expected pairs like `val`, found {expect.kind_of(pairs)}.")
    expect.that(
        not any(np.array_equal(val.x4[0], photo) for photo in train.x4),
        "You score photos that the map was fitted on. Fit on `some`, score on `val`.",
    )
    colours = np.random.default_rng(76).random((2, 5, 6, 4))
    seen = expect.array(expect.call(look, colours), what="what `look` returns")
    expect.that(
        seen.shape == (2, 5, 6, 16),
        f"`look` turns `(2, 5, 6, 4)` into `{seen.shape}`. Put the 4 + 4 x 3 numbers of "
        "each place side by side, on the last axis.",
    )
    inside = (slice(None), slice(1, -1), slice(1, -1))  # at the border there is a choice
    expect.that(
        np.allclose(np.sort(seen[inside]), np.sort(_four(colours)[inside]), atol=1e-6),
        "`look` does not return, for each place, its own four numbers and the colours "
        "above, below, left and right of it. Which pixels do you take?",
    )
    won = _won(look, train, val)
    alone = _won(lambda colours: colours, train, val)
    ceiling = metrics.ceiling_psnr(data.as_float(val.x4), 2).mean()
    slips = {
        "That is what the colour alone wins. Use what `look` returns.": {"won": alone},
        "That is a PSNR. Subtract the 2x2 ceiling of each photo.": {"won": won + ceiling},
        "That is what it wins on the photos that it was fitted on. Score it on `val`.": {
            "won": _won(look, train, train)
        },
    }
    expect.measured(found, {"won": won}, within=0.006, slips=slips)
    told = f"{alone:+.2f} dB from the colour alone, {won:+.2f} dB with neighbours"
    letter = expect.choose(found["conclusion"], _NEIGHBOURS, "the conclusion")
    expect.that(
        letter != "b",
        f"It is {told}. The second is the gain of *seeing* neighbours. Which kernel behind "
        "Model 5's x2 picture sees any? Training does not give it one.",
    )
    true = "c" if won > 0.05 else "a"
    expect.conclusion(letter, _NEIGHBOURS, true, f"It is {told}")
    return f"{told}: {_NEIGHBOURS[true]}."


def _four(colours: np.ndarray) -> np.ndarray:
    """Put beside each colour those of its four neighbours."""
    steps = [(axis, step) for axis in (1, 2) for step in (-1, 1)]
    moved = [np.roll(colours[..., :3], step, axis) for axis, step in steps]
    return np.concatenate([colours, *moved], axis=-1)


def _won(look: Any, train: Any, val: Any) -> float:
    """Fit blocks to what is seen; measure the mean gain over the 2x2 ceiling, in dB."""
    _, views, blocks = _views(look, train)
    # Not unique if something is seen twice.
    painter = np.linalg.lstsq(views.T @ views, views.T @ blocks, rcond=1e-12)[0]
    x4, views, _ = _views(look, val)
    photos, side, _, _ = x4.shape
    painted = (views @ painter).reshape(photos, side // 2, side // 2, 2, 2, 3)
    painted = painted.swapaxes(2, 3).reshape(x4.shape)
    return float((metrics.psnr(x4, painted) - metrics.ceiling_psnr(x4, 2)).mean())


def _views(look: Any, pairs: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x4, what is seen of each place, and the 12 numbers of its block."""
    from srlib import data

    x4 = data.as_float(pairs.x4)
    colours = np.float64(metrics.block_means(x4, 2))
    seen = np.asarray(look(np.pad(colours, [(0, 0)] * 3 + [(0, 1)], constant_values=1)))
    blocks = x4.reshape(len(x4), colours.shape[1], 2, -1, 2, 3).swapaxes(2, 3)
    return x4, seen.reshape(-1, seen.shape[-1]), np.float64(blocks.reshape(-1, 12))


# --- 7 -----------------------------------------------------------------------------------

_MOST = 20_000
#: How far above bilinear, in dB: more than sharpening gains, or a start at bilinear itself.
_LEAST = 0.1


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
    found = expect.mapping(answer, ["build", "trained"])
    model = networks.network(found["trained"], heads=["x2"])
    size = model.count_params()
    expect.that(
        size <= _MOST,
        f"Your network has {size:,} parameters; {_MOST:,} are allowed.",
    )
    parts = getattr(model, "operations", ())  # a subclass has none
    expect.that(
        not parts or any(map(_may_shuffle, parts)),
        "Enlarge by depth to space: there is no `models.depth_to_space` in your network.",
    )
    expect.that(
        networks.block_side(model, "x2") == 1,
        "On random weights x2 is made of blocks. What comes after depth to space?",
    )
    fresh = networks.built(found["build"], heads=["x2"])
    shapes = [[weight.shape for weight in one.weights] for one in (fresh, model)]
    expect.that(
        shapes[0] == shapes[1],
        f'What "build" makes ({fresh.count_params():,} parameters) has other layers than '
        f"what you trained ({size:,}). Train what your function builds.",
    )
    pattern = _pattern(fresh)
    expect.that(
        pattern < 0.01,
        f"Fresh, your network turns an even grey picture into a pattern: the four kinds of "
        f"pixels are up to {pattern:.1f} of 255 apart. How do the four groups of channels "
        "begin?",
    )
    score = networks.score(model, "antialiased", "x2")
    bilinear = networks.baseline("bilinear", "antialiased", "x2")
    told = f"{score:.2f} dB on other photos; bilinear has {bilinear:.2f} there"
    expect.that(
        score > bilinear + _LEAST,
        f"It begins without a pattern, but x2 has {told}. Expected {_LEAST} dB more. Train "
        "it longer, or help it: what could it start from?",
    )
    return f"x2 has {told}. It took {size:,} parameters, and no pattern at the start."


def _may_shuffle(part: Any) -> bool:
    """Tell whether a part of a network may be depth to space, however it is written."""
    kind = type(part)
    return kind.__name__ in ("Lambda", "Reshape") or not kind.__module__.startswith("keras")


def _pattern(model: keras.Model) -> float:
    """Measure how far the pixels of a block are apart on even grey, in 255ths."""
    grey = np.full((1, 48, 48, 3), 0.5, np.float32)
    block = np.asarray(model.predict_on_batch(grey)["x2"])[0, 48:50, 48:50]
    return float(255 * np.ptp(block, axis=(0, 1)).max())

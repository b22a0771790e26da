"""Wrong answers to the exercises of chapter 7."""

import keras  # here, not in a function: that takes longer than a check may
import numpy as np
import tensorflow as tf

from exercise_answers import Wrong
from srlib import data, metrics, models, training
from srlib.exercises import ch07

#: Their solutions train a network: executed with the whole chapter only.
SLOW = {"q7"}


def names():
    """Return what the chapter has defined where its exercises begin."""
    photos = data.find_photos(data.sample_folder())
    train, val = (data.load_pairs(photos, part, "article") for part in ("train", "val"))
    return {
        "np": np,
        "keras": keras,
        "tf": tf,
        "data": data,
        "metrics": metrics,
        "models": models,
        "training": training,
        "photos": photos,
        "some": train[:12],
        "val": val[:8],
        "colours_and_blocks": colours_and_blocks,
    }


def colours_and_blocks(pairs):
    target = data.as_float(pairs.x4)
    blocks = tf.nn.space_to_depth(target, 2).numpy()
    colours = metrics.block_means(target, 2)
    with_one = np.concatenate([colours, np.ones_like(colours[..., :1])], -1)
    return target, with_one.astype(np.float64), blocks.astype(np.float64)


# --- q3 ---


def stamped(kernel, turn=True, exchanged=False, torch=False):
    outputs = kernel.shape[3] // 4
    parts = kernel.reshape(3, 3, -1, 2, 2, outputs)
    if torch:
        parts = kernel.reshape(3, 3, -1, outputs, 2, 2).transpose(0, 1, 2, 4, 5, 3)
    stamp = np.zeros((6, 6, outputs, kernel.shape[2]))
    for u, v, r, s in np.ndindex(3, 3, 2, 2):
        row, column = (2 - u, 2 - v) if turn else (u, v)
        below, beside = (s, r) if exchanged else (r, s)
        stamp[below + 2 * row, beside + 2 * column] = parts[u, v, :, r, s].T
    return stamp


def side_by_side(kernel):
    turned = kernel[::-1, ::-1].reshape(3, 3, kernel.shape[2], 2, 2, -1)
    return turned.transpose(3, 0, 4, 1, 5, 2).reshape(6, 6, -1, kernel.shape[2])


# --- q4 ---


def stamps(side, strides=2, padding="same", **settings):
    return lambda filters: keras.layers.Conv2DTranspose(
        filters, side, strides=strides, padding=padding, **settings
    )


# --- q5 ---


def only_rewritten(weights):
    return np.moveaxis(weights, (0, 1), (3, 2))


def ported(weights):
    groups = weights.reshape(-1, 4, *weights.shape[1:])
    return groups.swapaxes(0, 1).reshape(weights.shape).transpose(2, 3, 1, 0)


def back_again(weights):
    groups = weights.reshape(4, -1, *weights.shape[1:])
    return groups.swapaxes(0, 1).reshape(weights.shape).transpose(2, 3, 1, 0)


# --- q6 ---


def look(steps):
    def stacked(colours):
        moved = [np.roll(colours[..., :3], step, (1, 2)) for step in steps]
        return np.concatenate([colours, *moved], axis=-1)

    return stacked


UP_AND_DOWN = [(1, 0), (-1, 0)]
FOUR = look([*UP_AND_DOWN, (0, 1), (0, -1)])


def measured(**changes):
    """Make a function that makes an answer, right but for some changes."""

    def make(names):
        pairs = {"fitted on": names["some"], "scored on": names["val"]}
        right = ch07._won(FOUR, *pairs.values())
        honest = {"look": FOUR, **pairs, "won": right, "conclusion": "c"}
        for name, change in changes.items():
            honest[name.replace("_", " ")] = change(honest) if callable(change) else change
        return honest

    return make


def psnr(honest):
    ceiling = metrics.ceiling_psnr(data.as_float(honest["scored on"].x4), 2)
    return honest["won"] + ceiling.mean()


def own_score(honest):
    return ch07._won(FOUR, honest["fitted on"], honest["fitted on"])


# --- q7 ---


def handed_in(build, trained=None):
    return lambda names: {"build": build, "trained": (trained or build)()}


def two_outputs():
    return models.build("basic")


def untrained():
    return small(24, start="zeros")


def small(*widths, start="glorot_uniform"):
    x = lr = models.photo_input()
    for filters in widths:
        x = models.conv(x, filters, 3)
    x = keras.layers.Conv2D(12, 3, padding="same", kernel_initializer=start)(x)
    return keras.Model(lr, {"x2": models.depth_to_space(x)})


def repeated():
    lr = models.photo_input()
    x2 = models.conv(models.upsample(models.conv(lr, 24, 3)), 3, 3, name="x2")
    return keras.Model(lr, {"x2": x2})


def blocks_again():
    lr = models.photo_input()
    features = models.depth_to_space(models.conv(lr, 24, 3))
    half = models.conv(keras.layers.AveragePooling2D(2)(features), 3, 1)
    return keras.Model(lr, {"x2": models.upsample(half)})


WRONG = {
    "q1": [
        Wrong("as it is", 58_198, "how many channels do they see"),
        Wrong("what is added", 5_520, "Add them"),
        Wrong("first box only", 63_574, "There is a second box"),
        Wrong("second box only", 58_342, "a box before x2, too"),
        Wrong("fewer", 52_678, "more, not fewer"),
        Wrong("biases, too", 63_850, "The biases do not change"),
        Wrong("3x3", 107_878, "These kernels are 1x1"),
        Wrong("something else", 60_000, "Follow the channels"),
        Wrong("a sentence", "more", "leave out quotes"),
    ],
    "q2": [
        Wrong("blocks everywhere", {"a": 2, "b": 2, "c": 2, "d": 2}, "(a): not 2"),
        Wrong("forgets ICNR", {"a": 1, "b": 1, "c": 2, "d": 1}, "(b): not 1"),
        Wrong("both count", {"a": 1, "b": 2, "c": 4, "d": 1}, "(c): together"),
        Wrong("repeated before", {"a": 1, "b": 2, "c": 2, "d": 2}, "(d): not 2"),
        Wrong("0 for none", {"a": 0, "b": 2, "c": 2, "d": 0}, "Write 1, not 0"),
        Wrong("one left out", {"a": 1, "b": 2, "c": 2}, "no entry for d"),
    ],
    "q3": [
        Wrong("empty", lambda kernel: 0 * stamped(kernel), "Nothing is in"),
        Wrong("not turned", lambda kernel: stamped(kernel, turn=False), "for the turn"),
        Wrong("exchanged", lambda kernel: stamped(kernel, exchanged=True), "Rows and"),
        Wrong("PyTorch", lambda kernel: stamped(kernel, torch=True), "PyTorch's order"),
        Wrong(
            "last axes",
            lambda kernel: stamped(kernel).transpose(0, 1, 3, 2),
            "channels out before channels in",
        ),
        Wrong("rows only", lambda kernel: stamped(kernel[:, ::-1]), "turn the rows only"),
        Wrong(
            "turned again", lambda k: stamped(k, False)[::-1, ::-1], "blocks of 2x2, too"
        ),
        Wrong("side by side", side_by_side, "Stamps of neighbours are 2 pixels"),
        Wrong("the kernel", lambda kernel: kernel, "to have the shape"),
    ],
    "q4": [
        Wrong("five", stamps(5), "as 1, 1.5, 1.5, 2.25"),
        Wrong("started evenly", stamps(3, kernel_initializer="ones"), "as 1, 2, 2, 4"),
        Wrong("stride 1", stamps(3, strides=1), "into `(1, 12, 12, 5)`"),
        Wrong("no padding", stamps(4, padding="valid"), "into `(1, 26, 26, 5)`"),
        Wrong("always three", lambda filters: stamps(4)(3), "where `filters` is 5"),
        Wrong("repeats", lambda filters: keras.layers.UpSampling2D(2), "no weights"),
        Wrong("the picture", lambda filters: np.zeros((2, 2)), "to return a layer"),
    ],
    "q5": [
        Wrong("only rewritten", only_rewritten, "That is how it was"),
        Wrong("the wrong way", back_again, "the wrong way round"),
        Wrong("turned", lambda weights: ported(weights)[::-1, ::-1], "turn the kernel"),
        Wrong("lying", lambda w: ported(w).transpose(1, 0, 2, 3), "Height and width"),
        Wrong("old axes", lambda w: ported(w).transpose(3, 2, 0, 1), "Keras wants"),
    ],
    "q6": [
        Wrong("nothing gained", None, "does not follow", measured(conclusion="a")),
        Wrong("train longer", None, "Training does not give", measured(conclusion="B")),
        Wrong("invented", None, "The check measured", measured(won=0.31)),
        Wrong("PSNR", None, "That is a PSNR", measured(won=psnr)),
        Wrong("negated", None, "the wrong sign", measured(won=lambda h: -h["won"])),
        Wrong("of its own photos", None, "that it was fitted on", measured(won=own_score)),
        Wrong(
            "scored on some",
            None,
            "score on `val`",
            measured(scored_on=lambda h: h["fitted on"]),
        ),
        Wrong(
            "two neighbours",
            None,
            "Which pixels do you",
            measured(look=lambda h: look(2 * UP_AND_DOWN)),
        ),
        Wrong(
            "eight",
            None,
            "`(2, 5, 6, 28)`",
            measured(look=lambda h: look([*np.ndindex(2, 4)])),
        ),
        Wrong("each photo", None, "to be one number", measured(won=lambda h: np.ones(24))),
    ],
    "q7": [
        Wrong("woven", None, "into a pattern", handed_in(lambda: small(24))),
        Wrong(
            "untrained",
            None,
            "Train it longer",
            handed_in(untrained),
        ),
        Wrong("too large", None, "20,000 are", handed_in(lambda: small(64, 64))),
        Wrong("repeated", None, "no `models.depth_to_space`", handed_in(repeated)),
        Wrong("blocks", None, "made of blocks", handed_in(blocks_again)),
        Wrong(
            "another one",
            None,
            "Train what your function builds",
            handed_in(lambda: small(16), lambda: small(24)),
        ),
        Wrong(
            "two outputs",
            None,
            'the output `"x2"`',
            handed_in(two_outputs),
        ),
        Wrong("the model alone", 3.0, 'with `"build"`, `"trained"`'),
    ],
}

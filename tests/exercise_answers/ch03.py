"""Wrong answers to the exercises of chapter 3."""

from functools import cache

import cv2
import numpy as np

from exercise_answers import Wrong
from srlib import data, metrics

#: Their solutions train a network: executed with the whole chapter only.
SLOW = {"q5", "q6"}


def names():
    """Return what the chapter has defined where its exercises begin."""
    photos = data.find_photos(data.sample_folder())
    both, val, scores, _ = trained()
    names = {"np": np, "data": data, "metrics": metrics, "photos": photos}
    return {**names, "both": both, "val": val, "scores": scores}


# --- q3 and q4 ---


def tiles(picture, block):
    height, width, colours = picture.shape
    return picture.reshape(height // block, block, width // block, block, colours)


def cosmetic(picture, block):
    height, width, colours = picture.shape
    rows = height // block
    tiles = picture.reshape(rows, width // block, block, block, colours)
    return np.mean(tiles, axis=(2, 3))


def variances(target, block):
    return tiles(np.float64(target), block).var(axis=(1, 3))


def right(target, block):
    return -10 * np.log10(variances(target, block).mean())


def over_colours(target, block):
    return -10 * np.log10(tiles(np.float64(target), block).var(axis=(1, 3, 4)).mean())


def painted(target, block):
    means = metrics.block_means(target, block)
    return metrics.psnr(target, metrics.repeat_blocks(means, block))


# --- q5 ---


@cache
def trained():
    """Return Model 1 as it is at first, and what it scores: as if trained a little."""
    from srlib import models, training

    val = data.load_pairs(data.find_photos(data.sample_folder()), "val")[:8]
    both = models.build("basic", seed=0)
    pictures = training.predict(both, val.lr)
    scores = {head: s.mean() for head, s in training.score(pictures, val).items()}
    return both, val, scores, metrics.batch_psnr(data.as_float(val.x4), pictures["x4"])


def measured(**changes):
    """Return what makes an answer; a change may be a function of the right number."""

    def make(names):
        both, val, scores, _ = trained()
        right = {"before": 0.0, "network": both, "val": val, "after": scores["x4"]}
        return {**right, "conclusion": "b", **{k: f() for k, f in changes.items()}}

    return make


def through(interpolation):
    """Return what makes an untrained network: a formula, and a head that adds nothing."""

    def make(names):
        import keras

        from srlib import models

        lr = models.photo_input()
        up = keras.layers.UpSampling2D
        x2 = up(2, interpolation=interpolation)(lr)
        y = models.conv(x2, 12, 3, activation=None, start=keras.initializers.Zeros)
        x4 = up(4, interpolation=interpolation)(lr)
        x4 = keras.layers.Add()([x4, models.depth_to_space(y)])
        return keras.Model(lr, {"x2": x2, "x4": x4})

    return make


# --- q6 ---


def model_1(names):
    from srlib import models

    return models.build("basic", seed=0)


def one_output(names):
    from srlib import models

    return models.build("basic_x2", seed=0)


def untrained(names):
    from srlib import models

    return models.build("basic", seed=0, head_size=3)


def too_large(names):
    from srlib import models

    return models.build("atrous", seed=0)


WRONG = {
    "q1": [
        Wrong("forgets the biases", lambda f: 27 * f + 9 * f * f + 6 * f, "its bias"),
        Wrong("one head", lambda f: 28 * f + (9 * f + 1) * f + 3 * (f + 1), "one output"),
        Wrong("second as the first", lambda f: 56 * f + 6 * (f + 1), "not 3"),
        Wrong("ignores the argument", lambda f: 39_110, "use the argument"),
        Wrong("the number itself", 10_342, "Expected a function"),
        Wrong("no argument", lambda: 10_342, "expected 1 argument"),
        Wrong("as text", lambda f: "10,342", "leave out quotes"),
        Wrong("some other number", lambda f: 9 * f, "expected 10342, found 288"),
    ],
    "q2": [
        Wrong("both repetitions", {"a": 1, "b": 2, "c": 4, "d": 1}, "(c): both"),
        Wrong("a is broken", {"a": 2, "b": 2, "c": 2, "d": 1}, "(a): not 2"),
        Wrong("pointwise, so blocks", {"a": 1, "b": 2, "c": 2, "d": 2}, "(d): not 2"),
        Wrong("0 for none", {"a": 0, "b": 2, "c": 2, "d": 0}, "Write 1, not 0"),
        Wrong("one left out", {"a": 1, "b": 2, "c": 2}, "no entry for d"),
        Wrong("as a list", [1, 2, 2, 1], "a dictionary"),
    ],
    "q3": [
        Wrong("only rewritten", cosmetic, "That is how it was"),
        Wrong("old axes", lambda p, b: tiles(p, b).mean(axis=(2, 3)), "over others"),
        Wrong(
            "colours, too", lambda p, b: tiles(p, b).mean(axis=(1, 3, 4)), "colours, too"
        ),
        Wrong("one pixel", lambda p, b: p[::b, ::b], "one pixel of each block"),
        Wrong("places", lambda p, b: tiles(p, b).mean(axis=(0, 2)), "over others"),
        Wrong(
            "exchanged", lambda p, b: metrics.block_means(p, b).swapaxes(0, 1), "exchanged"
        ),
        Wrong(
            "large again",
            lambda p, b: metrics.repeat_blocks(metrics.block_means(p, b), b),
            "one pixel a block",
        ),
    ],
    "q4": [
        Wrong("over colours", over_colours, "over the colours"),
        Wrong("painted", painted, "Do it without"),
        Wrong("peak", lambda t, b: right(t, b) + 20 * np.log10(255), "255 as the peak"),
        Wrong("natural", lambda t, b: right(t, b) * np.log(10), "natural logarithm"),
        Wrong("20", lambda t, b: 2 * right(t, b), "20 times"),
        Wrong(
            "all of the means",
            lambda t, b: -10 * np.log10(metrics.block_means(t, b).var()),
            "variance of the block means",
        ),
        Wrong("all together", lambda t, b: -10 * np.log10(t.var()), "whole picture"),
        Wrong(
            "mean of logarithms",
            lambda t, b: np.mean(-10 * np.log10(variances(t, b))),
            "Average the errors first",
        ),
        Wrong(
            "standard deviation",
            lambda t, b: -10 * np.log10(np.mean(np.sqrt(variances(t, b)))),
            "standard deviation",
        ),
        Wrong(
            "of the means",
            lambda t, b: -10 * np.log10(metrics.block_means(t, b).var(axis=(0, 1)).mean()),
            "variance of the block means",
        ),
        Wrong("of all", lambda t, b: -10 * np.log10(t.var(axis=(0, 1)).mean()), "whole"),
        Wrong("no decibels", lambda t, b: variances(t, b).mean(), "into decibels"),
        Wrong("sign", lambda t, b: 10 * np.log10(variances(t, b).mean()), "sign"),
        Wrong("not averaged", variances, "Make one number"),
    ],
    "q5": [
        Wrong("wishful", None, "does not follow", measured(conclusion=lambda: " A")),
        Wrong("the ceiling", None, "does not follow", measured(conclusion=lambda: "c")),
        Wrong("invented", None, "something else", measured(after=lambda: 21.8)),
        Wrong("at x2", None, "score of x2", measured(after=lambda: trained()[2]["x2"])),
        Wrong("batch", None, "all errors together", measured(after=lambda: trained()[3])),
        Wrong(
            "not trained",
            None,
            "as it did before",
            measured(before=lambda: trained()[2]["x4"]),
        ),
        Wrong("worse", None, "clearly worse", measured(before=lambda: 21.5)),
        Wrong("all photos", None, "to be one number", measured(after=lambda: np.ones(24))),
        Wrong("a sentence", None, "one of the letters", measured(conclusion=lambda: "low")),
        Wrong(
            "typed", {"before": 21, "after": 22, "conclusion": "b"}, "no entry for network"
        ),
    ],
    "q6": [
        Wrong("Model 1", None, "blocks of 4x4", model_1),
        Wrong("one output", None, 'the outputs `"x2"` and `"x4"`', one_output),
        Wrong("untrained", None, "Train it longer", untrained),
        Wrong("bilinear", None, "a formula does it alone", through("bilinear")),
        Wrong("bicubic", None, "a formula does it alone", through("bicubic")),
        Wrong("another trunk", None, "80,000 are allowed", too_large),
        Wrong("the function", lambda: None, "hand in what it returns"),
    ],
}


# --- Right, and written otherwise ---


def by_loops(picture, block):
    height, width, colours = picture.shape
    return [
        [
            [picture[i : i + block, j : j + block, k].mean() for k in range(colours)]
            for j in range(0, width, block)
        ]
        for i in range(0, height, block)
    ]


def shrunk(picture, block):
    height, width = picture.shape[:2]
    size = (width // block, height // block)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def of_the_root(target, block):
    return np.array([-20 * np.log10(np.sqrt(variances(target, block).mean()))])


ALSO_RIGHT = {
    "q1": [lambda n: float(9 * n * n + 35 * n + 6), np.poly1d([9, 35, 6])],
    "q2": [{"A": 1.0, "(b)": np.int8(2), " c": np.array([2]), "'d'": 1}],
    "q3": [by_loops, shrunk],
    "q4": [right, of_the_root],
}

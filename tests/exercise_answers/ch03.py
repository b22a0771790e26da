"""Wrong answers to the exercises of chapter 3."""

import numpy as np

from exercise_answers import Wrong
from srlib import data, metrics

#: Their solutions train a network: executed with the whole chapter only.
SLOW = {"q5", "q6"}


def names():
    """Return what the chapter has defined where its exercises begin."""
    mean = {"x4": {"bilinear": 22.52, "4x4 ceiling": 22.61}}
    photos = data.find_photos(data.sample_folder())
    return {"np": np, "data": data, "metrics": metrics, "mean": mean, "photos": photos}


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


# --- q5 ---


def measured(**changes):
    honest = {"before": 21.49, "after": 21.78, "conclusion": "b"}
    return {**honest, "bilinear": 22.52, "ceiling": 22.61, **changes}


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
        Wrong("one pixel", lambda p, b: p[::b, ::b], "expected 3.5, found 0"),
        Wrong(
            "large again",
            lambda p, b: metrics.repeat_blocks(metrics.block_means(p, b), b),
            "one pixel a block",
        ),
    ],
    "q4": [
        Wrong(
            "std", lambda t, b: -10 * np.log10(variances(t, b) ** 0.5).mean(), "expected"
        ),
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
        Wrong("wishful", measured(conclusion="a"), "that does not follow"),
        Wrong("through the ceiling", measured(conclusion="c"), "does not follow"),
        Wrong("measured wrongly", measured(after=23.0, conclusion="c"), "the measurement"),
        Wrong("twice the same", measured(before=21.78), "same before and after"),
        Wrong("a new network", measured(after=19.0), "clearly worse"),
        Wrong("a squared error", measured(after=0.007), "a PSNR in dB"),
        Wrong("all photos", measured(after=np.full(24, 21.8)), "to be one number"),
        Wrong("a sentence", measured(conclusion="it stays below"), "one of the letters"),
    ],
    "q6": [
        Wrong("Model 1", None, "blocks of 4x4", model_1),
        Wrong("one output", None, 'the outputs `"x2"` and `"x4"`', one_output),
        Wrong("untrained", None, "Train it longer", untrained),
        Wrong("another trunk", None, "80,000 are allowed", too_large),
        Wrong("the function", lambda: None, "hand in what it returns"),
    ],
}

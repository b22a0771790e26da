"""Wrong answers to the exercises of chapter 6."""

from itertools import pairwise

import keras  # here, not in a function: that takes longer than a check may
import numpy as np

from exercise_answers import Wrong
from srlib import data, metrics, models, training, zoo

#: Their solutions train a network: executed with the whole chapter only.
from srlib.sources import backbone

SLOW = {"q6", "q7"}


def names():
    """Return what the chapter has defined where its exercises begin."""
    photos = data.find_photos(data.sample_folder())
    nearest = {"nearest": np.array([20.7])}
    return {
        "baselines": {"x2": nearest, "x4": nearest},
        "np": np,
        "keras": keras,
        "data": data,
        "metrics": metrics,
        "models": models,
        "zoo": zoo,
        "training": training,
        "networks": {"attempt 1": None},
        "extractors": {"imagenet-lite0": backbone.feature_extractor("imagenet-lite0")},
        "train": data.load_pairs(photos, "train", "article"),
        "val": data.load_pairs(photos, "val", "article"),
    }


# --- q2 and q3 ---


def wire(widths, kernel=1, biases=1):
    return sum((kernel * a + biases) * b for a, b in pairwise([3, *widths, 3]))


def diagonal(inputs, filters, colours=1):
    kernel = np.zeros((1, 1, inputs, filters))
    kernel[0, 0, :3, :3] = colours * np.eye(3)
    return kernel


def mixed(inputs, filters, colours):
    kernel = np.zeros((1, 1, inputs, filters))
    kernel[0, 0, :3, :3] = colours if filters == 3 else np.eye(3)
    return kernel


# --- q4 ---


def cosmetic(eyes):
    fresh = keras.models.clone_model(eyes)
    for layer in fresh.layers:
        layer.trainable = False
    return fresh


def trained_only(eyes):
    copy = keras.models.clone_model(eyes)
    for new, old in zip(copy.trainable_weights, eyes.trainable_weights, strict=True):
        new.assign(old)
    copy.trainable = False
    return copy


def thawed(eyes):
    copy = keras.models.clone_model(eyes)
    copy.set_weights(eyes.get_weights())
    return copy


def itself(eyes):
    eyes.trainable = False
    return eyes


def always_the_chapters(eyes):
    copy = backbone.feature_extractor("imagenet-lite0")
    copy.trainable = False
    return copy


def backwards(eyes):
    copy = keras.models.clone_model(eyes)
    eyes.set_weights(copy.get_weights())
    return copy


def shared(eyes):
    copy = keras.Model(eyes.input, eyes.output)
    copy.trainable = False
    return copy


# --- q5 ---


def colleague(inside="relu", output="relu", side=1):
    lr = models.photo_input()
    x = models.conv(lr, 64, 3, activation=inside)
    x = models.upsample(models.conv(x, 64, 3, activation=inside))
    x2 = models.conv(x, 3, side, activation=output, name="x2")
    return keras.Model(lr, {"x2": x2})


# --- q6 ---


def moved(by, seed=1, attempt=1):
    """Build an attempt and move its weights, as training would."""
    model = models.build(f"efficientnet_{attempt}", seed=seed)
    rng = np.random.default_rng(0)
    model.set_weights([w + by * rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def measured(slow=0.01, fast=0.02, conclusion="b", **fast_is):
    return lambda names: {
        "0.001": moved(slow),
        "0.01": moved(fast, **fast_is),
        "conclusion": conclusion,
    }


# --- q7 ---


def linear(names, channels):
    """Make the best linear map from the features of one place, by least squares."""
    eyes = names["extractors"]["imagenet-lite0"]
    photos = data.as_float(names["train"].lr)
    seen = np.asarray(eyes.predict_on_batch(photos))
    wanted = metrics.block_means(photos, 2)
    if channels == 12:
        tiles = photos.reshape(len(photos), 36, 2, 36, 2, 3)
        wanted = tiles.transpose(0, 1, 3, 2, 4, 5)
    views = np.c_[seen.reshape(-1, 32), np.ones(seen.size // 32)]
    found = np.linalg.lstsq(views, wanted.reshape(len(views), -1))[0]
    features = keras.Input((None, None, 32))
    layer = keras.layers.Conv2D(channels, 1)
    enlarge = models.depth_to_space if channels == 12 else models.upsample
    model = keras.Model(features, enlarge(layer(features)))
    layer.set_weights([found[None, None, :-1], found[-1]])
    return model


def decoder(inputs=32, widths=(), head=12):
    x = features = keras.Input((None, None, inputs))
    for filters in widths:
        x = models.conv(x, filters, 3)
    return keras.Model(features, models.depth_to_space(models.conv(x, head, 3)))


WRONG = {
    "q1": [
        Wrong("x2 stays", "a", "into the layers that draw x2"),
        Wrong("both high", "c", "knows nothing of what is made from it"),
        Wrong("only the order", "d", "wrong in two numbers of three"),
        Wrong("a sentence", "x2 gets worse", "one of the letters"),
    ],
    "q2": [
        Wrong("no biases", lambda w: wire(w, biases=0), "its bias"),
        Wrong("stops early", lambda w: wire(w) - ([3, *w][-1] + 1) * 3, "before x4"),
        Wrong("3 everywhere", lambda w: 4 * (sum(w) + 3), "3 channels in"),
        Wrong(
            "one bias each",
            lambda w: wire(w, biases=0) + len(w) + 1,
            "one a convolution",
        ),
        Wrong("3x3", lambda w: wire(w, kernel=9), "not 3x3"),
        Wrong("no first", lambda w: wire(w) - 4 * [*w, 3][0], "the 3 channels of x2"),
        Wrong("grows its argument", lambda w: wire(w.append(3) or w[:-1]), "changes `w`"),
        Wrong("attempt 4 alone", lambda w: 4611, "use the argument"),
        Wrong("the number", 4611, "Expected a function"),
    ],
    "q3": [
        Wrong("a matrix", lambda a, b: np.eye(a, b), "is a matrix"),
        Wrong("transposed", lambda a, b: diagonal(b, a), "last two axes exchanged"),
        Wrong("nothing", lambda a, b: np.zeros((1, 1, a, b)), "come out black"),
        Wrong("ones", lambda a, b: mixed(a, b, np.ones((3, 3))), "sum of the three"),
        Wrong("exchanged", lambda a, b: mixed(a, b, np.eye(3)[::-1]), "exchanged"),
        Wrong("twice as bright", lambda a, b: diagonal(a, b, 2), "as they went in"),
        Wrong("3x3", lambda a, b: np.zeros((3, 3, a, b)), "to have the shape"),
    ],
    "q4": [
        Wrong("only rewritten", cosmetic, "What is it that makes features pretrained"),
        Wrong("statistics left behind", trained_only, "Batch normalisation also"),
        Wrong("not frozen", thawed, "it is not frozen"),
        Wrong("no copy", itself, "not a copy"),
        Wrong("always the same", always_the_chapters, "use the argument"),
        Wrong("backwards", backwards, "weights were changed"),
        Wrong("shared layers", shared, "Do they share layers"),
        Wrong("a number", lambda eyes: 2112, "to return a network"),
    ],
    "q5": [
        Wrong("the wrong ones", lambda: colleague(inside=None), "An output can still die"),
        Wrong("all of them", lambda: colleague(None, None), "layers inside as well"),
        Wrong("cut above, too", lambda: colleague(output="relu6"), "What cuts it off"),
        Wrong("flat ends", lambda: colleague(output="hard_sigmoid"), "computes 3.5"),
        Wrong("larger kernels", lambda: colleague(output=None, side=3), "the colleague's"),
        Wrong("the function's name", lambda: colleague, "hand in what it returns"),
    ],
    "q6": [
        Wrong("wishful", None, "that does not follow", measured(conclusion="a")),
        Wrong("twice the same", None, "the same matrix", measured(fast=0.01)),
        Wrong("untrained", None, "0.01 is not trained", measured(fast=0)),
        Wrong("exchanged", None, "exchanged", measured(slow=0.03)),
        Wrong("another seed", None, "the seed 1", measured(seed=7)),
        Wrong("attempt 4", None, "69,750 parameters", measured(attempt=4)),
        Wrong("a sentence", None, "one of the letters", measured(conclusion="it helps")),
        Wrong("numbers", {"off by": [1.33, 1.05]}, "no entry for 0.001"),
    ],
    "q7": [
        Wrong("untrained", None, "hardly learned anything", lambda names: decoder()),
        Wrong("blocks", None, "are made of blocks", lambda names: linear(names, 3)),
        Wrong("one place", None, "The goal is", lambda names: linear(names, 12)),
        Wrong("too large", None, "30,000 are", lambda names: decoder(widths=(64, 64))),
        Wrong("from the photo", None, "not the photo", lambda names: decoder(inputs=3)),
        Wrong("wrong head", None, "72x72 pixels", lambda names: decoder(head=48)),
        Wrong("the function", lambda: None, "hand in what it returns"),
    ],
}

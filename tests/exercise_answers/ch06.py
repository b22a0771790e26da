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


def measured(**changes):
    honest = {"off by": [1.33, 1.05], "x2": [15.8, 10.7], "x4": [17.8, 18.9]}
    nearest = {"x2": 20.7, "x4": 20.7}
    return {**honest, "conclusion": "b", "nearest": nearest, **changes}


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
        Wrong("shared layers", shared, "they share layers"),
        Wrong("a number", lambda eyes: 2112, "to return a network"),
    ],
    "q5": [
        Wrong("the wrong ones", lambda: colleague(inside=None), "An output can still die"),
        Wrong("all of them", lambda: colleague(None, None), "layers inside as well"),
        Wrong("cut above, too", lambda: colleague(output="relu6"), "What cuts it off"),
        Wrong("larger kernels", lambda: colleague(output=None, side=3), "the colleague's"),
        Wrong("the function's name", lambda: colleague, "hand in what it returns"),
    ],
    "q6": [
        Wrong("wishful", measured(conclusion="a"), "and both outputs are above nearest. B"),
        Wrong("no nearer", measured(conclusion="c"), "comes no nearer to the identity. B"),
        Wrong("it works", measured(x2=[15.8, 21.0], x4=[17.8, 21.0]), "does not follow"),
        Wrong("twice the same", measured(**{"off by": [1.33, 1.33]}), "off by the same"),
        Wrong("score twice", measured(x4=[17.8, 17.8]), "x4 has the same score twice"),
        Wrong("a loss", measured(x4=[0.02, 0.01]), "a PSNR in dB"),
        Wrong("steps", measured(**{"off by": [1330.0, 40.0]}), "what `distance` returns"),
        Wrong("one number", measured(x4=20.0), "one for each rate"),
        Wrong("all epochs", measured(x4=[17.8, [19.0, 20.0]]), "to be one number"),
        Wrong("a sentence", measured(conclusion="it helps"), "one of the letters"),
    ],
    "q7": [
        Wrong("untrained", None, "hardly learned anything", lambda names: decoder()),
        Wrong("blocks", None, "are made of blocks", lambda names: linear(names, 3)),
        Wrong("one place", None, "The goal is", lambda names: linear(names, 12)),
        Wrong("too large", None, "30,000 are", lambda names: decoder(widths=(64, 64))),
        Wrong("from the photo", None, "not the photo", lambda names: decoder(inputs=3)),
        Wrong("wrong head", None, "16x16 pixels", lambda names: decoder(head=48)),
        Wrong("the function", lambda: None, "hand in what it returns"),
    ],
}

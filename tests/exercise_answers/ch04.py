"""Wrong answers to the exercises of chapter 4."""

import numpy as np

from exercise_answers import Wrong
from srlib import data

#: Their solutions train a network: executed with the whole chapter only.
SLOW = {"q7"}


def names():
    """Return what the chapter has defined where its exercises begin."""
    import keras
    import tensorflow as tf

    from srlib import models

    photos = data.find_photos(data.sample_folder())
    train = data.load_pairs(photos.take(4, 1), "train")
    known = {"np": np, "tf": tf, "keras": keras, "data": data, "models": models}
    return {**known, "photos": photos, "train": train}


# --- q3 ---


def leaky(x):
    import keras

    return keras.layers.LeakyReLU(0.2)(x)


def add(*parts):
    import keras

    return keras.layers.Add()(list(parts))


def conv(x):
    from srlib import models

    return models.conv(x, 32, 3, activation=models.LEAKY)


def renamed(x):
    first = conv(x)
    return leaky(add(first, conv(first)))


def side_by_side(x):
    conv(x)
    return leaky(add(x, conv(x)))


def branches(x):
    return leaky(add(x, conv(x), conv(x)))


def no_line(x):
    return leaky(conv(conv(x)))


def no_activation(x):
    return add(x, conv(conv(x)))


def added_twice(x):
    return leaky(add(x, x, conv(conv(x))))


def stopped(x):
    import keras

    return leaky(add(keras.ops.stop_gradient(x), conv(conv(x))))


def dropped(x):
    import keras

    return leaky(add(x, keras.layers.Dropout(0.2)(conv(conv(x)))))


def other_width(x):
    from srlib import models

    return models.conv(x, 64, 3)


# --- q4 ---


def decibels(error):
    return -10 * np.log10(error)


# --- q5 ---


def grown(measure=lambda first, last: last.std() / first.std(), **other):
    """Measure a stack of blocks; `other` replaces an argument of the call."""

    def measured(skip, seed, blocks=16):
        import keras

        from srlib import models

        asked = {"skip": skip, "seed": seed, "blocks": blocks, **other}
        keras.utils.set_random_seed(asked["seed"])
        photo = models.photo_input()
        x = first = models.conv(photo, 32, 1, activation=models.LEAKY)
        for _ in range(asked["blocks"]):
            x = models.residual_block(x, skip=asked["skip"])
        photos = data.find_photos(data.sample_folder()).take(4, 1)
        lr = data.as_float(data.load_pairs(photos, "train").lr)
        return measure(*map(np.asarray, keras.Model(photo, [first, x])(lr)))

    return measured


def forwards(function, conclusion="b"):
    return {"grown": function, "conclusion": conclusion}


# --- q6 ---


def blocks(places, skip=True, head_size=1):
    """Build Model 2 with so many blocks before the enlargement, after it, and so on."""
    import keras

    from srlib import models

    def build():
        lr = models.photo_input()
        x = models.conv(lr, 32, 1, activation=models.LEAKY)
        look = {"filters": 3, "size": head_size, "activation": models.LEAKY}
        for _ in range(places[0]):
            x = models.residual_block(x, skip=skip)
        x = models.upsample(x)
        x2 = models.conv(x, **look, name="x2")
        for _ in range(places[1]):
            x = models.residual_block(x, skip=skip)
        x = models.upsample(x)
        for _ in range(places[2]):
            x = models.residual_block(x, skip=skip)
        return keras.Model(lr, {"x2": x2, "x4": models.conv(x, **look, name="x4")})

    return build


def joined(x2_from=3, line=True, activation="leaky_relu"):
    """Build it of pieces: where x2 leaves, one line round all, the heads' activation."""
    import keras

    from srlib import models

    def build():
        lr = models.photo_input()
        after = [models.conv(lr, 32, 1, activation=models.LEAKY)]
        for _ in range(3):
            after.append(
                models.residual_block(after[-1]) if line else conv(conv(after[-1]))
            )
        x = after[-1] if line else leaky(add(after[0], after[-1]))
        look = {"filters": 3, "size": 1, "activation": activation}
        up = models.upsample(x)
        early = up if x2_from == 3 else models.upsample(after[x2_from])
        x4 = models.conv(models.upsample(up), **look, name="x4")
        return keras.Model(lr, {"x2": models.conv(early, **look, name="x2"), "x4": x4})

    return build


def one_output():
    import keras

    from srlib import models

    lr = models.photo_input()
    return keras.Model(lr, models.conv(models.upsample(lr), 3, 1))


def enlarged_once():
    import keras

    from srlib import models

    lr = models.photo_input()
    up = models.upsample(lr)
    heads = {head: models.conv(up, 3, 1, name=head) for head in ("x2", "x4")}
    return keras.Model(lr, heads)


# --- q7 ---


def deep(count=10, skip=True, long=None, width=16):
    """Build so many blocks, with a long skip or without."""

    def make(names):
        import keras

        from srlib import models

        def block(x):
            y = models.conv(x, width, 3, activation=models.LEAKY)
            y = models.conv(y, width, 3, activation=models.LEAKY)
            return keras.layers.Add()([x, y]) if skip else y

        keras.utils.set_random_seed(0)
        lr = models.photo_input()
        x = models.conv(lr, width, 1, activation=models.LEAKY)
        for _ in range(count):
            x = block(x)
        outputs = {}
        for head, scale in (("x2", 2), ("x4", 4)):
            start = {"start": keras.initializers.Zeros} if long else {}
            y = models.conv(x, 3 * scale**2, 1, activation=None, **start)
            for _ in range(scale // 2):
                y = models.depth_to_space(y)
            up = keras.layers.UpSampling2D(scale, interpolation=long or "nearest")(lr)
            parts = [y, up] if long else [y, y]
            outputs[head] = keras.layers.Add(name=head)(parts)
        return keras.Model(lr, outputs)

    return make


def sharpened(names):
    """Make a sharpened picture beside twenty convolutions that do nothing."""
    import keras

    from srlib import models

    lr = x = models.photo_input()
    for _ in range(20):
        x = models.conv(x, 8, 3)
    outputs = {}
    for head, scale in (("x2", 2), ("x4", 4)):
        up = keras.layers.UpSampling2D(scale, interpolation="bicubic")(lr)
        soft = keras.layers.AveragePooling2D(3, 1, padding="same")(up)
        none = models.conv(x, 3, 1, start=keras.initializers.Zeros)
        none = keras.layers.UpSampling2D(scale)(none)
        outputs[head] = keras.layers.Add(name=head)([up, 0.6 * (up - soft), none])
    return keras.Model(lr, outputs)


def model_2(names):
    from srlib import models

    return models.build("residual", seed=0)


WRONG = {
    "q1": [
        Wrong("all, twice", {"x2": 55_814, "x4": 55_814}, "x2: that is the whole network"),
        Wrong("both heads", {"x2": 37_219, "x4": 55_814}, "x4: that is the whole network"),
        Wrong("three blocks", {"x2": 55_715, "x4": 55_715}, "counts 3 blocks"),
        Wrong("no head", {"x2": 37_120, "x4": 55_616}, "its own head"),
        Wrong("no first", {"x2": 37_091, "x4": 55_587}, "the first convolution"),
        Wrong("two blocks", {"x2": 37_219, "x4": 37_219}, "x4: that counts 2 of the"),
        Wrong("no biases", {"x2": 37_056, "x4": 55_488}, "kernels alone"),
        Wrong("its own only", {"x2": 37_219, "x4": 18_595}, "that only x4 uses"),
        Wrong("heads", {"x2": 99, "x4": 99}, "the head alone"),
        Wrong("some other", {"x2": 1234, "x4": 55_715}, "not 1,234"),
        Wrong("a sum", 92_934, "a dictionary"),
    ],
    "q2": [
        Wrong("exchanged", "a", "The other way round"),
        Wrong("both at 0", "c", "what is left of 1 + f'(x)"),
        Wrong("never with skip", "d", "Nearly"),
        Wrong("a number", -1, "one of the letters"),
    ],
    "q3": [
        Wrong("only rewritten", renamed, "no line leads round both"),
        Wrong("the first left aside", side_by_side, "9,248 parameters"),
        Wrong("two branches", branches, "the rest has changed"),
        Wrong("no line", no_line, "no line leads round both"),
        Wrong("no activation", no_activation, "LeakyReLU after the sum is missing"),
        Wrong("added twice", added_twice, "added twice"),
        Wrong("no gradient on the line", stopped, "What stops it"),
        Wrong("dropout", dropped, "the rest has changed"),
        Wrong("64 filters", other_width, "the shape of its input"),
        Wrong("untouched", lambda x: x, "returns its input"),
        Wrong("nothing", lambda x: 0, "what its last layer returns"),
    ],
    "q4": [
        Wrong(
            "x2 unweighted",
            lambda loss, x2, w: decibels((loss - x2) / w["x4"]),
            "without its weight",
        ),
        Wrong(
            "not divided", lambda loss, x2, w: decibels(loss - w["x2"] * x2), "times its"
        ),
        Wrong("no weights", lambda loss, x2, w: decibels(loss - x2), "not use the weights"),
        Wrong(
            "exchanged",
            lambda loss, x2, w: decibels((loss - w["x4"] * x2) / w["x2"]),
            "exchanged",
        ),
        Wrong("of the loss", lambda loss, x2, w: decibels(loss), "PSNR of the loss"),
        Wrong("of x2", lambda loss, x2, w: decibels(x2), "PSNR at x2"),
        Wrong(
            "an error",
            lambda loss, x2, w: (loss - w["x2"] * x2) / w["x4"],
            "into decibels",
        ),
        Wrong(
            "sign",
            lambda loss, x2, w: -decibels((loss - w["x2"] * x2) / w["x4"]),
            "sign",
        ),
        Wrong(
            "natural logarithm",
            lambda loss, x2, w: -10 * np.log((loss - w["x2"] * x2) / w["x4"]),
            "natural logarithm",
        ),
        Wrong(
            "20 times",
            lambda loss, x2, w: 2 * decibels((loss - w["x2"] * x2) / w["x4"]),
            "You take 20 times",
        ),
        Wrong(
            "by place",
            lambda loss, x2, w: decibels(
                (loss - next(iter(w.values())) * x2) / list(w.values())[1]
            ),
            "by their place",
        ),
        Wrong(
            "changed",
            lambda loss, x2, w: decibels((loss - w.pop("x2") * x2) / w["x4"]),
            "changes `w`",
        ),
        Wrong("a list of weights", lambda loss, x2, w: loss - w[0] * x2, "no such key"),
        Wrong("some number", lambda loss, x2, w: 21.0, "found 21"),
    ],
    "q5": [
        Wrong("keeps its size", forwards(grown(), "a"), "does not follow"),
        Wrong("both fade", forwards(grown(), "c"), "does not follow"),
        Wrong("invented", forwards(lambda s, k, n=16: 22 if s else 2e-4), "the check"),
        Wrong("a formula", forwards(lambda s, k, n=16: 1.2**n if s else 0.45**n), "seeds"),
        Wrong("one seed", forwards(grown(seed=0)), "`seed` used"),
        Wrong("always 16", forwards(grown(blocks=16)), "`blocks` used"),
        Wrong("always skips", forwards(grown(skip=True)), "`skip` handed on"),
        Wrong("variance", forwards(grown(lambda a, b: b.var() / a.var())), "its root"),
        Wrong("mean", forwards(grown(lambda a, b: b.mean() / a.mean())), "mean of the f"),
        Wrong("inverted", forwards(grown(lambda a, b: a.std() / b.std())), "first spread"),
        Wrong("not divided", forwards(grown(lambda a, b: b.std())), "Divide the last"),
        Wrong("a number", forwards(22.0), "Expected a function"),
        Wrong("a sentence", forwards(grown(), "it grows"), "one of the letters"),
    ],
    "q6": [
        Wrong("Model 2", blocks((2, 1, 0)), "blocks of 2x2, as Model 2's"),
        Wrong("after both", blocks((2, 0, 1)), "not made of blocks"),
        Wrong("larger heads", blocks((3, 0, 0), head_size=3), "not made of blocks"),
        Wrong("left out", blocks((2, 0, 0)), "Is the third block gone"),
        Wrong("one more", blocks((4, 0, 0)), "Did something come in"),
        Wrong("without skips", blocks((3, 0, 0), skip=False), "one flat colour"),
        Wrong("x2 too early", joined(x2_from=2), "Your x2 sees 9x9"),
        Wrong("one line round all", joined(line=False), "a line lead elsewhere"),
        Wrong("ReLU at the heads", joined(activation="relu"), "an activation missing"),
        Wrong("one output", one_output, 'the outputs `"x2"` and `"x4"`'),
        Wrong("enlarged once", enlarged_once, "the output x4 has to be"),
        Wrong("the network", None, "not the network", lambda names: blocks((3, 0, 0))()),
    ],
    "q7": [
        Wrong("sharpened", None, "bicubic", sharpened),
        Wrong("Model 2", None, "Your network has 6 convolutions of 3x3", model_2),
        Wrong("too wide", None, "60,000 are allowed", deep(width=20)),
        Wrong("too short", None, "has 18 convolutions of 3x3", deep(count=9)),
        Wrong("from nothing", None, "That is far off", deep()),
        Wrong("untrained", None, "bicubic interpolation itself", deep(long="bicubic")),
        Wrong("bilinear", None, "have to be 0.2 dB above", deep(long="bilinear")),
        Wrong("the function", deep(), "hand in what it returns"),
    ],
}

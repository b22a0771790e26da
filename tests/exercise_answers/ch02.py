"""Wrong answers to the exercises of chapter 2."""

import numpy as np

from exercise_answers import Wrong
from srlib import data, metrics

#: Their solutions take long: executed with the whole chapter only.
SLOW = {"q6"}


def names():
    """Return what the chapter has defined where its exercises begin."""
    import tensorflow as tf

    photos = data.find_photos(data.sample_folder())
    train, val = (data.load_pairs(photos, p, "antialiased") for p in ("train", "val"))
    weights = metrics.fit_linear_filter(data.as_float(train.lr), data.as_float(train.x2), 2)
    names = {"np": np, "tf": tf, "data": data, "metrics": metrics, "photos": photos}
    return {**names, "val": val, "filters": {2: weights}}


# --- q1 and q2 ---


def fall(little, three, twenty):
    return {"0.3 dB": little, "3 dB": three, "20 dB": twenty}


def means(first, second):
    return {"of the PSNRs": first, "of the squared errors": second}


# --- q3 ---


def tf_psnr(targets, pictures):
    """Do what ``tf.image.psnr(pictures, targets, max_val=255)`` does."""
    targets = np.float64(targets) / (255 if targets.dtype == np.uint8 else 1)
    errors = np.mean((np.float64(pictures) - targets) ** 2, axis=(1, 2, 3))
    return 10 * np.log10(255**2 / errors)


def only_rewritten(targets, pictures):
    return tf_psnr(targets, pictures)[0]


def all_scores(targets, pictures):
    return tf_psnr(np.float32(targets), np.clip(pictures, 0, 255))


def not_clipped(targets, pictures):
    return tf_psnr(np.float32(targets), pictures).mean()


def only_cast(targets, pictures):
    return tf_psnr(np.float32(targets), pictures)[0]


def only_first(targets, pictures):
    return all_scores(targets, pictures)[0]


def not_cast(targets, pictures):
    return tf_psnr(targets, np.clip(pictures, 0, 255)).mean()


def one_logarithm(targets, pictures):
    errors = (np.clip(pictures, 0, 255) - targets) ** 2
    return 10 * np.log10(255**2 / errors.mean())


def peak_of_255(targets, pictures):
    return all_scores(targets, pictures).mean() + 20 * np.log10(255)


def both_whole(targets, pictures):
    with np.errstate(invalid="ignore"):
        return tf_psnr(np.float32(targets), np.uint8(pictures)).mean()


def turned_round(targets, pictures):
    errors = np.mean((pictures - targets / 255) ** 2, axis=(1, 2, 3))
    return np.mean(10 * np.log10(1 / errors))


# --- q4 ---

RIGHT = np.array([65.481, 128.553, 24.966])
TYPO = np.array([64.481, 128.553, 24.966])


def only_typo(picture):
    picture *= 255
    return (picture @ RIGHT / 255 + 16) / 255


def put_right_elsewhere(picture):
    return (picture @ [65.481, 127.553, 25.966] + 16) / 255


# --- q5 ---


def doubler(second, first="bilinear", **options):
    """Return a function that builds a network."""

    def network():
        from keras import Input, Model, layers

        lr = Input((None, None, 3))
        x2 = layers.UpSampling2D(2, interpolation=first)(lr)
        return Model(lr, {"x2": x2, "x4": second(layers, lr, x2)})

    return network


def twice(layers, lr, x2):
    return layers.UpSampling2D(2, interpolation="bilinear")(x2)


def repeated(layers, lr, x2):
    return layers.UpSampling2D(2)(x2)


def learned(layers, lr, x2):
    return layers.Conv2DTranspose(3, 4, strides=4)(lr)


def cubic(layers, lr, x2):
    return layers.UpSampling2D(4, interpolation="bicubic")(lr)


def to_a_size(layers, lr, x2):
    return layers.Resizing(96, 96)(lr)


def x2_again(layers, lr, x2):
    return layers.UpSampling2D(1)(x2)


# --- q6 ---


def scored(size, train, val, every=np.mean):
    lr, x2, val_lr, val_x2 = map(data.as_float, (train.lr, train.x2, val.lr, val.x2))
    weights = metrics.fit_linear_filter(lr, x2, 2, size=size)
    return every(metrics.psnr(val_x2, metrics.apply_linear_filter(val_lr, weights, 2)))


def together(scores):
    return -10 * np.log10(np.mean(10 ** (-scores / 10)))


def measured(function=scored, conclusion="b"):
    return {"scored": function, "conclusion": conclusion}


# --- q7 ---


def bicubic(lr):
    return metrics.upscale(lr, 2, "bicubic")


def bilinear(lr):
    return metrics.upscale(lr, 2, "bilinear")


def filtered(names):
    """Return a function that enlarges by the linear filter."""
    return lambda lr: metrics.apply_linear_filter(lr, names["filters"][2], 2)


def a_little_noise(names):
    def enlarge(lr):
        pictures = metrics.apply_linear_filter(lr, names["filters"][2], 2)
        noise = np.random.default_rng(0).normal(size=pictures.shape)
        return np.clip(pictures + 0.011 * noise, 0, 1)

    return enlarge


def the_target(names):
    return lambda lr: data.as_float(names["val"].x2)


WRONG = {
    "q1": [
        Wrong("what is left", fall(93, 50, 1), "what is left"),
        Wrong("parts of 1", fall(0.07, 0.5, 0.99), "in per cent"),
        Wrong("roots", fall(3.4, 29, 90), "the root of the squared one"),
        Wrong("of 22 dB", fall(1.4, 14, 91), "not by 1.4 per cent"),
        Wrong("negative", fall(-7, -50, -99), "as a positive number"),
        Wrong("20 dB are 20", fall(7, 50, 90), "20 dB: by so much the error itself"),
        Wrong("as text", fall("7 %", 50, 99), "leave out quotes"),
    ],
    "q2": [
        Wrong("exchanged", means(22.97, 30), "other way round"),
        Wrong("alike", means(30, 30), "The two means differ"),
        Wrong("no decibels", means(30, 0.00505), "into decibels"),
        Wrong("natural", means(30, 52.9), "natural logarithm"),
        Wrong("20", means(30, 45.9), "20 times"),
        Wrong("sum", means(30, 19.96), "Divide by 2"),
        Wrong("roots", means(30, 25.19), "that of the squares"),
        Wrong("something", means(30, 40), "is not 40"),
        Wrong("cannot add", means(20, 22.97), "add and divide by 2"),
    ],
    "q3": [
        Wrong("only rewritten", only_rewritten, "3 mistakes are left"),
        Wrong("one left: type", not_cast, "divides that one by 255"),
        Wrong("two left", only_cast, "2 mistakes are left"),
        Wrong("one left: first", only_first, "of the first picture alone"),
        Wrong("one left: clip", not_clipped, "A screen clips them"),
        Wrong("all scores", all_scores, "one score for each picture"),
        Wrong("one logarithm", one_logarithm, "take the logarithm once"),
        Wrong("peak of 255", peak_of_255, "You take 255 as the peak"),
        Wrong("both are uint8", both_whole, "does not clip them"),
        Wrong(
            "peak of 1", lambda *c: all_scores(*c).mean() - 20 * np.log10(255), "1 as the"
        ),
        Wrong("natural", lambda *c: all_scores(*c).mean() * np.log(10), "natural"),
        Wrong("turned round", turned_round, "found -"),
    ],
    "q4": [
        Wrong("typo left", lambda p: (p @ TYPO + 16) / 255, "White comes out as 234"),
        Wrong("still in place", only_typo, "changes `picture`"),
        Wrong(
            "full range",
            lambda p: p @ np.array([0.299, 0.587, 0.114]),
            "range from 0 to 255",
        ),
        Wrong("no offset", lambda p: p @ RIGHT / 255, "black comes out as 0, not as 16"),
        Wrong("to 235", lambda p: p @ RIGHT + 16, "divide by 255"),
        Wrong(
            "multiplication gone",
            lambda p: (p @ RIGHT / 255 + 16) / 255,
            "a factor of 255",
        ),
        Wrong("rounded", lambda p: np.rint(p @ RIGHT + 16) / 255, "You round"),
        Wrong("not scaled", lambda p: p @ RIGHT / 255 + 16, "a factor of 255"),
        Wrong("blue first", lambda p: (p[..., ::-1] @ RIGHT + 16) / 255, "red with 24.966"),
        Wrong(
            "another weight",
            put_right_elsewhere,
            "weigh red with 65.481, green with 127.553",
        ),
    ],
    "q5": [
        Wrong("nearest", doubler(twice, "nearest"), "x2 repeats pixels"),
        Wrong("twice", doubler(twice), "enlarged twice by 2"),
        Wrong("repeated", doubler(repeated), "the blocks of nearest"),
        Wrong("learned", doubler(learned), "147 parameters"),
        Wrong("bicubic", doubler(cubic), "x4 is not bilinear but bicubic"),
        Wrong("to a size", doubler(to_a_size), "not by a factor"),
        Wrong("too small", doubler(x2_again), "the output x4 has to be 96x96x3"),
        Wrong("no network", lambda: 1, "Expected a `keras.Model`"),
    ],
    "q6": [
        Wrong("further", measured(conclusion="a"), "does not follow"),
        Wrong("size not used", measured(lambda s, t, v: scored(5, t, v)), "hand on `size`"),
        Wrong("on training", measured(lambda s, t, v: scored(s, t, t)), "training photos"),
        Wrong("fitted on val", measured(lambda s, t, v: scored(s, v, v)), "on `train`"),
        Wrong("together", measured(lambda *c: scored(*c, together)), "PSNRs"),
        Wrong(
            "not averaged", measured(lambda *c: scored(*c, np.array)), "Return their mean"
        ),
        Wrong("invented", {"1": 25, "3": 27, "conclusion": "b"}, "no entry for scored"),
        Wrong("a sentence", measured(conclusion="at 5"), "one of the letters"),
    ],
    "q7": [
        Wrong("bicubic", bicubic, "has to be higher"),
        Wrong("bilinear", bilinear, "Worse by both"),
        Wrong("filter alone", None, "no one is fooled", filtered),
        Wrong("a little", None, "on the way", a_little_noise),
        Wrong("the target", None, "Worse by both", the_target),
        Wrong("8 bits", lambda lr: np.uint8(255 * bicubic(lr)), "floating point in"),
        Wrong("0 to 255", lambda lr: 255 * bicubic(lr), "Expected [0, 1]"),
        Wrong("not enlarged", lambda lr: lr, "the shape"),
    ],
}


# --- Right, and written otherwise ---


def by_hand(targets, pictures):
    errors = (np.clip(np.rint(pictures), 0, 255) - targets.astype(float)) ** 2
    return np.array([np.mean([10 * np.log10(255**2 / error.mean()) for error in errors])])


def enlarged(make):
    """Return a builder of bilinear interpolation, whose layers `make` makes."""

    def network():
        from keras import Input, Model

        lr = Input((None, None, 3))
        return Model(lr, {f"x{scale}": make(scale)(lr) for scale in (2, 4)})

    return network


def resized(picture, scale):
    import tensorflow as tf

    return tf.image.resize(picture, scale * tf.shape(picture)[1:3])


def a_lambda(scale):
    from keras import layers

    def shape(of):
        return (of[0], None, None, 3)

    return layers.Lambda(lambda x: resized(x, scale), output_shape=shape)


def a_layer(scale):
    import keras

    class Enlarge(keras.layers.Layer):
        def call(self, picture):
            return resized(picture, scale)

    return Enlarge()


def a_subclass():
    import keras

    class Network(keras.Model):
        def call(self, lr):
            return {"x2": resized(lr, 2), "x4": resized(lr, 4)}

    return Network()


ALSO_RIGHT = {
    "q1": [fall(6.67, np.float32(49.9), np.array([99])), fall(6.6, 50, 99.0)],
    "q2": [means(30.0, 23.0), means(np.int64(30), np.array(22.967))],
    "q3": [by_hand, lambda t, p: metrics.psnr(t / 255, np.clip(p / 255, 0, 1)).mean()],
    "q4": [
        lambda p: [
            [
                (sum(c * w for c, w in zip(rgb, RIGHT, strict=True)) + 16) / 255
                for rgb in row
            ]
            for row in p.tolist()
        ],
        lambda p: (np.float32(p) @ np.float32(RIGHT) + 16) / 255,
    ],
    "q5": [enlarged(a_lambda), enlarged(a_layer), a_subclass],
    "q6": [
        measured(conclusion=" B"),
        measured(lambda *case: round(float(scored(*case)), 2), "(b)"),
    ],
}

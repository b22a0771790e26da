"""Wrong answers to the exercises of chapter 5."""

import numpy as np

from exercise_answers import Wrong
from srlib import data, metrics

#: Their solutions train a network: executed with the whole chapter only.
SLOW = {"q8"}


def names():
    """Return what the chapter has defined where its exercises begin."""
    import keras

    from srlib import models

    photos = data.find_photos(data.sample_folder())
    known = {"np": np, "keras": keras, "data": data, "metrics": metrics, "models": models}
    return {**known, "paths": paths, "photos": photos}


def paths(rates, reach=8):
    levels = [np.eye(2 * reach + 1, dtype=int)[reach]]
    for rate in reversed(rates):
        levels.append(sum(np.roll(levels[-1], k * rate) for k in (-1, 0, 1)))
    return levels


# --- q1 ---


def row(**changes):
    return {"sees": 27, "missed": 0, "paths": 1, **changes}


# --- q3 ---


def one_way(row, kernel, rate):
    return sum(w * np.roll(row, -k * rate) for k, w in zip((-1, 0, 1), kernel, strict=True))


def cosmetic(row, kernel, rate):
    result = np.zeros_like(row)
    for k, weight in enumerate(kernel):
        result += weight * np.roll(row, (k - 1) * rate)
    return result


def same(row, kernel, rate):
    wide = np.zeros(2 * rate + 1)
    wide[::rate] = kernel
    return np.convolve(row, wide[::-1], mode="same")


def negative(row, kernel, rate):
    result = np.zeros(len(row))
    for i in range(len(row)):
        for k, weight in zip((-1, 0, 1), kernel, strict=True):
            if i + k * rate < len(row):
                result[i] += weight * row[i + k * rate]
    return result


def padded(row, kernel, rate, order=(0, 1, 2), width=None, mode="constant"):
    width = rate if width is None else width
    wide = np.pad(row, width, mode=mode)
    starts = [width + (k - 1) * rate for k in order]
    taps = [wide[start : start + len(row)] for start in starts]
    return sum(w * tap for w, tap in zip(kernel, taps, strict=True))


# --- q5 ---


def filtered(metric=metrics.psnr, fit=0, on=1, window=None, scale=2):
    """Fit on one of the pairs and score on one of them."""

    def score(train, val, size):
        pairs = train, val
        lr, hr = (
            [data.as_float(getattr(pairs[k], name)) for k in (fit, on)]
            for name in ("lr", f"x{scale}")
        )
        found = metrics.fit_linear_filter(lr[0], hr[0], scale, window or size)
        return np.mean(metric(hr[1], metrics.apply_linear_filter(lr[1], found, scale)))

    return score


def seen(function, enough="5x5"):
    return {"filtered": function, "enough": enough}


# --- q6 ---


def dilated(*rates):
    """Build Model 2 with these pairs of rates in its blocks."""
    import keras

    from srlib import models

    def block(x, pair):
        y = x
        for rate in pair:
            y = models.conv(y, 32, 3, dilation=rate, activation=models.LEAKY)
        return keras.layers.LeakyReLU(0.2)(keras.layers.Add()([x, y]))

    def build():
        lr = models.photo_input()
        x = models.conv(lr, 32, 1, activation=models.LEAKY)
        up2 = models.upsample(block(block(x, rates[0]), rates[1]))
        up4 = models.upsample(block(up2, rates[2]))
        x2, x4 = (
            models.conv(up, 3, 1, activation=models.LEAKY, name=name)
            for name, up in (("x2", up2), ("x4", up4))
        )
        return keras.Model(lr, {"x2": x2, "x4": x4})

    return build


def model_3():
    from srlib import models

    return models.build("atrous", seed=0)


# --- q7 ---


def weighted(x2, x4):
    """Weight the two means."""

    def total(target, drawn):
        means = {h: np.mean((target[h] - drawn[h]) ** 2) for h in ("x2", "x4")}
        return x2 * means["x2"] + x4 * means["x4"]

    return total


def by_place(target, drawn):
    x2, x4 = (np.mean((target[head] - drawn[head]) ** 2) for head in target)
    return x2 + 4 * x4


def summed(target, drawn):
    return sum(np.sum((target[h] - drawn[h]) ** 2) for h in ("x2", "x4"))


# --- q8 ---


def small(filters=38, size=3, rate=1, scale_up="bicubic", blocks=False):
    """Build a small network with one output, untrained."""

    def make(names):
        import keras

        from srlib import models

        keras.utils.set_random_seed(0)
        lr = models.photo_input()
        x = models.conv(models.conv(lr, filters, size), filters, 3, dilation=rate)
        if blocks:
            return keras.Model(lr, {"x2": models.conv(models.upsample(x), 3, 1, name="x2")})
        start = {"start": keras.initializers.Zeros} if scale_up else {}
        y = models.depth_to_space(models.conv(x, 12, 3, activation=None, **start))
        up = keras.layers.UpSampling2D(2, interpolation=scale_up or "nearest")(lr)
        return keras.Model(
            lr, {"x2": keras.layers.Add(name="x2")([y, up] if scale_up else [y, y])}
        )

    return make


WRONG = {
    "q1": [
        Wrong("one side", row(sees=13), "on one side"),
        Wrong("one side and the middle", row(sees=14), "one side and the middle"),
        Wrong("no middle", row(sees=26), "forgot the middle"),
        Wrong("the last layer", row(sees=19), "the last layer alone"),
        Wrong("three times", row(sees=39), "not three times"),
        Wrong("the chapter's", row(sees=15), "Model 3's rates"),
        Wrong("holes", row(missed=18), "Where is a hole"),
        Wrong("all paths", row(paths=27), "all of them together"),
        Wrong("three paths", row(paths=3), "not 3"),
        Wrong("a number", 27, "a dictionary"),
    ],
    "q2": [
        Wrong("as with Adam", "a", "With Adam, yes"),
        Wrong("the trunk alone", "c", "another ratio"),
        Wrong("the heads alone", "d", "the sum of two"),
        Wrong("a number", 10, "one of the letters"),
    ],
    "q3": [
        Wrong("only rewritten", cosmetic, "That is how it was"),
        Wrong("only turned", one_way, "the right way round"),
        Wrong("only padded", lambda r, k, n: padded(r, k, n, order=(2, 1, 0)), "mirrored"),
        Wrong("edges", lambda r, k, n: padded(r, k, n, mode="edge"), "repeated outward"),
        Wrong("no rate", lambda r, k, n: padded(r, k, 1), "direct neighbours"),
        Wrong("cut", lambda r, k, n: padded(r, k, n)[n:-n], "only the middle"),
        Wrong("as long as the kernel", same, "to have the shape `(4,)`, found `(7,)`"),
        Wrong("negative index", negative, "A negative index"),
        Wrong("one pixel", lambda r, k, n: float(padded(r, k, n)[4]), "1 axes"),
    ],
    "q4": [
        Wrong(
            "down",
            lambda a, b: (1 + 2 * sum(a), 1 + 2 * (sum(a) + sum(b) // 2)),
            "rounds down",
        ),
        Wrong(
            "to even",
            lambda a, b: (1 + 2 * sum(a), 1 + 2 * (sum(a) + round(sum(b) / 2))),
            "turns 0.5 into 0",
        ),
        Wrong(
            "half a pixel",
            lambda a, b: (1 + 2 * sum(a), 1 + 2 * (sum(a) + sum(b) / 2)),
            "ends on half a pixel",
        ),
        Wrong(
            "not halved",
            lambda a, b: (1 + 2 * sum(a), 1 + 2 * (sum(a) + sum(b))),
            "half as long",
        ),
        Wrong(
            "x2 without its middle",
            lambda a, b: (2 * sum(a), 1 + 2 * (sum(a) + (sum(b) + 1) // 2)),
            "middle pixel is missing",
        ),
        Wrong(
            "one side", lambda a, b: (1 + sum(a), 1 + sum(a) + (sum(b) + 1) // 2), "side"
        ),
        Wrong(
            "no middle",
            lambda a, b: (2 * sum(a), 2 * (sum(a) + (sum(b) + 1) // 2)),
            "middle pixel is missing",
        ),
        Wrong(
            "counted",
            lambda a, b: (1 + 2 * len(a), 1 + 2 * (len(a) + (len(b) + 1) // 2)),
            "as if all rates were 1",
        ),
        Wrong(
            "from 144 only",
            lambda a, b: (1 + 2 * sum(a), 1 + 2 * ((sum(b) + 1) // 2)),
            "passes the convolutions at 72",
        ),
        Wrong(
            "exchanged",
            lambda a, b: (1 + 2 * (sum(a) + (sum(b) + 1) // 2), 1 + 2 * sum(a)),
            "x2 first",
        ),
        Wrong("x4 alone", lambda a, b: 1 + 2 * (sum(a) + (sum(b) + 1) // 2), "two numbers"),
    ],
    "q5": [
        Wrong("too near", seen(filtered(), "3x3"), "more than 0.05 dB"),
        Wrong("too far", seen(filtered(), 9), "the smallest that is"),
        Wrong("training photos", seen(filtered(on=0)), "score on the training photos"),
        Wrong("fitted on both", seen(filtered(fit=1)), "that it is judged on"),
        Wrong("exchanged", seen(filtered(fit=1, on=0)), "exchanged"),
        Wrong("batch metric", seen(filtered(metrics.batch_psnr)), "of the mean error"),
        Wrong("squared errors", seen(filtered(metrics.mse)), "into decibels"),
        Wrong("x4", seen(filtered(scale=4)), "Look at x2"),
        Wrong("one size", seen(filtered(window=5)), "Hand the size on"),
        Wrong(
            "invented",
            seen(lambda train, val, size: 27 + size / 100),
            "of small pairs",
        ),
        Wrong("another window", seen(filtered(), "11x11"), "`enough`"),
    ],
    "q6": [
        Wrong("Model 2", None, "sees 9x9", lambda n: dilated((1, 1), (1, 1), (1, 1))),
        Wrong("Model 3", model_3, "138,950 parameters"),
        Wrong("equal rates", None, "are holes", lambda n: dilated((4, 4), (4, 4), (4, 4))),
        Wrong("even rates", None, "are holes", lambda n: dilated((2, 6), (2, 6), (2, 6))),
        Wrong("x2 only", None, "Your x4 sees", lambda n: dilated((1, 3), (9, 3), (1, 1))),
        Wrong(
            "the network",
            None,
            "not the network",
            lambda n: dilated((1, 3), (9, 3), (1, 7))(),
        ),
    ],
    "q7": [
        Wrong("only rewritten", weighted(4, 1), "That is how it was"),
        Wrong("equal", weighted(1, 1), "weigh alike"),
        Wrong("16", weighted(1, 16), "a sixteenth"),
        Wrong("2", weighted(1, 2), "twice as high"),
        Wrong("a mean over all", weighted(0.2, 0.8), "mean over all pixels"),
        Wrong("a quarter of x2", weighted(0.25, 1), "four times too small"),
        Wrong("a sum", summed, "the sum itself"),
        Wrong("by place", by_place, "by their place"),
        Wrong("some weights", weighted(0.3, 0.7), "x4, weighted"),
        Wrong("one argument", lambda target: 1.0, "expected 2 arguments"),
    ],
    "q8": [
        Wrong("Model 3", model_3, "hand in what it returns"),
        Wrong("two outputs", None, 'the output `"x2"`', lambda names: model_3()),
        Wrong("too many", None, "20,000 are allowed", small(filters=48)),
        Wrong("wide", None, "sees 13x13", small(rate=4)),
        Wrong("blocks", None, "blocks of equal pixels", small(blocks=True)),
        Wrong("from nothing", None, "start from a picture", small(scale_up=None)),
        Wrong("untrained", None, "0.2 dB more are wanted", small()),
    ],
}

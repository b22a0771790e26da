"""Wrong answers to the exercises of chapter 8."""

import numpy as np

from exercise_answers import Wrong

#: The check of its solution trains networks: executed with the whole chapter only.
SLOW = {"q6"}


def names():
    """Return what the chapter has defined where its exercises begin."""
    import tensorflow as tf

    from srlib import data, models

    photos = data.find_photos(data.sample_folder())
    few = data.load_pairs(photos, "val", "article")[:2]

    def arrows(model):
        with tf.GradientTape(persistent=True) as tape:
            out = model(data.as_float(few.lr))
            loss = {
                h: tf.reduce_mean((data.as_float(getattr(few, h)) - out[h]) ** 2)
                for h in ("x2", "x4")
            }
        found = [tape.gradient(v, model.trainable_weights) for v in loss.values()]
        shared = [p for p in zip(*found, strict=True) if all(g is not None for g in p)]
        return [
            np.concatenate([np.ravel(g) for g in gs]) for gs in zip(*shared, strict=True)
        ]

    return {"np": np, "models": models, "arrows": arrows}


# --- q3 ---


def weighted(reduce, **factors):
    def loss(errors, weights):
        return sum(factors.get(h, 1) * weights[h] * reduce(errors[h] ** 2) for h in errors)

    return loss


def only_rewritten(errors, weights):
    return sum(weights[head] * (errors[head] ** 2).sum() for head in errors)


# --- q4 ---


def arrows(model):
    """Pretend: two arrows that lie as far apart as the network's seed and wire say."""
    angle = float(model.get_weights()[0].ravel()[0]) + model.count_params() / 2e4
    return np.array([1.0, 0.0]), np.array([np.cos(angle), np.sin(angle)])


def cosine(one, other):
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


def measured(**changes):
    """Make a function that makes an answer, right but for some changes."""

    def make(names):
        build = names["models"].build
        lists = {
            name: [
                cosine(*arrows(build("depth_to_space", seed=s, **how))) for s in range(3)
            ]
            for name, how in {"wire": {}, "cut": {"x4_from": "trunk"}}.items()
        }
        wire, cut = lists.values()
        true = "a" if min(wire) > max(cut) else "b" if max(wire) < min(cut) else "c"
        honest = {"cosine": cosine, "arrows": arrows, **lists, "conclusion": true}
        return {**honest, **{name: change(honest) for name, change in changes.items()}}

    return make


def shifted(one, other):
    return np.corrcoef(one, other)[0, 1]


# --- q5 ---


def two_outputs(stop=None, apart=False):
    """Make a function that builds Model 1 with the gradient stopped somewhere."""

    def build(names):
        import keras

        from srlib import models

        def body(lr):
            x = models.conv(lr, 8, 3)
            return models.upsample(models.conv(x, 8, 3))

        lr = models.photo_input()
        x = body(lr)
        halt = keras.ops.stop_gradient
        x = halt(x) if stop == "both" else x
        x2 = models.conv(halt(x) if stop == "x2" else x, 3, 1, name="x2")
        seen = body(lr) if apart else x
        if apart == "beside":
            seen = keras.layers.Concatenate()([seen, halt(x)])
        x4 = models.conv(models.upsample(seen), 3, 1)
        x4 = halt(x4) if stop == "behind" else x4
        x4 = keras.layers.Identity(name="x4")(x4)
        return keras.Model(lr, {"x2": x2, "x4": x4})

    return build


def frozen(names):
    from srlib import models

    model = models.build("basic", seed=0)
    for layer in model.layers:
        layer.trainable = layer.name in ("x2", "x4")
    return model


def model_1(names):
    from srlib import models

    return models.build("basic", seed=0)


def one_output(names):
    from srlib import models

    return models.build("basic_x2", seed=0)


# --- q6 ---


def choice(loss="psnr", x2=1.0, x4=1.0):
    return {"loss": loss, "loss_weights": {"x2": x2, "x4": x4}}


def trained_before(x2, x4):
    """Make a function that pretends that a choice was trained and came out like this."""

    def make(names):
        from srlib.exercises import ch08

        level = np.linspace(18, 24, 24)
        nothing = np.zeros(3)
        for key, above in {
            ("mse", 0.3, 0.7): (nothing, nothing),
            ("mse", 0.8, 0.2): (np.asarray(x2), np.asarray(x4)),
        }.items():
            ch08._trained[key] = {
                head: level + by_seed[:, None]
                for head, by_seed in zip(("x2", "x4"), above, strict=True)
            }
        return choice("mse", 0.8, 0.2)

    return make


WRONG = {
    "q1": [
        Wrong("compares losses", "a", "higher for the very same pictures"),
        Wrong("faster", "b", "what becomes of a common factor"),
        Wrong("more weight on x4", "c", "Only the ratio"),
        Wrong("no such letter", "e", "Answer with one of the letters"),
        Wrong("a number", 100, "in quotes"),
    ],
    "q2": [
        Wrong("at both", lambda a, b: a[0] > b[0] and a[1] > b[1], "better at one output"),
        Wrong("or equal", lambda a, b: a[0] >= b[0] and a[1] >= b[1], "that one beats it"),
        Wrong("mean", lambda a, b: np.mean(a) > np.mean(b), "in the mean of both"),
        Wrong("as tuples", lambda a, b: a > b, "entries of two tuples"),
        Wrong("turned round", lambda a, b: b[0] >= a[0] and b[1] >= a[1], "better at both"),
        Wrong("a number", lambda a, b: a[0] - b[0], "to be `True` or `False`"),
        Wrong("the answer itself", True, "Expected a function"),
    ],
    "q3": [
        Wrong("only rewritten", only_rewritten, "That is how it was"),
        Wrong(
            "by photo",
            lambda e, w: sum(w[h] * np.sum(e[h] ** 2) / len(e[h]) for h in e),
            "though a mean over photos",
        ),
        Wrong("4 at x4", weighted(np.sum, x4=4), "at the wrong output"),
        Wrong("4 at x2", weighted(np.sum, x2=4), "size of the photos"),
        Wrong("mean and 4", weighted(np.mean, x2=4), "one too many"),
        Wrong(
            "not squared",
            lambda e, w: sum(w[h] * np.abs(e[h]).mean() for h in e),
            "The loss squares them",
        ),
        Wrong(
            "weights of 1",
            lambda e, w: weighted(np.mean)(e, w) / sum(w.values()),
            "by the sum of the weights",
        ),
        Wrong(
            "squared mean",
            lambda e, w: sum(w[h] * e[h].mean() ** 2 for h in e),
            "You square the mean",
        ),
        Wrong("mean", lambda e, w: weighted(np.mean)(e, w) / 2, "mean over the outputs"),
        Wrong("x2 alone", lambda e, w: w["x2"] * np.mean(e["x2"] ** 2), "Only x2"),
        Wrong(
            "in the order of the weights",
            lambda e, w: sum(map(lambda k, v: k * np.mean(v**2), w.values(), e.values())),
            "the output of its name",
        ),
        Wrong("no weights", lambda e, w: sum((v**2).mean() for v in e.values()), "gone"),
        Wrong("by head", lambda e, w: dict.fromkeys(e, 0.0), "to be one number"),
    ],
    "q4": [
        Wrong("not divided", None, "by both lengths", measured(cosine=lambda h: np.dot)),
        Wrong("correlation", None, "the correlation", measured(cosine=lambda h: shifted)),
        Wrong("exchanged", None, 'cosines of "cut"', measured(wire=lambda h: h["cut"])),
        Wrong(
            "absolute", None, "signs have gone", measured(wire=lambda h: np.abs(h["wire"]))
        ),
        Wrong(
            "invented", None, "the check measures", measured(cut=lambda h: [0.1, 0, 0.3])
        ),
        Wrong(
            "does not follow",
            None,
            "does not follow",
            measured(conclusion=lambda h: "a" if h["conclusion"] != "a" else "b"),
        ),
        Wrong("two seeds", None, "have the shape", measured(cut=lambda h: [0.1, 0.2])),
    ],
    "q5": [
        Wrong("Model 1", None, "still hear both losses", model_1),
        Wrong("one output", None, 'the outputs `"x2"` and `"x4"`', one_output),
        Wrong("before both", None, "hear no loss at all", two_outputs("both")),
        Wrong("behind x4", None, "No layer hears the loss of x4", two_outputs("behind")),
        Wrong("side by side", None, "two networks side by side", two_outputs(apart=True)),
        Wrong("the wrong one", None, "does not look at", two_outputs("x2")),
        Wrong("a second trunk", None, "a way of its own", two_outputs(apart="beside")),
        Wrong("frozen", None, "are frozen", frozen),
        Wrong("the function", lambda: None, "hand in what it returns"),
    ],
    "q6": [
        Wrong("the article's", choice("mse", 0.3, 0.7), "These are the article's weights"),
        Wrong("times a hundred", choice("mse", 30, 70), "or a multiple of them"),
        Wrong("one output", choice("mse", 1, 0), "is never trained"),
        Wrong("less than nothing", choice("mse", 1.3, -0.3), "A negative weight"),
        Wrong("another loss", choice("mae"), 'one of the words `"mse"`, `"psnr"`'),
        Wrong("x2 alone", {"loss": "mse", "loss_weights": {"x2": 1}}, "no entry for x4"),
        Wrong("a trade", None, "a trade", trained_before([0.2] * 3, [-0.2] * 3)),
        Wrong("by luck", None, "undecided", trained_before([0.2] * 3, [0.2, 0.3, -0.1])),
    ],
}

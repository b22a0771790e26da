"""Exercises of chapter 8: loss weights, the plane of both outputs, and who steers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from srlib.exercises import expect, networks
from srlib.exercises.engine import Chapter, NotYet

if TYPE_CHECKING:
    import keras

chapter = Chapter(8, "08-loss-weights")
progress = chapter.progress

HEADS = ("x2", "x4")


# --- 1 -----------------------------------------------------------------------------------

q1 = chapter.choice(
    "q1",
    "A common factor",
    difficulty=1,
    minutes=5,
    options={
        "a": (
            "His network is worse: its loss is higher.",
            "His loss has been multiplied by a hundred. It would be higher for the very "
            "same pictures. What can be compared between different weights?",
        ),
        "b": (
            "His network is trained a hundred times as fast.",
            "So it would be with plain gradient descent. Adam divides each step by the "
            "usual size of the gradient (chapter 5): what becomes of a common factor?",
        ),
        "c": (
            "His network is better at x4: 70 is more than 0.7.",
            "And 30 is more than 0.3, as many times. Only the ratio decides who steers.",
        ),
        "d": (
            "His network is nearly the same as yours.",
            "Adam divides by the usual size of the gradient, so a common factor drops out. "
            "Ask for the PSNR of each output: a weighted loss cannot be compared between "
            "weights.",
        ),
    },
    right="d",
    hints=(
        "By what are the two losses multiplied, and what does Adam divide by?",
        "Only the ratio of the weights matters to Adam. The loss that is shown has the "
        "factor in it all the same.",
    ),
)


# --- 2 -----------------------------------------------------------------------------------

_PAIRS = [
    ((22.3, 22.7), (22.2, 22.6)),  # better at both
    ((22.2, 22.6), (22.3, 22.7)),  # worse at both
    ((22.3, 22.7), (22.1, 22.8)),  # a trade
    ((22.1, 22.8), (22.3, 22.7)),
    ((23.0, 22.6), (22.2, 22.7)),  # a trade, higher on the mean
    ((22.4, 22.3), (22.3, 22.8)),  # a trade, lower on the mean
    ((22.3, 22.7), (22.3, 22.6)),  # a tie at x2
    ((22.3, 22.7), (22.2, 22.7)),  # a tie at x4
    ((22.3, 22.6), (22.3, 22.7)),
    ((22.3, 22.7), (22.3, 22.7)),  # the same
]


def _beats(a: tuple, b: tuple) -> bool:
    return a[0] >= b[0] and a[1] >= b[1] and a != b


@chapter.exercise(
    "Who would choose that?",
    kind="function",
    difficulty=1,
    minutes=10,
    stub="""
        def beats(a, b):
            return ____
    """,
    answer="beats",
    hints=(
        "On the plane, `b` is beaten by what lies to its right, above it, or both. And by "
        "what lies just where it lies?",
        "At least as good at both outputs, and better at one of them.",
    ),
    solution="""
        def beats(a, b):
            at_least_as_good = a[0] >= b[0] and a[1] >= b[1]
            return at_least_as_good and (a[0] > b[0] or a[1] > b[1])
    """,
    because="""
        Nobody would choose a network if another one is at least as good at both outputs and
        better at one. What is left when all such networks are crossed out is a list of
        trades, and no score decides between them: that depends on what you want. The mean
        of the two PSNRs would decide, but it chooses for you how much of x2 a decibel of x4
        is worth.
    """,
)
def q2(answer: Any) -> str:
    """Whether one network is ahead of another at both outputs."""
    slips = {
        "You ask for more at both outputs. And a network that is better at one and equal "
        "at the other?": lambda a, b: a[0] > b[0] and a[1] > b[1],
        "With your rule a network beats one with the same scores, and that one beats it.": (
            lambda a, b: a[0] >= b[0] and a[1] >= b[1]
        ),
        "You compare the mean of both outputs (or their sum). Then a network that trades "
        "much of x4 for x2 may win. Compare each output.": (
            lambda a, b: a[0] + a[1] > b[0] + b[1]
        ),
        "Better at one output is not enough: the other may have paid for it.": (
            lambda a, b: a[0] > b[0] or a[1] > b[1]
        ),
        "The other way round: `beats(a, b)` says whether `a` is the better one.": (
            lambda a, b: _beats(b, a)
        ),
        "`a > b` compares the second entries of two tuples only if the first are equal. "
        "Compare each output.": lambda a, b: a > b,
        "You compare the first output only.": lambda a, b: a[0] > b[0],
        "You compare the second output only.": lambda a, b: a[1] > b[1],
    }
    found = [_yes(expect.call(answer, a, b)) for a, b in _PAIRS]
    right = [_beats(a, b) for a, b in _PAIRS]
    for message, slip in slips.items():
        expect.that(found != [slip(a, b) for a, b in _PAIRS], message)
    for (a, b), said, true in zip(_PAIRS, found, right, strict=True):
        expect.that(
            said == true,
            f"For a = {a} and b = {b} (x2, x4) you say {said}. Where do the two lie on the "
            "plane?",
        )
    return "What nothing beats is a trade, and which trade is best depends on your wish."


def _yes(value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise NotYet(
            f"Expected `True` or `False`, found {expect.kind_of(value)}: does `a` beat `b`?"
        )
    return bool(value)


# --- 3 -----------------------------------------------------------------------------------


def _weighted(errors: Mapping, weights: Mapping, reduce: Any = np.mean) -> float:
    return float(sum(weights[h] * reduce(np.square(errors[h])) for h in errors))


@chapter.exercise(
    "The weight that nobody set",
    kind="bug",
    difficulty=2,
    minutes=15,
    stub="""
        def weighted_loss(errors, weights):
            total = 0.0
            for head, error in errors.items():
                total += weights[head] * np.sum(error**2)
            return total
    """,
    answer="weighted_loss",
    hints=(
        "Give it errors of 0.1 everywhere, at both outputs, and equal weights. How much of "
        "the loss comes from x4?",
        "A picture at x4 has four times as many numbers as one at x2.",
        "The mean does not depend on how many numbers there are; a sum does.",
    ),
    solution="""
        def weighted_loss(errors, weights):
            total = 0.0
            for head, error in errors.items():
                total += weights[head] * np.mean(error**2)
            return total
    """,
    because="""
        x4 has four times as many pixels as x2, so in a sum it counts four times. Equal
        weights were really 1 to 4, and (0.65, 0.35) about 1 to 2. It is a weight that
        nobody set and no record mentions. Published code of two-output networks sums in
        that way. Somebody who copied it wanted to repair that with a factor of 4, and put
        the factor at the wrong output; a reader asked what it was for. Take the mean, and
        the weights are what they say.
    """,
)
def q3(answer: Any) -> str:
    """Weights that a sum over pixels changes."""
    rng = np.random.default_rng(8)
    flat = {"x2": np.full((1, 4, 4, 3), 0.1), "x4": np.full((1, 8, 8, 3), 0.1)}
    noise = {"x2": rng.normal(size=(3, 4, 6, 3)), "x4": rng.normal(size=(3, 8, 12, 3))}
    cases = [
        (flat, {"x2": 0.5, "x4": 0.5}),
        (noise, {"x2": 0.3, "x4": 0.7}),
        (noise, {"x2": 1.0, "x4": 2.0}),
    ]

    def four_at(head: str, reduce: Any) -> Any:
        return lambda errors, weights: _weighted(
            errors, {h: w * (4 if h == head else 1) for h, w in weights.items()}, reduce
        )

    slips = {
        "That is how it was: the sum over all pixels.": (
            lambda errors, weights: _weighted(errors, weights, np.sum)
        ),
        "Still a sum over pixels, though a mean over photos. x4 has four times as many.": (
            lambda errors, weights: sum(
                weights[h] * np.sum(e**2) / len(e) for h, e in errors.items()
            )
        ),
        "That is the famous repair of a sum with a factor of 4, at the wrong output.": (
            four_at("x4", np.sum)
        ),
        "A factor of 4 at x2 makes up for the pixels, but the loss still grows with the "
        "size of the photos and of the batch. What does not?": four_at("x2", np.sum),
        "The mean makes up for the pixels. The factor of 4 is one too many now.": (
            four_at("x2", np.mean)
        ),
        "That is the mean of the errors' size. The loss squares them.": (
            lambda errors, weights: sum(
                weights[h] * np.mean(np.abs(e)) for h, e in errors.items()
            )
        ),
        "You square the mean of the errors, where too bright and too dark cancel. Square "
        "first.": (
            lambda errors, weights: sum(
                weights[h] * np.mean(e) ** 2 for h, e in errors.items()
            )
        ),
        "You take the mean over the outputs. Their losses are added.": (
            lambda errors, weights: _weighted(errors, weights) / len(errors)
        ),
        "You divide by the sum of the weights. They are to be taken as they are.": (
            lambda errors, weights: _weighted(errors, weights) / sum(weights.values())
        ),
        "The weights have gone: each loss counts by its own.": (
            lambda errors, weights: _weighted(errors, dict.fromkeys(weights, 1.0))
        ),
    }
    expect.function(answer)
    found = [expect.call(answer, *case) for case in cases]
    values = [expect.number(value, "the loss") for value in found]
    right = [_weighted(*case) for case in cases]
    wrong = {message: [slip(*case) for case in cases] for message, slip in slips.items()}
    told = (
        f"Errors of 0.1 everywhere and weights of 0.5 make {values[0]:.4g}, expected "
        f"{right[0]:.4g}. Random errors with other weights make {values[1]:.4g} and "
        f"{values[2]:.4g}, expected {right[1]:.4g} and {right[2]:.4g}."
    )
    expect.agree(values, right, wrong, wrong=told)
    return "The mean does not count pixels, so the weights are what they say."


# --- 4 -----------------------------------------------------------------------------------

_CONCLUSIONS = {
    "a": "the wire makes the two arrows agree: with it every cosine is higher than any "
    "without it",
    "b": "the wire sets the arrows against each other: with it every cosine is lower than "
    "any without it",
    "c": "three networks each cannot tell: the cosines overlap",
}


@chapter.exercise(
    "The wire of Model 5",
    kind="measure",
    difficulty=2,
    minutes=20,
    stub="""
        def cosine(model):
            x2, x4 = arrows(model)
            return ____


        measured = {"wire": [____], "cut": [____], "conclusion": ____}
    """,
    answer="measured",
    hints=(
        "The cosine of two arrows is their inner product, `x2 @ x4`, divided by both "
        "lengths, `np.linalg.norm`.",
        '`models.build("depth_to_space", seed=s)` has the wire; `x4_from="trunk"` cuts it. '
        "Take the seeds 0, 1 and 2 of each.",
        "Compare the lowest of one list with the highest of the other.",
    ),
    solution="""
        def cosine(model):
            x2, x4 = arrows(model)
            return float(x2 @ x4 / (np.linalg.norm(x2) * np.linalg.norm(x4)))


        def three(**how):
            networks = (models.build("depth_to_space", seed=s, **how) for s in range(3))
            return [cosine(network) for network in networks]


        measured = {"wire": three(), "cut": three(x4_from="trunk")}
        wire, cut = measured["wire"], measured["cut"]
        above, below = min(wire) > max(cut), max(wire) < min(cut)
        measured["conclusion"] = "a" if above else "b" if below else "c"
    """,
    because="""
        It is the same as in Model 4. With the wire x4 is made of the x2 picture, so what
        makes that picture better serves both, and in fresh networks the arrows point nearly
        the same way. With the wire cut, the shared layers end before the picture, and the
        arrows have little to do with each other. What lies behind the wire, repeated pixels
        or depth to space, does not matter here. Nor does agreement make a good network:
        Model 5's x4 is told too little (chapter 7).
    """,
)
def q4(answer: Any) -> str:
    """Cosines of the arrows in Model 5, with the wire and without."""
    found = expect.mapping(answer, ["wire", "cut", "conclusion"])
    cosines = {name: _three_cosines(found[name], name) for name in ("wire", "cut")}
    wire, cut = cosines["wire"], cosines["cut"]
    expect.that(
        not np.allclose(wire, cut, atol=1e-4),
        "Both lists are the same. Is the wire cut in the second three networks? "
        '`models.build("depth_to_space", seed=s, x4_from="trunk")`.',
    )
    letter = found["conclusion"]
    if letter not in tuple(_CONCLUSIONS):
        raise NotYet('The conclusion is one of the letters `"a"`, `"b"`, `"c"`, in quotes.')
    true = "a" if min(wire) > max(cut) else "b" if max(wire) < min(cut) else "c"
    ranges = (
        f"with the wire {min(wire):.2f} to {max(wire):.2f}, "
        f"without it {min(cut):.2f} to {max(cut):.2f}"
    )
    expect.that(
        letter == true,
        f"You say: {_CONCLUSIONS[letter]}. Your numbers are {ranges}: that does not "
        "follow.",
    )
    return f"Cosines {ranges}. Three networks each, untrained."


def _three_cosines(values: Any, name: str) -> list[float]:
    found = expect.array(values, (3,), f'the list "{name}"')
    expect.that(
        bool((np.abs(found) <= 1.0001).all()),
        f'The list "{name}" has {expect.shown(found)}. A cosine lies between -1 and 1: '
        "divide the inner product by both lengths.",
    )
    expect.that(
        float(np.ptp(found)) > 1e-6,
        f'The three numbers in "{name}" are equal. Build three networks, from the seeds 0, '
        "1 and 2.",
    )
    return found.tolist()


# --- 5 -----------------------------------------------------------------------------------


@chapter.exercise(
    "Look, but do not steer",
    kind="model",
    difficulty=2,
    minutes=25,
    stub="""
        import keras


        def no_steering():
            return ____


        model = no_steering()
    """,
    answer="model",
    hints=(
        "Begin with a copy of `basic` from `srlib/models.py`. Where do the two losses meet "
        "on their way back?",
        "`keras.ops.stop_gradient(x)` hands on the numbers and lets no gradient back. On "
        "which of the two ways does it belong?",
        "Between what both outputs share and what only x4 has: x2 is made of `x`, and x4 "
        "of `keras.ops.stop_gradient(x)`.",
    ),
    solution="""
        import keras


        def no_steering():
            lr = models.photo_input()
            x = models.conv(models.conv(lr, 64, 3), 64, 3)
            up2 = models.upsample(x)
            x2 = models.conv(up2, 3, 1, name="x2")
            seen = keras.ops.stop_gradient(up2)
            x4 = models.conv(models.upsample(seen), 3, 1, name="x4")
            return keras.Model(lr, {"x2": x2, "x4": x4})


        model = no_steering()
    """,
    because="""
        No layer hears both losses any more, and with Adam a weight does nothing to a layer
        that hears one. So this network has no loss weights to choose: the trunk learns what
        x2 needs, and x4 makes of it what it can. Trained like that, it shows what x4 gains
        from steering: compare its x4 with that of the same network without the stop.
    """,
    seconds=60,
)
def q5(answer: Any) -> str:
    """Network whose second output looks at shared features and does not train them."""
    model = networks.network(answer)
    heard = {head: _heard(model, head) for head in HEADS}
    total = len(model.trainable_weights)
    frozen = len(model.weights) - total
    for head in HEADS:
        expect.that(
            bool(heard[head]),
            f"No layer hears the loss of {head}: it would never learn anything. The stop "
            "belongs before the last layers of x4, not behind them.",
        )
    both = heard["x2"] & heard["x4"]
    expect.that(
        not both,
        f"{len(both)} of the {total} arrays of weights still hear both losses. The way "
        "back from x4 has to end where the shared layers begin.",
    )
    deaf = total - len(heard["x2"] | heard["x4"])
    expect.that(
        not deaf,
        f"{deaf} of the {total} arrays of weights hear no loss at all, and stay as they "
        "started. x2 still has to train what it is made of: the stop is for x4 alone.",
    )
    expect.that(
        _looks_at(model, "x4", heard["x2"]),
        f"{frozen} arrays of weights are frozen, and nothing trains what both share. x2 "
        "has to train it."
        if frozen
        else "No layer hears both losses, but x4 does not look at what x2 trains: these "
        "are two networks side by side. x4 has to be made of the shared features.",
    )
    return (
        f"Of {total} arrays of weights {len(heard['x2'])} hear x2, {len(heard['x4'])} hear "
        "x4, none hears both. There is nothing left that a loss weight could decide."
    )


def _positive_weights(model: keras.Model) -> AbstractContextManager[None]:
    """Let all weights be positive for a while, so that no activation is shut."""
    return networks.other_weights(
        model, lambda shape: np.full(shape, 1 / np.prod(shape[:-1]))
    )


def _heard(model: keras.Model, head: str) -> set[int]:
    """Return which of the trained weights an output's loss reaches, by their place."""
    import tensorflow as tf

    picture = np.full((1, 8, 8, 3), 0.5, np.float32)
    with _positive_weights(model), tf.GradientTape() as tape:
        error = tf.reduce_sum(model(picture)[head])
        found = tape.gradient(error, model.trainable_weights)
    return {k for k, g in enumerate(found) if g is not None and np.any(np.asarray(g) != 0)}


def _looks_at(model: keras.Model, head: str, places: set[int]) -> bool:
    """Tell whether an output changes with some of the trained weights."""
    picture = np.full((1, 8, 8, 3), 0.5, np.float32)
    with _positive_weights(model):
        before = np.asarray(model(picture)[head])
        for place in places:
            weight = model.trainable_weights[place]
            weight.assign(2 * weight)
        return not np.allclose(before, np.asarray(model(picture)[head]))


# --- 6 -----------------------------------------------------------------------------------

#: How the check trains: enough to tell, and little enough to wait for.
_SEEDS, _EPOCHS, _BATCH, _LR_SIZE = (0, 1, 2), 6, 4, 36
_ARTICLE = ("mse", 0.3, 0.7)
#: PSNR in dB of each photo, (seeds, photos) by output, by what was trained.
_trained: dict[tuple, dict[str, np.ndarray]] = {}


@chapter.exercise(
    "Better than the article's",
    kind="measure",
    difficulty=3,
    minutes=45,
    stub="""
        choice = {"loss": ____, "loss_weights": {"x2": ____, "x4": ____}}
    """,
    answer="choice",
    hints=(
        "Weights alone mostly trade one output for the other. Which loss has no weights to "
        "choose?",
        'With `"psnr"` every batch pulls equally, easy photos or hard ones, and so they do '
        "in the mean PSNR over photos.",
        "The article's weights favour x4. If you give x2 more, x4 may pay for it: what if "
        "you change the loss, and leave the weights as they are?",
    ),
    solution="""
        choice = {"loss": "psnr", "loss_weights": {"x2": 0.3, "x4": 0.7}}
    """,
    because="""
        With the squared error, more weight on x2 raises x2 and lowers x4: a trade, as on
        the chapter's plane. The logarithm does something else. The score is the mean of the
        photos' PSNRs, in which easy photos count as much as hard ones. The mean squared
        error is mostly that of the hard ones; the logarithm of each small batch is nearer
        to the score. So both outputs gain, and the article's ratio sees to it that x4 does
        not pay for x2.

        That is 6 epochs of small pictures. Whether it lasts, only longer runs tell: for
        Model 3 on VOC the chapter compares them.
    """,
    seconds=600,
)
def q6(answer: Any) -> str:
    """Loss and weights that beat the article's at both outputs of Model 2."""
    key = _choice(answer)
    mine, article = _scores(*key), _scores(*_ARTICLE)
    found = {head: _difference(mine[head] - article[head]) for head in HEADS}
    told = "; ".join(f"{head}: {d}: {d.outcome}" for head, d in found.items())
    outcomes = {d.outcome for d in found.values()}
    if outcomes == {"higher", "lower"}:
        raise NotYet(f"That is a trade, not a gain. {told}.")
    expect.that(
        outcomes == {"higher"},
        f"It is not higher at both. {told}. Which choice would move both outputs the same "
        "way?",
    )
    return f"Higher at both outputs, from every seed. {told}."


def _difference(by_photo: np.ndarray) -> Any:
    """From an array (seeds, photos)."""
    from srlib.runs import results, verdicts

    low, high = results.bootstrap_interval(by_photo.mean(axis=0))
    return verdicts.Difference(tuple(by_photo.mean(axis=1).tolist()), low, high)


def _choice(answer: Any) -> tuple[str, float, float]:
    """Expect a loss and positive weights other than the article's."""
    found = expect.mapping(answer, ["loss", "loss_weights"])
    loss = found["loss"]
    if not isinstance(loss, str) or loss not in ("mse", "psnr"):
        raise NotYet(
            f'The loss is {expect.shown(loss)}. It can be `"mse"` or `"psnr"`, as in '
            "`training.fit`."
        )
    weights = expect.mapping(found["loss_weights"], HEADS, "the weights")
    x2, x4 = (expect.number(weights[head], f"the weight of {head}") for head in HEADS)
    expect.that(
        min(x2, x4) >= 0, "A negative weight asks for a larger error. Both are positive."
    )
    expect.that(
        min(x2, x4) > 0, "An output with the weight 0 is never trained, and stays noise."
    )
    expect.that(
        loss != "mse" or not np.isclose(x2 / x4, _ARTICLE[1] / _ARTICLE[2], rtol=0.02),
        "These are the article's weights (0.3, 0.7), or a multiple of them. With Adam that "
        "is the same.",
    )
    return loss, x2, x4


def _scores(loss: str, x2: float, x4: float) -> dict[str, np.ndarray]:
    """Train Model 2 from some seeds, once for each choice, and score it."""
    from srlib import data, models, training

    key = (loss, x2, x4)
    if key not in _trained:
        photos = data.find_photos(data.sample_folder())
        train, val = (
            data.load_pairs(photos, part, "article", lr_size=_LR_SIZE)
            for part in ("train", "val")
        )
        by_seed = []
        for seed in _SEEDS:
            model = models.build("residual", seed=seed)
            training.fit(
                model, train, val[:2], epochs=_EPOCHS, batch_size=_BATCH, loss=loss,
                loss_weights={"x2": x2, "x4": x4}, seed=seed,
            )  # fmt: skip
            by_seed.append(training.score(training.predict(model, val.lr), val))
        _trained[key] = {h: np.array([s[h] for s in by_seed]) for h in HEADS}
    return _trained[key]

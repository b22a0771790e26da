"""Exercises of chapter 9: when a network is better, tables, and verdicts."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from srlib import zoo
from srlib.exercises import expect, networks
from srlib.exercises.engine import Chapter, NotYet
from srlib.runs import claims, results, verdicts

if TYPE_CHECKING:
    import keras

chapter = Chapter(9, "09-verdicts")
progress = chapter.progress


# --- 1 -----------------------------------------------------------------------------------

_DIFFERENCES = {
    "a": verdicts.Difference((0.15, 0.18, 0.13), 0.11, 0.2),
    "b": verdicts.Difference((0.41, 0.35, -0.02), 0.19, 0.3),
    "c": verdicts.Difference((0.02, 0.03, 0.01), 0.01, 0.03),
    "d": verdicts.Difference((-0.15,), -0.31, 0.02),
}
_OUTCOMES = ("higher", "lower", "the same", "undecided")
_NUDGES = {
    ("a", "the same"): "that is less than you may see. But is it below 0.1 dB?",
    ("b", "higher"): "the interval over the photos lies above zero. And the third seed?",
    ("c", "higher"): "all of it is above zero. But is the mean 0.1 dB or more?",
    ("c", "undecided"): "it is too little for a difference. But how far from zero does "
    "anything get?",
    ("d", "lower"): "the one seed is below zero. And the whole interval over the photos?",
    ("d", "the same"): "one of these numbers is more than 0.1 dB from zero.",
}


@chapter.exercise(
    "Four outcomes",
    kind="predict",
    difficulty=1,
    minutes=10,
    stub='outcomes = {"a": ____, "b": ____, "c": ____, "d": ____}',
    answer="outcomes",
    hints=(
        "Ask in this order: is every seed above zero, the interval, too, and the mean 0.1 "
        "dB or more? The same below zero? Does everything stay within 0.1 dB?",
        "What answers none of the three questions with yes is undecided.",
    ),
    solution="""
        outcomes = {"a": "higher", "b": "undecided"}
        outcomes |= {"c": "the same", "d": "undecided"}
    """,
    because="""
        A difference needs every seed, other photos, and a least size.

        - a: every seed is above zero, so is the interval, and the mean is 0.15 dB: higher.
        - b: the third seed says otherwise, so the gain of 0.25 dB in the mean may be luck.
        - c: every seed is above zero, and the interval, too. But 0.02 dB are too little to
          call it a difference, and nothing is further from zero than 0.1 dB: the same.
        - d: with other photos it might be zero or more, and 0.31 dB is too far for "the
          same".
    """,
)
def q1(answer: Any) -> str:
    """Outcome of four differences."""
    said = expect.mapping(answer, _DIFFERENCES)
    for letter, difference in _DIFFERENCES.items():
        outcome = expect.choose(said[letter], _OUTCOMES, f"({letter})")
        think = _NUDGES.get((letter, outcome), "go through the rule, question by question.")
        expect.that(
            outcome == difference.outcome, f'({letter}) is not "{outcome}": {think}'
        )
    return "Every seed, the photos, and a least size: a difference needs all three."


# --- 2 -----------------------------------------------------------------------------------


@chapter.exercise(
    "How many photos?",
    kind="function",
    difficulty=1,
    minutes=10,
    stub="""
        def photos_for(wanted, width, count):
            return ____
    """,
    answer="photos_for",
    hints=(
        "The mean of four times as many photos is how much steadier?",
        "The width shrinks with the square root of the number of photos. Solve that for "
        "the number.",
    ),
    solution="""
        def photos_for(wanted, width, count):
            return count * (width / wanted) ** 2
    """,
    because="""
        The interval of a mean shrinks with the square root of the number of photos: a
        quarter of the photos, twice the width. To halve an interval costs four times the
        photos. And no number of photos makes the seeds agree.
    """,
)
def q2(answer: Any) -> str:
    """Photos that an interval of some width takes."""

    def right(wanted: float, width: float, count: int) -> float:
        return count * (width / wanted) ** 2

    slips = {
        "That is in proportion. But twice the photos do not halve the interval.": (
            lambda w, width, n: n * width / w
        ),
        "Upside down: a narrower interval takes more photos, not fewer.": (
            lambda w, width, n: n * (w / width) ** 2
        ),
        "You take the root of the ratio. The width goes with the root of the number, so "
        "what does the number go with?": lambda w, width, n: n * (width / w) ** 0.5,
        "That is how many photos come on top. Return all of them.": (
            lambda w, width, n: right(w, width, n) - n
        ),
        "That is how many times as many. Times how many there are?": (
            lambda w, width, n: right(w, width, 1)
        ),
        "Only the ratio is squared, not the number of photos.": (
            lambda w, width, n: (n * width / w) ** 2
        ),
    }
    cases = [(0.2, 0.5, 200), (0.3, 0.2, 450), (0.4, 0.5, 96)]
    expect.agree_on(answer, right, cases, slips, tolerance=0.005)
    return "Half the width costs four times the photos. The seeds are another matter."


# --- 3 -----------------------------------------------------------------------------------


@chapter.exercise(
    "A table that repeats itself",
    kind="bug",
    difficulty=2,
    minutes=15,
    stub="""
        def table(record, methods):
            rows = dict.fromkeys(("x2", "x4"), {})
            for head, row in rows.items():
                row.update({m: record.baseline(head, m).mean() for m in methods})
            return rows
    """,
    answer="table",
    hints=(
        'Try `table(one, ["nearest", "bilinear"])`, and change one number of the first '
        "row. What happens to the second?",
        "How many dictionaries does `dict.fromkeys(..., {})` make for the rows?",
        "One for both. Make a new one for each output, for instance in a comprehension: "
        "`{head: {...} for head in ...}`.",
    ),
    solution="""
        def table(record, methods):
            return {
                head: {m: record.baseline(head, m).mean() for m in methods}
                for head in ("x2", "x4")
            }
    """,
    because="""
        `dict.fromkeys(keys, {})` makes one dictionary and hangs it under every key. What is
        written for x4 overwrites what was written for x2, and no error tells. Such a table
        looks right until someone compares two of its rows. So do that: two settings with
        the same numbers to the last digit are rarely a discovery.
    """,
)
def q3(answer: Any) -> str:
    """Rows that are one and the same dictionary."""
    methods = ["nearest", "bilinear", "bicubic"]
    one, two = _Baselines(1), _Baselines(2)
    first = expect.call(answer, one, methods)
    before = expect.fresh(first)
    second = expect.call(answer, two, methods)
    expect.that(
        expect.alike(first, before, tolerance=0),
        "Make two tables, one after the other: the second one is written over the first. "
        "What survives from call to call, a dictionary as a default value or outside?",
    )
    for record, table in ((one, before), (two, second)):
        rows = expect.mapping(table, zoo.HEADS, "the table")
        for head, other in zip(zoo.HEADS, zoo.HEADS[::-1], strict=True):
            row = expect.mapping(rows[head], methods, f"the row of {head}")
            for method, score in row.items():
                if isinstance(score, np.ndarray) and score.size > 1:
                    raise NotYet(
                        f"In the row of {head}, {method} has the scores of all photos. The "
                        "table shows their mean."
                    )
                slips = {
                    f"The row of {head} still shows the numbers of {other}. How many "
                    "dictionaries are there, one or two?": record.mean(other, method),
                    "The table of a second record shows the numbers of the first.": (
                        one.mean(head, method)
                    ),
                    "That is the median. The table shows the mean.": np.median(
                        record.baseline(head, method)
                    ),
                }
                expect.agree(
                    score, record.mean(head, method), slips, digits=2,
                    case=f"for {head}, {method}: ",
                )  # fmt: skip
    return "Each output has a row of its own now."


class _Baselines:
    """As much of a record as a table of baselines needs."""

    per_image = dict.fromkeys(zoo.HEADS)

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def baseline(self, head: str, method: str) -> np.ndarray:
        """Return made-up scores, others for each output and method."""
        rng = np.random.default_rng([self.seed, len(method), *head.encode()])
        return rng.uniform(18, 26, 12)

    def mean(self, head: str, method: str) -> float:
        """Return their mean."""
        return float(self.baseline(head, method).mean())


# --- 4 -----------------------------------------------------------------------------------


@chapter.exercise(
    "Drawn apart",
    kind="bug",
    difficulty=2,
    minutes=20,
    stub="""
        def interval(a, b, rng):
            n = len(a)
            first, second = rng.integers(n, size=(2, 2000, n))
            drawn = a[first].mean(axis=1) - b[second].mean(axis=1)
            return np.quantile(drawn, [0.025, 0.975])
    """,
    answer="interval",
    hints=(
        "Give it the same scores twice, `interval(a, a, rng)`. How wide should the "
        "interval be?",
        "In one draw the first network gets easy photos and the second one hard photos. "
        "What do you compare then?",
        "Draw one set of photos, and give it to both.",
    ),
    solution="""
        def interval(a, b, rng):
            n = len(a)
            chosen = rng.integers(n, size=(2000, n))
            drawn = (a - b)[chosen].mean(axis=1)
            return np.quantile(drawn, [0.025, 0.975])
    """,
    because="""
        Photos differ much more than networks do. If each network gets photos of its own,
        the difference is mostly that of the photos, and the interval is so wide that
        nothing is ever decided. Both networks saw the same photos: so draw photos, and take
        the difference photo by photo. Easy and hard ones cancel.
    """,
)
def q4(answer: Any) -> str:
    """Bootstrap that draws photos for each network apart."""
    # Few photos, so that one more or less is seen; the first and the last unlike the rest.
    a = np.array([24.9, 17.2, 28.1, 21.6, 19.3, 26.4, 21.0])
    b = a - [3.1, 0.4, -0.6, 0.9, 0.1, -0.3, -1.9]
    calls = [
        expect.call(answer, a, b, np.random.default_rng(seed)) for seed in range(_CALLS)
    ]
    ends = [expect.array(one, (2,), "the interval") for one in calls]
    low, high = found = np.mean(ends, axis=0)
    shown = f"From {low:+.2f} to {high:+.2f}"
    expect.that(high >= low, f"{shown}: the lower end comes first.")
    right = _bootstrap(a, b)
    width = np.ptp(right)
    expect.that(
        high - low > 0.1 * width,
        f"{shown}: nothing moves. Are all photos drawn once, or the same ones each time?",
    )
    off = np.abs(found - right).max()
    for message, slip in _slips(a, b).items():
        away = np.abs(found - slip).max()
        expect.that(away > min(off, 0.03 * width), f"{shown}. {message}")
    expect.that(
        off < (0.02 if np.ptp(ends, axis=0).any() else 0.06) * width,  # else: see below
        f"{shown}. Expected about {right[0]:+.2f} to {right[1]:+.2f}: as many photos in "
        "each draw as there are, any of them any number of times, 2000 draws, and the "
        "middle 95 % of their means.",
    )
    expect.draws(answer, lambda rng: (a, b, rng))
    return "Both networks are now compared on the same photos, whatever photos are drawn."


_CALLS = 12  # the mean of their ends varies by about 1 % of the width


def _bootstrap(
    a: np.ndarray,
    b: np.ndarray,
    count: int | None = None,
    ends: tuple[float, float] = (0.025, 0.975),
    photos: slice = slice(None),
    of: Callable = np.mean,
) -> np.ndarray:
    """Draw so often that chance does not matter."""
    differences = (a - b)[photos]
    size = (50_000, len(a) if count is None else count)
    chosen = np.random.default_rng(94).integers(len(differences), size=size)
    return np.quantile(of(differences[chosen], axis=1), ends)


def _slips(a: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """Return the intervals of known mistakes, by the message for who made one."""
    n = len(a)
    one, two = np.random.default_rng(95).integers(n, size=(2, 50_000, n))
    apart = np.quantile(a[one].mean(axis=1) - b[two].mean(axis=1), [0.025, 0.975])
    mean = np.mean(a - b)
    count = f"There are {n} photos: draw as many of them."
    return {
        "That is how it was: do both networks get the same photos in a draw?": apart,
        "That is where single photos lie. Where does their mean lie?": np.quantile(
            a - b, [0.025, 0.975]
        ),
        f"{count} One is missing in each draw.": _bootstrap(a, b, n - 1),
        f"{count} The last one is never drawn.": _bootstrap(a, b, photos=slice(n - 1)),
        f"{count} The first one is never drawn.": _bootstrap(a, b, photos=slice(1, None)),
        "The upper end leaves out 5 %, not 2.5 %.": _bootstrap(a, b, ends=(0.025, 0.95)),
        "The lower end leaves out 5 %, not 2.5 %.": _bootstrap(a, b, ends=(0.05, 0.975)),
        "That is for `b` minus `a`.": _bootstrap(b, a),
        "You have taken the mean away: the interval lies round 0.": _bootstrap(a, b) - mean,
        "Those are medians of the photos drawn. Take their mean.": (
            _bootstrap(a, b, of=np.median)
        ),
    }


# --- 5 -----------------------------------------------------------------------------------


@chapter.exercise(
    "Half the size, and any size",
    kind="model",
    difficulty=2,
    minutes=25,
    stub="""
        import keras


        def any_size():
            return ____


        model = any_size()
    """,
    answer="model",
    hints=(
        '`keras.layers.MaxPooling2D(padding="same")` halves and rounds up. '
        "`models.upsample` doubles. Which sizes come back?",
        "There are two ways: fill up to an even size before (`backbone.PadToEven`), or cut "
        "after doubling (`backbone.CropLike`, which takes two pictures in a list).",
        "`seen = backbone.CropLike()([seen, lr])`, then "
        "`keras.layers.Concatenate()([seen, own])`, then the head: "
        '`models.conv(models.upsample(x), 3, 1, name="x2")`.',
    ),
    solution="""
        import keras


        def any_size():
            lr = models.photo_input()
            half = keras.layers.MaxPooling2D(padding="same")(lr)
            seen = models.upsample(models.conv(half, 16, 3))
            seen = backbone.CropLike()([seen, lr])
            own = models.conv(lr, 16, 3)
            x = keras.layers.Concatenate()([seen, own])
            x2 = models.conv(models.upsample(x), 3, 1, name="x2")
            return keras.Model(lr, {"x2": x2})


        model = any_size()
    """,
    because="""
        A convolution takes any size. What does not is the meeting of two branches that came
        there by different ways: 61 halved is 31, doubled 62. So one has to be cut, or the
        photo filled up before. With a fixed input of 72 pixels, which is even, nobody ever
        sees that. "Fully convolutional" says nothing about where branches meet.
    """,
    seconds=60,
)
def q5(answer: Any) -> str:
    """Network that works at half the size and takes any size."""
    model = networks.network(answer, ["x2"])
    for height, width in ((24, 24), (61, 47), (33, 40), (7, 9)):
        size = f"{height}x{width}"
        try:
            drawn = model(np.zeros((1, height, width, 3), np.float32))["x2"]
        except Exception:
            raise NotYet(
                f"A photo of {size} stops it inside. Rounded up and doubled, 61 becomes "
                "62, which cannot stand beside 61. Rounded down, it becomes 60. What has "
                "to be cut, or added before?"
            ) from None
        expect.that(
            tuple(drawn.shape[1:3]) == (2 * height, 2 * width),
            f"For a photo of {size}, x2 has {drawn.shape[1]}x{drawn.shape[2]} pixels. "
            f"Expected {2 * height}x{2 * width}: twice the photo's own size.",
        )
    photo = np.random.default_rng(95).random((1, 64, 64, 3), np.float32)
    drawn = _middle(model, photo)
    moved = {by: _middle(model, np.roll(photo, by, (1, 2)), by) for by in (1, 2)}
    expect.that(
        not np.allclose(drawn, moved[1], atol=1e-5),
        "It takes many sizes, but nothing that works at half the photo's size reaches x2. "
        "That was the difficulty.",
    )
    expect.that(
        np.allclose(drawn, moved[2], atol=1e-5),
        "Something works at less than half the photo's size. Halve it once.",
    )
    swapped = photo.reshape(1, 64, 32, 2, 3)[:, :, :, ::-1].reshape(photo.shape)
    expect.that(
        not np.allclose(drawn, _middle(model, swapped), atol=1e-5),
        "Both branches work at half the size: x2 is the same if neighbouring pixels are "
        "exchanged. The second one works at the photo's own size.",
    )
    return "It works at half the size, and no photo is too odd for it."


def _middle(model: keras.Model, photo: np.ndarray, moved: int = 0) -> np.ndarray:
    """Draw the middle of x2, on several random weights: on some an output is shut."""
    drawn = []
    place = slice(48 + 2 * moved, 80 + 2 * moved)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        with networks.other_weights(
            model, lambda shape, rng=rng: rng.uniform(-0.2, 0.3, shape)
        ):
            x2 = np.asarray(model(photo, training=False)["x2"], np.float64)
        x2 = x2[0, place, place]
        drawn.append(x2 / (np.abs(x2).max() or 1))
    return np.stack(drawn)


# --- 6 -----------------------------------------------------------------------------------

_CONCLUSIONS = {
    "a": "both papers report the same",
    "b": "of some pair one paper reports `higher` and the other `lower`",
    "c": "they differ, but nowhere does one report `higher` and the other `lower`",
}


@chapter.exercise(
    "One seed only",
    kind="measure",
    difficulty=2,
    minutes=20,
    stub="""
        def outcomes(seed):
            few = verdicts.Evidence(results.select(records, seed=seed))
            return {(a, b): ____ for a in zoo.TITLES for b in zoo.TITLES if a < b}


        measured = {"seed 0": outcomes(0), "seed 1": outcomes(1)}
        measured |= {"changed": ____, "conclusion": ____}
    """,
    answer="measured",
    hints=(
        "`verdicts.difference(first, second, head)` takes the runs of two networks. What "
        "gives the runs of `a` among the `few`?",
        '`verdicts.difference(few.runs(a), few.runs(b), "x2").outcome`.',
        '`one, two = measured["seed 0"], measured["seed 1"]`, then '
        "`[pair for pair in one if one[pair] != two[pair]]`. Look what these say.",
    ),
    solution="""
        def outcomes(seed):
            few = verdicts.Evidence(results.select(records, seed=seed))
            pairs = [(a, b) for a in zoo.TITLES for b in zoo.TITLES if a < b]
            runs = {pair: (few.runs(pair[0]), few.runs(pair[1])) for pair in pairs}
            return {p: verdicts.difference(*runs[p], "x2").outcome for p in pairs}


        measured = {"seed 0": outcomes(0), "seed 1": outcomes(1)}
        one, two = measured["seed 0"], measured["seed 1"]
        changed = [pair for pair in one if one[pair] != two[pair]]
        opposed = any({one[p], two[p]} == {"higher", "lower"} for p in changed)
        conclusion = "b" if opposed else "c" if changed else "a"
        measured |= {"changed": changed, "conclusion": conclusion}
    """,
    because="""
        The same networks, photos and code, and each paper's numbers are true. Only the
        start was another one. With one seed "from every seed" is nearly always so: the rule
        loses its doubt, and the outcome becomes that of the seed. Where it changes, one run
        of each network could not have decided it.
    """,
    seconds=30,
)
def q6(answer: Any) -> str:
    """Outcomes from one seed each."""
    found = expect.mapping(answer, ["seed 0", "seed 1", "changed", "conclusion"])
    records = results.load("voc2007", train_images=1000)
    every = _outcomes(records)
    for seed in (0, 1):
        name = f"seed {seed}"
        said, right = found[name], _outcomes(results.select(records, seed=seed))
        if not isinstance(said, Mapping) or set(said) != set(right):
            raise NotYet(
                f'Expected "{name}" to be a dictionary of all {len(right)} pairs, as the '
                f"stub makes it; found {expect.kind_of(said)}."
            )
        outcomes = {
            p: expect.choose(said[p], _OUTCOMES, f"the outcome of {p}") for p in said
        }
        expect.that(
            outcomes == right or outcomes != every,
            f'"{name}" has the outcomes of all seeds together. Compare the `few` runs.',
        )
        wrong = [pair for pair in right if outcomes[pair] != right[pair]]
        expect.that(
            not wrong,
            f'"{name}" is wrong for {len(wrong)} of {len(right)} pairs. Compare `a` minus '
            "`b`, at x2, from the runs of that seed.",
        )
        found[name] = outcomes
    one, two = found["seed 0"], found["seed 1"]
    changed = {pair for pair in one if one[pair] != two[pair]}
    listed = {
        tuple(map(str, pair)) if np.ndim(pair) else pair
        for pair in expect.items(found["changed"], '"changed"')
    }
    expect.that(
        changed <= listed,
        f'"changed" lacks {len(changed - listed)} of the pairs that differ. Compare all.',
    )
    expect.that(
        listed <= changed,
        f'"changed" has {len(listed - changed)} entries that are no pairs that differ.',
    )
    opposed = sum({one[p], two[p]} == {"higher", "lower"} for p in one)
    true = "b" if opposed else "c" if changed else "a"
    told = f"{len(changed)} of {len(one)} outcomes change with the seed"
    expect.conclusion(found["conclusion"], _CONCLUSIONS, true, f"It is so that {told}")
    return (
        f"{told}, and {opposed} turn round. Each paper would have been true to its numbers."
    )


def _outcomes(records: list[results.Record]) -> dict[tuple[str, str], str]:
    """Compare each network with each other at x2."""
    runs = {name: verdicts.Evidence(records).runs(name) for name in zoo.TITLES}
    return {
        (a, b): verdicts.difference(runs[a], runs[b], "x2").outcome
        for a in runs
        for b in runs
        if a < b
    }


# --- 7 -----------------------------------------------------------------------------------

_ANSWERS = ("yes", "no", "open")
_LEAST_WORLDS, _MOST_WORLDS = 20, 100


@chapter.exercise(
    "A verdict of your own",
    kind="function",
    difficulty=3,
    minutes=45,
    stub="""
        def verdict(evidence):
            first, second = evidence.runs(____), evidence.runs(____)
            outcomes = [____ for head in zoo.HEADS]
            return ____
    """,
    answer="verdict",
    hints=(
        "Begin with one comparison: `verdicts.difference(first, second, head).outcome`.",
        "Which outcome says yes to your claim? Of the other three, `undecided` leaves it "
        "open. Without runs of the same seed there is nothing to compare, and it is open "
        "as well: ask for that before you compare.",
        "Yes if both outputs say yes; no if one of them says no; else open.",
    ),
    solution="""
        def verdict(evidence):
            pair = ("residual", "basic")
            two, one = (evidence.runs(model, "antialiased") for model in pair)
            if not {r.seed for r in two} & {r.seed for r in one}:
                return "open"
            found = {verdicts.difference(two, one, head).outcome for head in zoo.HEADS}
            if found & {"lower", "the same"}:
                return "no"
            return "yes" if found == {"higher"} else "open"
    """,
    because="""
        A verdict says something only if it could have been another one. So the check lets
        it judge made-up worlds: in some, other networks are ahead; in some, one seed says
        the opposite of the rest; in some, half of the photos do. A rule that looks at the
        mean alone decides these, too, and that is a decision by luck.

        The claim here is that Model 2 beats Model 1 at both sizes once the recipe is
        antialiased. It compares networks that had the same targets. A PSNR under one recipe
        and a PSNR under the other have different targets and cannot be compared; what each
        gains over bilinear interpolation there can.
    """,
    seconds=120,
)
def q7(answer: Any) -> str:
    """Claim of the student's, decided by a rule that could have said otherwise."""
    names = getattr(getattr(answer, "__code__", None), "co_names", ())
    expect.that(
        not any(name in ("judge", "answer", "SENTENCES", "claims") for name in names),
        "That hands on a verdict of the chapter's. Choose a claim of your own.",
    )
    records = results.load("voc2007", train_images=1000)
    real = _say(answer, verdicts.Evidence(records))
    try:
        without = _say(answer, verdicts.Evidence([]))
    except (LookupError, ValueError, ArithmeticError, TypeError):
        raise NotYet(
            "Without any records your function stops with an error. Ask whether there are "
            "runs of the same seed before you compare them; without, it is `open`."
        ) from None
    expect.that(
        without == "open",
        f"Without any records your verdict is `{without}`. What no run asks is `open`.",
    )
    kinds = {_kind(r): r for r in sorted(records, key=lambda r: r.name)}
    rng = np.random.default_rng(9)
    counted: Counter[str] = Counter()
    heard = dict.fromkeys(zoo.HEADS, False)
    for number in range(1, _MOST_WORLDS + 1):
        above = _levels(kinds, lambda: rng.integers(-2, 3))
        said = _say(answer, _world(kinds, above))
        counted[said] += 1
        for head in (head for head in zoo.HEADS if not heard[head]):
            other = _levels(kinds, lambda: rng.integers(-2, 3))
            changed = {k: v for k, v in other.items() if k[1] == head}
            heard[head] = _say(answer, _world(kinds, above | changed)) != said
        seen_all = counted["yes"] and counted["no"] and all(heard.values())
        if number >= _LEAST_WORLDS and seen_all:
            break
    for status in ("yes", "no"):
        expect.that(
            counted[status] > 0,
            f"In {counted.total()} made-up worlds, in which other networks are ahead each "
            f"time, your verdict was never `{status}`. Can it come out that way at all?",
        )
    for head in zoo.HEADS:
        expect.that(
            heard[head],
            f"Whatever the networks score at {head}, your verdict stays the same. Make a "
            "claim about both outputs.",
        )
    _expect_doubt(answer, kinds, rng)
    worlds = ", ".join(f"{count} {status}" for status, count in sorted(counted.items()))
    return (
        f"By these records: **{real}**. It could have been otherwise (in "
        f"{counted.total()} made-up worlds: {worlds}), and where seeds or photos "
        "contradict each other it stays open."
    )


def _expect_doubt(answer: Any, kinds: Mapping, rng: np.random.Generator) -> None:
    """Expect that seeds or photos that contradict each other decide nothing."""
    decided = set()
    for _ in range(8):
        signs = np.ones(3)
        signs[rng.integers(3)] = -1
        decided.add(_say(answer, _world(kinds, _far_apart(kinds, rng), signs)))
    decided -= {"open"}
    expect.that(
        decided != {"no"},
        "In made-up worlds one seed says the opposite of the rest, and your verdict is "
        "`no`. Do you take `undecided` for a no?",
    )
    expect.that(
        not decided,
        "In made-up worlds one seed says the opposite of the rest, and your verdict is not "
        "`open`. Does it look at the mean alone? An `outcome` asks every seed.",
    )
    for _ in range(8):
        above = _levels(kinds, lambda: rng.uniform(-0.3, 0.3))
        said = _say(answer, _world(kinds, above, spread=1))
        expect.that(
            said == "open",
            "In a made-up world the seeds agree, but half of the photos say the opposite, "
            f"and your verdict is `{said}`. An `outcome` asks the photos, too.",
        )


def _say(answer: Any, evidence: verdicts.Evidence) -> str:
    said = expect.call(answer, evidence)
    if isinstance(said, claims.Finding):
        raise NotYet("Return your answer in one word, not a `Finding`.")
    return expect.choose(said, _ANSWERS, "the claim")


def _levels(kinds: Mapping, draw: Callable[[], float]) -> dict[tuple[str, str], float]:
    """Draw how many dB each kind of run lies above bilinear interpolation, by output."""
    return {(k, h): float(draw()) for k, record in kinds.items() for h in record.per_image}


def _far_apart(kinds: Mapping, rng: np.random.Generator) -> dict[tuple[str, str], float]:
    """Draw levels far from each other's, and from those of every interpolation."""
    ladder = iter(6 + 0.2 * rng.permutation(len(zoo.HEADS) * len(kinds)))
    return _levels(kinds, lambda: rng.choice([-1, 1]) * next(ladder))


def _world(
    kinds: Mapping[str, results.Record],
    above: Mapping[tuple[str, str], float],
    signs: Iterable[float] = (1, 1, 1),
    spread: float = 0,
) -> verdicts.Evidence:
    """Make up evidence. Seeds have a sign each; `spread` is how unsure the photos are."""
    rng = np.random.default_rng(97)
    made = []
    for kind, record in kinds.items():
        photos = {}
        for head in record.per_image:
            bilinear = record.baseline(head, "bilinear")
            noise = rng.normal(size=len(bilinear))
            photos[head] = bilinear + spread * np.sqrt(len(noise)) * (noise - noise.mean())
        for seed, sign in enumerate(signs):
            scores = {h: photos[h] + sign * above[kind, h] for h in photos}
            means = {head: float(by_photo.mean()) for head, by_photo in scores.items()}
            changed = {
                "name": f"{record.name[:-1]}{seed}",
                "seed": seed,
                "per_image": {head: s.tolist() for head, s in scores.items()},
                "psnr_db": means,
                "article_psnr_db": means,
            }
            made.append(dataclasses.replace(record, **changed))
    return verdicts.Evidence(made)


def _kind(record: results.Record) -> str:
    """Tell runs apart that differ in more than the seed."""
    what = (record.changes, record.loss, record.loss_weights)
    return f"{record.model} {record.recipe} {json.dumps(what, sort_keys=True)}"

"""Exercises of chapter 9: when a network is better, tables, and verdicts."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from srlib import zoo
from srlib.exercises import expect, networks
from srlib.exercises.engine import Chapter, NotYet
from srlib.runs import results, verdicts

chapter = Chapter(9, "09-verdicts")
progress = chapter.progress


# --- 1 -----------------------------------------------------------------------------------

_DIFFERENCES = {
    "a": verdicts.Difference((0.02, 0.03, 0.01), 0.01, 0.03),
    "b": verdicts.Difference((0.41, 0.35, -0.02), 0.19, 0.3),
    "c": verdicts.Difference((0.06, -0.05, 0.03), -0.02, 0.05),
    "d": verdicts.Difference((-0.15,), -0.31, 0.02),
}
_OUTCOMES = ("higher", "lower", "the same", "undecided")
_NUDGES = {
    ("a", "the same"): "all of it is below 0.1 dB, but which question does the rule ask "
    "first?",
    ("b", "higher"): "the interval over the photos lies above zero. And the third seed?",
    ("c", "undecided"): "the seeds disagree about the sign. But how far from zero does "
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
        "Ask in this order: is every seed above zero, and the interval, too? Is every seed "
        "below zero, and the interval, too? Does everything stay within 0.1 dB?",
        "What answers none of the three questions with yes is undecided.",
    ),
    solution="""
        outcomes = {"a": "higher", "b": "undecided"}
        outcomes |= {"c": "the same", "d": "undecided"}
    """,
    because="""
        The rule asks for the sign first and for the size afterwards.

        - a: every seed is above zero and so is the interval: higher, though only by
          hundredths, which nobody sees.
        - b: the third seed says otherwise, so the gain of 0.25 dB in the mean may be luck.
        - c: the signs disagree, but nothing is further from zero than 0.06 dB: the same.
        - d: with other photos it might be zero or more, and 0.31 dB is too far for "the
          same".
    """,
)
def q1(answer: Any) -> str:
    """Outcome of four differences."""
    said = expect.mapping(answer, _DIFFERENCES)
    for letter, difference in _DIFFERENCES.items():
        outcome = said[letter]
        if not isinstance(outcome, str) or outcome not in _OUTCOMES:
            listed = ", ".join(f'`"{name}"`' for name in _OUTCOMES)
            raise NotYet(f"Each outcome is one of {listed}. What is ({letter})?")
        think = _NUDGES.get((letter, outcome), "go through the rule, question by question.")
        expect.that(
            outcome == difference.outcome, f'({letter}) is not "{outcome}": {think}'
        )
    return "First the sign, from every seed and over the photos; only then the size."


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
            lambda wanted, width, count: count * width / wanted
        ),
        "Upside down: a narrower interval takes more photos, not fewer.": (
            lambda wanted, width, count: count * (wanted / width) ** 2
        ),
        "You take the root of the ratio. The width goes with the root of the number, so "
        "what does the number go with?": (
            lambda wanted, width, count: count * (width / wanted) ** 0.5
        ),
        "That is how many photos come on top. Return all of them.": (
            lambda wanted, width, count: right(wanted, width, count) - count
        ),
    }
    cases = [(0.25, 0.5, 200), (0.125, 0.5, 24), (0.5, 0.25, 400)]
    expect.agree_on(answer, right, cases, slips)
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
    record, methods = _Baselines(), ["nearest", "bilinear", "bicubic"]
    rows = expect.mapping(expect.call(answer, record, methods), zoo.HEADS, "the table")
    right = {
        head: {m: float(record.baseline(head, m).mean()) for m in methods}
        for head in zoo.HEADS
    }
    found: dict[str, dict[str, float]] = {}
    for head in zoo.HEADS:
        row = expect.mapping(rows[head], methods, f"the row of {head}")
        for method, score in row.items():
            if isinstance(score, np.ndarray) and score.size > 1:
                raise NotYet(
                    f"In the row of {head}, {method} has the scores of all photos. The "
                    "table shows their mean."
                )
        found[head] = {
            m: expect.number(v, f"{m} in the row of {head}") for m, v in row.items()
        }
    for head, other in (("x2", "x4"), ("x4", "x2")):
        expect.that(
            found[head] != right[other],
            f"The row of {head} still shows the numbers of {other}. How many dictionaries "
            "are there, one or two?",
        )
    for head in zoo.HEADS:
        for method in methods:
            expect.agree(
                found[head][method], right[head][method], case=f"for {head}, {method}: "
            )
    return "Each output has a row of its own now."


class _Baselines:
    """As much of a record as a table of baselines needs."""

    def baseline(self, head: str, method: str) -> np.ndarray:
        """Return made-up scores, others for each output and method."""
        rng = np.random.default_rng([len(method), *head.encode()])
        return rng.uniform(18, 26, 12)


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
    for seed in range(2):
        rng = np.random.default_rng(seed)
        a = rng.uniform(17, 29, 60)
        b = a - rng.normal(0.2, 0.4, 60)
        low, high = expect.array(
            expect.call(answer, a, b, np.random.default_rng(9)), (2,), "the interval"
        )
        _judge_interval(a, b, low, high)
    return "Both networks are now compared on the same photos, whatever photos are drawn."


def _judge_interval(a: np.ndarray, b: np.ndarray, low: float, high: float) -> None:
    """Compare an interval with the paired one, as far as chance allows."""
    right_low, right_high = results.bootstrap_interval(a - b, draws=20_000)
    right, width, mean = right_high - right_low, high - low, np.mean(a - b)
    apart = right * np.sqrt(np.var(a) + np.var(b)) / np.std(a - b)
    single = float(np.diff(np.quantile(a - b, [0.025, 0.975]))[0])
    shown = f"{low:+.2f} to {high:+.2f}"
    expect.that(high >= low, f"The interval goes from {shown}: the lower end comes first.")
    expect.that(
        abs(width / apart - 1) > 0.12,
        f"From {shown}, though the networks differ by {mean:+.2f} dB on the mean and alike "
        "on most photos. That is how it was: do both get the same photos in a draw?",
    )
    expect.that(
        abs(width / single - 1) > 0.12,
        f"From {shown}: that is where single photos lie. The question is where their mean "
        "lies.",
    )
    expect.that(
        width > 0.1 * right,
        f"From {shown}: nothing moves. Are the same photos drawn each time?",
    )
    expect.that(
        abs(low + high - 2 * mean) < right,
        f"From {shown}, but the first network is {mean:+.2f} dB higher on these photos.",
    )
    expect.that(
        abs(width / right - 1) < 0.12,
        f"From {shown}. Expected about {right_low:+.2f} to {right_high:+.2f}: as many "
        "photos in each draw as there are, and the middle 95 % of the means.",
    )


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
    import keras

    if isinstance(answer, keras.Model):
        sides = answer.inputs[0].shape[1:3]
        expect.that(
            set(sides) == {None},
            f"Its input is fixed to {sides}. Begin with `models.photo_input()`, which "
            "leaves height and width open.",
        )
    model = networks.network(answer, ["x2"])
    probe = keras.Model(model.input, [layer.output for layer in model.layers])
    shapes = probe.compute_output_shape((1, networks.SIDE, networks.SIDE, 3))
    expect.that(
        any(len(s) == 4 and s[1] == networks.SIDE // 2 for s in shapes),
        "It takes many sizes, but no layer works at half the photo's size. That was the "
        "difficulty.",
    )
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
    return "It works at half the size, and no photo is too odd for it."


# --- 6 -----------------------------------------------------------------------------------

_CONCLUSIONS = {
    "a": "both papers report the same verdicts",
    "b": "on some claim one paper reports `confirmed` and the other `refuted`",
    "c": "they differ, but wherever they do one of them says `open`",
}
#: It asks networks and no records.
_NOT_COMPARED = "C14"


@chapter.exercise(
    "One seed only",
    kind="measure",
    difficulty=2,
    minutes=20,
    stub="""
        def judge(seed):
            few = results.select(records, seed=seed)
            return {v.claim: v.status for v in ____}


        measured = {"seed 0": judge(0), "seed 1": judge(1)}
        measured |= {"changed": ____, "conclusion": ____}
    """,
    answer="measured",
    hints=(
        "`verdicts.judge(evidence, ours, published)` made the chapter's list. What has to "
        "stand in the place of `evidence`?",
        "`verdicts.judge(verdicts.Evidence(few, long_runs), ours, published)`.",
        '`one, two = measured["seed 0"], measured["seed 1"]`, then '
        "`[claim for claim in one if one[claim] != two[claim]]`. Look what these say.",
    ),
    solution="""
        def judge(seed):
            few = results.select(records, seed=seed)
            evidence = verdicts.Evidence(few, long_runs)
            judged = verdicts.judge(evidence, ours, published)
            return {v.claim: v.status for v in judged}


        measured = {"seed 0": judge(0), "seed 1": judge(1)}
        one, two = measured["seed 0"], measured["seed 1"]
        changed = [claim for claim in one if one[claim] != two[claim]]
        opposed = any({one[c], two[c]} == {"confirmed", "refuted"} for c in changed)
        conclusion = "b" if opposed else "c" if changed else "a"
        measured |= {"changed": changed, "conclusion": conclusion}
    """,
    because="""
        The same networks, photos and code, and each paper's numbers are true. Only the
        start was another one. With one seed "higher from every seed" is nearly always so,
        or nearly always not: the rule loses its doubt, and the verdict becomes that of the
        seed. Where a claim changes, one run of each network could not have decided it.
    """,
    seconds=30,
)
def q6(answer: Any) -> str:
    """Verdicts from one seed each."""
    found = expect.mapping(answer, ["seed 0", "seed 1", "changed", "conclusion"])
    records = results.load("voc2007", train_images=1000)
    every = _statuses(records)
    said = {}
    for seed in (0, 1):
        name = f"seed {seed}"
        right = _statuses(results.select(records, seed=seed))
        said[name] = expect.mapping(found[name], right, f'the entry "{name}"')
        compared = [c for c in right if c != _NOT_COMPARED]
        if any(_text(said[name][c]) not in right[c] for c in compared):
            expect.that(
                any(_text(said[name][c]) not in every[c] for c in compared),
                f'"{name}" has the verdicts of all seeds together. Judge an `Evidence` '
                "that holds the `few` records alone.",
            )
            wrong = next(c for c in compared if _text(said[name][c]) not in right[c])
            raise NotYet(
                f'"{name}" says {expect.shown(said[name][wrong])} of {wrong}. From the '
                "records of that seed alone the chapter's rule says otherwise."
            )
    one, two = said["seed 0"], said["seed 1"]
    changed = {claim for claim in one if one[claim] != two[claim]}
    listed = found["changed"]
    if not isinstance(listed, (list, tuple, set)) or not all(
        isinstance(claim, str) for claim in listed
    ):
        raise NotYet('"changed" is a list of claims, such as `["C1", "C2"]`.')
    missing, extra = sorted(changed - set(listed)), sorted(set(listed) - changed)
    expect.that(
        not missing,
        f'"changed" lacks {len(missing)} of the claims that differ. Compare all of them.',
    )
    expect.that(
        not extra,
        f'"changed" has {", ".join(extra)}, of which both seeds say the same.',
    )
    letter = found["conclusion"]
    if letter not in tuple(_CONCLUSIONS):
        raise NotYet('The conclusion is one of the letters `"a"`, `"b"`, `"c"`, in quotes.')
    opposed = [c for c in one if {one[c], two[c]} == {"confirmed", "refuted"}]
    true = "b" if opposed else "c" if changed else "a"
    expect.that(
        letter == true,
        f"You say that {_CONCLUSIONS[letter]}. Look what the two say of each claim in your "
        "list: that does not follow.",
    )
    against = f": {', '.join(opposed)} stand against each other" if opposed else ""
    return (
        f"{len(changed)} of {len(one)} verdicts change with the seed{against}. Each paper "
        "would have been true to its numbers."
    )


def _text(status: Any) -> str:
    return status if isinstance(status, str) else ""


def _statuses(records: list[results.Record]) -> dict[str, set[str]]:
    """Judge each claim with the long runs and without: a student may leave them out."""
    long_runs = results.load("voc2007", train_images=lambda count: count > 1000)
    found: dict[str, set[str]] = {}
    for long in (long_runs, []):
        for verdict in verdicts.judge(verdicts.Evidence(records, long), {}, {}):
            found.setdefault(verdict.claim, set()).add(verdict.status)
    return found


# --- 7 -----------------------------------------------------------------------------------

_LEAST_WORLDS, _MOST_WORLDS = 30, 150


@chapter.exercise(
    "A verdict of your own",
    kind="function",
    difficulty=3,
    minutes=45,
    stub="""
        def verdict(evidence):
            parts = [verdicts.Part(____, ____, ____)]
            return verdicts.Verdict("Mine", ____, tuple(parts))
    """,
    answer="verdict",
    hints=(
        "Begin with one comparison: `found = verdicts.difference(evidence.runs(...), "
        "evidence.runs(...), head)`. It has an `outcome`, and `str(found)` gives the "
        "numbers.",
        "Which outcome confirms your statement? Of the other three, `undecided` leaves it "
        "open. Without runs there is nothing to compare, and it is open as well: ask "
        "whether there are any before you compare.",
        "Make one part for each output in `zoo.HEADS`. `c7` in "
        "`srlib/runs/verdicts.py` is short; its `_compare` and `_is` do "
        "what every claim there needs.",
    ),
    solution="""
        def verdict(evidence):
            pair = ("residual", "basic")
            two, one = (evidence.runs(model, "antialiased") for model in pair)
            meaning = {"higher": "confirmed", "undecided": "open"}
            parts = []
            for head in zoo.HEADS:
                says = f"antialiased, Model 2 above Model 1 at {head}"
                status, numbers = "open", "no runs to compare"
                if {r.seed for r in two} & {r.seed for r in one}:
                    found = verdicts.difference(two, one, head)
                    status = meaning.get(found.outcome, "refuted")
                    numbers = f"{found}: {found.outcome}"
                parts.append(verdicts.Part(says, status, numbers))
            text = "Model 2 beats Model 1 at both sizes once the recipe is antialiased"
            return verdicts.Verdict("Mine", text, tuple(parts))
    """,
    because="""
        A verdict says something only if it could have been another one. So the check lets
        it judge made-up worlds: in some, other networks are ahead; in some, every other
        seed says the opposite. A rule that looks at the mean alone decides the latter, too,
        and that is a decision by luck.

        The claim here asks whether the pattern of C4, a gain at one size only, goes away
        with the other recipe. It compares networks that had the same targets. A PSNR under
        one recipe and a PSNR under the other have different targets and cannot be compared;
        what each gains over bilinear interpolation there can.
    """,
    seconds=60,
)
def q7(answer: Any) -> str:
    """Claim of the student's, decided by a rule that could have said otherwise."""
    records = results.load("voc2007", train_images=1000)
    real = _verdict(answer, verdicts.Evidence(records))
    counting = [part for part in real.parts if not part.ours]
    expect.that(
        len({part.statement for part in counting}) >= 2,
        f"Your verdict rests on {len(counting)} part{'s' * (len(counting) != 1)}. A claim "
        "about networks says at least two things: one for each output, for instance.",
    )
    for part in counting:
        if not any(character.isdigit() for character in _text(part.evidence)):
            raise NotYet(
                f'The part "{part.statement}" shows no numbers as its evidence. Put '
                "`str(found)` there, so that a reader can judge for himself."
            )
    _without_runs(answer)
    counted: Counter[str] = Counter()
    for number, world in enumerate(_worlds(records), 1):
        counted[_verdict(answer, world).status] += 1
        if number >= _LEAST_WORLDS and counted["confirmed"] and counted["refuted"]:
            break
    for status in ("confirmed", "refuted"):
        expect.that(
            counted[status] > 0,
            f"In {counted.total()} made-up worlds, in which other networks are ahead each "
            f"time, your verdict was never `{status}`. Can it come out that way at all?",
        )
    for world in _contradictory_worlds(records):
        status = _verdict(answer, world).status
        expect.that(
            status == "open",
            "In a made-up world every other seed says the opposite of the rest, and your "
            f"verdict is `{status}`. Does it look at the mean alone, or take `undecided` "
            "for a no? The `outcome` of a difference asks every seed.",
        )
    worlds = ", ".join(f"{count} {status}" for status, count in sorted(counted.items()))
    return (
        f"By these records: **{real.status}**. It could have been otherwise (in "
        f"{counted.total()} made-up worlds: {worlds}), and where seeds contradict each "
        "other it stays open."
    )


def _verdict(answer: Any, evidence: verdicts.Evidence) -> verdicts.Verdict:
    """Expect a verdict that is made as the class says."""
    found = expect.call(answer, evidence)
    if not isinstance(found, verdicts.Verdict):
        raise NotYet(
            f"Your function returns {expect.kind_of(found)}; expected a `verdicts.Verdict`."
        )
    expect.that(
        isinstance(found.parts, tuple)
        and len(found.parts) > 0
        and all(isinstance(part, verdicts.Part) for part in found.parts),
        "The parts of your verdict have to be a tuple of `verdicts.Part`, at least one.",
    )
    for part in found.parts:
        expect.that(
            _text(part.status) in ("confirmed", "refuted", "open"),
            f"The status of a part is {expect.shown(part.status)}. It has to be "
            "`confirmed`, `refuted` or `open`: which outcome means which?",
        )
    return found


def _without_runs(answer: Any) -> None:
    """Expect that nothing is decided without records."""
    try:
        status = _verdict(answer, verdicts.Evidence([])).status
    except (LookupError, ValueError, ArithmeticError, TypeError):
        raise NotYet(
            "Without any records your function stops with an error. Ask whether there are "
            "runs of the same seed before you compare them; without, a part is `open`."
        ) from None
    expect.that(
        status == "open",
        f"Without any records your verdict is `{status}`. What no run asks is `open`.",
    )


def _worlds(records: list[results.Record]) -> Iterator[verdicts.Evidence]:
    """Make up evidence in which other networks are ahead each time, from every seed."""
    rng = np.random.default_rng(9)
    for _ in range(_MOST_WORLDS):
        yield _world(records, lambda: rng.integers(-2, 3), signs=(1, 1, 1))


def _contradictory_worlds(records: list[results.Record]) -> Iterator[verdicts.Evidence]:
    """Make up evidence in which the second seed says the opposite of the others."""
    rng = np.random.default_rng(10)
    for _ in range(10):
        yield _world(records, lambda: rng.uniform(-2, 2), signs=(1, -1, 1))


def _world(
    records: list[results.Record], draw: Any, signs: tuple[int, ...]
) -> verdicts.Evidence:
    """Let each kind of run lie some dB above bilinear interpolation, by seed."""
    kinds: Mapping[str, results.Record] = {_kind(r): r for r in records}
    made = []
    for kind in sorted(kinds):
        record = kinds[kind]
        above = {head: float(draw()) for head in record.per_image}
        for seed, sign in enumerate(signs):
            scores = {
                head: record.baseline(head, "bilinear") + sign * above[head]
                for head in above
            }
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

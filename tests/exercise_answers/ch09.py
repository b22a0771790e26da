"""Wrong answers to the exercises of chapter 9."""

import math

import numpy as np

from exercise_answers import Wrong
from srlib import zoo
from srlib.runs import results, verdicts

#: None trains a network.
SLOW = set()


def names():
    """Return what the chapter has defined where its exercises begin."""
    from srlib import models
    from srlib.sources import backbone

    return {
        "np": np,
        "backbone": backbone,
        "models": models,
        "results": results,
        "verdicts": verdicts,
        "zoo": zoo,
        "records": results.load("voc2007", train_images=1000),
        "long_runs": results.load("voc2007", train_images=lambda count: count > 1000),
        "ours": {"basic": True},
        "published": {"basic": False},
    }


# --- q1 ---


def outcomes(**changes):
    return {"a": "higher", "b": "undecided", "c": "the same", "d": "undecided", **changes}


# --- q3 ---


def still_one_row(record, methods):
    row = {}
    for head in ("x2", "x4"):
        for method in methods:
            row[method] = record.baseline(head, method).mean()
    return {"x2": row, "x4": row}


def rows(record, methods, heads=("x2", "x4"), reduce=np.mean):
    return {h: {m: reduce(record.baseline(h, m)) for m in methods} for h in heads}


# --- q4 ---


def quantiles(drawn, tail=0.025):
    return np.quantile(drawn, [tail, 1 - tail])


def only_rewritten(a, b, rng):
    one, two = (rng.choice(s, (2000, len(s))).mean(axis=1) for s in (a, b))
    return quantiles(one - two)


def paired(a, b, rng, count=None, tail=0.025):
    count = len(a) if count is None else count
    chosen = rng.integers(len(a), size=(2000, count))
    return quantiles((a - b)[chosen].mean(axis=1), tail)


def same_draw(a, b, rng):
    chosen = rng.integers(len(a), size=len(a))
    return quantiles([(a - b)[chosen].mean() for _ in range(2000)])


# --- q5 ---


def network(join, halve=True, fixed=False):
    """Make a function that builds a network of two branches."""

    def build(names):
        import keras

        from srlib import models

        lr = keras.Input((72, 72, 3)) if fixed else models.photo_input()
        half = keras.layers.MaxPooling2D(padding="same")(lr) if halve else lr
        seen = models.conv(half, 8, 3)
        seen = models.upsample(seen) if halve else seen
        x = join(seen, models.conv(lr, 8, 3))
        return keras.Model(lr, {"x2": models.conv(models.upsample(x), 3, 1, name="x2")})

    return build


def side_by_side(seen, own):
    import keras

    return keras.layers.Concatenate()([seen, own])


def one_output(names):
    from srlib import models

    return models.build("basic", seed=0)


# --- q6 ---


def one_seed(seed, records=None):
    """Judge without the long runs; the solution judges with them."""
    records = results.load("voc2007", train_images=1000) if records is None else records
    few = records if seed is None else results.select(records, seed=seed)
    judged = verdicts.judge(verdicts.Evidence(few), {}, {})
    return {v.claim: v.status for v in judged}


def measured(**changes):
    """Make a function that makes an answer, right but for some changes."""

    def make(names):
        one, two = (one_seed(seed, names["records"]) for seed in (0, 1))
        changed = [claim for claim in one if one[claim] != two[claim]]
        right = {"seed 0": one, "seed 1": two, "changed": changed, "conclusion": "b"}
        return {**right, **{key: change(right) for key, change in changes.items()}}

    return make


# --- q7 ---


def parts_of(evidence, status, show=str, heads=zoo.HEADS, absent="open"):
    two, one = evidence.runs("residual"), evidence.runs("basic")
    for head in heads:
        says = f"Model 2 above Model 1 at {head}"
        if not two or not one:
            yield verdicts.Part(says, absent, "no runs")
            continue
        found = verdicts.difference(two, one, head)
        yield verdicts.Part(says, status(found), show(found))


def by_rule(found):
    meaning = {"higher": "confirmed", "undecided": "open"}
    return meaning.get(found.outcome, "refuted")


def by_mean(found):
    return "confirmed" if found.mean > 0 else "refuted"


def verdict(status=by_rule, **how):
    """Make a function that judges whether Model 2 beats Model 1."""

    def judge(evidence):
        parts = tuple(parts_of(evidence, status, **how))
        return verdicts.Verdict("Mine", "Model 2 beats Model 1", parts)

    return judge


def needs_runs(evidence):
    parameters = evidence.runs("residual")[0].parameters
    same = verdicts.Part("small", "confirmed", f"{parameters}")
    return verdicts.Verdict("Mine", "small", (same, *parts_of(evidence, by_rule)))


WRONG = {
    "q1": [
        Wrong("hardly visible", outcomes(a="the same"), "question does the rule ask first"),
        Wrong("the photos agree", outcomes(b="higher"), "And the third seed"),
        Wrong("signs disagree", outcomes(c="undecided"), "how far from zero"),
        Wrong("one seed will do", outcomes(d="lower"), "the whole interval"),
        Wrong("nearly zero", outcomes(d="the same"), "more than 0.1 dB"),
        Wrong("another word", outcomes(a="better"), "is one of"),
        Wrong("one left out", {"a": "higher"}, "no entry for b, c, d"),
    ],
    "q2": [
        Wrong("in proportion", lambda w, width, n: n * width / w, "in proportion"),
        Wrong("upside down", lambda w, width, n: n * (w / width) ** 2, "Upside down"),
        Wrong("root", lambda w, width, n: n * math.sqrt(width / w), "You take the root"),
        Wrong("on top", lambda w, width, n: n * (width / w) ** 2 - n, "come on top"),
        Wrong("the number itself", 800, "Expected a function"),
        Wrong("two arguments", lambda w, width: 4 * width, "expected 3 arguments"),
    ],
    "q3": [
        Wrong("only rewritten", still_one_row, "still shows the numbers of x4"),
        Wrong("one row", lambda r, m: rows(r, m, heads=["x2"]), "no entry for x4"),
        Wrong("all photos", lambda r, m: rows(r, m, reduce=np.array), "of all photos"),
        Wrong(
            "median", lambda r, m: rows(r, m, reduce=np.median), "For x2, nearest: expected"
        ),
        Wrong("by method", lambda r, m: {k: {} for k in m}, "no entry for x2"),
    ],
    "q4": [
        Wrong("only rewritten", only_rewritten, "That is how it was"),
        Wrong("no mean", lambda a, b, rng: quantiles(a - b), "where single photos lie"),
        Wrong("one draw", same_draw, "nothing moves"),
        Wrong("the other way", lambda a, b, rng: paired(b, a, rng), "the first network is"),
        Wrong("90 %", lambda a, b, rng: paired(a, b, rng, tail=0.05), "Expected about"),
        Wrong(
            "ten photos", lambda a, b, rng: paired(a, b, rng, count=10), "as many photos"
        ),
        Wrong("reversed", lambda a, b, rng: paired(a, b, rng)[::-1], "lower end comes"),
        Wrong("the mean", lambda a, b, rng: (a - b).mean(), "to have 1 axes"),
    ],
    "q5": [
        Wrong("not cut", None, "61 becomes 62", network(side_by_side)),
        Wrong("fixed size", None, "is fixed to", network(side_by_side, fixed=True)),
        Wrong("not halved", None, "no layer works", network(side_by_side, halve=False)),
        Wrong("one branch", None, "has 124x96 pixels", network(lambda seen, own: seen)),
        Wrong("another network", None, "the output `", one_output),
        Wrong("the function", lambda: None, "hand in what it returns"),
    ],
    "q6": [
        Wrong(
            "all seeds",
            None,
            "of all seeds together",
            measured(**{"seed 1": lambda right: one_seed(None)}),
        ),
        Wrong(
            "the other seed",
            None,
            '"seed 0" says',
            measured(**{"seed 0": lambda right: right["seed 1"]}),
        ),
        Wrong("none", None, "of the claims that differ", measured(changed=lambda r: [])),
        Wrong(
            "one too many",
            None,
            "both seeds say",
            measured(changed=lambda r: list(r["seed 0"])),
        ),
        Wrong("all agree", None, "does not follow", measured(conclusion=lambda r: "a")),
        Wrong(
            "doubt", None, "You say that they differ", measured(conclusion=lambda r: "c")
        ),
        Wrong(
            "a sentence", None, "one of the letters", measured(conclusion=lambda r: "no")
        ),
        Wrong("a number", None, "is a list of claims", measured(changed=lambda r: 6)),
    ],
    "q7": [
        Wrong("by the mean", verdict(by_mean), "look at the mean alone"),
        Wrong(
            "doubt is a no",
            verdict(lambda f: "confirmed" if f.outcome == "higher" else "refuted"),
            "take `undecided` for a no",
        ),
        Wrong("never refuted", verdict(lambda found: "confirmed"), "never `refuted`"),
        Wrong("never confirmed", verdict(lambda found: "refuted"), "never `confirmed`"),
        Wrong("one output", verdict(heads=["x4"]), "rests on 1 part"),
        Wrong("no numbers", verdict(show=lambda found: found.outcome), "shows no numbers"),
        Wrong("needs runs", needs_runs, "Without any records your function stops"),
        Wrong("fills the gap", verdict(absent="refuted"), "What no run asks is `open`"),
        Wrong("the outcome", verdict(lambda found: found.outcome), "which outcome means"),
        Wrong("a word", lambda evidence: "refuted", "expected a `verdicts.Verdict`"),
    ],
}

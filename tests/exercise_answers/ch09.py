"""Wrong answers to the exercises of chapter 9."""

import math

import numpy as np

from exercise_answers import Wrong
from srlib import zoo
from srlib.exercises import ch09
from srlib.runs import claims, results, verdicts

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


def goes_on(record, methods, rows={"x2": {}, "x4": {}}):  # noqa: B006
    for head, row in rows.items():
        row.update({m: record.baseline(head, m).mean() for m in methods})
    return rows


# --- q4 ---


def quantiles(drawn):
    return np.quantile(drawn, [0.025, 0.975])


def only_rewritten(a, b, rng):
    one, two = (rng.choice(s, (2000, len(s))).mean(axis=1) for s in (a, b))
    return quantiles(one - two)


def paired(a, b, rng, count=None, ends=(0.025, 0.975), photos=None):
    size = (2000, len(a) if count is None else count)
    chosen = rng.integers(len(a) if photos is None else photos, size=size)
    return np.quantile((a - b)[chosen].mean(axis=1), ends)


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
        x = join(seen, models.conv(lr, 8, 3), lr)
        return keras.Model(lr, {"x2": models.conv(models.upsample(x), 3, 1, name="x2")})

    return build


def cut(seen, lr):
    from srlib.sources import backbone

    return backbone.CropLike()([seen, lr])


def side_by_side(seen, own, lr):
    import keras

    return keras.layers.Concatenate()([seen, own])


def times_0(seen, own, lr):
    return own + 0 * cut(seen, lr)


def half_alone(seen, own, lr):
    return cut(seen, lr)


def one_output(names):
    from srlib import models

    return models.build("basic", seed=0)


# --- q6 ---


def measured(**changes):
    """Make a function that makes an answer, right but for some changes."""

    def make(names):
        one, two = (
            ch09._outcomes(results.select(names["records"], seed=seed)) for seed in (0, 1)
        )
        changed = [pair for pair in one if one[pair] != two[pair]]
        right = {"seed 0": one, "seed 1": two, "changed": changed, "conclusion": "b"}
        for name, change in changes.items():
            right[name.replace("_", " ")] = change(right)
        return right

    return make


def of_all_seeds(right):
    return ch09._outcomes(results.load("voc2007", train_images=1000))


def turned(right):
    other = {"higher": "lower", "lower": "higher"}
    return {pair: other.get(said, said) for pair, said in right["seed 0"].items()}


# --- q7 ---


def verdict(say, heads=zoo.HEADS, absent="open"):
    """Make a function that judges whether Model 2 beats Model 1."""

    def judge(evidence):
        two, one = evidence.runs("residual"), evidence.runs("basic")
        if not two or not one:
            return absent
        said = {say(verdicts.difference(two, one, head)) for head in heads}
        return "no" if "no" in said else "yes" if said == {"yes"} else "open"

    return judge


def by_rule(found):
    return {"higher": "yes", "undecided": "open"}.get(found.outcome, "no")


def by_mean(found):
    return "yes" if found.mean > 0 else "no"


def by_seed(found):
    same = len({value > 0 for value in found.by_seed}) == 1
    return by_mean(found) if same else "open"


def needs_runs(evidence):
    assert evidence.runs("residual")[0].parameters
    return verdict(by_rule)(evidence)


WRONG = {
    "q1": [
        Wrong("hardly visible", outcomes(a="the same"), "is it below 0.1 dB"),
        Wrong("the photos agree", outcomes(b="higher"), "And the third seed"),
        Wrong("signs disagree", outcomes(c="undecided"), "how far from zero"),
        Wrong("one seed will do", outcomes(d="lower"), "the whole interval"),
        Wrong("nearly zero", outcomes(d="the same"), "more than 0.1 dB"),
        Wrong("another word", outcomes(a="better"), "Answer (a) with one of"),
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
        Wrong("median", lambda r, m: rows(r, m, reduce=np.median), "That is the median"),
        Wrong("default value", goes_on, "survives from call to call"),
        Wrong("by method", lambda r, m: {k: {} for k in m}, "no entry for x2"),
    ],
    "q4": [
        Wrong("only rewritten", only_rewritten, "That is how it was"),
        Wrong("no mean", lambda a, b, rng: quantiles(a - b), "where single photos lie"),
        Wrong("one draw", same_draw, "nothing moves"),
        Wrong("the other way", lambda a, b, rng: paired(b, a, rng), "`b` minus `a`"),
        Wrong("95 % below", lambda *x: paired(*x, ends=(0.025, 0.95)), "The upper end"),
        Wrong(
            "one less", lambda a, b, rng: paired(a, b, rng, len(a) - 1), "One is missing"
        ),
        Wrong(
            "not the last", lambda a, b, rng: paired(a, b, rng, photos=len(a) - 1), "last"
        ),
        Wrong(
            "own seed", lambda a, b, rng: paired(a, b, np.random.default_rng(0)), "fixed"
        ),
        Wrong(
            "own", lambda a, b, rng: paired(a, b, np.random.default_rng()), "without the"
        ),
        Wrong("reversed", lambda a, b, rng: paired(a, b, rng)[::-1], "lower end comes"),
        Wrong("the mean", lambda a, b, rng: (a - b).mean(), "to have 1 axes"),
    ],
    "q5": [
        Wrong("not cut", None, "61 becomes 62", network(side_by_side)),
        Wrong("fixed size", None, "any size", network(side_by_side, fixed=True)),
        Wrong("not halved", None, "reaches x2", network(side_by_side, halve=False)),
        Wrong("one branch", None, "has 124x96 pixels", network(lambda seen, own, lr: seen)),
        Wrong("another network", None, "the output `", one_output),
        Wrong("half times 0", None, "reaches x2", network(times_0)),
        Wrong("half alone", None, "Both branches", network(half_alone)),
        Wrong("the function", lambda: None, "hand in what it returns"),
    ],
    "q6": [
        Wrong("all seeds", None, "of all seeds together", measured(seed_1=of_all_seeds)),
        Wrong(
            "the other seed",
            None,
            '"seed 0" is wrong',
            measured(seed_0=lambda r: r["seed 1"]),
        ),
        Wrong("turned round", None, "`a` minus", measured(seed_0=turned)),
        Wrong("none", None, "of the pairs", measured(changed=lambda r: [])),
        Wrong(
            "all",
            None,
            "no pairs that differ",
            measured(changed=lambda r: list(r["seed 0"])),
        ),
        Wrong("all agree", None, "does not follow", measured(conclusion=lambda r: "a")),
        Wrong("a number", None, "to be a list", measured(changed=lambda r: 6)),
    ],
    "q7": [
        Wrong("by the mean", verdict(by_mean), "look at the mean alone"),
        Wrong("by the seeds", verdict(by_seed), "asks the photos, too"),
        Wrong(
            "doubt is a no",
            verdict(lambda found: "yes" if found.outcome == "higher" else "no"),
            "take `undecided` for a no",
        ),
        Wrong("never no", verdict(lambda found: "yes"), "never `no`"),
        Wrong("never yes", verdict(lambda found: "no"), "never `yes`"),
        Wrong("one output", verdict(by_rule, heads=["x4"]), "score at x2"),
        Wrong("needs runs", needs_runs, "Without any records your function stops"),
        Wrong("fills the gap", verdict(by_rule, absent="no"), "What no run asks is `open`"),
        Wrong("the outcome", lambda evidence: "higher", "one of the words"),
        Wrong(
            "the chapter's", lambda evidence: claims.judge(evidence), "a claim of your own"
        ),
    ],
}

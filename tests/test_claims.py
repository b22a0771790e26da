"""What is answered to the article: from the records by plain loops, and turned round."""

import dataclasses
import json
import re
from statistics import mean

import numpy as np
import pytest

from srlib import zoo
from srlib.runs import claims, results
from srlib.runs.verdicts import Evidence, Facts
from tests.test_verdicts import LEVEL, networks, runs_of

# --- Every answer again, from the files ------------------------------------------------


@pytest.fixture(scope="module")
def files():
    found = sorted((results.RESULTS / "voc2007").glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in found]


def pick(files, model, *, long=False, weight=None, **changes):
    """List the runs of a network with the article's recipe, by seed."""
    weight = zoo.NETWORKS[model].loss_weights["x2"] if weight is None else weight
    return {
        f["seed"]: f
        for f in files
        if (f["model"], f["recipe"], f["loss"]) == (model, "article", "mse")
        and f["changes"] == changes
        and f["loss_weights"]["x2"] == weight
        and (f["train_images"] > 1000) == long
    }


def arrives(run):
    curve = run["history"]["val_x2_psnr_db"]
    return max((k + 2 for k, v in enumerate(curve) if abs(v - curve[-1]) > 0.2), default=1)


def counted(files, model, test, reference=None):
    """Count by loops: long runs if there are three of them, else all."""
    outcomes = {}
    for long in (True, False):
        runs = pick(files, model, long=long)
        others = pick(files, reference, long=long) if reference else runs
        outcomes[long] = [
            test(run, others[seed] if seed in others else others[min(others)])
            for seed, run in sorted(runs.items())
            if others
        ]
    chosen = outcomes[True]
    if len(chosen) < 3:
        chosen = chosen + outcomes[False]
    if not any(chosen):
        return f"not seen in {len(chosen)}"
    return f"reproduced in {sum(chosen)} of {len(chosen)}"


def own(run, other, head):
    return run["article_psnr_db"][head] - other["article_psnr_db"][head]


def both(run, other):
    return own(run, other, "x2") + own(run, other, "x4")


def decided(a, b, head):
    """Compare two networks by the rule, with a bootstrap of its own."""
    seeds = sorted(a.keys() & b.keys())
    if len(seeds) < 3:
        return "undecided"
    by_seed = [
        np.array(a[s]["per_image"][head]) - np.array(b[s]["per_image"][head]) for s in seeds
    ]
    means = [d.mean() for d in by_seed]
    photos = np.mean(by_seed, axis=0)
    rng = np.random.default_rng(7)
    drawn = [rng.choice(photos, len(photos)).mean() for _ in range(2000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    if min(means) > 0 and low > 0 and mean(means) >= 0.1:
        return "higher"
    if max(means) < 0 and high < 0 and mean(means) <= -0.1:
        return "lower"
    return "the same" if max(map(abs, (*means, low, high))) <= 0.1 else "undecided"


def stated(*outcomes):
    """Sum up the parts of a statement that wants every network to be higher."""
    yes = [outcome == "higher" for outcome in outcomes]
    if all(yes):
        return "holds"
    if any(yes):
        return "holds in part"
    return "open" if "undecided" in outcomes else "does not hold"


def heads(a, b):
    return [decided(a, b, head) for head in zoo.HEADS]


def sound(run, basic):
    return min(own(run, basic, head) for head in zoo.HEADS) >= -1


def test_every_answer_again_by_plain_loops(files):
    basic_runs = [
        arrives(run) <= 4
        for model in ("basic_x2", "basic")
        for run in pick(files, model, long=True).values()
    ]
    if len(basic_runs) < 3:
        basic_runs += [
            arrives(run) <= 4
            for model in ("basic_x2", "basic")
            for run in pick(files, model).values()
        ]
    seven = pick(files, "atrous", weight=0.7)
    ten = pick(files, "efficientnet_4", weight=0.3)
    trunk = pick(files, "efficientnet_4", x4_from="trunk")
    shuffled = [
        pick(files, "efficientnet_4", x4_from="trunk", shuffle=True, **icnr)
        for icnr in ({}, {"icnr": True})
    ]
    wide = {
        f["seed"]: f for f in files if "width" in f["changes"] and f["recipe"] == "article"
    }
    third, fourth = pick(files, "atrous"), pick(files, "efficientnet_4")

    def swept(runs, other):
        good = [both(runs[s], other[s]) > 0 for s in runs.keys() & other.keys()]
        return f"reproduced in {sum(good)} of {len(good)}"

    def near(head):
        return counted(
            files, "efficientnet_4", lambda a, b: abs(own(a, b, head)) < 0.1, "atrous"
        )

    def gained(head):
        return counted(
            files, "depth_to_space", lambda a, b: own(a, b, head) >= 0.1, "efficientnet_4"
        )

    def two(test):
        return counted(files, "residual", test, "basic")

    def atrous(test):
        return counted(files, "atrous", test, "residual")

    expected = [
        ("C1", f"reproduced in {sum(basic_runs)} of {len(basic_runs)}"),
        ("C2", counted(files, "basic", lambda r, _: 20 <= r["article_psnr_db"]["x2"] < 22)),
        ("C4", counted(files, "residual", lambda r, _: arrives(r) <= 2)),
        ("C4", two(lambda a, b: both(a, b) > 0)),
        ("C4", two(lambda a, b: own(a, b, "x2") < 0.1)),
        ("C4", two(lambda a, b: own(a, b, "x4") >= 0.1)),
        ("C4", two(lambda a, b: abs(own(a, b, "x4") - 0.2998) <= 0.1)),
        ("C5", "holds"),
        ("C6", swept(third, seven)),
        ("C6", stated(*heads(third, seven))),
        ("C7", atrous(lambda a, b: max(abs(own(a, b, h)) for h in zoo.HEADS) < 0.1)),
        ("C7", atrous(lambda a, b: -0.1 < own(a, b, "x4") < 0)),
        ("C7", atrous(lambda a, b: a["ssim"]["x2"] > b["ssim"]["x2"])),
        ("C7", atrous(lambda a, b: abs(a["ssim"]["x4"] - b["ssim"]["x4"]) < 0.01)),
        ("C8", "holds"),
        (
            "C8",
            counted(
                files,
                "efficientnet_1",
                lambda a, b: any(
                    a["article_psnr_db"][h] <= 0.6 * b["article_psnr_db"][h]
                    for h in zoo.HEADS
                ),
                "atrous",
            ),
        ),
        ("C9", counted(files, "efficientnet_2", lambda a, b: not sound(a, b), "basic")),
        ("C9", counted(files, "efficientnet_3", sound, "basic")),
        ("C9", counted(files, "efficientnet_4", sound, "basic")),
        ("C10", swept(fourth, ten)),
        ("C11", near("x2")),
        ("C11", near("x4")),
        ("C11", "holds"),
        ("C12", stated(*heads(pick(files, "basic", head_size=3), pick(files, "basic")))),
        ("C13", gained("x2")),
        ("C13", gained("x4")),
        ("C13", stated(*(o for runs in shuffled for o in heads(runs, trunk)))),
        ("C17", stated(*heads(wide, fourth)) if wide else "open"),
        ("C19", "does not hold"),
    ]
    records = results.load("voc2007")
    evidence = Evidence(
        [r for r in records if r.train_images == 1000],
        [r for r in records if r.train_images > 1000],
    )
    found = [(s.claim, f.answer) for s, f in claims.judge(evidence)]
    missing = [pair for pair in expected if pair not in found]
    assert not missing, found


# --- Answers that turn round -----------------------------------------------------------


def answer(text, evidence):
    """Return the answer to the sentence that contains `text`."""
    (sentence,) = [s for s in claims.SENTENCES if text in s.text]
    return sentence.answer(evidence)


def test_every_claim_is_there_in_its_order():
    found = [int(s.claim[1:]) for s in claims.SENTENCES]
    assert sorted(set(found)) == list(range(1, 21))
    assert found == sorted(found)
    assert len({(s.claim, s.text) for s in claims.SENTENCES}) == len(claims.SENTENCES)
    assert claims.FORMER.keys() == {f"C{k}" for k in range(1, 17)}


def test_without_runs_only_arithmetic_is_answered():
    for sentence, found in claims.judge(Evidence([])):
        assert found.evidence
        if found.answer != "open":
            assert "arithmetic" in sentence.rule or "parameters" in sentence.rule


def test_a_network_of_ours_changes_no_answer():
    world = networks()
    before = [found for _, found in claims.judge(world)]
    ours = [
        dataclasses.replace(r, model="model_6", name=f"model_6-{r.seed}")
        for r in runs_of("basic", 9, 9)
    ]
    after = [f for _, f in claims.judge(Evidence([*world.records, *ours]))]
    assert before == after


@pytest.mark.parametrize(
    ("count", "sign"), [(0, "✗"), (1, "◐"), (2, "◐"), (3, "✓"), (5, "✓")]
)
def test_the_sign_tells_always_from_sometimes_and_never(count, sign):
    x2 = [1.0] * count + [-1.0] * (5 - count)
    evidence = Evidence(
        [*runs_of("basic", seeds=5), *runs_of("residual", x4=np.array(x2), seeds=5)]
    )
    found = answer("at 288 clearly better pictures", evidence)
    assert found.sign == sign
    assert found.answer == (f"reproduced in {count} of 5" if count else "not seen in 5")


def test_three_long_runs_count_alone_and_fewer_beside_the_short_ones():
    short = [*runs_of("basic"), *runs_of("residual", x4=0.3)]
    for many, expected in ((2, "reproduced in 3 of 5"), (3, "not seen in 3")):
        long = [*runs_of("basic", seeds=many), *runs_of("residual", seeds=many)]
        found = answer("at 288 clearly better pictures", Evidence(short, long))
        assert found.answer == expected
        assert f"0 of {many} long runs" in found.evidence
        assert "3 of 3 short runs" in found.evidence


@pytest.mark.parametrize(
    ("x2", "x4", "expected"),
    [
        (0.5, 0.5, "holds"),
        (0.5, 0.0, "holds in part"),
        (-0.5, 0.0, "does not hold"),
        (np.array([1, -1, 1]), 0.0, "open"),
        (0.05, 0.05, "does not hold"),  # higher from every seed, by too little
    ],
)
def test_a_statement_has_parts(x2, x4, expected):
    changed = runs_of("basic", x2, x4, changes={"head_size": 3})
    found = answer(
        "upsampling without a convolution", Evidence([*runs_of("basic"), *changed])
    )
    assert found.answer == expected


def test_the_cause_of_c8_needs_an_effect_and_its_end():
    def world(published, cut):
        return Evidence(
            [
                *runs_of("atrous"),
                *runs_of("efficientnet_1", x4=published),
                *runs_of("efficientnet_1", x4=cut, changes={"x4_from": "trunk"}),
            ]
        )

    low = -LEVEL.mean() / 2
    cause = "EfficientNet's weights"
    assert answer(cause, world(low, 0)).answer == "not the cause"
    assert answer(cause, world(low, low)).answer == "open"  # it does not go
    assert answer(cause, world(0, 0)).answer == "open"  # it never came


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ((0.3, 0.3, 0.3), "supported"),
        ((0.9,) * 3, "not the cause"),
        ((0.3, 0.9, 0.3), "open"),
    ],
)
def test_the_cause_of_c10_is_whether_the_best_weight_moves(moved, expected):
    weights = (0.1, 0.3, 0.5, 0.65, 0.9)
    linear = {"output_activation": None}
    records = []
    for weight in weights:
        for changes, best in (
            (linear, (0.65,) * 3),
            ({**linear, "deep_head": "x2"}, moved),
        ):
            x2 = np.array([-abs(weight - b) for b in best])
            records += runs_of("efficientnet_4", x2, x2_weight=weight, changes=changes)
    assert answer("the second output has four", Evidence(records)).answer == expected


@pytest.mark.parametrize(
    ("psnr", "ssim", "expected"),
    [(20, 24, "holds"), (10, 24, "holds in part"), (10, 10, "does not hold")],
)
def test_c3_can_say_no(psnr, ssim, expected):
    facts = Facts(photos=24, higher_psnr=psnr, higher_ssim=ssim)
    assert answer("a high PSNR", Evidence([], facts=facts)).answer == expected


def test_sizes_and_files_are_facts():
    fine = dict.fromkeys(zoo.ARTICLE, True)
    odd = {name: network.article <= 3 for name, network in zoo.ARTICLE.items()}
    facts = Facts(fits=fine, fits_as_published=odd, same_files=True, same_batches=False)
    evidence = Evidence([], facts=facts)
    assert answer("take any size", evidence).answer == "holds in part"
    assert answer("always sees the same photos", evidence).answer == "holds in part"
    every = Evidence([], facts=Facts(fits=fine, fits_as_published=fine))
    assert answer("take any size", every).answer == "holds"


@pytest.mark.parametrize(("four", "expected"), [(0.5, "holds"), (2.0, "holds in part")])
def test_c15_asks_for_time(four, expected):
    seconds = {"atrous": 1.0, "efficientnet_4": four, "plain": 3.0}
    evidence = networks(efficientnet_4={"x2": 1}, atrous={"x2": 1})
    evidence.facts = Facts(step_seconds=seconds)
    found = answer("it reduces parameters", evidence)
    assert found.answer == expected
    assert re.search(r"time of a step: (yes|no)", found.evidence)

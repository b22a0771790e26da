"""Verdicts: what the records say decides, in both directions, and doubt stays doubt."""

import dataclasses
import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srlib import zoo
from srlib.runs import verdicts
from srlib.runs.verdicts import Difference, Evidence, Part, Verdict
from tests.test_results import make_record

HEADS = zoo.HEADS
PHOTOS = 20
LEVEL = np.linspace(18, 24, PHOTOS)  # photos differ much more than networks do


BASELINES = {"bilinear": (LEVEL + 1).tolist(), "nearest": (LEVEL - 1).tolist()}


def runs_of(model, x2=0.0, x4=0.0, *, seeds=3, x2_weight=None, loss="mse", **fields):
    """Make records of a network whose scores lie `x2` and `x4` dB above `LEVEL`."""
    weight = zoo.NETWORKS[model].loss_weights["x2"] if x2_weight is None else x2_weight
    above = {"x2": np.broadcast_to(x2, seeds), "x4": np.broadcast_to(x4, seeds)}
    changes = fields.pop("changes", {})
    sizes = {
        "parameters": zoo.NETWORKS[model].parameters,
        "trainable_parameters": zoo.NETWORKS[model].trainable,
    }
    for seed in range(seeds):
        scores = {head: (LEVEL + above[head][seed]).tolist() for head in HEADS}
        mean = {head: float(np.mean(s)) for head, s in scores.items()}
        curve = [mean["x2"] - 5, mean["x2"], mean["x2"]]
        yield make_record(
            **{
                "name": f"{model}-{seed}",
                "model": model,
                "changes": changes,
                "seed": seed,
                "loss": loss,
                "loss_weights": {"x2": weight, "x4": 1 - weight},
                "val_images": PHOTOS,
                "epochs": 3,
                "history": {"val_x2_psnr_db": curve, "val_x4_loss": [0.01] * 3},
                "psnr_db": mean,
                "article_psnr_db": mean,
                "per_image": scores,
                "baselines": dict.fromkeys(HEADS, BASELINES),
                **sizes,
                **fields,
            }
        )


def evidence(*groups):
    return Evidence(record for group in groups for record in group)


ALL = {
    "basic_x2": {},
    "basic": {},
    "residual": {"x4": [0.25, 0.3, 0.35]},
    "atrous": {"x2": 0.2, "x4": 0.3},
    "efficientnet_1": {"x2": -9, "x4": -9},
    "efficientnet_2": {"x2": -9, "x4": -9},
    "efficientnet_3": {"x2": -2, "x4": -2},
    "efficientnet_4": {"x2": 0.2, "x4": 0.3},
    "depth_to_space": {"x2": 1, "x4": 1},
}


def networks(**changed):
    """Return evidence of all the article's networks, some with other scores.

    The first run of each stands for the one at the article's scale.
    """
    groups = [list(runs_of(m, **(ALL[m] | changed.get(m, {})))) for m in ALL]
    return Evidence((r for group in groups for r in group), (group[0] for group in groups))


# --- The tables ------------------------------------------------------------------------


def test_every_model_has_a_title_of_its_own():
    assert zoo.TITLES.keys() == zoo.NETWORKS.keys()
    assert len(set(zoo.TITLES.values())) == len(zoo.NETWORKS)


def test_all_sixteen_claims_are_judged_in_their_order():
    fits = dict.fromkeys(zoo.NETWORKS, True)
    judged = verdicts.judge(networks(), fits, fits)
    assert [v.claim for v in judged] == [f"C{k}" for k in range(1, 17)]
    for verdict in judged:
        assert verdict.parts
        assert all(part.evidence for part in verdict.parts)
        assert inspect.getdoc(getattr(verdicts, verdict.claim.lower()))


# --- Differences -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by_seed", "low", "high", "outcome"),
    [
        ((0.3, 0.2), 0.1, 0.4, "higher"),
        ((-0.3, -0.2), -0.4, -0.1, "lower"),
        ((0.3, -0.1), 0.05, 0.2, "undecided"),  # one seed says otherwise
        ((0.3, 0.2), -0.1, 0.4, "undecided"),  # some photos do
        ((0.05, -0.05), -0.08, 0.08, "the same"),
        ((0.05, -0.05), -0.08, 0.12, "undecided"),
        ((0.02, 0.01), 0.005, 0.03, "higher"),  # small, but sure
    ],
)
def test_an_outcome_needs_every_seed_and_the_photos(by_seed, low, high, outcome):
    assert Difference(by_seed, low, high).outcome == outcome


shifts = st.lists(st.floats(-3, 3), min_size=1, max_size=4)


@given(shifts)
def test_a_difference_is_the_shift_of_each_seed_and_turns_round(shift):
    count = len(shift)
    first = list(runs_of("basic", shift, seeds=count))
    second = list(runs_of("residual", seeds=count))
    there, back = (
        verdicts.difference(*p, "x2") for p in ((first, second), (second, first))
    )
    np.testing.assert_allclose(there.by_seed, shift, atol=1e-9)
    np.testing.assert_allclose(np.negative(back.by_seed), shift, atol=1e-9)
    assert there.low <= there.mean + 1e-9
    assert there.mean - 1e-9 <= there.high
    opposite = {"higher": "lower", "lower": "higher"}
    assert back.outcome == opposite.get(there.outcome, there.outcome)


def test_seeds_that_only_one_has_are_left_out():
    found = verdicts.difference(
        list(runs_of("basic", [1, 2, 3])), list(runs_of("residual", seeds=2)), "x2"
    )
    assert found.by_seed == pytest.approx((1, 2))


def test_networks_without_a_common_seed_are_not_compared():
    first = [r for r in runs_of("basic") if r.seed == 0]
    second = [r for r in runs_of("residual") if r.seed == 1]
    with pytest.raises(ValueError, match="basic-0 and residual-1 share no seed"):
        verdicts.difference(first, second, "x2")


def test_networks_that_saw_other_photos_are_not_compared():
    other = list(runs_of("residual", data_digest="0" * 16))
    with pytest.raises(ValueError, match="saw other photos"):
        verdicts.difference(list(runs_of("basic")), other, "x2")


def test_a_gain_is_measured_against_the_same_photos():
    assert verdicts.gain(list(runs_of("basic", 0.25)), "x2").mean == pytest.approx(-0.75)


# --- Evidence --------------------------------------------------------------------------


def test_runs_are_told_apart_by_weights_loss_and_changes():
    found = evidence(
        runs_of("atrous"),
        runs_of("atrous", x2_weight=0.7),
        runs_of("atrous", loss="psnr"),
        runs_of("atrous", changes={"rates": [1, 1, 1]}),  # as a file has it
        runs_of("atrous", recipe="antialiased"),
    )
    asked = {"": {}, "weight": {"x2_weight": 0.7}, "loss": {"loss": "psnr"}}
    asked |= {"rates": {"rates": (1, 1, 1)}, "recipe": {"recipe": "antialiased"}}
    runs = [found.runs("atrous", **question) for question in asked.values()]
    assert [[r.seed for r in group] for group in runs] == [[0, 1, 2]] * 5
    assert len({id(r) for group in runs for r in group}) == 15


# --- Verdicts --------------------------------------------------------------------------


def part(status, ours=False):
    return Part("", status, "", ours)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((part("confirmed"), part("confirmed")), "confirmed"),
        ((part("confirmed"), part("open")), "open"),
        ((part("refuted"), part("open")), "refuted"),
        ((part("confirmed"), part("refuted", ours=True)), "confirmed"),
        ((part("confirmed", ours=True),), "open"),
        ((), "open"),
    ],
)
def test_one_refuted_part_refutes_and_ours_do_not_count(parts, status):
    assert Verdict("C0", "", parts).status == status


def statuses(verdict):
    return [p.status for p in verdict.parts if not p.ours]


def test_c1_needs_the_smallest_and_the_fastest():
    assert verdicts.c1(networks()).status == "confirmed"
    slow = {"history": {"val_x2_psnr_db": [10.0, 15.0, 21.0], "val_x4_loss": [0.1] * 3}}
    assert statuses(verdicts.c1(networks(basic=slow))) == ["confirmed", "refuted"]


@pytest.mark.parametrize(
    ("curves", "status"),
    [
        ([[21, 21, 21]] * 3, "refuted"),  # one epoch, from every seed
        ([[21, 21, 21], [0, 0, 21], [0, 21, 21]], "open"),
        ([[0, 21, 21], [0, 0, 21], [0, 21, 21]], "confirmed"),
    ],
)
def test_c1_asks_every_seed_who_is_faster(curves, status):
    runs = [
        dataclasses.replace(r, history={"val_x2_psnr_db": curves[r.seed]})
        for r in runs_of("residual")
    ]
    others = [r for r in networks().records if r.model != "residual"]
    assert statuses(verdicts.c1(Evidence([*others, *runs])))[1] == status


def test_c1_does_not_take_a_network_that_is_stuck_for_a_fast_one():
    curve = {"history": {"val_x2_psnr_db": [10.0] * 3, "val_x4_loss": [0.1] * 3}}
    assert statuses(verdicts.c1(networks(residual=curve)))[1] == "refuted"  # and it arrived
    stuck = verdicts.c1(networks(residual={"x2": -11, **curve}))
    assert statuses(stuck)[1] == "confirmed"
    assert "Model 2" not in stuck.parts[1].evidence


def test_c2_needs_21_db_and_poor_pictures():
    assert verdicts.c2(networks()).status == "confirmed"  # the mean of LEVEL is 21
    assert statuses(verdicts.c2(networks(basic={"x2": 1.5}))) == ["refuted", "refuted"]


def test_c3_asks_for_a_pair_on_which_psnr_and_ssim_disagree():
    assert verdicts.c3(networks()).status == "open"
    rough = {"ssim": {"x2": 0.4, "x4": 0.4}}
    assert verdicts.c3(networks(depth_to_space=rough)).status == "confirmed"


def test_c4_at_both_outputs():
    assert statuses(verdicts.c4(networks()))[:4] == ["confirmed"] * 4
    worse = networks(residual={"x2": 0.5, "x4": -0.5})
    assert statuses(verdicts.c4(worse))[1:4] == ["refuted", "refuted", "refuted"]


@pytest.mark.parametrize(
    ("claim", "numbers"), [("c2", slice(0, 1)), ("c4", slice(3, 5)), ("c8", slice(1, 3))]
)
def test_the_articles_own_numbers_wait_for_a_run_at_its_scale(claim, numbers):
    reduced = Evidence(networks().records)
    judge = getattr(verdicts, claim)
    waiting = judge(reduced).parts[numbers]
    assert {part.status for part in waiting} == {"open"}
    assert {part.evidence for part in waiting} == {"no run at the article's scale yet"}
    assert "open" not in {part.status for part in judge(networks()).parts[numbers]}


def test_c4_asks_every_seed_for_its_epochs():
    late = {"val_x2_psnr_db": [0, 0, 21]}
    runs = list(runs_of("residual"))
    others = [r for r in networks().records if r.model != "residual"]
    for count, status in ((0, "confirmed"), (1, "open"), (3, "refuted")):
        some = [dataclasses.replace(r, history=late) for r in runs[:count]]
        found = verdicts.c4(Evidence([*others, *some, *runs[count:]]))
        assert statuses(found)[0] == status


def test_c4_compares_the_loss_with_the_articles():
    fallen = {"history": {"val_x2_psnr_db": [20.0] * 3, "val_x4_loss": [0.005] * 3}}
    assert verdicts.c4(networks()).parts[4].status == "refuted"
    assert verdicts.c4(networks(residual=fallen)).parts[4].status == "confirmed"


def test_c5_counts():
    assert verdicts.c5(networks()).status == "refuted"
    twice = {"parameters": 2 * zoo.NETWORKS["residual"].parameters}
    assert verdicts.c5(networks(atrous=twice)).status == "confirmed"


@pytest.mark.parametrize(
    ("shift", "status"),
    [(-0.3, "confirmed"), (0.3, "refuted"), ([0.3, -0.3, 0.3], "open"), (0, "refuted")],
)
@pytest.mark.parametrize(
    ("claim", "model", "other"),
    [("c6", "atrous", 0.7), ("c10", "efficientnet_4", 0.3)],
)
def test_the_claims_about_weights(claim, model, other, shift, status):
    """The article's weights against others that score `shift` dB more."""
    found = evidence(runs_of(model), runs_of(model, shift, shift, x2_weight=other))
    assert getattr(verdicts, claim)(found).status == status


@pytest.mark.parametrize("claim", ["c6", "c7", "c9", "c10", "c12", "c13", "c15"])
def test_a_claim_of_which_nothing_was_run_is_open(claim):
    assert getattr(verdicts, claim)(Evidence([])).status == "open"


def test_c7_a_little_better_and_about_the_same():
    assert verdicts.c7(networks(atrous={"x2": 0.2, "x4": 0.3})).status == "confirmed"
    assert verdicts.c7(networks(atrous={"x2": 0.2, "x4": 0.9})).status == "refuted"


def test_c8_halved_means_about_half():
    half = {"x2": -10.5, "x4": -10.5}
    found = networks(efficientnet_1=half, atrous={"x2": 0, "x4": 0})
    assert verdicts.c8(found).status == "confirmed"
    assert verdicts.c8(networks(efficientnet_1={"x2": 0, "x4": 0})).status == "refuted"


def test_c8_gives_our_cause_without_counting_it():
    repaired = runs_of("efficientnet_1", changes={"x4_from": "trunk"})
    found = verdicts.c8(Evidence([*networks().records, *repaired])).parts[-1]
    assert (found.ours, found.status) == (True, "confirmed")


def test_c9_what_repairs_and_what_does_not():
    equal = list(runs_of("efficientnet_4", x2_weight=0.5))
    assert verdicts.c9(Evidence([*networks().records, *equal])).status == "confirmed"
    good = networks(efficientnet_2={"x2": 0, "x4": 0})
    assert statuses(verdicts.c9(Evidence([*good.records, *equal])))[0] == "refuted"
    lucky = {"x2": [0, 0, -11], "x4": 0}  # from two seeds of three
    some = networks(efficientnet_2=lucky, efficientnet_4=lucky)
    repaired = verdicts.c9(Evidence([*some.records, *equal]))
    assert statuses(repaired)[:2] == ["open", "open"]
    assert "from 2 of 3 seeds" in repaired.parts[1].evidence


def test_c11_as_good_with_half():
    assert verdicts.c11(networks()).status == "confirmed"
    assert verdicts.c11(networks(efficientnet_4={"x4": -1})).status == "refuted"


def test_c12_a_convolution_after_it():
    better = runs_of("basic", 0.5, 0.5, changes={"head_size": 3})
    worse = runs_of("basic", -0.5, -0.5, changes={"head_size": 3})
    for group, status in ((better, "confirmed"), (worse, "refuted")):
        assert verdicts.c12(evidence(runs_of("basic"), group)).status == status


def test_c13_at_both_sizes():
    assert verdicts.c13(networks()).status == "confirmed"
    assert verdicts.c13(networks(depth_to_space={"x4": -2})).status == "refuted"


def test_an_order_that_the_long_runs_turn_round_is_open():
    short, long = networks(depth_to_space={"x4": -2}), networks(depth_to_space={"x4": 2})
    agreeing = verdicts.c13(short)
    assert statuses(agreeing) == ["confirmed", "refuted"] * 2
    assert "one long run of each: -2.30 dB: lower" in agreeing.parts[1].evidence
    turned = verdicts.c13(Evidence(short.records, long.at_article_scale.values()))
    assert statuses(turned) == ["confirmed", "open"] * 2
    assert "one long run of each: +1.70 dB: higher" in turned.parts[1].evidence


def test_long_runs_say_nothing_of_other_networks_than_the_articles():
    better = list(runs_of("basic", 0.5, 0.5, changes={"head_size": 3}))
    everything = networks()
    found = Evidence([*everything.records, *better], everything.at_article_scale.values())
    for part in verdicts.c12(found).parts:
        assert part.status == "confirmed"
        assert "long run" not in part.evidence


def test_c14_is_about_the_networks_as_published():
    fine, bad = dict.fromkeys(zoo.NETWORKS, True), dict.fromkeys(zoo.NETWORKS, False)
    assert verdicts.c14(fine, fine).status == "confirmed"
    assert verdicts.c14(fine, bad).status == "refuted"


def test_c15_against_three_rivals():
    healthy = {"x4_from": "trunk", "output_activation": None}

    def eyes(above, **backbone):
        return runs_of("efficientnet_4", above, above, changes={**healthy, **backbone})

    rivals = [eyes(0), eyes(0, backbone="scratch"), eyes(0, backbone="plain")]
    for above, status in ((0.5, "confirmed"), (-0.5, "refuted")):
        found = evidence(*([*rivals, eyes(above, backbone="imagenet-lite0")]))
        assert verdicts.c15(found).status == status
        rivals = [eyes(0), eyes(0, backbone="scratch"), eyes(0, backbone="plain")]


def test_c16_stays_open_however_the_biggest_does():
    assert verdicts.c16(networks(atrous={"x2": 1, "x4": 1})).status == "open"
    assert verdicts.c16(networks(atrous={"x2": -1, "x4": 1})).status == "refuted"

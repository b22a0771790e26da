"""Comparisons: what the records say decides, in both directions, and doubt stays doubt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srlib import zoo
from srlib.runs import verdicts
from srlib.runs.verdicts import Difference, Evidence
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
                "history": {
                    "val_x2_psnr_db": curve,
                    "loss": [0.02] * 3,
                    "x2_loss": [0.01] * 3,
                    "x4_loss": [0.01] * 3,
                },
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
    """Return evidence of all the article's networks, some with other scores."""
    groups = [runs_of(m, **(ALL[m] | changed.get(m, {}))) for m in ALL]
    return Evidence(r for group in groups for r in group)


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
        ((0.02, 0.01), 0.005, 0.03, "the same"),  # sure, but too small
        ((0.12, 0.06), 0.05, 0.15, "undecided"),  # nearly
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


# --- How often the rule errs -----------------------------------------------------------


def test_more_seeds_make_fewer_errors():
    rng = np.random.default_rng(3)
    runs = list(runs_of("basic", rng.normal(0, 0.3, 5), seeds=5))
    rates = [verdicts.error_rate([runs], "x2", seeds) for seeds in (1, 3, 5)]
    assert rates[0] > rates[1] > rates[2]
    assert rates[0] > 0.5  # one start against another: nearly always "different"


def test_equal_runs_are_never_told_apart():
    assert verdicts.error_rate([list(runs_of("basic", seeds=5))], "x2", 1) == 0


# --- What a run went through -----------------------------------------------------------


@pytest.mark.parametrize(
    ("curve", "epochs"),
    [([20, 20, 20], 1), ([10, 19.9, 20], 2), ([10, 15, 20], 3), ([20, 25, 20.1], 3)],
)
def test_a_run_arrives_where_it_ends(curve, epochs):
    (run,) = runs_of("basic", seeds=1, history={"val_x2_psnr_db": curve})
    assert verdicts.epochs_to_arrive(run) == epochs


def test_dead_colours_are_black_all_over():
    shares = {"start": {"x2": [0.0, 0.9995, 1.0]}, "end": {"x2": [0.5, 0.998, 0.0]}}
    (run,) = runs_of("basic", seeds=1, black=shares)
    assert verdicts.dead_colours(run, "start") == {"x2": 2}
    assert verdicts.dead_colours(run, "end") == {"x2": 0}
    (old,) = runs_of("basic", seeds=1)
    assert verdicts.dead_colours(old, "end") is None

"""How far a network sees: the measured field against what is counted by hand."""

from __future__ import annotations

import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from srlib import models, plots, receptive

mpl.use("Agg")


@pytest.fixture
def noise():
    return np.random.default_rng(0).random((2, 72, 72, 3), np.float32)


def stack(*rates, filters=2):
    """Linear convolutions of 3x3, one after the other."""
    x = lr = models.photo_input()
    for rate in rates:
        x = models.conv(x, filters, 3, dilation=rate, activation=None)
    return keras.Model(lr, {"out": x})


@pytest.mark.parametrize(
    ("name", "changes", "sides"),
    [
        ("basic", {"output_activation": None}, {"x2": 5, "x4": 5}),
        ("residual", {}, {"x2": 9, "x4": 11}),
        ("atrous", {}, {"x2": 33, "x4": 41}),
        ("atrous", {"rates": (1, 1, 1)}, {"x2": 17, "x4": 21}),
    ],
)
def test_the_field_is_as_wide_as_counted_by_hand(name, changes, sides, noise):
    model = models.build(name, seed=0, **changes)
    for head, side in sides.items():
        field = receptive.receptive_field(model, noise, head)
        assert receptive.side_holding(field) == side


def test_equal_rates_leave_holes_and_growing_ones_do_not(noise):
    keras.utils.set_random_seed(0)
    for rates, side, touched in (((1, 2, 4), 15, 15**2), ((2, 2, 2), 13, 7**2)):
        field = receptive.receptive_field(stack(*rates), noise, "out")
        assert receptive.side_holding(field) == side
        assert np.count_nonzero(field) == touched
        assert np.isclose(field.sum(), 1)


def test_the_middle_of_the_field_is_the_pixel_below_the_output(noise):
    lr = models.photo_input()
    enlarged = keras.Model(lr, {"out": models.upsample(lr)})
    field = receptive.receptive_field(enlarged, noise, "out", reach=3)
    assert field.shape == (7, 7)
    assert np.argmax(field) == 24
    assert np.isclose(field[3, 3], 1)


def test_a_share_of_the_field_fits_into_a_smaller_square():
    even = np.full((9, 9), 1 / 81)
    assert receptive.side_holding(even) == 9
    assert receptive.side_holding(even, 25 / 81) == 5
    assert receptive.side_holding(even, 26 / 81) == 7


def test_pictures_that_are_too_small_are_refused(noise):
    with pytest.raises(ValueError, match="Expected at least 45x45"):
        receptive.receptive_field(stack(1), noise[:, :40], "out")


def test_a_shut_output_is_refused_and_not_drawn(noise):
    lr = models.photo_input()
    out = models.conv(lr, 3, 1)
    model = keras.Model(lr, {"out": out})
    model.set_weights([w * 0 - 1 for w in model.get_weights()])
    with pytest.raises(ValueError, match="last activation shut"):
        receptive.receptive_field(model, noise, "out")


def test_the_drawing_tells_both_sides():
    field = np.zeros((5, 5))
    field[2, 2], field[2, 3] = 0.95, 0.05
    axes = plots.receptive_fields({"one": field, "two": field}, columns=2)
    assert axes.shape == (1, 2)
    titles = [axes[0, 0].get_title(loc=place) for place in ("left", "center")]
    assert "one" in titles  # which place, the style decides
    assert axes[0, 1].get_xlabel() == "sees 3x3,\n90% within 1x1"
    plt.close("all")

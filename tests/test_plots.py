"""Figures: what stands in them, and that they are drawn on the axes that are given."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from srlib import diagrams, models, plots, zoo

mpl.use("agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.subplots()[1]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_zoom_cuts_the_same_part_at_every_size():
    zoom = plots.Zoom(top=0.5, left=0.25, side=0.25)
    for side in (72, 144, 288):
        picture = np.arange(side * side * 3).reshape(side, side, 3)
        part = zoom.crop(picture)
        assert part.shape == (side // 4, side // 4, 3)
        assert (part[0, 0] == picture[side // 2, side // 4]).all()


def test_picture_draws_every_pixel_on_the_axes_it_is_given(ax):
    image = np.random.default_rng(0).random((8, 8, 3)) * 2 - 0.5
    assert plots.picture(ax, image, "a title") is ax
    (drawn,) = ax.images
    assert drawn.get_interpolation() == "nearest"
    np.testing.assert_array_equal(drawn.get_array(), np.clip(image, 0, 1))
    assert ax.get_title(loc="left") + ax.get_title() == "a title"


def test_picture_row_shows_the_zoomed_part_below_and_frames_it_above():
    pictures = {"small": np.zeros((8, 8, 3)), "large": np.ones((16, 16, 3))}
    axes = plots.picture_row(pictures, plots.Zoom(0.5, 0.5, 0.25))
    assert axes.shape == (2, 2)
    assert [ax.images[0].get_array().shape[0] for ax in axes[1]] == [2, 4]
    assert all(isinstance(ax.patches[0], Rectangle) for ax in axes[0])
    assert plots.picture_row(pictures).shape == (1, 2)


def test_curves_name_output_and_part_and_start_at_epoch_one(ax):
    history = {"x2_psnr_db": [10, 12], "val_x2_psnr_db": [9, 11], "val_x4_psnr_db": [8, 9]}
    plots.curves(ax, history)
    drawn = {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for line in ax.lines
    }
    assert drawn == {
        "x2 training": ([1, 2], [10, 12]),
        "x2 validation": ([1, 2], [9, 11]),
        "x4 validation": ([1, 2], [8, 9]),
    }


def test_training_run_shows_loss_and_psnr_with_the_reference_levels():
    history = {"val_x2_loss": [0.1, 0.01], "val_x2_psnr_db": [10, 20]}
    loss, psnr = plots.training_run(history, {"bilinear": 22.25})
    assert list(loss.lines[0].get_ydata()) == [0.1, 0.01]
    assert list(psnr.lines[0].get_ydata()) == [10, 20]
    assert texts(psnr) == [" bilinear 22.25"]


def test_dots_draw_every_value_and_print_the_mean(ax):
    plots.dots(ax, {"a": np.array([20.0, 22.0]), "b": np.array([30.0])})
    assert sorted(ax.lines[0].get_xdata()) == [20, 22]
    assert texts(ax) == ["21.00", "30.00"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


def test_a_dot_below_the_floor_is_written_at_the_edge(ax):
    plots.dots(ax, {"a": np.array([22.0, 10.81, 23.0])}, floor=18)
    texts = {text.get_text() for text in ax.texts}
    assert texts == {"◂ 10.8", "22.50"}
    drawn, _ = ax.lines
    assert drawn.get_xdata().tolist() == [22.0, 23.0]


def test_dots_are_the_same_every_time():
    values = np.random.default_rng(0).normal(size=30)
    first, second = (plots.dots(plt.subplots()[1], {"a": values}) for _ in range(2))
    np.testing.assert_array_equal(first.lines[0].get_ydata(), second.lines[0].get_ydata())


def test_network_names_every_step_and_the_size_that_leaves_it():
    drawn = texts(diagrams.network(models.build("basic"), lr_size=72))
    assert drawn.count("conv 3x3, 64 filters, ReLU") == 2
    assert drawn.count("repeat pixels 2x2") == 2
    assert "x2: conv 1x1, 3 filters, ReLU" in drawn
    assert "x4: conv 1x1, 3 filters, ReLU" in drawn
    assert {"72x72x64", "144x144x64", "144x144x3", "288x288x64", "288x288x3"} <= set(drawn)


@pytest.mark.parametrize("name", zoo.NETWORKS)
def test_network_draws_no_box_upon_another(name):
    ax = diagrams.network(models.build(name))
    boxes = [patch.get_bbox() for patch in ax.patches if hasattr(patch, "get_boxstyle")]
    assert len(boxes) >= 5
    for k, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])

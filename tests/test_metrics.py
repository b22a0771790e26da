"""The scores, against known answers, independent implementations and laws."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import skimage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from srlib import data, metrics
from srlib.metrics import MetricError

SCORES = [metrics.mse, metrics.psnr, metrics.batch_psnr, metrics.ssim]

in_0_to_1 = st.floats(0, 1)


def pictures(shape, elements=in_0_to_1):
    return hnp.arrays(np.float64, shape, elements=elements)


@pytest.fixture(scope="module", params=["astronaut", "sample", "random"])
def pairs_to_compare(request):
    """Stacks of targets and of worse pictures, real and random, in [0, 1]."""
    rng = np.random.default_rng(0)
    if request.param == "random":
        target = rng.random((3, 40, 48, 3))
    elif request.param == "astronaut":
        target = skimage.data.astronaut()[None, :200, 100:340] / 255
    else:
        photos = data.find_photos(data.sample_folder()).take(1, 3)
        target = data.load_pairs(photos, "val").x2 / 255
    noise = rng.normal(0, [[[[0.02]]], [[[0.1]]], [[[0.3]]]][: len(target)], target.shape)
    return target.astype(np.float32), np.clip(target + noise, 0, 1).astype(np.float32)


# --- Known answers ----------------------------------------------------------------------


def test_an_error_of_one_step_of_255_scores_48_13_db():
    black = np.zeros((8, 8, 3))
    assert metrics.psnr(black, black + 1 / 255) == pytest.approx(48.1308, abs=1e-4)
    assert metrics.mse(black, black + 1 / 255) == pytest.approx(1 / 255**2)


@pytest.mark.parametrize(("error", "psnr_db"), [(1, 0), (0.1, 20), (0.01, 40)])
def test_a_tenth_of_the_error_is_20_db_more(error, psnr_db):
    black = np.zeros((8, 8, 3))
    assert metrics.psnr(black, black + error) == pytest.approx(psnr_db, abs=1e-9)
    assert metrics.batch_psnr(black, black + error) == pytest.approx(psnr_db, abs=1e-9)


def test_identical_pictures_score_infinity_without_a_warning(recwarn):
    picture = np.random.default_rng(0).random((12, 12, 3))
    assert metrics.psnr(picture, picture) == np.inf
    assert metrics.batch_psnr(picture, picture) == np.inf
    assert metrics.psnr(picture, picture, y_only=True, crop=2) == np.inf
    assert metrics.mse(picture, picture) == 0
    assert metrics.ssim(picture, picture) == pytest.approx(1)
    assert not recwarn.list


def test_psnr_is_per_picture_and_the_article_s_is_of_the_batch():
    """A picture of 20 dB and one of 40: the mean is 30, the batch's 22.97."""
    target = np.zeros((2, 8, 8, 3))
    picture = target + np.array([0.1, 0.01])[:, None, None, None]
    assert metrics.psnr(target, picture) == pytest.approx([20, 40])
    assert metrics.batch_psnr(target, picture) == pytest.approx(22.9671, abs=1e-4)


def test_psnr_clips_the_picture_and_the_article_s_does_not():
    white = np.ones((4, 4, 3))
    assert metrics.psnr(white, white + 0.1) == np.inf
    assert metrics.mse(white, white + 0.1) == 0
    assert metrics.batch_psnr(white, white + 0.1) == pytest.approx(20)


def test_crop_leaves_out_the_border():
    target, picture = np.zeros((2, 16, 20, 3))
    picture[:2], picture[-2:], picture[:, :2], picture[:, -2:] = 1, 1, 1, 1
    picture[2:-2, 2:-2] = 0.1
    assert metrics.psnr(target, picture, crop=2) == pytest.approx(20)
    assert metrics.psnr(target, picture, crop=1) < 20
    assert metrics.psnr(target, picture, crop=7) == pytest.approx(20)


@pytest.mark.parametrize("crop", [8, 100, -1])
def test_a_crop_that_leaves_nothing_is_refused(crop):
    picture = np.zeros((16, 20, 3))
    with pytest.raises(MetricError, match=f"crop of {crop} leaves nothing of 16x20"):
        metrics.psnr(picture, picture, crop=crop)


# --- Against independent implementations -------------------------------------------------


def test_psnr_agrees_with_scikit_image_and_tensorflow(pairs_to_compare):
    import tensorflow as tf

    target, picture = pairs_to_compare
    by_scikit_image = [
        skimage.metrics.peak_signal_noise_ratio(
            t.astype(float), p.astype(float), data_range=1
        )
        for t, p in zip(target, picture, strict=True)
    ]
    by_tensorflow = tf.image.psnr(target, picture, max_val=1.0).numpy()
    scores = metrics.psnr(target, picture)
    assert scores == pytest.approx(by_scikit_image, abs=1e-9)
    assert scores == pytest.approx(by_tensorflow, abs=1e-4)
    assert metrics.psnr(target[0], picture[0]) == pytest.approx(scores[0], abs=1e-12)


def test_ssim_agrees_with_tensorflow(pairs_to_compare):
    import tensorflow as tf

    target, picture = pairs_to_compare
    scores = metrics.ssim(target, picture)
    by_tensorflow = tf.image.ssim(target, picture, max_val=1.0).numpy()
    assert scores == pytest.approx(by_tensorflow, abs=3e-5)  # it computes in float32
    assert metrics.ssim(target[0], picture[0]) == pytest.approx(scores[0], abs=1e-12)


def test_ssim_agrees_with_its_formula(pairs_to_compare):
    """Window by window, as in the paper, on the first picture's upper left corner."""
    target, picture = (stack[0, :20, :18].astype(float) for stack in pairs_to_compare)
    position = np.arange(-5, 6)
    gauss = np.exp(-(position**2) / (2 * 1.5**2))
    window = np.outer(gauss, gauss)[..., None] / gauss.sum() ** 2
    c1, c2 = 0.01**2, 0.03**2
    values = []
    for top in range(10):
        for left in range(8):
            t, p = (a[top : top + 11, left : left + 11] for a in (target, picture))
            mean_t, mean_p = ((window * a).sum((0, 1)) for a in (t, p))
            var_t, var_p = ((window * a * a).sum((0, 1)) for a in (t, p))
            var_t, var_p = var_t - mean_t**2, var_p - mean_p**2
            both = (window * t * p).sum((0, 1)) - mean_t * mean_p
            values.append(
                (2 * mean_t * mean_p + c1)
                * (2 * both + c2)
                / ((mean_t**2 + mean_p**2 + c1) * (var_t + var_p + c2))
            )
    assert metrics.ssim(target, picture) == pytest.approx(np.mean(values), abs=1e-9)


def test_mse_agrees_with_a_plain_loop():
    target, picture = np.random.default_rng(0).random((2, 3, 4, 5, 3))
    for t, p, score in zip(target, picture, metrics.mse(target, picture), strict=True):
        errors = [(a - b) ** 2 for a, b in zip(t.ravel(), p.ravel(), strict=True)]
        assert score == pytest.approx(sum(errors) / len(errors))


def test_y_agrees_with_scikit_image(pairs_to_compare):
    for picture in pairs_to_compare[0].astype(float):
        y = metrics.to_y(picture)
        assert y.shape == (*picture.shape[:2], 1)
        expected = skimage.color.rgb2ycbcr(picture)[..., 0]
        assert np.abs(255 * y[..., 0] - expected).max() < 1e-9


def test_y_runs_from_16_to_235_of_255():
    assert metrics.to_y(np.zeros((1, 1, 3))).item() * 255 == pytest.approx(16)
    assert metrics.to_y(np.ones((1, 1, 3))).item() * 255 == pytest.approx(235)


def test_grey_pictures_score_1_32_db_higher_on_y():
    """The same error in a range of 219 steps, but with a peak of 255."""
    target, picture = np.random.default_rng(0).random((2, 9, 9, 1)).repeat(3, axis=-1)
    gain = metrics.psnr(target, picture, y_only=True) - metrics.psnr(target, picture)
    assert gain == pytest.approx(20 * np.log10(255 / 219), abs=1e-9)
    assert round(gain, 2) == 1.32


def test_y_of_a_picture_without_colours_is_refused():
    grey = np.zeros((8, 8, 1))
    assert metrics.psnr(grey, grey + 0.1) == pytest.approx(20)
    with pytest.raises(MetricError, match=r"made from RGB; found \(8, 8, 1\)"):
        metrics.psnr(grey, grey, y_only=True)


def set5_folder():
    """Where Set5 is: its pictures are not ours to hand on."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "set5"
    return Path(os.environ.get("SRLIB_SET5", beside))


@pytest.mark.skipif(
    not set5_folder().is_dir(),
    reason="Set5 is not here: name its folder of five PNGs in SRLIB_SET5",
)
@pytest.mark.parametrize(
    ("scale", "on_y", "in_rgb"), [(2, 33.66, 33.68), (4, 28.42, 28.43)]
)
def test_bicubic_scores_on_set5_what_the_papers_print(scale, on_y, in_rgb):
    """Everything is rounded to 8 bits, as a picture file would be."""

    def rounded(picture):
        return np.rint(picture * 255.0) / 255

    def there_and_back(picture):
        height, width = picture.shape[:2]
        small = metrics.resize(picture, (height // scale, width // scale), "bicubic")
        return rounded(metrics.upscale(rounded(small), scale, "bicubic"))

    resized_on_y, resized_in_rgb = [], []
    files = sorted(set5_folder().glob("*.png"))
    assert len(files) == 5
    for file in files:
        picture = np.asarray(Image.open(file).convert("RGB")) / 255
        height, width = (side - side % scale for side in picture.shape[:2])
        picture = picture[:height, :width]
        y = rounded(metrics.to_y(picture))
        resized_on_y.append(metrics.psnr(y, there_and_back(y), crop=scale))
        resized_in_rgb.append(
            metrics.psnr(picture, there_and_back(picture), crop=scale, y_only=True)
        )
    assert np.mean(resized_on_y) == pytest.approx(on_y, abs=0.02)
    assert np.mean(resized_in_rgb) == pytest.approx(in_rgb, abs=0.02)


# --- What cannot be compared --------------------------------------------------------------


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("which", ["target", "picture"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint16, bool])
def test_whole_numbers_are_refused_with_a_hint(score, which, dtype):
    """tf.image.psnr takes them, and answers with 40 dB too few or too many."""
    arguments = {"target": np.zeros((16, 16, 3)), "picture": np.zeros((16, 16, 3))}
    arguments[which] = arguments[which].astype(dtype)
    with pytest.raises(MetricError) as error:
        score(**arguments)
    assert f"The {which} is {np.dtype(dtype)}." in str(error.value)
    assert "divide by 255 first (data.as_float does)" in str(error.value)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("which", ["target", "picture"])
def test_floats_in_0_to_255_are_refused(score, which):
    arguments = {"target": np.zeros((16, 16, 3)), "picture": np.zeros((16, 16, 3))}
    arguments[which] = arguments[which] + np.linspace(0, 255, 16)[:, None]
    message = rf"The {which} runs from 0 to 255\. Expected \[0, 1\]: divide by 255"
    with pytest.raises(MetricError, match=message):
        score(**arguments)


@pytest.mark.parametrize("low_high", [(-0.001, 1), (0, 1.001)])
def test_a_target_just_outside_0_to_1_is_refused_but_a_picture_is_clipped(low_high):
    off = np.linspace(*low_high, 16)[:, None, None] * np.ones((16, 16, 3))
    with pytest.raises(MetricError, match="The target runs from"):
        metrics.psnr(off, off)
    assert metrics.psnr(np.clip(off, 0, 1), off) == np.inf
    assert metrics.psnr(np.zeros((8, 8, 3)), np.full((8, 8, 3), -9.0)) == np.inf


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("which", ["target", "picture"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(score, which, value):
    arguments = {"target": np.zeros((16, 16, 3)), "picture": np.zeros((16, 16, 3))}
    arguments[which][3, 4, 1] = value
    with pytest.raises(MetricError, match=f"The {which} holds NaN or infinity"):
        score(**arguments)


@pytest.mark.parametrize("score", SCORES)
def test_pictures_of_different_shapes_are_refused_with_both(score):
    """NumPy would stretch one of them to fit, silently."""
    with pytest.raises(MetricError, match=r"target is \(16, 16, 3\), the picture \(1, 16"):
        score(np.zeros((16, 16, 3)), np.zeros((1, 16, 16, 3)))
    with pytest.raises(MetricError, match="does the picture have the scale"):
        score(np.zeros((32, 32, 3)), np.zeros((16, 16, 3)))


@pytest.mark.parametrize(
    "shape", [(16, 16), (16, 16, 4), (1, 1, 16, 16, 3), (0, 16, 16, 3)]
)
def test_what_is_no_stack_of_pictures_is_refused_with_its_shape(shape):
    with pytest.raises(MetricError) as error:
        metrics.psnr(np.zeros(shape), np.zeros(shape))
    assert f"has the shape {shape}" in str(error.value)


def test_ssim_refuses_pictures_smaller_than_its_window():
    with pytest.raises(MetricError, match=r"11x11 pixels or more; found \(10, 20, 3\)"):
        metrics.ssim(np.zeros((10, 20, 3)), np.zeros((10, 20, 3)))


def test_half_precision_is_compared_in_double():
    """The square of 0.001 in half precision is off by two per cent."""
    black = np.zeros((8, 8, 3), np.float16)
    picture = black + np.float16(0.001)
    assert metrics.mse(black, picture) == pytest.approx(float(np.float16(0.001)) ** 2)


# --- Laws ---------------------------------------------------------------------------------


@given(pictures((3, 4, 4, 3)), pictures((3, 4, 4, 3), st.floats(-0.5, 1.5)))
def test_the_article_s_psnr_is_never_above_the_mean(target, picture):
    """Jensen's inequality; and clipping, which only the mean has, never lowers it."""
    mean = np.mean(metrics.psnr(target, picture))
    assert metrics.batch_psnr(target, picture) <= mean + 1e-9


@given(pictures((4, 4, 3)), pictures((4, 4, 3), st.floats(-10, 10)))
def test_clipping_never_lowers_psnr(target, picture):
    assert metrics.psnr(target, picture) >= metrics.batch_psnr(target, picture) - 1e-9


@given(pictures((2, 4, 6, 3)), pictures((2, 4, 6, 3)))
def test_psnr_is_symmetric_and_turns_with_the_pictures(target, picture):
    scores = metrics.psnr(target, picture)
    assert scores == pytest.approx(metrics.psnr(picture, target))
    turned = metrics.psnr(np.rot90(target, axes=(1, 2)), np.rot90(picture, axes=(1, 2)))
    assert scores == pytest.approx(turned)
    assert scores[::-1] == pytest.approx(metrics.psnr(target[::-1], picture[::-1]))


# --- Interpolation ------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("method", metrics.BASELINES)
def test_upscale_agrees_with_tensorflow_up_to_the_border(scale, method):
    """Both take Keys' kernel with a = -1/2 and leave out what lies beyond the border."""
    import tensorflow as tf

    lr = np.random.default_rng(0).random((2, 9, 11, 3), np.float32)
    expected = tf.image.resize(lr, (9 * scale, 11 * scale), method).numpy()
    ours = metrics.upscale(lr, scale, method)
    assert ours.dtype == np.float32
    assert np.abs(ours - np.clip(expected, 0, 1)).max() < 1e-6


@pytest.mark.parametrize(("method", "within"), [("bilinear", 1e-5), ("bicubic", 1e-3)])
def test_upscale_by_three_agrees_with_tensorflow_which_rounds_its_positions(method, within):
    """tf.image tabulates the bicubic kernel at 1024 positions; thirds fall between them."""
    import tensorflow as tf

    lr = np.random.default_rng(0).random((9, 11, 3), np.float32)
    expected = np.clip(tf.image.resize(lr, (27, 33), method).numpy(), 0, 1)
    assert np.abs(metrics.upscale(lr, 3, method) - expected).max() < within


@pytest.mark.parametrize("size", [(8, 9), (7, 5), (3, 4)])
@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
def test_resize_downwards_agrees_with_tensorflow_antialiased(size, method):
    import tensorflow as tf

    hr = np.random.default_rng(0).random((2, 16, 18, 3), np.float32)
    expected = tf.image.resize(hr, size, method, antialias=True).numpy()
    ours = metrics.resize(hr, size, method)
    assert ours.shape == (2, *size, 3)
    assert np.abs(ours - np.clip(expected, 0, 1)).max() < 1e-6


def test_nearest_repeats_pixels():
    lr = np.random.default_rng(0).random((5, 6, 3), np.float32)
    assert np.array_equal(metrics.upscale(lr, 3, "nearest"), metrics.repeat_blocks(lr, 3))


def test_bicubic_weighs_four_pixels_as_keys_does_and_is_clipped():
    """With a = -1/2. New pixels lie a quarter of a pixel left and right of the old."""
    row = np.random.default_rng(0).random(8) * 0.5 + 0.25
    drawn = metrics.upscale(np.tile(row[None, :, None], (4, 1, 3)), 2, "bicubic")[4, :, 0]
    left, right = np.array([-3, 29, 111, -9]) / 128, np.array([-9, 111, 29, -3]) / 128
    for k in range(2, 6):  # away from the border
        assert drawn[2 * k] == pytest.approx(left @ row[k - 2 : k + 2], abs=1e-6)
        assert drawn[2 * k + 1] == pytest.approx(right @ row[k - 1 : k + 3], abs=1e-6)
    step = np.repeat([0.0, 1.0], 4)[None, :, None].repeat(4, axis=0)
    drawn = metrics.upscale(step, 2, "bicubic")
    assert (drawn.min(), drawn.max()) == (0, 1)  # it overshoots beside an edge


@given(in_0_to_1, st.sampled_from(list(metrics.BASELINES)), st.integers(2, 9))
def test_a_constant_picture_stays_constant(value, method, side):
    picture = np.full((6, 6, 3), value)
    assert np.abs(metrics.upscale(picture, 2, method) - value).max() < 1e-6
    assert np.abs(metrics.resize(picture, (side, side), method) - value).max() < 1e-6


def test_a_single_channel_and_a_stack_are_resized_alike():
    stack = np.random.default_rng(0).random((2, 5, 6, 3), np.float32)
    ours = metrics.upscale(stack, 2, "bicubic")
    assert np.array_equal(ours[1], metrics.upscale(stack[1], 2, "bicubic"))
    one_channel = metrics.upscale(stack[..., 1:2], 2, "bicubic")
    assert np.array_equal(ours[..., 1:2], one_channel)


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(MetricError, match=r"'lanczos'\. Known: nearest, bilinear, bicubic"):
        metrics.upscale(np.zeros((4, 4, 3)), 2, "lanczos")


@pytest.mark.parametrize(
    ("picture", "found"),
    [
        (np.zeros((4, 4, 3), np.uint8), "The picture is uint8"),
        (np.full((4, 4, 3), 255.0), "The picture runs from 255 to 255"),
        (np.full((4, 4, 3), np.nan), "The picture holds NaN"),
    ],
    ids=["uint8", "0 to 255", "NaN"],
)
def test_upscale_refuses_what_clipping_would_turn_white(picture, found):
    with pytest.raises(MetricError, match=found):
        metrics.upscale(picture, 2, "bicubic")


# --- The best linear filter ---------------------------------------------------------------


def test_the_filter_fit_recovers_the_filter_that_made_the_pictures():
    rng = np.random.default_rng(0)
    lr = rng.random((2, 12, 10, 3))
    truth = rng.normal(0, 0.02, (3 * 3 + 1, 2 * 2))
    truth[4] += 0.5  # stay within [0, 1], where nothing is clipped
    truth[9] += 0.25
    hr = np.zeros((2, 24, 20, 3))
    padded = np.pad(lr, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    for k, y, x, c in np.ndindex(lr.shape):
        view = padded[k, y : y + 3, x : x + 3, c].ravel()
        block = truth.T @ np.append(view, 1)
        hr[k, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2, c] = block.reshape(2, 2)
    assert hr.min() > 0
    assert hr.max() < 1
    found = metrics.fit_linear_filter(lr, hr, 2, size=3)
    assert np.abs(found - truth).max() < 1e-9
    assert np.abs(metrics.apply_linear_filter(lr, found, 2) - hr).max() < 1e-6


@pytest.mark.parametrize(("scale", "size"), [(2, 5), (4, 3), (2, 1)])
def test_the_filter_beats_interpolation_on_the_pictures_it_was_fitted_to(
    make_pairs, scale, size
):
    pairs = make_pairs(4, lr_size=24)
    lr, hr = (data.as_float(stack) for stack in (pairs.lr, getattr(pairs, f"x{scale}")))
    weights = metrics.fit_linear_filter(lr, hr, scale, size)
    assert weights.shape == (size * size + 1, scale * scale)
    drawn = metrics.apply_linear_filter(lr, weights, scale)
    assert drawn.shape == hr.shape
    assert drawn.dtype == np.float32
    assert 0 <= drawn.min() <= drawn.max() <= 1
    best = metrics.mse(hr, drawn).mean()
    assert best < metrics.mse(hr, metrics.upscale(lr, scale, "nearest")).mean()
    if size > 1:
        for method in ("bilinear", "bicubic"):
            assert best < metrics.mse(hr, metrics.upscale(lr, scale, method)).mean()


@pytest.mark.parametrize("size", [2, 4])
def test_a_window_without_a_centre_is_refused(size):
    with pytest.raises(MetricError, match=f"odd window.*found {size}"):
        metrics.fit_linear_filter(np.zeros((1, 8, 8, 3)), np.zeros((1, 16, 16, 3)), 2, size)


@pytest.mark.parametrize(
    ("hr", "message"),
    [
        (np.zeros((1, 32, 32, 3)), r"\(1, 32, 32, 3\) is not 2 times \(1, 8, 8, 3\)"),
        (np.zeros((2, 16, 16, 3)), r"\(2, 16, 16, 3\) is not 2 times"),
        (np.zeros((1, 16, 16, 3), np.uint8), "The target is uint8"),
    ],
    ids=["scale", "count", "type"],
)
def test_the_filter_fit_refuses_what_does_not_belong_together(hr, message):
    with pytest.raises(MetricError, match=message):
        metrics.fit_linear_filter(np.zeros((1, 8, 8, 3)), hr, 2)


# --- The ceiling --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 12, 3), (2, 6, 12, 3)])
@pytest.mark.parametrize("block", [1, 2, 3, 6])
def test_block_means_agree_with_a_plain_loop(shape, block):
    picture = np.random.default_rng(0).random(shape)
    means = metrics.block_means(picture, block)
    assert means.shape == (*shape[:-3], 6 // block, 12 // block, 3)
    for y in range(6 // block):
        for x in range(12 // block):
            rows, columns = (slice(k * block, (k + 1) * block) for k in (y, x))
            tile = picture[..., rows, columns, :]
            assert means[..., y, x, :] == pytest.approx(tile.mean((-3, -2)))


@pytest.mark.parametrize(
    ("shape", "block", "message"),
    [
        (
            (18, 12),
            4,
            "18x12 pixels do not divide into blocks of 4. Crop the picture to 16x12.",
        ),
        (
            (12, 18),
            4,
            "12x18 pixels do not divide into blocks of 4. Crop the picture to 12x16.",
        ),
        (
            (18, 12),
            5,
            "18x12 pixels do not divide into blocks of 5. Crop the picture to 15x10.",
        ),
        ((18, 12), 0, "18x12 pixels do not divide into blocks of 0."),
    ],
)
@pytest.mark.parametrize(
    "function", [metrics.block_means, metrics.ceiling_psnr, metrics.is_block_constant]
)
def test_sizes_that_do_not_divide_are_refused_with_those_that_do(
    function, shape, block, message
):
    with pytest.raises(MetricError) as error:
        function(np.zeros((*shape, 3)), block)
    assert message in str(error.value)


@given(pictures((8, 8, 3)), st.sampled_from([1, 2, 4, 8]), st.data())
def test_no_picture_made_of_blocks_passes_the_ceiling(target, block, more):
    side = 8 // block
    small = more.draw(pictures((side, side, 3), st.floats(-0.5, 1.5)))
    ceiling = metrics.ceiling_psnr(target, block)
    score = metrics.psnr(target, metrics.repeat_blocks(small, block))
    assert min(score, 250) <= ceiling + 1e-9  # beyond 250 dB there is only rounding


@given(pictures((8, 8, 3)), st.sampled_from([2, 4, 8]), st.floats(0.001, 0.5), st.data())
def test_the_block_means_reach_the_ceiling_and_whoever_leaves_them_falls(
    target, block, step, more
):
    means = metrics.block_means(target, block)
    ceiling = metrics.ceiling_psnr(target, block)
    assert metrics.psnr(target, metrics.repeat_blocks(means, block)) == ceiling
    k = more.draw(st.integers(0, means.size - 1))
    means.flat[k] += step if means.flat[k] <= 0.5 else -step
    assert metrics.psnr(target, metrics.repeat_blocks(means, block)) < ceiling


@given(pictures((2, 8, 8, 3)))
def test_larger_blocks_have_a_lower_ceiling(target):
    ceilings = [metrics.ceiling_psnr(target, block) for block in (1, 2, 4, 8)]
    for higher, lower in pairwise(ceilings):
        assert (higher >= np.minimum(lower, 250) - 1e-9).all()


def test_the_ceiling_of_a_picture_made_of_blocks_is_infinite():
    picture = metrics.repeat_blocks(np.random.default_rng(0).random((4, 4, 3)), 2)
    assert metrics.ceiling_psnr(picture, 2) > 300
    assert metrics.ceiling_psnr(picture, 4) < 30


def test_the_ceiling_of_a_checkerboard_is_that_of_grey():
    board = np.indices((4, 4)).sum(0)[..., None] % 2.0
    assert metrics.ceiling_psnr(board, 2) == pytest.approx(-10 * np.log10(1 / 4))


@pytest.mark.parametrize(
    ("made_of", "asked", "answer"),
    [(1, 1, True), (2, 1, True), (4, 2, True), (2, 2, True), (1, 2, False), (2, 4, False)],
)
def test_is_block_constant_knows_blocks_from_smaller_ones(made_of, asked, answer):
    small = np.random.default_rng(0).random((2, 8 // made_of, 8 // made_of, 3))
    picture = metrics.repeat_blocks(small, made_of)
    assert metrics.is_block_constant(picture, asked) is answer
    assert metrics.is_block_constant(picture.astype(np.float32), asked) is answer


def test_is_block_constant_sees_one_pixel_and_a_shift():
    picture = metrics.repeat_blocks(np.random.default_rng(0).random((4, 4, 3)), 2)
    assert not metrics.is_block_constant(np.roll(picture, 1, axis=0), 2)
    off = picture.copy()
    off[5, 3, 1] += 1e-3
    assert not metrics.is_block_constant(off, 2)
    assert metrics.is_block_constant(off, 2, tolerance=1e-2)

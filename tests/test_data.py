"""The pairs made from photos, the batches served from pairs, and dead leaves."""

import subprocess
import sys
from itertools import chain, islice

import cv2
import numpy as np
import pytest

from srlib import data
from srlib.data import DataError
from srlib.sources import photos as photos_module

# --- Pairs ------------------------------------------------------------------------------


def article_loader(paths):
    """The article's generator as a plain loop: BGR, bilinear, divided by 255."""
    small, middle, large = [], [], []
    for path in paths:
        photo = cv2.imread(str(path))
        small.append(cv2.resize(photo, (72, 72)))
        middle.append(cv2.resize(photo, (144, 144)))
        large.append(cv2.resize(photo, (288, 288)))
    return np.array(small) / 255.0, np.array(middle) / 255.0, np.array(large) / 255.0


@pytest.mark.parametrize("bgr", [True, False])
@pytest.mark.parametrize("part", ["train", "val"])
def test_the_article_recipe_is_the_article_s_loader(tmp_path, make_folder, bgr, part):
    make_folder(tmp_path, 10)
    photos = data.find_photos(tmp_path)
    pairs = data.load_pairs(photos, part, "article", bgr=bgr)
    expected = article_loader(getattr(photos, part))
    for ours, article_s in zip((pairs.lr, pairs.x2, pairs.x4), expected, strict=True):
        in_our_order = article_s if bgr else article_s[..., ::-1]
        assert np.array_equal(data.as_float(ours), in_our_order.astype(np.float32))


def test_the_antialiased_recipe_takes_the_mean_of_the_pixels_under_each_new_one(make_photo):
    photo = make_photo(3, 576, 576)
    for picture in data.make_pair(photo, "antialiased"):
        block = 576 // len(picture)
        means = photo.reshape(len(picture), block, -1, block, 3).mean((1, 3))
        assert np.abs(picture - means).max() <= 0.5 + 1e-6


def weights(old, new):
    """How much of each old pixel is in each new one, along a side; one by one."""
    share = np.zeros((new, old))
    for k in range(new):
        if new > old:  # bilinear: between the two centres around this one's
            at = min(max((k + 0.5) * old / new - 0.5, 0), old - 1)
            low = min(int(at), old - 2)
            share[k, low], share[k, low + 1] = low + 1 - at, at - low
        for pixel in range(old if new <= old else 0):
            first, last = k * old / new, (k + 1) * old / new
            share[k, pixel] = max(min(pixel + 1, last) - max(pixel, first), 0) * new / old
    return share


@pytest.mark.parametrize("shape", [(287, 500), (500, 287), (100, 700), (120, 99)])
def test_the_antialiased_recipe_gives_each_side_its_own_filter(make_photo, shape):
    photo = make_photo(3, *shape)
    for picture in data.make_pair(photo, "antialiased"):
        rows, columns = (weights(side, len(picture)) for side in shape)
        exact = np.einsum("yh,hwc,xw->yxc", rows, photo, columns, optimize=True)
        assert np.abs(picture - exact).max() <= 0.5 + 0.01


def test_where_both_sides_shrink_the_antialiased_recipe_is_one_call_of_opencv(make_photo):
    photo = make_photo(3, 375, 500)
    for picture in data.make_pair(photo, "antialiased"):
        side = picture.shape[:2]
        expected = cv2.resize(photo, side, interpolation=cv2.INTER_AREA)
        assert np.array_equal(picture, expected)


def test_the_article_recipe_aliases_and_the_antialiased_does_not():
    stripes = np.zeros((576, 576, 3), np.uint8)
    stripes[:, ::8] = 255  # thin white lines, grey from afar
    assert (data.make_pair(stripes, "antialiased").lr == 32).all()  # 255 / 8, rounded
    assert (data.make_pair(stripes, "article").lr == 0).all()  # all of them missed


@pytest.mark.parametrize("recipe", data.RECIPES)
def test_a_photo_of_the_target_s_size_is_its_own_target(make_photo, recipe):
    photo = make_photo(4, 288, 288)
    assert np.array_equal(data.make_pair(photo, recipe).x4, photo)


@pytest.mark.parametrize("recipe", data.RECIPES)
@pytest.mark.parametrize("lr_size", [72, 8])
def test_a_pair_has_the_input_and_twice_and_four_times_its_size(
    make_photo, recipe, lr_size
):
    pair = data.make_pair(make_photo(), recipe, lr_size=lr_size)
    sides = [lr_size, 2 * lr_size, 4 * lr_size]
    assert [picture.shape for picture in pair] == [(side, side, 3) for side in sides]
    assert all(picture.dtype == np.uint8 for picture in pair)


def test_an_unknown_recipe_is_refused_with_the_known_ones(tmp_path, make_photo):
    known = "Unknown recipe 'bicubic'. Known: article, antialiased."
    with pytest.raises(DataError, match=known):
        data.make_pair(make_photo(), "bicubic")
    # and before any photo is read: this one does not exist
    photos = data.Photos("none", tmp_path, (tmp_path / "gone.jpg",), ())
    with pytest.raises(DataError, match=known):
        data.load_pairs(photos, "train", "bicubic")


@pytest.mark.parametrize(
    "photo",
    [
        np.zeros((300, 300, 3), np.float32),
        np.zeros((300, 300, 3), np.uint16),
        np.zeros((300, 300), np.uint8),
        np.zeros((300, 300, 4), np.uint8),
        np.zeros((1, 300, 300, 3), np.uint8),
    ],
    ids=lambda photo: f"{photo.dtype}{photo.shape}",
)
def test_make_pair_refuses_other_shapes_and_types_and_says_which_it_found(photo):
    with pytest.raises(DataError) as error:
        data.make_pair(photo)
    assert f"found {photo.shape} and {photo.dtype}" in str(error.value)
    assert "read_photo" in str(error.value)


def test_as_float_is_exact_for_every_value():
    values = np.arange(256, dtype=np.uint8)
    assert data.as_float(values).dtype == np.float32
    assert np.array_equal(data.as_float(values), (values / 255.0).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_as_float_refuses_what_is_not_uint8(dtype):
    with pytest.raises(DataError, match=f"Expected uint8.*found {np.dtype(dtype)}"):
        data.as_float(np.zeros((2, 2, 3), dtype))


def test_pairs_are_loaded_in_the_order_of_the_files(tmp_path, make_folder):
    photos = data.find_photos(make_folder(tmp_path / "seven", 7))
    pairs = data.load_pairs(photos, "train", "antialiased", lr_size=16)
    assert len(pairs) == 6
    assert pairs.source == "seven, 6 photos, antialiased recipe"
    for index, path in enumerate(photos.train):
        expected = data.make_pair(data.read_photo(path), "antialiased", lr_size=16)
        for stack, picture in zip((pairs.lr, pairs.x2, pairs.x4), expected, strict=True):
            assert np.array_equal(stack[index], picture)


def test_a_photo_smaller_than_the_target_is_refused(tmp_path, make_folder):
    make_folder(tmp_path, 4)
    make_folder(tmp_path / "small", 1, height=287, width=400)
    (tmp_path / "small/000.jpg").rename(tmp_path / "z.jpg")
    photos = data.find_photos(make_folder(tmp_path, 4))
    with pytest.raises(
        DataError, match=r"z\.jpg: 400x287 pixels.*at least 288x288.*Remove"
    ):
        data.load_pairs(photos, "train")
    assert len(data.load_pairs(photos, "train", lr_size=71)) == 4  # 4 * 71 = 284


def test_a_small_photo_of_voc_is_enlarged_as_in_the_article(tmp_path, make_folder):
    folder = make_folder(tmp_path, height=120, width=500)
    voc = sorted(photos_module._VOC_TRAINVAL)
    for name, photo in zip(voc, sorted(folder.iterdir()), strict=False):
        photo.rename(folder / f"{name}.jpg")
    pairs = data.load_pairs(data.find_photos(folder), "val")
    expected = cv2.resize(cv2.imread(str(folder / f"{voc[0]}.jpg")), (288, 288))[..., ::-1]
    assert np.array_equal(pairs.x4[0], expected)


def test_all_bad_photos_are_named_together(tmp_path, make_folder):
    make_folder(tmp_path, 20)
    bad = {
        "005.jpg": b"",
        "007.jpg": b"text",
        "011.jpg": (tmp_path / "011.jpg").read_bytes(),
    }
    bad["011.jpg"] = bad["011.jpg"][:3000]
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "zzz.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(DataError) as error:
        data.load_pairs(data.find_photos(tmp_path), "train")
    head, *lines = str(error.value).splitlines()
    assert head == "4 of 17 photos cannot be used:"
    reasons = ["empty", "not a picture", "cut short", "cannot be opened"]
    for line, name, reason in zip(lines, [*bad, "zzz.jpg"], reasons, strict=True):
        assert line.startswith(f"- {tmp_path / name}: ")
        assert reason in line


def test_of_many_bad_photos_ten_are_named_and_the_rest_counted(tmp_path):
    for k in range(20):
        (tmp_path / f"{k:02}.jpg").touch()
    with pytest.raises(DataError) as error:
        data.load_pairs(data.find_photos(tmp_path), "train")
    lines = str(error.value).splitlines()
    assert lines[0] == "16 of 16 photos cannot be used:"
    for k, line in zip(range(4, 14), lines[1:11], strict=True):
        assert line.startswith(f"- {tmp_path / f'{k:02}.jpg'}: ")
    assert lines[11:] == ["- and 6 more"]


def test_one_pair_is_a_stack_of_one(make_pairs):
    pairs = make_pairs(3, lr_size=4)
    for index in (0, 2, -1, -3, np.int64(1)):
        one = pairs[index]
        assert one.lr.shape == (1, 4, 4, 3)
        assert np.array_equal(one.x4[0], pairs.x4[index])
    assert np.array_equal(pairs[np.array([2, 0])].x2, pairs.x2[[2, 0]])
    assert len(pairs[1:]) == 2


def test_a_loop_over_pairs_ends(make_pairs):
    pairs = make_pairs(3, lr_size=4)
    assert len(list(islice(pairs, 10))) == 3
    with pytest.raises(IndexError):
        pairs[3]


# --- Batches ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numbered():
    """Seven pairs whose pixels tell their number: k in lr, 30 + k in x2, 60 + k in x4."""

    def stack(side, first):
        numbers = np.arange(first, first + 7, dtype=np.uint8)
        return np.broadcast_to(numbers[:, None, None, None], (7, side, side, 3)).copy()

    return data.Pairs(stack(4, 0), stack(8, 30), stack(16, 60))


def numbers(lr):
    return np.rint(np.asarray(lr)[:, 0, 0, 0] * 255).astype(int).tolist()


def epochs(batches, count):
    """Return the photos' numbers batch by batch, for `count` epochs of three batches."""
    seen = [numbers(lr) for lr, _ in batches.take(3 * count)]
    return [seen[3 * k : 3 * k + 3] for k in range(count)]


def test_each_epoch_shows_every_photo_once_the_last_batch_included(numbered):
    for epoch in epochs(data.training_batches(numbered, 3), 4):
        assert [len(batch) for batch in epoch] == [3, 3, 1]
        assert sorted(chain(*epoch)) == list(range(7))


def test_the_order_differs_between_epochs_and_seeds(numbered):
    first, second = epochs(data.training_batches(numbered, 3, seed=0), 2)
    (other,) = epochs(data.training_batches(numbered, 3, seed=1), 1)
    assert first != second
    assert first != other
    assert first != [[0, 1, 2], [3, 4, 5], [6]]


def test_the_same_seed_gives_the_same_order_whenever_it_is_read(numbered):
    batches = data.training_batches(numbered, 3, seed=5)
    again = data.training_batches(numbered, 3, seed=5)
    assert epochs(batches, 3) == epochs(batches, 3) == epochs(again, 3)


def test_first_epoch_continues_an_interrupted_run(numbered):
    whole = epochs(data.training_batches(numbered, 3, seed=2), 4)
    rest = epochs(data.training_batches(numbered, 3, seed=2, first_epoch=2), 2)
    assert rest == whole[2:]


@pytest.mark.parametrize("serve", [data.training_batches, data.validation_batches])
def test_input_and_targets_of_a_batch_belong_together(numbered, serve):
    for lr, hr in serve(numbered, 3).take(3):
        assert [30 + k for k in numbers(lr)] == numbers(hr["x2"])
        assert [60 + k for k in numbers(lr)] == numbers(hr["x4"])


def test_validation_shows_every_photo_in_order_each_time(numbered):
    batches = data.validation_batches(numbered, 3)
    for _ in range(2):
        assert [numbers(lr) for lr, _ in batches] == [[0, 1, 2], [3, 4, 5], [6]]


def test_batches_hold_every_level_as_as_float_has_it():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, -1)
    pairs = data.Pairs(levels[:, ::4, ::4], levels[:, ::2, ::2], levels)
    ((lr, hr),) = data.validation_batches(pairs, 3)
    for batch, stack in [(lr, pairs.lr), (hr["x2"], pairs.x2), (hr["x4"], pairs.x4)]:
        assert batch.dtype == np.float32
        assert np.array_equal(batch.numpy(), data.as_float(stack))


@pytest.mark.parametrize("serve", [data.training_batches, data.validation_batches])
def test_batches_have_known_shapes_but_for_their_number(numbered, serve):
    lr, hr = serve(numbered, 3).element_spec
    assert lr.shape.as_list() == [None, 4, 4, 3]
    assert {name: spec.shape.as_list() for name, spec in hr.items()} == {
        "x2": [None, 8, 8, 3],
        "x4": [None, 16, 16, 3],
    }


@pytest.mark.parametrize("serve", [data.training_batches, data.validation_batches])
def test_a_batch_that_is_kept_stays_as_it_was(numbered, serve):
    batches = iter(serve(numbered, 1))
    views = [next(batches)[0].numpy()[:, 1:] for _ in range(2)]
    before = [view.copy() for view in views]
    assert len(list(islice(batches, 5))) == 5
    assert all(map(np.array_equal, views, before))


def test_a_script_that_ends_while_batches_are_made_ahead_ends():
    script = """if True:
        import numpy as np
        from srlib import data
        photo = np.zeros((288, 288, 3), np.uint8)
        stacks = (np.repeat(part[None], 300, 0) for part in data.make_pair(photo))
        batches = iter(data.training_batches(data.Pairs(*stacks), 64))
        next(batches)
    """
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


# --- Dead leaves ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def leaves():
    return data.dead_leaves(16, 256, seed=0)


@pytest.fixture(scope="module")
def luminance(leaves):
    return leaves @ np.array([0.299, 0.587, 0.114])


def test_dead_leaves_are_pictures_that_depend_on_the_seed_alone(leaves):
    assert leaves.shape == (16, 256, 256, 3)
    assert leaves.dtype == np.uint8
    assert np.array_equal(data.dead_leaves(2, 256, seed=0), leaves[:2])
    assert not np.array_equal(data.dead_leaves(1, 256, seed=1)[0], leaves[0])
    assert not np.array_equal(leaves[0], leaves[1])


@pytest.mark.parametrize(("count", "size"), [(0, 288), (-1, 288), (1, 7)])
def test_dead_leaves_refuse_nothing_to_paint(count, size):
    with pytest.raises(DataError, match=f"found {count} and {size}"):
        data.dead_leaves(count, size)


def test_dead_leaves_use_the_whole_range_of_every_channel(leaves):
    for channel in np.moveaxis(leaves, -1, 0):
        share = np.histogram(channel, bins=8, range=(0, 256))[0] / channel.size
        assert share.min() > 0.06
        assert share.max() < 0.2


def radial_power(pictures):
    """Power by distance from the centre of the spectrum, in cycles a picture."""
    side = pictures.shape[-1]
    window = np.outer(np.hanning(side), np.hanning(side))
    spectra = np.fft.fft2((pictures - pictures.mean((1, 2), keepdims=True)) * window)
    frequency = np.fft.fftfreq(side, 1 / side)
    radius = np.rint(np.hypot(frequency[:, None], frequency)).astype(int).ravel()
    power = (np.abs(spectra) ** 2).mean(0).ravel()
    return np.bincount(radius, power) / np.bincount(radius)


def test_the_spectrum_of_dead_leaves_falls_as_that_of_photographs(luminance):
    """Power falls about as 1 / f^2 (measured here: -2.4; noise has 0)."""
    band = np.arange(4, 64)
    power = radial_power(luminance)[band]
    slope = np.polyfit(np.log(band), np.log(power), 1)[0]
    assert -2.6 < slope < -1.4


def test_dead_leaves_have_the_same_contrast_from_near_and_from_afar(luminance):
    """As photographs do. Of noise every halving would halve the contrast."""
    contrast = []
    for _ in range(4):
        side = luminance.shape[1] // 2
        luminance = luminance.reshape(16, side, 2, side, 2).mean((2, 4))
        contrast.append(np.std(luminance[:, ::2] - luminance[:, 1::2]))
    assert max(contrast) < 1.3 * min(contrast)

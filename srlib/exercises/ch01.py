"""Exercises of chapter 1: photos into training pairs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from srlib import data, metrics
from srlib.exercises import expect
from srlib.exercises.engine import Chapter, NotYet

chapter = Chapter(1, "01-data")
progress = chapter.progress


@chapter.exercise(
    "By hand",
    kind="predict",
    difficulty=1,
    minutes=5,
    stub='shrunk = {"default": ____, "INTER_AREA": ____}',
    answer="shrunk",
    hints=(
        "Each new pixel stands for four old ones. INTER_AREA takes the mean of all four.",
        "The default reads the old pixels 1 and 2 for the first new one, 5 and 6 for the "
        "second, and takes the mean of those two. Pixels are counted from 0.",
    ),
    solution='shrunk = {"default": [0, 100], "INTER_AREA": [100, 50]}',
    because="""
        By area the first half, with two lines in it, is twice as bright as the second,
        which has one. The default turns that round: it reads between the two lines of the
        first half and sees black, and it hits the one line of the second. An input like
        that does not only hold less. It says something false.
    """,
)
def q1(answer: Any) -> str:
    """Return a row of eight pixels, shrunk to two by both recipes."""
    found = expect.mapping(answer, ["default", "INTER_AREA"])
    halves = np.reshape((200, 0, 0, 200, 0, 0, 200, 0), (2, 4))
    means, read = halves.mean(axis=1), halves[:, 1:3].mean(axis=1)
    ends = [halves[:, :2].mean(axis=1), halves[:, 2:].mean(axis=1)]
    slips = {
        "INTER_AREA": {
            "you added up the four pixels. It takes their mean.": 4 * means,
            "that is what the default reads. By area all four count.": read,
            "the black ones of the four pixels count, too.": halves.max(axis=1),
        },
        "default": {
            "that is the mean of all four. It reads only two, next to the middle.": means,
            "you added up two pixels. It takes their mean.": 2 * read,
            "you read two pixels at an end of each four. It reads those next to the "
            "middle.": expect.Either(ends),
            "you read one pixel of each four. It reads two.": expect.Either(halves.T),
        },
    }
    for name, right in {"INTER_AREA": means, "default": read}.items():
        what = f'"{name}"'
        if np.ndim(found[name]) == 0 and not isinstance(found[name], Iterable):
            raise NotYet(f"{what}: write a list of two values, one for each new pixel.")
        values = expect.array(found[name], (2,), what)
        slips[name]["the first value is that of the second half."] = right[::-1]
        known = {f"{what}: {message}": slip for message, slip in slips[name].items()}
        wrong = f"{what} is not that. Which old pixels does each new one look at?"
        expect.agree(values, right, known, what=what, wrong=wrong)
    return (
        "By area the half with two lines is the brighter one. The default sees it black. "
        "Shrunk to four pixels instead of two both would agree: then the default reads "
        "every pixel."
    )


q2 = chapter.choice(
    "q2",
    "When does it not matter?",
    difficulty=1,
    minutes=5,
    options={
        "a": (
            "432x432",
            "Not at 432x432. A new pixel covers 1.5x1.5 old ones there. The default mixes "
            "2x2 of them with weights that depend on where its centre falls; the area has "
            "other weights.",
        ),
        "b": (
            "576x576",
            "A new pixel covers 2x2 old ones. Its centre lies where the four meet, so the "
            "default gives each of them a quarter: the mean over the area. At 288x288 "
            "nothing is shrunk, so the recipes agree there as well.",
        ),
        "c": (
            "864x864",
            "Not at 864x864. A new pixel covers 3x3 old ones, and its centre falls exactly "
            "on the middle one. The default then reads that one alone, the area all nine.",
        ),
        "d": (
            "1152x1152",
            "Not at 1152x1152. A new pixel covers 4x4 old ones. The default reads the four "
            "in the middle, the area all sixteen.",
        ),
    },
    right="b",
    hints=(
        "How many old pixels may a new one cover if the default is to read all of them?",
        "Draw the old pixels as a grid, and mark the centre of a new one. The default "
        "mixes the 2x2 old pixels round that point, the nearer ones more.",
    ),
)


@chapter.exercise(
    "Cut instead of stretch",
    kind="function",
    difficulty=2,
    minutes=15,
    stub="""
        def centre_square(photo):
            return ____
    """,
    answer="centre_square",
    hints=(
        "The side of the largest square is the shorter side of the photo. What is left "
        "over is the difference of the two sides: half of it goes on either side.",
        "The first row to keep is `(height - side) // 2`, the first column "
        "`(width - side) // 2`. One of the two is 0.",
        "`photo[top : top + side, left : left + side]` cuts it out. Rows come first.",
    ),
    solution="""
        def centre_square(photo):
            height, width = photo.shape[:2]
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            return photo[top : top + side, left : left + side]
    """,
    because="""
        The same lines serve wide and tall photos: for one of the two directions nothing is
        left over, and its first index is 0.

        If you make pairs of such squares, two things change at once. The borders are gone,
        and the long side is shrunk less: 375 pixels to 288 instead of 500. So a score that
        moves cannot be put down to one of them. To blame one, change one.
    """,
)
def q3(answer: Any) -> str:
    """Return the largest square from the middle of a photo."""
    rng = np.random.default_rng(1)
    for shape in [(6, 11, 3), (13, 5, 3), (7, 7, 3), (23, 12, 3), (8, 31, 3)]:
        photo = rng.integers(0, 256, shape, dtype=np.uint8)
        _expect_square(expect.array(expect.steady(answer, photo)), photo)
    return "Circles stay circles. What is lost is what stood at the two ends."


def _expect_square(found: np.ndarray, photo: np.ndarray) -> None:
    height, width = photo.shape[:2]
    side, spare = min(height, width), "rows" if height > width else "columns"
    if found.shape != (side, side, 3):
        shapes = {
            (): "That is a number. Return the part of the photo.",
            (
                side,
                side,
            ): "One colour is left. Cut rows and columns, and keep the third axis.",
            photo.shape: "That is the photo as it was: a slice that is too long keeps "
            "everything. Is `side` the shorter side?",
        }
        rows, columns = (*found.shape, 0, 0)[:2]
        told = (
            f"A photo of {height} rows and {width} columns comes out as {rows}x{columns}, "
            f"and has to be {side}x{side}. It has {spare} to spare. Rows come first."
        )
        raise NotYet(shapes.get(found.shape, told))
    windows = np.lib.stride_tricks.sliding_window_view(photo, (side, side), axis=(0, 1))
    same = (np.moveaxis(windows, 2, -1) == found).all(axis=(2, 3, 4))
    expect.that(
        same.any(),
        "That is stretched, turned or painted over, not cut: it is no part of the photo.",
    )
    before = int(np.argwhere(same)[0].max())  # one of the two directions has none to spare
    after = max(height, width) - side - before
    expect.that(
        abs(before - after) <= 1,
        f"Your square is not in the middle: {before} {spare} are left out before it and "
        f"{after} after it. Leave out as much on either side.",
    )


@chapter.exercise(
    "Every photo, once",
    kind="bug",
    difficulty=2,
    minutes=15,
    stub="""
        def epoch_of(count, size, epoch):
            steps = count // size
            first = epoch * steps * size
            numbers = np.arange(first, first + steps * size) % count
            return np.split(numbers, steps)
    """,
    answer="epoch_of",
    hints=(
        "Print `epoch_of(10, 4, 0)` and `epoch_of(10, 4, 1)`. Which numbers never come?",
        "`//` rounds down. How many batches do ten photos need, if a batch holds four?",
        "If each epoch begins with photo 0 and ends with the last one, nothing has to be "
        "counted on from epoch to epoch: slices `numbers[k : k + size]` of one row of "
        "numbers. The last slice ends by itself.",
    ),
    solution="""
        def epoch_of(count, size, epoch):
            numbers = np.arange(count)
            starts = range(0, count, size)
            return [numbers[k : k + size] for k in starts]
    """,
    because="""
        The article's generator rounds the number of batches down, so some photos have to be
        left out, and it goes on where the last epoch stopped, so each time they are others.
        To round up and start anew does not repair it alone: the last batch would be filled
        up with photos that have already come.

        A slice that runs past the end is cut there. So the last batch is as small as it has
        to be, and every epoch shows the same photos. For validation that is all. For
        training shuffle the numbers first, anew in each epoch.
    """,
)
def q4(answer: Any) -> str:
    """Return the numbers of the photos in each batch of an epoch."""
    cases = [(10, 4, 0), (10, 4, 1), (8, 4, 2), (1000, 64, 1), (3, 10, 0), (31, 7, 5)]
    for case in cases:
        _expect_epoch(expect.call(answer, *case), *case)
    return "Every photo comes once in an epoch, and every epoch is judged on the same ones."


def _expect_epoch(served: Any, count: int, size: int, epoch: int) -> None:
    served = expect.items(served, "what your function returns, the batches,")
    batches = [np.ravel(expect.array(batch, what="a batch")) for batch in served]
    numbers = np.concatenate([*batches, np.zeros(0, int)])
    strange = np.setdiff1d(numbers, np.arange(count))
    missing = np.setdiff1d(np.arange(count), numbers)
    values, times = np.unique(numbers, return_counts=True)
    largest, least = max(map(len, batches), default=0), -(-count // size)
    faults = {
        f"there is no photo {_first(strange)}; they are numbered from 0.": strange.size,
        f"{missing.size} of the {count} photos never come, the first is number "
        f"{_first(missing)}.": missing.size,
        f"photo {_first(values[times > 1])} comes more than once. The last batch may be "
        "smaller than the others; do not fill it up.": (times > 1).any(),
        f"a batch holds {largest} photos; at most {size} are allowed.": largest > size,
        f"you serve {len(batches)} batches; {least} are enough. Fill each but the last.": (
            len(batches) != least
        ),
    }
    expect.no(faults, f"For `epoch_of({count}, {size}, {epoch})`: ")


def _first(numbers: np.ndarray) -> str:
    return f"{numbers[0]:g}" if numbers.size else ""


_FOLDERS = {
    "training": "latest lake owl boat attest fern dune arch mill fog test training",
    "test": "training latest zoo ant cat bee elk contest",
}
_FILES = [f"{part}/{name}.jpg" for part in _FOLDERS for name in _FOLDERS[part].split()]


@chapter.exercise(
    "Trained on the examination",
    kind="bug",
    difficulty=2,
    minutes=15,
    stub="""
        def split(files):
            photos = sorted(files)
            count = len(photos) // 5
            return {"val": photos[:count], "train": photos[count:]}
    """,
    answer="split",
    hints=(
        'Call it with ten names, such as `"training/lake.jpg"`, two of which begin with '
        '`"test/"`. Where do those two go?',
        "The photos in `test` belong in neither part. Leave them out before you count.",
        '`file.startswith("test/")` looks at the folder. `"test" in file` would also leave '
        "out a photo that is called *latest*.",
    ),
    solution="""
        def split(files):
            photos = sorted(f for f in files if not f.startswith("test/"))
            count = len(photos) // 5
            return {"val": photos[:count], "train": photos[count:]}
    """,
    because="""
        The photos that were meant for the final examination were studied before. Nothing
        fails, and the final score is a little too good: there is no way to see it in the
        score. It was in the official example of a large library, where a function that
        reads a folder also read the folders inside it.

        Count what you have. If a folder is known to hold 300 photos for training and
        validation and your code finds 500, 200 are too many.
    """,
)
def q5(answer: Any) -> str:
    """Return a split that leaves out the test photos."""
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(_FILES))
        _expect_split(answer, [_FILES[k] for k in order])
    _expect_split(answer, _FILES)
    return "None of the photos of the examination is in what the network studies."


def _expect_split(answer: Any, files: list[str]) -> None:
    split = expect.steady(answer, files)
    found = expect.mapping(split, ["val", "train"], "what your function returns")
    parts = {part: list(map(str, expect.items(found[part], f'"{part}"'))) for part in found}
    val, train = set(parts["val"]), set(parts["train"])
    photos = sorted(file for file in files if file.startswith("training/"))
    right = set(photos[: len(photos) // 5])
    for part, listed in parts.items():
        strange = sorted(set(listed).difference(files))
        tests = sorted(name for name in listed if name.startswith("test/"))
        faults = {
            f"names `{strange[:1]}`, not given. Leave the names as they are.": strange,
            "names a photo more than once.": len(listed) > len(set(listed)),
            f"holds {len(tests)} of the photos in `test`, such as {tests[:1]}. Keep out "
            "what *begins* with that folder. (And never take things out of a list while "
            "you go through it.)": tests,
        }
        expect.no(faults, f'"{part}" ')
    gone = set(photos) - val - train
    faults = {
        f"{len(val & train)} photos are in both parts.": val & train,
        "`training/latest.jpg` or its like is missing, and it is no test photo. Look at "
        "the folder, not for four letters.": any("test" in name for name in gone),
        f"{len(gone)} photos of the folder `training` are in neither part: why?": gone,
        "The two parts are exchanged: the small one validates.": train == right,
        f"{len(val)} of the {len(photos)} photos outside of `test` validate; expected a "
        "fifth of them, rounded down. Leave out the test photos before you count.": (
            len(val) != len(right)
        ),
        "The number is right, the photos are not: the first fifth *by name* validates. The "
        "names may come in any order, so sort them.": val != right,
    }
    expect.no(faults)


_CONCLUSIONS = {
    "a": "the step changes the article's input more",
    "b": "the step changes the antialiased input more",
    "c": "the step changes both about as much",
}


@chapter.exercise(
    "One pixel to the side",
    kind="measure",
    difficulty=2,
    minutes=15,
    stub="""
        def moved(photo, recipe):
            one = data.make_pair(photo[:-1, :-1], recipe).lr
            return ____


        measured = {"moved": moved, "conclusion": ____}
    """,
    answer="measured",
    hints=(
        "`photo[1:, 1:]` is the same view, one pixel further down and to the right. Make "
        "its input in the same way.",
        "`metrics.psnr` compares pictures in [0, 1]: `data.as_float` first.",
        "The PSNR falls when the difference grows. Which input has the *lower* one?",
    ),
    solution="""
        def moved(photo, recipe):
            views = photo[:-1, :-1], photo[1:, 1:]
            inputs = [data.make_pair(view, recipe).lr for view in views]
            return metrics.psnr(*map(data.as_float, inputs))


        print({recipe: moved(photo, recipe) for recipe in data.RECIPES})
        measured = {"moved": moved, "conclusion": "a"}
    """,
    because="""
        The step is the same for both, a fraction of a new pixel. The antialiased input
        changes a little, as it should: the view has moved. The article's input changes much
        more, since at another place it reads other pixels. What changes so much is not in
        the photo but in where the pixels fell. That is aliasing, and it is in the targets,
        too, where a network is asked to guess it.
    """,
)
def q6(answer: Any) -> str:
    """Return how much an input changes when the photo moves by one pixel."""
    found = expect.mapping(answer, ["moved", "conclusion"])
    moved = expect.function(found["moved"])
    files, recipes = data.find_photos(data.sample_folder()).val, list(data.RECIPES)
    cases = [(data.read_photo(files[k]), r) for k in (15, 3) for r in recipes[::-1]]
    other = dict(zip(recipes, recipes[::-1], strict=True))
    slips = {
        "It is infinite: you compare an input with itself. The other view begins at "
        "`photo[1:, 1:]`.": lambda *case: np.inf,
        "Both recipes give the same number: does `moved` hand on `recipe`, for both "
        "views?": lambda photo, recipe: _psnr(photo, other[recipe], other[recipe]),
        "The two views are made by two recipes: does `moved` hand on `recipe` twice?": (
            lambda photo, recipe: _psnr(photo, recipe, other[recipe])
        ),
        "You compare pictures of type `uint8`, which have no room below 0: 1 - 2 is 255. "
        "Turn them into floating point first: `data.as_float`.": _overflown,
        "That compares the targets. It is the inputs that are asked for, `lr`.": (
            lambda photo, recipe: expect.Either(
                _psnr(photo, recipe, recipe, size=k) for k in (1, 2)
            )
        ),
        "The other view has to move by one row *and* one column, `photo[1:, 1:]`, and no "
        "further.": lambda photo, recipe: expect.Either(
            _psnr(photo, recipe, recipe, *step) for step in [(1, 0), (0, 1), (2, 2), (4, 4)]
        ),
        **expect.decibels(lambda p, recipe: 10 ** (-_psnr(p, recipe, recipe) / 10)),
    }
    expect.agree_on(
        moved, lambda p, recipe: _psnr(p, recipe, recipe), cases, slips, tolerance=1e-3
    )
    values = [_psnr(cases[0][0], recipe, recipe) for recipe in data.RECIPES]
    told = "`moved` is right. It gives {:.1f} dB (article) and {:.1f} dB (antialiased)"
    told = told.format(*values)
    letter = expect.choose(found["conclusion"], _CONCLUSIONS, "the conclusion")
    expect.that(
        letter != "b",
        f"{told}. The PSNR falls when a difference grows: the higher number belongs to the "
        "input that changes less.",
    )
    expect.conclusion(letter, _CONCLUSIONS, "a", told)
    ratio = 10 ** ((values[1] - values[0]) / 10)
    return (
        f"The step of one pixel changes the article's input {ratio:.1f} times as much, in "
        "squared error, as the antialiased one. That part depends on where the pixels fell."
    )


def _inputs(
    photo: np.ndarray, one: str, two: str, rows: int = 1, columns: int = 1, size: int = 0
) -> list[np.ndarray]:
    height, width = photo.shape[:2]
    views = photo[: height - rows, : width - columns], photo[rows:, columns:]
    return [pair[size] for pair in map(data.make_pair, views, (one, two))]


def _psnr(*arguments: Any, **options: Any) -> float:
    return float(metrics.psnr(*map(data.as_float, _inputs(*arguments, **options))))


def _overflown(photo: np.ndarray, recipe: str) -> expect.Either:
    one, two = _inputs(photo, recipe, recipe)
    apart = [(one - two) ** 2, np.float64(one - two) ** 2, np.float64((one - two) ** 2)]
    return expect.Either(20 * np.log10(255) - 10 * np.log10(np.mean(a)) for a in apart)


_COUNT, _NOISE, _NEAR = 8, 5.0, 0.05


@chapter.exercise(
    "Photos from noise",
    kind="function",
    difficulty=3,
    minutes=40,
    stub="""
        def paint(count):
            return ____
    """,
    answer="paint",
    hints=(
        "Noise whose pixels know nothing of each other has as much fine detail as coarse. "
        "The chapter's plot shows what photos have: the power falls as the frequency to "
        "the power -2 to -3.",
        "Noise at several sizes does it: random pictures of 9, 18, 36, 72, 144 and 288 "
        "pixels, each enlarged smoothly to 288, and all added up, the finer the fainter.",
        "Or in one step: take the waves of white noise with `np.fft.fft2` along the two "
        "axes of the pixels, divide each by its frequency (and that of frequency 0 by 1), "
        "and go back with `np.fft.ifft2(...).real`. Bring the result round 128, with a "
        "spread of about 40, and cut it to 0 to 255 before `np.uint8`.",
    ),
    solution="""
        def paint(count):
            noise = np.random.default_rng(0).normal(size=(count, 288, 288, 3))
            rows = np.fft.fftfreq(288)[:, None, None]
            columns = np.fft.fftfreq(288)[:, None]
            frequency = np.hypot(rows, columns)
            frequency[0, 0] = 1
            waves = np.fft.fft2(noise, axes=(1, 2)) / frequency**1.2
            pictures = np.fft.ifft2(waves, axes=(1, 2)).real
            pictures -= pictures.mean(axis=(1, 2), keepdims=True)
            pictures *= 40 / pictures.std()
            return np.uint8(np.clip(128 + pictures, 0, 255))
    """,
    because="""
        A linear filter is found by least squares, and all that enters there is how strongly
        pixels at each distance vary together. That is the same thing as the spectrum.
        Clouds with the spectrum of photos therefore teach it just what photos teach, though
        nobody would take one for the other. Here the waves are divided by the frequency to
        the power 1.2, so the power falls as the frequency to the power -2.4, about the
        slope that the chapter measured.

        A network is not linear. It can learn what an edge is, and clouds have none. Whether
        it grows up better on dead leaves is an experiment: see *To go further* at the end
        of the chapter.
    """,
    seconds=60,
)
def q7(answer: Any) -> str:
    """Return pictures of noise that teach the best linear filter what photos teach."""
    found = expect.call(answer, _COUNT)
    pictures = expect.array(found, (_COUNT, 288, 288, 3), "what your function returns")
    if pictures.dtype != np.uint8:
        low, high = pictures.min(), pictures.max()
        raise NotYet(
            f"Your pictures are {pictures.dtype}, from {low:.3g} to {high:.3g}. Expected "
            "`uint8` from 0 to 255, as photos are: cut to that range, then `np.uint8`."
        )
    steps = np.diff(pictures.astype(np.float64), axis=2)
    spread = np.mean(steps**2)
    expect.that(spread > 0.01, "Your pictures hold nothing but flat colour.")
    tails = np.mean(steps**4) / spread**2
    score = _score_of_filter(pictures)
    bicubic, photos = _levels()
    means = (
        f"{score:.2f} dB; the filter learned from photos has {photos:.2f}, bicubic "
        f"{bicubic:.2f}"
    )
    faults = {
        "These are no clouds: there are edges in them. The differences between "
        f"neighbouring pixels have a kurtosis of {tails:.0f}; noise has about 3, and at "
        f"most {_NOISE:.0f} is allowed. (If it is noise, are many pixels cut off at 0 or "
        "255?)": tails > _NOISE,
        f"The filter learned from your pictures has {means}. A formula is better. Do "
        "coarse waves outweigh fine ones, as they do in photos?": score < bicubic,
        f"The filter learned from your pictures has {means}. Come within {_NEAR} dB of the "
        "photos: compare the spectrum of your pictures with the chapter's plot.": (
            score < photos - _NEAR
        ),
    }
    expect.no(faults)
    return f"The filter learned from your clouds has {means}. It never saw a photo."


def _score_of_filter(pictures: Any) -> float:
    """Learn the linear filter for x2 from pictures; score it on the sample, in dB."""
    pairs = [data.make_pair(picture, "antialiased") for picture in pictures]
    lr, x2 = (
        data.as_float(np.stack([getattr(pair, name) for pair in pairs]))
        for name in ("lr", "x2")
    )
    weights = metrics.fit_linear_filter(lr, x2, 2)
    val_lr, val_x2 = _validation()
    return float(
        metrics.psnr(val_x2, metrics.apply_linear_filter(val_lr, weights, 2)).mean()
    )


@cache
def _validation() -> tuple[np.ndarray, np.ndarray]:
    photos = data.find_photos(data.sample_folder())
    val = data.load_pairs(photos, "val", "antialiased")
    return data.as_float(val.lr), data.as_float(val.x2)


@cache
def _levels() -> tuple[float, float]:
    """Score bicubic interpolation, and the filter learned from photos of the sample."""
    lr, x2 = _validation()
    bicubic = metrics.psnr(x2, metrics.upscale(lr, 2, "bicubic")).mean()
    files = data.find_photos(data.sample_folder()).train[:24]
    return float(bicubic), _score_of_filter(map(data.read_photo, files))

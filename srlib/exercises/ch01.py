"""Exercises of chapter 1: photos into training pairs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from srlib import data, metrics
from srlib.exercises import expect
from srlib.exercises.engine import Chapter, NotYet

chapter = Chapter(1, "01-data")
progress = chapter.progress


# --- 1 -----------------------------------------------------------------------------------

_ROW = (200, 0, 0, 200, 0, 0, 200, 0)


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
    halves = np.reshape(_ROW, (2, 4))
    means = halves.mean(axis=1)
    read = halves[:, 1:3].mean(axis=1)
    slips = {
        "INTER_AREA": {
            "INTER_AREA: you added up the four pixels. It takes their mean.": 4 * means,
            "INTER_AREA: that is what the default reads. By area all four count.": read,
        },
        "default": {
            "The default: that is the mean of all four. It reads only two of them, those "
            "next to the middle.": means,
            "The default: you added up two pixels. It takes their mean.": 2 * read,
            "The default: you read the first two pixels of each four. It reads those next "
            "to the middle.": halves[:, :2].mean(axis=1),
            "The default: you read one pixel of each four. It reads two.": halves[:, 0],
        },
    }
    for name, right in {"INTER_AREA": means, "default": read}.items():
        what = f'"{name}"'
        if isinstance(found[name], (int, float)):
            raise NotYet(f"{what}: write a list of two values, one for each new pixel.")
        values = expect.array(found[name], (2,), what)
        wrong = f"{what} is not that. Which old pixels does each new one look at?"
        expect.agree(values, right, slips[name], what=what, wrong=wrong)
    return (
        "By area the half with two lines is the brighter one. The default sees it black. "
        "Shrunk to four pixels instead of two both would agree: then the default reads "
        "every pixel."
    )


# --- 2 -----------------------------------------------------------------------------------

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


# --- 3 -----------------------------------------------------------------------------------


def _square(photo: np.ndarray) -> np.ndarray:
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return photo[top : top + side, left : left + side]


def _corner(photo: np.ndarray) -> np.ndarray:
    side = min(photo.shape[:2])
    return photo[:side, :side]


def _other_corner(photo: np.ndarray) -> np.ndarray:
    side = min(photo.shape[:2])
    return photo[-side:, -side:]


def _exchanged(photo: np.ndarray) -> np.ndarray:
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (width - side) // 2, (height - side) // 2
    return photo[top : top + side, left : left + side]


def _width_only(photo: np.ndarray) -> np.ndarray:
    """Cut columns off, as if every photo were wide."""
    height, width = photo.shape[:2]
    return photo[:, (width - height) // 2 : (width + height) // 2]


def _stretched(photo: np.ndarray) -> np.ndarray:
    import cv2

    side = min(photo.shape[:2])
    return cv2.resize(photo, (side, side))


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
    shapes = [(6, 10, 3), (11, 5, 3), (7, 7, 3)]
    cases = [(rng.integers(0, 256, shape, dtype=np.uint8),) for shape in shapes]
    slips: dict[str, Callable] = {
        "Your square begins at the upper left corner. Leave out as much on either side.": (
            _corner
        ),
        "Your square ends at the lower right corner. Leave out as much on either side.": (
            _other_corner
        ),
        "Rows and columns are exchanged: `photo[rows, columns]`, and `height` counts "
        "rows.": _exchanged,
        "That is stretched, not cut: everything in the photo is still there.": _stretched,
        "That is the photo as it was: a slice that is too long keeps everything. Is `side` "
        "the shorter side?": lambda photo: photo,
        "A tall photo, here of 11 rows and 5 columns, comes out wrong: it has rows to "
        "spare, not columns. Which side is the shorter one?": _width_only,
        "One colour is left. Cut rows and columns, and keep the third axis.": (
            lambda photo: _square(photo)[..., 0]
        ),
        "That is the side. Return the part of the photo.": (
            lambda photo: min(photo.shape[:2])
        ),
    }
    expect.agree_on(answer, _square, cases, slips)
    return "Circles stay circles. What is lost is what stood at the two ends."


# --- 4 -----------------------------------------------------------------------------------


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
    for case in [(10, 4, 0), (10, 4, 1), (8, 4, 2), (1000, 64, 1), (3, 10, 0)]:
        _expect_epoch(expect.call(answer, *case), *case)
    return "Every photo comes once in an epoch, and every epoch is judged on the same ones."


def _expect_epoch(served: Any, count: int, size: int, epoch: int) -> None:
    case = f"For `epoch_of({count}, {size}, {epoch})`: "
    if isinstance(served, (str, dict)) or not hasattr(served, "__len__"):
        raise NotYet(f"Expected a list of batches, found {expect.kind_of(served)}.")
    batches = [np.ravel(expect.array(batch, what="a batch")) for batch in served]
    numbers = np.concatenate([*batches, np.zeros(0, int)])
    strange = np.setdiff1d(numbers, np.arange(count))
    expect.that(
        not strange.size,
        f"{case}there is no photo {_first(strange)}; they are numbered from 0 to "
        f"{count - 1}.",
    )
    missing = np.setdiff1d(np.arange(count), numbers)
    expect.that(
        not missing.size,
        f"{case}{missing.size} of the {count} photos never come, the first is number "
        f"{_first(missing)}.",
    )
    values, times = np.unique(numbers, return_counts=True)
    expect.that(
        bool((times == 1).all()),
        f"{case}photo {_first(values[times > 1])} comes more than once. The last batch may "
        "be smaller than the others; do not fill it up.",
    )
    largest = max(map(len, batches))
    expect.that(
        largest <= size,
        f"{case}a batch holds {largest} photos; at most {size} are allowed.",
    )
    least = -(-count // size)
    expect.that(
        len(batches) == least,
        f"{case}you serve {len(batches)} batches; {least} are enough. Fill each but the "
        "last.",
    )


def _first(numbers: np.ndarray) -> str:
    return f"{numbers[0]:g}" if numbers.size else ""


# --- 5 -----------------------------------------------------------------------------------


def _split(files: list[str], keep: Callable[[str], bool]) -> dict[str, list[str]]:
    photos = sorted(filter(keep, files))
    count = len(photos) // 5
    return {"val": photos[:count], "train": photos[count:]}


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
    names = [
        "latest",
        "lake",
        "owl",
        "boat",
        "attest",
        "fern",
        "dune",
        "arch",
        "mill",
        "fog",
    ]
    files = [f"training/{name}.jpg" for name in names]
    files += [f"test/{name}.jpg" for name in ("zoo", "ant", "cat", "bee", "elk")]
    files = [files[k] for k in np.random.default_rng(5).permutation(len(files))]
    given = set(files)
    split = expect.call(answer, files)
    found = expect.mapping(split, ["val", "train"], "what your function returns")
    parts = {}
    for part, value in found.items():
        if isinstance(value, str) or not isinstance(value, (list, tuple, np.ndarray)):
            raise NotYet(f'Expected "{part}" to be a list, found {expect.kind_of(value)}.')
        parts[part] = [str(name) for name in value]
        strange = [name for name in parts[part] if name not in given]
        expect.that(
            not strange,
            f'"{part}" names {expect.shown((strange or [""])[0])}, which was not given. '
            "Leave the names as they are.",
        )
    for part, listed in parts.items():
        leaked = sum(name.startswith("test/") for name in listed)
        expect.that(
            not leaked, f'Of the photos in `test`, "{part}" holds {leaked}. Keep them out.'
        )
    twice = set(parts["val"]) & set(parts["train"])
    expect.that(not twice, f"{len(twice)} photos are in both parts.")
    right = _split(files, lambda name: not name.startswith("test/"))
    gone = sorted(
        {name for names in right.values() for name in names}.difference(*found.values())
    )
    expect.that(
        not any("test" in name for name in gone),
        "`training/latest.jpg` is missing, and it is no test photo. Look at the folder, "
        "not for four letters.",
    )
    expect.that(
        not gone, f"{len(gone)} photos of the folder `training` are in neither part: why?"
    )
    expect.that(
        len(parts["val"]) == len(right["val"]),
        f"{len(parts['val'])} of the 10 photos outside of `test` validate; expected a "
        "fifth of them. Leave out the test photos before you count.",
    )
    expect.that(
        parts["val"] == right["val"] and sorted(parts["train"]) == right["train"],
        "The number is right, the photos are not: the first fifth *by name* validates. "
        "The names may come in any order, so sort them.",
    )
    return "None of the photos of the examination is in what the network studies."


# --- 6 -----------------------------------------------------------------------------------

#: Least distance of the two numbers in dB; mixed recipes often come out closer.
_APART = 2.0

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
        def moved(recipe):
            one = data.make_pair(photo[:-1, :-1], recipe).lr
            return ____


        measured = {recipe: moved(recipe) for recipe in data.RECIPES}
        measured["conclusion"] = ____
    """,
    answer="measured",
    hints=(
        "`photo[1:, 1:]` is the same view, one pixel further down and to the right. Make "
        "its input in the same way.",
        "`metrics.psnr` compares pictures in [0, 1]: `data.as_float` first.",
        "The PSNR falls when the difference grows. Which input has the *lower* one?",
    ),
    solution="""
        def moved(recipe):
            views = photo[:-1, :-1], photo[1:, 1:]
            inputs = [data.make_pair(view, recipe).lr for view in views]
            return metrics.psnr(*map(data.as_float, inputs))


        measured = {recipe: moved(recipe) for recipe in data.RECIPES}
        measured["conclusion"] = "a"
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
    found = expect.mapping(answer, [*data.RECIPES, "conclusion"])
    psnr = {}
    for name in data.RECIPES:
        value = found[name]
        if isinstance(value, float) and np.isposinf(value):
            raise NotYet(
                f'The number "{name}" is infinite: you compare an input with itself. The '
                "other view begins at `photo[1:, 1:]`."
            )
        psnr[name] = expect.number(value, f'the number "{name}"')
        expect.that(
            8 < psnr[name] < 60,
            f'The number "{name}" is {psnr[name]:.3g}. Expected a PSNR in dB between the '
            "two inputs.",
        )
    letter = found["conclusion"]
    if letter not in tuple(_CONCLUSIONS):
        raise NotYet('The conclusion is one of the letters `"a"`, `"b"`, `"c"`, in quotes.')
    article, smooth = psnr["article"], psnr["antialiased"]
    expect.that(
        article != smooth,
        "Both recipes give exactly the same number. Does `moved` hand on `recipe`, for "
        "both views?",
    )
    values = f"{article:.1f} dB (article) and {smooth:.1f} dB (antialiased)"
    # Right answers on the 95 photos of the sample differ by more than 3.6 dB.
    expect.that(
        abs(article - smooth) > _APART,
        f"You measured {values}. The two are further apart, if both views are made by the "
        "same recipe: does `moved` hand on `recipe` twice?",
    )
    true = "a" if article < smooth else "b"
    expect.that(
        not (letter == "b" and true == "a"),
        f"You measured {values}. The PSNR falls when a difference grows: the higher number "
        "belongs to the input that changes less.",
    )
    expect.that(
        letter == true,
        f"You say that {_CONCLUSIONS[letter]}. You measured {values}: that does not "
        "follow.",
    )
    expect.that(
        true == "a",
        f"You measured {values}, and your conclusion fits. But the chapter's photo gives "
        "something else. Are both views of `photo` made by the same recipe, and is it `lr` "
        "that you compare?",
    )
    ratio = 10 ** ((smooth - article) / 10)
    return (
        f"The step of one pixel changes the article's input {ratio:.1f} times as much, in "
        "squared error, as the antialiased one. That part depends on where the pixels fell."
    )


# --- 7 -----------------------------------------------------------------------------------

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
    expect.that(
        tails < _NOISE,
        f"These are no clouds: there are edges in them. The differences between "
        f"neighbouring pixels have a kurtosis of {tails:.0f}; noise has about 3, and at "
        f"most {_NOISE:.0f} is allowed. (If it is noise, are many pixels cut off at 0 or "
        "255?)",
    )
    score = _score_of_filter(pictures)
    bicubic, photos = _levels()
    means = (
        f"{score:.2f} dB; the filter learned from photos has {photos:.2f}, bicubic "
        f"{bicubic:.2f}"
    )
    expect.that(
        score > bicubic,
        f"The filter learned from your pictures has {means}. A formula is better. Do "
        "coarse waves outweigh fine ones, as they do in photos?",
    )
    expect.that(
        score > photos - _NEAR,
        f"The filter learned from your pictures has {means}. Come within {_NEAR} dB of the "
        "photos: compare the spectrum of your pictures with the chapter's plot.",
    )
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

"""Wrong answers to the exercises of chapter 1."""

import cv2
import numpy as np
from PIL import Image

from exercise_answers import Wrong
from srlib import data, metrics

#: Their solutions train a network: executed with the whole chapter only.
SLOW = set()


def names():
    """Return what the chapter has defined where its exercises begin."""
    photos = data.find_photos(data.sample_folder())
    photo = data.read_photo(photos.val[15])
    names = {"np": np, "cv2": cv2, "data": data, "metrics": metrics}
    return {**names, "photos": photos, "photo": photo}


# --- q3 ---


def corner(photo):
    side = min(photo.shape[:2])
    return photo[:side, :side]


def lower_corner(photo):
    side = min(photo.shape[:2])
    return photo[-side:, -side:]


def exchanged(photo):
    width, height = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return photo[top : top + side, left : left + side]


def longer_side(photo):
    side = max(photo.shape[:2])
    return photo[:side, :side]


def stretched(photo):
    side = min(photo.shape[:2])
    return cv2.resize(photo, (side, side))


def width_only(photo):
    height, width = photo.shape[:2]
    return photo[:, (width - height) // 2 : (width + height) // 2]


def grey(photo):
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return photo[top : top + side, left : left + side, 0]


# --- q4 ---


def rewritten(count, size, epoch):
    steps = int(count / size)
    first = epoch * size * steps
    return np.split(np.arange(first, first + size * steps) % count, steps)


def rounded_up(count, size, epoch):
    steps = -(-count // size)
    return np.split(np.arange(steps * size) % count, steps)


def not_wrapped(count, size, epoch):
    numbers = np.arange(epoch * count, (epoch + 1) * count)
    return [numbers[k : k + size] for k in range(0, count, size)]


def one_by_one(count, size, epoch):
    return [[number] for number in range(count)]


def all_at_once(count, size, epoch):
    return [np.arange(count)]


# --- q5 ---


def parts(photos, count=None):
    count = len(photos) // 5 if count is None else count
    return {"val": photos[:count], "train": photos[count:]}


def leaves_out(files):
    return [file for file in files if not file.startswith("test/")]


def folder_cut_off(files):
    return parts(sorted(file.split("/")[1] for file in leaves_out(files)))


def counted_before(files):
    return parts(sorted(leaves_out(files)), len(files) // 5)


def only_from_val(files):
    found = parts(sorted(files))
    return {**found, "val": leaves_out(found["val"])}


def while_going_through(files):
    files = sorted(files)
    for file in files:
        if file.startswith("test/"):
            files.remove(file)
    return parts(files)


def in_place(files):
    files.sort()
    return parts(leaves_out(files))


def remembers(files, seen=[]):  # noqa: B006
    seen.extend(leaves_out(files))
    return parts(sorted(seen))


# --- q6 ---


def moved(photo, recipe, other=None, size="lr"):
    views = photo[:-1, :-1], photo[1:, 1:]
    pairs = map(data.make_pair, views, (recipe, other or recipe))
    return metrics.psnr(*(data.as_float(getattr(pair, size)) for pair in pairs))


def error(photo, recipe):
    return 10 ** (-moved(photo, recipe) / 10)


def overflown(photo, recipe):
    one, two = (
        data.make_pair(view, recipe).lr for view in (photo[:-1, :-1], photo[1:, 1:])
    )
    return 10 * np.log10(255**2 / np.mean((one - two) ** 2))


def measured(function=moved, conclusion="a"):
    return {"moved": function, "conclusion": conclusion}


# --- q7 ---


def white(count):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 288, 288, 3), dtype=np.uint8)


def blurred(count):
    return np.stack([cv2.GaussianBlur(picture, (0, 0), 2) for picture in white(count)])


def too_small(count):
    return white(count)[:, :144, :144]


def flat(count):
    return np.full((count, 288, 288, 3), 128, np.uint8)


WRONG = {
    "q1": [
        Wrong("exchanged", {"default": [100, 50], "INTER_AREA": [0, 100]}, "By area all"),
        Wrong("sums", {"default": [0, 200], "INTER_AREA": [400, 200]}, "added up the four"),
        Wrong("reads all", {"default": [100, 50], "INTER_AREA": [100, 50]}, "only two"),
        Wrong(
            "reads first two",
            {"default": [100, 0], "INTER_AREA": [100, 50]},
            "two pixels at an end",
        ),
        Wrong("sum of two", {"default": [0, 200], "INTER_AREA": [100, 50]}, "added up two"),
        Wrong(
            "reads one",
            {"default": [200, 0], "INTER_AREA": [100, 50]},
            "you read one pixel",
        ),
        Wrong(
            "a guess", {"default": [50, 50], "INTER_AREA": [100, 50]}, "Which old pixels"
        ),
        Wrong("eight values", {"default": [0] * 8, "INTER_AREA": [1] * 8}, "the shape"),
        Wrong("one value", {"default": 0, "INTER_AREA": 100}, "a list of two values"),
        Wrong("a list", [[0, 100], [100, 50]], "a dictionary"),
    ],
    "q2": [
        Wrong("one and a half", "a", "1.5x1.5"),
        Wrong("three", "c", "that one alone"),
        Wrong("four", "D", "all sixteen"),
        Wrong("the size", 576, "one of the letters"),
    ],
    "q3": [
        Wrong("corner", corner, "0 columns are left out before it"),
        Wrong("lower corner", lower_corner, "5 columns are left out before it"),
        Wrong("exchanged", exchanged, "Rows come first"),
        Wrong("longer side", longer_side, "the shorter side"),
        Wrong("stretched", stretched, "not cut"),
        Wrong("grey", grey, "third axis"),
        Wrong("width only", width_only, "rows to spare"),
        Wrong("side only", lambda photo: min(photo.shape[:2]), "That is a number"),
        Wrong("even margins", lambda photo: photo[1:-1, 3:-3], "comes out as 4x5"),
        Wrong("the square itself", np.zeros((6, 6, 3)), "Expected a function"),
    ],
    "q4": [
        Wrong("only rewritten", rewritten, "2 of the 10 photos never come"),
        Wrong("rounded up", rounded_up, "photo 0 comes more than once"),
        Wrong("not wrapped", not_wrapped, "there is no photo 10"),
        Wrong("one by one", one_by_one, "3 are enough"),
        Wrong("all at once", all_at_once, "a batch holds 10 photos"),
        Wrong(
            "a number",
            lambda count, size, epoch: -(-count // size),
            "the batches, to be a list",
        ),
    ],
    "q5": [
        Wrong(
            "only rewritten",
            lambda files: parts(sorted(files, key=str)),
            '"val" holds 4 of the photos in `test`',
        ),
        Wrong("only from one part", only_from_val, '"train" holds 4 of the photos'),
        Wrong(
            "by four letters",
            lambda files: parts(sorted(f for f in files if "test" not in f)),
            "not for four letters",
        ),
        Wrong("counted before", counted_before, "before you count"),
        Wrong("not sorted", lambda files: parts(leaves_out(files)), "by name"),
        Wrong("without folder", folder_cut_off, "Leave the names as they are"),
        Wrong(
            "twice",
            lambda files: dict.fromkeys(["val", "train"], leaves_out(files)),
            "both",
        ),
        Wrong("by a word", lambda f: parts([x for x in f if "training" in x]), "holds 1"),
        Wrong("while going through", while_going_through, "while you go through it"),
        Wrong("in place", in_place, "changes `files`"),
        Wrong("remembers", remembers, "survives"),
        Wrong(
            "exchanged",
            lambda f: dict(
                zip(["train", "val"], parts(sorted(leaves_out(f))).values(), strict=True)
            ),
            "exchanged",
        ),
        Wrong("one part", lambda files: leaves_out(files), "a dictionary"),
    ],
    "q6": [
        Wrong("more is more", measured(conclusion="B "), "The PSNR falls"),
        Wrong("alike", measured(conclusion="c"), "does not follow"),
        Wrong("one recipe", measured(lambda p, r: moved(p, "article")), "the same number"),
        Wrong("mixed", measured(lambda p, r: moved(p, r, "article")), "by two recipes"),
        Wrong("with itself", measured(lambda p, r: np.inf), "with itself"),
        Wrong("overflow", measured(overflown), "no room below 0"),
        Wrong("targets", measured(lambda p, r: moved(p, r, size="x4")), "the targets"),
        Wrong("squared errors", measured(error), "into decibels"),
        Wrong("natural", measured(lambda *c: -10 * np.log(error(*c))), "natural logarithm"),
        Wrong("20", measured(lambda *c: 2 * moved(*c)), "20 times"),
        Wrong(
            "invented", {"article": 23, "antialiased": 30, "conclusion": "a"}, "no entry"
        ),
        Wrong("a sentence", measured(conclusion="aliasing"), "one of the letters"),
    ],
    "q7": [
        Wrong("white noise", white, "A formula is better"),
        Wrong("blurred", blurred, "Come within 0.05 dB"),
        Wrong("dead leaves", lambda count: data.dead_leaves(count), "edges in them"),
        Wrong("floating point", lambda count: white(count) / 255, "Expected `uint8`"),
        Wrong("too small", too_small, "to have the shape"),
        Wrong("flat", flat, "flat colour"),
        Wrong("pictures", white(1), "Expected a function"),
    ],
}


# --- Right, and written otherwise ---


class Cropped:
    def __call__(self, photo):
        picture = Image.fromarray(photo)
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        return picture.crop((left, top, left + side, top + side))


def the_other_half(photo):
    height, width = photo.shape[:2]
    side = min(height, width)
    top, left = -(-(height - side) // 2), -(-(width - side) // 2)
    return photo[top : top + side, left : left + side].astype(float)


def served(count, size, epoch):
    for k in range(0, count, size):
        yield range(k, min(k + size, count))


def shuffled(count, size, epoch):
    numbers = np.random.default_rng(epoch).permutation(count)
    return np.array_split(numbers, range(size, count, size))


def as_sets(files):
    photos = np.sort([file for file in files if file.split("/")[0] == "training"])
    return {" Train": set(photos[2:]), "VAL": set(photos[:2])}


ALSO_RIGHT = {
    "q1": [
        {"default": (0, 100), "inter_area": np.float32([100, 50])},
        {" Default": iter([0, 100]), "INTER_AREA": [np.int8(100), 50.0]},
    ],
    "q2": [" B", "'b'", "576x576"],
    "q3": [Cropped(), the_other_half],
    "q4": [served, shuffled],
    "q5": [as_sets],
    "q6": [
        measured(conclusion="'A'"),
        measured(lambda p, r: round(-10 * np.log10(error(p, r)), 2)),
    ],
}

"""What the benchmark measures: one function a part, each returns plain numbers.

What is compared is run in turn, so that a load which comes and goes meets both sides. The
times are kept one by one. Memory and imports need a fresh process and get one: for memory
``python -m tools.speed.measurements PHOTOS`` is its other end.
"""

from __future__ import annotations

import gc
import math
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read once, when TensorFlow is imported

import cv2
import keras
import numpy as np
import tensorflow as tf
from keras import ops

from srlib import data, models, training, zoo
from srlib.fast import small

ROOT = Path(__file__).resolve().parents[2]

tf.get_logger().setLevel("ERROR")  # it would warn of every new size

Times = dict[str, list[float]]
Step = Callable[[], Any]


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes
    ----------
    repeats, warmups
        How often everything is timed, and before that run without.
    photos, voc_photos
        Of the input pipeline, and of the memory's.
    batch
        Pictures of a training step.
    sizes
        Sides of the input in pixels, each a divisor of the last.
    models
        Names of networks, or none for all.
    epochs
        Of the whole runs that are compared, on the sample.
    """

    repeats: int = 9
    warmups: int = 2
    photos: int = 1000
    voc_photos: int = 5011
    batch: int = 32
    sizes: tuple[int, ...] = (36, 48, 72, 96, 144, 288)
    models: tuple[str, ...] = ()
    epochs: int = 6


#: Seconds instead of minutes: to see that everything runs. The numbers mean nothing.
QUICK = Effort(2, 1, 64, 64, 2, (12, 24), ("basic",), 1)


def alternate(
    steps: Mapping[str, Step], effort: Effort, before: Mapping[str, Step] | None = None
) -> Times:
    """Time functions in turn. Return the seconds of each call, by name.

    Every turn has an order of its own: what ran before leaves caches and memory behind.
    What stands in `before` under the same name is called first, and not timed.
    """
    for _ in range(effort.warmups):
        for step in steps.values():
            step()
    times: Times = {name: [] for name in steps}
    order, names = random.Random(0), list(steps)
    for _ in range(effort.repeats):
        for name in order.sample(names, len(names)):
            if before and name in before:
                before[name]()
            times[name].append(seconds(steps[name]))
    return times


def seconds(step: Step) -> float:
    """Time one call."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def ratio(slow: list[float], fast: list[float]) -> float:
    """Return the median of how many times as long `slow` took as `fast`, turn by turn.

    Examples
    --------
    >>> ratio([2.0, 9.0, 4.0], [1.0, 1.0, 2.0])
    2.0
    """
    return statistics.median(s / f for s, f in zip(slow, fast, strict=True))


def repeated(photos: data.Photos, count: int) -> data.Photos:
    """Take `count` training photos, from the start again if there are not as many."""
    return replace(photos, train=tuple(islice(cycle(photos.train), count)))


def described(photos: data.Photos, count: int) -> str:
    """Say what was read, and whether that was the same photos again and again."""
    have = len(photos.train)
    again = f", the same {have} again and again" if have < count else ""
    return f"{count} photos of {photos.name}{again}"


# --- The input -------------------------------------------------------------------------


def article_batches(
    paths: Iterable[Path], batch_size: int = 64
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Feed a network as the article did, for ever.

    Every photo is read and shrunk again each time it is used. The order is that of the
    files; a batch goes on where the last one stopped.

    Yields
    ------
    tuple of numpy.ndarray
        ``lr``, ``x2`` and ``x4``: blue first, ``float64`` in [0, 1].
    """
    walk = cycle(paths)
    while True:
        photos = (cv2.imread(str(path)) for path in islice(walk, batch_size))
        pairs = [[cv2.resize(photo, (s, s)) for s in (72, 144, 288)] for photo in photos]
        yield tuple(np.array(pictures) / 255 for pictures in zip(*pairs, strict=True))


def measure_input(effort: Effort) -> dict[str, Any]:
    """Time the way from the files to ``float32`` tensors: the article's and ours.

    ``loading``: an epoch's photos read and shrunk; ``decoding`` is what no program of
    this kind can do without: the pictures are decoded and shrunk on all cores, and thrown
    away. ``keeping``: the same, into memory that was not used before. The files are in
    the system's cache, for both sides.
    """
    batch = min(64, effort.photos)
    photos = repeated(found := data.find_photos(), effort.photos)
    steps = effort.photos // batch
    article = article_batches(photos.train, batch)
    pairs = data.load_pairs(photos, "train")
    ours = iter(data.training_batches(pairs, batch))

    def article_epoch() -> None:
        for pictures in islice(article, steps):
            [tf.constant(picture, tf.float32) for picture in pictures]

    def first_epoch() -> None:
        serve(iter(data.training_batches(data.load_pairs(photos, "train"), batch)), steps)

    def serve(batches: Iterator, count: int) -> None:
        for _ in islice(batches, count):
            pass

    def settle() -> None:
        """Let each way start from the same caches and with the same memory free.

        The datasets of first epochs keep their photos until the garbage is collected.
        """
        gc.collect()
        serve(ours, 3)
        time.sleep(0.3)  # till the batches after these are made ahead

    epochs = {
        "article": article_epoch,
        "first epoch": first_epoch,
        "later epoch": partial(serve, ours, steps),
    }
    loads = {
        "loading": lambda: data.load_pairs(photos, "train"),
        "keeping": lambda: decode_all(photos, keep=True),
        "decoding": lambda: decode_all(photos, keep=False),
    }
    before = dict.fromkeys((*epochs, *loads), settle)
    before["later epoch"] = partial(serve, ours, 3)  # which were made ahead
    times = alternate(epochs, effort, before)
    # One turn differs from the next by more than these differ from each other.
    times |= alternate(loads, replace(effort, repeats=3 * effort.repeats), before)
    return {
        "photos": described(found, effort.photos),
        "seconds": times,
        "first epoch": ratio(times["article"], times["first epoch"]),
        "later epochs": ratio(times["article"], times["later epoch"]),
        "share of decoding": ratio(times["decoding"], times["loading"]),
        "share of decoding and keeping": ratio(times["keeping"], times["loading"]),
    }


def decode_all(photos: data.Photos, *, keep: bool) -> None:
    """Decode and shrink photos on all cores with OpenCV alone, sixteen at a time."""
    paths, sides = photos.train, (72, 144, 288)
    stacks = [np.empty((len(paths), s, s, 3), np.uint8) for s in sides] if keep else []

    def some(start: int) -> None:
        for index in range(start, min(start + 16, len(paths))):
            photo = cv2.imread(str(paths[index]))
            for k, side in enumerate(sides):
                target = stacks[k][index] if keep else None
                cv2.resize(photo, (side, side), dst=target)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(some, range(0, len(paths), 16)))


# --- A training step -------------------------------------------------------------------


def measure_steps(effort: Effort) -> dict[str, Any]:
    """Time a training step of every network, as published and as `training.fit` has it.

    Packing the targets belongs to our input pipeline, not to the step; it is timed beside
    it. A large plain convolution in between tells what this machine's arithmetic reaches.
    The share of it counts the convolutions of our step, and nothing else. ``bare``: the
    same convolutions one after the other, on noise, with nothing between them: with these
    operations of TensorFlow's no step is faster, if all the rest were free.
    """
    lr, hr = random_batch(effort.batch, data.LR_SIZE)
    plain, plain_gflop = plain_convolution(effort.batch)
    rows = {}
    for name in effort.models or zoo.NETWORKS:
        form, blocks = our_form(name)
        targets = pack(hr, blocks)
        graph = step_graph(form, lr, targets)
        times = alternate(
            {
                "published": published_step(name, lr, hr),
                "ours": partial(form.train_on_batch, lr, targets),
                "packing": partial(pack, hr, blocks),
                "bare": bare_convolutions(graph),
                "plain": plain,
            },
            effort,
        )
        packed = [sum(pair) for pair in zip(times["ours"], times["packing"], strict=True)]
        gflop = convolved_gflop(graph)
        speed, limit = (
            count / statistics.median(times[what])
            for count, what in ((gflop, "ours"), (plain_gflop, "plain"))
        )
        rows[name] = {
            "seconds": times,
            "ratio": ratio(times["published"], times["ours"]),
            "ratio with packing": ratio(times["published"], packed),
            "ratio if bare": ratio(times["published"], times["bare"]),
            "GFLOP": gflop,
            "GFLOP/s": speed,
            "limit GFLOP/s": limit,
            "share of limit": speed / limit,
        }
        forget()
    return {"batch": effort.batch, "models": rows}


def random_batch(count: int, size: int) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Make a batch of noise: how fast a step is does not depend on what is in it."""
    rng = np.random.default_rng(0)
    shapes = [(count, k * size, k * size, 3) for k in (1, 2, 4)]
    lr, x2, x4 = (tf.constant(rng.random(shape, np.float32)) for shape in shapes)
    return lr, {"x2": x2, "x4": x4}


def published_step(name: str, lr: tf.Tensor, hr: dict[str, tf.Tensor]) -> Step:
    """Compile a network as the article did, its PSNR included; return a training step."""
    model = models.build(name, seed=0)
    model.compile(
        "adam",
        loss=dict.fromkeys(model.output, "mse"),
        loss_weights=zoo.NETWORKS[name].loss_weights,
        metrics={head: [article_psnr] for head in model.output},
    )
    return partial(model.train_on_batch, lr, {head: hr[head] for head in model.output})


def article_psnr(target: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
    """Return the PSNR in dB of a batch's mean squared error: the article's metric."""
    return 10 * ops.log10(1 / ops.mean(ops.square(target - picture)))


def our_form(name: str) -> tuple[keras.Model, dict[str, int]]:
    """Let `training.fit` compile a network; return what it trains, and its blocks."""
    model = models.build(name, seed=0)
    spy = keras.callbacks.Callback()
    noise = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    pair = data.Pairs(*(p[None] for p in data.make_pair(noise[0], lr_size=8)))
    weights = zoo.NETWORKS[name].loss_weights
    training.fit(model, pair, pair, epochs=1, loss_weights=weights, callbacks=[spy])
    spy.model.train_function = None  # is made anew, for the shapes that follow
    return spy.model, small.small_form(model)[1]


@tf.function
def pack(hr: dict[str, tf.Tensor], blocks: dict[str, int]) -> dict[str, tf.Tensor]:
    """Pack the targets as `training.fit` does."""
    return {head: small.pack_target(hr[head], block) for head, block in blocks.items()}


def plain_convolution(count: int) -> tuple[Step, float]:
    """Return a large convolution, 3x3 from 64 to 64 channels, and its 1e9 operations."""
    side, channels = 2 * data.LR_SIZE, 64
    x = tf.random.normal((count, side, side, channels))
    kernel = tf.random.normal((3, 3, channels, channels))
    run = tf.function(lambda: tf.nn.conv2d(x, kernel, 1, "SAME"))
    return run, 2e-9 * count * side**2 * 9 * channels**2


def step_graph(
    model: keras.Model, lr: tf.Tensor, targets: dict[str, tf.Tensor]
) -> tf.Graph:
    """Return all operations of a step, forwards and backwards."""
    step = tf.function(lambda x, y: model.train_step((x, y)), autograph=False)
    return step.get_concrete_function(lr, targets).graph


def convolved_gflop(graph: tf.Graph) -> float:
    """Count the convolutions of a graph in 1e9 operations.

    A multiplication and an addition are two.
    """
    return 1e-9 * sum(_operations(op) for op in convolutions(graph))


def convolutions(graph: tf.Graph) -> list[tf.Operation]:
    """List those whose result is used: nothing asks how the photo should change."""
    return [
        op
        for op in graph.get_operations()
        if _operations(op) and any(result.consumers() for result in op.outputs)
    ]


def bare_convolutions(graph: tf.Graph) -> Step:
    """Return what does the convolutions of `graph`, on noise, and nothing else."""
    jobs = []
    for op in convolutions(graph):
        run = getattr(tf.raw_ops, op.type)
        settings = {k: op.get_attr(k) for k in ("strides", "padding", "dilations")}
        names = [argument.name for argument in op.op_def.input_arg]
        # Noise of its own for each: equal operations on equal numbers are done once.
        given = {
            name: tf.constant(op.outputs[0].shape.as_list())
            if "sizes" in name
            else tf.random.normal(tensor.shape)
            for name, tensor in zip(names, op.inputs, strict=True)
        }
        jobs.append((partial(run, **settings), given))
    noise = [given for _, given in jobs]

    @tf.function
    def all_of_them(noise: list[dict[str, tf.Tensor]]) -> list[tf.Tensor]:
        results = (run(**given) for (run, _), given in zip(jobs, noise, strict=True))
        return [result[0, 0, 0, 0] for result in results]  # asked for, so not left out

    return partial(all_of_them, noise)


def _operations(op: tf.Operation) -> int:
    """Count those of a convolution: each pixel of its result takes a whole kernel."""
    if op.type == "DepthwiseConv2dNative":
        kernel, result = op.inputs[1].shape, op.outputs[0].shape
        return 2 * math.prod(result) * kernel[0] * kernel[1]
    if op.type == "Conv2D":
        kernel, result = op.inputs[1].shape, op.outputs[0].shape
    elif op.type == "Conv2DBackpropInput":
        kernel, result = op.inputs[1].shape, op.inputs[2].shape
    elif op.type == "Conv2DBackpropFilter":
        kernel, result = op.outputs[0].shape, op.inputs[2].shape
    else:
        return 0
    return 2 * math.prod(result[:3]) * math.prod(kernel)


def forget() -> None:
    """Free what networks leave behind."""
    keras.backend.clear_session()
    gc.collect()


# --- The same results ------------------------------------------------------------------


def measure_unchanged(effort: Effort) -> dict[str, Any]:
    """Train networks both ways from the same seed; compare what they score at the end.

    On the photos of the sample, by the mean of each validation photo's PSNR. Single
    precision: the two ways add the same numbers in another order.
    """
    photos = data.find_photos(data.sample_folder())
    train, val = (data.load_pairs(photos, part) for part in ("train", "val"))
    rows = {}
    for name in effort.models or zoo.FINALS:
        scores = {}
        for how, small_size in {"published": False, "ours": True}.items():
            model = models.build(name, seed=0)
            training.fit(
                model,
                train,
                val,
                epochs=effort.epochs,
                batch_size=4,
                loss_weights=zoo.NETWORKS[name].loss_weights,
                at_small_size=small_size,
            )
            drawn = training.predict(model, val.lr)
            by_head = training.score(drawn, val)
            scores[how] = {head: float(s.mean()) for head, s in by_head.items()}
            forget()
        apart = [abs(scores["ours"][h] - scores["published"][h]) for h in scores["ours"]]
        rows[name] = {"psnr_db": scores, "largest difference": max(apart)}
    return {
        "photos": str(photos),
        "epochs": effort.epochs,
        "models": rows,
        "largest difference": max(row["largest difference"] for row in rows.values()),
    }


# --- Waiting for the input -------------------------------------------------------------


class Stopwatch(keras.callbacks.Callback):
    """Time, inside `training.fit`, how long each step waits for its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []
        self.steps: list[float] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Come between Keras and its training step."""
        step = self.model.train_function

        def timed(batches: Iterator) -> Any:
            start = time.perf_counter()
            batch = next(batches)
            arrived = time.perf_counter()
            result = step(iter([batch]))
            self.waits.append(arrived - start)
            self.steps.append(time.perf_counter() - arrived)
            return result

        self.model.train_function = timed


def measure_waiting(effort: Effort) -> dict[str, Any]:
    """Tell which share of a training run's time its steps wait for their batch.

    Of a whole run of `training.fit` but for the first two steps, in which TensorFlow
    builds what it runs. The fastest network waits longest.
    """
    found = data.find_photos()
    photos = repeated(found, 6 * effort.batch)
    train = data.load_pairs(photos, "train")
    rows = {}
    for name in effort.models or zoo.FINALS:
        watch = Stopwatch()
        training.fit(
            models.build(name, seed=0),
            train,
            train[:1],
            epochs=2,
            batch_size=effort.batch,
            loss_weights=zoo.NETWORKS[name].loss_weights,
            callbacks=[watch],
        )
        waits, steps = sum(watch.waits[2:]), sum(watch.steps[2:])
        rows[name] = {"steps": len(watch.steps[2:]), "share": waits / (waits + steps)}
        forget()
    return {
        "photos": described(found, len(train)),
        "batch": effort.batch,
        "models": rows,
    }


# --- Size ------------------------------------------------------------------------------


def measure_sizes(effort: Effort) -> dict[str, Any]:
    """Time our training step for inputs of many sizes.

    Every batch has as many pixels as one picture of the largest size, so that steps take
    the same time if the cost of a photo is linear in its pixels. The exponent is the slope
    of a line through the logarithms: 1 if it is.
    """
    rows = {}
    for name in effort.models or zoo.FINALS:
        form, blocks = our_form(name)
        counts = {size: (max(effort.sizes) // size) ** 2 for size in effort.sizes}
        steps = {}
        for size, count in counts.items():
            lr, hr = random_batch(count, size)
            steps[str(size)] = partial(form.train_on_batch, lr, pack(hr, blocks))
        times = alternate(steps, effort)
        photo = [statistics.median(times[str(s)]) / n for s, n in counts.items()]
        slope, _ = np.polyfit(2 * np.log(list(counts)), np.log(photo), 1)
        rows[name] = {
            "seconds": times,
            "photos": [*counts.values()],
            "size": [*counts],
            "seconds per photo": photo,
            "exponent": float(slope),
        }
        forget()
    return {"models": rows}


# --- What takes a fresh process --------------------------------------------------------


def measure_memory(effort: Effort) -> dict[str, Any]:
    """Load as many photos as VOC 2007 has, and serve them once, in a fresh process."""
    found = data.find_photos()
    peak = float(run_python("-m", "tools.speed.measurements", str(effort.voc_photos)))
    return {"photos": described(found, effort.voc_photos), "peak GiB": peak}


def pipeline_peak(count: int) -> float:
    """Return the peak of this process's resident memory in GiB."""
    pairs = data.load_pairs(repeated(data.find_photos(), count), "train")
    for _ in islice(data.training_batches(pairs), math.ceil(count / 64)):
        pass
    status = Path("/proc/self/status")
    if status.exists():  # Linux: there, getrusage would count the parent's memory, too
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30  # macOS: bytes


def measure_import(effort: Effort) -> dict[str, Any]:
    """Time ``import srlib``, and look whether TensorFlow came with it."""
    code = (
        "import sys, time; start = time.perf_counter(); import srlib;"
        "print(time.perf_counter() - start, int('tensorflow' in sys.modules))"
    )
    runs = [run_python("-c", code).split() for _ in range(effort.repeats)]
    took = [float(run[0]) for run in runs]
    return {
        "seconds": took,
        "median seconds": statistics.median(took),
        "TensorFlow imported": any(run[1] == "1" for run in runs),
    }


def measure_book(effort: Effort) -> dict[str, Any]:
    """Time ``make book`` with everything installed."""
    command = ["make", "--old-file=.venv/installed", "book"]
    quietly = {"cwd": ROOT, "check": True, "capture_output": True}
    turns = repeats(effort)[:5]  # each builds the whole book
    took = [seconds(partial(subprocess.run, command, **quietly)) for _ in turns]
    return {"seconds": took, "median seconds": statistics.median(took)}


def repeats(effort: Effort) -> range:
    """Count the repeats."""
    return range(effort.repeats)


def run_python(*arguments: str) -> str:
    """Run a fresh Python in the project's folder; return what it prints."""
    command = [sys.executable, *arguments]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return run.stdout


if __name__ == "__main__":
    print(pipeline_peak(int(sys.argv[1])))

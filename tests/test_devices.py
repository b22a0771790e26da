"""Several devices give the numbers of one; what does not fit is halved."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from srlib import models, training, zoo
from srlib.fast import devices

ROOT = Path(__file__).resolve().parents[1]


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, ROOT / "tests" / "trainer.py", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def finish(process):
    out, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors[-2000:]
    return json.loads(out.splitlines()[-1])


def assert_same_numbers(one, several, replicas):
    assert several["replicas"] == replicas
    assert several["curves"].keys() == one["curves"].keys()
    for name, curve in one["curves"].items():
        assert several["curves"][name] == pytest.approx(curve, abs=1e-4), name
    assert several["weights"] == pytest.approx(one["weights"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "loss"), [("basic", "mse"), ("basic", "psnr"), ("efficientnet_4", "mse")]
)
def test_two_devices_share_a_batch_and_give_the_numbers_of_one(name, loss):
    one = finish(start(name, loss))
    assert_same_numbers(one, finish(start(name, loss, "2")), 2)


@pytest.mark.slow
def test_two_machines_give_the_numbers_of_one():
    with socket.socket() as a, socket.socket() as b:
        for s in (a, b):
            s.bind(("localhost", 0))
        workers = [f"localhost:{s.getsockname()[1]}" for s in (a, b)]
    configs = [
        json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": k}})
        for k in (0, 1)
    ]
    both = [start("basic", "mse", TF_CONFIG=config) for config in configs]
    try:
        found = [finish(process) for process in both]
    finally:
        for process in both:
            process.kill()
    one = finish(start("basic", "mse"))
    for worker in found:
        assert_same_numbers(one, worker, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["atrous", "depth_to_space"])
def test_on_one_gpu_xla_compiles_the_training_and_gives_the_same_numbers(name):
    plain, compiled = (finish(start(name, "mse", *kind)) for kind in ((), ("xla",)))
    assert (plain["xla"], compiled["xla"]) == (False, True)
    assert_same_numbers(plain, compiled, 1)


class DoesNotFit(keras.callbacks.Callback):
    """Stand in for a GPU: from the second epoch on, a batch of four is too much."""

    def on_train_batch_begin(self, batch, logs=None):
        if self.epoch == 1 and self.params["steps"] < 4:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


def test_a_batch_that_does_not_fit_is_halved_and_no_epoch_is_lost(make_pairs, tmp_path):
    train, val = make_pairs(7), make_pairs(2, seed=1)
    settings = {"epochs": 3, "batch_size": 4, "checkpoint": tmp_path / "run.npz"}
    with pytest.warns(UserWarning, match="A batch of 4 .* from epoch 1 with batches of 2"):
        curves = training.fit(
            models.build("basic", seed=0), train, val, callbacks=[DoesNotFit()], **settings
        )
    assert curves["batch_size"] == [4, 2, 2]
    whole = training.fit(models.build("basic", seed=0), train, val, epochs=1, batch_size=4)
    assert curves["loss"][0] == whole["loss"][0]
    assert training.fit(models.build("basic", seed=0), train, val, **settings) == curves


def test_one_pair_that_does_not_fit_is_an_error(make_pairs, monkeypatch):
    def full(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory")

    monkeypatch.setattr(keras.Model, "fit", full)
    train = make_pairs(2)
    with (
        pytest.warns(UserWarning, match="of 1"),
        pytest.raises(tf.errors.ResourceExhaustedError),
    ):
        training.fit(models.build("basic"), train, train, epochs=1, batch_size=2)


def conv2d_as_on_a_gpu(convolve):
    """Convolve in half precision as a GPU does, which adds up in single.

    A processor has no kernel for dilated convolutions in half precision.
    """

    def conv2d(x, kernel, *args, **kwargs):
        single = (tf.cast(tensor, "float32") for tensor in (x, kernel))
        return tf.cast(convolve(*single, *args, **kwargs), x.dtype)

    return conv2d


@pytest.mark.parametrize(
    "name",
    [
        name if name == "basic" else pytest.param(name, marks=pytest.mark.slow)
        for name in zoo.NETWORKS
    ],
)
def test_half_precision_trains_to_the_same_psnr_and_leaves_a_network_in_single(
    make_pairs, name, monkeypatch
):
    if name == "atrous":
        monkeypatch.setattr(tf.nn, "conv2d", conv2d_as_on_a_gpu(tf.nn.conv2d))
    train, val = make_pairs(4), make_pairs(2, seed=1)
    curves = {}
    for precision in ("float32", "mixed_float16"):
        model = models.build(name, seed=1)
        on = devices.Devices(precision=precision)
        curves[precision] = training.fit(model, train, val, epochs=4, batch_size=2, on=on)
        assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    half, single = curves["mixed_float16"], curves["float32"]
    assert half["loss"] != single["loss"]
    for head in model.output:
        key = f"val_{head}_psnr_db"
        assert half[key] == pytest.approx(single[key], abs=0.05)


def test_in_half_precision_pictures_are_drawn_in_single():
    model = devices.twin(models.build("basic", seed=0))
    devices.set_precision(model, "mixed_float16")
    drawn = model(np.ones((1, 4, 4, 3), np.float32))
    assert {x.dtype.name for x in drawn.values()} == {"float32"}
    assert {w.dtype for w in model.weights} == {"float32"}
    assert model.layers[1].compute_dtype == "float16"


def test_on_a_processor_nothing_is_split_and_nothing_halved(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("SRLIB_PRECISION", raising=False)
    monkeypatch.setattr(devices, "gpus", lambda: [])
    assert devices.choose(64).is_plain
    assert devices.describe_gpus() == "no GPU"


@pytest.mark.parametrize(("batch", "split"), [(64, True), (32, False)])
def test_two_t4s_share_a_batch_of_64(monkeypatch, batch, split):
    t4 = {"device_name": "Tesla T4"}
    monkeypatch.setenv("SRLIB_PRECISION", "mixed_float16")
    monkeypatch.setattr(devices, "gpus", lambda: ["GPU:0", "GPU:1"])
    monkeypatch.setattr(devices, "_details", lambda gpu: t4)
    monkeypatch.setattr(devices, "_across_gpus", lambda: "both")
    on = devices.choose(batch)
    assert (on.strategy, on.precision) == ("both" if split else None, "mixed_float16")
    assert devices.describe_gpus() == "2 x Tesla T4"


def test_a_batch_that_leaves_a_device_without_a_pair_is_not_shared():
    class Strategy:
        num_replicas_in_sync = 2
        cluster_resolver = None

    on = devices.Devices(Strategy())
    assert devices.for_batches(on, 64, (71, 64)) is on
    assert devices.for_batches(on, 64, (64, 65)).replicas == 1
    Strategy.cluster_resolver = "two machines"
    with pytest.raises(ValueError, match="the last one has 1 pairs for 2 devices"):
        devices.for_batches(on, 64, (64, 65))


def test_an_unknown_precision_is_named(monkeypatch):
    monkeypatch.setenv("SRLIB_PRECISION", "half")
    with pytest.raises(ValueError, match="'half', expected float32 or mixed_float16"):
        devices.choose(64)

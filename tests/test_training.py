"""Training: what its numbers mean, that they come again, and what the settings do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from srlib import data, metrics, models, training

HEADS = ("x2", "x4")


def tiny(heads=HEADS, seed=0):
    """Build a network of a few hundred weights, with Model 1's shape."""
    keras.utils.set_random_seed(seed)
    lr = keras.Input((None, None, 3), name="lr")
    x = layers.Conv2D(8, 3, padding="same", activation="tanh")(lr)
    up2 = layers.UpSampling2D(2)(x)
    up4 = layers.UpSampling2D(2)(up2)
    outputs = {"x2": layers.Conv2D(3, 1, name="x2"), "x4": layers.Conv2D(3, 1, name="x4")}
    drawn = {"x2": outputs["x2"](up2), "x4": outputs["x4"](up4)}
    return keras.Model(lr, {head: drawn[head] for head in heads})


@pytest.fixture(scope="module")
def train(make_pairs):
    return make_pairs(7, lr_size=8, seed=0)


@pytest.fixture(scope="module")
def val(make_pairs):
    return make_pairs(5, lr_size=8, seed=1)


@pytest.fixture(scope="module")
def at_rest(train, val):
    """A network, and the curves of two epochs in which it learns nothing at all."""
    model = tiny()
    curves = training.fit(model, train, val, epochs=2, batch_size=3, learning_rate=0.0)
    return model, curves


@pytest.fixture(scope="module")
def trained(train, val):
    """A network with one output, and the curves of its training."""
    model = tiny(["x2"])
    return model, training.fit(
        model, train, val, epochs=3, batch_size=3, learning_rate=0.01
    )


# --- What the numbers mean ----------------------------------------------------------------


def keys(*heads):
    names = [f"{head}_{name}" for head in heads for name in CURVES]
    return {f"{part}{name}" for part in ("", "val_") for name in ("loss", *names)}


CURVES = ("loss", "psnr_db", "article_psnr_db")


def test_curves_are_named_by_output_with_two_outputs_and_with_one(at_rest, trained):
    for (_, curves), heads, epochs in [(at_rest, HEADS, 2), (trained, ["x2"], 3)]:
        assert curves.keys() == keys(*heads)
        for curve in curves.values():
            assert len(curve) == epochs
            assert all(type(value) is float for value in curve)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("part", ["", "val_"])
def test_curves_are_those_of_the_metrics_over_every_photo(at_rest, train, val, part, head):
    model, curves = at_rest
    pairs = val if part else train
    drawn = model.predict_on_batch(data.as_float(pairs.lr))[head]
    target = data.as_float(getattr(pairs, head))
    psnr_db = metrics.psnr(target, drawn).mean()
    mse = ((target.astype(float) - drawn) ** 2).mean()
    for epoch in range(2):
        assert curves[f"{part}{head}_psnr_db"][epoch] == pytest.approx(psnr_db, abs=1e-4)
        assert curves[f"{part}{head}_loss"][epoch] == pytest.approx(mse, rel=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_the_article_s_psnr_is_the_mean_over_batches_of_each_batch_s(at_rest, val, head):
    model, curves = at_rest
    drawn = model.predict_on_batch(data.as_float(val.lr))[head]
    target = data.as_float(getattr(val, head))
    batches = [slice(0, 3), slice(3, 5)]
    expected = np.mean([metrics.batch_psnr(target[b], drawn[b]) for b in batches])
    for psnr_db in curves[f"val_{head}_article_psnr_db"]:
        assert psnr_db == pytest.approx(expected, abs=1e-4)


def test_the_losses_of_both_outputs_are_added_not_averaged(at_rest):
    _, curves = at_rest
    for part in ("", "val_"):
        added = np.add(curves[f"{part}x2_loss"], curves[f"{part}x4_loss"])
        assert curves[f"{part}loss"] == pytest.approx(added, rel=1e-6)


def test_the_loss_of_one_output_is_the_loss(trained):
    _, curves = trained
    assert curves["loss"] == pytest.approx(curves["x2_loss"], rel=1e-6)
    assert curves["val_loss"] == pytest.approx(curves["val_x2_loss"], rel=1e-6)


def test_training_learns(trained, val):
    _, curves = trained
    untrained = training.score(training.predict(tiny(["x2"]), val.lr), val)["x2"].mean()
    assert curves["val_x2_psnr_db"][-1] > untrained + 2
    assert curves["loss"][-1] < curves["loss"][0] - 0.01


def test_training_leaves_the_network_with_what_it_learned(trained, val):
    model, curves = trained
    psnr_db = training.score(training.predict(model, val.lr), val)["x2"].mean()
    assert psnr_db == pytest.approx(curves["val_x2_psnr_db"][-1], abs=1e-4)


# --- What the settings do -----------------------------------------------------------------


@pytest.mark.slow
def test_the_same_seeds_give_the_same_numbers_and_other_seeds_others(trained, train, val):
    _, curves = trained

    def again(weights, order):
        model = tiny(["x2"], seed=weights)
        return training.fit(
            model, train, val, epochs=3, batch_size=3, learning_rate=0.01, seed=order
        )

    same, other_order, other_weights = again(0, 0), again(0, 1), again(1, 0)
    for name, curve in curves.items():
        assert same[name] == pytest.approx(curve, rel=1e-6)
    for other in (other_order, other_weights):
        assert np.abs(np.subtract(other["loss"], curves["loss"])).max() > 1e-5


@pytest.mark.slow
def test_first_epoch_goes_on_where_a_run_was_interrupted(train, val):
    """At rest each epoch's mean over batches tells how the photos were batched."""

    def article_psnr_db(**options):
        curves = training.fit(
            tiny(["x2"]), train, val, batch_size=3, learning_rate=0.0, **options
        )
        return curves["x2_article_psnr_db"]

    whole = article_psnr_db(epochs=4)
    assert len(set(whole)) == 4
    assert article_psnr_db(epochs=4, first_epoch=2) == pytest.approx(whole[2:], abs=1e-5)


def test_loss_weights_weigh_the_outputs(train, val):
    weights = {"x2": 0.25, "x4": 3.0}
    curves = training.fit(tiny(), train, val, epochs=2, batch_size=4, loss_weights=weights)
    for part in ("", "val_"):
        losses = [np.array(curves[f"{part}{head}_loss"]) for head in HEADS]
        weighed = 0.25 * losses[0] + 3 * losses[1]
        assert curves[f"{part}loss"] == pytest.approx(weighed, rel=1e-5)


def test_an_output_of_weight_0_is_not_trained_and_one_left_out_has_weight_1(train, val):
    model = tiny()
    before = {head: model.get_layer(head).get_weights()[0] for head in HEADS}
    training.fit(model, train, val, epochs=1, batch_size=4, loss_weights={"x4": 0.0})
    after = {head: model.get_layer(head).get_weights()[0] for head in HEADS}
    assert np.array_equal(before["x4"], after["x4"])
    assert not np.array_equal(before["x2"], after["x2"])


def with_outputs(**sizes):
    lr = keras.Input((None, None, 3))
    return keras.Model(lr, {head: layers.UpSampling2D(k)(lr) for head, k in sizes.items()})


class Unnamed(keras.Model):
    """A class of its own, which has no output before it is called."""

    def call(self, x):
        return layers.UpSampling2D(2)(x)


NEVER = [
    ({"loss_weights": {"x2": 1, "x_4": 5}}, "loss weights for x2, x_4, .* outputs x2, x4"),
    ({"loss_weights": {"x2": "1"}}, "a weight for x2='1'"),
    ({"loss_weights": {"x2": -1}}, "a weight for x2=-1"),
    ({"loss": "mae"}, "loss='mae'. Expected one of: mse, psnr"),
    ({"epochs": 0}, "epochs=0"),
    ({"epochs": 1.5}, "epochs=1.5"),
    ({"first_epoch": 1}, "Nothing to train"),
    ({"batch_size": 0}, "batch_size=0"),
    ({"patience": 0}, "patience=0"),
    ({"seed": -1}, "seed=-1"),
    ({"learning_rate": float("nan")}, "learning_rate=nan"),
    ({"learning_rate": "fast"}, "learning_rate='fast'"),
    ({"train": slice(0)}, "Found 0 training pairs"),
    ({"val": slice(0)}, "and 0 validation pairs"),
    ({"model": with_outputs(x3=3)}, 'outputs of functional.* are x3. .* "x2", "x4"'),
    (
        {"model": with_outputs(x2=2, x4=2)},
        r"output x4 .* \(1, 16, 16, 3\) .* \(1, 32, 32, 3\)",
    ),
    ({"model": Unnamed()}, "Expected a dictionary"),
]


@pytest.mark.parametrize(("settings", "message"), NEVER, ids=[m for _, m in NEVER])
def test_what_cannot_be_trained_is_refused_before_the_first_step(
    train, val, settings, message, monkeypatch
):
    def trained(*_, **__):
        raise AssertionError("it was trained")

    monkeypatch.setattr(keras.Model, "fit", trained)
    settings = {"epochs": 1, **settings}
    model = settings.pop("model", None) or tiny()
    train, val = train[settings.pop("train", slice(9))], val[settings.pop("val", slice(9))]
    with pytest.raises(ValueError, match=message):
        training.fit(model, train, val, **settings)


def test_a_network_of_a_class_of_its_own_is_trained(train, val):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = layers.Conv2D(3, 1)

        def call(self, x):
            return {"x2": self.head(layers.UpSampling2D(2)(x))}

    model = Own()
    curves = training.fit(model, train, val, epochs=3, learning_rate=0.01)
    assert curves["loss"][-1] < curves["loss"][0]
    assert curves.keys() == keys("x2")


def test_a_black_pair_that_is_drawn_black_leaves_numbers(make_pairs):
    pairs = make_pairs(2)
    black = data.Pairs(*(np.zeros_like(stack) for stack in (pairs.lr, pairs.x2, pairs.x4)))
    model = models.build("basic", seed=0)
    curves = training.fit(model, black, black, epochs=2, loss="psnr")
    assert curves["loss"] == pytest.approx([2 * np.log(training.LEAST_MSE)] * 2)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_callbacks_are_called_once_an_epoch(train, val):
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append((epoch, sorted(logs)))
    )
    options = {"epochs": 4, "first_epoch": 2, "batch_size": 4}
    training.fit(tiny(), train, val, callbacks=[callback], **options)
    assert [epoch for epoch, _ in seen] == [2, 3]
    assert keys(*HEADS) <= set(seen[0][1])


@pytest.mark.parametrize(
    ("train_photos", "gpus", "name"),
    [
        (72, [], "quick"),
        (72, ["GPU:0"], "quick"),
        (4011, [], "reduced"),
        (4011, ["GPU:0"], "full"),
    ],
)
def test_the_budget_depends_on_the_photos_and_on_a_gpu(
    monkeypatch, tmp_path, train_photos, gpus, name
):
    monkeypatch.setattr(training.tf.config, "list_physical_devices", lambda kind: gpus)
    files = tuple(tmp_path / f"{k}.jpg" for k in range(train_photos))
    budget = training.choose_budget(data.Photos("some", tmp_path, files, files[:20]))
    assert budget.name == name
    assert budget is training.BUDGETS[name]


# --- Enlarging and scoring ----------------------------------------------------------------


@pytest.fixture(scope="module")
def loud():
    """A network that draws far beyond [0, 1]: its input times 3, minus 1."""
    lr = keras.Input((None, None, 3))
    layer = layers.Rescaling(3.0, -1.0)
    x2 = layers.UpSampling2D(2)(layer(lr))
    return keras.Model(lr, {"x2": x2, "x4": layers.UpSampling2D(2)(x2)})


def test_predict_takes_uint8_or_floats_and_clips(loud, val):
    lr = data.as_float(val.lr)
    for given in (lr, val.lr, lr.astype(np.float64)):
        drawn = training.predict(loud, given)
        for head, scale in zip(HEADS, data.SCALES, strict=True):
            expected = np.clip(metrics.repeat_blocks(3 * lr - 1, scale), 0, 1)
            assert drawn[head].dtype == np.float32
            assert drawn[head] == pytest.approx(expected, abs=1e-6)
    assert drawn["x2"].min() == 0
    assert drawn["x2"].max() == 1


SPOILT = {
    "integers": (lambda lr: lr.astype(int), "The input is int64. Expected floating point"),
    "to 255": (lambda lr: 1.0 * lr, r"The input runs from .* Expected \[0, 1\]"),
    "from -1": (lambda lr: lr / 127.5 - 1, r"The input runs from -.* Expected \[0, 1\]"),
    "not a number": (lambda lr: lr * np.nan, "NaN"),
    "with alpha": (lambda lr: np.concatenate([lr, lr[..., :1]], -1), r"8, 4\).*in colour"),
    "grey": (lambda lr: lr[..., 0], r"shape \(5, 8, 8\). Expected a stack"),
    "grey with a channel": (lambda lr: lr[..., :1], r"8, 1\).*in colour"),
    "one picture": (lambda lr: lr[0], r"shape \(8, 8, 3\). .* make a stack with \[None\]"),
    "an empty stack": (lambda lr: lr[:0], r"shape \(0, 8, 8, 3\). .* one picture or more"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_predict_refuses_what_metrics_refuse(loud, val, kind):
    spoil, message = SPOILT[kind]
    with pytest.raises(metrics.MetricError, match=message):
        training.predict(loud, spoil(val.lr))


def test_predict_gives_single_precision_under_any_policy(val):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        drawn = training.predict(tiny(["x2"]), val.lr)
    finally:
        keras.config.set_dtype_policy("float32")
    assert drawn["x2"].dtype == np.float32


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_predict_draws_every_picture_in_order_whatever_the_batch(loud, val, batch_size):
    whole = training.predict(loud, val.lr)
    parts = training.predict(loud, val.lr, batch_size)
    for head in HEADS:
        assert len(parts[head]) == 5
        assert np.array_equal(parts[head], whole[head])


def test_score_gives_one_number_a_picture_and_output(val):
    rng = np.random.default_rng(0)
    drawn = {"x2": rng.random(val.x2.shape), "x4": rng.random(val.x4.shape)}
    scores = training.score(drawn, val)
    assert scores.keys() == drawn.keys()
    for head in HEADS:
        target = data.as_float(getattr(val, head))
        assert scores[head].tolist() == metrics.psnr(target, drawn[head]).tolist()
    assert list(training.score({"x2": drawn["x2"]}, val)) == ["x2"]


def test_score_baselines_has_every_interpolation_and_ceiling_by_output(val):
    scores = training.score_baselines(val)
    methods = ["nearest", "bilinear", "bicubic", "2x2 ceiling"]
    assert {head: list(by_method) for head, by_method in scores.items()} == {
        "x2": methods,
        "x4": [*methods, "4x4 ceiling"],
    }
    lr, x4 = data.as_float(val.lr), data.as_float(val.x4)
    assert scores["x4"]["bicubic"].tolist() == (
        metrics.psnr(x4, metrics.upscale(lr, 4, "bicubic")).tolist()
    )
    assert scores["x4"]["2x2 ceiling"].tolist() == metrics.ceiling_psnr(x4, 2).tolist()
    for by_method in scores.values():
        assert all(psnr_db.shape == (5,) for psnr_db in by_method.values())


def test_no_picture_made_of_blocks_beats_its_ceiling_among_the_baselines(val):
    scores = training.score_baselines(val)
    assert (scores["x2"]["nearest"] <= scores["x2"]["2x2 ceiling"]).all()
    assert (scores["x4"]["nearest"] <= scores["x4"]["4x4 ceiling"]).all()
    assert (scores["x4"]["4x4 ceiling"] <= scores["x4"]["2x2 ceiling"]).all()


def test_a_trained_network_stays_below_its_ceiling(trained, val):
    model, _ = trained
    scores = training.score(training.predict(model, val.lr), val)
    assert (scores["x2"] <= training.score_baselines(val)["x2"]["2x2 ceiling"]).all()


# --- Stopping and going on --------------------------------------------------------------


class StopAfter(keras.callbacks.Callback):
    """Stand in for a kill: leave in the middle of the epoch after the given one."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 0 and batch == 1:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        self.epoch -= 1


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on_with_the_same_numbers(make_pairs, tmp_path):
    train, val = make_pairs(5), make_pairs(2, seed=1)
    file = tmp_path / "run.npz"

    def run(epochs, **how):
        model = models.build("residual", seed=3)
        curves = training.fit(model, train, val, epochs=epochs, batch_size=2, **how)
        return model, curves

    whole, expected = run(3)
    with pytest.raises(KeyboardInterrupt):
        run(3, checkpoint=file, callbacks=[StopAfter(2)])
    resumed, curves = run(3, checkpoint=file)

    assert curves == expected
    for a, b in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_a_finished_run_is_not_trained_again(make_pairs, tmp_path):
    """Though its settings are NumPy's, and its network was built and named once more."""
    train, val = make_pairs(3), make_pairs(1, seed=1)

    def run(order):
        return training.fit(
            tiny(seed=order),
            train,
            val,
            epochs=np.int64(2),
            batch_size=np.int32(2),
            seed=np.int64(5),
            loss_weights={"x2": np.float32(0.5), "x4": np.float64(1)},
            learning_rate=keras.optimizers.schedules.ExponentialDecay(1e-3, 2, 0.5),
            checkpoint=str(tmp_path / "not" / "there" / "run.npz"),
        )

    first = run(0)
    assert run(1) == first


def keep(file, train, val, model=None, **settings):
    model = model or tiny()
    settings = {"epochs": 2, "batch_size": 4, **settings}
    return training.fit(model, train, val, checkpoint=file, **settings)


@pytest.fixture(scope="module")
def kept(train, val, tmp_path_factory):
    """The bytes of a checkpoint, and the curves of its run."""
    file = tmp_path_factory.mktemp("kept") / "run.npz"
    curves = keep(file, train, val)
    return file.read_bytes(), curves


def other_tiny():
    """As many numbers as in `tiny`, wired otherwise."""
    model = tiny()
    x = model.get_layer("x2").input
    return keras.Model(model.input, {**model.output, "x2": model.get_layer("x2")(-x)})


OTHERS = {
    "seed": {"seed": 1},
    "loss_weights": {"loss_weights": {"x4": 2}},
    "learning_rate": {"learning_rate": 0.1},
    "form": {"at_small_size": False},
    "network": {"model": other_tiny},
    "photos": {},
    "code": {},
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_checkpoint_of_another_run_is_refused_by_name(
    train, val, kept, tmp_path, what, monkeypatch
):
    file, other = tmp_path / "run.npz", OTHERS[what]
    file.write_bytes(kept[0])
    if what == "photos":
        val = val[::-1]
    if what == "code":
        monkeypatch.setattr(training, "_code", lambda: "other code")
    model = other["model"]() if "model" in other else None
    with pytest.raises(ValueError, match=rf"run\.npz belongs .* its {what} is "):
        keep(file, train, val, **{**other, "model": model})
    assert file.read_bytes() == kept[0]


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"",
        lambda whole: whole[:99] + bytes(200) + whole[299:],
        lambda whole: b"no checkpoint at all",
    ],
    ids=["cut off", "empty", "zeros inside", "a text"],
)
def test_a_damaged_checkpoint_is_named_and_set_aside(train, val, kept, tmp_path, damage):
    file, damaged = tmp_path / "run.npz", damage(kept[0])
    file.write_bytes(damaged)
    with pytest.warns(UserWarning, match=r"run\.npz is damaged .* run\.npz\.damaged"):
        assert keep(file, train, val) == kept[1]
    assert file.with_name("run.npz.damaged").read_bytes() == damaged
    assert file.stat().st_size == len(kept[0])  # the new one is whole


def test_a_checkpoint_that_cannot_be_written_fails_before_the_first_step(
    train, val, tmp_path, monkeypatch
):
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("it was trained"))
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        keep(tmp_path / "file" / "run.npz", train, val)
    with pytest.raises(OSError, match=tmp_path.name):
        keep(tmp_path, train, val)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_run_that_diverged_is_named_now_and_when_it_is_started_again(
    train, val, tmp_path
):
    file = tmp_path / "run.npz"
    for who in (r"The training of functional.* diverged in epoch 1", r"run\.npz holds a"):
        with pytest.raises(training.DivergedError, match=who):
            keep(file, train, val, learning_rate=1e30)


def test_a_resumed_run_draws_the_same_chances(train, val, tmp_path):
    """Dropout has numbers of its own, which are no weights."""

    def model():
        keras.utils.set_random_seed(0)
        lr = keras.Input((None, None, 3))
        x = layers.Dropout(0.5)(layers.Conv2D(8, 3, padding="same")(lr))
        return keras.Model(lr, {"x2": layers.Conv2D(3, 1)(layers.UpSampling2D(2)(x))})

    expected = keep(None, train, val, model(), epochs=3)
    keep(tmp_path / "run.npz", train, val, model(), epochs=1)
    assert keep(tmp_path / "run.npz", train, val, model(), epochs=3) == expected


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

"""Training: what its numbers mean, that they come again, and what the settings do."""

import keras
import numpy as np
import pytest
from keras import layers

from srlib import data, metrics, models, training

HEADS = ("x2", "x4")


@pytest.fixture
def float64(monkeypatch):
    """Train in double precision, so that equal means equal and not nearly."""
    import tensorflow as tf

    def in_double(serve):
        def cast(lr, hr):
            return tf.cast(lr, "float64"), {h: tf.cast(x, "float64") for h, x in hr.items()}

        return lambda *args, **options: serve(*args, **options).map(cast)

    for name in ("training_batches", "validation_batches"):
        monkeypatch.setattr(data, name, in_double(getattr(data, name)))
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


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


# --- The small size -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
def test_fifty_steps_at_the_small_size_are_those_of_the_published_network(make_pairs):
    """Of one network. That each has the same gradients at both sizes: test_small.py."""
    train, val = make_pairs(5, lr_size=8), make_pairs(3, lr_size=8, seed=1)
    runs = []
    for at_small_size in (True, False):
        model = models.build("basic", seed=1)
        before = model.get_weights()
        curves = training.fit(
            model, train, val,
            epochs=17, batch_size=2, at_small_size=at_small_size,
            loss_weights={"x2": 0.3, "x4": 0.7},
        )  # fmt: skip
        runs.append((model.get_weights(), curves))
    (small_weights, small_curves), (weights, curves) = runs
    assert small_curves.keys() == curves.keys()
    for key, curve in curves.items():
        assert small_curves[key] == pytest.approx(curve, abs=1e-6)
    assert max(np.abs(a - b).max() for a, b in zip(weights, before, strict=True)) > 0.01
    for small_weight, weight in zip(small_weights, weights, strict=True):
        assert np.abs(small_weight - weight).max() < 1e-6


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


def test_a_loss_weight_for_no_output_is_refused_and_not_left_out(train, val):
    for model, wrong in [(tiny(), {"x2": 1, "x_4": 5}), (tiny(["x2"]), {"x2": 1, "x4": 1})]:
        outputs = ", ".join(model.output)
        with pytest.raises(ValueError, match=f"for {', '.join(wrong)}.*outputs {outputs}"):
            training.fit(model, train, val, epochs=1, loss_weights=wrong)


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
    drawn = training.predict(loud, lr)
    from_uint8 = training.predict(loud, val.lr)
    for head, scale in zip(HEADS, data.SCALES, strict=True):
        expected = np.clip(metrics.repeat_blocks(3 * lr - 1, scale), 0, 1)
        assert drawn[head].dtype == np.float32
        assert drawn[head] == pytest.approx(expected, abs=1e-6)
        assert np.array_equal(drawn[head], from_uint8[head])
    assert drawn["x2"].min() == 0
    assert drawn["x2"].max() == 1


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
    train, val = make_pairs(3), make_pairs(1, seed=1)
    settings = {"epochs": 2, "batch_size": 2, "checkpoint": tmp_path / "run.npz"}
    first = training.fit(models.build("basic", seed=0), train, val, **settings)
    again = models.build("basic", seed=99)
    assert training.fit(again, train, val, **settings) == first


def test_a_checkpoint_of_another_run_is_refused_by_name(make_pairs, tmp_path):
    train, val = make_pairs(3), make_pairs(1, seed=1)
    file = tmp_path / "run.npz"
    training.fit(models.build("basic", seed=0), train, val, epochs=1, checkpoint=file)
    with pytest.raises(ValueError, match=r"run\.npz belongs .* its seed is 0, .* is 1"):
        training.fit(models.build("basic"), train, val, epochs=1, checkpoint=file, seed=1)

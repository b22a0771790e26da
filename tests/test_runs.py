"""Runs: each done once, kept whole, gone on with after any stop, shared between workers."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from srlib import __main__ as cli
from srlib import data, models, training, zoo
from srlib.runs import plans, queue, results, runner, weights
from srlib.sources import backbone
from tests import worker

ROOT = Path(__file__).resolve().parents[1]
tiny = worker.tiny


@pytest.fixture(scope="module")
def photos():
    return worker.photos()


@pytest.fixture
def places(tmp_path):
    return {
        "folder": tmp_path / "results",
        "unfinished": tmp_path / "runs",
        "weights": tmp_path,
    }


def without_times(record):
    return {**vars(record), "seconds": 0}


def start(folder, seeds, how=""):
    command = [sys.executable, ROOT / "tests" / "worker.py", str(folder), seeds, how]
    return subprocess.Popen(
        list(filter(None, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def finish(process):
    out, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return out.split()


# --- The plans -------------------------------------------------------------------------


def test_unknown_plan_names_those_that_there_are():
    with pytest.raises(ValueError, match=r"'seed'\. Known: seeds, causes"):
        plans.plan("seed")


def test_names_are_unique():
    configs = {c for plan in plans.PLANS for c in plans.plan(plan)}
    assert len({c.name for c in configs}) == len(configs) > 100


def test_article_plan_is_the_articles():
    plan = plans.plan("article")
    assert [c.model for c in plan if c.seed == 0] == list(zoo.ARTICLE)
    seeds = {"basic": 3, "residual": 2, "efficientnet_1": 5, "depth_to_space": 5}
    for model, count in seeds.items():
        assert [c.seed for c in plan if c.model == model] == list(range(count))
    for config in plan:
        spec = zoo.NETWORKS[config.model]
        assert config.train_photos is config.val_photos is None
        assert (config.recipe, config.batch_size) == ("article", 64)
        assert config.total_epochs == spec.epochs
        assert config.loss_weights == spec.loss_weights
        assert config.patience == 4
        assert config.keeps_weights


@pytest.mark.parametrize(("recipe", "count"), [("article", 5), ("antialiased", 3)])
def test_seeds_plan_has_every_model_from_several_seeds(recipe, count):
    runs = [c for c in plans.plan("seeds") if c.recipe == recipe]
    for model in zoo.ARTICLE:
        assert [c.seed for c in runs if c.model == model] == list(range(count))


@pytest.mark.parametrize("model", ["atrous", "efficientnet_4"])
def test_weights_plan_sweeps_five_weights_from_three_seeds(model):
    runs = [c for c in plans.plan("weights") if c.model == model]
    for seed in range(3):
        swept = [c for c in runs if c.seed == seed and c.loss == "mse"]
        assert len({c.loss_weights["x2"] for c in swept}) == 5
        assert zoo.NETWORKS[model].loss_weights in [c.loss_weights for c in swept]
        assert sum(c.seed == seed and c.loss == "psnr" for c in runs) == 1


def test_causes_are_tried_from_three_seeds():
    for config in plans.plan("causes"):
        assert config.changes
        assert config.seed in range(3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "label"), [(m, label) for m, v in plans.CAUSES.items() for label in v]
)
def test_every_cause_is_a_network_that_differs_from_the_articles(model, label):
    changed = models.build(model, seed=0, **plans.CAUSES[model][label])
    assert changed.get_config() != models.build(model, seed=0).get_config()


@pytest.mark.parametrize(
    ("changes", "keeps"),
    [
        ({}, True),
        ({"seed": 1}, False),
        ({"recipe": "antialiased"}, False),
        ({"x2_weight": 0.5}, False),
        ({"loss": "psnr"}, False),
        ({"changes": (("head_size", 3),), "label": "head3x3"}, False),
    ],
)
def test_weights_are_kept_of_the_articles_first_seed(changes, keeps):
    assert plans.RunConfig("basic", **changes).keeps_weights == keeps


# --- One run ---------------------------------------------------------------------------


def test_a_run_leaves_a_record_weights_and_nothing_else(photos, places, tmp_path):
    record = runner.run(tiny(0), photos, **places)
    file = runner.record_file(tiny(0), "sample", places["folder"])
    assert (
        results.read(file)
        == results.load("sample", folder=places["folder"], accepted=False)[0]
    )
    assert record.name == "basic_x2-article-4x3-s0"
    assert (record.train_images, record.val_images, record.epochs) == (4, 2, 3)
    assert record.parameters == zoo.NETWORKS["basic_x2"].parameters
    assert list(places["unfinished"].iterdir()) == []
    assert (tmp_path / "basic_x2-article-4x3-s0.keras").exists()


def test_its_scores_are_those_of_the_kept_network(photos, places, tmp_path):
    record = runner.run(tiny(0), photos, **places)
    model = keras.saving.load_model(tmp_path / f"{record.name}.keras", safe_mode=True)
    val = data.load_pairs(photos.take(4, 2), "val", "article")
    scores = training.score(training.predict(model, val.lr), val)["x2"]
    np.testing.assert_allclose(record.per_image["x2"], scores, atol=1e-4)
    assert record.psnr_db["x2"] == pytest.approx(scores.mean(), abs=1e-4)


def test_a_run_that_is_done_is_only_read(photos, places, monkeypatch):
    first = runner.run(tiny(1), photos, **places)
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = runner.run(tiny(1), photos, **places)
    assert again.name == first.name
    assert again.per_image["x2"] == pytest.approx(first.per_image["x2"], rel=1e-5)


@pytest.mark.slow
def test_a_deleted_record_is_made_again_and_equal(photos, places):
    first = runner.run(tiny(1), photos, **places)
    runner.record_file(tiny(1), "sample", places["folder"]).unlink()
    assert without_times(runner.run(tiny(1), photos, **places)) == without_times(first)


def test_too_few_photos_are_refused(photos, places):
    with pytest.raises(data.DataError, match="1000"):
        runner.run(tiny(0, train_photos=1000), photos, **places)
    assert not places["folder"].exists()


def test_a_flat_run_stops_early_and_says_so(photos, places, monkeypatch):
    fit = training.fit
    monkeypatch.setattr(training, "fit", lambda *a, **k: fit(*a, **k, learning_rate=0.0))
    record = runner.run(tiny(1, epochs=9, patience=2), photos, **places)
    assert record.stopped_early
    assert len(record.history["loss"]) == 3  # the first, and two that were no better


@pytest.mark.slow
def test_a_killed_run_ends_with_the_numbers_of_an_unbroken_one(photos, places, tmp_path):
    process = start(tmp_path, "0", "kill")
    process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL
    left = {path.suffix for path in places["unfinished"].iterdir()}
    assert ".npz" in left
    assert not runner.record_file(tiny(0), "sample", places["folder"]).exists()
    resumed = runner.run(tiny(0), photos, **places)
    elsewhere = {name: tmp_path / "other" / name for name in ("folder", "unfinished")}
    unbroken = runner.run(tiny(0), photos, **elsewhere, weights=tmp_path)
    assert without_times(resumed) == without_times(unbroken)


# --- What is damaged, or of another run ------------------------------------------------


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """The record of `tiny(1)`, in a folder to copy."""
    folder = tmp_path_factory.mktemp("finished")
    runner.run(tiny(1), photos, folder=folder, unfinished=folder / "runs", weights=folder)
    return folder / "sample"


@pytest.fixture
def done(finished, places):
    """The same in this test's own folder."""
    shutil.copytree(finished, places["folder"] / "sample")
    return runner.record_file(tiny(1), "sample", places["folder"])


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained"))


def stop(*_, **__):
    raise KeyboardInterrupt


def change(file, **changes):
    content = json.loads(file.read_text(encoding="utf-8")) | changes
    file.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:1000]), "cannot be read"),
        (lambda file: change(file, psnr_db={"x2": 99}), "psnr_db is 99"),
        (lambda file: change(file, batch_size=3), "batch_size is 3, but .* this run is 2"),
        (lambda file: change(file, name=tiny(2).name, seed=2), "its name is"),
    ],
    ids=["truncated", "scores", "settings", "seed"],
)
def test_a_record_that_is_not_of_its_run_is_set_aside_and_made_again(
    photos, places, done, monkeypatch, spoil, named
):
    spoil(done)
    assert queue.missing([tiny(1)], photos, places["folder"]) == [tiny(1)]
    monkeypatch.setattr(training, "fit", stop)
    with pytest.warns(UserWarning, match=named), pytest.raises(KeyboardInterrupt):
        runner.run(tiny(1), photos, **places)
    assert [file.name for file in done.parent.glob("*.*")] == [f"{done.name}.damaged"]


def test_a_record_of_odd_settings_is_found_again(photos, places, done):
    """Its file holds lists for tuples, and six digits."""
    changes = (("rates", (1, 1)), ("scale", 1 / 55))
    odd = tiny(1, changes=changes, label="odd")
    record = results.read(done)
    odd_record = dataclasses.replace(record, name=odd.name, changes=dict(changes))
    results.write(odd_record, places["folder"])
    assert queue.missing([odd], photos, places["folder"]) == []


def test_the_record_of_other_photos_is_never_taken_for_done_nor_overwritten(
    photos, places, done, no_training
):
    others = dataclasses.replace(photos, train=photos.train[1:])
    assert queue.missing([tiny(1)], photos, places["folder"]) == []
    assert queue.missing([tiny(1)], others, places["folder"]) == [tiny(1)]
    with pytest.raises(runner.OtherPhotosError, match=rf"{done.name}: its data_digest is"):
        runner.run(tiny(1), others, **places)
    assert done.exists()


def test_other_content_under_the_same_names_is_another_digest(tmp_path, make_folder):
    folder = make_folder(tmp_path / "photos", count=2)
    files = sorted(folder.iterdir())
    before = runner.photos_digest(files)
    files[0].write_bytes(files[1].read_bytes())
    assert runner.photos_digest(files) != before
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg"))
    assert runner.photos_digest([files[0].rename(odd)]) != before


def test_lost_baselines_are_made_again_without_training(photos, places, done, no_training):
    (beside,) = (done.parent / "baselines").iterdir()
    kept = beside.read_text("utf-8")
    beside.write_text(kept[:100], "utf-8")
    assert queue.missing([tiny(1)], photos, places["folder"]) == [tiny(1)]
    with pytest.warns(UserWarning, match=rf"{beside.name}: cannot be read"):
        runner.run(tiny(1), photos, **places)
    # A network with one output has no scores at x4; the next one may.
    assert json.loads(beside.read_text("utf-8")) == json.loads(kept)
    assert set(json.loads(kept)) == {"name", "x2", "x4"}


@pytest.mark.parametrize("blocked", ["folder", "unfinished", "weights"])
def test_folders_are_tried_before_the_first_step(photos, places, no_training, blocked):
    file = places["weights"] / "file"
    file.write_text("in the way")
    with pytest.raises(OSError, match=r"file.* cannot be written to"):
        runner.run(tiny(0), photos, **(places | {blocked: file / "inside"}))


@pytest.mark.parametrize("note", [None, "{", '{"seconds": 3}', '{"code": "older"}'])
def test_a_checkpoint_of_other_code_is_set_aside_and_the_run_starts_afresh(
    photos, places, monkeypatch, note
):
    checkpoint = places["unfinished"] / f"{tiny(1).name}.npz"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"of another network")
    if note is not None:
        checkpoint.with_suffix(".json").write_text(note)

    monkeypatch.setattr(training, "fit", stop)
    with (
        pytest.warns(UserWarning, match=rf"{checkpoint.name}: .* other code"),
        pytest.raises(KeyboardInterrupt),
    ):
        runner.run(tiny(1), photos, **places)
    assert not checkpoint.exists()
    assert checkpoint.with_name(f"{checkpoint.name}.damaged").exists()


def test_a_run_goes_on_under_the_same_code_alone(photos, places, monkeypatch):
    halt = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: stop())
    with pytest.raises(KeyboardInterrupt):
        runner.run(tiny(1), photos, **places, callbacks=[halt])
    monkeypatch.setattr(training, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        runner.run(tiny(1), photos, **places)
    checkpoint = places["unfinished"] / f"{tiny(1).name}.npz"
    assert checkpoint.exists()
    monkeypatch.setattr(runner, "_code_digest", lambda: "f" * 16)
    with pytest.warns(UserWarning, match="other code"), pytest.raises(KeyboardInterrupt):
        runner.run(tiny(1), photos, **places)
    assert not checkpoint.exists()


def test_a_run_that_diverged_is_named_and_not_tried_for_ever(photos, places, monkeypatch):
    fit, trained = training.fit, []

    def diverge(*args, seed, **kwargs):
        trained.append(seed)
        rate = 1e38 if seed == 1 else 1e-3
        return fit(*args, seed=seed, learning_rate=rate, **kwargs)

    monkeypatch.setattr(training, "fit", diverge)
    configs = [tiny(1), tiny(2)]
    for _ in range(2):  # the second time nothing is trained
        with pytest.raises(
            ValueError, match=rf"{tiny(1).name}: weights or loss are NaN from epoch"
        ):
            queue.work_off(configs, photos, study="tiny", **places)
    assert trained == [1, 2]
    assert queue.missing(configs, photos, places["folder"]) == [tiny(1)]
    assert not (places["unfinished"] / f"{tiny(1).name}.npz").exists()


def test_who_finds_the_record_made_by_another_is_content(photos, places, done):
    content = done.read_bytes()
    away = done.rename(done.with_suffix(".away"))
    other = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: epoch == 1 and away.rename(done)
    )
    runner.run(tiny(1), photos, **places, callbacks=[other])
    assert done.read_bytes() == content
    assert list(places["unfinished"].iterdir()) == []


# --- Several workers -------------------------------------------------------------------


@pytest.mark.slow
def test_two_workers_share_the_runs_and_repeat_none(tmp_path, places):
    both = [start(tmp_path, "0,1,2,3"), start(tmp_path, "0,1,2,3")]
    begun = [name for process in both for name in finish(process)]
    assert sorted(begun) == sorted(tiny(seed).name for seed in range(4))
    assert queue.missing(map(tiny, range(4)), worker.photos(), places["folder"]) == []


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "wait"])
def test_the_run_of_a_dead_worker_is_taken_up(tmp_path, places, how):
    first = start(tmp_path, "0", how)
    name, halt = first.stdout.readline().strip(), first.stdout.readline().strip()
    assert (name, halt) == (tiny(0).name, "halt")
    first.kill()
    first.wait(timeout=60)
    assert finish(start(tmp_path, "0")) == [name]
    assert queue.missing([tiny(0)], worker.photos(), places["folder"]) == []


def test_a_damaged_study_is_set_aside(photos, places, done):
    places["unfinished"].mkdir()
    study = places["unfinished"] / "study.sqlite"
    study.write_bytes(b"no database" * 1000)
    with pytest.warns(UserWarning, match=r"study\.sqlite is damaged"):
        queue.work_off([tiny(1)], photos, study="tiny", **places)
    left = {file.name for file in places["unfinished"].iterdir()}
    assert left == {"study.sqlite", "study.sqlite.damaged"}


def test_a_worker_that_was_taken_for_dead_ends_well(photos, places, finished, monkeypatch):
    """It slept; another called its trial failed. Its own run is done all the same."""
    import optuna

    def sleep_and_be_overtaken(config, *_, **__):
        shutil.copytree(finished, places["folder"] / "sample")
        study = optuna.load_study(
            study_name="tiny sample",
            storage=f"sqlite:///{places['unfinished'] / 'study.sqlite'}",
        )
        (trial,) = study.get_trials()
        study._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
        return results.read(runner.record_file(config, "sample", places["folder"]))

    monkeypatch.setattr(queue, "run", sleep_and_be_overtaken)
    queue.work_off([tiny(1)], photos, study="tiny", **places)


# --- Trained weights -------------------------------------------------------------------


def test_weights_come_back_as_they_were(tmp_path):
    model = models.build("basic", seed=3)
    config = plans.RunConfig("basic")
    weights.save_weights(model, config.name, tmp_path)
    loaded, found = weights.load_trained("basic", tmp_path)
    assert found == config
    lr = np.random.default_rng(0).random((1, 9, 8, 3), np.float32)
    np.testing.assert_array_equal(loaded(lr)["x4"], model(lr)["x4"])


def test_the_long_run_of_a_network_is_loaded_once_it_is_there(tmp_path):
    """Whatever of the other networks is there."""
    model = models.build("basic", seed=3)
    long, short = (
        next(c for c in plans.plan(name) if c.model == "basic" and c.keeps_weights)
        for name in ("article", "seeds")
    )
    for config in (short, long):
        weights.save_weights(model, config.name, tmp_path)
        assert weights.load_trained("basic", tmp_path)[1] == config
    other = next(
        c for c in plans.plan("seeds") if c.model == "basic_x2" and c.keeps_weights
    )
    weights.save_weights(model, other.name, tmp_path)
    assert weights.load_trained("basic", tmp_path)[1] == long


def test_weights_that_are_not_those_listed_are_refused(tmp_path):
    config = plans.RunConfig("basic")
    file = weights.save_weights(models.build("basic", seed=3), config.name, tmp_path)
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(backbone.WeightsError, match=config.name):
        weights.load_trained("basic", tmp_path)


def test_missing_weights_say_how_to_make_them(tmp_path):
    with pytest.raises(backbone.WeightsError, match=r"basic-article.*--plan article"):
        weights.load_trained("basic", tmp_path)


def test_a_second_model_keeps_the_list_of_the_first(tmp_path):
    for name in ("basic", "basic_x2", "basic"):
        model = models.build(name, seed=0)
        weights.save_weights(model, plans.RunConfig(name).name, tmp_path)
    for name in ("basic", "basic_x2"):
        weights.load_trained(name, tmp_path)


def test_the_digest_is_of_what_lies_there_whoever_wrote_last(tmp_path, monkeypatch):
    file, sha256 = tmp_path / "model.keras", backbone.sha256
    file.write_bytes(b"mine")

    def overtaken(path):
        found = sha256(path)
        file.write_bytes(b"another worker's")
        return found

    monkeypatch.setattr(backbone, "sha256", overtaken)
    backbone.list_sha256(file)
    backbone.check_listed(file)


@pytest.mark.parametrize("name", zoo.ARTICLE)
def test_the_course_has_weights_of_every_model(name):
    model, config = weights.load_trained(name)
    assert model.count_params() == zoo.NETWORKS[name].parameters
    assert runner.record_file(config, "voc2007").exists()
    assert (backbone.WEIGHTS_FOLDER / f"{config.name}.keras").stat().st_size < 1e6


# --- The command line ------------------------------------------------------------------


def test_dry_run_lists_what_is_to_do(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    sample = str(data.sample_folder())
    assert cli.main(["run", "--plan", "seeds", "--dry-run", "--data", sample]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"{len(plans.plan('seeds'))} runs, 0 of them done" in lines[0]
    assert "to do  basic-article-1000x6-s0" in lines
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--only", "basik"], "no run is named 'basik'. --dry-run lists"),
        (["--only", ""], "no run is named ''. --dry-run lists"),
        (["--threads=-3"], "--threads is -3, expected 0 or more"),
        (["--storage", "nonsense"], "storage of the study cannot be used: Could not parse"),
        (["--storage", ""], "storage of the study cannot be used: Could not parse"),
        (["--storage", "oracle://host/x"], "cannot be used: Failed to import DB"),
        (["--storage", "sqlite:////no/where.db"], "unable to open database file"),
    ],
)
def test_nonsense_is_one_sentence(capfd, monkeypatch, tmp_path, options, sentence):
    monkeypatch.setattr(queue.time, "sleep", lambda _: None)
    monkeypatch.setattr(queue, "RUNS", tmp_path)
    sample = str(data.sample_folder())
    assert cli.main(["run", "--plan", "seeds", "--data", sample, *options]) == 1
    said = capfd.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


def test_without_optuna_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == "optuna" else name)
    assert cli.main(["run", "--plan", "seeds"]) == 1
    assert "pip install optuna" in capsys.readouterr().err


@pytest.fixture
def tiny_plan(monkeypatch, tmp_path):
    """Let the plan "seeds" be two tiny runs, kept in a folder of the test's own."""
    monkeypatch.setitem(plans.PLANS, "seeds", lambda: iter([tiny(1), tiny(2)]))
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(queue, "RUNS", tmp_path / "runs")
    return ["run", "--plan", "seeds", "--data", str(data.sample_folder())]


@pytest.mark.slow
def test_one_command_does_a_plan_and_makes_a_deleted_record_again(tiny_plan, tmp_path):
    assert cli.main(tiny_plan) == 0
    records = sorted((tmp_path / "results" / "sample").glob("*.json"))
    assert [file.stem for file in records] == [tiny(1).name, tiny(2).name]
    records[0].unlink()
    assert cli.main(tiny_plan) == 0
    assert records[0].exists()


@pytest.mark.slow
def test_a_stop_keeps_what_is_done(tiny_plan, tmp_path, monkeypatch, capfd):
    run = runner.run

    def stopped(config, *args, **kwargs):
        if config.seed == 2:
            raise KeyboardInterrupt
        return run(config, *args, **kwargs)

    monkeypatch.setattr(queue, "run", stopped)
    assert cli.main(tiny_plan) == 130
    said = capfd.readouterr().err
    assert "The same command goes on from here" in said
    assert "Traceback" not in said
    done = tmp_path / "results" / "sample"
    assert [file.stem for file in done.glob("*.json")] == [tiny(1).name]
    monkeypatch.setattr(queue, "run", run)
    assert cli.main(tiny_plan) == 0
    assert len(list(done.glob("*.json"))) == 2


def test_a_trained_network_loads_in_a_process_that_did_nothing_else():
    code = "from srlib.runs.weights import load_trained; load_trained('depth_to_space')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0

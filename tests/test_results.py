"""Records: what is written comes back, and what cannot be trusted is refused by name."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from srlib.runs import results

HEADS = ("x2", "x4")


def make_record(**changes):
    count = changes.get("val_images", 3)
    sound = {
        "name": "basic-article-4x2-s0",
        "model": "basic",
        "changes": {},
        "dataset": "sample",
        "recipe": "article",
        "seed": 0,
        "loss": "mse",
        "loss_weights": dict.fromkeys(HEADS, 1.0),
        "epochs": 2,
        "batch_size": 4,
        "patience": None,
        "stopped_early": False,
        "train_images": 4,
        "val_images": count,
        "backbone": None,
        "parameters": 39_110,
        "trainable_parameters": 39_110,
        "history": {"loss": [0.2, 0.1], "val_x2_psnr_db": [19.0, 20.0]},
        "psnr_db": dict.fromkeys(HEADS, 20.0),
        "article_psnr_db": dict.fromkeys(HEADS, 19.5),
        "ssim": dict.fromkeys(HEADS, 0.5),
        "per_image": {head: [20.0] * count for head in HEADS},
        "baselines": {head: {"bilinear": [21.0] * count} for head in HEADS},
        "seconds": 12.5,
        "versions": {"python": "3.11.7"},
        "srlib_digest": "0123456789abcdef",
        "data_digest": "fedcba9876543210",
    }
    return results.Record(**(sound | changes))


def accept(folder, *digests):
    reasons = dict.fromkeys(digests, "a test")
    (folder / results.ACCEPTED).write_text(json.dumps(reasons), encoding="utf-8")


def spoil(file, **changes):
    content = json.loads(file.read_text(encoding="utf-8")) | changes
    file.write_text(json.dumps(content), encoding="utf-8")


# --- Files -----------------------------------------------------------------------------


def test_a_record_comes_back_as_it_was(tmp_path):
    record = make_record()
    file = results.write(record, tmp_path)
    assert file == tmp_path / "sample" / "basic-article-4x2-s0.json"
    assert results.read(file) == record
    assert sorted(path.name for path in file.parent.iterdir()) == ["baselines", file.name]


def test_numbers_keep_six_digits(tmp_path):
    file = results.write(make_record(seconds=123.456789), tmp_path)
    assert results.read(file).seconds == 123.457


def test_a_record_with_a_defect_is_not_written(tmp_path):
    bad = make_record(psnr_db={"x2": float("nan"), "x4": 20.0})
    with pytest.raises(results.RecordError, match=r"basic-.*psnr_db\.x2 is not a finite"):
        results.write(bad, tmp_path)
    assert list(tmp_path.rglob("*.*")) == []


def test_a_record_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    def fail(self, *args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        results.write(make_record(), tmp_path)
    assert list(tmp_path.rglob("*.json")) == []


def test_records_are_loaded_in_the_order_of_their_names(tmp_path):
    for seed in (2, 0, 1):
        results.write(make_record(name=f"basic-article-4x2-s{seed}", seed=seed), tmp_path)
    accept(tmp_path, "0123456789abcdef")
    assert [r.seed for r in results.load("sample", folder=tmp_path)] == [0, 1, 2]


def test_a_folder_without_records_says_how_to_make_them(tmp_path):
    with pytest.raises(results.RecordError, match=r"no records.*srlib run"):
        results.load("voc2007", folder=tmp_path)


# --- What is refused -------------------------------------------------------------------


@pytest.mark.parametrize("field", sorted(results.REQUIRED))
def test_a_missing_field_is_named(tmp_path, field):
    file = results.write(make_record(), tmp_path)
    content = json.loads(file.read_text(encoding="utf-8"))
    del content[field]
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(
        results.RecordError, match=rf"{file.name}.*field {field} is missing"
    ):
        results.read(file)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"colour": "red"}, "field colour is unknown"),
        ({"name": "other"}, "its name is other, expected basic"),
        ({"dataset": "voc2007"}, "its dataset is voc2007, expected sample"),
        ({"seed": 1}, "is named basic-article-4x2-s0, but holds the run .*-s1"),
        ({"model": "atrous"}, "holds the run atrous"),
        ({"changes": {"head_size": 3}}, r"holds the run basic-\.\+-article"),
        ({"history": {"loss": [0.2, float("nan")]}}, r"history\.loss\.1 is not a finite"),
        ({"seconds": float("inf")}, "seconds is not a finite"),
        ({"history": {"loss": [0.2]}}, r"history has \[1\] epochs, expected 2"),
        ({"per_image": {"x2": [20.0], "x4": [20.0] * 3}}, "x2 per_image: scores is 1"),
        ({"per_image": {"x2": [], "x4": [20.0] * 3}}, "x2 per_image: scores is 0"),
        ({"psnr_db": {"x2": 99, "x4": 20}}, "x2 psnr_db is 99, but .* photos is 20.0000"),
        ({"ssim": {"x2": 0.5}}, r"ssim is \['x2'\], expected \['x2', 'x4'\]"),
        ({"srlib_digest": "none"}, "srlib_digest is 'none'"),
        ({"data_digest": "0123456789ABCDEF"}, "data_digest is"),
        ({"seed": "0"}, "seed is a str, expected int"),
        ({"history": [0.2, 0.1]}, "history is a list, expected dict"),
        ({"per_image": {"x2": "20", "x4": [20.0] * 3}}, r"per_image\.x2 is a str"),
        ({"per_image": {"x2": ["20"], "x4": [20.0] * 3}}, r"per_image\.x2\.0 is a str"),
        ({"ssim": {"x2": "0.5", "x4": 0.5}}, r"ssim\.x2 is a str, expected float"),
        ({"stopped_early": 1}, "stopped_early is a int, expected bool"),
        ({"patience": 0.5}, "patience is a float, expected int"),
    ],
)
def test_a_defect_is_named(tmp_path, changes, complaint):
    file = results.write(make_record(), tmp_path)
    spoil(file, **changes)
    with pytest.raises(results.RecordError, match=complaint) as caught:
        results.read(file)
    assert str(file) in str(caught.value)
    assert "Delete it" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"name": 1}', "\x00", "[" * 9999])
def test_what_is_not_a_record_is_refused(tmp_path, text):
    file = tmp_path / "broken.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(results.RecordError, match=r"broken\.json"):
        results.read(file)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [f.name for f in dataclasses.fields(results.Record) if f.name != "baselines"]
)


@given(field=FIELDS, value=json_values)
def test_whatever_a_field_holds_the_check_itself_does_not_fail(field, value):
    content = dataclasses.asdict(make_record()) | {field: value}
    del content["baselines"]
    for defect in results.defects(content, Path("sample/basic-article-4x2-s0.json")):
        assert isinstance(defect, str)
        assert defect


# --- Baselines: once for all records of the same photos --------------------------------


def beside(tmp_path):
    (file,) = (tmp_path / "sample" / "baselines").iterdir()
    return file


def test_records_of_the_same_photos_share_their_baselines(tmp_path):
    for seed in range(3):
        results.write(make_record(name=f"basic-article-4x2-s{seed}", seed=seed), tmp_path)
    assert beside(tmp_path).name == "article-fedcba9876543210.json"
    accept(tmp_path, "0123456789abcdef")
    for record in results.load("sample", folder=tmp_path):
        np.testing.assert_array_equal(record.baseline("x4", "bilinear"), [21.0] * 3)


def test_other_baselines_of_the_same_photos_are_refused(tmp_path):
    results.write(make_record(), tmp_path)
    other = {head: {"bilinear": [21.0, 21.0, 21.1]} for head in HEADS}
    with pytest.raises(results.RecordError, match="holds other scores by bilinear at x2"):
        results.write(make_record(baselines=other), tmp_path)


@pytest.mark.parametrize(
    ("spoil_it", "complaint"),
    [
        (lambda file: file.unlink(), "cannot be read"),
        (lambda file: file.write_text("{"), "cannot be read"),
        (lambda file: spoil(file, name="antialiased-fedcba9876543210"), "no baselines of"),
        (
            lambda file: spoil(file, x2={"bilinear": ["21"] * 3}),
            r"x2\.bilinear\.0 is a str",
        ),
        (lambda file: spoil(file, x2={"bilinear": [21.0]}), r"has \[1, 3\] scores"),
    ],
)
def test_baselines_that_do_not_belong_to_a_record_are_named(tmp_path, spoil_it, complaint):
    file = results.write(make_record(), tmp_path)
    name = beside(tmp_path).name
    spoil_it(beside(tmp_path))
    with pytest.raises(results.BaselinesError, match=rf"{name}.*{complaint}"):
        results.read(file)


def test_what_came_later_has_a_default(tmp_path):
    """So that a new metric refuses no record from before."""
    assert "black" not in results.REQUIRED
    file = results.write(make_record(), tmp_path)
    assert "black" not in json.loads(file.read_text(encoding="utf-8"))
    assert results.read(file).black == {}


def test_a_file_is_read_again_when_it_has_changed(tmp_path, monkeypatch):
    file = results.write(make_record(), tmp_path)
    results.read(file)
    with monkeypatch.context() as patch:
        patch.setattr(json, "loads", lambda _: pytest.fail("read twice"))
        results.read(file)
    results.write(make_record(seconds=1234.5), tmp_path)
    assert results.read(file).seconds == 1234.5


def test_a_record_of_an_unlisted_srlib_is_refused(tmp_path):
    results.write(make_record(), tmp_path)
    accept(tmp_path, "ffffffffffffffff")
    with pytest.raises(
        results.RecordError, match=r"basic-.* made with srlib 0123456789abcdef"
    ):
        results.load("sample", folder=tmp_path)


def test_records_of_other_photos_are_not_mixed(tmp_path):
    results.write(make_record(), tmp_path)
    other = make_record(name="basic-article-4x2-s1", seed=1, data_digest="0" * 16)
    results.write(other, tmp_path)
    accept(tmp_path, "0123456789abcdef")
    with pytest.raises(results.RecordError, match=r"-s1: its data_digest is 0000"):
        results.load("sample", folder=tmp_path)


# --- Comparing -------------------------------------------------------------------------


def test_select_keeps_what_was_asked_for():
    records = [make_record(seed=seed) for seed in range(4)]
    assert results.select(records, seed=2) == [records[2]]
    assert results.select(records, seed=lambda seed: seed < 2, model="basic") == records[:2]
    assert results.select(records, model="atrous") == []


def test_the_interval_agrees_with_scipy():
    differences = np.random.default_rng(0).normal(0.2, 0.5, 120)
    low, high = results.bootstrap_interval(differences, draws=20_000)
    theirs = scipy.stats.bootstrap(
        (differences,), np.mean, n_resamples=20_000, method="percentile", rng=0
    ).confidence_interval
    assert low == pytest.approx(theirs.low, abs=0.01)
    assert high == pytest.approx(theirs.high, abs=0.01)


numbers = st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=40)


@given(numbers)
def test_the_interval_holds_the_mean_of_what_was_drawn(differences):
    low, high = results.bootstrap_interval(np.array(differences), draws=400)
    assert min(differences) - 1e-6 <= low <= high <= max(differences) + 1e-6


@given(numbers, st.floats(-3, 3))
def test_moving_all_differences_moves_the_interval(differences, shift):
    low, high = results.bootstrap_interval(np.array(differences), draws=200)
    moved = results.bootstrap_interval(np.array(differences) + shift, draws=200)
    assert moved == pytest.approx((low + shift, high + shift), abs=1e-6)


def test_equal_differences_leave_no_doubt():
    assert results.bootstrap_interval(np.full(10, 0.25)) == (0.25, 0.25)

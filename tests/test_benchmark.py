"""The benchmark: what it counts, what it keeps, and what it refuses."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from srlib import models, zoo
from tools.speed import benchmark, measurements

MACHINE = {"cores": 2, "processor": "p", "tensorflow": "2.20.0"}


def part(**numbers):
    return {"date": "2026-01-02", "load before": 0.1, **numbers}


def content(**parts):
    return {"machine": dict(MACHINE), "parts": parts}


MEMORY = content(memory=part(**{"peak GiB": 1.5}))


def test_a_result_is_written_and_read_back(tmp_path):
    file = tmp_path / "benchmark.json"
    benchmark.write(MEMORY, file)
    assert benchmark.read(file) == MEMORY
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ([], "fields machine and parts"),
        (content(speed=part()), "the part speed is unknown"),
        (content(memory={"peak GiB": 1.5}), "lacks its date"),
        (content(memory=part()), "memory / peak GiB is None"),
        (content(memory=part(**{"peak GiB": float("nan")})), "is nan, expected"),
        (content(memory=part(**{"peak GiB": -1})), "is -1, expected"),
    ],
)
def test_a_broken_result_is_neither_written_nor_read(tmp_path, broken, message):
    file = tmp_path / "benchmark.json"
    with pytest.raises(benchmark.BenchmarkError, match=message):
        benchmark.write(broken, file)
    assert not file.exists()
    file.write_text(json.dumps(broken))
    with pytest.raises(benchmark.BenchmarkError, match=message):
        benchmark.read(file)


def test_a_part_measured_anew_leaves_the_others():
    old = content(memory=part(**{"peak GiB": 1.5}), book=part(**{"median seconds": 5}))
    new = content(memory=part(**{"peak GiB": 1.6}))
    merged = benchmark.merge(old, new)
    assert merged["parts"]["memory"]["peak GiB"] == 1.6
    assert merged["parts"]["book"]["median seconds"] == 5


def test_parts_of_two_machines_are_not_mixed():
    new = content(memory=part(**{"peak GiB": 1.6}))
    new["machine"]["cores"] = 8
    with pytest.raises(benchmark.BenchmarkError, match=r"'cores': 2.*'cores': 8"):
        benchmark.merge(MEMORY, new)


@pytest.mark.parametrize(("gib", "kept"), [(1.5, "yes"), (2.6, "no")])
def test_a_missed_target_is_shown_as_missed(gib, kept):
    found = list(benchmark.rows(content(memory=part(**{"peak GiB": gib}))))
    assert found == [
        ("memory, all of VOC 2007", f"{gib:.2f} GiB", "at most 2.50 GiB", kept)
    ]


def test_the_table_stands_between_the_marks(tmp_path):
    file = tmp_path / "README.md"
    file.write_text(f"before\n{benchmark.BEGIN}\nold\n{benchmark.END}\nafter\n")
    benchmark.write_table(MEMORY, file)
    text = file.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| 1.50 GiB | at most 2.50 GiB | yes |" in text


def test_the_readme_shows_the_committed_benchmark():
    table = benchmark.readme_table(benchmark.read(benchmark.RESULT))
    text = (benchmark.ROOT / "README.md").read_text(encoding="utf-8")
    assert table in text, "run python -m tools.speed.benchmark --readme"


def test_every_target_of_the_readme_was_measured():
    measured = benchmark.read(benchmark.RESULT)
    promised = [target for target in benchmark.TARGETS if target.limit is not None]
    assert len(list(benchmark.rows(measured, promised=True))) == len(promised)


def test_what_is_compared_is_run_in_turn_in_an_order_that_changes():
    calls = []
    effort = measurements.Effort(repeats=8, warmups=1)
    steps = {name: lambda name=name: calls.append(name) for name in "abc"}
    times = measurements.alternate(steps, effort, before={"b": lambda: calls.append("-")})
    assert calls[:3] == ["a", "b", "c"]
    turns = [calls[start : start + 4] for start in range(3, len(calls), 4)]
    assert len(turns) == 8
    for turn in turns:
        assert sorted(turn) == ["-", "a", "b", "c"]
        assert turn[turn.index("-") + 1] == "b"
    assert len({tuple(turn) for turn in turns}) > 2
    assert [len(taken) for taken in times.values()] == [8, 8, 8]


def test_the_rebuilt_generator_walks_on_and_swaps_the_colours(tmp_path):
    import cv2

    paths = []
    for k in range(3):
        paths.append(tmp_path / f"{k}.png")
        cv2.imwrite(str(paths[-1]), np.full((300, 300, 3), (10 * k, 0, 200), np.uint8))
    batches = measurements.article_batches(paths, 2)
    first, second = next(batches), next(batches)
    assert [stack.shape for stack in first] == [(2, s, s, 3) for s in (72, 144, 288)]
    blues = np.concatenate([first[0], second[0]])[:, 0, 0, 0] * 255
    assert blues.round().tolist() == [0, 10, 20, 0]
    assert first[0].dtype == np.float64


def test_operations_of_a_step_are_counted_by_hand():
    x = models.photo_input()
    model = keras.Model(x, {"x2": models.conv(x, 8, 3, activation=None)})
    model.compile("sgd", loss={"x2": "mse"})
    lr, target = np.ones((1, 5, 5, 3), "float32"), np.ones((1, 5, 5, 8), "float32")
    model.train_on_batch(lr, {"x2": target})
    graph = measurements.step_graph(model, lr, {"x2": target})
    # Forwards, and backwards to the kernel; nothing in front of it wants a gradient.
    by_hand = 2 * 2e-9 * 25 * 9 * 3 * 8
    assert measurements.convolved_gflop(graph) == pytest.approx(by_hand)


@pytest.mark.slow
def test_the_bare_convolutions_are_those_of_the_step():
    lr, hr = measurements.random_batch(1, 12)
    form, blocks = measurements.our_form("basic")
    graph = measurements.step_graph(form, lr, measurements.pack(hr, blocks))
    bare = measurements.bare_convolutions(graph)
    done = bare.func.get_concrete_function(*bare.args).graph
    kinds = [
        sorted(op.type for op in g.get_operations() if op.type.startswith("Conv2D"))
        for g in (graph, done)
    ]
    kinds[0].remove("Conv2DBackpropInput")  # of the photo, which nothing asks for
    assert kinds[0] == kinds[1]
    assert all(np.isfinite(number) for number in bare())


@pytest.mark.slow
def test_every_quick_part_runs_and_is_sound():
    parts = ("steps", "unchanged", "waiting", "sizes", "import")
    found = benchmark.measure(parts, quick=True)
    assert measurements.QUICK.models == ("basic",)  # of the others nothing is known
    others = [f"/ {name} /" for name in zoo.NETWORKS if name != "basic"]
    defects = benchmark.defects(found)
    assert [d for d in defects if not any(o in d for o in others)] == []
    assert found["parts"]["unchanged"]["largest difference"] < 0.05
    assert not found["parts"]["import"]["TensorFlow imported"]

"""Chapter 9's tables, worked out again from the records' files by plain loops."""

from __future__ import annotations

import re
from statistics import mean

import nbformat
import pytest

from srlib import zoo
from srlib.runs import claims, results, verdicts
from tools.notebooks.chapters import CHAPTERS


@pytest.fixture(scope="module")
def outputs():
    """Everything that the cells print as Markdown, by cell."""
    notebook = nbformat.read(CHAPTERS / "09-verdicts.ipynb", as_version=4)
    return {
        cell.id: [o.data["text/markdown"] for o in cell.outputs if "data" in o]
        for cell in notebook.cells
        if cell.cell_type == "code" and any("text/markdown" in str(o) for o in cell.outputs)
    }


@pytest.fixture(scope="module")
def records():
    return results.load("voc2007")


def table(markdown):
    """Read a Markdown table: by row, then by column."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in markdown.splitlines()
    ]
    (_, *columns), _, *rows = lines
    return {name: dict(zip(columns, cells, strict=True)) for name, *cells in rows}


def as_published(records, model, recipe="article"):
    """List the short runs of a network as the article built and weighted it, by seed."""
    weights = zoo.NETWORKS[model].loss_weights
    return [
        r
        for r in sorted(records, key=lambda r: r.seed)
        if (r.model, r.train_images, r.recipe) == (model, 1000, recipe)
        and (r.loss, r.changes, r.loss_weights) == ("mse", {}, weights)
    ]


def above(run, head, method):
    """Return by how much a run beats a baseline, over the photos, in dB."""
    pairs = zip(run.per_image[head], run.baseline(head, method), strict=True)
    return mean(score - base for score, base in pairs)


def test_the_table_of_answers(records, outputs):
    short = [r for r in records if r.train_images == 1000]
    long = [r for r in records if r.train_images > 1000]
    shown = table(outputs["answers"][0])
    answers = claims.judge(verdicts.Evidence(short, long))
    assert len(shown) == len(answers)
    for (name, row), (sentence, found) in zip(shown.items(), answers, strict=True):
        sign, claim = name.split()
        assert re.fullmatch(rf"{sentence.claim}[a-g]", claim)
        assert (row["kind"], row["the article"]) == (sentence.kind, sentence.text)
        answer = row["the runs"].strip("*")
        assert claims.Finding(answer, "").sign == sign
        if sentence.claim not in ("C3", "C14", "C15", "C18", "C20"):  # these need facts
            assert answer == found.answer


def test_what_is_counted_is_what_is_shown(outputs):
    signs = [name.split()[0] for name in table(outputs["answers"][0])]
    counted = "".join(f"{sign} {signs.count(sign)}, " for sign in "✓◐✗?")
    assert outputs["answers-count"][0].endswith(f"{counted[:-2]}.")


def test_the_old_word_stands_beside_the_new_answers(outputs):
    shown, now = table(outputs["former-table"][0]), table(outputs["answers"][0])
    for claim, word in claims.FORMER.items():
        assert shown[claim]["one word, before"] == word
        answers = [
            f"{name.split()[0]} {row['the runs'].strip('*')}"
            for name, row in now.items()
            if name.split()[1][:-1] == claim
        ]
        assert shown[claim]["sentence by sentence"] == ", ".join(answers)


def test_every_sentence_has_its_rule_and_its_numbers(outputs):
    assert len(outputs["numbers"]) == len(claims.SENTENCES)
    for sentence, text in zip(claims.SENTENCES, outputs["numbers"], strict=True):
        assert sentence.text in text
        assert sentence.rule in text


def test_the_table_of_costs(records, outputs):
    shown = table(outputs["costs-table"][0])
    assert list(shown) == [zoo.TITLES[name] for name in zoo.FINALS]
    for name in zoo.FINALS:
        row = shown[zoo.TITLES[name]]
        runs = as_published(records, name)
        assert row["parameters"] == f"{runs[0].parameters:,}"
        for head in zoo.HEADS:
            middle = sorted(runs, key=lambda r: r.psnr_db[head])[len(runs) // 2]
            gain = above(middle, head, "bilinear")
            assert float(row[f"{head} - bilinear"]) == pytest.approx(gain, abs=0.0051)
            side = row[f"blocks, {head}"]
            if side == "1":
                assert row[f"{head} - ceiling"] == "none"
            else:
                below = above(middle, head, f"{side}x{side} ceiling")
                assert float(row[f"{head} - ceiling"]) == pytest.approx(below, abs=0.0051)


def test_the_table_of_antialiased_runs(records, outputs):
    for name, row in zip(
        zoo.FINALS, table(outputs["antialiased"][0]).values(), strict=True
    ):
        runs = as_published(records, name, "antialiased")
        assert int(row["runs"]) == len(runs) >= 3
        for head in zoo.HEADS:
            ends = [float(value) for value in row[f"{head} - bicubic"].split(" to ")]
            gains = [above(run, head, "bicubic") for run in runs]
            assert ends == pytest.approx([min(gains), max(gains)], abs=0.0051)

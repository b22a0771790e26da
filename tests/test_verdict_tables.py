"""Chapter 9's tables, worked out again from the records' files by plain loops."""

from __future__ import annotations

import json
from itertools import combinations
from statistics import mean

import nbformat
import pytest

from srlib import zoo
from srlib.runs import results, verdicts
from tools.notebooks.chapters import CHAPTERS

FINALS = zoo.FINALS
CEILING = {
    "basic": {"x2": "2x2 ceiling", "x4": "4x4 ceiling"},
    "residual": {"x2": "2x2 ceiling", "x4": "2x2 ceiling"},
    "atrous": {"x2": "2x2 ceiling", "x4": "2x2 ceiling"},
    "efficientnet_4": {"x2": "2x2 ceiling", "x4": "4x4 ceiling"},
    "depth_to_space": {},
}


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
def files():
    folder = results.RESULTS / "voc2007"
    found = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    for run in found:
        beside = folder / "baselines" / f"{run['recipe']}-{run['data_digest']}.json"
        run["baselines"] = json.loads(beside.read_text("utf-8"))
    return found


def table(markdown):
    """Read a Markdown table: by row, then by column."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in markdown.splitlines()
    ]
    (_, *columns), _, *rows = lines
    return {name: dict(zip(columns, cells, strict=True)) for name, *cells in rows}


def as_published(files, model, *, train_images=1000):
    weights = zoo.NETWORKS[model].loss_weights
    return [
        file
        for file in files
        if file["model"] == model
        and (
            file["train_images"] == 1000
            if train_images == 1000
            else file["train_images"] > 1000
        )
        and (file["recipe"], file["loss"], file["changes"]) == ("article", "mse", {})
        and all(file["loss_weights"].get(h, 1) == w for h, w in weights.items())
    ]


def above(runs, head, method):
    """Return by how much the runs beat a baseline, over runs and photos, in dB."""
    return mean(
        score - base
        for run in runs
        for score, base in zip(
            run["per_image"][head], run["baselines"][head][method], strict=True
        )
    )


def decided(short, names, head):
    """List the pairs of networks of which the first is higher."""
    pairs = []
    for a, b in combinations(names, 2):
        found = verdicts.difference(short.runs(a), short.runs(b), head).outcome
        if found in ("higher", "lower"):
            pairs.append((a, b) if found == "higher" else (b, a))
    return pairs


def test_the_table_of_costs(files, outputs):
    shown = table(outputs["cell-16"][0])
    for name in FINALS:
        row, (first, *_) = shown[zoo.TITLES[name]], as_published(files, name)
        assert row["parameters"] == f"{first['parameters']:,}"
        for head in ("x2", "x4"):
            blocks = CEILING[name].get(head, "1x1").removesuffix(" ceiling")
            assert row[f"blocks, {head}"] == blocks


def test_the_table_of_scores(files, outputs):
    shown = table(outputs["cell-19"][0])
    assert list(shown) == [zoo.TITLES[name] for name in FINALS]
    for name in FINALS:
        runs, row = as_published(files, name), shown[zoo.TITLES[name]]
        assert len({run["seed"] for run in runs}) == len(runs) >= 3
        for head in ("x2", "x4"):
            scores = [run["psnr_db"][head] for run in runs]
            assert float(row[head]) == pytest.approx(mean(scores), abs=0.0051)
            lowest, highest = map(float, row[f"{head}, seeds"].split(" to "))
            assert lowest == pytest.approx(min(scores), abs=0.0051)
            assert highest == pytest.approx(max(scores), abs=0.0051)
            gain = above(runs, head, "bilinear")
            assert float(row[f"{head} - bilinear"]) == pytest.approx(gain, abs=0.0051)
            if head in CEILING[name]:
                below = above(runs, head, CEILING[name][head])
                assert float(row[f"{head} - ceiling"]) == pytest.approx(below, abs=0.0051)
            else:
                assert row[f"{head} - ceiling"] == "none"


def test_what_is_said_of_the_seeds(files, outputs):
    for head, said in zip(("x2", "x4"), outputs["cell-21"], strict=True):
        scores = {
            name: {run["seed"]: run["psnr_db"][head] for run in as_published(files, name)}
            for name in FINALS
        }
        spread = max(max(s.values()) - min(s.values()) for s in scores.values())
        means = [mean(s.values()) for s in scores.values()]
        assert f"moves by up to {spread:.2f} dB" in said
        assert f"are {max(means) - min(means):.2f} dB apart" in said
        seeds = scores["basic"].keys()
        assert all(s.keys() == seeds for s in scores.values())
        best = {max(FINALS, key=lambda name: scores[name][seed]) for seed in seeds}
        names = ", ".join(sorted(zoo.TITLES[name] for name in best))
        assert said.endswith(f"Best from at least one of {len(seeds)} seeds: {names}.")


def test_the_table_of_settled_orders(files, outputs):
    shown = table(outputs["scale-03"][0])
    short = verdicts.Evidence(results.load("voc2007", train_images=1000), [])
    for head, row in shown.items():
        names = [m for m in zoo.TITLES if head == "x2" or m != "basic_x2"]
        curves = {
            name: [
                mean(values)
                for values in zip(
                    *(
                        run["history"][f"val_{head}_psnr_db"]
                        for run in as_published(files, name)
                    ),
                    strict=True,
                )
            ]
            for name in names
        }
        pairs = decided(short, names, head)
        for epoch, cell in enumerate(row.values()):
            leading = sum(curves[a][epoch] > curves[b][epoch] for a, b in pairs)
            assert cell == f"{leading} of {len(pairs)}"


def test_the_table_of_runs_at_the_articles_scale(files, outputs):
    shown = table(outputs["scale-05"][0])
    for name, title in zoo.TITLES.items():
        (run,), row = as_published(files, name, train_images=4000), shown[title]
        assert row["epochs"] == f"{len(run['history']['loss'])} of {run['epochs']}"
        for head, score in run["psnr_db"].items():
            assert float(row[f"{head}, dB"]) == pytest.approx(score, abs=0.0051)
            gain = above([run], head, "bilinear")
            assert float(row[f"{head} - bilinear"]) == pytest.approx(gain, abs=0.0051)
            theirs = run["article_psnr_db"][head]
            shown_theirs = float(row[f"{head}, article's PSNR"])
            assert shown_theirs == pytest.approx(theirs, abs=0.0051)


def test_what_is_said_of_the_order_after_long_runs(files, outputs):
    short = verdicts.Evidence(results.load("voc2007", train_images=1000), [])
    for head, said in zip(("x2", "x4"), outputs["scale-06"], strict=True):
        names = [m for m in zoo.TITLES if head == "x2" or m != "basic_x2"]
        long = {
            name: as_published(files, name, train_images=4000)[0]["psnr_db"][head]
            for name in names
        }
        pairs = decided(short, names, head)
        turned = [(a, b) for a, b in pairs if long[a] < long[b]]
        assert f"decide {len(pairs)} pairs" in said
        assert f"**{len(pairs) - len(turned)}**" in said
        assert said.count(" above ") == len(turned)
        for a, b in turned:
            assert f"{zoo.TITLES[b]} above {zoo.TITLES[a]}" in said


def test_the_table_of_scores_after_the_long_run(files, outputs):
    for name, row in zip(FINALS, table(outputs["cell-25-scores"][0]).values(), strict=True):
        (run,) = as_published(files, name, train_images=4000)
        shown = float(row["PSNR in dB, VOC"])
        assert shown == pytest.approx(run["psnr_db"]["x4"], abs=0.0051)
        assert float(row["SSIM, VOC"]) == pytest.approx(run["ssim"]["x4"], abs=0.00051)


def test_the_table_of_claims_and_their_parts(outputs):
    records = results.load("voc2007", train_images=1000)
    long_runs = results.load("voc2007", train_images=lambda n: n > 1000)
    fits = dict.fromkeys(zoo.NETWORKS, True)
    published = {  # an odd number of pixels, halved and doubled, does not fit again
        name: not name.startswith(("efficientnet", "depth_to_space")) for name in fits
    }
    judged = verdicts.judge(verdicts.Evidence(records, long_runs), fits, published)
    shown = table(outputs["cell-31"][0])
    assert {claim: row["verdict"] for claim, row in shown.items()} == {
        verdict.claim: f"**{verdict.status}**" for verdict in judged
    }
    for verdict, text in zip(judged, outputs["cell-34"], strict=True):
        for part in verdict.parts:
            assert part.statement in text
            assert part.evidence in text

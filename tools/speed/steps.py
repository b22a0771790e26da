"""Measure how long a training step of Models 3 and 4 takes, by turns (C15, chapter 9).

    python -m tools.speed.steps          writes data/results/steps.json; a minute or two

The networks are trained as the article did, with plain Keras, on batches of random numbers:
what a step costs does not depend on the picture. What is compared is run in turn, so that a
load which comes and goes meets all of them.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402

from srlib import models, zoo  # noqa: E402

FILE = ROOT / "data" / "results" / "steps.json"
BATCH, TURNS, WARM_UP = 16, 15, 3

#: By what they are called: the network, and what is changed in it.
NETWORKS = {
    "atrous": ("atrous", {}),
    "efficientnet_4": ("efficientnet_4", {"backbone": "random"}),
    "lite0": ("efficientnet_4", {"backbone": "imagenet-lite0"}),
    "plain": ("efficientnet_4", {"backbone": "plain"}),
}


def measure() -> dict[str, float]:
    """Return the median seconds of a step, by network."""
    rng = np.random.default_rng(0)
    lr, *targets = (rng.random((BATCH, s, s, 3), np.float32) for s in (72, 144, 288))
    hr = dict(zip(zoo.HEADS, targets, strict=True))
    built = {}
    for label, (name, changes) in NETWORKS.items():
        built[label] = models.build(name, seed=0, **changes)
        weights = zoo.NETWORKS[name].loss_weights
        built[label].compile("adam", loss=dict.fromkeys(hr, "mse"), loss_weights=weights)
    times: dict[str, list[float]] = {label: [] for label in built}
    for turn in range(WARM_UP + TURNS):
        for label, model in built.items():
            start = time.perf_counter()
            model.train_on_batch(lr, hr)
            if turn >= WARM_UP:
                times[label].append(time.perf_counter() - start)
    return {label: round(median(seconds), 4) for label, seconds in times.items()}


if __name__ == "__main__":
    found = {"batch": BATCH, "machine": platform.machine(), "cores": os.cpu_count()}
    FILE.write_text(json.dumps(found | {"seconds": measure()}, indent=2) + "\n")
    print(FILE.read_text())

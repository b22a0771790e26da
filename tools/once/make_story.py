"""Make chapters/images/story.jpg, the picture on the first page and in the README.

Beside it story.json tells the book's slider where in it the four pictures are.

    python -m tools.once.make_story

It trains Model 1 as chapter 3 does (a quick run on the sample, under a minute) and draws
what it paints. The photo is one of the sample's in the public domain (CC0).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import tensorflow as tf

from srlib import data, metrics, models, plots, training

TARGET = Path(__file__).resolve().parents[2] / "chapters" / "images" / "story.jpg"
EXAMPLE = "lemurs-01.jpg"
ZOOM = plots.Zoom(0.42, 0.66, 0.3)


def main() -> None:
    """Train, paint, and write the picture in one step."""
    plots.use_style()
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    photos = data.find_photos(data.sample_folder())
    train, val = (data.load_pairs(photos, part) for part in ("train", "val"))
    budget = training.BUDGETS["quick"]
    model = models.build("basic", seed=0)
    training.fit(model, train, val, epochs=budget.epochs, batch_size=budget.batch_size)

    k = [path.name for path in photos.val].index(EXAMPLE)
    lr, target = data.as_float(val.lr[k]), data.as_float(val.x4[k])
    painted = training.predict(model, val.lr[k : k + 1])["x4"][0]
    bilinear = metrics.upscale(lr, 4, "bilinear")
    pictures = {
        "input, 72 pixels": lr,
        f"Model 1, 288 pixels\n{metrics.psnr(target, painted):.1f} dB": painted,
        f"bilinear, no learning\n{metrics.psnr(target, bilinear):.1f} dB": bilinear,
        "target, 288 pixels": target,
    }
    axes = plots.picture_row(pictures, ZOOM)
    _save(axes[0, 0].figure)


def _save(figure: plt.Figure) -> None:
    TARGET.parent.mkdir(exist_ok=True)
    part = TARGET.with_suffix(".part.jpg")
    figure.savefig(part, dpi=200, pil_kwargs={"quality": 90, "subsampling": 0})
    part.replace(TARGET)
    panels = json.dumps(plots.panels(figure), indent=1)
    TARGET.with_suffix(".json").write_text(f"{panels}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The weights of trained networks: kept with their digests, and loaded in safe mode."""

from __future__ import annotations

from pathlib import Path

import keras

from srlib import models  # noqa: F401  Keras finds a saved network's layers by this import
from srlib.runs.plans import PLANS, RunConfig, plan
from srlib.sources import backbone, places


def save_weights(model: keras.Model, name: str, folder: Path | None = None) -> Path:
    """Save a trained model, and its SHA-256 in a file beside it."""
    file = (folder or backbone.WEIGHTS_FOLDER) / f"{name}.keras"
    with places.whole(file) as part:
        model.save(part)
    backbone.list_sha256(file)
    return file


def load_trained(name: str, folder: Path | None = None) -> tuple[keras.Model, RunConfig]:
    """Load a network from the longest of its runs that kept weights.

    Parameters
    ----------
    name
        One of `zoo.NETWORKS`.

    Returns
    -------
    model, config
        The trained network, and the run that trained it.

    Raises
    ------
    backbone.WeightsError
        If there is no such file, or it is not the one that was listed.
    """
    folder = folder or backbone.WEIGHTS_FOLDER
    runs = {c for p in PLANS for c in plan(p) if c.model == name and c.seed == 0}
    kept = [c for c in sorted(runs, key=lambda c: -c.work) if c.keeps_weights]
    files = {folder / f"{c.name}.keras": c for c in kept}
    file = next((file for file in files if file.exists()), None)
    if file is None:
        raise backbone.WeightsError(
            f"{folder} holds no trained weights of {name!r}, expected "
            f"{' or '.join(file.name for file in files)}. "
            f"`python -m srlib run --plan article` makes them."
        )
    backbone.check_listed(file)
    return keras.saving.load_model(file, compile=False, safe_mode=True), files[file]

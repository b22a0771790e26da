"""The weights of trained networks: kept with their digests, and loaded in safe mode."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras

from srlib.runs.plans import RunConfig, plan
from srlib.sources import backbone


def save_weights(model: keras.Model, name: str, folder: Path | None = None) -> Path:
    """Save a trained model and list its SHA-256."""
    folder = folder or backbone.WEIGHTS_FOLDER
    file = folder / f"{name}.keras"
    part = folder / f"{name}.part.keras"
    model.save(part)
    part.replace(file)
    listing = folder / "SHA256SUMS"
    known = listing.read_text(encoding="ascii").splitlines() if listing.exists() else []
    kept = [line for line in known if line.split()[1] != file.name]
    lines = [*kept, f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}"]
    part = listing.with_suffix(".part")
    part.write_text(
        "\n".join(sorted(lines, key=lambda line: line.split()[1])) + "\n", "ascii"
    )
    part.replace(listing)
    return file


def load_trained(name: str, folder: Path | None = None) -> tuple[keras.Model, RunConfig]:
    """Load a network from its run at the article's own scale, or else the short one.

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
    runs = [c for p in ("article", "seeds") for c in plan(p) if c.model == name]
    kept = {folder / f"{c.name}.keras": c for c in runs if c.keeps_weights and c.seed == 0}
    file = next((file for file in kept if file.exists()), None)
    if file is None:
        raise backbone.WeightsError(
            f"{folder} holds no trained weights of {name!r}, expected "
            f"{' or '.join(file.name for file in kept)}. "
            f"`python -m srlib run --plan article` makes them."
        )
    backbone.check_listed(file)
    return keras.saving.load_model(file, compile=False, safe_mode=True), kept[file]

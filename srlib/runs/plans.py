"""The runs of the course as plans: each run a frozen description. Needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from srlib import data, zoo


@dataclass(frozen=True)
class RunConfig:
    """All that decides what a run computes, but for the photos themselves.

    Attributes
    ----------
    model, seed, recipe
        One of `zoo.NETWORKS`; of the fresh weights and of the order of the photos; one of
        `data.RECIPES`.
    changes, label
        Arguments of the model's function that differ from the article's, as pairs, and what
        the run's name calls them.
    x2_weight
        Of the first output's loss, the second's being ``1 - x2_weight``; ``None`` for the
        article's weights.
    train_photos, val_photos, epochs, batch_size
        The scale. ``None`` for all photos, and for the article's epochs.
    loss, patience
        See `training.fit`.
    """

    model: str
    seed: int = 0
    recipe: str = "article"
    changes: tuple[tuple[str, Any], ...] = ()
    label: str = ""
    x2_weight: float | None = None
    loss: str = "mse"
    train_photos: int | None = 1000
    val_photos: int | None = 200
    epochs: int | None = 6
    batch_size: int = 16
    patience: int | None = None

    @property
    def name(self) -> str:
        """Name the run after what it does: ``atrous-w0.1-article-1000x6-s0``."""
        photos = "all" if self.train_photos is None else self.train_photos
        parts = [
            self.model,
            self.label,
            "" if self.x2_weight is None else f"w{self.x2_weight:g}",
            "" if self.loss == "mse" else self.loss,
            self.recipe,
            f"{photos}x{self.total_epochs}",
            f"s{self.seed}",
        ]
        return "-".join(filter(None, parts))

    @property
    def total_epochs(self) -> int:
        """Epochs to train: the article's unless told otherwise."""
        return self.epochs or zoo.NETWORKS[self.model].epochs

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight of each output's loss."""
        article = zoo.NETWORKS[self.model].loss_weights
        if self.loss == "psnr":  # which has no weights to choose
            return dict.fromkeys(article, 1.0)
        if self.x2_weight is None:
            return dict(article)
        return {"x2": self.x2_weight, "x4": round(1 - self.x2_weight, 6)}

    @property
    def keeps_weights(self) -> bool:
        """Whether the trained model is kept: the article's networks, of the first seed.

        Of its own scale those of every seed: how a long run went wrong can be looked at.
        """
        as_published = not self.changes and self.x2_weight is None and self.loss == "mse"
        first = self.seed == 0 or self.train_photos is None
        return as_published and self.recipe == "article" and first

    @property
    def work(self) -> float:
        """Estimate the cost: parameters times photos seen. Good for a time left."""
        photos = self.train_photos or 4011
        return zoo.NETWORKS[self.model].trainable * photos * self.total_epochs


def plan(name: str) -> list[RunConfig]:
    """List the runs of one of `PLANS`, in the order in which they are worked off.

    Raises
    ------
    ValueError
        If there is no such plan. The message lists those that there are.
    """
    if name not in PLANS:
        raise ValueError(f"Unknown plan {name!r}. Known: {', '.join(PLANS)}.")
    return list(PLANS[name]())


def _seeds() -> Iterable[RunConfig]:
    """Every network from five seeds, and from three with the antialiased recipe."""
    for seed in range(5):
        for recipe in data.RECIPES:
            if recipe == "article" or seed < 3:
                yield from (RunConfig(m, seed, recipe) for m in zoo.ARTICLE)


TRUNK = {"x4_from": "trunk"}
HEALTHY = {**TRUNK, "output_activation": None}
ONE_BY_ONE = {
    "trunk": TRUNK,
    "identity": {"start_at_identity": True},
    "linear": {"output_activation": None},
}
LITE0 = {**HEALTHY, "backbone": "imagenet-lite0"}

#: By model: what is changed, one thing at a time, and what that is called.
CAUSES: dict[str, dict[str, dict[str, Any]]] = {
    "basic": {"head3x3": {"head_size": 3}},
    "residual": {"no_skip": {"skip": False}},
    "atrous": {"rates111": {"rates": (1, 1, 1)}, "rates222": {"rates": (2, 2, 2)}},
    "efficientnet_1": ONE_BY_ONE,
    "efficientnet_4": {
        **ONE_BY_ONE,
        # The backbones are compared where nothing hides what they are worth: no wire
        # between the outputs, and no output that can die.
        "healthy": HEALTHY,
        "healthy_lite0": LITE0,
        "healthy_lite0_norm": {**LITE0, "preprocess": "imagenet"},
        "healthy_scratch": {**HEALTHY, "backbone": "scratch"},
        "healthy_plain": {**HEALTHY, "backbone": "plain"},
        # Lite0's features are 55 times as large as the random ones: each at the other's.
        "healthy_lite0_small": {**LITE0, "feature_scale": 1 / 55},
        "healthy_large": {**HEALTHY, "feature_scale": 55},
        # As many parameters as Model 3.
        "wide": {"width": 1.46},
        # Depth to space for repeated pixels, and nothing else against "trunk".
        "shuffle": {**TRUNK, "shuffle": True},
        "shuffle_icnr": {**TRUNK, "shuffle": True, "icnr": True},
    },
    "depth_to_space": {"trunk": TRUNK},
}


def _causes() -> Iterable[RunConfig]:
    """One change at a time, three seeds each, at the scale of `_seeds`."""
    for seed in range(3):
        for model, variants in CAUSES.items():
            for label, changes in variants.items():
                yield RunConfig(model, seed, changes=tuple(changes.items()), label=label)


#: Of the first output. The article's are 0.3 for Model 3 and 0.65 for Model 4.
X2_WEIGHTS = {
    "atrous": (0.1, None, 0.5, 0.7, 0.9),
    "efficientnet_4": (0.1, 0.3, 0.5, None, 0.9),
}


def _weights() -> Iterable[RunConfig]:
    """Two networks over the weight of x2, and with the logarithm of each error instead."""
    for seed in range(3):
        for model, sweep in X2_WEIGHTS.items():
            yield from (RunConfig(model, seed, x2_weight=weight) for weight in sweep)
            yield RunConfig(model, seed, loss="psnr")


def _depths() -> Iterable[RunConfig]:
    """Model 4 over the weight of x2, the deeper head at x4, then at x2; none can die."""
    linear = {"output_activation": None}
    variants = {"linear": linear, "linear_deep_x2": {**linear, "deep_head": "x2"}}
    for seed in range(3):
        for label, changes in variants.items():
            for weight in X2_WEIGHTS["efficientnet_4"]:
                named = {"changes": tuple(changes.items()), "label": label}
                yield RunConfig("efficientnet_4", seed, **named, x2_weight=weight)


#: By the article's number of a network. What Models 4 and 5 learn depends most on the seed.
ARTICLE_SEEDS = {1: 3, 2: 2, 3: 2, 4: 5, 5: 5}


def _article() -> Iterable[RunConfig]:
    """Every network as the article ran it, but that it stops after four flat epochs."""
    scale = {"train_photos": None, "val_photos": None, "epochs": None, "batch_size": 64}
    for model, network in zoo.ARTICLE.items():
        for seed in range(ARTICLE_SEEDS[network.article]):
            yield RunConfig(model, seed, **scale, patience=4)


#: The plans, each with a sentence on what it is for. The command line reads them here.
PLANS: dict[str, Callable[[], Iterable[RunConfig]]] = {
    "seeds": _seeds,
    "causes": _causes,
    "weights": _weights,
    "depths": _depths,
    "article": _article,
}

"""The networks of the course as a table: what each is called, and how it was trained.

It needs no TensorFlow, so that records, verdicts and pages can read it. A network is a
function in `srlib.models` and one row here; everything else follows from the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: The outputs: twice and four times as large as the input.
HEADS = ("x2", "x4")


@dataclass(frozen=True)
class Network:
    """How one network is built and trained.

    Attributes
    ----------
    title
        What tables and figures call it.
    function, arguments
        Its function in `srlib.models`, and what that is given.
    epochs
        How long it is trained: if it is the article's, as long as there.
    loss_weights
        Weight of each output's error. Keras adds the weighted errors.
    parameters, trainable
        How many numbers it holds, and how many of them training changes. Those of Models
        4 and 5 are with the backbone `imagenet` or `random`.
    article, notebook
        The numbers that the article and its notebook give it; ``None``: it is ours.
    final
        Whether it stands for its model where one network a model is shown.
    """

    title: str
    function: str
    epochs: int
    loss_weights: dict[str, float]
    parameters: int
    trainable: int
    article: int | None = None
    notebook: str | None = None
    final: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """The title without what tells a model's attempts apart: ``Model 4``."""
        return self.title.split(",")[0]


def _weights(x2: float, x4: float) -> dict[str, float]:
    return {"x2": x2, "x4": x4}


NETWORKS = {
    "basic_x2": Network(
        "Model 1, one output",
        "basic",
        epochs=12,
        loss_weights={"x2": 1.0},
        parameters=38_915,
        trainable=38_915,
        article=1,
        notebook="1",
        arguments={"with_x4": False},
    ),
    "basic": Network(
        "Model 1",
        "basic",
        epochs=12,
        loss_weights=_weights(1, 1),
        parameters=39_110,
        trainable=39_110,
        article=1,
        notebook="2",
        final=True,
    ),
    "residual": Network(
        "Model 2",
        "residual",
        epochs=12,
        loss_weights=_weights(0.3, 0.7),
        parameters=55_814,
        trainable=55_814,
        article=2,
        notebook="3",
        final=True,
    ),
    "atrous": Network(
        "Model 3",
        "atrous",
        epochs=12,
        loss_weights=_weights(0.3, 0.7),
        parameters=138_950,
        trainable=138_950,
        article=3,
        notebook="4",
        final=True,
    ),
    "efficientnet_1": Network(
        "Model 4, attempt 1",
        "efficientnet",
        epochs=20,
        loss_weights=_weights(0.3, 0.7),
        parameters=53_839,
        trainable=51_727,
        article=4,
        notebook="5",
        arguments={"attempt": 1},
    ),
    "efficientnet_2": Network(
        "Model 4, attempt 2",
        "efficientnet",
        epochs=12,
        loss_weights=_weights(1, 1),
        parameters=56_191,
        trainable=54_079,
        article=4,
        notebook="5_2",
        arguments={"attempt": 2},
    ),
    "efficientnet_3": Network(
        "Model 4, attempt 3",
        "efficientnet",
        epochs=25,
        loss_weights=_weights(0.65, 0.35),
        parameters=65_151,
        trainable=63_039,
        article=4,
        notebook="5_3",
        arguments={"attempt": 3},
    ),
    "efficientnet_4": Network(
        "Model 4, final",
        "efficientnet",
        epochs=30,
        loss_weights=_weights(0.65, 0.35),
        parameters=69_750,
        trainable=67_638,
        article=4,
        notebook="5_4",
        final=True,
        arguments={"attempt": 4},
    ),
    "depth_to_space": Network(
        "Model 5",
        "subpixel",
        epochs=20,
        loss_weights=_weights(0.7, 0.3),
        parameters=58_198,
        trainable=56_086,
        article=5,
        notebook="6",
        final=True,
    ),
}

#: The article's own: what its claims are judged by.
ARTICLE = {name: network for name, network in NETWORKS.items() if network.article}

#: One network a model.
FINALS = tuple(name for name, network in NETWORKS.items() if network.final)

TITLES = {name: network.title for name, network in NETWORKS.items()}


def find(name: str) -> Network:
    """Return the row of a network.

    Raises
    ------
    ValueError
        If there is no such network. The message lists those that there are.

    Examples
    --------
    >>> find("atrous").title
    'Model 3'
    """
    if name not in NETWORKS:
        raise ValueError(f"Unknown model {name!r}. Known: {', '.join(NETWORKS)}.")
    return NETWORKS[name]

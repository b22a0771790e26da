"""What the checkers ask of a network that a student built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from srlib import receptive
from srlib.exercises import expect
from srlib.exercises.engine import NotYet

if TYPE_CHECKING:
    import keras

SIDE = 24  # of the pictures that networks are tried on


def network(answer: Any, heads: Iterable[str] = ("x2", "x4")) -> keras.Model:
    """Expect a network with these outputs, each of the right size, in three colours."""
    import keras

    if not isinstance(answer, keras.Model):
        if callable(answer):
            raise NotYet(
                f"Expected a network, found {expect.kind_of(answer)}: hand in what it "
                "returns, a `keras.Model`."
            )
        raise NotYet(f"Expected a `keras.Model`, found {expect.kind_of(answer)}.")
    heads = list(heads)
    listed = " and ".join(f'`"{head}"`' for head in heads)
    found = answer.output
    if not isinstance(found, dict) or sorted(found) != sorted(heads):
        names = ", ".join(found) if isinstance(found, dict) else "no names"
        raise NotYet(
            f"Expected a network with the output{'s' * (len(heads) > 1)} {listed}, as a "
            f"dictionary; found {names}."
        )
    shapes = answer.compute_output_shape((1, SIDE, SIDE, 3))
    for head in heads:
        scale = int(head[1:])
        wanted = (SIDE * scale, SIDE * scale, 3)
        expect.that(
            tuple(shapes[head][1:]) == wanted,
            f"For a picture of {SIDE}x{SIDE} pixels the output {head} has to be "
            f"{_sides(wanted)}; yours is {_sides(shapes[head][1:])}.",
        )
    return answer


def built(answer: Any, *arguments: Any, heads: Iterable[str] = ("x2", "x4")) -> keras.Model:
    """Expect a function that returns such a network; return the network."""
    import keras

    if isinstance(answer, keras.Model):
        raise NotYet("Hand in the function that builds the network, not the network.")
    return network(expect.call(answer, *arguments), heads)


def block_side(model: keras.Model, head: str) -> int:
    """Measure the side of the blocks that an output is made of: 8, 4, 2, or 1 for none.

    On random weights: what a network can draw does not depend on those that it has. On
    several, since an output that is shut everywhere looks like one large block.
    """
    return min(_block_side(model, head, seed) for seed in range(4))


def _block_side(model: keras.Model, head: str, seed: int) -> int:
    from srlib import metrics

    rng = np.random.default_rng(seed)

    def random(shape: tuple[int, ...]) -> np.ndarray:
        return (
            _gain(shape) * rng.normal(size=shape) if len(shape) > 1 else rng.random(shape)
        )

    picture = rng.random((1, SIDE, SIDE, 3), np.float32)
    with _other_weights(model, random):
        drawn = np.asarray(model.predict_on_batch(picture)[head], np.float64)
    drawn = drawn / (np.abs(drawn).max() or 1)
    return next((n for n in (8, 4, 2) if metrics.is_block_constant(drawn, n)), 1)


def _gain(shape: tuple[int, ...]) -> float:
    """Return the size of weights that keeps that of the features (He et al., 2015)."""
    return float(np.sqrt(2 / np.prod(shape[:-1])))


def sight(model: keras.Model, head: str, most: int = 61) -> int:
    """Measure how many input pixels an output looks at: the side of a square.

    With all weights positive, so that no activation is shut and nothing cancels.
    """
    picture = np.full((1, most + 1, most + 1, 3), 0.5, np.float32)
    with _other_weights(model, lambda shape: np.full(shape, 1 / np.prod(shape[:-1]))):
        field = receptive.receptive_field(model, picture, head, reach=most // 2)
    return receptive.side_holding(field)


@contextmanager
def _other_weights(model: keras.Model, make: Any) -> Iterator[None]:
    """Let a network have other weights for a while."""
    own = model.get_weights()
    model.set_weights([np.asarray(make(array.shape), np.float32) for array in own])
    try:
        yield
    finally:
        model.set_weights(own)


def _sides(shape: Iterable[int]) -> str:
    return "x".join(str(side) for side in shape)

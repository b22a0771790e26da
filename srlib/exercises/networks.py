"""What the checkers ask of a network that a student built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from srlib import data, metrics, receptive
from srlib.exercises import expect
from srlib.exercises.engine import NotYet

if TYPE_CHECKING:
    import keras

SIDE = 24  # of the pictures that networks are tried on


def network(answer: Any, heads: Iterable[str] = ("x2", "x4")) -> keras.Model:
    """Expect a network with these outputs, each of the right size, in three colours.

    It is called on a picture: not of every layer Keras can infer what it returns.
    """
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
    inputs = getattr(answer, "inputs", None) or []  # a subclass has none
    expect.that(
        all(set(tensor.shape[1:-1]) <= {None, SIDE} for tensor in inputs),
        "Expected a network for pictures of any size: let it begin with "
        "`keras.Input((None, None, 3))`.",
    )
    drawn = draw(answer, np.full((1, SIDE, SIDE, 3), 0.5, np.float32))
    if not isinstance(drawn, dict) or sorted(drawn) != sorted(heads):
        names = ", ".join(map(str, drawn)) if isinstance(drawn, dict) else "no names"
        raise NotYet(
            f"Expected a network with the output{'s' * (len(heads) > 1)} {listed}, as a "
            f"dictionary; found {names}."
        )
    for head in heads:
        scale = int(head[1:])
        wanted, found = (SIDE * scale, SIDE * scale, 3), np.shape(drawn[head])[1:]
        expect.that(
            found == wanted,
            f"For a picture of {SIDE}x{SIDE} pixels the output {head} has to be "
            f"{_sides(wanted)}; yours is {_sides(found)}.",
        )
    return answer


def draw(model: keras.Model, pictures: np.ndarray) -> Any:
    """Return what a network makes of a few pictures, by output; tensors."""
    return expect.call(lambda pictures: model(pictures, training=False), pictures)


@cache
def unseen(recipe: str = "article") -> data.Pairs:
    """Make pairs that no notebook holds: tiles of the validation photos, turned round."""
    stacks = []
    for file in data.find_photos(data.sample_folder()).val:
        photo = data.read_photo(file)
        rows, columns = (max(288, side * 7 // 8) for side in photo.shape[:2])
        stacks.append(data.make_pair(photo[:rows, :columns][::-1, ::-1], recipe))
    return data.Pairs(*map(np.stack, zip(*stacks, strict=True)), source="unseen")


def score(model: keras.Model, recipe: str = "article", head: str = "x4") -> float:
    """Score an output on `unseen` photos: mean PSNR in dB."""
    from srlib import training

    pairs = unseen(recipe)
    drawn = training.predict(model, data.as_float(pairs.lr), batch_size=8)[head]
    return float(metrics.psnr(data.as_float(getattr(pairs, head)), drawn).mean())


@cache
def baseline(method: str, recipe: str = "article", head: str = "x4") -> float:
    """Score interpolation, or the ceiling of ``"4x4 ceiling"``, on the same photos."""
    pairs = unseen(recipe)
    target, scale = data.as_float(getattr(pairs, head)), int(head[1:])
    if method.endswith("ceiling"):
        return float(metrics.ceiling_psnr(target, int(method[0])).mean())
    drawn = metrics.upscale(data.as_float(pairs.lr), scale, method)
    return float(metrics.psnr(target, drawn).mean())


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
    rng = np.random.default_rng(seed)

    def random(shape: tuple[int, ...]) -> np.ndarray:
        return (
            _gain(shape) * rng.normal(size=shape) if len(shape) > 1 else rng.random(shape)
        )

    picture = rng.random((1, SIDE, SIDE, 3), np.float32)
    with other_weights(model, random):
        drawn = np.asarray(model(picture, training=False)[head], np.float64)
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
    with other_weights(model, lambda shape: np.full(shape, 1 / np.prod(shape[:-1]))):
        field = receptive.receptive_field(model, picture, head, reach=most // 2)
    return receptive.side_holding(field)


@contextmanager
def other_weights(model: keras.Model, make: Any) -> Iterator[None]:
    """Let a network have other weights for a while."""
    own = model.get_weights()
    model.set_weights([np.asarray(make(array.shape), np.float32) for array in own])
    try:
        yield
    finally:
        model.set_weights(own)


def _sides(shape: Iterable[int]) -> str:
    return "x".join(str(side) for side in shape)

"""How runs are compared: photo by photo and seed by seed, by the same rules for all.

- One network is **higher** than another if its PSNR is higher from *every* seed, the 95 %
  interval of the mean difference over the photos lies above zero, and the mean difference
  is `SAME_DB` or more. **Lower** likewise.
- Two are **the same** if that interval, and the mean from every seed, stay within
  `SAME_DB`. Anything else is **undecided**: the seeds or the photos disagree.

How often these rules see a difference where there is none, `error_rate` measures. What the
article claims, and how each sentence of it is answered, stands in `srlib.runs.claims`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from srlib import zoo
from srlib.runs import results
from srlib.runs.results import Record

Outcome = Literal["higher", "lower", "the same", "undecided"]

#: Differences in dB that count as none: hardly anybody could see them.
SAME_DB = 0.1
#: A curve has arrived when it stays this near, in dB, to its end.
ARRIVED_DB = 0.2
#: A colour is dead when this share of its pixels is black.
DEAD_SHARE = 0.999


@dataclass(frozen=True)
class Difference:
    """How much higher one network's PSNR is than another's, at one output, in dB.

    Attributes
    ----------
    by_seed
        Mean over the photos, one number a seed.
    low, high
        Where the mean over seeds and photos lies with 95 % confidence, as far as the
        choice of photos is concerned.
    """

    by_seed: tuple[float, ...]
    low: float
    high: float

    @property
    def mean(self) -> float:
        """Mean over seeds and photos."""
        return float(np.mean(self.by_seed))

    @property
    def outcome(self) -> Outcome:
        """What the rules of this module make of it."""
        if min(self.by_seed) > 0 and self.low > 0 and self.mean >= SAME_DB:
            return "higher"
        if max(self.by_seed) < 0 and self.high < 0 and self.mean <= -SAME_DB:
            return "lower"
        if max(map(abs, (*self.by_seed, self.low, self.high))) <= SAME_DB:
            return "the same"
        return "undecided"

    def __str__(self) -> str:
        seeds = f"{len(self.by_seed)} seed{'s' if len(self.by_seed) > 1 else ''}"
        return (
            f"{self.mean:+.2f} dB ({self.low:+.2f} to {self.high:+.2f}; {seeds}: "
            f"{min(self.by_seed):+.2f} to {max(self.by_seed):+.2f})"
        )


@dataclass(frozen=True)
class Facts:
    """What chapter 9 finds out about pictures and networks, without any run.

    Attributes
    ----------
    fits, fits_as_published
        By model: whether both outputs had the right size for every input that was tried,
        with odd sizes padded as here, and as the article built it.
    photos
        How many photos the next two counted.
    higher_psnr, higher_ssim
        On how many photos the first of two methods has the higher PSNR, and on how many
        the second has the higher SSIM.
    changed
        Share of pixels whose colours can be told apart, of two pictures that are 0.3 dB
        apart: those of Models 1 and 2, and a pair made to look alike.
    same_files, same_batches
        Whether sorting gives the same list of files, and the same validation batches in
        every epoch.
    step_seconds
        Of a training step of Models 3 and 4, and of Model 4 with a plain convolution.
    """

    fits: Mapping[str, bool] = field(default_factory=dict)
    fits_as_published: Mapping[str, bool] = field(default_factory=dict)
    photos: int = 0
    higher_psnr: int = 0
    higher_ssim: int = 0
    changed: tuple[float, float] | None = None
    same_files: bool | None = None
    same_batches: bool | None = None
    step_seconds: Mapping[str, float] = field(default_factory=dict)


class Evidence:
    """The records of the runs, asked for by what was run.

    Parameters
    ----------
    records
        Runs of the short scale, which can be compared with each other.
    long
        Runs of the article's networks at its own scale.
    facts
        What needs no run.
    """

    def __init__(
        self,
        records: Iterable[Record],
        long: Iterable[Record] = (),
        facts: Facts | None = None,
    ) -> None:
        self.records = list(records)
        self.long_records = list(long)
        self.facts = facts or Facts()

    def runs(
        self,
        model: str,
        recipe: str = "article",
        *,
        x2_weight: float | None = None,
        loss: str = "mse",
        **changes: Any,
    ) -> list[Record]:
        """Return the short runs of one network, sorted by seed; none if none was done.

        Parameters
        ----------
        model, recipe, loss, changes
            As in `Record`.
        x2_weight
            Of the first output's loss; ``None`` for the article's.
        """
        # A record that was read from a file holds lists where a run was given tuples.
        wanted = {k: list(v) if isinstance(v, tuple) else v for k, v in changes.items()}
        found = results.select(
            self.records, model=model, recipe=recipe, loss=loss, changes=wanted
        )
        if loss == "mse":
            article = zoo.find(model).loss_weights["x2"]
            chosen = article if x2_weight is None else x2_weight
            found = [r for r in found if r.loss_weights["x2"] == chosen]
        return sorted(found, key=lambda r: r.seed)

    def long(self, model: str) -> list[Record]:
        """Return the runs of one network at the article's scale, sorted by seed."""
        found = (r for r in self.long_records if r.model == model)
        return sorted(found, key=lambda r: r.seed)


def by_seed(*groups: Sequence[Record]) -> list[tuple[Record, ...]]:
    """Put the runs of several networks side by side, of the seeds that all of them have."""
    tables = [{r.seed: r for r in group} for group in groups]
    seeds = sorted(set.intersection(*map(set, tables)))
    return [tuple(table[seed] for table in tables) for seed in seeds]


def difference(first: Sequence[Record], second: Sequence[Record], head: str) -> Difference:
    """Compare two networks, seed by seed and photo by photo.

    Seeds that only one of them has are left out.

    Raises
    ------
    ValueError
        If they share no seed, or did not see the same photos.
    """
    pairs = by_seed(first, second)
    if not pairs:
        raise ValueError(f"{_names(first)} and {_names(second)} share no seed.")
    for a, b in pairs:
        if a.data_digest != b.data_digest:
            raise ValueError(f"{a.name} and {b.name} saw other photos.")
    return _difference(np.array([a.scores(head) - b.scores(head) for a, b in pairs]))


def gain(runs: Sequence[Record], head: str, method: str = "bilinear") -> Difference:
    """Compare a network with an interpolation or a ceiling, on the same photos."""
    return _difference(np.array([r.scores(head) - r.baseline(head, method) for r in runs]))


def _difference(by_photo: np.ndarray) -> Difference:
    """From an array (seeds, photos)."""
    low, high = results.bootstrap_interval(by_photo.mean(axis=0))
    return Difference(tuple(by_photo.mean(axis=1).tolist()), low, high)


def _names(records: Sequence[Record]) -> str:
    return ", ".join(r.name for r in records) or "no records"


def error_rate(
    groups: Sequence[Sequence[Record]], head: str, seeds: int, draws: int = 400
) -> float:
    """Measure how often a network comes out as higher or lower than itself.

    Its runs differ by nothing but their seed. So pairs of them are drawn, as many as a
    comparison has seeds, and compared as if they were two networks.

    Parameters
    ----------
    groups
        Runs of one network each; those with a dead output should be left out.
    seeds
        How many pairs a comparison has.
    draws
        How many comparisons of each network.

    Returns
    -------
    float
        Share of the comparisons that ended as higher or lower.
    """
    rng = np.random.default_rng(0)
    decided = []
    for runs in groups:
        scores = np.array([r.scores(head) for r in runs])
        for _ in range(draws):
            pairs = [rng.choice(len(scores), 2, replace=False) for _ in range(seeds)]
            found = _difference(np.array([scores[a] - scores[b] for a, b in pairs]))
            decided.append(found.outcome in ("higher", "lower"))
    return float(np.mean(decided))


def epochs_to_arrive(record: Record, head: str = "x2") -> int:
    """Count the epochs after which a run stays within `ARRIVED_DB` of its end."""
    curve = np.asarray(record.history[f"val_{head}_psnr_db"])
    away = np.flatnonzero(abs(curve - curve[-1]) > ARRIVED_DB)
    return int(away[-1]) + 2 if len(away) else 1


def dead_colours(record: Record, moment: Literal["start", "end"]) -> dict[str, int] | None:
    """Count by output the colours that are black all over; None if it was not noted."""
    shares = record.black.get(moment)
    if not shares:
        return None
    return {h: sum(share >= DEAD_SHARE for share in s) for h, s in shares.items()}

"""The article's sixteen claims, each decided from the records of the runs.

A claim has parts, and each part a status. The rules, the same for all:

- One network is **higher** than another if its PSNR is higher from *every* seed, and the
  95 % interval of the mean difference over the photos lies above zero. **Lower** likewise.
- Two are **the same** if that interval, and the mean from every seed, stay within
  `SAME_DB`. Anything else is **undecided**: the seeds or the photos disagree.
- What is asked of each run alone (its epochs, or whether it works) has to hold from every
  seed, or to fail from every seed.
- A number that the article read off one of its own runs (about 21 dB, 0.2998 dB, half the
  PSNR) is compared with one run at the article's own scale: all photos, all epochs.
- Where the article's own networks are compared, those runs are quoted, too. If they turn
  the order round, the part is *open*: what the short runs found may be a matter of time.
- A part is *confirmed* or *refuted* if the records say so and *open* if they are undecided
  or missing. A claim is confirmed if all of its parts are, refuted if any part is.
  Parts of ours, which explain, do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from srlib import zoo
from srlib.runs import results
from srlib.runs.results import Record
from srlib.zoo import ARTICLE, HEADS, TITLES

Status = Literal["confirmed", "refuted", "open"]
Outcome = Literal["higher", "lower", "the same", "undecided"]

#: Differences in dB that count as none: hardly anybody could see them.
SAME_DB = 0.1
#: A curve has converged when it stays this near, in dB, to the best that it reaches.
CONVERGED_DB = 0.2


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
        if min(self.by_seed) > 0 and self.low > 0:
            return "higher"
        if max(self.by_seed) < 0 and self.high < 0:
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
class Part:
    """One statement, what the records make of it, and the numbers.

    Attributes
    ----------
    ours
        Whether it is our explanation and not the article's statement. Then it does not
        count for the claim.
    """

    statement: str
    status: Status
    evidence: str
    ours: bool = False


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Attributes
    ----------
    claim
        ``"C1"`` to ``"C16"``.
    text
        The claim, in short.
    parts
        Its statements.
    """

    claim: str
    text: str
    parts: tuple[Part, ...] = field(default=())

    @property
    def status(self) -> Status:
        """Confirmed if all parts are, refuted if any part is, open otherwise."""
        found = {part.status for part in self.parts if not part.ours}
        if "refuted" in found:
            return "refuted"
        return "confirmed" if found == {"confirmed"} else "open"


class Evidence:
    """The records of one scale, asked for by what was run.

    Parameters
    ----------
    records
        Of one dataset and one scale, so that they can be compared.
    at_article_scale
        One run of each network as the article ran it, as far as they were done.
    """

    def __init__(
        self, records: Iterable[Record], at_article_scale: Iterable[Record] = ()
    ) -> None:
        self.records = list(records)
        self.at_article_scale = {r.model: r for r in at_article_scale}

    def runs(
        self,
        model: str,
        recipe: str = "article",
        *,
        x2_weight: float | None = None,
        loss: str = "mse",
        **changes: Any,
    ) -> list[Record]:
        """Return the runs of one network from several seeds, sorted by seed.

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
            chosen = (
                zoo.NETWORKS[model].loss_weights["x2"] if x2_weight is None else x2_weight
            )
            found = [r for r in found if r.loss_weights["x2"] == chosen]
        return sorted(found, key=lambda r: r.seed)

    def as_the_article(self, *wanted: str) -> list[Record] | None:
        """Return the runs of some networks at the article's scale, or None if one lacks."""
        found = [self.at_article_scale.get(model) for model in wanted]
        return None if None in found else found


def difference(first: Sequence[Record], second: Sequence[Record], head: str) -> Difference:
    """Compare two networks, seed by seed and photo by photo.

    Seeds that only one of them has are left out.

    Raises
    ------
    ValueError
        If they share no seed, or did not see the same photos.
    """
    by_seed = {r.seed: r for r in second}
    pairs = [(a, by_seed[a.seed]) for a in first if a.seed in by_seed]
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


# --- Small rules -----------------------------------------------------------------------


def _is(difference: Difference, *wanted: Outcome) -> Status:
    """Decide whether two networks compare as the claim says."""
    if difference.outcome in wanted:
        return "confirmed"
    return "open" if difference.outcome == "undecided" else "refuted"


def _holds(condition: bool) -> Status:
    return "confirmed" if condition else "refuted"


def _near(value: float, claimed: float, tolerance: float) -> Status:
    return _holds(abs(value - claimed) <= tolerance)


def _from_every_seed(holds: Sequence[bool]) -> Status:
    """Decide by a fact about each run: seeds that disagree decide nothing."""
    if holds and all(holds):
        return "confirmed"
    return "open" if any(holds) or not holds else "refuted"


def _span(values: Iterable[float], form: str = "g") -> str:
    """Write the lowest and the highest number: ``3 to 5``, or ``3`` if they are equal."""
    found = sorted(values)
    ends = dict.fromkeys(format(value, form) for value in found[:1] + found[-1:])
    return " to ".join(ends) or "none"


def epochs_to_converge(record: Record, head: str = "x2") -> int:
    """Count the epochs after which a run stays within `CONVERGED_DB` of its best."""
    curve = np.asarray(record.history[f"val_{head}_psnr_db"])
    away = np.flatnonzero(curve < curve.max() - CONVERGED_DB)
    return int(away[-1]) + 2 if len(away) else 1


def _compare(
    evidence: Evidence,
    statement: str,
    head: str,
    first: dict,
    second: dict,
    *wanted: Outcome,
    ours: bool = False,
) -> Part:
    """Make a part of a claim that says how one network compares with another."""
    a, b = evidence.runs(**first), evidence.runs(**second)
    if not {r.seed for r in a} & {r.seed for r in b}:
        return Part(statement, "open", "no runs of the same seed to compare yet", ours)
    found = difference(a, b, head)
    status, text = _is(found, *wanted), f"{found}: {found.outcome}"
    as_published = first.keys() == second.keys() == {"model"}
    long = evidence.as_the_article(first["model"], second["model"])
    if as_published and long is not None:
        later = difference(long[:1], long[1:], head)
        text += f"; one long run of each: {later.mean:+.2f} dB: {later.outcome}"
        if {found.outcome, later.outcome} == {"higher", "lower"}:
            status = "open"
    return Part(statement, status, text, ours)


def _own_number(
    statement: str,
    runs: Sequence[Record] | None,
    measure: Callable[..., tuple[float, str]],
    low: float,
    high: float,
) -> Part:
    """Make a part that compares a number of the article's with one run of each network."""
    if runs is None:
        return Part(statement, "open", "no run at the article's scale yet")
    value, text = measure(*runs)
    return Part(
        statement, _holds(low <= value <= high), f"{text}; one run at the article's scale"
    )


# --- The claims ------------------------------------------------------------------------


def c1(evidence: Evidence) -> Verdict:
    """Decide C1: simple, and fast to converge."""
    runs = {model: evidence.runs(model) for model in ARTICLE}
    size = {model: r[0].parameters for model, r in runs.items() if r}
    least = min(size["basic"], size["basic_x2"]) == min(size.values())
    # A network that gets stuck stays near its best from the start. That is not fast.
    epochs = {
        model: {
            r.seed: epochs_to_converge(r)
            for r in of_model
            if r.psnr_db["x2"] > r.baseline("x2", "nearest").mean()
        }
        for model, of_model in runs.items()
    }
    own = epochs["basic"]
    later = [
        [count - own[seed] for seed, count in by_seed.items() if seed in own]
        for model, by_seed in epochs.items()
        if model not in ("basic", "basic_x2")
    ]
    if any(found and max(found) < 0 for found in later):
        fast: Status = "refuted"  # another is faster from every seed
    else:
        fast = "confirmed" if all(min(found, default=0) >= 0 for found in later) else "open"
    listing = "; ".join(
        f"{TITLES[model]}: {_span(by_seed.values())}"
        for model, by_seed in epochs.items()
        if by_seed
    )
    others = [size[model] for model in size if model not in ("basic", "basic_x2")]
    return Verdict(
        "C1",
        "Model 1 is simple and converges very fast",
        (
            Part(
                "simple: none has fewer parameters",
                _holds(least),
                f"{size['basic']:,} parameters, with one output {size['basic_x2']:,}; "
                f"the others {min(others):,} to {max(others):,}",
            ),
            Part(
                "fast: no other network converges in fewer epochs at x2",
                fast,
                f"epochs until within {CONVERGED_DB} dB of the best, from the seeds that "
                f"end above nearest: {listing}",
            ),
        ),
    )


def c2(evidence: Evidence) -> Verdict:
    """Decide C2: level near 21 dB, poor pictures."""
    found = gain(evidence.runs("basic"), "x2")

    def level(run: Record) -> tuple[float, str]:
        value = run.article_psnr_db["x2"]
        return value, f"{value:.2f} dB"

    return Verdict(
        "C2",
        "Model 1's PSNR levels off near 21 dB; the loss looks good, the pictures are poor",
        (
            _own_number(
                "near 21 dB at x2, by the article's own metric",
                evidence.as_the_article("basic"),
                level,
                20.5,
                21.5,
            ),
            Part(
                "poor: below plain bilinear interpolation at x2",
                _is(found, "lower"),
                f"{found}: {found.outcome}",
            ),
        ),
    )


def c3(evidence: Evidence) -> Verdict:
    """Decide C3: PSNR and looks are two things."""
    pairs = [
        (a, b, head)
        for a in ARTICLE
        for b in ARTICLE
        for head in HEADS
        if _ranks_differ(evidence.runs(a), evidence.runs(b), head)
    ]
    evidence_text = "no two networks whose PSNR and SSIM disagree in all seeds"
    if pairs:
        a, b, head = pairs[0]
        evidence_text = (
            f"{len(pairs)} pairs of networks, such as {TITLES[a]} and {TITLES[b]} at "
            f"{head}: the first has the higher PSNR and the lower SSIM from every seed"
        )
    return Verdict(
        "C3",
        "A high PSNR does not make a picture that looks good",
        (
            Part(
                "a higher PSNR can go with a lower structural similarity",
                "confirmed" if pairs else "open",
                evidence_text,
            ),
        ),
    )


def _ranks_differ(first: list[Record], second: list[Record], head: str) -> bool:
    """Whether PSNR prefers the first and SSIM the second, from every seed."""
    by_seed = {r.seed: r for r in second if head in r.psnr_db}
    pairs = [(a, by_seed[a.seed]) for a in first if a.seed in by_seed and head in a.psnr_db]
    return len(pairs) > 1 and all(
        a.psnr_db[head] > b.psnr_db[head] and a.ssim[head] < b.ssim[head] for a, b in pairs
    )


def c4(evidence: Evidence) -> Verdict:
    """Decide C4: what residual blocks brought."""
    epochs = [epochs_to_converge(r) for r in evidence.runs("residual")]
    model_2, model_1 = {"model": "residual"}, {"model": "basic"}
    both = evidence.as_the_article("residual", "basic")

    def gained(run: Record, before: Record) -> tuple[float, str]:
        value = run.article_psnr_db["x4"] - before.article_psnr_db["x4"]
        return value, f"{value:+.2f} dB by the article's own metric"

    def fell(run: Record, before: Record) -> tuple[float, str]:
        value = before.history["val_x4_loss"][-1] - run.history["val_x4_loss"][-1]
        return value, f"{value:.4f} lower"

    return Verdict(
        "C4",
        "Model 2 converges in 2 epochs; no gain at 144, a clear gain at 288",
        (
            Part(
                "converges in 2 epochs (x2)",
                _from_every_seed([count <= 2 for count in epochs]),
                f"epochs by seed: {', '.join(map(str, epochs))}",
            ),
            _compare(
                evidence, "no gain at 144", "x2", model_2, model_1, "lower", "the same"
            ),
            _compare(evidence, "a gain at 288", "x4", model_2, model_1, "higher"),
            _own_number("0.2998 dB higher at 288", both, gained, 0.2, 0.4),
            _own_number("squared error 0.005 lower at 288", both, fell, 0.0025, 0.01),
        ),
    )


def c5(evidence: Evidence) -> Verdict:
    """Decide C5: twice as many parameters."""
    three, two = (evidence.runs(m)[0].parameters for m in ("atrous", "residual"))
    return Verdict(
        "C5",
        "Model 3 has twice as many parameters as Model 2",
        (
            Part(
                "twice, give or take a tenth",
                _near(three / two, 2, 0.2),
                f"{three:,} / {two:,} = {three / two:.2f}",
            ),
        ),
    )


def c6(evidence: Evidence) -> Verdict:
    """Decide C6: weighting the second output more, in Model 3."""
    second_more = {"model": "atrous"}
    first_more = {"model": "atrous", "x2_weight": 0.7}
    return Verdict(
        "C6",
        "In Model 3, weights (0.3, 0.7) beat weights that favour the first output, at both",
        tuple(
            _compare(
                evidence,
                f"(0.3, 0.7) above (0.7, 0.3) at {head}",
                head,
                second_more,
                first_more,
                "higher",
            )
            for head in HEADS
        ),
    )


def c7(evidence: Evidence) -> Verdict:
    """Decide C7: what atrous convolution brought."""
    three, two = {"model": "atrous"}, {"model": "residual"}
    return Verdict(
        "C7",
        "Model 3 is a little better at 144, and about the same or slightly lower at 288",
        (
            _compare(evidence, "better at 144", "x2", three, two, "higher"),
            _compare(
                evidence, "the same or lower at 288", "x4", three, two, "the same", "lower"
            ),
        ),
    )


def c8(evidence: Evidence) -> Verdict:
    """Decide C8: Model 4's first attempt, its PSNR halved."""
    names = ("efficientnet_1", "atrous")
    first, second = (evidence.runs(name)[0].parameters for name in names)

    def share(head: str, run: Record, three: Record) -> tuple[float, str]:
        value = run.article_psnr_db[head] / three.article_psnr_db[head]
        return value, f"{value:.0%} of Model 3's"

    repaired = {"model": "efficientnet_1", "x4_from": "trunk"}
    return Verdict(
        "C8",
        "Model 4 as first built: fewer parameters, PSNR halved",
        (
            Part(
                "fewer parameters than Model 3",
                _holds(first < second),
                f"{first:,} against {second:,}",
            ),
            *(
                _own_number(
                    f"PSNR about halved at {head} (40 to 60 % of Model 3's)",
                    evidence.as_the_article(*names),
                    partial(share, head),
                    0.4,
                    0.6,
                )
                for head in HEADS
            ),
            _compare(
                evidence,
                "the cause is the wiring: x4 from the trunk repairs x4",
                "x4",
                repaired,
                {"model": "efficientnet_1"},
                "higher",
                ours=True,
            ),
        ),
    )


def c9(evidence: Evidence) -> Verdict:
    """Decide C9: what repaired Model 4."""
    basic = {r.seed: r for r in evidence.runs("basic")}

    def worse_output(model: str) -> list[float]:
        """Return by how much the worse output is above Model 1, from each seed."""
        return [
            min(run.psnr_db[head] - basic[run.seed].psnr_db[head] for head in HEADS)
            for run in evidence.runs(model)
            if run.seed in basic
        ]

    second, third, final = (worse_output(f"efficientnet_{k}") for k in (2, 3, 4))

    def text(above: list[float]) -> str:
        return f"its worse output against Model 1's: {_span(above, '+.2f')} dB"

    return Verdict(
        "C9",
        "One convolution after the features does not repair it; more of them, and "
        "weights (0.65, 0.35), do",
        (
            Part(
                "attempt 2 is not repaired: an output more than 1 dB below Model 1",
                _from_every_seed([above < -1 for above in second]),
                f"{text(second)}, {len(second)} seeds",
            ),
            Part(
                "the final attempt is: both outputs within 1 dB of Model 1",
                _from_every_seed([above >= -1 for above in final]),
                f"from {sum(above >= -1 for above in final)} of {len(final)} seeds; "
                f"{text(final)} (attempt 3: {_span(third, '+.2f')} dB)",
            ),
            _compare(
                evidence,
                "the weights help it: (0.65, 0.35) above (0.5, 0.5) at x4",
                "x4",
                {"model": "efficientnet_4"},
                {"model": "efficientnet_4", "x2_weight": 0.5},
                "higher",
            ),
        ),
    )


def c10(evidence: Evidence) -> Verdict:
    """Decide C10: weighting the first output more, in Model 4."""
    favoured = {"model": "efficientnet_4"}
    parts = [
        _compare(
            evidence,
            f"(0.65, 0.35) above (0.3, 0.7) at {head}",
            head,
            favoured,
            {"model": "efficientnet_4", "x2_weight": 0.3},
            "higher",
        )
        for head in HEADS
    ]
    return Verdict(
        "C10",
        "(0.65, 0.35) is better in Model 4, as its second output has more convolutions",
        tuple(parts),
    )


def c11(evidence: Evidence) -> Verdict:
    """Decide C11: as good as Model 3 with half the parameters."""
    models = ("efficientnet_4", "atrous")
    four, three = (evidence.runs(model)[0].trainable_parameters for model in models)
    return Verdict(
        "C11",
        "Repaired, Model 4 predicts as well as Model 3 with half the parameters",
        (
            Part(
                "half the trained parameters, give or take a tenth",
                _near(four / three, 0.5, 0.05),
                f"{four:,} / {three:,} = {four / three:.3f}",
            ),
            *(
                _compare(
                    evidence,
                    f"as good as Model 3 at {head}",
                    head,
                    {"model": "efficientnet_4"},
                    {"model": "atrous"},
                    "higher",
                    "the same",
                )
                for head in HEADS
            ),
        ),
    )


def c12(evidence: Evidence) -> Verdict:
    """Decide C12: upsampling without a convolution after it."""
    after = {"model": "basic", "head_size": 3}
    return Verdict(
        "C12",
        "Upsampling without a convolution after it is bad practice",
        tuple(
            _compare(
                evidence,
                f"a 3x3 convolution after it raises Model 1 at {head}",
                head,
                after,
                {"model": "basic"},
                "higher",
            )
            for head in HEADS
        ),
    )


def c13(evidence: Evidence) -> Verdict:
    """Decide C13: depth to space against upsampling."""
    five = {"model": "depth_to_space"}
    return Verdict(
        "C13",
        "Depth to space (Model 5) beats upsampling at both sizes",
        tuple(
            _compare(
                evidence,
                f"Model 5 above {TITLES[other]} at {head}",
                head,
                five,
                {"model": other},
                "higher",
            )
            for other in ("efficientnet_4", "atrous")
            for head in HEADS
        ),
    )


def c14(fits: Mapping[str, bool], fits_as_published: Mapping[str, bool]) -> Verdict:
    """Decide C14: fully convolutional networks and input sizes.

    Parameters
    ----------
    fits
        By model: whether both outputs had the right size for every input that was tried.
    fits_as_published
        The same for the networks without our padding of odd sizes.
    """

    def part(statement: str, found: Mapping[str, bool], ours: bool) -> Part:
        failed = [TITLES[model] for model, fine in found.items() if not fine]
        text = f"fails for {'; '.join(failed)}" if failed else f"all {len(found)} networks"
        return Part(statement, _holds(not failed), text, ours)

    return Verdict(
        "C14",
        "Fully convolutional networks need no fixed input size",
        (
            part("as published: any size, odd ones too", fits_as_published, ours=False),
            part("with odd sizes padded, as here: any size", fits, ours=True),
        ),
    )


def c15(evidence: Evidence) -> Verdict:
    """Decide C15: what pretrained features are worth."""
    # Without the wire and the output ReLUs, whose failures would hide the features' worth.
    healthy = {"model": "efficientnet_4", "x4_from": "trunk", "output_activation": None}
    pretrained = {**healthy, "backbone": "imagenet-lite0"}
    rivals = {
        "random frozen features": healthy,
        "the same layers, trained from scratch": {**healthy, "backbone": "scratch"},
        "a plain convolution of equal cost": {**healthy, "backbone": "plain"},
    }
    return Verdict(
        "C15",
        "Pretrained features cut parameters and training time",
        tuple(
            _compare(
                evidence,
                f"frozen Lite0 features above {name} at {head}, after equal training",
                head,
                pretrained,
                rival,
                "higher",
            )
            for name, rival in rivals.items()
            for head in HEADS
        ),
    )


def c16(evidence: Evidence) -> Verdict:
    """Decide C16: bigger and deeper."""
    three, two = {"model": "atrous"}, {"model": "residual"}
    parts = [
        _compare(
            evidence,
            f"the biggest network (Model 3) above Model 2, which is built alike, at {head}",
            head,
            three,
            two,
            "higher",
        )
        for head in HEADS
    ]
    untested = Part(
        "a model bigger than these would be better",
        "open",
        "none was run; with heads that draw blocks, no size passes the ceiling",
    )
    return Verdict(
        "C16", "A bigger, deeper model would do better still", (*parts, untested)
    )


FROM_RECORDS: tuple[Callable[[Evidence], Verdict], ...] = (
    c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c15, c16,
)  # fmt: skip


def judge(
    evidence: Evidence, fits: Mapping[str, bool], fits_as_published: Mapping[str, bool]
) -> list[Verdict]:
    """Decide all sixteen claims, in their order. For the last two arguments see `c14`."""
    verdicts = [claim(evidence) for claim in FROM_RECORDS]
    verdicts.append(c14(fits, fits_as_published))
    return sorted(verdicts, key=lambda verdict: int(verdict.claim[1:]))

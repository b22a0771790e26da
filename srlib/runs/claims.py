"""What the article says, sentence by sentence, and what the runs answer.

A sentence is one of four kinds, and each kind has its own question:

- **saw**: what happened in the author's run. Does it happen when the run is repeated?
  *reproduced in k of n* runs, or *not seen in n*. If there are three runs at the article's
  own scale, these count, and short ones stand beside them; else all of them count.
- **said**: a general statement. It *holds*, *holds in part*, *does not hold*, or is *open*.
- **because**: a cause that it names. Does the effect go when the cause is taken away, and
  come when it is put in? *supported*, *not the cause*, or *open*.
- **guessed**: "I assume". Answered as what it says, with credit for calling it a guess.

A number that was read off one run is answered with the range of ours. One run of ours
cannot refute one run of the author's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from srlib import zoo
from srlib.runs.results import Record
from srlib.runs.verdicts import (
    SAME_DB,
    Evidence,
    by_seed,
    difference,
    epochs_to_arrive,
    gain,
)
from srlib.zoo import HEADS

Kind = Literal["saw", "said", "because", "guessed"]

#: The day from which these rules stand. Most of the runs were known by then.
RULES_SINCE = "2026-11-29"

#: What the rules before them made of each claim, a word for all of its sentences, from the
#: 159 runs that there were. Claims 17 to 20 were not judged.
FORMER = {
    "C1": "open", "C2": "confirmed", "C3": "open", "C4": "refuted", "C5": "refuted",
    "C6": "refuted", "C7": "refuted", "C8": "refuted", "C9": "refuted", "C10": "open",
    "C11": "refuted", "C12": "confirmed", "C13": "refuted", "C14": "refuted",
    "C15": "refuted", "C16": "refuted",
}  # fmt: skip

ENOUGH = 3  # long runs, to count alone; seeds, to decide
HALF = 0.6  # of Model 3's PSNR: what "halved" may mean, read off a plot
REACHED_DB = 22.0  # a score at x2 that Models 3 and 4 reach: how long do they take?


@dataclass(frozen=True)
class Finding:
    """An answer, and the numbers that it rests on."""

    answer: str
    evidence: str

    @property
    def sign(self) -> str:
        """Show at a glance whether the runs agree: always, sometimes, never, or unknown."""
        if counts := re.fullmatch(r"reproduced in (\d+) of (\d+)", self.answer):
            return "✓" if 2 * int(counts[1]) > int(counts[2]) else "◐"
        signs = {"holds": "✓", "supported": "✓", "holds in part": "◐", "open": "?"}
        return signs.get(self.answer, "✗")


@dataclass(frozen=True)
class Sentence:
    """One sentence of the article, and the rule that answers it.

    Attributes
    ----------
    claim
        ``"C1"`` to ``"C20"``; a claim may have several sentences.
    kind
        What sort of sentence it is.
    text
        What it says, in our words.
    rule
        How it is answered, for the page that shows the answer.
    answer
        Computes that.
    """

    claim: str
    kind: Kind
    text: str
    rule: str
    answer: Callable[[Evidence], Finding]


# --- How each kind is answered ---------------------------------------------------------

Runs = Sequence[tuple[Record, ...]]  # each beside the runs that it is compared with
Part = tuple[bool | None, str]  # whether it holds (None: undecided), and the numbers


def seen(
    scales: tuple[Runs, Runs], test: Callable[..., bool], show: Callable[..., str]
) -> Finding:
    """Count the runs in which something happened, long ones and short ones apart."""
    long, short = scales
    # One run is one draw: until there are three long ones, the short ones count, too.
    counted = long if len(long) >= ENOUGH else [*long, *short]
    if not counted:
        return Finding("open", "no run was made")
    count = sum(test(*run) for run in counted)
    answer = f"reproduced in {count} of" if count else "not seen in"
    texts = [
        f"{sum(test(*run) for run in runs)} of {len(runs)} {name} runs: "
        + "; ".join(show(*run) for run in runs)
        for name, runs in (("long", long), ("short", short))
        if runs
    ]
    return Finding(f"{answer} {len(counted)}", ". ".join(texts))


def states(parts: Mapping[str, Part]) -> Finding:
    """Answer a statement of several parts."""
    found = [holds for holds, _ in parts.values()]
    if all(found):
        answer = "holds"
    elif any(found):
        answer = "holds in part"
    else:
        answer = "open" if None in found else "does not hold"
    words = {True: "yes", False: "no", None: "undecided"}
    lines = (f"{name}: {words[holds]}, {text}" for name, (holds, text) in parts.items())
    return Finding(answer, "; ".join(lines))


def compared(
    first: Sequence[Record], second: Sequence[Record], head: str, *wanted: str
) -> Part:
    """Tell whether two networks compare in one of the ways that a sentence says."""
    if not by_seed(first, second):
        return None, "no runs of the same seed"
    found = difference(first, second, head)
    undecided = found.outcome == "undecided" or len(found.by_seed) < ENOUGH
    return None if undecided else found.outcome in wanted, str(found)


def _at_both(
    first: Sequence[Record], second: Sequence[Record], label: str = ""
) -> dict[str, Part]:
    """Tell at which outputs the first network is higher."""
    return {f"{head}{label}": compared(first, second, head, "higher") for head in HEADS}


def _beside(e: Evidence, model: str, *references: str) -> tuple[Runs, Runs]:
    """Put each run of a network beside the reference's of its seed, or else the first one.

    Runs of Models 1 to 3 from several seeds differ by hundredths of a decibel.
    """

    def one(runs: Callable[[str], list[Record]]) -> Runs:
        tables = [{r.seed: r for r in runs(name)} for name in references]
        if not all(tables):
            return []
        return [
            (r, *(table.get(r.seed, next(iter(table.values()))) for table in tables))
            for r in runs(model)
        ]

    return one(e.long), one(e.runs)


def _higher(first: Record, second: Record, head: str) -> float:
    """Return how much higher the article's own PSNR is, in dB."""
    return first.article_psnr_db[head] - second.article_psnr_db[head]


def _mean_higher(first: Record, second: Record) -> float:
    return float(np.mean([_higher(first, second, head) for head in HEADS]))


def _both(first: Record, second: Record) -> str:
    return " / ".join(f"{_higher(first, second, head):+.2f}" for head in HEADS) + " dB"


def _outputs(run: Record, *_: Record) -> str:
    return " / ".join(f"{run.article_psnr_db[head]:.1f}" for head in HEADS) + " dB"


# --- The sentences ---------------------------------------------------------------------


def _change(
    model: str, reference: str, head: str, holds: Callable[[float], bool]
) -> Callable[[Evidence], Finding]:
    """Count the runs that are so much higher than another network's, at one output."""

    def answer(e: Evidence) -> Finding:
        return seen(
            _beside(e, model, reference),
            lambda a, b: holds(_higher(a, b, head)),
            lambda a, b: f"{_higher(a, b, head):+.2f} dB",
        )

    return answer


def _arrives(models: Sequence[str], most: int) -> Callable[[Evidence], Finding]:
    """Count the runs that are near their end after so many epochs, each of 63 steps."""

    def answer(e: Evidence) -> Finding:
        scales = ([(r,) for m in models for r in runs(m)] for runs in (e.long, e.runs))
        return seen(
            tuple(scales),
            lambda run: epochs_to_arrive(run) <= most,
            lambda run: f"{epochs_to_arrive(run)} of {len(run.history['loss'])} epochs",
        )

    return answer


def _works(model: str, *, wanted: bool) -> Callable[[Evidence], Finding]:
    """Count the runs whose worse output is within 1 dB of Model 1's, or is not."""

    def answer(e: Evidence) -> Finding:
        return seen(
            _beside(e, model, "basic"), lambda *pair: _is_sound(*pair) == wanted, _outputs
        )

    return answer


def _is_sound(run: Record, basic: Record) -> bool:
    return min(_higher(run, basic, head) for head in HEADS) >= -1


def _count(
    first: str, others: Sequence[str], holds: Callable[[float], bool], of: str = "trainable"
) -> Callable[[Evidence], Finding]:
    """Compare how many numbers networks hold: arithmetic, which needs no run."""

    def answer(_: Evidence) -> Finding:
        parts = {}
        for other in others:
            a, b = (getattr(zoo.NETWORKS[name], of) for name in (first, other))
            text = f"{a:,} / {b:,} = {a / b:.3f}"
            parts[f"against {zoo.TITLES[other]}"] = (holds(a / b), text)
        return states(parts)

    return answer


def _c1_because(e: Evidence) -> Finding:
    rivals = {
        zoo.TITLES[model]: [
            (epochs_to_arrive(other), epochs_to_arrive(basic))
            for other, basic in by_seed(e.runs(model), e.runs("basic"))
            if other.scores("x2").mean() > other.baseline("x2", "nearest").mean()
        ]
        for model in ("residual", "atrous", "efficientnet_4")
    }
    if not all(rivals.values()):
        return Finding("open", "no runs to compare")
    text = "; ".join(
        f"{title} takes more epochs in {sum(a > b for a, b in pairs)} of {len(pairs)} runs"
        for title, pairs in rivals.items()
    )
    if all(a > b for pairs in rivals.values() for a, b in pairs):
        return Finding("supported", text)
    as_fast = any(all(a <= b for a, b in pairs) for pairs in rivals.values())
    return Finding("not the cause" if as_fast else "open", text)


def _c2_level(e: Evidence) -> Finding:
    return seen(
        _beside(e, "basic"),
        lambda run: 20 <= run.article_psnr_db["x2"] < 22,
        lambda run: f"{run.article_psnr_db['x2']:.2f} dB",
    )


def _c2_poor(e: Evidence) -> Finding:
    return seen(
        _beside(e, "basic"),
        lambda run: gain([run], "x2").outcome == "lower",
        lambda run: f"{gain([run], 'x2').mean:+.2f} dB against bilinear",
    )


def _c3(e: Evidence) -> Finding:
    facts = e.facts
    if not facts.photos:
        return Finding("open", "not looked at")
    most = facts.photos / 2
    return states(
        {
            "bilinear has the higher PSNR on most photos": (
                facts.higher_psnr > most,
                f"on {facts.higher_psnr} of {facts.photos}",
            ),
            "bicubic has the higher SSIM on most photos": (
                facts.higher_ssim > most,
                f"on {facts.higher_ssim} of {facts.photos}",
            ),
        }
    )


def _c4_better(e: Evidence) -> Finding:
    return seen(
        _beside(e, "residual", "basic"), lambda *pair: _mean_higher(*pair) > 0, _both
    )


def _c6_saw(e: Evidence) -> Finding:
    runs = by_seed(e.runs("atrous"), e.runs("atrous", x2_weight=0.7))
    return seen(([], runs), lambda *pair: _mean_higher(*pair) > 0, _both)


def _c6_guessed(e: Evidence) -> Finding:
    return states(_at_both(e.runs("atrous"), e.runs("atrous", x2_weight=0.7)))


def _c7_same(e: Evidence) -> Finding:
    def is_same(three: Record, two: Record) -> bool:
        return all(abs(_higher(three, two, head)) < SAME_DB for head in HEADS)

    return seen(_beside(e, "atrous", "residual"), is_same, _both)


def _c7_pictures(
    head: str, holds: Callable[[float], bool]
) -> Callable[[Evidence], Finding]:
    """Ask SSIM in the place of the author's eye."""

    def gained(three: Record, two: Record) -> float:
        return three.ssim[head] - two.ssim[head]

    def answer(e: Evidence) -> Finding:
        return seen(
            _beside(e, "atrous", "residual"),
            lambda *pair: holds(gained(*pair)),
            lambda *pair: f"SSIM {gained(*pair):+.4f}",
        )

    return answer


def _c8_halved(e: Evidence) -> Finding:
    return seen(_beside(e, "efficientnet_1", "atrous"), _is_halved, _outputs)


def _is_halved(run: Record, three: Record, heads: Sequence[str] = HEADS) -> bool:
    return any(run.article_psnr_db[h] <= HALF * three.article_psnr_db[h] for h in heads)


def _c8_because(e: Evidence) -> Finding:
    published = by_seed(e.runs("efficientnet_1"), e.runs("atrous"))
    cut = by_seed(e.runs("efficientnet_1", x4_from="trunk"), e.runs("atrous"))
    if not (published and cut):
        return Finding("open", "no runs to compare")
    before, after = (
        sum(_is_halved(*pair, heads=("x4",)) for pair in runs) for runs in (published, cut)
    )
    higher, by = compared([r for r, _ in cut], [r for r, _ in published], "x4", "higher")
    text = (
        f"x4 is halved in {before} of {len(published)} short runs; with the same features "
        f"and as few parameters, but x4 made from the trunk, in {after} of {len(cut)}: {by}"
    )
    return Finding("not the cause" if before and not after and higher else "open", text)


def _c10_saw(e: Evidence) -> Finding:
    runs = by_seed(e.runs("efficientnet_4"), e.runs("efficientnet_4", x2_weight=0.3))
    return seen(([], runs), lambda *pair: _mean_higher(*pair) > 0, _both)


def best_weight(e: Evidence, seed: int, **changes: object) -> float | None:
    """Return the weight of x2 with which a form of Model 4 does best, from one seed."""
    article = zoo.NETWORKS["efficientnet_4"].loss_weights["x2"]
    scores = {}
    for weight in (0.1, 0.3, 0.5, article, 0.9):
        for run in e.runs("efficientnet_4", x2_weight=weight, **changes):
            if run.seed == seed:
                scores[weight] = np.mean(list(run.psnr_db.values()))
    return max(scores, key=scores.get) if len(scores) == 5 else None


def _c10_because(e: Evidence) -> Finding:
    healthy = {"output_activation": None}
    pairs = [
        (best_weight(e, seed, **healthy), best_weight(e, seed, **healthy, deep_head="x2"))
        for seed in range(3)
    ]
    pairs = [pair for pair in pairs if None not in pair]
    if not pairs:
        return Finding("open", "the depths were not exchanged yet")
    text = "best weight of x2, deeper head at x4 and at x2: " + "; ".join(
        f"{a:g} and {b:g}" for a, b in pairs
    )
    if all(b < a for a, b in pairs):
        return Finding("supported", text)
    return Finding("open" if any(b < a for a, b in pairs) else "not the cause", text)


def _c12(e: Evidence) -> Finding:
    return states(_at_both(e.runs("basic", head_size=3), e.runs("basic")))


def _c13_said(e: Evidence) -> Finding:
    repeated = e.runs("efficientnet_4", x4_from="trunk")
    moved = {"x4_from": "trunk", "shuffle": True}
    return states(
        {
            **_at_both(e.runs("efficientnet_4", **moved), repeated),
            **_at_both(e.runs("efficientnet_4", **moved, icnr=True), repeated, ", ICNR"),
        }
    )


def _c14(e: Evidence) -> Finding:
    if not e.facts.fits:
        return Finding("open", "not tried")

    def part(fits: Mapping[str, bool], models: Sequence[str]) -> Part:
        failed = [zoo.TITLES[model] for model in models if not fits[model]]
        text = f"fails for {', '.join(failed)}" if failed else "every size that was tried"
        return not failed, text

    own = [name for name, network in zoo.ARTICLE.items() if network.article <= 3]
    rest = [name for name in zoo.ARTICLE if name not in own]
    return states(
        {
            "Models 1 to 3": part(e.facts.fits_as_published, own),
            "Models 4 and 5, odd sizes, too": part(e.facts.fits_as_published, rest),
            "Models 4 and 5 with odd sizes padded (ours)": part(e.facts.fits, rest),
        }
    )


def _c15_ready(e: Evidence) -> Finding:
    def share(model: str) -> tuple[int, int]:
        long, short = _beside(e, model, "basic")
        runs = long or short
        return sum(_is_sound(*pair) for pair in runs), len(runs)

    (first, n), (final, m) = share("efficientnet_1"), share("efficientnet_4")
    if not n or not m:
        return Finding("open", "no run was made")
    text = (
        f"the first attempt works in {first} of {n} runs, the final one in {final} of {m}"
    )
    return states({"it took another network": (2 * first < n and 2 * final > m, text)})


def epochs_to_reach(record: Record, head: str = "x2") -> int | None:
    """Count the epochs until a run reaches `REACHED_DB`; None if it never does."""
    curve = record.history[f"val_{head}_psnr_db"]
    return next((k for k, value in enumerate(curve, 1) if value >= REACHED_DB), None)


def _c15_less(e: Evidence) -> Finding:
    four, three = (zoo.NETWORKS[m].trainable for m in ("efficientnet_4", "atrous"))
    parts = {"parameters": (four < three, f"{four:,} of {three:,}")}
    times = e.facts.step_seconds
    if not times:
        parts["time"] = (None, "not measured")
    else:
        ratio = times["efficientnet_4"] / times["atrous"]
        parts["time of a step"] = (ratio < 1, f"{ratio:.2f} of Model 3's")
        epochs = [
            [epochs_to_reach(run) for run in e.runs(m)]
            for m in ("efficientnet_4", "atrous")
        ]
        a, b = ([count for count in counts if count] for counts in epochs)
        if a and b:
            text = (
                f"{REACHED_DB:g} dB at x2 after {np.mean(a):.1f} epochs of 63 steps "
                f"({len(a)} of {len(epochs[0])} seeds) against {np.mean(b):.1f} "
                f"({len(b)} of {len(epochs[1])})"
            )
            parts["time to a score"] = (ratio * np.mean(a) < np.mean(b), text)
        plain = times["plain"] / times["efficientnet_4"]
        text = f"the same network with a plain convolution takes {plain:.2f} of its step"
        parts["because of the features"] = (plain > 1, text)
    return states(parts)


def _c16(e: Evidence) -> Finding:
    three, two = e.runs("atrous"), e.runs("residual")
    texts = [f"{head} {compared(three, two, head)[1]}" for head in HEADS]
    return Finding(
        "open",
        "no larger network without a ceiling was trained yet; Model 3, the largest here, "
        f"against Model 2: {'; '.join(texts)}",
    )


def _c17(e: Evidence) -> Finding:
    wide = next((r for r in e.records if r.changes.get("width")), None)
    if wide is None:
        return Finding("open", "no run was made")
    runs = e.runs("efficientnet_4", width=wide.changes["width"])
    found = states(_at_both(runs, e.runs("efficientnet_4")))
    count = f"{wide.trainable_parameters:,} parameters; "
    return Finding(found.answer, count + found.evidence)


def _c18(e: Evidence) -> Finding:
    if e.facts.changed is None:
        return Finding("open", "not looked at")
    seen, other = e.facts.changed
    text = f"{seen:.0%} of the pixels visibly differ (of another such pair, {other:.0%})"
    return states({"0.3 dB can be seen": (seen > 0.1, text)})


def _c19(e: Evidence) -> Finding:
    runs = e.long("basic") or e.runs("basic")
    if not runs:
        return Finding("open", "no run was made")
    history = runs[0].history
    parts = [np.array(history[f"{head}_loss"]) for head in HEADS]
    ratio = np.median(np.array(history["loss"]) / np.mean(parts, axis=0))
    text = f"the loss of Model 1 is {ratio:.2f} times the average of its outputs' losses"
    return states({"average": (bool(abs(ratio - 1) < 0.01), text)})


def _c20(e: Evidence) -> Finding:
    facts = e.facts
    if facts.same_files is None:
        return Finding("open", "not tried")
    return states(
        {
            "the same list of photos": (facts.same_files, "sorted by name"),
            "the same photos in every validation": (facts.same_batches, "64 at a time"),
        }
    )


_FINALS = ("efficientnet_4", "atrous")

SENTENCES: tuple[Sentence, ...] = (
    Sentence(
        "C1", "saw", "Model 1 converges very fast, as its curve shows",
        "within 0.2 dB of its end after 4 of its 12 epochs",
        _arrives(("basic_x2", "basic"), 4),
    ),
    Sentence(
        "C1", "because", "fast because it is simple",
        "every larger network that is alive takes more epochs of equal length, from every "
        "seed (if one of them never does: not the cause)",
        _c1_because,
    ),
    Sentence(
        "C2", "saw", "PSNR settles near 21",
        "between 20 and 22 dB at x2: the article read it off a plot, from better JPEGs",
        _c2_level,
    ),
    Sentence(
        "C2", "saw", "the loss is good, and the pictures are quite bad",
        "below bilinear interpolation at x2", _c2_poor,
    ),
    Sentence(
        "C3", "said", "a high PSNR does not guarantee a picture that looks good",
        "one example: of two methods the first has the higher PSNR on most photos, and the "
        "second the higher SSIM on most",
        _c3,
    ),
    Sentence(
        "C4", "saw", "Model 2, too, converges after 2 epochs",
        "within 0.2 dB of its end after 2 epochs",
        _arrives(("residual",), 2),
    ),
    Sentence(
        "C4", "saw", "its loss and PSNR are a little better than Model 1's",
        "higher in the mean of both outputs", _c4_better,
    ),
    Sentence(
        "C4", "saw", "no improvement at 144", f"less than {SAME_DB} dB",
        _change("residual", "basic", "x2", lambda db: db < SAME_DB),
    ),
    Sentence(
        "C4", "saw", "at 288 clearly better pictures", f"{SAME_DB} dB or more",
        _change("residual", "basic", "x4", lambda db: db >= SAME_DB),
    ),
    Sentence(
        "C4", "saw", "at 288 the PSNR differs by 0.2998 dB",
        "within 0.1 dB of that. (The loss cannot differ by 0.005 as well: at 21 dB such a "
        "gain is 0.0005. A digit slipped.)",
        _change("residual", "basic", "x4", lambda db: abs(db - 0.2998) <= 0.1),
    ),
    Sentence(
        "C5", "said", "Model 3 has more than twice as many parameters",
        "arithmetic", _count("atrous", ["residual"], lambda ratio: ratio > 2),
    ),
    Sentence(
        "C6", "saw", "in Model 3 more weight on the first did not help; (0.3, 0.7) did",
        "(0.3, 0.7) above (0.7, 0.3) in the mean of both outputs: the article does not say "
        "at which",
        _c6_saw,
    ),
    Sentence(
        "C6", "guessed", "more weight on the second helps both",
        "higher at both outputs, from every seed", _c6_guessed,
    ),
    Sentence(
        "C7", "saw", "no significant improvement of loss or PSNR over Model 2",
        f"within {SAME_DB} dB at both outputs", _c7_same,
    ),
    Sentence(
        "C7", "saw", "the second output's PSNR fell a tiny bit",
        f"lower at x4, by less than {SAME_DB} dB",
        _change("atrous", "residual", "x4", lambda db: -SAME_DB < db < 0),
    ),
    Sentence(
        "C7", "saw", "pictures at 144 a little better",
        "SSIM higher: it was judged by eye",
        _c7_pictures("x2", lambda ssim: ssim > 0),
    ),
    Sentence(
        "C7", "saw", "pictures at 288 almost the same", "SSIM within 0.01",
        _c7_pictures("x4", lambda ssim: abs(ssim) < 0.01),
    ),
    Sentence(
        "C8", "saw", "fewer parameters than the models before",
        "arithmetic, against Models 2 and 3",
        _count("efficientnet_1", ["residual", "atrous"], lambda x: x < 1, "parameters"),
    ),
    Sentence(
        "C8", "saw", "PSNR halved, wrong pictures",
        f"an output at {HALF:.0%} of Model 3's or below", _c8_halved,
    ),
    Sentence(
        "C8", "because", "EfficientNet's weights together with the few parameters",
        "not the cause, if x4 is halved, and with both left as they are but x4 made from "
        "the trunk it no longer is",
        _c8_because,
    ),
    Sentence(
        "C9", "saw", "a convolution after the features' upsampling did not fix it",
        "attempt 2: an output more than 1 dB below Model 1's",
        _works("efficientnet_2", wanted=False),
    ),
    Sentence(
        "C9", "saw", "more convolutions did (attempt 3)",
        "both outputs within 1 dB of Model 1's", _works("efficientnet_3", wanted=True),
    ),
    Sentence(
        "C9", "saw", "more convolutions did (final attempt)",
        "both outputs within 1 dB of Model 1's", _works("efficientnet_4", wanted=True),
    ),
    Sentence(
        "C10", "saw", "in Model 4 (0.65, 0.35) gave better results than (0.3, 0.7)",
        "higher in the mean of both outputs", _c10_saw,
    ),
    Sentence(
        "C10", "because", "the second output has four convolutions and the first two",
        "supported, if with the depths exchanged the best weight of x2 is lower, from "
        "every seed; not the cause, if from none",
        _c10_because,
    ),
    Sentence(
        "C11", "saw", "repaired, Model 4 predicts the same as Model 3 at 144",
        f"within {SAME_DB} dB",
        _change(*_FINALS, "x2", lambda db: abs(db) < SAME_DB),
    ),
    Sentence(
        "C11", "saw", "and at 288", f"within {SAME_DB} dB",
        _change(*_FINALS, "x4", lambda db: abs(db) < SAME_DB),
    ),
    Sentence(
        "C11", "said", "with half the parameters", "arithmetic: 0.45 to 0.55",
        _count("efficientnet_4", ["atrous"], lambda ratio: 0.45 <= ratio <= 0.55),
    ),
    Sentence(
        "C12", "said", "upsampling without a convolution is bad practice",
        "Model 1 with a 3x3 convolution after it is higher, at each output", _c12,
    ),
    Sentence(
        "C13", "saw", "Model 5 is better than Model 4 at 144", f"{SAME_DB} dB or more",
        _change("depth_to_space", "efficientnet_4", "x2", lambda db: db >= SAME_DB),
    ),
    Sentence(
        "C13", "saw", "and at 288", f"{SAME_DB} dB or more",
        _change("depth_to_space", "efficientnet_4", "x4", lambda db: db >= SAME_DB),
    ),
    Sentence(
        "C13", "said", "depth to space improves super-resolution",
        "Model 4, x4 from the trunk, with this one layer replaced: higher, at each output",
        _c13_said,
    ),
    Sentence(
        "C14", "said", "fully convolutional networks take any size of input",
        "both outputs have the right size, odd sizes included", _c14,
    ),
    Sentence(
        "C15", "said", "a feature extractor is not ready made: think the network over",
        "the first attempt works in fewer than half of its runs, the final one in more",
        _c15_ready,
    ),
    Sentence(
        "C15", "said", "it reduces parameters, and so training time",
        "trained parameters, time of a step and time to a score, against Model 3; and "
        "against the same network with a plain convolution",
        _c15_less,
    ),
    Sentence(
        "C16", "guessed", "bigger and deeper models may do better",
        "needs a network that no ceiling holds down", _c16,
    ),
    Sentence(
        "C17", "guessed", "with as many parameters as before, Model 4 would do better",
        "widened to Model 3's count: higher, at each output", _c17,
    ),
    Sentence(
        "C18", "said", "a difference of 0.3 dB can be seen",
        "one example: of two pictures 0.3 dB apart, a tenth of the pixels differ by more "
        "than a just noticeable difference (CIEDE2000 above 2.3)",
        _c18,
    ),
    Sentence(
        "C19", "said", "the model's loss is the average of the outputs' losses",
        "the ratio of the two", _c19,
    ),
    Sentence(
        "C20", "said", "sorting the files makes sure that it always sees the same photos",
        "the list of files, and the validation batches of two epochs", _c20,
    ),
)  # fmt: skip


def judge(evidence: Evidence) -> list[tuple[Sentence, Finding]]:
    """Answer every sentence, in the order of the claims."""
    return [(sentence, sentence.answer(evidence)) for sentence in SENTENCES]

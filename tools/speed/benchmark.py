"""Measure how fast the course is, against the published code and against its targets.

    python -m tools.speed.benchmark    all parts; about 17 minutes on two cores

With ``--only input`` that part anew, the others as they were measured; ``--quick``: see
that it runs, the numbers mean nothing; ``--readme``: put the table into README.md, measure
nothing.

The result is data/results/benchmark.json. With ``SRLIB_DATA`` the photos are those; else
those of the sample, again and again. A missed target is shown, not an error: how fast a
machine is depends on what else it does.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from srlib import zoo
from srlib.runs import provenance

ROOT = Path(__file__).resolve().parents[2]

RESULT = ROOT / "data" / "results" / "benchmark.json"
PARTS = ("input", "steps", "unchanged", "waiting", "sizes", "memory", "import", "book")
BEGIN, END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"


class BenchmarkError(ValueError):
    """A result that cannot be used. The message says what to do."""


class Target(NamedTuple):
    """A line of the table: a measured number, and what it should be.

    Attributes
    ----------
    what
        What was measured, in words.
    where
        The keys that lead to the number, from the name of the part on.
    sign, limit
        ``">="`` or ``"<="``, and the number; ``None``: nothing was promised.
    form
        How to write the number.
    """

    what: str
    where: tuple[str, ...]
    sign: str
    limit: float | None
    form: str

    def is_kept(self, value: float) -> bool | None:
        """Compare; ``None`` without a promise."""
        if self.limit is None:
            return None
        return value >= self.limit if self.sign == ">=" else value <= self.limit


TIMES, PER_CENT = "{:.2f} times", "{:.1%}"


def _step(what: str, model: str, limit: float | None) -> Target:
    return Target(what, ("steps", "models", model, "ratio"), ">=", limit, TIMES)


TARGETS = (
    Target("input, first epoch: speed", ("input", "first epoch"), ">=", 3, TIMES),
    Target("input, later epochs: speed", ("input", "later epochs"), ">=", 8, TIMES),
    Target(
        "loading: share of the speed of decoding and shrinking alone",
        ("input", "share of decoding"),
        ">=",
        0.85,
        PER_CENT,
    ),
    Target(
        "loading: the same, if the bare decoder keeps its pictures as well",
        ("input", "share of decoding and keeping"),
        ">=",
        None,
        PER_CENT,
    ),
    _step("training step, Model 1, one output: speed", "basic_x2", None),
    _step("training step, Model 1: speed", "basic", 3.5),
    _step("training step, Model 2: speed", "residual", 1.3),
    _step("training step, Model 3: speed", "atrous", 1.3),
    _step("training step, Model 4, first attempt: speed", "efficientnet_1", None),
    _step("training step, Model 4, second attempt: speed", "efficientnet_2", None),
    _step("training step, Model 4, third attempt: speed", "efficientnet_3", None),
    _step("training step, Model 4: speed", "efficientnet_4", 4),
    _step("training step, Model 5: speed", "depth_to_space", 1.2),
    Target(
        "the same seed, trained both ways: largest difference in PSNR at the end",
        ("unchanged", "largest difference"),
        "<=",
        0.05,
        "{:.3f} dB",
    ),
    Target(
        "waiting for input, Model 1: share of a run",
        ("waiting", "models", "basic", "share"),
        "<=",
        0.03,
        PER_CENT,
    ),
    Target("memory, all of VOC 2007", ("memory", "peak GiB"), "<=", 2.5, "{:.2f} GiB"),
    Target("`import srlib`", ("import", "median seconds"), "<=", 0.3, "{:.3f} s"),
    Target("`make book`, installed", ("book", "median seconds"), "<=", None, "{:.1f} s"),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse(arguments)
    try:
        if options.readme:
            write_table(read(RESULT), ROOT / "README.md")
            return 0
        content = measure(options.only or PARTS, quick=options.quick)
        if not options.quick:
            content = merge(read(RESULT) if RESULT.exists() else None, content)
            write(content, RESULT)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    print(summary(content))
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--readme", action="store_true")
    return parser.parse_args(arguments)


def measure(parts: tuple[str, ...] | list[str], *, quick: bool = False) -> dict[str, Any]:
    """Measure some parts, and say on what machine.

    Each part has a process of its own, so none starts with the memory that another took.
    """
    measured = {}
    fresh = multiprocessing.get_context("spawn")
    for part in parts:
        print(f"{part} ...", file=sys.stderr, flush=True)
        about = {"date": date.today().isoformat(), "load before": os.getloadavg()[0]}
        with ProcessPoolExecutor(1, mp_context=fresh) as process:
            measured[part] = about | process.submit(_measure_part, part, quick).result()
    return {"machine": machine(), "parts": rounded(measured)}


def _measure_part(part: str, quick: bool) -> dict[str, Any]:
    from tools.speed import measurements  # takes seconds: it imports TensorFlow

    effort = measurements.QUICK if quick else measurements.Effort()
    return getattr(measurements, f"measure_{part}")(effort)


def machine() -> dict[str, Any]:
    """Describe this machine and its software."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        **provenance.versions(),
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if "model name" in line)
    return next(names, platform.processor() or "unknown")


def rounded(content: Any) -> Any:
    """Keep four significant digits of every number that is not whole.

    Examples
    --------
    >>> rounded({"a": [1.23456, 2]})
    {'a': [1.235, 2]}
    """
    return json.loads(json.dumps(content), parse_float=lambda x: float(f"{float(x):.4g}"))


# --- The file --------------------------------------------------------------------------


def read(file: Path) -> dict[str, Any]:
    """Read a result.

    Raises
    ------
    BenchmarkError
        If it is missing, is no JSON, or lacks the machine, a part's date or a number that
        the table shows.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchmarkError(
            f"{file}: cannot be read ({error}). Delete it and run `make benchmark`."
        ) from error
    for defect in defects(content):
        raise BenchmarkError(f"{file}: {defect}. Delete it and run `make benchmark`.")
    return content


def write(content: Mapping[str, Any], file: Path) -> None:
    """Write a result, whole or not at all."""
    for defect in defects(content):
        raise BenchmarkError(f"The benchmark made no valid result: {defect}.")
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.replace(file)


def defects(content: Any) -> Iterator[str]:
    """Yield what is wrong with a result; nothing if it is sound."""
    if not isinstance(content, dict) or content.keys() != {"machine", "parts"}:
        yield "expected an object with the fields machine and parts"
        return
    for part, measured in content["parts"].items():
        if part not in PARTS:
            yield f"the part {part} is unknown"
        elif not {"date", "load before"} <= measured.keys():
            yield f"the part {part} lacks its date or the load before it"
    for target in TARGETS:
        if target.where[0] in content["parts"]:
            value = look_up(content, target.where)
            if type(value) not in (int, float) or not value >= 0:
                yield f"{' / '.join(target.where)} is {value}, expected a number from 0 on"


def look_up(content: Mapping[str, Any], where: tuple[str, ...]) -> Any:
    """Follow keys from the parts downwards; ``None`` if they lead nowhere."""
    found: Any = content["parts"]
    for key in where:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def merge(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """Add the parts of `old` that were not measured again.

    Raises
    ------
    BenchmarkError
        If they come from another machine or other versions, and cannot all be replaced.
    """
    if old is None:
        return dict(new)
    changed = [key for key, now in new["machine"].items() if old["machine"].get(key) != now]
    if not changed:
        return {"machine": new["machine"], "parts": {**old["parts"], **new["parts"]}}
    if set(PARTS) <= new["parts"].keys():
        return dict(new)
    was, now = ({key: m["machine"].get(key) for key in changed} for m in (old, new))
    raise BenchmarkError(
        f"{RESULT.name} was measured with {was}, here it is {now}: parts of both cannot "
        "stand in one table. Run `make benchmark` without --only."
    )


# --- The tables ------------------------------------------------------------------------


def rows(
    content: Mapping[str, Any], *, promised: bool = False
) -> Iterator[tuple[str, ...]]:
    """Yield what was measured, the result, the target, and whether it is kept.

    Parameters
    ----------
    promised
        Only what has a target.
    """
    for target in TARGETS:
        value = look_up(content, target.where)
        if value is None or (promised and target.limit is None):
            continue
        sign = {">=": "at least", "<=": "at most"}[target.sign]
        limit = "" if target.limit is None else f"{sign} {target.form.format(target.limit)}"
        kept = {True: "yes", False: "no", None: ""}[target.is_kept(value)]
        yield target.what, target.form.format(value), limit, kept


def markdown(head: tuple[str, ...], lines: Iterator[tuple[str, ...]]) -> str:
    """Lay out a table: words on the left, numbers on the right.

    Examples
    --------
    >>> print(markdown(("", "speed"), [("step", "2")]))
    | | speed |
    |:--|--:|
    | step | 2 |
    """
    ruler = "|:--|" + "--:|" * (len(head) - 1)
    body = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([f"| {' | '.join(head)} |".replace("|  |", "| |"), ruler, *body])


def summary(content: Mapping[str, Any]) -> str:
    """Show every number with its target, for the terminal."""
    lines = [("measured", "result", "target", "kept"), *rows(content)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def readme_table(content: Mapping[str, Any]) -> str:
    """Make the table of README.md: what was promised."""
    facts = content["machine"]
    dates = sorted(part["date"] for part in content["parts"].values())
    return (
        markdown(("", "measured", "target", "kept"), rows(content, promised=True))
        + f"\n\nTimes are those of the article's code in the same run, as often as ours is "
        f"faster. {facts['cores']} cores ({facts['processor']}), TensorFlow "
        f"{facts['tensorflow']}, {dates[-1]}; `make benchmark` measures anew."
        f"{limits(content)}"
    )


def limits(content: Mapping[str, Any]) -> str:
    """Say how far it is to what decoding, and a step's convolutions, alone would take."""
    steps, loading = content["parts"].get("steps"), content["parts"].get("input")
    if steps is None or loading is None:
        return ""
    rows = (steps["models"].get(name) for name in zoo.FINALS)
    bare = [f"{row['ratio if bare']:.2f}" for row in rows if row]
    took = {what: statistics.median(times) for what, times in loading["seconds"].items()}
    alone = took["article"] / took["decoding"]
    served = took["article"] / (took["keeping"] + took["later epoch"])
    turns = zip(loading["seconds"]["decoding"], loading["seconds"]["keeping"], strict=True)
    fresh = statistics.median(decoding / keeping for decoding, keeping in turns)
    return (
        "\n\nWhat bounds these numbers, measured in the same turns: decoding and shrinking "
        "the photos on all cores, without keeping or serving them, is "
        f"{alone:.2f} times as fast as the article's generator; with "
        "the pictures kept and served for an epoch, "
        f"{served:.2f} times. "
        "Into memory that is kept, the photos are decoded at "
        f"{fresh:.1%} of the speed of decoding alone, since the system has to make new "
        "memory first, and loading is at "
        f"{loading['share of decoding and keeping']:.1%} of that. These shares are medians "
        "of ratios, turn by turn, and one turn differs from the next by more than the ways "
        "from each other: the ratio of the medians gives "
        f"{took['decoding'] / took['loading']:.1%} for loading and "
        f"{took['decoding'] / took['keeping']:.1%} for what bounds it. "
        "The convolutions of our step alone, with nothing between them, are "
        f"{', '.join(bare)} times as fast as the published step, from Model 1 to 5: "
        "with these convolutions no arrangement of the rest can pass that."
    )


def write_table(content: Mapping[str, Any], file: Path) -> None:
    """Put the table between the marks of a README."""
    text = between_marks(file.read_text(encoding="utf-8"), readme_table(content))
    file.write_text(text, encoding="utf-8")


def between_marks(text: str, table: str) -> str:
    r"""Replace what stands between the two marks.

    Examples
    --------
    >>> between_marks(f"a {BEGIN} old {END} b", "new").split("\n")[2]
    'new'
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise BenchmarkError(f"Expected {BEGIN} and {END} once each, in this order.")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    sys.exit(main())

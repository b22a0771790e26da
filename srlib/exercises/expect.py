"""What the checkers of all chapters ask of an answer, the likeliest mistake first.

Each function raises `NotYet` with a message to the student, or returns the answer in the
form that the checker goes on with. The order is always: kind of value, known slips, shape,
NaN, value. What is written otherwise and means the same comes back in one form: tensors
and pictures as arrays, generators as lists, words without case, blanks and quotes.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import decimal
import functools
import inspect
import itertools
import numbers
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any
from unittest import mock

import numpy as np

from srlib.exercises import guard
from srlib.exercises.blank import holds_blank
from srlib.exercises.engine import NotAttempted, NotYet, choose, normal, too_long

__all__ = ["choose"]

Slips = Mapping[str, Any]

#: Longest processor time of one call of a student's function, in seconds.
CALL_SECONDS = 3.0
_MOST_ITEMS = 100_000


def that(condition: bool, message: str) -> None:
    """Go on only if `condition` holds."""
    if not condition:
        raise NotYet(message)


def no(faults: Mapping[str, Any], case: str = "") -> None:
    """Go on only if nothing is at fault; else say the message of the first that is."""
    for message, at_fault in faults.items():
        that(not at_fault, f"{case}{message}")


# --- Kinds of values ---------------------------------------------------------------------


def number(value: Any, what: str = "your answer") -> float:
    """Expect one finite number: Python's, NumPy's, or an array that holds just one."""
    if isinstance(value, str):
        raise NotYet(f"Expected a number, found the text {shown(value)}: leave out quotes.")
    if callable(value):
        raise NotYet(f"Expected a number, found {kind_of(value)}: hand in what it returns.")
    value = _plain(value)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    is_number = isinstance(value, (numbers.Real, decimal.Decimal))
    if isinstance(value, (bool, np.bool_)) or not is_number:
        raise NotYet(f"Expected {what} to be one number, found {kind_of(value)}.")
    if not np.isfinite(float(value)):
        raise NotYet(f"Expected {what} to be a finite number, found {shown(value)}.")
    return float(value)


def whole(value: Any, what: str = "your answer") -> int:
    """Expect a whole number."""
    found = number(value, what)
    that(found == round(found), f"Expected {what} to be a whole number, found {found:g}.")
    return round(found)


def truth(value: Any, what: str = "your answer") -> bool:
    """Expect true or false: Python's, NumPy's, 0 or 1, or the word."""
    value = _plain(value)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, str) and normal(value) in ("true", "false"):
        return normal(value) == "true"
    if isinstance(value, (bool, np.bool_, numbers.Real)) and value in (0, 1):
        return bool(value)
    raise NotYet(f"Expected {what} to be `True` or `False`, found {kind_of(value)}.")


def items(value: Any, what: str = "your answer") -> list:
    """Expect several things: a list, a tuple, an array, a generator."""
    value = _plain(value)
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise NotYet(f"Expected {what} to be a list, found {kind_of(value)}.")
    if isinstance(value, np.ndarray) and not value.ndim:
        raise NotYet(f"Expected {what} to be a list, found {kind_of(value)}.")
    return list(value)


def array(
    value: Any, shape: tuple[int, ...] | None = None, what: str = "your answer"
) -> np.ndarray:
    """Expect an array of finite numbers, of this shape if one is given."""
    found = _as_array(value, what)
    if shape is not None and found.ndim != len(shape):
        raise NotYet(
            f"Expected {what} to have {len(shape)} axes, {_sides(shape)}; found "
            f"{found.ndim}: {_sides(found.shape)}."
        )
    if shape is not None and found.shape != shape:
        raise NotYet(
            f"Expected {what} to have the shape {_sides(shape)}, found "
            f"{_sides(found.shape)}."
        )
    that(found.size > 0, f"Expected {what} to hold numbers, but it is empty.")
    bad = np.count_nonzero(~np.isfinite(found))
    that(not bad, f"{bad} of the {found.size} numbers in {what} are NaN or infinite.")
    return found


def _as_array(value: Any, what: str) -> np.ndarray:
    if value is None or callable(value) or isinstance(value, (str, Mapping)):
        raise NotYet(f"Expected {what} to be an array, found {kind_of(value)}.")
    value = _plain(value)
    try:
        found = np.asarray(value)
    except ValueError:
        raise NotYet(f"{_capital(what)} has rows of different lengths.") from None
    if found.dtype == bool or not np.issubdtype(found.dtype, np.number):
        raise NotYet(f"Expected {what} to be an array of numbers, found {kind_of(value)}.")
    that(
        not np.iscomplexobj(found), f"Expected real numbers in {what}, found complex ones."
    )
    return found


def mapping(value: Any, keys: Iterable[str], what: str = "your answer") -> dict[str, Any]:
    """Expect a dictionary with exactly these keys, however they are written."""
    keys = list(keys)
    listed = ", ".join(f'`"{key}"`' for key in keys)
    if not isinstance(value, Mapping):
        raise NotYet(
            f"Expected {what} to be a dictionary with {listed}, found {kind_of(value)}."
        )
    known = {normal(key): key for key in keys}
    found = {known[normal(k)]: v for k, v in value.items() if normal(k) in known}
    missing = [key for key in keys if key not in found]
    that(not missing, f"{_capital(what)} has no entry for {', '.join(missing)}.")
    extra = [shown(key) for key in value if normal(key) not in known]
    that(not extra, f"{_capital(what)} has {', '.join(extra)}; expected only {listed}.")
    return found


def function(value: Any, what: str = "your answer") -> Callable:
    """Expect a function."""
    if not callable(value):
        raise NotYet(
            f"Expected a function, found {kind_of(value)}: hand in the function itself, "
            "by its name, without brackets."
        )
    return value


def _plain(value: Any) -> Any:
    """Make an array of a tensor, and a list of what has to be gone through."""
    if not isinstance(value, type) and callable(getattr(value, "numpy", None)):
        return value.numpy()
    if isinstance(value, (Iterator, range, Set, type({}.values()))):
        first = guard.limited(
            lambda: list(itertools.islice(value, _MOST_ITEMS)), CALL_SECONDS
        )
        that(len(first) < _MOST_ITEMS, "This goes on and on: does a generator never end?")
        return first
    if isinstance(value, (list, tuple)) and any(hasattr(v, "numpy") for v in value):
        return [_plain(part) for part in value]
    return value


# --- Functions ---------------------------------------------------------------------------


def call(answer: Any, *arguments: Any) -> Any:
    """Call a student's function, and expect a result.

    It gets copies of the arguments, and may not change them.
    """
    function(answer)
    _expect_to_take(answer, arguments)
    given = fresh(arguments)
    before = getattr(sys.stdout, "characters", 0)
    try:
        value = guard.limited(lambda: answer(*given), CALL_SECONDS)
    except guard.OutOfTime as stopped:
        raise NotYet(too_long(guard.students_line(stopped))) from None
    if holds_blank(value):
        raise NotAttempted
    if value is None:
        printed = getattr(sys.stdout, "characters", 0) > before
        reason = "It prints; printing is not returning" if printed else "Is it there"
        mark = "." if printed else "?"
        raise NotYet(f"Your function returns nothing. {reason}: `return ...`{mark}")
    for place, (now, then) in enumerate(zip(given, arguments, strict=True)):
        that(
            alike(now, then, tolerance=0),
            f"Your function changes {_name_of(answer, place)}, which the caller goes on "
            "using. Make a new one: `sorted(x)` for `x.sort()`, `x = x * 2` "
            "for `x *= 2`, a copy for `x[...] = ...` or `out=x`.",
        )
    return value


def steady(answer: Any, *arguments: Any) -> Any:
    """Call a student's function twice, and expect one and the same result."""
    first = fresh(call(answer, *arguments))
    again = call(answer, *arguments)
    first, again = _plain(first), _plain(again)
    that(
        alike(first, again, tolerance=1e-6),
        "Called twice with the same arguments, your function returns two different things. "
        "What survives from one call to the next: a list or dictionary as a default value "
        "(`def f(x, seen=[])`), a global variable, random numbers?",
    )
    return again


def draws(answer: Any, arguments: Callable[[np.random.Generator], tuple]) -> Any:
    """Expect a function to draw with the generator that it is given, and no other.

    Parameters
    ----------
    arguments
        Makes the arguments of a call, with this generator among them.

    Returns
    -------
        What the function drew.
    """
    once, again, other = (
        fresh(call(answer, *arguments(np.random.default_rng(seed)))) for seed in (1, 1, 2)
    )
    faults = {
        "Two generators in the same state give two different results: somewhere numbers "
        "are drawn without the generator that your function is given.": (
            not alike(once, again, tolerance=1e-6)
        ),
        "Whatever generator your function is given, it draws the same: is there a fixed "
        "seed in it, or a generator of its own?": alike(once, other, tolerance=1e-6),
    }
    no(faults)
    return once


def _expect_to_take(answer: Callable, arguments: tuple) -> None:
    with contextlib.suppress(TypeError, ValueError):  # some of NumPy's have no signature
        signature = inspect.signature(answer)
        try:
            signature.bind(*arguments)
        except TypeError:
            raise NotYet(
                f"Your function takes {guard.code(str(signature))}; expected "
                f"{len(arguments)} argument{'s' * (len(arguments) > 1)}."
            ) from None


def _name_of(answer: Callable, place: int) -> str:
    with contextlib.suppress(TypeError, ValueError, IndexError):
        return f"`{list(inspect.signature(answer).parameters)[place]}`"
    return "what it is given"


def fresh(value: Any) -> Any:
    """Copy what can be changed in place: arrays, generators, and what holds such things."""
    if isinstance(value, (np.ndarray, np.random.Generator)):
        return copy.deepcopy(value)
    if type(value) in (list, tuple, set):
        return type(value)(map(fresh, value))
    if type(value) is dict:
        return {key: fresh(part) for key, part in value.items()}
    return value


def alike(one: Any, other: Any, tolerance: float) -> bool:
    """Compare two values and all that they hold; what cannot be compared is alike."""
    if isinstance(one, Set):
        return one == other
    one, other = _plain(one), _plain(other)
    if isinstance(one, Mapping):
        keys = isinstance(other, Mapping) and list(one) == list(other)
        return keys and all(alike(one[key], other[key], tolerance) for key in one)
    if isinstance(one, (list, tuple)):
        as_long = isinstance(other, (list, tuple)) and len(one) == len(other)
        return as_long and all(map(alike, one, other, itertools.repeat(tolerance)))
    if isinstance(one, (np.ndarray, np.generic, numbers.Real)):
        one, other = np.asarray(one), np.asarray(other)
        if one.dtype.kind not in "fiub" or other.dtype.kind not in "fiub":
            return np.array_equal(one, other)
        near = {"rtol": tolerance, "atol": tolerance, "equal_nan": True}
        return one.shape == other.shape and np.allclose(one, other, **near)
    return one == other if isinstance(one, (str, bytes)) else True


def agree(
    found: Any,
    expected: Any,
    slips: Slips | None = None,
    *,
    tolerance: float = 1e-6,
    within: float | None = None,
    digits: int | None = None,
    what: str = "your answer",
    wrong: str = "",
    case: str = "",
) -> None:
    """Expect a number or an array to be `expected`.

    Parameters
    ----------
    slips
        Known wrong values, or `Either` of several, by the message for who has them.
    tolerance
        Relative to the largest number expected.
    within
        Instead: how far it may be off.
    digits
        Instead: how many digits after the point the text asks for. Rounded to that is
        right, and so is anything more exact.
    wrong
        What to say if it is wrong and no slip explains it. By default the first
        difference is shown.
    case
        For which input, such as ``"For `2`: "``.
    """
    expected = np.asarray(_plain(expected))
    found = _plain(found)
    close = tolerance * max(1.0, float(np.abs(expected).max()))
    if digits is not None:
        within = 0.51 * 10.0**-digits
    close = close if within is None else within
    if _same(found, expected, close):
        return
    for message, slip in (slips or {}).items():
        alternatives = slip if isinstance(slip, Either) else [slip]
        that(not any(_same(found, wrong, close) for wrong in alternatives), message)
    value = number(found, what) if expected.ndim == 0 else _as_array(found, what)
    if _same(value, expected, close):  # a number in an array
        return
    if expected.ndim == 0:
        told = f"{case}expected {expected:.7g}, found {value:.7g}."
        raise NotYet(wrong or _capital(told))
    value = array(found, expected.shape, f"{what} {_lower(case)}" if case else what)
    if wrong:
        raise NotYet(wrong)
    off = np.abs(value - expected) > close
    place = tuple(int(k) for k in np.argwhere(off)[0])
    raise NotYet(
        f"{case}{np.count_nonzero(off)} of the {off.size} numbers are wrong. The first is "
        f"at {list(place)}: expected {expected[place]:.7g}, found {value[place]:.7g}."
    )


class Either(list):
    """Several wrong values that have one cause."""


def decibels(error: Callable[..., Any]) -> dict[str, Callable]:
    """List what may go wrong when a squared error is turned into dB.

    Parameters
    ----------
    error
        Returns the right squared error for peak 1, from the arguments of a case. If it
        returns several, the mean of their PSNRs is meant.
    """

    def turned(times: float, plus: float = 0, log: Callable = np.log10) -> Callable:
        return lambda *case: np.mean(times * log(np.asarray(error(*case))) + plus)

    peak = 20 * np.log10(255)
    return {
        "That is the natural logarithm. Decibels take `np.log10`.": turned(-10, log=np.log),
        "You take 20 times the logarithm, as for the error itself. Of a *squared* error "
        "take 10 times.": turned(-20),
        "You take the root of the squared error, and 10 times the logarithm. Leave the "
        "root out.": turned(-5),
        "The sign is wrong: a small error is a high PSNR.": turned(10),
        "That is the squared error. Turn it into decibels.": turned(1, log=np.asarray),
        "You take 255 as the peak, but the pictures run to 1: 48 dB more.": turned(
            -10, peak
        ),
        "You take 1 as the peak, but the pictures run to 255: 48 dB less.": turned(
            -10, -peak
        ),
        "10 times are missing: `10 * np.log10(...)`.": turned(-1),
    }


def locked(answer: Any, module: Any, *names: str) -> Callable:
    """Return a student's function as it is without these functions of a module."""

    @functools.wraps(function(answer), updated=())
    def without(*arguments: Any) -> Any:
        def refuse(*_: Any, **__: Any) -> Any:
            raise NotYet(f"Do it without {' and '.join(f'`{name}`' for name in names)}.")

        with contextlib.ExitStack() as stack:
            for name in names:
                stack.enter_context(mock.patch.object(module, name, refuse))
            return answer(*arguments)

    return without


def agree_on(
    answer: Any,
    reference: Callable,
    cases: Iterable[tuple],
    slips: Mapping[str, Callable] | None = None,
    *,
    tolerance: float = 1e-6,
) -> None:
    """Expect a student's function to return what `reference` does, case by case.

    Parameters
    ----------
    cases
        Arguments of each call. The first is called twice, see `steady`.
    slips
        Functions with a known mistake, by the message for who made it.
    """
    function(answer)
    for k, arguments in enumerate(cases):
        found = call(answer, *arguments) if k else steady(answer, *arguments)
        with np.errstate(all="ignore"):  # a slip may divide by zero
            wrong = {message: slip(*arguments) for message, slip in (slips or {}).items()}
        case = f"For {_listed(arguments)}: "
        what = "what your function returns"
        right = reference(*arguments)
        agree(found, right, wrong, tolerance=tolerance, what=what, case=case)


def _same(value: Any, expected: Any, close: float) -> bool:
    known = (numbers.Real, decimal.Decimal, list, tuple, np.ndarray, np.generic)
    if not isinstance(value, known):
        return False
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):  # no numbers, or rows of different lengths
        return False
    return found.shape == np.shape(expected) and bool(
        np.allclose(found, expected, rtol=0, atol=close)
    )


# --- Measure and conclude ----------------------------------------------------------------


def measured(
    found: Mapping[str, Any],
    own: Mapping[str, float],
    *,
    within: float,
    slips: Mapping[str, Mapping[str, float]] | None = None,
    unit: str = "dB",
) -> dict[str, float]:
    """Expect the numbers that a student reports to be those that the check measures.

    Parameters
    ----------
    found
        What is reported, by name; may hold more.
    own
        What the check measured itself, with the function or network handed in.
    within
        How far they may be apart.
    slips
        Likely wrong measurements, by the message for who reports one.
    """
    reported = {name: number(found[name], f'the number "{name}"') for name in own}
    for name, right in own.items():
        value, told = reported[name], f'The number "{name}" '
        near = [k for k in own if k != name and abs(value - own[k]) <= within]
        known = {
            message: wrong.get(name, np.nan) for message, wrong in (slips or {}).items()
        }
        for k in near:
            known[f'{told}is that of "{k}".'] = own[k]
        known[f"{told}has the wrong sign."] = -right
        for times in (100, 0.01):
            known[f"{told}is {times:g} times what it should be, in {unit}."] = times * right
        wrong = (
            f"{told}is {value:.4g} {unit}. The check measured with what you hand in, and "
            f"found something {abs(value - right):.2g} {unit} away. On which photos, at "
            "which output and by which metric did you measure?"
        )
        agree(value, right, known, within=within, wrong=wrong)
    return reported


def conclusion(value: Any, options: Mapping[str, str], true: str, told: str) -> None:
    """Expect the letter of what follows from the numbers, which `told` says."""
    letter = choose(value, options, "the conclusion")
    follows = letter == true
    that(follows, f"You say that {options[letter]}. {told}: that does not follow.")


# --- Words -------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """Quote a value, shortened."""
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"an array of the shape {_sides(value.shape)}"
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "fiu":
        value = np.round(value.astype(float), 6).tolist()
    if dataclasses.is_dataclass(value):
        return kind_of(value)
    return guard.code(repr(value), most=60)


def kind_of(value: Any) -> str:
    """Say what kind of thing a value is."""
    if value is None:
        return "nothing (`None`)"
    if isinstance(value, type):
        return f"a class, `{value.__name__}`"
    if isinstance(value, np.ndarray):
        return f"an array of the shape {_sides(value.shape)} and type {value.dtype}"
    if isinstance(value, (list, tuple, dict, set)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (int, float, np.generic)):
        return f"the value {shown(value)}"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if inspect.isroutine(value):
        return "a function"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} `{name}`"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(case: str) -> str:
    """Make ``"For `2`: "`` a part of a sentence."""
    return case[0].lower() + case[1:].removesuffix(": ")


def _listed(arguments: tuple) -> str:
    return ", ".join(map(shown, arguments))


def _sides(shape: Sequence[int]) -> str:
    return guard.code(str(tuple(int(side) for side in shape)))

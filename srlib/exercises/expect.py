"""What the checkers of all chapters ask of an answer, the likeliest mistake first.

Each function raises `NotYet` with a message to the student, or returns the answer in the
form that the checker goes on with. The order is always: kind of value, known slips, shape,
NaN, value.
"""

from __future__ import annotations

import copy
import inspect
import numbers
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from srlib.exercises import guard
from srlib.exercises.blank import holds_blank
from srlib.exercises.engine import NotAttempted, NotYet

Slips = Mapping[str, Any]

#: Longest time that one call of a student's function may take, in seconds.
CALL_SECONDS = 3.0


def that(condition: bool, message: str) -> None:
    """Go on only if `condition` holds."""
    if not condition:
        raise NotYet(message)


# --- Kinds of values ---------------------------------------------------------------------


def number(value: Any, what: str = "your answer") -> float:
    """Expect one finite number: Python's, NumPy's, or an array that holds just one."""
    if isinstance(value, str):
        raise NotYet(f"Expected a number, found the text {shown(value)}: leave out quotes.")
    if callable(value):
        raise NotYet(f"Expected a number, found {kind_of(value)}: hand in what it returns.")
    if hasattr(value, "numpy"):  # of TensorFlow
        value = value.numpy()
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise NotYet(f"Expected {what} to be one number, found {kind_of(value)}.")
    if not np.isfinite(value):
        raise NotYet(f"Expected {what} to be a finite number, found {shown(value)}.")
    return float(value)


def whole(value: Any, what: str = "your answer") -> int:
    """Expect a whole number."""
    found = number(value, what)
    that(found == round(found), f"Expected {what} to be a whole number, found {found:g}.")
    return round(found)


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
    try:
        found = np.asarray(value)
    except ValueError:
        raise NotYet(f"{what.capitalize()} has rows of different lengths.") from None
    if found.dtype == bool or not np.issubdtype(found.dtype, np.number):
        raise NotYet(f"Expected {what} to be an array of numbers, found {kind_of(value)}.")
    that(
        not np.iscomplexobj(found), f"Expected real numbers in {what}, found complex ones."
    )
    return found


def mapping(value: Any, keys: Iterable[str], what: str = "your answer") -> dict[str, Any]:
    """Expect a dictionary with exactly these keys."""
    keys = list(keys)
    listed = ", ".join(f'`"{key}"`' for key in keys)
    if not isinstance(value, Mapping):
        raise NotYet(
            f"Expected {what} to be a dictionary with {listed}, found {kind_of(value)}."
        )
    missing = [key for key in keys if key not in value]
    that(not missing, f"{what.capitalize()} has no entry for {', '.join(missing)}.")
    extra = [shown(key) for key in value if key not in keys]
    that(not extra, f"{what.capitalize()} has {', '.join(extra)}; expected only {listed}.")
    return dict(value)


def function(value: Any, what: str = "your answer") -> Callable:
    """Expect a function."""
    if not callable(value):
        raise NotYet(
            f"Expected a function, found {kind_of(value)}: hand in the function itself, "
            "by its name, without brackets."
        )
    return value


# --- Functions ---------------------------------------------------------------------------


def call(answer: Any, *arguments: Any, keep: bool = False) -> Any:
    """Call a student's function, on copies of the arguments, and expect a result.

    Parameters
    ----------
    keep
        Hand over the arguments themselves, to see afterwards whether they were changed.
    """
    function(answer)
    _expect_to_take(answer, arguments)
    if not keep:
        arguments = tuple(map(_fresh, arguments))
    before = getattr(sys.stdout, "characters", 0)
    value = guard.limited(lambda: answer(*arguments), CALL_SECONDS)
    if holds_blank(value):
        raise NotAttempted
    if value is None:
        printed = getattr(sys.stdout, "characters", 0) > before
        reason = "It prints; printing is not returning" if printed else "Is it there"
        mark = "." if printed else "?"
        raise NotYet(f"Your function returns nothing. {reason}: `return ...`{mark}")
    return value


def _expect_to_take(answer: Callable, arguments: tuple) -> None:
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # some of NumPy's have none
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        raise NotYet(
            f"Your function takes {guard.code(str(signature))}; expected "
            f"{len(arguments)} argument{'s' * (len(arguments) > 1)}."
        ) from None


def _fresh(value: Any) -> Any:
    changeable = isinstance(value, (np.ndarray, list, dict, set))
    return copy.deepcopy(value) if changeable else value


def agree(
    found: Any,
    expected: Any,
    slips: Slips | None = None,
    *,
    tolerance: float = 1e-6,
    what: str = "your answer",
    wrong: str = "",
    case: str = "",
) -> None:
    """Expect a number or an array to be `expected`.

    Parameters
    ----------
    slips
        Known wrong values, by the message for who has them.
    tolerance
        Relative to the largest number expected.
    wrong
        What to say if it is wrong and no slip explains it. By default the first
        difference is shown.
    case
        For which input, such as ``"For `2`: "``.
    """
    expected = np.asarray(expected)
    close = tolerance * max(1.0, float(np.abs(expected).max()))
    if _same(found, expected, close):
        return
    for message, slip in (slips or {}).items():
        if _same(found, slip, close):
            raise NotYet(message)
    value = number(found, what) if expected.ndim == 0 else _as_array(found, what)
    if _same(value, expected, close):  # a tensor, or a number in an array
        return
    if expected.ndim == 0:
        told = f"{case}expected {expected:.7g}, found {value:.7g}."
        raise NotYet(wrong or told[0].upper() + told[1:])
    value = array(found, expected.shape, f"{what} {_lower(case)}" if case else what)
    if wrong:
        raise NotYet(wrong)
    off = np.abs(value - expected) > close
    place = tuple(int(k) for k in np.argwhere(off)[0])
    raise NotYet(
        f"{case}{np.count_nonzero(off)} of the {off.size} numbers are wrong. The first is "
        f"at {list(place)}: expected {expected[place]:.7g}, found {value[place]:.7g}."
    )


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
        Arguments of each call.
    slips
        Functions with a known mistake, by the message for who made it.
    """
    function(answer)
    for arguments in cases:
        found = call(answer, *arguments)
        with np.errstate(all="ignore"):  # a slip may divide by zero
            wrong = {message: slip(*arguments) for message, slip in (slips or {}).items()}
        case = f"For {_listed(arguments)}: "
        what = "what your function returns"
        right = reference(*arguments)
        agree(found, right, wrong, tolerance=tolerance, what=what, case=case)


def _same(value: Any, expected: Any, close: float) -> bool:
    if not isinstance(value, (int, float, list, tuple, np.ndarray, np.generic)):
        return False
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):  # no numbers, or rows of different lengths
        return False
    return found.shape == np.shape(expected) and bool(
        np.allclose(found, expected, rtol=0, atol=close)
    )


# --- Words -------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """Quote a value, shortened."""
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"an array of the shape {_sides(value.shape)}"
    if isinstance(value, (np.ndarray, np.generic)):
        value = np.round(value.astype(float), 6).tolist()
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


def _lower(case: str) -> str:
    """Make ``"For `2`: "`` a part of a sentence."""
    return case[0].lower() + case[1:].removesuffix(": ")


def _listed(arguments: tuple) -> str:
    return ", ".join(map(shown, arguments))


def _sides(shape: tuple[int, ...]) -> str:
    return guard.code(str(tuple(int(side) for side in shape)))

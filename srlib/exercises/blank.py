"""The placeholder ``____``, which stands in a stub until the student replaces it."""

from __future__ import annotations

import dataclasses
import dis
import functools
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np


class Blank:
    """A value that lets any code around it run, and that can be found again in the end.

    Whatever is done to it gives a blank again: arithmetic, calls, indices, attributes,
    comparisons, NumPy's functions. It is false, is empty inside ``in``, yields one blank
    when iterated, and as many as are wanted when unpacked. Only where Python insists on a
    number of its own (``int(____)``, ``range(____)``) does it turn into one, and is lost.
    """

    def __getattr__(self, name: str) -> Blank:
        if name.startswith("_"):  # protocols are asked for by such names
            raise AttributeError(name)
        return self

    def __setattr__(self, name: str, value: object) -> None:
        pass

    def keys(self) -> tuple:
        """List no names, for ``f(**____)``."""
        return ()

    def __iter__(self) -> Iterator[Blank]:
        frame = sys._getframe(1)
        code, here = frame.f_code.co_code, frame.f_lasti
        unpacked = dis.opname[code[here]].startswith("UNPACK_")
        return iter([self] * (code[here + 1] if unpacked else 1))

    __reversed__ = __iter__

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        return False

    def __contains__(self, item: object) -> bool:
        return False

    def __len__(self) -> int:
        return 0

    def __int__(self) -> int:
        return 1  # as an index, a size or a step it is more often right than 0

    __index__ = __int__

    def __float__(self) -> float:
        return float("nan")

    def __complex__(self) -> complex:
        return complex("nan")

    def __repr__(self) -> str:
        return "____"

    def __format__(self, spec: str) -> str:
        return "____"

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __mro_entries__(self, bases: tuple) -> tuple:
        return ()

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def __delitem__(self, key: object) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = np.empty((), object)
        array[()] = self
        return array

    def __array_function__(self, *call: object) -> Blank:
        return self

    def __array_ufunc__(self, *call: object, **options: object) -> Blank:
        return self


def _stay_blank(self: Blank, *arguments: object, **options: object) -> Blank:
    return self


_BOTH_WAYS = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor"
_ONE_WAY = "eq ne lt le gt ge neg pos abs invert round trunc floor ceil getitem call enter"
for _name in _BOTH_WAYS.split():
    setattr(Blank, f"__{_name}__", _stay_blank)
    setattr(Blank, f"__r{_name}__", _stay_blank)
for _name in _ONE_WAY.split():
    setattr(Blank, f"__{_name}__", _stay_blank)

____ = Blank()


def holds_blank(value: object) -> bool:
    """Tell whether a blank is left in a value, in what it contains, or in its code."""
    waiting, seen = [value], {}
    while waiting:
        part = waiting.pop()
        if isinstance(part, Blank):
            return True
        if id(part) not in seen:
            seen[id(part)] = part  # kept alive, so that no id is given twice
            waiting.extend(_parts(part))
    return False


def _parts(value: object) -> Iterable[object]:
    """List what a value consists of."""
    if isinstance(value, np.ndarray):
        return value.flat if value.dtype == object else ()
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, types.MethodType):
        return [value.__func__]
    if isinstance(value, types.FunctionType):
        named = [____] if _names_blank(value.__code__) else []
        return [*named, *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return vars(value).values()
    return ()


def _names_blank(code: types.CodeType) -> bool:
    """Tell whether a function's code, or that of a function in it, reads ``____``."""
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    names = {*code.co_names, *code.co_freevars}
    return "____" in names or any(_names_blank(part) for part in inner)

"""Run a student's code so that whatever it does, the notebook goes on.

It may raise, loop for ever, print without end. What cannot be stopped is a loop inside one
call of compiled code, such as ``list(itertools.count())``: Ctrl-C cannot stop that either.
"""

from __future__ import annotations

import ctypes
import io
import linecache
import os
import signal
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

#: How often code that swallows the first exception is stopped again, in seconds.
INSIST = 0.05


class OutOfTime(BaseException):
    """Code was stopped. Not an Exception, so that ``except Exception`` lets it through."""


class Sink(io.TextIOBase):
    """Takes what is printed, and keeps none of it: a loop may print for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.characters = 0

    def write(self, text: str) -> int:
        """Count the characters."""
        self.characters += len(text)
        return len(text)


# --- No longer than so many seconds ------------------------------------------------------


def limited(run: Callable[[], T], seconds: float) -> T:
    """Return what `run` returns, or stop it.

    In the main thread, where a notebook's cells run, a signal stops it. Where there are no
    such signals (Windows, other threads) it runs in a thread of its own.

    Raises
    ------
    OutOfTime
        If it took longer. Its traceback shows where the code was.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if hasattr(signal, "setitimer") and in_main_thread:
        return _with_alarm(run, seconds)
    return _with_thread(run, seconds)


def _with_alarm(run: Callable[[], T], seconds: float) -> T:
    """Let SIGALRM raise. Another alarm that was set goes off afterwards, in its time."""
    start, trace = time.monotonic(), sys.gettrace()
    handler = signal.signal(signal.SIGALRM, _stop)
    before, interval = signal.setitimer(signal.ITIMER_REAL, seconds, INSIST)
    try:
        return run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.settrace(trace)
        signal.signal(signal.SIGALRM, handler)
        if before:
            left = max(before - (time.monotonic() - start), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, left, interval)


def _stop(signum: int, frame: FrameType | None) -> None:
    """Raise, and again at the next line: a bare ``except:`` takes only the first."""

    def at_next_line(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            raise OutOfTime
        return at_next_line

    sys.settrace(lambda *call: None)
    while frame is not None and frame.f_code is not _with_alarm.__code__:
        if not is_library(frame.f_code.co_filename):
            frame.f_trace = at_next_line
        frame = frame.f_back
    raise OutOfTime


def _with_thread(run: Callable[[], T], seconds: float) -> T:
    """Run in a thread; if it takes too long, raise in it, and go on without it."""
    result: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            result.append(run())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    for _ in range(10):
        if not thread.is_alive():
            break
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(OutOfTime)
        )
        thread.join(INSIST)
    if failure:
        raise failure[0]
    if not result:
        raise OutOfTime
    return result[0]


# --- What went wrong, and where ----------------------------------------------------------

_FOLDERS = (
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")),
    Path(__file__).parents[1],
)
_LIBRARIES = tuple(f"{f}{os.sep}" for path in _FOLDERS for f in {path, path.resolve()})

# The first that fits speaks.
_PLAIN_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (NotImplementedError, "this part is still to be written"),
    (RecursionError, "the function calls itself and never comes to an end"),
    (UnboundLocalError, "a variable is used before it gets a value"),
    (NameError, "a name is not known here: is it spelt right, and did its cell run?"),
    (ZeroDivisionError, "something was divided by zero"),
    (ModuleNotFoundError, "there is no such module here"),
    (IndexError, "an index points beyond the end"),
    (KeyError, "a dictionary has no such key"),
    (AttributeError, "an object has nothing of that name"),
    (TypeError, "an operation met a kind of value that it cannot work with"),
    (ValueError, "a value, or the shape of an array, does not fit"),
    (AssertionError, "an assertion of your own does not hold"),
    (MemoryError, "it asked for more memory than there is"),
    (SystemExit, "it tried to end Python"),
)


def is_library(file: str) -> bool:
    """Tell whether code in `file` is not the student's."""
    if file.startswith("<frozen") or "dist-packages" in file:  # Debian's, and Kaggle's
        return True
    return file.startswith(_LIBRARIES)


def students_line(error: BaseException) -> str:
    """Say where in the student's code an exception came from; ``""`` if not there."""
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not is_library(frame.f_code.co_filename)
    ]
    if not frames:
        return ""
    file, line = frames[-1]
    text = linecache.getline(file, line).strip()
    return f"line {line}" + (f", {code(text)}" if text else "")


def in_plain_words(error: BaseException) -> str:
    """Say what an exception means, where it happened, and its own words."""
    line = students_line(error)
    name, said = type(error).__name__, _said(error)
    own_words = code(f"{name}: {said}" if said else name)
    if not line:
        return f"This could not be checked. Python says {own_words}. {_EXPECTED}"
    plain = next((words for kind, words in _PLAIN_WORDS if isinstance(error, kind)), "")
    means = f": {plain}" if plain else ""
    return f"Your code stops in {line}{means}. Python says {own_words}."


_EXPECTED = "Hand in the kind of thing that the exercise asks for."


def _said(error: BaseException) -> str:
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # an exception of the student's own, with a faulty __str__
        return ""
    return lines[0] if lines else ""


def code(text: str, most: int = 160) -> str:
    """Quote code or a value in Markdown, on one line and not too long."""
    line = " ".join(text.split()).replace("`", "'")
    return f"`{line if len(line) <= most else line[: most - 3] + '...'}`"

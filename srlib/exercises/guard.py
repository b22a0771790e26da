"""Run a student's code so that whatever it does, the notebook goes on.

It may raise, loop for ever, print without end. What cannot be stopped is one call of
compiled code, such as ``list(itertools.count())`` or a large ``np.linalg.svd``: it comes
to its end first. Another process could be killed, but a network cannot come back from one,
and TensorFlow does not survive a fork.
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

#: How often running code is looked at, and stopped again if it swallows that, in seconds.
TICK = 0.05
#: Longest wait for code that needs no processor, such as a sleeping one: so many times its
#: processor time. Distant, since a busy machine may let anyone wait.
PATIENCE = 20


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
    """Return what `run` returns, or stop it after so many seconds of processor time.

    What is imported meanwhile is not counted, nor what is spent in a limited call inside.
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


class _Meter:
    """What is left of the time that a piece of code may use."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self.left = seconds
        self.clock = clock
        self.seen = clock()
        self.deadline = time.monotonic() + PATIENCE * seconds

    def is_empty(self, frame: FrameType | None) -> bool:
        """Count what was used since the last look, if `frame` is not an import."""
        now = self.clock()
        if not _imports(frame):
            self.left -= now - self.seen
        self.seen = now
        return self.left < 0 or time.monotonic() > self.deadline

    def skip(self, seconds: float) -> None:
        """Count nothing of what was used since the last look, which took so long."""
        self.seen = self.clock()
        self.deadline += seconds

    def look(self, signum: int, frame: FrameType | None) -> None:
        """Handle SIGALRM."""
        if self.is_empty(frame):
            _stop(frame)


def _imports(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not _with_alarm.__code__:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _with_alarm(run: Callable[[], T], seconds: float) -> T:
    """Look at the clock at each SIGALRM. Another alarm rings afterwards, in its time."""
    start, trace = time.monotonic(), sys.gettrace()
    handler = signal.signal(signal.SIGALRM, _Meter(seconds, time.thread_time).look)
    before, interval = signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
    try:
        return run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.settrace(trace)
        signal.signal(signal.SIGALRM, handler)
        took = time.monotonic() - start
        outer = getattr(handler, "__self__", None)
        if isinstance(outer, _Meter):
            outer.skip(took)
        if before:
            signal.setitimer(signal.ITIMER_REAL, max(before - took, 1e-3), interval)


def _stop(frame: FrameType | None) -> None:
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
    meters: list[_Meter] = []

    def work() -> None:
        try:
            meters.append(_Meter(seconds, _clock_of_this_thread()))
            result.append(run())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    refusals = 0
    while thread.is_alive() and refusals < 10:
        thread.join(TICK)
        if meters and meters[0].is_empty(sys._current_frames().get(thread.ident)):
            refusals += 1
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(OutOfTime)
            )
    if failure:
        raise failure[0]
    if not result:
        raise OutOfTime
    return result[0]


def _clock_of_this_thread() -> Callable[[], float]:
    """Return what tells its processor time to others, or that of all threads."""
    if not hasattr(time, "pthread_getcpuclockid"):  # Windows, macOS
        return time.process_time
    clock = time.pthread_getcpuclockid(threading.get_ident())

    def read() -> float:
        try:
            return time.clock_gettime(clock)
        except OSError:  # the thread has ended
            return 0.0

    return read


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

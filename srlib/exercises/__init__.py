"""Exercises that answer: check, hint, solution. CONTRIBUTING.md says how one is written.

In a chapter::

    from srlib.exercises import ____, ch03

    def count(filters):
        return ____

    ch03.q1.check(count)

A check has three outcomes: *not attempted*, *not yet* (what is wrong) and *right* (what it
means). It never raises, whatever was handed in. ``ch03.progress()`` shows what is solved.
"""

from __future__ import annotations

import importlib
import pkgutil
import re

from srlib.exercises.blank import ____
from srlib.exercises.engine import KINDS, Exercise

__all__ = ["KINDS", "Exercise", "____", "catalogue"]


def catalogue() -> list[Exercise]:
    """List all exercises of the course, in its order.

    Examples
    --------
    >>> [exercise.title for exercise in catalogue() if exercise.name == "ch03.q1"]
    ['Count']
    """
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    chapters = [
        importlib.import_module(f"{__name__}.{name}").chapter
        for name in names
        if re.fullmatch(r"ch\d\d", name)
    ]
    return [exercise for chapter in chapters for exercise in chapter.exercises.values()]

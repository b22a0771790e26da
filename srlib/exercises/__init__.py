"""Exercises that answer: check, hint, solution.

In a chapter::

    from srlib.exercises import ____, ch03

    def count(filters):
        return ____

    ch03.q1.check(count)
    # ch03.q1.hint()
    # ch03.q1.solution()

A check has three outcomes: *not attempted* (a ``____`` is left, or a function with a bug
was not changed), *not yet* (what is wrong), *right* (what it means). It never raises,
whatever was handed in, and returns within seconds. ``ch03.progress()`` shows what is
solved, which is kept in ``.srlib-progress.json`` beside the notebook.

How an exercise is written
--------------------------
One module a chapter, ``ch01.py`` to ``ch09.py``; copy from ``ch03.py``. A module begins
with ``chapter = Chapter(3, "03-model-1-basic")`` and ``progress = chapter.progress``.
Exercises follow in order and are numbered by it. Nothing at the top of a module imports
TensorFlow (``srlib.models``, ``training``, ``small``, ``receptive.receptive_field``...):
import such modules inside the function that needs them.

``@chapter.exercise(title, kind=..., difficulty=1..3, minutes=..., stub=..., answer=...,
hints=..., solution=..., because=...)`` stands over a function ``q1(answer)`` that grades:
it raises ``NotYet(message)``, or returns what a right answer means. `chapter.choice`
makes a question with lettered options and a reply to each; it needs no function.

- `kind`: one of ``engine.KINDS``: predict, function, model, bug, measure.
- `stub`: at most 5 lines that are not blank, 78 characters wide (a cell shows 8, and
  three are the check, ``hint`` and ``solution``). It may use what the chapter defined
  before. With ``kind="bug"`` it is the faulty function, complete; unchanged, it counts as
  not attempted.
- `answer`: the expression that is handed to the check, such as ``"count"``.
- `solution`: code that may stand in the place of the stub, one source for the appendix,
  for ``.solution()`` and for the tests, which execute it.
- `because`: why it is right. Paragraphs and lists, no fenced code and no formulas: the
  same text has to read well in a terminal.
- `hints`: two or three, from a nudge to nearly the answer.
- `seconds`: how long a check may take; 4 unless it scores or trains a network.

What a grader asks for is in `expect` (kinds of values, ``call`` for a student's function,
``agree`` and ``agree_on`` with known slips) and `networks` (outputs and sizes,
``block_side``, ``sight``). Ask in this order: kind of value, likely slips, shape, NaN,
value. A slip is a wrong value, or a function with a known mistake, under the message for
who made it. Always run a student's function through ``expect.call``, which stops it after
3 s, holds back what it prints, and protects the arguments. A message says what was found
and what to think about; it gives the right value away only for hidden cases of a
function. Address the student as "you". Backticks for code; no colour, no HTML, and
nothing like a number of seconds or a path, which a notebook's outputs must not hold.

How its wrong answers are tested
--------------------------------
``tests/exercise_answers/ch03.py`` holds ``WRONG``: for every exercise at least three
``Wrong(name, answer, says)`` (a likely mistake, and a piece of the message meant for it;
with ``make=`` a function of the names below that makes the answer), and ``names()``,
which returns what the chapter's cells have defined by then, if a solution or stub needs
it, and ``SLOW``: ids whose solution trains a network, which is then executed only with
the whole chapter. ``tests/test_exercises.py`` goes over the catalogue: solution right;
stub not attempted; each wrong answer not yet with its own message; rubbish not yet; cells
as below; and (marked thorough) each chapter with all solutions in place of the stubs,
executed to the end.

How it looks in a notebook
--------------------------
After ``## Exercises`` (a Markdown cell of its own) comes a code cell with the id
``ch03-exercises``: ``from srlib.exercises import ____, ch03``. Then for each exercise:

- a Markdown cell, id ``ch03-q1-task``, that begins with ``exercise.task_head``: ``###
  Exercise 1: Count``, and ``*★, up to 10 minutes.*`` in front of the task; it ends in
  ``exercise.task_foot``, the link to the solution. Options of a choice stand in it as a
  list: ``- **a**: text``, word for word;
- if a picture is wanted, a code cell ``ch03-q1-goal`` that shows the right one, made with
  ``ch03.q1.solved(np=np)``; hidden (tag ``hide-input``), with alt text;
- a code cell, id ``ch03-q1``, whose source is exactly ``exercise.cell``.

``python tools/exercise_cells.py 03-model-1-basic`` puts heads, links and code cells right
and adds what is missing; with ``--tasks tasks.md`` it also takes the texts from a file,
in which each follows a line ``# q1`` and ``{options}`` stands for the options of a
choice. ``--appendix`` writes ``solutions.ipynb`` and ``exercises.ipynb`` anew. Then
execute: ``python tools/chapters.py 03-model-1-basic solutions exercises``.
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

    Each has a ``chapter`` with a ``number``, and an ``id``, ``title``, ``kind``,
    ``difficulty`` and ``minutes``.

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

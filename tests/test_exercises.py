"""Every exercise: right, not attempted, wrong in known ways, and given rubbish."""

from __future__ import annotations

import importlib
import math
import re
import time
from functools import cache

import nbformat
import numpy as np
import pytest

from srlib.exercises import KINDS, ____, catalogue, engine, expect
from tools.notebooks import chapters, exercise_cells

EXERCISES = catalogue()
CHAPTERS = list(
    {exercise.chapter.name: exercise.chapter for exercise in EXERCISES}.values()
)
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda c: c.name)


def answers(exercise):
    return importlib.import_module(f"exercise_answers.{exercise.chapter.name}")


@cache
def names(chapter):
    return answers(next(iter(chapter.exercises.values()))).names()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Keep the progress file of the project's folder out of it."""
    monkeypatch.setattr(engine, "PROGRESS_FILE", tmp_path / "progress.json")


def stub_answer(exercise):
    scope = {**names(exercise.chapter), "____": ____}
    exec(exercise.stub, scope)
    return eval(exercise.answer, scope)


# --- The catalogue -----------------------------------------------------------------------


@each_chapter
def test_a_chapter_has_four_exercises_or_more_from_easy_to_hard(chapter):
    difficulties = [exercise.difficulty for exercise in chapter.exercises.values()]
    assert len(difficulties) >= 4
    assert difficulties == sorted(difficulties)
    assert set(difficulties) == {1, 2, 3}


@each_exercise
def test_the_catalogue_says_what_an_exercise_is(exercise):
    assert exercise.title
    assert exercise.kind in KINDS
    assert 5 <= exercise.minutes <= 60
    assert exercise.hints
    assert exercise.because or exercise.options


@each_exercise
def test_texts_read_well_in_a_terminal(exercise):
    for text in (exercise.because, *exercise.hints):
        assert not re.search(r"\$|```|<\w|\]\[|https?://\S{60}", text)


# --- Right, not attempted, wrong ---------------------------------------------------------


@each_exercise
def test_the_solution_is_right(exercise):
    if exercise.id in answers(exercise).SLOW:
        pytest.skip("trains a network: done with the whole chapter")
    result = exercise.check(exercise._solved(**names(exercise.chapter)))
    assert result.outcome == "right", result


@each_exercise
def test_the_stub_is_not_attempted(exercise):
    result = exercise.check(stub_answer(exercise))
    assert result.outcome == "not attempted", result


WRONG = [
    pytest.param(exercise, wrong, id=f"{exercise.name}: {wrong.name}")
    for exercise in EXERCISES
    for wrong in answers(exercise).WRONG.get(exercise.id, [])
]


@pytest.mark.parametrize(("exercise", "wrong"), WRONG)
def test_a_wrong_answer_gets_its_message(exercise, wrong):
    answer = wrong.make(names(exercise.chapter)) if wrong.make else wrong.answer
    result = exercise.check(answer)
    assert result.outcome == "not yet", result
    assert wrong.says in result.markdown


ALSO_RIGHT = [
    pytest.param(exercise, answer, id=f"{exercise.name}: {k}")
    for exercise in EXERCISES
    for k, answer in enumerate(
        getattr(answers(exercise), "ALSO_RIGHT", {}).get(exercise.id, [])
    )
]


@pytest.mark.parametrize(("exercise", "answer"), ALSO_RIGHT)
def test_what_is_written_otherwise_is_right(exercise, answer):
    result = exercise.check(answer)
    assert result.outcome == "right", result


@each_exercise
def test_three_wrong_answers_have_messages_of_their_own(exercise):
    says = {wrong.says for wrong in answers(exercise).WRONG[exercise.id]}
    assert len(says) >= 3


# --- Rubbish -----------------------------------------------------------------------------


def raises(*arguments):
    raise RuntimeError("no")


def loops(*arguments):
    while True:
        pass


def prints(*arguments):
    print("I was here")


class Hostile:
    """Raises whatever it is asked."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __repr__(self):
        raise RuntimeError("repr")

    def __eq__(self, other):
        raise RuntimeError("eq")

    __hash__ = None


def for_ever():
    while True:
        yield 1


RUBBISH = {
    "None": None,
    "NaN": math.nan,
    "an array of NaN": np.full((2, 3), math.nan),
    "a wrong shape": np.zeros((3, 1, 2)),
    "text": "rubbish",
    "an empty list": [],
    "an empty dictionary": {},
    "a class": Hostile,
    "a hostile object": Hostile(),
    "a list that holds itself": (lambda loop: loop.append(loop) or loop)([]),
    "an endless generator": for_ever(),
    "a function that raises": raises,
    "a function that loops for ever": loops,
    "a function that prints": prints,
    "a function that returns NaN": lambda *arguments: math.nan,
    "a function that returns a wrong shape": lambda *arguments: np.zeros((3, 1, 2)),
    "a function that returns a blank list": lambda *arguments: [],
}


#: For exercises of a kind that has had all of it.
LITTLE = ("an array of NaN", "a hostile object", "a function that raises", "a wrong shape")
FIRST_OF_ITS_KIND = {exercise.kind: exercise for exercise in reversed(EXERCISES)}.values()


@pytest.mark.parametrize(
    ("exercise", "name"),
    [
        pytest.param(exercise, name, id=f"{exercise.name}: {name}")
        for exercise in EXERCISES
        for name in (RUBBISH if exercise in FIRST_OF_ITS_KIND else LITTLE)
    ],
)
def test_rubbish_is_not_yet(exercise, name, monkeypatch, capsys):
    monkeypatch.setattr(expect, "CALL_SECONDS", 0.3)
    result = exercise.check(RUBBISH[name])
    assert result.outcome == "not yet", result
    assert capsys.readouterr() == ("", "")
    assert str(result).startswith("✗ Not yet. ")
    time.sleep(0)  # an alarm that is left would go off here


def test_no_check_waits_longer_than_five_seconds_for_a_function_that_loops():
    assert expect.CALL_SECONDS < 5
    assert engine.CHECK_SECONDS < 5


# --- Notebooks ---------------------------------------------------------------------------


def cells(chapter):
    path = chapters.CHAPTERS / f"{chapter.notebook}.ipynb"
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


@each_chapter
def test_the_exercises_are_the_last_part_but_one(chapter):
    order = list(cells(chapter))
    first, last = f"{chapter.name}-exercises-head", f"{chapter.name}-further"
    between = order[order.index(first) + 1 : order.index(last)]
    assert order[-1] == last
    assert between[0] == f"{chapter.name}-exercises"
    places = [between.index(f"{chapter.name}-{name}") for name in chapter.exercises]
    assert places == sorted(places)


@each_exercise
def test_the_untouched_cell_stands_in_its_chapter(exercise):
    found = cells(exercise.chapter)
    name = f"{exercise.chapter.name}-{exercise.id}"
    assert found[name].source == exercise.cell, (
        "run python -m tools.notebooks.exercise_cells"
    )
    task = found[f"{name}-task"].source
    assert task == exercise_cells.task_text(exercise, exercise_cells.body(task))
    assert exercise.options_list in task


@each_exercise
def test_the_untouched_cell_was_executed_untouched(exercise):
    (output,) = cells(exercise.chapter)[f"{exercise.chapter.name}-{exercise.id}"].outputs
    assert output.data["text/markdown"].startswith("○ **Not attempted.**")


@pytest.mark.parametrize("name", ["solutions", "exercises"])
def test_the_appendices_hold_every_exercise(name):
    make = {"solutions": exercise_cells.solutions, "exercises": exercise_cells.overview}
    wanted = [(cell.id, cell.source) for cell in make[name](EXERCISES).cells]
    found = nbformat.read(chapters.CHAPTERS / f"{name}.ipynb", as_version=4).cells
    assert [(cell.id, cell.source) for cell in found] == wanted, (
        "run python -m tools.notebooks.exercise_cells --appendix, then make chapters"
    )

"""The parts of the exercises' engine: the blank, the guard, results and progress."""

from __future__ import annotations

import dataclasses
import functools
import json
import signal
import sys
import threading
import time

import numpy as np
import pytest

from srlib.exercises import ____, engine, guard
from srlib.exercises.blank import Blank, holds_blank
from srlib.exercises.engine import Chapter, NotYet


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# --- The blank ---------------------------------------------------------------------------

WITH_BLANK = {
    "sum": lambda: 1 + ____,
    "power": lambda: 2**____,
    "negation": lambda: -____,
    "comparison": lambda: ____ < 3,
    "index": lambda: ____[0, 1:2],
    "call": lambda: ____(1, a=2),
    "attribute": lambda: ____.shape[0],
    "method": lambda: ____.mean(axis=0),
    "numpy function": lambda: np.mean(____, axis=0),
    "numpy ufunc": lambda: np.sqrt(____) + np.ones(2),
    "array times blank": lambda: np.ones(3) * ____,
    "round": lambda: round(____),
    "list": lambda: [1, ____],
    "nested": lambda: {"a": ({"b": [____]},)},
    "key": lambda: {____: 1},
    "starred": lambda: [*____],
    "array of objects": lambda: np.array([1, ____], object),
    "partial": lambda: functools.partial(max, key=____),
    "default of a function": lambda: lambda x, y=____: x,
}


@pytest.mark.parametrize("name", WITH_BLANK)
def test_what_is_made_with_a_blank_holds_one(name):
    assert holds_blank(WITH_BLANK[name]())


def test_a_blank_unpacks_into_as_many_as_are_wanted():
    a, b, c = ____
    assert all(isinstance(part, Blank) for part in (a, b, c))


def test_code_around_a_blank_runs_to_its_end():
    total = 0
    for item in ____:
        total = total + item
    with ____ as opened:
        opened.write("x")
    ____.name = 1
    ____[0] = 1
    del ____[0]
    if ____:
        pytest.fail("a blank is false")
    assert 1 not in ____
    assert len(range(____)) == 1
    assert f"{____:.2f}" == "____"
    assert max(3, 1, **____) == 3
    assert holds_blank(total)


def test_a_function_that_still_reads_the_blank_holds_one():
    def outer():
        def inner():
            return ____

        return inner

    @dataclasses.dataclass
    class Holder:
        function: object

    assert holds_blank(outer)
    assert holds_blank(outer())
    assert holds_blank(Holder(outer))


@pytest.mark.parametrize(
    "value", [None, 1, [1, [2]], {"a": (1,)}, np.arange(3), len, lambda x: x], ids=repr
)
def test_what_is_filled_in_holds_no_blank(value):
    assert not holds_blank(value)


def test_a_value_that_holds_itself_is_looked_at_once():
    loop = [1]
    loop.append(loop)
    assert not holds_blank(loop)


# --- The guard ---------------------------------------------------------------------------


def for_ever():
    while True:
        pass


def swallows():
    while True:
        try:
            while True:
                pass
        except:  # noqa: E722
            continue


def sleeps():
    time.sleep(60)


STUBBORN = [for_ever, swallows, sleeps]


def test_what_is_in_time_returns():
    assert guard.limited(lambda: 3, 5) == 3


def test_an_exception_comes_through():
    with pytest.raises(KeyError):
        guard.limited(lambda: {}["a"], 5)


@pytest.mark.parametrize("code", STUBBORN)
def test_what_never_ends_is_stopped(code):
    trace = sys.gettrace()
    with pytest.raises(guard.OutOfTime) as stopped:
        guard.limited(code, 0.2)
    assert sys.gettrace() is trace
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert "line" in guard.students_line(stopped.value)


def test_it_is_stopped_in_another_thread_too():
    caught = []

    def work():
        try:
            guard.limited(for_ever, 0.2)
        except guard.OutOfTime as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    assert caught


def test_an_alarm_that_was_set_before_still_rings():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(guard.OutOfTime):
            guard.limited(for_ever, 0.1)
        deadline = time.monotonic() + 20
        while not rung and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rung


def students(code):
    """Compile as a cell of a notebook would be, outside all libraries."""
    names = {}
    exec(compile(code, "cell-of-a-student", "exec"), names)
    return names["f"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("1 / 0", "divided by zero"),
        ("[][1]", "an index points beyond the end"),
        ("{}['a']", "no such key"),
        ("unknown", "is it spelt right"),
        ("'a' + 1", "kind of value"),
        ("f()", "calls itself"),
        ("(1).shape", "nothing of that name"),
        ("__import__('nothing_like_it')", "no such module"),
    ],
)
def test_an_exception_is_put_in_plain_words_with_the_line(body, says):
    function = students(f"def f():\n    return {body}\n")
    with pytest.raises(BaseException) as failure:  # noqa: PT011
        function()
    words = guard.in_plain_words(failure.value)
    assert "line 2" in words
    assert says in words


def test_an_exception_that_cannot_even_be_printed_is_reported():
    class SilentError(Exception):
        def __str__(self):
            raise RuntimeError

    assert "`SilentError`" in guard.in_plain_words(SilentError())


# --- Results -----------------------------------------------------------------------------


@pytest.fixture
def chapter():
    made = Chapter(3, "03-model-1-basic")

    @made.exercise(
        "Two", kind="function", difficulty=1, minutes=5, stub="two = ____", answer="two",
        hints=("It is even.", "It is prime."), solution="two = 2", because="1 + 1 is 2.",
    )  # fmt: skip
    def q1(answer):
        print("a grader may print")
        if answer != 2:
            raise NotYet("Count again.")
        return "One and one."

    made.choice(
        "Which?", difficulty=2, minutes=5, right="b", hints=("Not the first.",),
        options={"a": ("this", "Too small."), "b": ("that", "Just so.")},
    )  # fmt: skip

    @made.exercise(
        "Bug", kind="bug", difficulty=3, minutes=5, answer="double",
        stub="def double(x):\n    return x + 2", hints=("Try 3.",),
        solution="def double(x):\n    return 2 * x", because="It added.",
    )  # fmt: skip
    def q3(answer):
        if answer(3) != 6:
            raise NotYet("Of 3 it should make 6.")
        return "Doubled."

    return made


def test_the_three_outcomes_in_markdown_and_in_a_terminal(chapter, capsys):
    q1 = chapter.exercises["q1"]
    results = [q1.check(____), q1.check(3), q1.check(2)]
    assert [r.outcome for r in results] == ["not attempted", "not yet", "right"]
    assert results[1]._repr_markdown_() == "✗ **Not yet.** Count again."
    assert repr(results[1]) == "✗ Not yet. Count again."
    assert capsys.readouterr() == ("", "")


def test_no_answer_or_two_are_told_apart(chapter):
    q1 = chapter.exercises["q1"]
    assert q1.check().outcome == "not attempted"
    assert "was given 2" in q1.check(2, 2).markdown


def test_hints_climb_and_stay_on_the_last(chapter):
    q1 = chapter.exercises["q1"]
    shown = [q1.hint().markdown for _ in range(3)]
    assert "It is even." in shown[0]
    assert "1 of 2" in shown[0]
    assert "It is prime." in shown[1]
    assert "ch03.q1.solution()" in shown[1]
    assert shown[2] == shown[1]


def test_a_solution_explains_and_shows_code(chapter):
    shown = chapter.exercises["q1"].solution().markdown
    assert shown == "1 + 1 is 2.\n\n```python\ntwo = 2\n```"
    assert "- **a**: Too small." in chapter.exercises["q2"].solution().markdown


@pytest.mark.parametrize(
    ("answer", "says"),
    [("a", "Too small."), ("c", "one of the letters"), (2, "one of the letters")],
)
def test_a_choice_has_a_reply_for_each_answer(chapter, answer, says):
    result = chapter.exercises["q2"].check(answer)
    assert result.outcome == "not yet"
    assert says in result.markdown


def test_a_choice_takes_large_letters_and_spaces(chapter):
    assert chapter.exercises["q2"].check(" B ").outcome == "right"


def test_a_bug_that_was_only_renamed_or_moved_is_untouched(chapter):
    q3 = chapter.exercises["q3"]
    scope = {}
    exec("\n\n\n" + q3.stub, scope)
    assert q3.check(scope["double"]).outcome == "not attempted"
    assert q3.check(lambda x: x + 4).outcome == "not yet"
    assert q3.check(lambda x: 2 * x).outcome == "right"


def test_a_student_may_interrupt(chapter):
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        chapter.exercises["q3"].check(interrupted)


# --- Progress ----------------------------------------------------------------------------


def test_what_is_solved_is_remembered_beside_the_notebook(chapter, tmp_path):
    assert "0 of 3" in chapter.count()
    chapter.exercises["q1"].check(3)
    assert "0 of 3" in chapter.count()
    chapter.exercises["q1"].check(2)
    chapter.exercises["q2"].check("b")
    assert "2 of 3" in chapter.count()
    assert [path.name for path in tmp_path.iterdir()] == [engine.PROGRESS_FILE]
    found = json.loads((tmp_path / engine.PROGRESS_FILE).read_text(encoding="utf-8"))
    assert found == {"ch03": ["q1", "q2"]}
    assert "✓ 1. Two ★" in chapter.progress().markdown
    assert "○ 3. Bug ★★★" in chapter.progress().markdown


def test_another_chapters_progress_is_kept(chapter, tmp_path):
    file = tmp_path / engine.PROGRESS_FILE
    file.write_text('{"ch01": ["q2"]}', encoding="utf-8")
    chapter.exercises["q1"].check(2)
    assert json.loads(file.read_text(encoding="utf-8")) == {"ch01": ["q2"], "ch03": ["q1"]}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ch03": 3}', '{"ch03": [1, null]}'])
def test_a_progress_file_that_makes_no_sense_counts_as_none(chapter, tmp_path, content):
    (tmp_path / engine.PROGRESS_FILE).write_text(content, encoding="utf-8")
    assert "0 of 3" in chapter.count()
    assert chapter.exercises["q1"].check(2).outcome == "right"
    assert "1 of 3" in chapter.count()


def test_without_a_place_to_write_the_answer_is_still_right(chapter, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr(engine.Path, "write_text", refuse)
    assert chapter.exercises["q1"].check(2).outcome == "right"
    assert "0 of 3" in chapter.count()


def test_text_for_a_terminal_folds_lines_and_keeps_code():
    long = "word " * 40
    shown = engine.plain(f"**Bold** and `a ** b`, [here](x.ipynb).\n\n- {long}")
    assert shown.startswith("Bold and `a ** b`, here (x.ipynb).")
    assert max(map(len, shown.splitlines())) <= 88

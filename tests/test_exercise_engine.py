"""The parts of the exercises' engine: the blank, the guard, results and progress."""

from __future__ import annotations

import dataclasses
import functools
import json
import random
import signal
import sys
import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from srlib.exercises import ____, engine, expect, guard
from srlib.exercises.blank import Blank, holds_blank
from srlib.exercises.engine import Chapter, NotYet


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "PROGRESS_FILE", tmp_path / "progress.json")
    monkeypatch.setattr(guard, "PATIENCE", 1000)  # however busy the machine is


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


STUBBORN = [for_ever, swallows]


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


def elsewhere_in_a_thread(work):
    """Run in a thread that is not the main one; return what came back or was raised."""
    found = []

    def run():
        try:
            found.append(work())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    return found[0]


def test_it_is_stopped_in_another_thread_too():
    found = elsewhere_in_a_thread(lambda: guard.limited(for_ever, 0.2))
    assert isinstance(found, guard.OutOfTime)


def test_what_sleeps_is_stopped_in_the_end(monkeypatch):
    monkeypatch.setattr(guard, "PATIENCE", 2)
    with pytest.raises(guard.OutOfTime):
        guard.limited(sleeps, 0.1)


def waits_for_a_busy_machine():
    time.sleep(0.4)
    return 3


@pytest.mark.parametrize("where", [lambda work: work(), elsewhere_in_a_thread])
def test_who_only_waits_for_the_processor_is_not_stopped(where):
    assert where(lambda: guard.limited(waits_for_a_busy_machine, 0.1)) == 3


SLOW_MODULE = """
import time
start = time.process_time()
while time.process_time() < start + 0.3:
    pass
value = 3
"""


@pytest.mark.parametrize("where", [lambda work: work(), elsewhere_in_a_thread])
def test_a_lazy_import_is_not_counted(tmp_path, monkeypatch, where):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_to_import", raising=False)
    (tmp_path / "slow_to_import.py").write_text(SLOW_MODULE)

    def work():
        import slow_to_import

        return slow_to_import.value

    assert where(lambda: guard.limited(work, 0.1)) == 3


def test_a_call_inside_has_a_time_of_its_own():
    def busy():
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass
        return 1

    def check():
        return sum(guard.limited(busy, 1) for _ in range(3))

    assert guard.limited(check, 0.2) == 3


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
        "q2", "Which?", difficulty=2, minutes=5, right="b", hints=("Not the first.",),
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


@pytest.mark.parametrize("answer", ["b", " B ", "'b'", '"B"', "(b)", "b.", np.str_("b")])
def test_a_choice_takes_a_letter_however_it_is_written(chapter, answer):
    assert chapter.exercises["q2"].check(answer).outcome == "right"


def test_an_id_is_a_name_and_a_number_is_a_place():
    made = Chapter(3, "03-model-1-basic")
    texts = {"options": {"a": ("this", ""), "b": ("that", "")}, "right": "a"}
    for name in ("q1", "easy", "q2"):
        made.choice(name, name, difficulty=1, minutes=5, hints=["?"], **texts)
    assert [(e.id, e.number) for e in made.exercises.values()] == [
        ("q1", 1),
        ("easy", 2),
        ("q2", 3),
    ]
    assert made.exercises["easy"].cell.splitlines()[-3] == "ch03.easy.check(choice)"
    with pytest.raises(ValueError, match="two exercises of the id easy"):
        made.choice("easy", "again", difficulty=1, minutes=5, hints=["?"], **texts)


def test_a_checker_that_does_not_end_does_not_blame_the_student(chapter):
    q1 = chapter.exercises["q1"]
    q1.seconds = 0.2
    names = {}
    exec(compile("def grade(answer):\n    while True: pass", guard.__file__, "exec"), names)
    q1.grade = names["grade"]
    found = q1.check(2)
    assert found.outcome == "not yet"
    assert "could not be checked" in found.markdown
    assert "never end" not in found.markdown


def test_random_numbers_are_left_as_they_are(chapter):
    q1 = chapter.exercises["q1"]
    q1.grade = lambda answer: f"{random.random()} {np.random.rand()}"  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = random.random(), np.random.rand()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    q1.check(2)
    assert (random.random(), np.random.rand()) == expected  # noqa: NPY002


def test_the_goal_shows_a_result_and_is_no_answer(chapter):
    q3 = chapter.exercises["q3"]
    assert q3.goal(4) == 8
    assert "the library's own" in q3.check(q3.goal).markdown
    assert not hasattr(q3, "solved")


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
    assert list(tmp_path.iterdir()) == [engine.PROGRESS_FILE]
    found = json.loads(engine.PROGRESS_FILE.read_text(encoding="utf-8"))
    assert found == {"ch03": ["q1", "q2"]}
    assert "✓ 1. Two ★" in chapter.progress().markdown
    assert "○ 3. Bug ★★★" in chapter.progress().markdown


def test_progress_stays_where_it_is_when_the_folder_changes(chapter, tmp_path, monkeypatch):
    assert engine.Path(".srlib-progress.json").absolute().parent != tmp_path
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    chapter.exercises["q1"].check(2)
    assert "1 of 3" in chapter.count()
    assert not list((tmp_path / "inner").iterdir())


def test_another_chapters_progress_is_kept(chapter):
    file = engine.PROGRESS_FILE
    file.write_text('{"ch01": ["q2"]}', encoding="utf-8")
    chapter.exercises["q1"].check(2)
    assert json.loads(file.read_text(encoding="utf-8")) == {"ch01": ["q2"], "ch03": ["q1"]}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ch03": 3}', '{"ch03": [1, null]}'])
def test_a_progress_file_that_makes_no_sense_counts_as_none(chapter, content):
    engine.PROGRESS_FILE.write_text(content, encoding="utf-8")
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


# --- What is expected --------------------------------------------------------------------


def says(function, *arguments, **options):
    with pytest.raises(NotYet) as refused:
        function(*arguments, **options)
    return str(refused.value)


class Tensor:
    """What TensorFlow's looks like from outside."""

    def __init__(self, value):
        self.value = np.asarray(value)

    def numpy(self):
        return self.value


@pytest.mark.parametrize(
    "value", [3, 3.0, np.int8(3), np.float32(3), np.array([[3]]), Fraction(3), Tensor(3)]
)
def test_a_number_in_any_form(value):
    assert expect.number(value) == 3
    assert expect.whole(value) == 3
    expect.agree(value, 3)


@pytest.mark.parametrize("value", [True, 1, 1.0, np.True_, np.array([1]), "true", " True "])
def test_a_truth_in_any_form(value):
    assert expect.truth(value) is True


@pytest.mark.parametrize("value", [2, "yes", None, [], np.zeros(2)])
def test_what_is_no_truth(value):
    assert "`True` or `False`" in says(expect.truth, value)


@pytest.mark.parametrize(
    "value",
    [
        [1, 2], (1, 2), np.array([1, 2]), range(1, 3), iter([1, 2]), {1: 0, 2: 0}.keys(),
        (k for k in (1, 2)), Tensor([1, 2]), [Tensor(1), Tensor(2)], map(int, "12"),
    ],
)  # fmt: skip
def test_several_numbers_in_any_form(value):
    expect.agree(value, [1, 2])


def test_lists_in_any_form_and_what_is_none():
    assert expect.items(k for k in "ab") == ["a", "b"]
    assert "to be a list" in says(expect.items, "ab")
    assert "never end" in says(expect.items, iter(int, 1))


def test_words_and_keys_have_one_form():
    assert expect.choose(" HIGHER ", ["higher", "lower"]) == "higher"
    assert expect.mapping({" Default": 1, "'b'": 2}, ["default", "b"]) == {
        "default": 1,
        "b": 2,
    }
    assert expect.mapping({1: 2}, ["1"]) == {"1": 2}
    assert "one of the words" in says(expect.choose, "up", ["higher", "lower"])
    assert "one of the letters" in says(expect.choose, 1, ["a", "b"])


@pytest.mark.parametrize("value", [22.039, 22.04, np.float32(22.04), 22.0391])
def test_a_value_is_right_to_the_digits_that_are_asked_for(value):
    expect.agree(value, 22.039, digits=2)


def test_a_value_is_wrong_beyond_the_digits():
    assert "expected 22.039" in says(expect.agree, 22.03, 22.039, digits=2).lower()


def sorts(files):
    files.sort()
    return files


def clips(files):
    np.clip(files, 0, 1, out=files)
    return files.mean()


def nested(files):
    files["a"][0].append(1)
    return 1


@pytest.mark.parametrize(
    ("answer", "argument"),
    [(sorts, [2, 1]), (clips, np.array([2.0, 0.5])), (nested, {"a": ([2],)})],
)
def test_a_changed_argument_is_refused_by_name(answer, argument):
    before = repr(argument)
    assert "changes `files`" in says(expect.call, answer, argument)
    assert repr(argument) == before


def test_what_survives_from_call_to_call_is_found():
    def collects(x, seen=[]):  # noqa: B006
        seen.append(x)
        return seen

    assert "survives" in says(expect.steady, collects, 1)
    assert "survives" in says(expect.agree_on, collects, lambda x: [x], [(1,), (2,)])
    assert "survives" in says(expect.steady, lambda x: random.random(), 1)
    assert expect.steady(lambda x: np.array([np.nan, x]), 1).shape == (2,)


def test_a_generator_that_is_given_is_used():
    def own(count, rng):
        return np.random.default_rng(0).random(count)

    def other(count, rng):
        return np.random.default_rng().random(count)

    assert "fixed seed" in says(expect.draws, own, lambda rng: (3, rng))
    assert "without the generator" in says(expect.draws, other, lambda rng: (3, rng))
    assert (
        expect.draws(lambda count, rng: rng.random(count), lambda rng: (3, rng)).size == 3
    )


@pytest.mark.parametrize(
    ("x2", "message"),
    [
        (25.1, "is that of"),
        (-27.0, "the wrong sign"),
        (0.27, "0.01 times"),
        (30.0, "On which photos"),
        (26.0, "by the batch metric"),
    ],
)
def test_what_is_reported_is_compared_with_what_is_measured(x2, message):
    own = {"x2": 27.0, "x4": 25.1}
    slips = {"That is measured by the batch metric.": {"x2": 26.0, "x4": 24.0}}
    found = {"x2": x2, "x4": 25.12}
    assert message in says(expect.measured, found, own, within=0.05, slips=slips)
    assert expect.measured({**own, "x2": 27.02}, own, within=0.05)["x2"] == 27.02


def test_a_conclusion_follows_or_not():
    options = {"a": "it rises", "b": "it falls"}
    expect.conclusion(" B", options, "b", "You measured 1 and 2")
    told = says(expect.conclusion, "a", options, "b", "You measured 1 and 2")
    assert told == "You say that it rises. You measured 1 and 2: that does not follow."


def test_mistakes_with_decibels_are_named():
    slips = expect.decibels(lambda error: error)
    cases = [(0.01,), (0.002,)]
    psnr = lambda error: -10 * np.log10(error)  # noqa: E731

    def told(answer):
        return says(expect.agree_on, answer, psnr, cases, slips)

    assert "natural" in told(lambda error: -10 * np.log(error))
    assert "20 times" in told(lambda error: 2 * psnr(error))
    assert "sign" in told(lambda error: -psnr(error))
    assert "into decibels" in told(lambda error: error)
    assert "255 as the peak" in told(lambda error: psnr(error) + 20 * np.log10(255))
    assert "one of two" in says(expect.agree, 5, 3, {"one of two": expect.Either([4, 5])})


def test_what_is_locked_is_refused_and_only_inside():
    answer = expect.locked(lambda x: engine.plain(x), engine, "plain")
    assert "Do it without `plain`" in says(expect.call, answer, "**x**")
    assert engine.plain("**x**") == "x"

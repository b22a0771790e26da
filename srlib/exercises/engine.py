"""Exercises: what a student hands in, what comes back, and what is remembered."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Literal, NamedTuple

import numpy as np

from srlib.exercises import guard
from srlib.exercises.blank import ____, holds_blank

Kind = Literal["predict", "function", "model", "bug", "measure"]
Outcome = Literal["not attempted", "not yet", "right"]
Grader = Callable[[Any], str]

#: What each kind of exercise asks for.
KINDS: dict[Kind, str] = {
    "predict": "predict, before you run anything",
    "function": "write a function",
    "model": "change a network",
    "bug": "find the bug",
    "measure": "measure and conclude",
}
#: A symbol and a word, so that no meaning rests on colour.
SYMBOLS: dict[Outcome, str] = {"not attempted": "○", "not yet": "✗", "right": "✓"}

#: Longest processor time of a check, in seconds, without the calls of the student's code,
#: which `expect` limits. One that scores a network has its own.
CHECK_SECONDS = 4.0

#: In the folder where the notebook runs, wherever it goes later.
PROGRESS_FILE = Path(".srlib-progress.json").absolute()


class NotYet(Exception):  # noqa: N818 (an answer, not an error)
    """The answer is wrong. The message says how, in Markdown, to the student."""


class NotAttempted(Exception):  # noqa: N818
    """A ``____`` is left in the answer."""


# --- What comes back ---------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Text:
    """Markdown in a notebook, plain text in a terminal."""

    markdown: str

    def _repr_markdown_(self) -> str:
        return self.markdown

    def __repr__(self) -> str:
        return plain(self.markdown)


@dataclass(frozen=True, repr=False)
class Result(Text):
    """What a check found."""

    outcome: Outcome


def plain(markdown: str) -> str:
    r"""Turn the Markdown of this package into text for a terminal.

    Examples
    --------
    >>> print(plain("**Right.** See [chapter 3](x.ipynb).\n\n```python\na = 1\n```"))
    Right. See chapter 3 (x.ipynb).
    <BLANKLINE>
        a = 1
    """
    blocks = re.split(r"^```.*\n((?:.*\n)*?)```$", markdown, flags=re.MULTILINE)
    for k, block in enumerate(blocks):
        blocks[k] = textwrap.indent(block, "    ").rstrip() if k % 2 else _paragraphs(block)
    return "".join(blocks)


def _paragraphs(markdown: str) -> str:
    """Drop the marks of bold text and links, and fold long lines."""
    spans = re.split(r"(`[^`]*`)", markdown)
    for k in range(0, len(spans), 2):  # between the quoted code
        spans[k] = spans[k].replace("**", "")
        spans[k] = re.sub(r"\[([^\]]*)\]\(([^)]*)\)", r"\1 (\2)", spans[k])
    lines = "".join(spans).split("\n")
    return "\n".join(
        line if len(line) <= 88 or line.startswith("|") else _fold(line) for line in lines
    )


def _fold(line: str) -> str:
    later = "  " if line.startswith(("- ", "✓ ", "○ ")) else ""
    return textwrap.fill(
        line, 88, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )


# --- Exercises ---------------------------------------------------------------------------


class Option(NamedTuple):
    """One of the answers to choose from, and what is said to who chose it."""

    text: str
    reply: str


@dataclass(eq=False)
class Exercise:
    """One exercise: what it is, what the student sees, and how an answer is judged."""

    chapter: Chapter
    id: str  # names it in cells, answers and progress, wherever it stands
    title: str
    kind: Kind
    difficulty: int  # 1 to 3
    minutes: int
    stub: str  # the code that the student changes
    answer: str  # what of it is handed to the check: an expression
    hints: Sequence[str]  # from a nudge to nearly the answer
    solution_code: str  # what may stand in the place of the stub
    because: str  # why it is right
    grade: Grader  # returns what a right answer means, or raises `NotYet`
    options: Mapping[str, Option] = field(default_factory=dict)  # of a choice, by letter
    seconds: float = CHECK_SECONDS  # longest processor time of a check
    _rung: int = 0

    @property
    def name(self) -> str:
        """Full name, such as ``"ch03.q1"``."""
        return f"{self.chapter.name}.{self.id}"

    @property
    def number(self) -> int:
        """Place in the chapter, from 1."""
        return list(self.chapter.exercises).index(self.id) + 1

    @property
    def stars(self) -> str:
        """Difficulty as one to three stars."""
        return "★" * self.difficulty

    @property
    def link(self) -> str:
        """Where its text stands, as seen from another chapter."""
        heading = f"Exercise {self.number}: {self.title}"
        return f"{self.chapter.notebook}.ipynb#{_slug(heading)}"

    @property
    def solution_link(self) -> str:
        """Where its solution stands in the appendix."""
        return f"solutions.ipynb#{_slug(self.heading)}"

    @property
    def heading(self) -> str:
        """Heading of its solution in the appendix."""
        return f"Exercise {self.chapter.number}.{self.number}: {self.title}"

    @property
    def task_head(self) -> str:
        """What its text in the chapter begins with."""
        minutes = f"*{self.stars}, up to {self.minutes} minutes.*"
        return f"### Exercise {self.number}: {self.title}\n\n{minutes} "

    @property
    def task_foot(self) -> str:
        """What its text in the chapter ends with."""
        return f"\n\n[Solution]({self.solution_link})"

    @property
    def options_list(self) -> str:
        """The options of a choice, as its text in the chapter lists them."""
        return "\n".join(f"- **{letter}**: {o.text}" for letter, o in self.options.items())

    @property
    def cell(self) -> str:
        """The code cell as it stands in the chapter, untouched."""
        return self.cell_with(self.stub)

    def cell_with(self, code: str) -> str:
        """Return the cell with `code` in the place of the stub."""
        ends_in_function = code.splitlines()[-1].startswith(" ")
        lines = (
            code,
            *[""] * (2 if ends_in_function else 1),
            f"{self.name}.check({self.answer})",
            f"# {self.name}.hint()",
            f"# {self.name}.solution()",
        )
        return "\n".join(lines)

    def _solved(self, **names: Any) -> Any:
        """Run the solution's code, which may use `names`, and return the right answer."""
        exec(compile(self.solution_code, f"<solution of {self.name}>", "exec"), names)
        return eval(self.answer, names)

    def goal(self, *arguments: Any, **names: Any) -> Any:
        """Return what the right function makes of `arguments`: for a picture of it.

        Raises
        ------
        NotYet
            Inside a check, so that it cannot be handed in.
        """
        if _checks:
            raise NotYet("The check wants what you wrote yourself, not the library's own.")
        return self._solved(**names)(*arguments)

    # --- What a student calls ---

    def check(self, *answers: Any) -> Result:
        """Judge an answer. Whatever it is, this returns, and soon."""
        _checks.append(self.name)
        try:
            with _apart():
                text = guard.limited(lambda: self._judge(answers), self.seconds)
        except NotAttempted:
            task = _REPAIR if self.kind == "bug" else _FILL_IN
            return self._result("not attempted", f"{task} `{self.name}.hint()` helps.")
        except NotYet as reason:
            return self._result("not yet", str(reason))
        except guard.OutOfTime as error:
            line = guard.students_line(error)
            return self._result("not yet", too_long(line) if line else _NOT_CHECKED)
        except KeyboardInterrupt:  # the student's own wish
            raise
        except BaseException as error:
            return self._result("not yet", guard.in_plain_words(error))
        finally:
            _checks.pop()
        self.chapter.remember(self.id)
        return self._result("right", f"{text}\n\n{self.chapter.count()}")

    def hint(self) -> Text:
        """Show the next hint; after the last one, the last."""
        rung = min(self._rung, len(self.hints) - 1)
        self._rung = rung + 1
        last = rung + 1 == len(self.hints)
        more = f" After this one there is only `{self.name}.solution()`." if last else ""
        return Text(f"**Hint {rung + 1} of {len(self.hints)}.** {self.hints[rung]}{more}")

    def solution(self) -> Text:
        """Show what is right, and why."""
        replies = [f"- **{letter}**: {o.reply}" for letter, o in self.options.items()]
        listed = "\n".join(replies)
        parts = [self.because, listed, f"```python\n{self.solution_code}\n```"]
        return Text("\n\n".join(part for part in parts if part))

    def __repr__(self) -> str:
        return f"{self.name}: {self.title} {self.stars}"

    # --- How it is judged ---

    def _judge(self, answers: tuple) -> str:
        if not answers or any(map(holds_blank, answers)) or self._untouched(answers[0]):
            raise NotAttempted
        if len(answers) > 1:
            raise NotYet(
                f"The check takes one answer and was given {len(answers)}. Put them into "
                "the form that the stub had."
            )
        return self.grade(answers[0])

    def _untouched(self, answer: Any) -> bool:
        """Tell whether a function with a bug was handed in just as it was given."""
        if self.kind != "bug" or not isinstance(answer, FunctionType):
            return False
        given: dict[str, Any] = {"____": ____}
        with contextlib.suppress(Exception):  # it may need names of the chapter
            exec(self.stub, given)
        faulty = given.get(self.answer)
        return isinstance(faulty, FunctionType) and _same_code(
            faulty.__code__, answer.__code__
        )

    def _result(self, outcome: Outcome, text: str) -> Result:
        said = outcome.capitalize()
        return Result(f"{SYMBOLS[outcome]} **{said}.** {text}", outcome)


_FILL_IN = "Replace each `____` in this cell and run it again."
_REPAIR = "Find what is wrong in this cell, change it, and run it again."


_NOT_CHECKED = (
    "This could not be checked: the check itself did not come to its end, perhaps because "
    "this computer is busy. That says nothing about your answer. Run the cell again."
)
_checks: list[str] = []  # those that are running


@contextlib.contextmanager
def _apart() -> Iterator[None]:
    """Let nothing be printed, and leave the random numbers of the notebook as they are."""
    printed = guard.Sink()
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def too_long(line: str) -> str:
    """Say that the student's code was stopped, in this line."""
    where = f" It was stopped in {line}." if line else ""
    return (
        "Your code has used up the few seconds of processor time that it is given: does a "
        f"loop never end?{where}"
    )


def normal(word: Any) -> str:
    """Put a word into the form in which words are compared: without case and quotes.

    Examples
    --------
    >>> normal(" 'B' "), normal("(a)"), normal("Get  higher.")
    ('b', 'a', 'get higher')
    """
    return " ".join(str(word).split()).strip(" \"'`().:,").casefold()


def choose(value: Any, options: Iterable[str], what: str = "") -> str:
    """Expect one of these words, however it is written; return it as it is listed.

    Of a mapping, the text that belongs to the word will do as well.
    """
    texts = options.values() if isinstance(options, Mapping) else ()
    options = list(options)
    forms = [normal(option) for option in options]
    forms += [normal(text[0] if isinstance(text, Option) else text) for text in texts]
    word = normal(value) if isinstance(value, str) else None
    if word not in forms:
        kind = "letters" if all(len(option) == 1 for option in options) else "words"
        known = ", ".join(f'`"{option}"`' for option in options)
        raise NotYet(
            f"Answer {what}{' ' * bool(what)}with one of the {kind} {known}, in quotes."
        )
    return options[forms.index(word) % len(options)]


def _same_code(one: CodeType, other: CodeType) -> bool:
    """Compare what two functions do, not where they stand."""
    constants = [
        [c for c in code.co_consts if not isinstance(c, CodeType)] for code in (one, other)
    ]
    return (
        one.co_code == other.co_code
        and one.co_names == other.co_names
        and one.co_varnames == other.co_varnames
        and constants[0] == constants[1]
    )


def _slug(heading: str) -> str:
    """Name the place of a heading, as the book and GitHub do."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


# --- Chapters ----------------------------------------------------------------------------


class Chapter:
    """The exercises of one chapter.

    Parameters
    ----------
    number
        1 to 10.
    notebook
        The notebook's name without ``.ipynb``.
    """

    def __init__(self, number: int, notebook: str) -> None:
        self.number = number
        self.notebook = notebook
        self.exercises: dict[str, Exercise] = {}

    @property
    def name(self) -> str:
        """Name of its module, such as ``"ch03"``."""
        return f"ch{self.number:02}"

    def exercise(
        self, title: str, *, solution: str, because: str, **rest: Any
    ) -> Callable[[Grader], Exercise]:
        """Make an exercise of a function that grades an answer. See `Exercise`.

        The function's name is the exercise's id. The order of the functions is that of
        the exercises, and their numbers follow from it.
        """

        def register(grade: Grader) -> Exercise:
            name = grade.__name__
            if name in self.exercises:
                raise ValueError(f"{self.name} has two exercises of the id {name}.")
            texts = {"solution_code": _trim(solution), "because": _flow(because)}
            rest["stub"] = _trim(rest["stub"])
            rest["hints"] = [_flow(hint) for hint in rest["hints"]]
            self.exercises[name] = Exercise(self, name, title, grade=grade, **texts, **rest)
            return self.exercises[name]

        return register

    def choice(
        self,
        name: str,
        title: str,
        *,
        options: Mapping[str, tuple[str, str]],
        right: str,
        kind: Kind = "predict",
        because: str = "",
        **rest: Any,
    ) -> Exercise:
        """Make an exercise whose answer is one of some letters.

        Parameters
        ----------
        name
            Its id.
        options
            By letter: what the chapter offers, and the reply to who chose it.
        right
            The letter of the right one.
        """
        offered = {letter: Option(*texts) for letter, texts in options.items()}

        def grade(answer: Any) -> str:
            letter = choose(answer, offered)
            if letter != right:
                raise NotYet(offered[letter].reply)
            return offered[letter].reply

        grade.__name__ = name
        letters = ", ".join(f'"{letter}"' for letter in offered)
        stub, solution = f"choice = ____  # {letters}", f'choice = "{right}"'
        return self.exercise(
            title, kind=kind, stub=stub, answer="choice", options=offered,
            solution=solution, because=because, **rest,
        )(grade)  # fmt: skip

    def table(self) -> str:
        """List the exercises with links to their texts, as a Markdown table."""
        rows = ["| exercise | kind | difficulty | minutes |", "|:--|:--|:--|--:|"]
        rows += [
            f"| [{e.number}. {e.title}]({e.link}) | {KINDS[e.kind]} | {e.stars} "
            f"| {e.minutes} |"
            for e in self.exercises.values()
        ]
        return "\n".join(rows)

    # --- Progress ---

    def progress(self) -> Text:
        """Show which exercises of this chapter were solved in this folder."""
        solved = _read_progress().get(self.name, [])
        lines = [
            f"- {SYMBOLS['right' if name in solved else 'not attempted']} "
            f"{exercise.number}. {exercise.title} {exercise.stars}"
            for name, exercise in self.exercises.items()
        ]
        return Text("\n".join([f"**Chapter {self.number}.** {self.count()}", "", *lines]))

    def count(self) -> str:
        """Say how many exercises of this chapter were solved in this folder."""
        solved = self.exercises.keys() & set(_read_progress().get(self.name, []))
        return f"Solved in this chapter: {len(solved)} of {len(self.exercises)}."

    def remember(self, name: str) -> None:
        """Note that an exercise was solved. If that cannot be written, do without."""
        progress = _read_progress()
        solved = {*progress.get(self.name, []), name}
        progress[self.name] = sorted(solved)
        part = PROGRESS_FILE.with_suffix(f".{os.getpid()}.tmp")
        with contextlib.suppress(OSError):
            try:
                part.write_text(json.dumps(progress, indent=1) + "\n", encoding="utf-8")
                part.replace(PROGRESS_FILE)  # whole or not at all
            finally:
                part.unlink(missing_ok=True)


def _read_progress() -> dict[str, list[str]]:
    """Read what was solved, by chapter; a file that makes no sense counts as none."""
    try:
        found = json.loads(PROGRESS_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    lists = {chapter: ids for chapter, ids in found.items() if isinstance(ids, list)}
    return {name: [i for i in ids if isinstance(i, str)] for name, ids in lists.items()}


def _trim(code: str) -> str:
    """Take away the margin that a text has where it is written."""
    return textwrap.dedent(code).strip()


def _flow(text: str) -> str:
    """Join the lines of each paragraph, and keep lists, tables and quoted code."""
    blocks = _trim(text).split("\n\n")
    kept = ("- ", "| ", "```")
    return "\n\n".join(
        block if block.startswith(kept) else " ".join(block.split("\n")) for block in blocks
    )

"""Wrong answers to each exercise, and the message meant for each; one module a chapter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Wrong(NamedTuple):
    """A likely wrong answer.

    Attributes
    ----------
    name
        What went wrong.
    answer
        What is handed in.
    says
        A piece of the message that it gets.
    make
        Makes the answer from the chapter's names, if it is too dear to be made before.
    """

    name: str
    answer: Any
    says: str
    make: Callable[[dict[str, Any]], Any] | None = None

"""How fast the course is: what ``make benchmark`` measured, read for a chapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from srlib.sources import places

FILE = places.course_data() / "results" / "benchmark.json"


def load(file: Path = FILE) -> dict[str, Any]:
    """Read the benchmark: its ``machine``, and its ``parts`` (see `tools.speed`).

    Raises
    ------
    ValueError
        If the file is missing or is no benchmark. The message says what makes one.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {"machine": content["machine"], "parts": content["parts"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file}: found no benchmark ({error!r}). `make benchmark` measures one."
        ) from error

"""The measured speed: read for a chapter, or refused with what to do."""

from __future__ import annotations

import pytest

from srlib.runs import speed


def test_the_committed_benchmark_has_what_chapter_1_shows():
    content = speed.load()
    assert {"input", "steps", "sizes"} <= content["parts"].keys()
    assert content["machine"]["cores"] >= 1


@pytest.mark.parametrize("text", [None, "no json", "[]", '{"parts": {}}'])
def test_anything_else_is_refused_with_what_to_do(tmp_path, text):
    file = tmp_path / "benchmark.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match=r"benchmark\.json: found no benchmark .* `make"):
        speed.load(file)

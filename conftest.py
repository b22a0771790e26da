"""How the tests and the chapters run: without the network, and on the sample alone."""

from __future__ import annotations

import os
import runpy
import shutil
import tempfile
from pathlib import Path

import pytest

GUARD = Path(__file__).parent / "tests" / "no_network.py"
STARTUP = f"""import runpy as _runpy
_runpy.run_path({str(GUARD)!r})["cut_off"]()
del _runpy
"""


def pytest_configure(config: pytest.Config) -> None:
    """Cut off the network, here and in every kernel that is started from here."""
    # TensorFlow's log would be taken for an output of the first cell.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if config.getoption("nbval", False):
        # Committed outputs come from the sample (tools/notebooks/chapters.py).
        os.environ.pop("SRLIB_DATA", None)
    if os.environ.get("SRLIB_TEST_NETWORK") != "1":
        runpy.run_path(str(GUARD))["cut_off"]()
        os.environ["IPYTHONDIR"] = make_ipython_folder(config)


def make_ipython_folder(config: pytest.Config) -> str:
    """Make a folder whose startup file cuts off each kernel before its first cell."""
    folder = Path(tempfile.mkdtemp(prefix="srlib-ipython-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    startup = folder / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-no-network.py").write_text(STARTUP, encoding="utf-8")
    return str(folder)


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Compare what a reader sees as text: not stderr, nor the HTML of tables."""
    if getattr(collector, "path", None) and collector.path.suffix == ".ipynb":
        collector.skip_compare += ("stderr", "text/html", "image/svg+xml")

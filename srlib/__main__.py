"""The command line: ``python -m srlib download`` and ``python -m srlib run``."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from srlib import data
from srlib.runs import plans
from srlib.sources import download, places


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0 if it went well."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except (OSError, ValueError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m srlib", description=__doc__)
    commands = parser.add_subparsers(required=True)

    fetch = commands.add_parser(
        "download", help="fetch PASCAL VOC 2007 (460 MB), verified; resumes if cut off"
    )
    fetch.set_defaults(command=_download)
    fetch.add_argument("folder", nargs="?", type=Path, default=download.VOC_FOLDER)

    work = commands.add_parser(
        "run", help="do the runs of a plan that have no record yet; resumes if stopped"
    )
    work.set_defaults(command=_run)
    work.add_argument("--plan", nargs="+", required=True, choices=plans.PLANS)
    work.add_argument("--only", metavar="NAME", help="do this run alone")
    work.add_argument("--dry-run", action="store_true", help="list the runs and stop")
    work.add_argument(
        "--data", metavar="FOLDER", help="photos; else SRLIB_DATA, VOC 2007, the sample"
    )
    work.add_argument(
        "--storage", metavar="URL", help="Optuna storage to share (default: a local file)"
    )
    work.add_argument(
        "--threads", type=int, default=0, help="of this worker; 0: as many as cores"
    )
    return parser


def _download(options: argparse.Namespace) -> int:
    def show(done: int, total: int) -> None:
        print(f"\r{done / 1e6:6.0f} of {total / 1e6:.0f} MB", end="", flush=True)

    folder = download.download_voc2007(options.folder, progress=show)
    print(f"\n{data.find_photos(folder)}, in {folder}")
    return 0


def _run(options: argparse.Namespace) -> int:
    lacking = [name for name in ("optuna", "tqdm") if find_spec(name) is None]
    if lacking:
        raise ValueError(
            f"Runs need {' and '.join(lacking)}, not installed here: "
            f"pip install {' '.join(lacking)}"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read once, at the import
    import tensorflow as tf

    from srlib.runs import queue

    if options.threads < 0:
        raise ValueError(f"--threads is {options.threads}, expected 0 or more.")
    if options.threads:
        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    photos = data.find_photos(options.data)
    chosen = chain.from_iterable(plans.plan(name) for name in options.plan)
    configs = list(dict.fromkeys(chosen))  # one in two plans: once
    configs.sort(key=lambda config: config.seed)  # an early look at everything
    if options.only is not None:
        configs = [config for config in configs if config.name == options.only]
        if not configs:
            raise ValueError(
                f"{', '.join(options.plan)}: no run is named {options.only!r}. "
                f"--dry-run lists the names."
            )
    home = _home()
    left = queue.missing(configs, photos, home.get("folder"))
    print(f"{photos}. {len(configs)} runs, {len(configs) - len(left)} of them done.")
    if options.dry_run:
        for config in configs:
            print(f"{'to do' if config in left else 'done '}  {config.name}")
        return 0
    study = " ".join(filter(None, [*options.plan, options.only]))
    with _Bar() as bar:
        queue.work_off(
            configs, photos, study=study, storage=options.storage, show=bar.show, **home
        )
    print("All done.")
    return 0


def _home() -> dict[str, Path]:
    """Bring what was done before; say where records and weights go outside a clone.

    On Kaggle that is the working folder, whose content outlives the session as its output.
    """
    taken = [path for path in places.take_up() if path.suffix == ".npz"]
    for path in taken:
        print(f"Going on from {path.name}, which an earlier session left.")
    if places.in_clone():
        return {}
    return {
        "folder": places.own_data() / "results",
        "weights": places.own_data() / "weights",
    }


class _Bar:
    """A progress bar with the time left, over all runs of the plans."""

    def __enter__(self) -> _Bar:
        from tqdm import tqdm

        layout = "{percentage:5.1f} % |{bar}| {elapsed} so far, {remaining} left{postfix}"
        self.bar = tqdm(total=1.0, bar_format=layout)
        self.begun = False
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def show(self, share: float, name: str, note: str) -> None:
        """Show that `share` of the work is done. What was done before took no time."""
        if not self.begun:
            self.bar.initial, self.begun = share, True
        self.bar.n = share
        self.bar.set_postfix_str(f"{name}, {note}")  # and draw it


if __name__ == "__main__":
    warnings.formatwarning = lambda message, *_, **__: f"\n{message}\n"
    sys.exit(main())

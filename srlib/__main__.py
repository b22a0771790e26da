"""The command line: ``python -m srlib download``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from srlib import data, download


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0 if it went well."""
    parser = argparse.ArgumentParser(prog="python -m srlib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser(
        "download", help="fetch PASCAL VOC 2007 (460 MB), verified; resumes if cut off"
    )
    fetch.add_argument("folder", nargs="?", type=Path, default=download.VOC_FOLDER)
    options = parser.parse_args(arguments)
    try:
        folder = download.download_voc2007(options.folder, progress=_show_progress)
    except OSError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130
    print(f"\n{data.find_photos(folder)}, in {folder}")
    return 0


def _show_progress(done: int, total: int) -> None:
    print(f"\r{done / 1e6:6.0f} of {total / 1e6:.0f} MB", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())

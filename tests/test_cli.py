"""``python -m srlib`` and the download that `find_photos` may start."""

from __future__ import annotations

import pytest

from srlib import __main__ as cli
from srlib import data
from srlib.sources import download, places


@pytest.fixture
def fake_voc(make_folder):
    """Stand in for the download: five photos appear where they were asked for."""
    asked = []

    def fake(folder, *, progress=None):
        asked.append(folder)
        if progress is not None:
            progress(230_000_000, 460_000_000)
        make_folder(folder / "JPEGImages", count=5)
        return folder

    fake.asked = asked
    return fake


def test_download_command_says_what_arrived_and_where(
    monkeypatch, tmp_path, capsys, fake_voc
):
    monkeypatch.setattr(download, "download_voc2007", fake_voc)
    assert cli.main(["download", str(tmp_path / "voc")]) == 0
    printed = capsys.readouterr().out
    assert "230 of 460 MB" in printed
    assert "4 train, 1 val" in printed
    assert str(tmp_path / "voc") in printed


def test_download_command_reports_a_failure_without_a_traceback(
    monkeypatch, tmp_path, capsys
):
    def fail(folder, *, progress=None):
        raise download.DownloadError("no mirror gave the file")

    monkeypatch.setattr(download, "download_voc2007", fail)
    assert cli.main(["download", str(tmp_path)]) == 1
    assert "no mirror gave the file" in capsys.readouterr().err


def test_download_command_says_that_it_can_go_on_after_an_interrupt(
    monkeypatch, tmp_path, capsys
):
    def interrupt(folder, *, progress=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "download_voc2007", interrupt)
    assert cli.main(["download", str(tmp_path)]) == 130
    assert "goes on from here" in capsys.readouterr().err


def test_find_photos_fetches_only_when_asked(monkeypatch, tmp_path, fake_voc):
    monkeypatch.delenv("SRLIB_DATA", raising=False)
    monkeypatch.setenv("KAGGLE_CACHE_MOUNT_FOLDER", str(tmp_path / "kaggle"))
    for place in ("course_data", "own_data"):
        monkeypatch.setattr(places, place, lambda: tmp_path)
    monkeypatch.setattr(download, "download_voc2007", fake_voc)
    with pytest.raises(data.DataError):  # no sample in this empty project
        data.find_photos()
    assert fake_voc.asked == []
    assert len(data.find_photos(fetch=True).train) == 4
    assert fake_voc.asked == [tmp_path / "voc2007"]


def test_the_time_left_counts_only_what_was_done_since_the_start(capsys):
    with cli._Bar() as bar:
        for share, note in (0.5, "epoch 1 of 9"), (0.6, "epoch 2 of 9"):
            bar.show(share, "basic", note)
            bar.bar.start_t -= 30  # half a minute goes by
            bar.bar.last_print_t -= 30
        bar.show(0.7, "basic", "epoch 3 of 9")
        shown = capsys.readouterr().err.rsplit("\r", 1)[-1]
    assert " 70.0 % " in shown
    assert "01:00 so far, 01:30 left, basic, epoch 3 of 9" in shown

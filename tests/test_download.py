"""The verified download, against a local server that misbehaves on demand."""

import errno
import hashlib
import io
import re
import shutil
import socket
import tarfile
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from srlib.sources import download as dl

CONTENT = np.random.default_rng(0).bytes(10_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


# --- a server that misbehaves on demand -------------------------------------------------


@dataclass
class Mirror:
    """How one address answers."""

    body: bytes = CONTENT
    ranges: bool = True  # answers a Range request with 206
    cut: int | None = None  # closes the connection after so many bytes
    hang: bool = False  # after `cut` bytes, stays silent instead of closing
    status: int = 200
    announced: int | str | None = "right"  # Content-Length; None sends no such header
    content_range: str | None = None  # sent instead of the right one
    chunked: bool = False
    redirect: str | None = None


@dataclass
class Request:
    """One request as the server saw it, and how many bytes it sent back."""

    name: str
    range: str | None
    agent: str | None
    sent: int = 0


@dataclass
class Web:
    """The mirrors of one test, and the requests they got."""

    port: int = 0
    mirrors: dict[str, Mirror] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def add(self, name="a", **behaviour) -> str:
        self.mirrors[name] = Mirror(**behaviour)
        return f"http://127.0.0.1:{self.port}/{name}"

    def clear(self):
        self.mirrors.clear()
        self.requests.clear()

    @property
    def log(self):
        return [(request.name, request.range, request.sent) for request in self.requests]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        name = self.path.strip("/")
        request = Request(name, self.headers["Range"], self.headers["User-Agent"])
        self.server.web.requests.append(request)
        mirror = self.server.web.mirrors[name]
        if mirror.redirect:
            self.send_response(301)
            self.send_header("Location", mirror.redirect)
            self.end_headers()
        elif mirror.status >= 400:
            self.send_error(mirror.status)
        else:
            with suppress(ConnectionError):
                self.answer(mirror, request)

    def answer(self, mirror, request):
        body, status = mirror.body, mirror.status
        start = int(re.fullmatch(r"bytes=(\d+)-", request.range or "bytes=0-")[1])
        if request.range and mirror.ranges:
            body, status = body[start:], 206
        announced = len(body) if mirror.announced == "right" else mirror.announced
        # Written down before it is sent: the test may look as soon as it has arrived.
        sent = body if mirror.cut is None else body[: mirror.cut]
        request.sent = len(sent)
        self.send_response(status)
        if status == 206:
            last = len(mirror.body) - 1
            right = f"bytes {start}-{last}/{last + 1}"
            self.send_header("Content-Range", mirror.content_range or right)
        if mirror.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(sent), sent)
        elif announced is not None:
            self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(sent)
        if mirror.hang:
            self.wfile.flush()
            self.server.web.release.wait(10)


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.web = Web(port=server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.web
        server.web.release.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def web(server):
    server.clear()
    return server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Keep a proxy of the machine out of the way to 127.0.0.1."""
    monkeypatch.setenv("no_proxy", "*")


def fetch(urls, destination, **options):
    right = {"sha256": SHA256, "size": len(CONTENT), "timeout": 5}
    return dl.download(urls, destination, **(right | options))


def part_of(path):
    return path.with_name(path.name + ".part")


def names_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def target(tmp_path):
    return tmp_path / "downloads" / "file.tar"


# --- a download that goes well ----------------------------------------------------------


def test_a_whole_download_is_the_same_file(web, target):
    progress = []

    found = fetch([web.add()], target, progress=lambda *step: progress.append(step))

    assert found == target
    assert target.read_bytes() == CONTENT
    assert names_in(target.parent) == ["file.tar"]
    assert web.log == [("a", None, 10_000)]
    assert "srlib" in web.requests[0].agent
    assert progress[-1] == (10_000, 10_000)
    assert progress == sorted(progress)


def test_a_verified_file_is_not_fetched_again(web, target):
    target.parent.mkdir()
    target.write_bytes(CONTENT)

    assert fetch([web.add()], target) == target
    assert web.log == []


def test_a_wrong_file_under_the_final_name_is_replaced(web, target):
    target.parent.mkdir()
    target.write_bytes(b"x" * 10_000)

    fetch([web.add()], target)

    assert target.read_bytes() == CONTENT


def test_a_redirect_is_followed_and_keeps_the_range(web, target):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT[:4_000])

    fetch([web.add("old", redirect=web.add("new"))], target)

    assert target.read_bytes() == CONTENT
    assert web.log == [("old", "bytes=4000-", 0), ("new", "bytes=4000-", 6_000)]


# --- a cut ------------------------------------------------------------------------------


def test_a_cut_is_carried_on_next_time(web, target):
    url = web.add(cut=3_000)
    with pytest.raises(dl.DownloadError, match=r"cut off after 3,000 of 10,000 bytes"):
        fetch([url], target)
    assert names_in(target.parent) == ["file.tar.part"]
    assert part_of(target).read_bytes() == CONTENT[:3_000]

    web.add(cut=None)
    fetch([url], target)

    assert target.read_bytes() == CONTENT
    assert names_in(target.parent) == ["file.tar"]
    assert web.log == [("a", None, 3_000), ("a", "bytes=3000-", 7_000)]


def test_a_cut_is_carried_on_at_the_next_mirror(web, target):
    fetch([web.add("a", cut=3_000), web.add("b", cut=5_000), web.add("c")], target)

    assert target.read_bytes() == CONTENT
    assert web.log == [
        ("a", None, 3_000),
        ("b", "bytes=3000-", 5_000),
        ("c", "bytes=8000-", 2_000),
    ]


def test_a_silent_mirror_is_left_and_what_it_gave_is_kept(web, target):
    fetch([web.add("a", cut=3_000, hang=True), web.add("b")], target, timeout=0.5)

    assert target.read_bytes() == CONTENT
    assert web.log == [("a", None, 3_000), ("b", "bytes=3000-", 7_000)]


def test_a_server_without_ranges_starts_afresh(web, target):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT[:3_000])

    fetch([web.add(ranges=False)], target)

    assert target.read_bytes() == CONTENT
    assert web.log == [("a", "bytes=3000-", 10_000)]


@pytest.mark.parametrize(
    "content_range",
    ["bytes 2999-9999/10000", "bytes 3000-9999/10001", "bytes 3000-9999/*", "nonsense"],
)
def test_a_range_that_does_not_fit_starts_afresh(web, target, content_range):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT[:3_000])

    fetch([web.add(content_range=content_range)], target)

    assert target.read_bytes() == CONTENT
    assert [request.range for request in web.requests] == ["bytes=3000-", None]


@pytest.mark.parametrize(
    ("behaviour", "left"),
    [
        ({"cut": 2_000}, 3_000),  # less than was there
        ({"cut": 5_000}, 5_000),
        ({"body": b"x" * 10_000}, 3_000),  # all of it, and wrong
    ],
)
def test_a_server_without_ranges_takes_nothing_away(web, target, behaviour, left):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT[:3_000])

    with pytest.raises(dl.DownloadError):
        fetch([web.add("a", ranges=False, **behaviour)], target)

    assert part_of(target).read_bytes() == CONTENT[:left]
    assert names_in(target.parent) == ["file.tar.part"]
    fetch([web.add("b")], target)
    assert web.log[-1] == ("b", f"bytes={left}-", 10_000 - left)


def test_what_a_killed_transfer_left_is_carried_on_from(web, target):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT[:3_000])
    (target.parent / "file.tar.fresh.part").write_bytes(CONTENT[:4_000])

    fetch([web.add()], target)

    assert web.log == [("a", "bytes=4000-", 6_000)]
    assert names_in(target.parent) == ["file.tar"]


@pytest.mark.parametrize(
    "address",
    [
        "ftp://127.0.0.1:{port}/file",
        "file:///etc/passwd",
        "http://[::1",
        "http://host:port/file",
        "http://" + 70 * "x" + ".example/file",
        "//",
    ],
)
def test_a_bad_redirect_is_passed_over_and_only_the_web_is_asked(
    web, target, address, monkeypatch
):
    asked = []
    connect = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda *a, **k: asked.append(a[0]) or connect(*a, **k)
    )
    bad = web.add("bad", redirect=address.format(port=web.port))

    fetch([bad, web.add("good")], target)

    assert target.read_bytes() == CONTENT
    assert [request.name for request in web.requests if request.sent] == ["good"]
    if "127.0.0.1" in address:
        assert len(asked) == 2


def test_an_interrupt_leaves_the_part_and_nothing_else(web, target, monkeypatch):
    monkeypatch.setattr(dl, "CHUNK", 1_000)

    def interrupt(done, _):
        if done >= 4_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch([web.add("a"), web.add("b")], target, progress=interrupt)
    assert names_in(target.parent) == ["file.tar.part"]
    kept = part_of(target).read_bytes()
    assert len(kept) >= 4_000
    assert CONTENT.startswith(kept)

    fetch([web.add("a")], target)
    assert target.read_bytes() == CONTENT
    assert [request.range for request in web.requests] == [None, f"bytes={len(kept)}-"]


def test_a_complete_part_is_verified_without_a_request(web, target):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT)

    fetch([web.add()], target)

    assert target.read_bytes() == CONTENT
    assert names_in(target.parent) == ["file.tar"]
    assert web.log == []


@pytest.mark.parametrize("leftover", [CONTENT + b"more", b"x" * 10_000])
def test_a_part_that_is_too_long_or_wrong_is_discarded(web, target, leftover):
    target.parent.mkdir()
    part_of(target).write_bytes(leftover)

    fetch([web.add()], target)

    assert target.read_bytes() == CONTENT
    assert names_in(target.parent) == ["file.tar"]
    assert web.log == [("a", None, 10_000)]


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    content=st.binary(min_size=1, max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=3),
    ranges=st.booleans(),
)
def test_any_cuts_give_the_identical_file(server, content, cuts, ranges):
    server.clear()
    urls = [
        server.add(f"cut{number}", body=content, cut=cut, ranges=ranges)
        for number, cut in enumerate(cuts)
    ]
    urls.append(server.add("last", body=content, ranges=ranges))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "file.tar"
        sha256 = hashlib.sha256(content).hexdigest()
        fetch(urls, target, sha256=sha256, size=len(content))

        assert target.read_bytes() == content
        assert names_in(Path(folder)) == ["file.tar"]
    if ranges:
        assert sum(request.sent for request in server.requests) == len(content)


# --- a wrong file -----------------------------------------------------------------------


def test_a_wrong_checksum_is_refused_and_nothing_stays(web, target):
    with pytest.raises(dl.DownloadError, match=f"SHA-256 .*, expected {SHA256}"):
        fetch([web.add(body=b"x" * 10_000)], target)
    assert names_in(target.parent) == []


def test_after_a_wrong_checksum_the_next_mirror_starts_from_zero(web, target):
    fetch([web.add("a", body=b"x" * 10_000), web.add("b")], target)

    assert target.read_bytes() == CONTENT
    assert web.log == [("a", None, 10_000), ("b", None, 10_000)]


def test_a_mirror_is_not_blamed_for_the_bytes_of_another(web, target):
    fetch([web.add("a", body=b"x" * 10_000, cut=3_000), web.add("b")], target)

    assert target.read_bytes() == CONTENT
    assert web.log == [
        ("a", None, 3_000),
        ("b", "bytes=3000-", 7_000),
        ("b", None, 10_000),
    ]


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ({"body": CONTENT + b"more"}, "announces 10,004, expected 10,000"),
        ({"body": b"<html>Log in!</html>", "ranges": False}, "announces 20, expected"),
        ({"ranges": False, "announced": None}, "announces no length, expected 10,000"),
        ({"ranges": False, "chunked": True}, "announces no length, expected 10,000"),
        ({"status": 404}, "answered 404 Not Found"),
        ({"status": 503}, "answered 503 Service Unavailable"),
    ],
)
def test_another_file_costs_nothing_that_had_arrived(web, target, behaviour, message):
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT[:3_000])

    with pytest.raises(dl.DownloadError) as error:
        fetch([web.add(**behaviour)], target)

    assert message in str(error.value)
    assert part_of(target).read_bytes() == CONTENT[:3_000]
    assert names_in(target.parent) == ["file.tar.part"]


def test_bytes_beyond_the_announced_length_are_not_read(web, target):
    fetch([web.add(body=CONTENT + b"more", announced=10_000)], target)

    assert target.read_bytes() == CONTENT


# --- nothing works ----------------------------------------------------------------------


def test_when_all_fail_the_error_names_each_and_what_to_do(web, target):
    urls = [
        web.add("gone", status=404),
        web.add("wrong", body=b"x" * 10_000),
        web.add("silent", cut=0, hang=True),
        web.add("short", cut=1_234),
        "http://127.0.0.1:1/closed",
    ]

    with pytest.raises(dl.DownloadError) as error:
        fetch(urls, target, timeout=0.5)

    lines = str(error.value).splitlines()
    assert isinstance(error.value, OSError)
    for url, reason in zip(
        urls, ["404", "wrong file", "timed out", "cut off", "refused"], strict=True
    ):
        assert any(url in line and reason in line for line in lines), (url, lines)
    assert f"1,234 of 10,000 bytes are kept in {part_of(target)}" in str(error.value)
    for advice in ("network", "data/voc2007", "SRLIB_DATA", str(target)):
        assert advice in str(error.value)


def test_when_all_fail_a_wrong_file_put_there_by_hand_is_named_and_kept(web, target):
    target.parent.mkdir()
    target.write_bytes(b"half")

    with pytest.raises(dl.DownloadError, match=r"already there: 4 bytes, expected 10,00"):
        fetch([web.add(status=404)], target)
    assert target.read_bytes() == b"half"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/file", "file.tar"])
def test_only_web_addresses(web, target, url):
    with pytest.raises(ValueError, match=f"not an http or https address: '{url}'"):
        fetch([web.add(), url], target)
    assert web.log == []


def test_a_full_disk_is_not_blamed_on_the_mirror(web, target):
    def disk_full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fetch([web.add("a"), web.add("b")], target, progress=disk_full)
    assert [request.name for request in web.requests] == ["a"]


# --- unpacking --------------------------------------------------------------------------


def jpeg(seed):
    """Make a small real photo, as the bytes of a JPEG file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


PHOTOS = {f"{number:06}.jpg": jpeg(number) for number in (5, 7, 9)}
SPLITS = {"trainval.txt": b"000005\n000007\n000009\n"}
FOLDERS = [
    "VOCdevkit",
    "VOCdevkit/VOC2007",
    "VOCdevkit/VOC2007/JPEGImages",
    "VOCdevkit/VOC2007/JPEGImages/not-a-photo.jpg",
]
UNPACKED = [
    "ImageSets",
    "ImageSets/Main",
    "ImageSets/Main/trainval.txt",
    "JPEGImages",
    *(f"JPEGImages/{name}" for name in PHOTOS),
]
NOT_NEEDED = {
    "VOCdevkit/VOC2007/Annotations/000005.xml": b"<annotation/>",
    "VOCdevkit/VOC2007/JPEGImages/notes.txt": b"no photo",
    "VOCdevkit/VOC2007/SegmentationClass/000005.png": b"no photo",
    "VOCdevkit/VOC2007/ImageSets/Layout/trainval.txt": b"000005",
}


def good_files():
    root = "VOCdevkit/VOC2007"
    files = {f"{root}/JPEGImages/{name}": photo for name, photo in PHOTOS.items()}
    files |= {f"{root}/ImageSets/Main/{name}": text for name, text in SPLITS.items()}
    return files | NOT_NEEDED


def make_tar(path, files, traps=()):
    """Write a tar with the folders VOC's has, the files, then the traps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for folder in FOLDERS:
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o6777
            tar.addfile(member, io.BytesIO(content))
        for trap in traps:
            tar.addfile(trap, io.BytesIO(b"x" * trap.size))
    return path


def trap(name, kind=tarfile.REGTYPE, link=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    member.size = 4 if kind == tarfile.REGTYPE else 0
    return member


def test_a_good_archive_gives_the_photos_and_lists_only(tmp_path):
    archive = make_tar(tmp_path / "voc.tar", good_files())

    folder = dl.extract_photos(archive, tmp_path / "data" / "voc2007")

    assert folder == tmp_path / "data" / "voc2007"
    assert names_in(folder) == UNPACKED
    for name, photo in PHOTOS.items():
        assert (folder / "JPEGImages" / name).read_bytes() == photo
        with Image.open(folder / "JPEGImages" / name) as picture:
            assert picture.size == (16, 12)
    assert (folder / "ImageSets/Main/trainval.txt").read_bytes() == SPLITS["trainval.txt"]
    assert [path.name for path in folder.parent.iterdir()] == ["voc2007"]


def test_a_photo_is_unpacked_without_special_rights(tmp_path):
    archive = make_tar(tmp_path / "voc.tar", good_files())

    folder = dl.extract_photos(archive, tmp_path / "voc2007")

    for photo in folder.glob("JPEGImages/*.jpg"):
        assert photo.stat().st_mode & 0o6022 == 0, "set-user-id, or writable by all"


def test_an_empty_folder_may_be_there_already(tmp_path):
    archive = make_tar(tmp_path / "voc.tar", good_files())
    (tmp_path / "voc2007").mkdir()

    assert names_in(dl.extract_photos(archive, tmp_path / "voc2007")) == UNPACKED


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    archive = make_tar(tmp_path / "voc.tar", good_files())
    mine = tmp_path / "voc2007" / "JPEGImages" / "mine.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")

    with pytest.raises(dl.ArchiveError, match=r"not empty: it holds JPEGImages \(1 photo"):
        dl.extract_photos(archive, tmp_path / "voc2007")
    assert names_in(tmp_path / "voc2007") == ["JPEGImages", "JPEGImages/mine.jpg"]
    assert mine.read_bytes() == b"mine"


JPEGS = "VOCdevkit/VOC2007/JPEGImages"


@pytest.mark.parametrize(
    "member",
    [
        trap("../evil"),
        trap(f"{JPEGS}/../../../../evil.jpg"),
        trap(f"{JPEGS}/evil.jpg", tarfile.SYMTYPE, "../../../../outside.txt"),
        trap("VOCdevkit/VOC2007/JPEGImages", tarfile.SYMTYPE, "../../../.."),
        trap(f"{JPEGS}/evil.jpg", tarfile.LNKTYPE, "../outside.txt"),
        trap(f"{JPEGS}/evil.jpg", tarfile.CHRTYPE),
        trap(f"{JPEGS}/evil.jpg", tarfile.FIFOTYPE),
    ],
    ids=lambda member: f"{member.name} {member.type.decode()} {member.linkname}",
)
def test_an_unsafe_archive_is_refused_whole(tmp_path, member):
    inside = tmp_path / "inside"
    archive = make_tar(inside / "voc.tar", good_files(), [member])
    (tmp_path / "outside.txt").write_bytes(b"untouched")

    with pytest.raises(dl.ArchiveError, match=re.escape(repr(member.name))) as error:
        dl.extract_photos(archive, inside / "voc2007")

    assert str(archive) in str(error.value)
    assert names_in(inside) == ["voc.tar", "voc2007"]
    assert (tmp_path / "outside.txt").read_bytes() == b"untouched"


@pytest.mark.parametrize(
    "member",
    [
        trap("/tmp/evil.jpg"),
        trap("..\\evil.jpg"),
        trap("C:\\evil.jpg"),
        trap(f"{JPEGS}/evil.jpg", tarfile.SYMTYPE, "000005.jpg"),
        trap(f"{JPEGS}/evil.jpg", tarfile.LNKTYPE, f"{JPEGS}/000005.jpg"),
    ],
    ids=lambda member: f"{member.name} {member.type.decode()} {member.linkname}",
)
def test_what_is_no_photo_of_the_folder_is_left_out(tmp_path, member):
    archive = make_tar(tmp_path / "voc.tar", good_files(), [member])
    assert names_in(dl.extract_photos(archive, tmp_path / "voc2007")) == UNPACKED


def test_a_member_that_would_grow_is_refused_before_it_does(tmp_path):
    """A sparse file: 2 KB in the archive, any size on the disk."""
    name = f"{JPEGS}/000011.jpg"
    archive = make_tar(tmp_path / "voc.tar", good_files())
    with tarfile.open(archive, "a", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo(name)
        member.pax_headers = {"GNU.sparse.size": str(10**12), "GNU.sparse.map": "0,4"}
        member.size = 4
        tar.addfile(member, io.BytesIO(b"data"))
    with pytest.raises(dl.ArchiveError, match=rf"'{name}' is sparse"):
        dl.extract_photos(archive, tmp_path / "voc2007")
    assert names_in(tmp_path / "voc2007") == []


@pytest.mark.parametrize(
    ("content", "photos", "complaint"),
    [
        (NOT_NEEDED, None, r"\(0 photos in VOC2007/JPEGImages/\*\.jpg, expected some\)"),
        ({}, None, "0 photos"),
        (good_files(), 4, "3 photos in .*, expected 4"),
    ],
)
def test_an_archive_of_other_things_leaves_nothing(tmp_path, content, photos, complaint):
    archive = make_tar(tmp_path / "voc.tar", content)
    with pytest.raises(dl.ArchiveError, match=complaint):
        dl.extract_photos(archive, tmp_path / "voc2007", photos=photos)
    assert names_in(tmp_path) == ["voc.tar", "voc2007"]


def test_a_damaged_archive_leaves_nothing(tmp_path):
    archive = make_tar(tmp_path / "voc.tar", good_files())
    damaged = {
        "cut": archive.read_bytes()[:3_000],
        "empty": b"",
        "text": b"<html>no archive</html>" * 100,
    }
    for name, content in damaged.items():
        archive.write_bytes(content)
        with pytest.raises(dl.ArchiveError, match="is damaged, unsafe, or not the archive"):
            dl.extract_photos(archive, tmp_path / name)
    assert names_in(tmp_path) == [*sorted(damaged), "voc.tar"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(errno.ENOSPC, "full")])
def test_an_interrupt_while_unpacking_leaves_nothing(tmp_path, monkeypatch, stop):
    archive = make_tar(tmp_path / "voc.tar", good_files())
    copy = tarfile.copyfileobj
    written = []

    def stop_at_the_third(*args, **options):
        written.append(args)
        if len(written) == 3:
            raise stop
        copy(*args, **options)

    monkeypatch.setattr(tarfile, "copyfileobj", stop_at_the_third)

    with pytest.raises((KeyboardInterrupt, OSError)):
        dl.extract_photos(archive, tmp_path / "voc2007")
    assert len(written) == 3
    assert names_in(tmp_path) == ["voc.tar", "voc2007"]


def test_a_python_that_unpacks_anything_is_refused_before_the_download(
    web, voc, monkeypatch
):
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(dl.ArchiveError, match=r"3\.11\.4"):
        dl.download_voc2007()
    assert web.log == []


# --- VOC 2007, end to end ---------------------------------------------------------------


@pytest.fixture
def voc(web, tmp_path, monkeypatch):
    """Put a tiny VOC on the local server, and its facts into the table."""
    content = make_tar(tmp_path / "server" / "voc.tar", good_files()).read_bytes()
    archive = dl.Archive(
        name="voc.tar",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        photos=len(PHOTOS),
        urls=(web.add("down", status=503), web.add("up", body=content)),
    )
    monkeypatch.setattr(dl, "VOC2007", archive)
    monkeypatch.setattr(dl, "VOC_FOLDER", tmp_path / "data" / "voc2007")
    return archive


def test_voc2007_arrives_and_the_archive_goes(web, voc, tmp_path):
    progress = []

    folder = dl.download_voc2007(progress=lambda *step: progress.append(step))

    assert folder == tmp_path / "data" / "voc2007"
    assert names_in(folder) == UNPACKED
    assert [path.name for path in folder.parent.iterdir()] == ["voc2007"]
    assert progress[-1] == (voc.size, voc.size)
    assert [request.name for request in web.requests] == ["down", "up"]


def test_voc2007_is_not_fetched_twice(web, voc, tmp_path):
    folder = dl.download_voc2007(tmp_path / "elsewhere")
    web.requests.clear()

    assert dl.download_voc2007(tmp_path / "elsewhere") == folder
    assert web.log == []


def test_voc2007_with_a_photo_missing_keeps_the_archive(web, voc, tmp_path, monkeypatch):
    monkeypatch.setattr(dl, "VOC2007", voc._replace(photos=4))

    with pytest.raises(dl.ArchiveError, match=r"3 photos in .*, expected 4"):
        dl.download_voc2007()
    assert names_in(tmp_path / "data") == ["voc2007", "voc2007/voc.tar"]


def test_voc2007_does_not_mix_with_photos_that_are_there(web, voc):
    mine = dl.VOC_FOLDER / "JPEGImages" / "mine.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")

    with pytest.raises(dl.ArchiveError, match="is not empty"):
        dl.download_voc2007()
    assert web.log == []
    assert mine.read_bytes() == b"mine"


def test_voc2007_asks_for_room_first(web, voc, tmp_path, monkeypatch):
    def disk(free):
        answer = SimpleNamespace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: answer)

    disk(2 * voc.size - 1)
    with pytest.raises(dl.DownloadError, match=r"not enough room in .*data.* MB needed"):
        dl.download_voc2007()
    assert web.log == []
    assert names_in(dl.VOC_FOLDER) == []

    # What has arrived takes no room a second time.
    (dl.VOC_FOLDER / "voc.tar.part").write_bytes(b"x")
    dl.download_voc2007()


def refuse_rename(*refused):
    """Let a folder be as a mount point is: nothing can be renamed over it."""
    replace = Path.replace

    def busy(self, target):
        if Path(target).resolve() in [path.resolve() for path in refused]:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return replace(self, target)

    return busy


@pytest.mark.parametrize("kind", ["link", "dangling link", "mount", "here"])
def test_voc2007_arrives_wherever_it_is_sent(web, voc, tmp_path, monkeypatch, kind):
    real = tmp_path / "disk" / "photos"
    real.mkdir(parents=True)
    folder = tmp_path / "link"
    if "link" in kind:
        folder.symlink_to(real)
        if kind == "dangling link":
            real.rmdir()
    elif kind == "mount":
        folder = real
        (real / "lost+found").mkdir()
        monkeypatch.setattr(Path, "rmdir", refuse_rename)
        monkeypatch.setattr(Path, "replace", refuse_rename(real))
    else:
        folder = Path()
        monkeypatch.chdir(real)

    assert dl.download_voc2007(folder) == folder
    assert [name for name in names_in(real) if name != "lost+found"] == UNPACKED
    assert names_in(real.parent)[0] == "photos"  # and nothing beside it


def test_what_a_killed_unpacking_left_is_gone_next_time(web, voc):
    """Killed as it moved the lists, and the photos were to follow; then at the very end."""
    left = dl.VOC_FOLDER / dl.WORKPLACE / "JPEGImages" / "000005.jpg"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    (dl.VOC_FOLDER / "ImageSets" / "Main").mkdir(parents=True)
    assert names_in(dl.download_voc2007()) == UNPACKED
    left.parent.mkdir(parents=True)
    (dl.VOC_FOLDER / "voc.tar").write_bytes(b"unpacked already")
    assert names_in(dl.download_voc2007()) == UNPACKED


def test_a_folder_that_cannot_be_written_to_costs_no_download(web, voc, tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "voc"):
        with pytest.raises(OSError, match="file"):
            dl.download_voc2007(folder)
    assert web.log == []


def test_the_real_table():
    assert (dl.VOC2007.size, dl.VOC2007.photos) == (460_032_000, 5011)
    assert re.fullmatch(r"[0-9a-f]{64}", dl.VOC2007.sha256)
    assert all(url.endswith(f"/{dl.VOC2007.name}") for url in dl.VOC2007.urls)
    assert Path(__file__).parents[1] / "data" / "voc2007" == dl.VOC_FOLDER

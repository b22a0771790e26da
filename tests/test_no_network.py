"""Neither a test nor a chapter can reach the network, but both can reach this machine."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request

import pytest
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel

OUTSIDE = ("192.0.2.1", 80)  # an address that is never anyone's (RFC 5737)

pytestmark = pytest.mark.skipif(
    os.environ.get("SRLIB_TEST_NETWORK") == "1", reason="SRLIB_TEST_NETWORK=1"
)


@pytest.mark.parametrize(
    "reach",
    [
        lambda: socket.create_connection(OUTSIDE, timeout=5),
        lambda: socket.socket().connect_ex(OUTSIDE),
        lambda: socket.getaddrinfo("example.org", 80),
        lambda: socket.gethostbyname("example.org"),
        lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"", OUTSIDE),
        lambda: socket.create_connection(("2001:db8::1", 80), timeout=5),
    ],
)
def test_pytest_is_cut_off(reach):
    with pytest.raises(OSError, match="the network is cut off in tests"):
        reach()


def test_downloads_are_cut_off():
    with pytest.raises(urllib.error.URLError, match="the network is cut off in tests"):
        urllib.request.urlopen("http://example.org/")


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()


def test_a_kernel_is_cut_off(tmp_path):
    """Start a kernel as nbval does, and let it try."""
    said = run_in_kernel(
        tmp_path,
        f"import socket\nsocket.create_connection({OUTSIDE}, timeout=5)",
    )
    assert said["status"] == "error"
    assert said["ename"] == "NetworkCutOffError"
    assert "the network is cut off in tests" in said["evalue"]


def test_the_cut_leaves_no_names_in_a_kernel(tmp_path):
    code = "assert not {'cut_off', 'runpy', '_runpy'} & set(globals())"
    assert run_in_kernel(tmp_path, code)["status"] == "ok"


def run_in_kernel(folder, code):
    kernel = RunningKernel(CURRENT_ENV_KERNEL_NAME, cwd=str(folder))
    try:
        return kernel.kc.execute(code, reply=True, timeout=60)["content"]
    finally:
        kernel.stop()

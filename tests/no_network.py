"""Cut this process off from the network, except from this machine itself.

conftest.py does it to pytest, and, with a startup file of IPython, to every kernel that a
test starts. An audit hook sees all of Python's sockets and cannot be taken out again.
"""

from __future__ import annotations

import socket
import sys
from ipaddress import ip_address

LOCAL_NAMES = {None, "", "localhost", socket.gethostname()}
LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname"}
CONTACTS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


class NetworkCutOffError(OSError):
    """A test, or a chapter, reached for the network."""


def cut_off() -> None:
    """Refuse all connections and name look-ups that leave this machine, from now on."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple) -> None:
    if event in LOOKUPS:
        host = arguments[0]
    elif event in CONTACTS and isinstance(arguments[1], tuple):  # AF_UNIX has a str
        host = arguments[1][0]
    else:
        return
    if not is_local(host):
        raise NetworkCutOffError(
            f"the network is cut off in tests, but something asked for {host!r}. Use "
            "data/sample, or a server on localhost. (SRLIB_TEST_NETWORK=1 lets it through.)"
        )


def is_local(host: str | bytes | None) -> bool:
    """Tell whether a name or address means this machine."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in LOCAL_NAMES:
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified

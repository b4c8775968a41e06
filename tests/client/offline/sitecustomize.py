"""Keeps every Python process of the suite on this machine.

Python imports a module of this name when it starts, if it finds one. The client asks package
registries for newer versions of itself at each command; here it is told that they do not exist,
so that the suite depends on nobody and no command waits.
"""

import ipaddress
import socket
from typing import Any

_getaddrinfo = socket.getaddrinfo
_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def _is_here(host: Any) -> bool:
    """Whether a host is this machine."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse(sock: socket.socket, address: Any) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
        raise OSError(f"{address[0]} is not this machine")


def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
    """As the original, but only for this machine."""
    if not _is_here(host):
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is not this machine")
    return _getaddrinfo(host, *args, **kwargs)


def connect(sock: socket.socket, address: Any) -> None:
    """As the original, but only to this machine."""
    _refuse(sock, address)
    _connect(sock, address)


def connect_ex(sock: socket.socket, address: Any) -> int:
    """As the original, but only to this machine."""
    _refuse(sock, address)
    return _connect_ex(sock, address)


socket.getaddrinfo = getaddrinfo
socket.socket.connect = connect  # type: ignore
socket.socket.connect_ex = connect_ex  # type: ignore

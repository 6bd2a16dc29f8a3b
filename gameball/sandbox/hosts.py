"""Which names in a `Host` header are this machine's: a page whose name was rebound to it comes under its own."""

import ipaddress
import re
import socket

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/@\s]+))(?::\d{1,5})?", re.ASCII)


def names_this_machine(host: str, given: str) -> bool:
    """Whether the value of a `Host` header is a loopback name or address, or the host that is listened on.

    Where every address is listened on (`0.0.0.0`, `::`), any address is this machine's: a browser sends an address
    only to where it leads, but a name to wherever its owner says. So are names without a dot, like a container's on
    its network: nobody can own one.

    Args:
        host: The header's value, like `127.0.0.1:8765` or `[::1]:8765`.
        given: The name or address that the sandbox listens on.
    """
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = _canonical(match["v6"] or match["name"])
    address, listened_on = _address(name), _address(given)
    if name in {"localhost", _canonical(given)} or (address is not None and address.is_loopback):
        return True
    if listened_on is None or not listened_on.is_unspecified:
        return address is not None and address == listened_on
    return address is not None or "." not in name or name == _canonical(socket.gethostname())


def _canonical(name: str) -> str:
    return name.lower().removesuffix(".")


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None

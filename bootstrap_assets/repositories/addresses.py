"""Addresses of repositories: which are asked at all.

`https://host/path`, `ssh://user@host/path`, `user@host:path`, `file:///path`, and the path of a folder. What
begins
with `-` would be an option of git's, `ext::` and the like run programs, and a password in an address ends up in
logs:
none of them is taken. `http://` is taken where private addresses are, for servers on one's own network.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from bootstrap_assets.repositories.errors import AddressError, NoRepositoryError, UnreachableError

_SCP = re.compile(r"(?:(?P<user>[\w.+-]+)@)?(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\]):(?P<path>(?!/{2}).+)")
_PORTS = {"https": 443, "http": 80, "ssh": 22}
_UNICAST = ipaddress.IPv6Network("2000::/3")  # what is given out on the internet; the rest has special uses
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNSAFE = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class Access:
    """What may be asked: hosts with private addresses (and plain http), and folders of this machine."""

    private: bool = False
    local: bool = True


ANYONE = Access()
"""What may be asked where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address as git is given it. `protocol` is `https`, `http`, `ssh` or `file`; `pins` are what names meant.

    `pins`: (host, port, IP address) of each that was looked at, so that git connects to no other.
    """

    url: str
    protocol: str
    host: str = ""
    pins: tuple[tuple[str, int, str], ...] = ()

    @property
    def origin(self) -> str:
        """The part before the path, as git's settings for one host have it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def address_of(text: str, access: Access) -> Address:
    """The address that somebody wrote. Raises AddressError, or UnreachableError where its host has no address."""
    if not text or text.startswith("-") or "::" in text.partition("/")[0] or _UNSAFE.search(text):
        raise AddressError("this is no address of a repository: https://…, ssh://…, user@host:path or a folder")
    scheme, mark, _ = text.partition("://")
    if mark:
        return _of_url(text, scheme.lower(), access)
    if Path(text).expanduser().is_dir() or not (match := _SCP.fullmatch(text)):
        return _local(Path(text).expanduser(), access)
    return _checked(Address(text, "ssh", match["host"].strip("[]")), 22, access)


def _of_url(text: str, scheme: str, access: Access) -> Address:
    if scheme == "file":
        return _local(Path(unquote(_parts(text)[2]) or "/"), access)
    if scheme not in _PORTS:
        raise AddressError(f"{scheme}:// is not taken: https://, ssh://, file:// or a folder")
    if scheme == "http" and not access.private:
        raise AddressError("http:// sends everything in the clear: write https://")
    host, port, path, has_password = _parts(text)
    if not host or host.startswith("-") or not path.strip("/"):
        raise AddressError("the address has no host, or no path")
    if has_password or (scheme != "ssh" and "@" in urlsplit(text).netloc):
        raise AddressError("the address holds a user or a password: give them by the environment or git's helper")
    return _checked(Address(text, scheme, host), port or _PORTS[scheme], access)


def _parts(text: str) -> tuple[str, int, str, bool]:
    try:
        parts = urlsplit(text)
        return parts.hostname or "", parts.port or 0, parts.path, parts.password is not None
    except ValueError:
        raise AddressError("the address cannot be read") from None


def _local(folder: Path, access: Access) -> Address:
    if not access.local:
        raise AddressError("folders of this machine are not taken here")
    if not folder.is_dir():
        raise NoRepositoryError("there is no such folder")
    return Address("file://" + quote(os.path.abspath(folder)), "file")  # noqa: PTH100 (a link stays a link)


def _checked(address: Address, port: int, access: Access) -> Address:
    """The address with its host looked up; AddressError where it is private and must not be."""
    look_up = _numeric if _has_proxy(address) else _looked_up  # what is a name the proxy looks up
    match = look_up(address.host, port)
    if not access.private and not all(map(_is_public, match)):
        raise AddressError(f"{address.host} is a private address, and those are not taken here")
    pins = tuple((address.host, port, one) for one in match[:1])
    return Address(address.url, address.protocol, address.host, pins)


def _has_proxy(address: Address) -> bool:
    return address.protocol in getproxies() and not proxy_bypass(address.host)


def _looked_up(host: str, port: int) -> list[str]:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise UnreachableError(f"there is no address of {host}: {error.__class__.__name__}") from None
    return _unique(str(row[4][0]).partition("%")[0] for row in rows)


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _numeric(host: str, port: int) -> list[str]:
    """The address that a host is, as `::1`, `127.1` and `localhost` are; none where it is a name."""
    number = "127.0.0.1" if f".{host}".endswith(".localhost") else host
    try:
        rows = socket.getaddrinfo(number, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        return []
    return _unique(str(row[4][0]).partition("%")[0] for row in rows)


def _is_public(address: str) -> bool:
    match = ipaddress.ip_address(address)
    if isinstance(match, ipaddress.IPv6Address):
        inner = _ipv4_in(match)
        if inner is None:
            return match in _UNICAST and match.is_global
        match = inner
    return match.is_global and not match.is_multicast


def _ipv4_in(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that is asked for an IPv6 one: mapped, through a gateway (NAT64), or by 6to4."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour

"""HTTP as everything here speaks it: with the environment's proxies and authorities, never with .netrc.

requests puts what .netrc has for a host in place of the Authorization header that a request was given
(psf/requests#3929), and again after each redirect. So a password goes to whoever is asked, and the key gets the
blame. `Session` sends what it is given. `Failure` says why a request failed, and whether that can pass.
"""

import os
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests import utils
from requests.auth import HTTPBasicAuth
from requests.exceptions import InvalidHeader, InvalidSchema, InvalidURL, MissingSchema, TooManyRedirects
from urllib3.exceptions import LocationValueError, ProxyError
from urllib3.util import parse_url

PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
"""What the address of a proxy may begin with."""

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name the authorities to trust, in the order in which they are looked at."""

_UNUSABLE = (InvalidURL, InvalidHeader, InvalidSchema, MissingSchema, LocationValueError, UnicodeError)
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
_PASSING = (408, 425, 429)


class Session(requests.Session):
    """A session of requests that honours proxies and authorities of the environment, but never reads .netrc.

    Credentials that stand in an address itself are sent, to its host alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.auth = _of_the_address  # that there is one keeps requests from looking into .netrc

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """After a redirect: another host gets no credentials at all."""
        before, now = response.request.url or "", prepared_request.url or ""
        if self.should_strip_auth(before, now):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)


def _of_the_address(request: requests.PreparedRequest) -> requests.PreparedRequest:
    user, password = utils.get_auth_from_url(request.url or "")
    return HTTPBasicAuth(user, password)(request) if user or password else request


def local_session() -> requests.Session:
    """A session for servers of our own on this machine: no proxy, no credentials."""
    session = requests.Session()
    session.trust_env = False
    return session


def netrc_host(url: str) -> str | None:
    """The host of an address, if .netrc has an entry that requests would send to it."""
    return _host(url) if utils.get_netrc_auth(url) else None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request failed, in words that hold no credentials.

    `lasting`: until somebody changes something; `of_address`: the address itself is what may be wrong; `of_proxy`:
    the proxy is what failed.
    """

    message: str
    lasting: bool
    of_address: bool = False
    of_proxy: bool = False


def obstacle(url: str) -> str | None:
    """What in the environment keeps requests to an address from being sent; None where nothing does."""
    proxy = _proxy(url)
    if proxy:
        try:
            address = parse_url(utils.prepend_scheme_if_needed(proxy, "http"))  # type: ignore[no-untyped-call]
        except (ValueError, TypeError):  # TypeError: requests joins what it found of the parts
            address = None
        name = _proxy_variable(url, proxy)
        if address is None or not address.host or address.scheme not in PROXY_SCHEMES:
            return f"{name} is not the address of a proxy, such as http://host:8080: fix or unset it"
        if address.scheme.startswith("socks") and find_spec("socks") is None:
            return f"{name} names a SOCKS proxy: that needs the package PySocks; install it or name an HTTP proxy"
    return _unusable_bundle() if url.lower().startswith("https:") else None


def failure(error: BaseException, url: str, timeout: float | None = None) -> Failure:
    """Why a request to an address failed; `timeout` (seconds) is named where it was reached."""
    reason = obstacle(url)
    if reason:
        return Failure(reason, lasting=True)
    chain = list(_chain(error))
    if any(isinstance(one, _UNUSABLE) for one in chain):
        name = next(type(one).__name__ for one in chain if isinstance(one, _UNUSABLE))
        return Failure(f"no request can be made to this address ({name})", lasting=True, of_address=True)
    if any(isinstance(one, TooManyRedirects) for one in chain):
        return Failure("the server redirects in a circle", lasting=True, of_address=True)
    return _of_the_proxy(chain, url) or _of_tls(chain, url) or _of_the_connection(chain, url, timeout)


def proxy_refusal(status: int, url: str) -> Failure:
    """What a proxy's error means that came in place of the server's answer."""
    name = _proxy_variable(url, _proxy(url) or "")
    if status == 407:
        message = f"the proxy wants another user name and password than {name} holds (http://user:password@host)"
        return Failure(message, lasting=True)
    host = _host(url)
    message = f"the proxy that {name} names does not connect to {host}: it answered {status}"
    return Failure(message, lasting=status < 500 and status not in _PASSING, of_proxy=True)


def _of_the_proxy(chain: list[BaseException], url: str) -> Failure | None:
    tunnel = next((match for one in chain if (match := _TUNNEL.search(str(one)))), None)
    if tunnel:
        return proxy_refusal(int(tunnel[1]), url)
    proxy = _proxy(url)
    if not proxy or not any(isinstance(one, (ProxyError, requests.exceptions.ProxyError)) for one in chain):
        return None
    name = _proxy_variable(url, proxy)
    error = _tls_error(chain)
    if error and error.reason in _NO_TLS:
        return Failure(f"the proxy that {name} names does not speak TLS: write its address with http://", True)
    if error:
        return _of_tls(chain, proxy)
    return Failure(f"the proxy that {name} names cannot be reached: {_words(chain)}", lasting=False, of_proxy=True)


def _of_tls(chain: list[BaseException], url: str) -> Failure | None:
    error = _tls_error(chain)
    host = _host(url)
    if isinstance(error, ssl.SSLCertVerificationError):
        where = "{} names {}".format(*(_bundle() or (CA_VARIABLES[0], "no file of a company's own authorities")))
        return Failure(f"the certificate of {host} is not trusted ({error.verify_message}): {where}", lasting=True)
    if error and error.reason in _NO_TLS:
        return Failure(f"{host} does not speak TLS there: is its address one with http://?", True, of_address=True)
    return Failure(f"no TLS connection to {host}: {error.reason or 'it broke off'}", False) if error else None


def _of_the_connection(chain: list[BaseException], url: str, timeout: float | None) -> Failure:
    host = _host(url)
    late = any(isinstance(one, (TimeoutError, requests.Timeout)) for one in chain)
    if not late or timeout is None:
        return Failure(f"the connection to {host} failed: {_words(chain)}", lasting=False)
    what = "answer" if any(isinstance(one, requests.ReadTimeout) for one in chain) else "connection"
    return Failure(f"no {what} of {host} within {timeout:g} s", lasting=False)


def _words(chain: list[BaseException]) -> str:
    """The operating system's own words, which hold nothing of an address."""
    reasons = (one.strerror for one in chain if isinstance(one, OSError) and one.strerror)
    late = any(isinstance(one, TimeoutError) for one in chain)
    return next(reasons, "it took too long" if late else "it broke off")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it wraps: requests, urllib3 and Python each have their own way to do that."""
    errors: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or any(one is other for other in errors):
            continue
        errors.append(one)
        yield one
        inner = (getattr(one, name, None) for name in ("reason", "original_error"))
        waiting += [*inner, one.__cause__, one.__context__, *one.args]


def _tls_error(chain: list[BaseException]) -> ssl.SSLError | None:
    return next((one for one in chain if isinstance(one, ssl.SSLError)), None)


def _proxy(url: str) -> str | None:
    try:
        return utils.select_proxy(url, utils.get_environ_proxies(url))
    except ValueError:  # no address at all
        return None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "the server"
    except ValueError:
        return "the server"


def _proxy_variable(url: str, proxy: str) -> str:
    """The variable of the environment that a proxy comes from."""
    candidates = [f"{urlsplit(url).scheme}_proxy", "all_proxy"]
    names = [name for name, value in os.environ.items() if name.lower() in candidates and value == proxy]
    return min(names, key=lambda name: candidates.index(name.lower()), default="the proxy's setting")


def _bundle() -> tuple[str, str] | None:
    return next(((name, value) for name in CA_VARIABLES if (value := os.environ.get(name))), None)


def _unusable_bundle() -> str | None:
    variable, path = _bundle() or ("", "")
    if not path:
        return None
    if not Path(path).exists():
        return f"{variable}: there is no CA bundle {path}: fix or unset it"
    unreadable = None if Path(path).is_dir() else _unreadable(path, Path(path).stat().st_mtime)
    return f"{variable}: {path} is no CA bundle ({unreadable}): fix or unset it" if unreadable else None


@cache
def _unreadable(path: str, _mtime: float) -> str | None:
    """Why a file is no CA bundle; None where it is one. Cached until the file changes: reading one takes 10 ms."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        return (error.strerror if not isinstance(error, ssl.SSLError) else None) or "it holds no certificates"
    return None

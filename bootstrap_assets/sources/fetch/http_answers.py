"""Reading what an HTTP server answers: validators, ranges, web pages in place of files, and reasons of failure."""

import html
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests

from bootstrap_assets.sources.fetch.archive import is_html
from bootstrap_assets.sources.fetch.checksums import LockEntry

_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


def web_page_title(beginning: bytes) -> str | None:
    """The title of a web page, from the first bytes of a file; None if the file is none."""
    if not is_html(beginning):
        return None
    match = _TITLE.search(beginning)
    return " ".join(html.unescape(match[1].decode(errors="replace")).split())[:200] if match else "no title"


def public_url(url: str) -> str:
    """An address without what may be secret in it: user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(malformed address)"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else url.partition("?")[0].rpartition("@")[2]


def condition(entry: LockEntry | None) -> dict[str, str]:
    """Headers that ask for the file only if it is not this version."""
    if entry is None:
        return {}
    headers = {"If-None-Match": entry.etag, "If-Modified-Since": entry.last_modified}
    return {name: value for name, value in headers.items() if value}


def strong(etag: str | None) -> str | None:
    """An ETag that may be used with ranges: a weak one does not promise the same bytes."""
    return None if etag is None or etag.startswith("W/") else etag


def start_of(response: requests.Response, headers: Mapping[str, str]) -> int | None:
    """The offset of the first byte of a body, or None where it does not go on where the part ends."""
    if response.status_code == 200:
        return 0
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status_code != 206 or match is None or headers.get("Range") != f"bytes={match[1]}-":
        return None
    names = (response.headers.get("ETag"), response.headers.get("Last-Modified"))
    return int(match[1]) if headers["If-Range"] in names or names == (None, None) else None


def integer(value: str | None) -> int | None:
    """The number in a header, if it is there and is one."""
    return int(value) if value is not None and value.isdecimal() else None


def reason(error: BaseException, timeout: tuple[float, float]) -> str:
    """Why a request failed, in words that hold nothing of the address; `timeout` is (connect, read) in seconds."""
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {timeout[0]:g} s"
    if isinstance(error, requests.ReadTimeout) or "timed out" in str(error).lower():
        return f"the server sent nothing for {timeout[1]:g} s"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return f"the connection failed ({cause.strerror})"
        cause = cause.__cause__ or cause.__context__
    return "the connection broke off"

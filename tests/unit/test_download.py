import gzip
import hashlib
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bootstrap_assets.errors import ArchiveError, ChecksumError, DownloadError, DownloadInterrupted
from bootstrap_assets.sources.fetch.archive import open_archive
from bootstrap_assets.sources.fetch.checksums import Fetched
from bootstrap_assets.sources.fetch.download import LOCK_NAME, ChecksumLock, LockEntry, fetch
from bootstrap_assets.sources.fetch.http_answers import web_page_title
from bootstrap_assets.sources.spec import Remote


def zipped(**members: bytes) -> bytes:
    """A zip archive of these members, uncompressed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


BODY = zipped(text=bytes(range(256)) * 400)
OTHER = zipped(text=bytes(reversed(range(256))) * 300)
TIMEOUT = (1.0, 0.6)


@dataclass
class Script:
    """How the server is to behave, and what it was asked."""

    body: bytes = BODY
    etag: str | None = '"v1"'
    last_modified: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    honour_ranges: bool = True
    honour_if_range: bool = True
    wrong_range: bool = False
    stop_after: int | None = None
    stall: bool = False
    send_length: bool = True
    let_go: threading.Event = field(default_factory=threading.Event)
    asked: list[dict[str, str]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """Plays a script."""

    protocol_version = "HTTP/1.1"
    script: Script

    def do_GET(self) -> None:
        script = self.script
        script.asked.append(dict(self.headers))
        if script.status != 200:
            self.answer(script.status, b"no")
        elif script.etag and self.headers["If-None-Match"] == script.etag:
            self.answer(304, b"")
        elif self.range_fits():
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(script.body):
                self.answer(416, b"")
                return
            told = start + 1 if script.wrong_range else start
            content_range = f"bytes {told}-{len(script.body) - 1}/{len(script.body)}"
            self.answer(206, script.body[start:], {"Content-Range": content_range})
        else:
            self.answer(200, script.body)

    def range_fits(self) -> bool:
        script = self.script
        fits = self.headers["If-Range"] in (script.etag, script.last_modified) or not script.honour_if_range
        return script.honour_ranges and "Range" in self.headers and fits

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        script = self.script
        named = {"ETag": script.etag, "Last-Modified": script.last_modified}
        told = {name: value for name, value in named.items() if value} | script.headers | (headers or {})
        if script.send_length and status != 304:
            told["Content-Length"] = str(len(body))
        self.close_connection = True
        self.send_response(status)
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        stops = script.stop_after is not None
        self.wfile.write(body[: script.stop_after] if stops else body)
        self.wfile.flush()
        if stops and script.stall:
            script.let_go.wait(10)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that gives up is part of the play


@dataclass
class Place:
    """A server, and a folder to download into."""

    script: Script
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/corpus.zip"

    @property
    def file(self) -> Path:
        return self.folder / "corpus.zip"

    @property
    def part(self) -> Path:
        return self.folder / "corpus.zip.part"

    @property
    def lock(self) -> ChecksumLock:
        return ChecksumLock(self.folder)

    def fetch(self, *, force: bool = False, url: str | None = None) -> Fetched:
        remote = Remote("corpus.zip", url or self.url)
        return fetch(remote, self.folder, lock=self.lock, force=force, timeout=TIMEOUT)

    def interrupt(self, *, after: int) -> None:
        """Let one download break off."""
        self.script.stop_after = after
        with pytest.raises(DownloadInterrupted):
            self.fetch()
        self.script.stop_after = None


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    script = Script()
    server = Server(("127.0.0.1", 0), type("Scripted", (Handler,), {"script": script}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Place(script, tmp_path / "cache", server.server_address[1])
    script.let_go.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_downloaded_and_described(place: Place) -> None:
    fetched = place.fetch()
    digest = hashlib.sha256(BODY).hexdigest()
    assert fetched == Fetched(place.file, digest, len(BODY), place.url, '"v1"', was_cached=False)
    assert place.file.read_bytes() == BODY


def test_nothing_but_the_file_and_the_lock_is_left_to_see(place: Place) -> None:
    place.fetch()
    assert sorted(p.name for p in place.folder.iterdir() if not p.name.startswith(".")) == [
        LOCK_NAME,
        "corpus.zip",
    ]


def test_a_file_that_is_there_is_not_asked_for_again(place: Place) -> None:
    place.fetch()
    assert place.fetch().was_cached
    assert len(place.script.asked) == 1


def test_progress_is_told_with_the_total(place: Place) -> None:
    told: list[tuple[int, int | None]] = []
    remote = Remote("corpus.zip", place.url)
    fetch(remote, place.folder, lock=place.lock, on_bytes=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_server_that_does_not_tell_the_length_is_believed(place: Place) -> None:
    place.script.send_length = False
    assert place.fetch().size == len(BODY)


def test_the_checksum_is_recorded_on_first_use(place: Place) -> None:
    place.script.last_modified = "Sat, 01 Mar 2025 10:00:00 GMT"
    place.fetch()
    recorded = json.loads((place.folder / LOCK_NAME).read_text())
    assert recorded == {
        "corpus.zip": {
            "sha256": hashlib.sha256(BODY).hexdigest(),
            "size": len(BODY),
            "url": place.url,
            "etag": '"v1"',
            "last_modified": "Sat, 01 Mar 2025 10:00:00 GMT",
        }
    }


def test_a_file_put_there_by_hand_is_recorded(place: Place) -> None:
    place.folder.mkdir()
    place.file.write_bytes(BODY)
    assert place.fetch().was_cached
    entry = place.lock.get("corpus.zip")
    assert entry is not None
    assert entry.sha256 == hashlib.sha256(BODY).hexdigest()


def test_entries_of_other_files_stay_in_the_lock(place: Place) -> None:
    place.fetch()
    fetch(Remote("second.zip", place.url), place.folder, lock=place.lock, timeout=TIMEOUT)
    assert place.lock.get("corpus.zip") == place.lock.get("second.zip")


def test_a_damaged_cache_is_refused_with_what_to_do(place: Place) -> None:
    place.fetch()
    place.file.write_bytes(b"damaged")
    expected, got = hashlib.sha256(BODY).hexdigest(), hashlib.sha256(b"damaged").hexdigest()
    with pytest.raises(ChecksumError, match="delete it to download it again") as caught:
        place.fetch()
    assert str(place.file) in str(caught.value)
    assert expected in str(caught.value)
    assert got in str(caught.value)


def test_a_forced_refresh_repairs_a_damaged_cache(place: Place) -> None:
    place.fetch()
    place.file.write_bytes(b"damaged")
    fetched = place.fetch(force=True)
    assert (fetched.was_cached, fetched.changed) == (False, False)
    assert place.file.read_bytes() == BODY


def test_other_content_than_at_first_use_is_refused(place: Place) -> None:
    place.fetch()
    place.file.unlink()
    place.script.body, place.script.etag = OTHER, '"v2"'
    with pytest.raises(ChecksumError, match="force a refresh"):
        place.fetch()
    assert not place.file.exists()
    assert not place.part.exists()


def test_a_lock_that_is_no_json_is_named(place: Place) -> None:
    place.folder.mkdir()
    (place.folder / LOCK_NAME).write_text("{")
    with pytest.raises(ChecksumError, match=LOCK_NAME):
        place.fetch()


def test_force_keeps_the_file_if_the_server_has_no_other_version(place: Place) -> None:
    place.fetch()
    fetched = place.fetch(force=True)
    assert (fetched.was_cached, fetched.changed, fetched.etag) == (True, False, '"v1"')
    assert place.script.asked[1]["If-None-Match"] == '"v1"'


def test_force_asks_by_date_where_there_is_no_etag(place: Place) -> None:
    place.script.etag, place.script.last_modified = None, "Sat, 01 Mar 2025 10:00:00 GMT"
    place.fetch()
    place.fetch(force=True)
    assert place.script.asked[1]["If-Modified-Since"] == "Sat, 01 Mar 2025 10:00:00 GMT"


def test_force_accepts_and_reports_changed_content(place: Place) -> None:
    place.fetch()
    place.script.body, place.script.etag = OTHER, '"v2"'
    fetched = place.fetch(force=True)
    assert (fetched.changed, fetched.sha256) == (True, hashlib.sha256(OTHER).hexdigest())
    assert place.fetch().sha256 == fetched.sha256


def test_a_truncated_body_is_transient_and_kept(place: Place) -> None:
    place.script.stop_after = 5_000
    with pytest.raises(DownloadInterrupted):
        place.fetch()
    assert place.part.read_bytes() == BODY[:5_000]
    assert not place.file.exists()


def test_an_interrupted_download_goes_on_where_it_stopped(place: Place) -> None:
    place.interrupt(after=5_000)
    place.fetch()
    assert place.script.asked[1]["Range"] == "bytes=5000-"
    assert place.script.asked[1]["If-Range"] == '"v1"'
    assert place.file.read_bytes() == BODY


def test_a_date_serves_where_the_etag_is_weak(place: Place) -> None:
    place.script.etag, place.script.last_modified = 'W/"v1"', "Sat, 01 Mar 2025 10:00:00 GMT"
    place.interrupt(after=5_000)
    place.fetch()
    assert place.script.asked[1]["If-Range"] == "Sat, 01 Mar 2025 10:00:00 GMT"
    assert place.file.read_bytes() == BODY


def test_a_part_without_a_version_is_not_gone_on_with(place: Place) -> None:
    place.script.etag = None
    place.interrupt(after=5_000)
    place.fetch()
    assert "Range" not in place.script.asked[1]
    assert place.file.read_bytes() == BODY


def test_a_part_of_another_version_is_thrown_away(place: Place) -> None:
    place.interrupt(after=5_000)
    place.script.body, place.script.etag = OTHER, '"v2"'
    place.fetch()
    assert place.file.read_bytes() == OTHER


def test_the_rest_of_another_version_is_not_joined_to_the_part(place: Place) -> None:
    place.interrupt(after=5_000)
    place.script.body, place.script.etag, place.script.honour_if_range = OTHER, '"v2"', False
    place.fetch()
    assert place.file.read_bytes() == OTHER


def test_a_part_from_another_address_is_thrown_away(place: Place) -> None:
    place.interrupt(after=5_000)
    place.script.body = OTHER
    place.fetch(url=f"{place.url}/moved")
    assert "Range" not in place.script.asked[1]
    assert place.file.read_bytes() == OTHER


def test_a_server_without_ranges_is_read_from_the_start(place: Place) -> None:
    place.script.honour_ranges = False
    place.interrupt(after=5_000)
    place.fetch()
    assert "Range" in place.script.asked[1]
    assert place.file.read_bytes() == BODY


@pytest.mark.parametrize("trouble", ["another range", "no such range"])
def test_a_range_that_does_not_fit_starts_the_download_again(place: Place, trouble: str) -> None:
    place.interrupt(after=5_000)
    if trouble == "another range":
        place.script.wrong_range = True
    else:
        place.part.write_bytes(BODY + b"too long")
    place.fetch()
    assert place.file.read_bytes() == BODY
    assert "Range" not in place.script.asked[2]


def test_a_server_that_stalls_is_transient_and_the_part_is_kept(place: Place) -> None:
    place.script.stop_after, place.script.stall = 5_000, True
    with pytest.raises(DownloadInterrupted, match=r"sent nothing for 0\.6 s"):
        place.fetch()
    assert place.part.read_bytes() == BODY[:5_000]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 451])
def test_a_refusal_is_permanent_and_names_address_and_status(place: Place, status: int) -> None:
    place.script.status = status
    with pytest.raises(DownloadError, match=rf"corpus\.zip: the server answered {status}"):
        place.fetch()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_server_in_trouble_is_transient(place: Place, status: int) -> None:
    place.script.status = status
    with pytest.raises(DownloadInterrupted, match=f"answered {status}"):
        place.fetch()


def test_the_wait_that_a_server_asks_for_is_told(place: Place) -> None:
    place.script.status, place.script.headers = 429, {"Retry-After": "17"}
    with pytest.raises(DownloadInterrupted, match="17"):
        place.fetch()


def test_a_server_in_trouble_costs_nothing_of_the_part(place: Place) -> None:
    place.interrupt(after=5_000)
    place.script.status = 503
    with pytest.raises(DownloadInterrupted):
        place.fetch()
    place.script.status = 200
    place.fetch()
    assert place.script.asked[2]["Range"] == "bytes=5000-"
    assert place.file.read_bytes() == BODY


def test_a_server_that_is_not_there_is_transient(place: Place, unused_port: int) -> None:
    with pytest.raises(DownloadInterrupted, match="refused"):
        place.fetch(url=f"http://127.0.0.1:{unused_port}/corpus.zip")


@pytest.fixture
def unused_port() -> int:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_address[1]


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><html><head><title>Please\n log in</title></head></html>",
        b"\xef\xbb\xbf\n<!-- gate --><HTML><title lang='en'>Please log&#32;in</title>",
    ],
)
def test_a_web_page_in_place_of_the_archive_is_refused_with_its_title(place: Place, page: bytes) -> None:
    place.script.body = page
    with pytest.raises(DownloadError, match="web page \\(Please log in\\)"):
        place.fetch()
    assert not place.file.exists()
    assert place.lock.get("corpus.zip") is None


def test_a_web_page_does_not_replace_a_file_that_is_there(place: Place) -> None:
    place.fetch()
    place.script.body, place.script.etag = b"<html>sorry</html>", None
    with pytest.raises(DownloadError, match="no title"):
        place.fetch(force=True)
    assert place.file.read_bytes() == BODY


@pytest.mark.parametrize("url", ["no address at all", "ftp://127.0.0.1/corpus.zip", "http://[broken/corpus.zip"])
def test_an_address_that_cannot_be_asked_is_permanent(place: Place, url: str) -> None:
    with pytest.raises(DownloadError):
        place.fetch(url=url)


@pytest.mark.parametrize("trouble", ["404", "500", "page", "stall", "refused"])
def test_credentials_in_an_address_are_in_no_message(place: Place, unused_port: int, trouble: str) -> None:
    port = unused_port if trouble == "refused" else place.port
    place.script.status = int(trouble) if trouble.isdecimal() else 200
    place.script.body = b"<html>" if trouble == "page" else BODY
    place.script.stop_after, place.script.stall = (3, True) if trouble == "stall" else (None, False)
    with pytest.raises((DownloadError, DownloadInterrupted)) as caught:
        place.fetch(url=f"http://user:hush@127.0.0.1:{port}/corpus.zip?token=hush")
    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_credentials_in_an_address_that_cannot_be_asked_are_in_no_message(place: Place) -> None:
    with pytest.raises(DownloadError) as caught:
        place.fetch(url="ftp://user:hush@127.0.0.1/corpus.zip?token=hush")
    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_credentials_in_an_address_are_not_recorded(place: Place) -> None:
    fetched = place.fetch(url=f"http://user:hush@127.0.0.1:{place.port}/corpus.zip?token=hush")
    assert fetched.url == place.url
    assert all(b"hush" not in path.read_bytes() for path in place.folder.iterdir())


def test_the_second_of_two_at_once_waits_and_finds_the_cache(place: Place) -> None:
    place.script.stop_after, place.script.stall = len(BODY), True  # the body is there, its end is held back
    place.script.send_length = False
    results: list[Fetched] = []
    remote = Remote("corpus.zip", place.url)
    begun = threading.Event()

    def download() -> None:
        begin = lambda done, total: begun.set()  # noqa: E731
        results.append(fetch(remote, place.folder, lock=place.lock, timeout=(5, 5), on_bytes=begin))

    threads = [threading.Thread(target=download) for _ in range(2)]
    threads[0].start()
    assert begun.wait(5)
    threads[1].start()
    place.script.let_go.set()
    for thread in threads:
        thread.join(10)
    assert sorted(fetched.was_cached for fetched in results) == [False, True]
    assert len(place.script.asked) == 1


@pytest.mark.parametrize("encoded", [False, True])
def test_a_body_that_is_cut_off_without_a_word_is_not_recorded(place: Place, encoded: bool) -> None:
    whole = gzip.compress(BODY) if encoded else BODY
    place.script.body, place.script.send_length, place.script.etag = whole[: len(whole) // 2], False, 'W/"v1"'
    place.script.headers = {"Content-Encoding": "gzip"} if encoded else {}
    with pytest.raises(DownloadInterrupted, match="not whole"):
        place.fetch()
    assert place.lock.get("corpus.zip") is None
    assert not place.file.exists()
    place.script.body = whole
    assert place.fetch().sha256 == hashlib.sha256(BODY).hexdigest()


def test_what_was_cut_off_is_gone_on_with_where_its_version_has_a_name(place: Place) -> None:
    place.script.body, place.script.send_length = BODY[:5_000], False
    with pytest.raises(DownloadInterrupted, match="not whole"):
        place.fetch()
    place.script.body = BODY
    place.fetch()
    assert place.script.asked[1]["Range"] == "bytes=5000-"
    assert place.file.read_bytes() == BODY


def test_a_cut_that_leaves_the_end_of_an_inner_archive_is_seen(place: Place) -> None:
    outer = zipped(inner=BODY, text=b"more")
    place.script.body, place.script.send_length = outer[: outer.index(BODY) + len(BODY)], False
    with pytest.raises(DownloadInterrupted, match="not whole"):
        place.fetch()


def test_a_body_that_came_damaged_is_asked_for_anew(place: Place) -> None:
    place.script.body = BODY[:5_000] + bytes([BODY[5_000] ^ 1]) + BODY[5_001:]
    with pytest.raises(DownloadInterrupted, match=r"member 'text' is damaged"):
        place.fetch()
    place.script.body = BODY
    assert place.fetch().sha256 == hashlib.sha256(BODY).hexdigest()
    assert "Range" not in place.script.asked[1]


def test_parts_of_two_versions_that_have_no_name_are_not_one_file(place: Place) -> None:
    """A server that names no version in its 206 may have joined the rest of another one to the part."""
    place.interrupt(after=5_000)
    place.script.body, place.script.etag, place.script.honour_if_range = OTHER, None, False
    with pytest.raises(DownloadInterrupted, match="not whole"):
        place.fetch()
    assert place.fetch().sha256 == hashlib.sha256(OTHER).hexdigest()


@pytest.mark.parametrize("body", [b'{"message": "no such file"}', b"<?xml version='1.0'?><Error/>"])
def test_something_else_than_an_archive_is_refused_for_good(place: Place, body: bytes) -> None:
    place.script.body = body
    with pytest.raises(DownloadError, match="something else"):
        place.fetch()
    assert place.lock.get("corpus.zip") is None


def test_an_empty_body_may_pass(place: Place) -> None:
    place.script.body = b""
    with pytest.raises(DownloadInterrupted, match="not whole"):
        place.fetch()


def test_a_chunked_body_that_breaks_off_is_not_recorded(place: Place) -> None:
    place.script.send_length, place.script.headers = False, {"Transfer-Encoding": "chunked"}
    place.script.etag = None
    place.script.body = b"%x\r\n%s\r\n" % (len(BODY), BODY)  # and no last chunk
    with pytest.raises(DownloadInterrupted):
        place.fetch()
    assert place.lock.get("corpus.zip") is None
    place.script.body += b"0\r\n\r\n"
    place.fetch()
    assert place.file.read_bytes() == BODY


@pytest.mark.parametrize(
    ("name", "whole", "cut"),
    [
        ("data.json", b'[{"a": NaN}]', b'[{"a": N'),
        ("data.jsonl", b'{"a": 1}\n{"a": 2}\n', b'{"a": 1}\n{"a"'),
        ("data.parquet", b"PAR1....PAR1", b"PAR1...."),
    ],
)
def test_other_formats_than_zip_are_looked_at_too(place: Place, name: str, whole: bytes, cut: bytes) -> None:
    remote = Remote(name, place.url)
    place.script.body, place.script.send_length, place.script.etag = cut, False, None
    with pytest.raises(DownloadInterrupted, match="not whole"):
        fetch(remote, place.folder, lock=place.lock, timeout=TIMEOUT)
    place.script.body = whole
    assert fetch(remote, place.folder, lock=place.lock, timeout=TIMEOUT).size == len(whole)


def test_a_file_put_there_by_hand_that_is_not_whole_is_not_recorded(place: Place) -> None:
    place.folder.mkdir()
    place.file.write_bytes(BODY[:5_000])
    with pytest.raises(ArchiveError, match=r"corpus\.zip.*not whole.*delete it"):
        place.fetch()
    place.file.unlink()
    assert place.fetch().size == len(BODY)


def test_a_truncated_file_that_was_recorded_once_is_downloaded_again(place: Place) -> None:
    place.folder.mkdir()
    place.file.write_bytes(BODY[:5_000])
    place.lock.record("corpus.zip", LockEntry(hashlib.sha256(BODY[:5_000]).hexdigest(), 5_000, place.url))
    assert place.fetch().sha256 == hashlib.sha256(BODY).hexdigest()
    assert place.fetch().was_cached


def test_no_entry_of_netrc_is_sent_to_a_publisher(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = place.folder.parent / "netrc"
    netrc.write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    place.fetch()
    assert "Authorization" not in place.script.asked[0]


def test_no_entry_of_netrc_is_sent_after_a_redirect(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = place.folder.parent / "netrc"
    netrc.write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    location = f"http://localhost:{place.port}/elsewhere.zip"
    place.script.status, place.script.headers = 302, {"Location": location, "Connection": "close"}
    with pytest.raises(DownloadError, match="circle"):
        place.fetch()
    assert len(place.script.asked) > 1
    assert all("Authorization" not in headers for headers in place.script.asked)


def test_a_missing_ca_bundle_is_told_by_its_variable(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/gone/corporate.pem")
    with pytest.raises(DownloadError, match=r"REQUESTS_CA_BUNDLE: there is no CA bundle /gone/corporate\.pem"):
        place.fetch(url=f"https://127.0.0.1:{place.port}/corpus.zip")


def test_a_dead_proxy_may_come_back(place: Place, monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:hush@127.0.0.1:{unused_port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(DownloadInterrupted) as raised:
        place.fetch(url="http://corpus.example/corpus.zip")
    assert "hush" not in str(raised.value)


def test_a_zip_of_a_later_version_is_left_to_the_parser_which_says_what_it_is(place: Place) -> None:
    body = bytearray(BODY)
    body[body.index(b"PK\x01\x02") + 6] = 99  # the version that is needed to unpack it
    place.script.body = bytes(body)
    path = place.fetch().path
    with pytest.raises(ArchiveError, match=r"a feature of zip that Python lacks \(zip file version 9.9\)"):
        open_archive(path).__enter__()


def test_a_body_of_many_comments_is_looked_at_in_no_time() -> None:
    started = time.monotonic()
    assert web_page_title(b"<!-- a -->" * 26 + b"<div>") is None
    assert time.monotonic() - started < 1


def test_a_dead_proxy_is_named_in_place_of_the_publisher(
    place: Place, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:hush@127.0.0.1:{unused_port}")
    with pytest.raises(DownloadInterrupted, match="the proxy that HTTPS_PROXY names cannot be reached") as told:
        place.fetch(url="https://publisher.example/corpus.zip")
    assert "hush" not in str(told.value)

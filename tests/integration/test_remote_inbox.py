"""Tenants' documents come from a bucket: taken as from a folder, and an error of the store forgets nothing."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import fsspec
import pytest

from bootstrap_assets.definitions import defs
from bootstrap_assets.defs.inbox import inbox_sensor
from bootstrap_assets.documents import inbox
from bootstrap_assets.documents.folders import LARGEST
from bootstrap_assets.documents.inbox import Intake
from bootstrap_assets.documents.remote_folder import RemoteFolder
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import ArchiveError, BootstrapError, ConfigurationError, DownloadInterrupted
from tests.dagster.test_documents import environ, instance, jobs, tick  # noqa: F401
from tests.fakes.object_store import empty_client, store, wrong_key  # noqa: F401
from tests.integration.test_buckets import Page
from tests.integration.test_documents import TEXT, add_tenant, names

PLACE = "docs/inbox/acme"


@pytest.fixture(autouse=True)
def tenant(corpus: Corpus) -> None:
    add_tenant(corpus, "acme")


@pytest.fixture
def s3(store: str, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: F811
    """The client of a bucket `docs` that holds ten documents of a tenant."""
    client = empty_client(store, monkeypatch)
    client.mkdir("docs")
    for number in range(10):
        client.pipe(f"{PLACE}/{'deep/' * (number % 2)}{number}.md", TEXT + str(number).encode())
    return client


def scan(corpus: Corpus, address: str = "s3://docs/inbox", **options: Any) -> Intake:
    return inbox.scan(corpus.database, inbox.opening(address)("acme"), "acme", **options)


def test_a_bucket_s_new_and_changed_objects_are_taken_and_vanished_ones_forgotten(corpus: Corpus, s3: Any) -> None:
    assert len(scan(corpus).added) == 10
    assert scan(corpus) == Intake()
    s3.pipe(f"{PLACE}/0.md", TEXT)
    s3.rm(f"{PLACE}/deep/1.md")
    intake = scan(corpus)
    assert (intake.added, intake.removed) == (["0.md"], ["deep/1.md"])
    assert names(corpus) == ["0.md", "2.md", "4.md", "6.md", "8.md", *(f"deep/{n}.md" for n in (3, 5, 7, 9))]


@pytest.mark.usefixtures("s3")
def test_a_look_at_an_unchanged_bucket_reads_no_object(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    scan(corpus)
    monkeypatch.setattr(RemoteFolder, "read", lambda *_: pytest.fail("an object was read"))
    assert scan(corpus) == Intake()


def test_an_object_of_the_same_length_and_other_bytes_is_a_changed_one(corpus: Corpus, s3: Any) -> None:
    scan(corpus)
    s3.pipe(f"{PLACE}/2.md", TEXT + b"x")
    assert scan(corpus).added == ["2.md"]


def test_marks_of_folders_hidden_objects_and_other_tenants_are_no_documents(corpus: Corpus, s3: Any) -> None:
    for key in ("", "mark/", ".hidden", ".git/config"):
        s3.pipe(f"{PLACE}/{key}", b"")
    s3.pipe("docs/inbox/acme2/theirs.md", TEXT)
    assert len(scan(corpus).added) == 10


def test_an_inbox_that_is_empty_at_once_costs_no_document_however_few_there_are(corpus: Corpus, s3: Any) -> None:
    s3.rm([f"{PLACE}/deep/{n}.md" for n in (1, 3, 5, 7, 9)] + [f"{PLACE}/{n}.md" for n in (4, 6, 8)])
    assert len(scan(corpus).added) == 2
    s3.rm(PLACE, recursive=True)
    assert (scan(corpus).held_back, len(names(corpus))) == (2, 2)
    assert len(scan(corpus, allow_deletes=True).removed) == 2


def refusal(corpus: Corpus, address: str = "s3://docs/inbox") -> BootstrapError:
    """The error of a look, in one line; it forgets nothing, even where that is asked for."""
    before = names(corpus)
    with pytest.raises(BootstrapError) as caught:
        scan(corpus, address, allow_deletes=True)
    assert "\n" not in str(caught.value)
    assert names(corpus) == before != []
    return caught.value


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there_is_one_line_and_forgets_nothing(corpus: Corpus) -> None:
    scan(corpus)
    error = refusal(corpus, "s3://no-such-bucket/inbox")
    assert isinstance(error, ArchiveError)
    assert str(error).startswith("s3://no-such-bucket/inbox/acme: nothing is there")


@pytest.mark.usefixtures("s3")
def test_a_wrong_key_is_one_line_and_forgets_nothing(corpus: Corpus, store: str) -> None:  # noqa: F811
    scan(corpus)
    with wrong_key(store):
        error = refusal(corpus)
    assert isinstance(error, ConfigurationError)
    assert str(error).startswith("s3://docs/inbox/acme: the store refuses this key")


def test_a_part_of_the_bucket_that_cannot_be_listed_forgets_nothing(
    corpus: Corpus, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(corpus)
    listing = type(s3)._ls

    async def breaking(self: Any, path: str, **options: Any) -> Any:
        if path.endswith("deep"):
            raise ConnectionResetError("reset")
        return await listing(self, path, **options)

    monkeypatch.setattr(type(s3), "_ls", breaking)
    assert isinstance(refusal(corpus), DownloadInterrupted)


def test_one_object_that_cannot_be_read_costs_no_other(
    corpus: Corpus, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cat_file = type(s3).cat_file

    def choosy(self: Any, path: str) -> bytes:
        if path.endswith("/0.md"):
            raise PermissionError("in an archive class")
        return cat_file(self, path)[: -1 if path.endswith("/2.md") else None]  # type: ignore[no-any-return]

    monkeypatch.setattr(type(s3), "cat_file", choosy)
    monkeypatch.setattr("bootstrap_assets.documents.remote_folder.LARGEST", len(TEXT) + 10)
    s3.pipe(f"{PLACE}/large.md", TEXT + b"x" * 100)
    intake = scan(corpus)
    assert {refusal.name for refusal in intake.refused} == {"0.md", "2.md", "large.md"}
    assert len(intake.added) == 8
    assert LARGEST > 100 << 20


def test_objects_that_the_store_fails_to_give_cost_no_other_and_its_end_no_object_that_was_read(
    corpus: Corpus, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cat_file, bad = type(s3).cat_file, ["/2.md"]

    def failing(self: Any, path: str) -> bytes:
        if path.endswith(tuple(bad)):
            raise ConnectionResetError("reset")
        return bytes(cat_file(self, path))

    monkeypatch.setattr(type(s3), "cat_file", failing)
    intake = scan(corpus)
    assert [refusal.name for refusal in intake.refused] == ["2.md"]
    assert (len(intake.added), len(names(corpus))) == (9, 9)
    for number in range(5):
        s3.pipe(f"{PLACE}/new/{number}.md", TEXT + b"new" + bytes([48 + number]))
    bad[:] = ["/2.md", "/new/1.md", "/new/2.md", "/new/3.md", "/new/4.md"]
    with pytest.raises(DownloadInterrupted):
        scan(corpus)
    assert "new/0.md" in names(corpus)


def test_a_store_that_names_neither_version_nor_time_is_read_each_time(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fsspec.filesystem("memory")
    files.pipe("/docs/acme/a.md", TEXT)
    monkeypatch.setattr("bootstrap_assets.documents.remote_folder._TIMES", ())
    try:
        assert scan(corpus, "memory://docs").added == ["a.md"]
        assert scan(corpus, "memory://docs").unchanged == ["a.md"]
        assert scan(corpus, "memory://docs").unchanged == ["a.md"]
    finally:
        files.rm("/docs", recursive=True)


def test_a_store_that_never_answers_is_asked_a_few_times_only(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bootstrap_assets.sources.fetch.stores.WAIT", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "key")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(DownloadInterrupted, match="does not answer as it should"):
            scan(corpus)
        silent.settimeout(0.1)
        connections = []
        with suppress(TimeoutError):
            while True:
                connections.append(silent.accept()[0])
        assert len(connections) == 4
        for connection in connections:
            connection.close()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address, with a password in it, of a web server that lists its folders and says no file's size there."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "site" / "acme").mkdir(parents=True)
    (tmp_path / "site" / "acme" / "a b.md").write_bytes(TEXT)
    (tmp_path / "site" / "acme" / "gone.md").symlink_to("nowhere")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Page, directory=str(tmp_path / "site"))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://user:secret@127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_web_server_s_files_are_taken_though_its_listing_says_no_size(
    corpus: Corpus, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scan(corpus, site).added == ["a b.md"]
    monkeypatch.setattr("bootstrap_assets.documents.remote_folder.LARGEST", len(TEXT) - 1)
    assert "a b.md" in {refusal.name for refusal in scan(corpus, site).refused}


def test_no_message_of_a_store_s_client_shows_the_password_of_its_address(corpus: Corpus, site: str) -> None:
    [refused] = scan(corpus, site).refused
    assert refused.name == "gone.md"
    assert "nothing is there" in refused.reason
    with pytest.raises(ArchiveError, match="nothing is there") as caught:
        inbox.scan(corpus.database, inbox.opening(f"{site}/none")("acme"), "acme")
    assert "secret" not in f"{refused.reason} {caught.value}"


def test_a_folder_may_be_named_by_its_address(corpus: Corpus, tmp_path: Any) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "a.md").write_bytes(TEXT)
    assert scan(corpus, tmp_path.as_uri()).added == ["a.md"]


@pytest.mark.usefixtures("environ")
def test_the_sensor_takes_from_the_bucket_and_says_why_it_cannot(
    corpus: Corpus,
    s3: Any,
    store: str,  # noqa: F811
    instance: dg.DagsterInstance,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BOOTSTRAP_INBOX", "s3://docs/inbox")
    add_tenant(corpus, "other")
    s3.pipe("docs/inbox/other/theirs.md", TEXT)
    context = dg.build_sensor_context(instance=instance, definitions=defs)
    with wrong_key(store):
        reason = str(inbox_sensor.evaluate_tick(context).skip_message)
    assert "nothing of it is forgotten: s3://docs/inbox/other: the store refuses this key" in reason
    wishes = tick(instance)
    assert {tenant for _, tenant in jobs(wishes)} == {"acme", "other"}
    with wrong_key(store):
        assert len(tick(instance)) == len(wishes)  # what waits is worked on all the same
    assert len(names(corpus)) == 10

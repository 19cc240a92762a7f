"""Hosts that take archives from one place are held to one lock, in the database."""

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
import fsspec
import pytest

from bootstrap_assets import pipeline, sample, standstill
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import ChecksumError
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.fetch import locate, shared_lock
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import Remote, Source
from tests.dagster.test_job import environ, instance, run  # noqa: F401
from tests.integration.test_buckets import Page
from tests.integration.test_documents import rows

SOURCE = SOURCES["contract_nli"]
NAME = "contract-nli.zip"
PLACE = f"memory://archives/contract_nli/{NAME}"


@pytest.fixture
def versions(tmp_path: Path) -> list[bytes]:
    """Two archives of the source: the sample's, and the same with another file in it."""
    sample.write_sample(tmp_path / "sample")
    archive = tmp_path / "sample" / "contract_nli" / NAME
    first = archive.read_bytes()
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("note.txt", "another version")
    return [first, archive.read_bytes()]


@pytest.fixture
def place(versions: list[bytes]) -> Iterator[None]:
    """A store that every host reaches, with the first version in it."""
    put(versions[0])
    yield
    fsspec.filesystem("memory").rm("/archives", recursive=True)


def put(content: bytes) -> None:
    fsspec.filesystem("memory").pipe(f"/archives/contract_nli/{NAME}", content)


def fetch(
    corpus: Corpus, host: str, source: Source = SOURCE, data: str = "memory://archives", *, force: bool = False
) -> str:
    """What a host with a home of its own takes: the checksum of the one archive."""
    settings = load_settings(home=corpus.settings.root / host, data=data)
    [archive] = shared_lock.fetch(corpus.database, settings, source, force=force)
    return archive.sha256


def lock(corpus: Corpus) -> list[tuple[str, str, int]]:
    return rows(corpus, "SELECT address, sha256, bytes FROM bootstrap_archives")


@pytest.mark.usefixtures("place")
def test_what_the_first_host_took_is_what_the_others_take(corpus: Corpus, versions: list[bytes]) -> None:
    first = fetch(corpus, "one")
    assert fetch(corpus, "two") == first
    assert lock(corpus) == [(PLACE, first, len(versions[0]))]


@pytest.mark.usefixtures("place")
def test_an_object_that_changed_between_two_hosts_is_refused_until_it_is_accepted(
    corpus: Corpus, versions: list[bytes]
) -> None:
    first = fetch(corpus, "one")
    put(versions[1])
    with pytest.raises(ChecksumError) as caught:
        fetch(corpus, "two")
    message = str(caught.value)
    assert message.startswith(f"contract_nli: {PLACE} has the SHA-256 ")
    assert f"but {first} ({len(versions[0]):,} bytes) is what the hosts of this database have used" in message
    assert message.endswith("or take this one: `bootstrap run contract_nli --force-refresh`")
    assert "\n" not in message
    second = fetch(corpus, "two", force=True)
    assert second in message
    assert fetch(corpus, "one") == second
    assert lock(corpus) == [(PLACE, second, len(versions[1]))]


@pytest.mark.usefixtures("place")
def test_whether_a_run_is_needed_is_told_without_a_download_and_by_the_lock(
    corpus: Corpus, versions: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bootstrap_assets.sources.fetch.bucket.version_of", lambda info: str(info["created"]))
    one, two = (
        load_settings(
            **corpus.settings.model_dump() | {"home": corpus.settings.root / host, "data": "memory://archives"}
        )
        for host in ("one", "two")
    )
    pipeline.load(corpus, SOURCE, shared_lock.fetch(corpus.database, one, SOURCE))
    pipeline.embed(corpus, SOURCE)
    pipeline.build_index(corpus)
    assert standstill.is_complete(one, [SOURCE])
    assert not standstill.is_complete(two, [SOURCE])
    assert not (two.archive_folder / "objects").exists()
    (corpus.settings.root / "no folder").touch()
    three = one.model_copy(update={"archives": corpus.settings.root / "no folder"})
    assert not standstill.is_complete(three, [SOURCE])
    with corpus.database.connection() as connection:
        connection.execute("UPDATE bootstrap_archives SET sha256 = repeat('0', 64)")
    assert not standstill.is_complete(one, [SOURCE])


@pytest.fixture
def official(versions: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """The source, published by a server on the loopback interface."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / NAME).write_bytes(versions[0])
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Page, directory=str(tmp_path / "site"))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield replace(SOURCE, remotes=(Remote(NAME, f"http://127.0.0.1:{server.server_port}/{NAME}"),))
        server.shutdown()


def test_a_host_whose_copy_is_older_than_what_the_others_use_downloads_it_anew(
    corpus: Corpus, official: Source, versions: list[bytes], tmp_path: Path
) -> None:
    take = partial(fetch, corpus, source=official, data="official")
    first = take("one")
    assert take("two") == first
    (tmp_path / "site" / NAME).write_bytes(versions[1])
    assert take("two") == first  # from its own copy: nobody asked for a newer one
    second = take("one", force=True)
    assert second != first
    assert take("two") == second


def test_a_new_host_that_is_sent_another_version_than_the_others_refuses_it(
    corpus: Corpus, official: Source, versions: list[bytes], tmp_path: Path
) -> None:
    fetch(corpus, "one", official, "official")
    (tmp_path / "site" / NAME).write_bytes(versions[1])
    with pytest.raises(ChecksumError, match="changed"):
        fetch(corpus, "two", official, "official")


def test_only_an_official_archive_that_is_here_is_at_hand(corpus: Corpus, official: Source) -> None:
    settings = load_settings(home=corpus.settings.root / "one", data="official")
    assert locate.at_hand(settings, official) is None
    assert not settings.archive_folder.exists()
    assert locate.fetch(settings, official) == locate.at_hand(settings, official)


def test_archives_of_this_machine_alone_are_under_no_lock(
    corpus: Corpus, versions: list[bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "sample"
    for content in versions:
        (folder / "contract_nli" / NAME).write_bytes(content)
        fetch(corpus, "one", data=str(folder))
    assert lock(corpus) == []


@pytest.mark.usefixtures("place", "environ")
def test_a_step_on_another_host_loads_nothing_of_a_changed_object(
    corpus: Corpus,
    versions: list[bytes],
    instance: dg.DagsterInstance,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("BOOTSTRAP_DATA", "memory://archives")
    assert run(instance, "contract_nli_archive").success
    put(versions[1])
    monkeypatch.setenv("BOOTSTRAP_HOME", str(tmp_path / "other host"))
    result = run(instance, "contract_nli_records")
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "is what the hosts of this database have used" in str(failure.step_failure_data.user_failure_data)
    assert rows(corpus, "SELECT count(*) FROM reference_records") == [(0,)]
    put(versions[0])
    assert run(instance, "contract_nli_records").success

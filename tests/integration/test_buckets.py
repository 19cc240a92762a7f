"""Archives lie in a bucket, or at any other address that fsspec reaches: they are read once, by checksum."""

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import fsspec
import pytest

from bootstrap_assets import sample
from bootstrap_assets.errors import (
    ArchiveError,
    BootstrapError,
    ConfigurationError,
    DownloadInterrupted,
    MissingExtraError,
    is_transient,
)
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.fetch import bucket, locate
from bootstrap_assets.sources.registry import SOURCES
from tests.fakes.object_store import empty_client, store, wrong_key  # noqa: F401
from tests.integration.test_cli import environ, shell  # noqa: F401

SOURCE = SOURCES["contract_nli"]
NAME = "contract-nli.zip"
OBJECT = f"s3://archives/data/contract_nli/{NAME}"


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    sample.write_sample(folder)
    return folder


@pytest.fixture
def s3(store: str, archives: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: F811
    """The client of a bucket `archives` that holds the sample below `data`."""
    client = empty_client(store, monkeypatch)
    client.mkdir("archives")
    for file in archives.rglob("*.zip"):
        client.pipe(f"archives/data/{file.relative_to(archives)}", file.read_bytes())
    return client


@pytest.fixture
def elsewhere(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", data="s3://archives/data")


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of what was read from a store, in order."""
    keys: list[str] = []
    receive = bucket._Store._receive

    def counting(self: Any, one: Any, key: str) -> Path:
        keys.append(key)
        return receive(self, one, key)

    monkeypatch.setattr(bucket._Store, "_receive", counting)
    return keys


def refusal(settings: Settings) -> BootstrapError:
    """The error of a fetch: one line, and nothing is left of what came."""
    with pytest.raises(BootstrapError) as caught:
        locate.fetch(settings, SOURCE)
    assert "\n" not in str(caught.value)
    kept = settings.archive_folder.rglob("*") if settings.archive_folder.exists() else ()
    assert not [path for path in kept if path.suffix in (".zip", ".part", ".json")]
    return caught.value


@pytest.mark.usefixtures("s3")
def test_every_source_has_the_same_archives_in_a_bucket_as_in_a_folder(
    elsewhere: Settings, archives: Path
) -> None:
    here = elsewhere.model_copy(update={"data": str(archives)})
    for source in SOURCES.values():
        there = locate.fetch(elsewhere, source)
        assert [(one.path.name, one.sha256, one.invented) for one in there] == [
            (one.path.name, one.sha256, one.invented) for one in locate.fetch(here, source)
        ]
        assert locate.file_names(elsewhere, source) == [one.path.name for one in there]


@pytest.mark.usefixtures("s3")
def test_an_unchanged_object_is_not_read_again(elsewhere: Settings, readings: list[str]) -> None:
    [first] = locate.fetch(elsewhere, SOURCE)
    assert locate.fetch(elsewhere, SOURCE) == [first]
    assert readings == [OBJECT]
    locate.fetch(elsewhere, SOURCE, force=True)
    assert readings == [OBJECT] * 2


def test_an_object_s_name_is_no_way_out_of_the_folder_of_archives(
    elsewhere: Settings, s3: Any, archives: Path
) -> None:
    s3.rm(OBJECT)
    s3.pipe(OBJECT.replace(NAME, "a%2F..%2F..%2Fb.zip"), (archives / "contract_nli" / NAME).read_bytes())
    [one] = locate.fetch(elsewhere, SOURCE)
    assert one.path == elsewhere.archive_folder / "objects" / one.sha256 / "a%2F..%2F..%2Fb.zip"


def test_a_changed_object_is_read_anew_and_what_is_here_by_its_checksum_stays(
    elsewhere: Settings, s3: Any, archives: Path
) -> None:
    [first] = locate.fetch(elsewhere, SOURCE)
    s3.pipe(OBJECT, (archives / "cuad" / "CUAD_v1.zip").read_bytes())
    [second] = locate.fetch(elsewhere, SOURCE)
    assert second.sha256 != first.sha256
    assert first.path.is_file()
    assert second.path.parent.name == second.sha256


@pytest.mark.usefixtures("s3")
def test_a_copy_that_was_damaged_here_is_read_anew(elsewhere: Settings, readings: list[str]) -> None:
    [first] = locate.fetch(elsewhere, SOURCE)
    first.path.write_bytes(b"rubbish")
    assert locate.fetch(elsewhere, SOURCE) == [first]
    assert len(readings) == 2


@pytest.mark.usefixtures("s3")
def test_hosts_may_share_what_was_read(elsewhere: Settings, tmp_path: Path, readings: list[str]) -> None:
    for host in ("one", "two"):
        home, shared = tmp_path / host, tmp_path / "shared"
        locate.fetch(load_settings(home=home, archives=shared, data=elsewhere.data), SOURCE)
    assert len(readings) == 1


def test_a_wrong_key_is_one_line(elsewhere: Settings, s3: Any, store: str) -> None:  # noqa: F811
    with wrong_key(store):
        error = refusal(elsewhere)
    assert isinstance(error, ConfigurationError)
    assert str(error).startswith("s3://archives/data/contract_nli: the store refuses this key")


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_is_not_there_is_one_line(elsewhere: Settings) -> None:
    error = refusal(elsewhere.model_copy(update={"data": "s3://no-such-bucket/data"}))
    assert isinstance(error, ArchiveError)
    assert "s3://no-such-bucket/data/contract_nli: nothing is there" in str(error)


def test_a_folder_without_archives_says_what_belongs_there(elsewhere: Settings, s3: Any) -> None:
    s3.pipe("archives/other/contract_nli/readme.txt", b"nothing")
    error = refusal(elsewhere.model_copy(update={"data": "s3://archives/other"}))
    assert str(error) == (f"contract_nli: no archive in s3://archives/other/contract_nli; put {NAME} there")


def test_a_truncated_object_is_refused_for_good(elsewhere: Settings, s3: Any) -> None:
    s3.pipe(OBJECT, s3.cat_file(OBJECT)[:-100])
    error = refusal(elsewhere)
    assert isinstance(error, ArchiveError)
    assert f"{OBJECT}: the object is not whole" in str(error)


def test_an_object_that_changes_while_it_is_read_may_be_tried_again(
    elsewhere: Settings, s3: Any, archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_file = type(s3).get_file

    def changing(self: Any, path: str, place: str) -> None:
        get_file(self, path, place)
        s3.pipe(OBJECT, (archives / "cuad" / "CUAD_v1.zip").read_bytes())

    monkeypatch.setattr(type(s3), "get_file", changing)
    error = refusal(elsewhere)
    assert is_transient(error)
    assert str(error) == f"{OBJECT}: the object changed while it was read; nothing of it is kept"


def test_a_store_that_names_no_versions_is_read_each_time(
    elsewhere: Settings, archives: Path, readings: list[str]
) -> None:
    files = fsspec.filesystem("memory")
    place = f"/data/contract_nli/{NAME}"
    files.pipe(place, (archives / "contract_nli" / NAME).read_bytes())
    settings = elsewhere.model_copy(update={"data": "memory://data"})
    try:
        assert locate.fetch(settings, SOURCE) == locate.fetch(settings, SOURCE)
    finally:
        files.rm("/data", recursive=True)
    assert len(readings) == 2


class Page(SimpleHTTPRequestHandler):
    """Files of a folder, with a version of their own, and a listing of them."""

    cut = 0

    def end_headers(self) -> None:
        if self.path.endswith(".zip"):
            self.send_header("ETag", '"one"')
        super().end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        outputfile.write(content[: len(content) - self.cut])

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def site(archives: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Page, directory=str(archives))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_web_server_may_hold_them(
    elsewhere: Settings, site: str, readings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = elsewhere.model_copy(update={"data": f"{site}/"})
    first = locate.fetch(settings, SOURCE)
    monkeypatch.setattr(Page, "list_directory", lambda self, _path: self.send_error(404))
    assert locate.fetch(settings, SOURCE) == first  # asked for by its official name
    assert readings == [f"{site}/contract_nli/{NAME}"]


def test_a_connection_that_breaks_off_may_be_tried_again(
    elsewhere: Settings, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Page, "cut", 100)
    error = refusal(elsewhere.model_copy(update={"data": site}))
    assert isinstance(error, DownloadInterrupted), error


def test_a_server_that_does_not_answer_may_be_tried_again(elsewhere: Settings) -> None:
    error = refusal(elsewhere.model_copy(update={"data": "http://me:secret@127.0.0.1:1/data"}))
    assert isinstance(error, DownloadInterrupted), error
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("address", "kind", "line"),
    [
        ("gs://bucket/data", MissingExtraError, 'pip install "bootstrap-assets[gs]"'),
        ("az://bucket/data", MissingExtraError, 'pip install "bootstrap-assets[az]"'),
        ("nowhere://bucket/data", ConfigurationError, "nowhere"),
    ],
)
def test_what_an_address_needs_is_named(
    elsewhere: Settings, address: str, kind: type[Exception], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("gcsfs", "adlfs"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    error = refusal(elsewhere.model_copy(update={"data": address}))
    assert type(error) is kind
    assert line in str(error)


def test_a_folder_may_be_named_by_its_address(elsewhere: Settings, archives: Path) -> None:
    [archive] = locate.fetch(elsewhere.model_copy(update={"data": archives.as_uri()}), SOURCE)
    assert archive.path == archives / "contract_nli" / NAME


@pytest.mark.usefixtures("environ")
def test_a_run_of_dagster_takes_them_from_the_bucket_and_a_second_one_has_nothing_to_do(s3: Any) -> None:
    first = shell("run", "bonterms", "--data", "s3://archives/data")
    assert first.returncode == 0, first.stderr
    s3.pipe("archives/data/cuad/note.txt", b"of no matter")
    second = shell("run", "bonterms", "--data", "s3://archives/data")
    assert "there was nothing to do" in second.stdout

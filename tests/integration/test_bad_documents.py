"""Bad documents, from the inbox to the last stage: each is refused or fails with a reason, and alone."""

import io
import os
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.documents import inbox, removal, stages, states
from bootstrap_assets.documents.extraction.extractor import Extractor
from bootstrap_assets.documents.folders import LocalFolder
from bootstrap_assets.documents.steps import EXTRACT
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import StoppedError
from bootstrap_assets.sample.documents.packed_files import epub
from bootstrap_assets.sample.documents.pdf_file import pages_pdf, pdf_of, stream
from tests.integration.test_documents import TEXT, acme, add_tenant, names, put, rows, state_of  # noqa: F401
from tests.unit.documents.made import FONT, encrypted_pdf, many_pages, page_pdf, shown, unicode_pdf


def packed(**members: bytes | str) -> bytes:
    """A zip archive; in names of members `__` stands for `/`, `_` before the last letters for a dot."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return stream.getvalue()


_TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def word(body: str, before: str = "") -> bytes:
    """A DOCX with this body, and something before its root."""
    document = f'{before}<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'
    return packed(**{"[Content_Types]_xml": _TYPES, "word__document_xml": document})


ENTITY = '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
LOOP = pdf_of(
    [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>",
    ]
)


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000)


def nested_zip(depth: int) -> bytes:
    """A zip that holds nothing but a zip, and so on."""
    content = b"PK\x03\x04"
    for _ in range(depth):
        content = packed(r_zip=content)
    return content


def launching_pdf() -> bytes:
    """A PDF with an embedded file, that asks for a program to be run when it is opened."""
    file = b"<< /Type /Filespec /F (x.sh) /EF << /F 7 0 R >> >>"
    names = b" /Names << /EmbeddedFiles << /Names [(x.sh) 6 0 R] >> >>"
    action = b"/OpenAction << /S /Launch /F (/bin/touch) /Win << /F (touch) /P (ran) >> >>"
    script = stream(b"steal", b"/Type /EmbeddedFile")
    return page_pdf(shown(b"The parties agree."), FONT, file, script, catalogue=action + names)


def vertical_pdf(letters: str) -> bytes:
    """A PDF whose letters stand one below the other."""
    lines = (b"BT /F1 10 Tf 300 %d Td <%02x> Tj ET\n" % (700 - 12 * n, 65 + n) for n in range(len(letters)))
    return unicode_pdf(letters, b"".join(lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with nothing in it."""
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


BAD: dict[str, tuple[str, bytes | Callable[[], bytes], str]] = {
    "empty": ("empty.pdf", b"", "empty"),
    "no words": ("blank.txt", b" \n \n", "empty"),
    "truncated": ("short.pdf", pages_pdf([[]], "x")[:120], "cut off"),
    "a scan": ("scan.pdf", pages_pdf([[]], "A scan"), "text"),
    "wrong extension": ("book.pdf", b"\x7fELF" + bytes(2_000), "PDF|kind|read"),
    "a picture": ("photo.docx", b"\x89PNG\r\n\x1a\n" + bytes(500), "kind|read|picture|image"),
    "a bomb in DOCX": (
        "bomb.docx",
        lambda: word("<w:p/>" * 2, " " * (600 << 20)),
        "unpack|large|memory|bomb|times",
    ),
    "entities": ("entity.docx", word("<w:p><w:r><w:t>&e;</w:t></w:r></w:p>", ENTITY), "DTD|entit|declare"),
    "a loop of pages": ("loop.pdf", LOOP, "page|damaged|text"),
    "NUL and noise": ("noise.md", bytes(range(256)) * 40, "UTF-8"),
    "encrypted": ("locked.pdf", encrypted_pdf(b"sesame", b"The cap is one million."), "opens with a password"),
    "encrypted Word": ("locked.docx", OLE + "EncryptedPackage".encode("utf-16-le") + bytes(99), "password"),
    "too many pages": ("long.pdf", lambda: many_pages(5_001), "5,001 pages"),
    "a bomb in EPUB": ("bomb.epub", lambda: epub("Book", ["<p>a</p>" + " " * (600 << 20)]), "unpack to"),
    "a zip in a zip in a zip": ("quine.docx", nested_zip(20), "zip archive and no document"),
    "no document in it": ("hollow.docx", packed(word__other_xml="<x/>"), "damaged|document|Word|kind"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_document_fails_with_a_reason_that_names_it_and_its_neighbour_is_done(
    acme: Corpus,  # noqa: F811
    folder: Path,
    case: str,
) -> None:
    name, content, words = BAD[case]
    (folder / name).write_bytes(content() if callable(content) else content)
    (folder / "good.md").write_bytes(TEXT)
    intake = inbox.add(acme.database, "acme", [folder])
    stages.process(acme, "acme")
    assert state_of(acme, states.id_of("acme", "good.md")).stage == "complete"
    reasons = {refusal.name: refusal.reason for refusal in intake.refused}
    with acme.database.connection() as connection:
        reasons |= {
            state.name: f"{state.reason}"
            for state in states.listing(connection, tenant="acme")
            if state.stage == "failed"
        }
    assert list(reasons) == [name]
    assert any(word.lower() in reasons[name].lower() for word in words.split("|")), reasons[name]
    assert "Traceback" not in reasons[name]
    assert len(reasons[name]) < 400


FINE = {
    "scripts": (
        "page.html",
        b"<p>Cap</p><script>steal()</script><a href='javascript:steal()'>link</a><img src='http://x.invalid/p'>",
    ),
    "right to left": ("hebrew.txt", "חוזה זה נחתם בין הצדדים.".encode()),
    "other scripts": ("vertical.md", "# 契約\n\n本契約は当事者を拘束する。".encode()),
    "vertical": ("vertical.pdf", vertical_pdf("契約書第一条")),
    "ligatures": ("ligatures.txt", "Con\ufb01dential in\u00adfor\u00adma\u00adtion".encode()),
    "embedded files and actions": ("launch.pdf", launching_pdf()),
    "surrogates": ("half.txt", b"A clause \xed\xa0\x80 with half a character in it."),
    "a long name": ("n" * 240 + ".txt", b"The parties agree."),
    "a line in its name": ("a\nb.txt", b"The parties agree on this."),
    "a wide name": ("契" * 80 + ".txt", b"The parties agree on that."),
}


@pytest.mark.parametrize("case", FINE)
def test_a_strange_document_is_done_and_nothing_of_it_is_run(acme: Corpus, folder: Path, case: str) -> None:  # noqa: F811
    name, content = FINE[case]
    (folder / name).write_bytes(content)
    assert not inbox.add(acme.database, "acme", [folder]).refused
    stages.process(acme, "acme")
    [state] = [state_of(acme, states.id_of("acme", one)) for one in names(acme)]
    assert (state.stage, state.reason) == ("complete", None)
    [(text,)] = rows(acme, "SELECT raw_text FROM reference_documents WHERE tenant_id = 'acme'")
    assert "steal" not in text


def test_members_of_an_archive_with_long_wide_names_are_taken(acme: Corpus, folder: Path) -> None:  # noqa: F811
    (folder / "all.zip").write_bytes(packed(**{"契" * 300 + "_txt": b"The parties agree.", "b_md": TEXT}))
    intake = inbox.add(acme.database, "acme", [folder / "all.zip"])
    assert (len(intake.added), intake.refused) == (2, [])
    stages.process(acme, "acme")
    assert {state_of(acme, states.id_of("acme", name)).stage for name in names(acme)} == {"complete"}


def test_a_file_that_changes_while_it_is_read_is_refused_and_taken_when_it_is_at_rest(
    acme: Corpus,  # noqa: F811
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = folder / "growing.md"
    path.write_bytes(TEXT)
    status = Path.stat

    def growing(self: Path, **options: bool) -> os.stat_result:
        with self.open("ab") as file:
            file.write(b"more\n")
        return status(self, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", growing)
        intake = inbox.scan(acme.database, LocalFolder(folder), "acme")
    assert [refusal.reason for refusal in intake.refused] == [
        "it changed while it was read: add it again when it is complete"
    ]
    assert inbox.scan(acme.database, LocalFolder(folder), "acme").added == ["growing.md"]


def test_a_look_at_an_unchanged_inbox_reads_no_byte(
    acme: Corpus,  # noqa: F811
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(200):
        (folder / f"{number}.txt").write_text(f"Clause {number}")
    assert len(inbox.scan(acme.database, LocalFolder(folder), "acme").added) == 200
    monkeypatch.setattr(LocalFolder, "read", lambda *_: pytest.fail("a file was read"))
    assert inbox.scan(acme.database, LocalFolder(folder), "acme") == inbox.Intake()


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each transaction takes in, from now on."""
    batches, put = list[int](), states.put

    def count(connection: Connection, tenant: str, arrivals: list[states.Arrival], *, origin: str) -> set[str]:
        batches.append(len(arrivals))
        return put(connection, tenant, arrivals, origin=origin)

    monkeypatch.setattr(states, "put", count)
    return batches


def test_many_files_come_in_by_few_transactions(
    acme: Corpus,  # noqa: F811
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(1_200):
        (folder / f"{number}.txt").write_text(f"Clause {number}")
    batches = counted(monkeypatch)
    assert len(inbox.scan(acme.database, LocalFolder(folder), "acme").added) == 1_200
    assert batches == [500, 500, 200]
    assert rows(acme, "SELECT count(*) FROM document_states JOIN document_files USING (document_id)") == [(1_200,)]


def test_files_of_much_content_do_not_wait_for_each_other_in_memory(
    acme: Corpus,  # noqa: F811
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox, "BYTES_AT_ONCE", 10)
    batches = counted(monkeypatch)
    for name in ("a.md", "b.md", "c.md"):
        (folder / name).write_bytes(TEXT + name.encode())
    inbox.scan(acme.database, LocalFolder(folder), "acme")
    assert batches == [1, 1, 1]


def test_a_file_that_comes_twice_at_once_is_one_document(acme: Corpus) -> None:  # noqa: F811
    intake, twice = inbox.Intake(), [states.Arrival("msa.md", TEXT)] * 2
    inbox._take(acme.database, "acme", twice, "added", intake)
    assert (intake.added, intake.unchanged) == (["msa.md"], ["msa.md"])


def test_two_tenants_with_the_same_file_have_a_document_each(acme: Corpus, folder: Path) -> None:  # noqa: F811
    add_tenant(acme, "other")
    (folder / "msa.md").write_bytes(TEXT)
    for tenant in ("acme", "other"):
        inbox.add(acme.database, tenant, [folder])
        stages.process(acme, tenant)
    removal.remove(acme.database, states.id_of("acme", "msa.md"))
    assert names(acme) == []
    assert state_of(acme, states.id_of("other", "msa.md")).stage == "complete"
    assert rows(acme, "SELECT FROM reference_records WHERE tenant_id = 'other'")


# Slow extractions


def slowly(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Every extraction takes until it is stopped; the event is set when one has begun."""
    begun = threading.Event()

    def extract(self: Extractor, path: Path, **options: object) -> None:
        begun.set()
        while True:
            time.sleep(0.05)
            options["heartbeat"]()  # type: ignore[operator]
            if options["stop"].is_set():  # type: ignore[attr-defined]
                raise StoppedError

    monkeypatch.setattr(Extractor, "extract", extract)
    return begun


def test_a_slow_extraction_gives_signs_of_life(acme: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    slow = replace(acme, settings=acme.settings.model_copy(update={"heartbeat_seconds": 0.1}))
    document = _put(slow)
    begun = slowly(monkeypatch)
    thread = threading.Thread(target=_until_it_is_stopped, args=(slow,))
    thread.start()
    assert begun.wait(10)
    beats = set()
    until = time.monotonic() + 10
    while len(beats) < 4 and time.monotonic() < until:
        beats.add(state_of(acme, document).heartbeat_at)
        time.sleep(0.05)
    slow.stop.set()
    thread.join(10)
    assert len(beats) >= 4
    assert state_of(acme, document).stage == "pending"


def _until_it_is_stopped(corpus: Corpus) -> None:
    with pytest.raises(StoppedError):
        stages.run(corpus, "acme", EXTRACT)


@pytest.mark.parametrize("how", ["cancel", "remove", "replace"])
def test_an_extraction_that_nobody_wants_any_more_ends_within_seconds(
    acme: Corpus,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    document = _put(acme)
    begun = slowly(monkeypatch)
    thread = threading.Thread(target=stages.run, args=(acme, "acme", EXTRACT))
    thread.start()
    assert begun.wait(10)
    started = time.monotonic()
    _unwant(acme, document, how)()
    if how == "replace":
        monkeypatch.undo()
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - started < 5
    if how == "remove":
        assert names(acme) == []
    else:
        state = state_of(acme, document)
        assert (state.stage, state.reason, state.heartbeat_at) == (
            "pending" if how == "cancel" else "extracted",
            None,
            None,
        )


def _unwant(corpus: Corpus, document: UUID, how: str) -> Callable[[], object]:
    def cancel() -> None:
        with corpus.database.connection() as connection:
            states.cancel(connection, document)

    ways: dict[str, Callable[[], object]] = {
        "cancel": cancel,
        "remove": lambda: removal.remove(corpus.database, document),
        "replace": lambda: _put(corpus, TEXT + b"\nMore.\n"),
    }
    return ways[how]


def _put(corpus: Corpus, content: bytes = TEXT) -> UUID:
    return put(corpus, "acme", "msa.md", content)

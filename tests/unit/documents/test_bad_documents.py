"""A bad document becomes a failure with a reason that a user understands, and the next one is read."""

import io
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bootstrap_assets.documents.extraction import reading
from bootstrap_assets.documents.extraction.extractor import ExtractionFailure, Extractor
from bootstrap_assets.documents.extraction.model import ExtractedDocument, Kind, Limits, Reason, Refusal
from bootstrap_assets.documents.extraction.reading import extract_file, read_whole
from bootstrap_assets.sample.documents import FOLDER
from bootstrap_assets.sample.documents.packed_files import docx, docx_members, epub, packed
from bootstrap_assets.sample.documents.pdf_file import stream
from tests.unit.documents.made import (
    FONT,
    encrypted_pdf,
    many_pages,
    page_pdf,
    paragraph,
    scan_pdf,
    shown,
    unicode_pdf,
    word,
)

Read = Callable[..., ExtractedDocument]
Refused = Callable[..., tuple[Reason, str]]

LIMITS = Limits(seconds=60, memory_bytes=512 * 1024**2, unpacked_bytes=32 * 1024**2)


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    with Extractor(LIMITS) as extractor:
        yield extractor


@pytest.fixture
def read(extractor: Extractor, tmp_path: Path) -> Read:
    def read(content: bytes, name: str = "a contract", password: str | None = None) -> ExtractedDocument:
        path = tmp_path / name
        path.write_bytes(content)
        return extractor.extract(path, password=password)

    return read


@pytest.fixture
def refused(read: Read) -> Refused:
    """Reads what must fail, says why it did, and that the same child goes on to read the next."""

    def refused(content: bytes, name: str = "a contract", password: str | None = None) -> tuple[Reason, str]:
        with pytest.raises(ExtractionFailure) as caught:
            read(content, name, password)
        assert "sound" in read(b"a sound text").text
        assert str(caught.value).startswith(name[:20])
        return caught.value.reason, str(caught.value)

    return refused


def bomb(size: int = 64 * 1024**2) -> str:
    return "<w:p/>" + " " * size


@pytest.mark.parametrize("content", [b"", b"  \n\n", b"\xef\xbb\xbf", b"\x00" * 5000])
def test_an_empty_file_is_said_to_be_empty(refused: Refused, content: bytes) -> None:
    assert refused(content)[0] is Reason.EMPTY


def test_an_encrypted_pdf_asks_for_its_password(refused: Refused, read: Read) -> None:
    content = encrypted_pdf(b"sesame", b"The cap is one million.")
    reason, message = refused(content)
    assert reason is Reason.ENCRYPTED
    assert "opens with a password" in message
    assert "does not open it" in refused(content, password="wrong")[1]
    assert read(content, password="sesame").text == "The cap is one million."


def test_an_encrypted_word_document_is_said_to_be_encrypted(refused: Refused) -> None:
    content = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000) + "EncryptedPackage".encode("utf-16-le") + bytes(99)
    )
    assert refused(content)[0] is Reason.ENCRYPTED


def test_a_protected_book_is_said_to_be_protected(refused: Refused) -> None:
    with zipfile.ZipFile(io.BytesIO(epub("Book", ["<p>words</p>"]))) as archive:
        members: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    members["META-INF/encryption.xml"] = (
        '<encryption><EncryptedData><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>'
        "</EncryptedData></encryption>"
    )
    assert refused(packed(members))[0] is Reason.ENCRYPTED


@pytest.mark.parametrize("name", ["supply-agreement.pdf", "mutual-nda.docx", "supplier-handbook.epub"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_is_cut_off_is_said_to_be_so(refused: Refused, name: str, share: float) -> None:
    whole = (FOLDER / name).read_bytes()
    reason, message = refused(whole[: int(len(whole) * share)])
    assert reason is Reason.DAMAGED
    assert "cut off" in message


def test_a_scan_is_told_to_go_through_text_recognition(refused: Refused) -> None:
    reason, message = refused(scan_pdf())
    assert reason is Reason.NO_TEXT
    assert "scan" in message
    assert "OCR" in message


@pytest.mark.parametrize("name", ["mutual-nda.docx", "supply-agreement.pdf", "web-shop-terms.html"])
def test_a_wrong_extension_makes_no_difference(read: Read, name: str) -> None:
    content = (FOLDER / name).read_bytes()
    assert read(content, "x.exe").text == read(content, "x.md").text == extract_file(FOLDER / name).text


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "OCR"),
        (b"{\\rtf1 words}", "save it as"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), ".docx"),
        (b"\x1f\x8b" + bytes(99), "unpack"),
        (bytes(range(256)) * 9, "is neither UTF-8"),
        (b"<?xml version='1.0'?><invoice/>", "XML"),
        (packed({"a.txt": "words"}), "unpack"),
        (packed({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<x/>"}), "PDF"),
    ],
)
def test_another_format_is_named_with_what_to_do(refused: Refused, content: bytes, advice: str) -> None:
    reason, message = refused(content)
    assert reason is Reason.OTHER_FORMAT
    assert advice in message


def test_pages_are_bounded(refused: Refused, read: Read) -> None:
    reason, message = refused(many_pages(5_001))
    assert reason is Reason.TOO_LARGE
    assert "5,001 pages" in message
    document = read(many_pages(5_000))
    assert document.pages == 5_000
    assert document.positions[-1].page == 5_000


def test_a_number_of_pages_that_a_file_does_not_have_is_not_believed(read: Read) -> None:
    document = read(page_pdf(shown(b"words")).replace(b"/Count 1 ", b"/Count 999999999 "))
    assert (document.pages, document.text) == (1, "words")


@pytest.mark.parametrize("main", ["word/document.xml", "word/styles.xml", "word/unused.xml"])
def test_a_zip_bomb_is_not_unpacked(refused: Refused, main: str) -> None:
    reason, message = refused(packed(docx_members("<w:p/>", {main: bomb()})))
    assert reason is Reason.UNSAFE
    assert "unpack to" in message


def test_a_zip_bomb_in_a_book_is_not_unpacked(refused: Refused) -> None:
    assert refused(epub("Book", ["<p>a</p>" + " " * (64 * 1024**2)]))[0] is Reason.UNSAFE


def test_many_small_bombs_are_one(refused: Refused) -> None:
    parts: dict[str, str | bytes] = {f"word/media/{number}.xml": " " * 9_000_000 for number in range(5)}
    assert refused(packed(docx_members("<w:p/>", parts)))[0] is Reason.UNSAFE


def test_a_member_that_is_longer_than_it_says_is_refused(refused: Refused) -> None:
    content = bytearray(word(paragraph("words" * 1000)))
    place = content.rindex(b"word/document.xml") - 46 + 24
    content[place : place + 4] = (10).to_bytes(4, "little")
    assert refused(bytes(content))[0] in (Reason.DAMAGED, Reason.UNSAFE)


def test_a_quine_zip_is_no_document_and_is_not_looked_into(refused: Refused) -> None:
    content = packed({"r.zip": b"PK\x03\x04"})
    for _ in range(20):
        content = packed({"r.zip": content})
    assert refused(content)[0] is Reason.OTHER_FORMAT
    inner = packed(docx_members(paragraph("words"), {"word/r.zip": content}))
    assert refused(packed({"r/r.zip": inner}))[0] is Reason.OTHER_FORMAT


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "word\\..\\..\\x"])
def test_a_path_out_of_the_archive_is_refused(refused: Refused, name: str) -> None:
    assert refused(packed(docx_members(paragraph("words"), {name: "x"})))[0] is Reason.UNSAFE


def test_a_chapter_outside_of_the_book_is_refused(refused: Refused) -> None:
    for place in ("../../../etc/passwd", "file:///etc/passwd", "https://example.org/x"):
        content = epub("Book", ["<p>words</p>"])
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
        book = members["book/package.opf"]
        assert isinstance(book, bytes)
        members["book/package.opf"] = book.replace(b"chapter-1.xhtml", place.encode())
        assert refused(packed(members))[0] is Reason.UNSAFE


DTD = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY e SYSTEM "file:///etc/passwd">]>'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("part", ["document", "styles", "numbering"])
def test_a_dtd_in_a_word_document_is_refused(refused: Refused, part: str, encoding: str) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?>{DTD}<x>&b;&e;</x>'.encode(encoding)
    reason, message = refused(word(paragraph("words"), **{part: content}))
    assert reason is Reason.UNSAFE
    assert "root:" not in message


def test_entities_in_a_book_are_refused(refused: Refused) -> None:
    with zipfile.ZipFile(io.BytesIO(epub("Book", ["<p>&e;</p>"]))) as archive:
        members: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    for name in ("META-INF/container.xml", "book/package.opf", "book/chapter-1.xhtml"):
        sound = members[name]
        assert isinstance(sound, bytes)
        spoilt = {**members, name: sound.replace(b"?>\n", b"?>\n" + DTD.encode(), 1)}
        assert refused(packed(spoilt))[0] is Reason.UNSAFE


def test_xml_that_is_nested_without_end_is_refused(refused: Refused, read: Read) -> None:
    body = "<w:sdt>" * 50_000 + "</w:sdt>" * 50_000
    reason, message = refused(word(body))
    assert reason is Reason.UNSAFE
    assert "deeper than 200" in message
    page = b"<html><body>" + b"<div>" * 10_000 + b"deep inside"
    assert read(page).text == "deep inside"


def test_scripts_and_remote_pictures_of_a_page_are_left_out_and_told(read: Read) -> None:
    document = read(
        b"<html><body onload='steal()'><script>steal()</script><style>p {}</style><p>Words "
        b"<a href=' JavaScript:x()'>of a link</a><img src='//example.org/p.png' onerror='x()'><iframe src='https://example.org'></iframe>"
        b"<template><p>hidden</p></template><noscript>no</noscript></body></html>"
    )
    assert document.text == "Words of a link"
    assert {notice.kind for notice in document.notices} == {"scripts", "script_links", "remote_pictures"}


def test_a_page_tree_that_loops_ends(refused: Refused) -> None:
    content = page_pdf(shown(b"words")).replace(b"/Kids [3 0 R]", b"/Kids [2 0 R]")
    assert refused(content)[0] in (Reason.DAMAGED, Reason.NO_TEXT)


def test_bookmarks_that_loop_end(read: Read) -> None:
    item = b"<< /Title (words) /Parent 6 0 R /Next 7 0 R /First 7 0 R /Dest [3 0 R /Fit] >>"
    outline = b"<< /Type /Outlines /First 7 0 R /Last 7 0 R >>"
    assert read(page_pdf(shown(b"words"), FONT, outline, item, catalogue=b"/Outlines 6 0 R")).text == "words"


def test_embedded_files_and_launch_actions_are_told_and_never_run(read: Read, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    content = page_pdf(
        shown(b"words"),
        FONT,
        b"<< /Type /Filespec /F (x.sh) /EF << /F 7 0 R >> >>",
        stream(b"touch x", b"/Type /EmbeddedFile"),
        catalogue=b"/OpenAction << /S /Launch /F (/bin/touch) /Win << /F (touch) /P (%s) >> >>"
        b" /Names << /EmbeddedFiles << /Names [(x.sh) 6 0 R] >> >>" % str(trace).encode(),
    )
    document = read(content)
    assert document.text == "words"
    assert {notice.kind for notice in document.notices} == {"actions", "embedded_files"}
    assert not trace.exists()


def test_letters_of_other_scripts_come_in_the_order_they_are_read(read: Read) -> None:
    hebrew = "חוזה שכירות"
    assert hebrew in read(unicode_pdf(hebrew[::-1])).text
    assert read(b"<html><body><p>" + "اتفاقية الإيجار".encode()).text == "اتفاقية الإيجار"
    assert read(word(paragraph("賃貸借契約書 第一条"))).text == "賃貸借契約書 第一条"


def test_no_letter_of_vertical_writing_is_lost(read: Read) -> None:
    letters = "契約書第一条"
    placed = b"".join(
        b"BT /F1 10 Tf 300 %d Td <%02x> Tj ET\n" % (700 - 12 * place, 65 + place) for place in range(len(letters))
    )
    assert "".join(read(unicode_pdf(letters, placed)).text.split()) == letters


def test_ligatures_and_soft_hyphens_are_resolved(read: Read) -> None:
    assert read("Conﬁdential oﬃce in\u00adfor\u00adma\u00adtion\u200b\u00a0here".encode()).text == (
        "Confidential office information here"
    )
    assert "confident" in read(unicode_pdf("conﬁdent")).text


def test_nul_and_surrogates_become_the_replacement_character(read: Read) -> None:
    text = read(b"one \x00 two\n" * 30 + b"end").text
    assert "\x00" not in text
    assert text.startswith("one \ufffd two")
    lone = read(unicode_pdf("a\ud800b")).text
    assert lone.encode()
    assert lone.startswith("a")


@pytest.mark.parametrize("name", ["n" * 255, "two\nlines.txt", "tab\tand \x1b[31mred.txt", "a\\b.txt"])
def test_an_odd_name_is_shown_in_one_short_line(read: Read, name: str) -> None:
    assert read(b"words", name).text == "words"
    with pytest.raises(ExtractionFailure) as caught:
        read(b"", name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_a_name_that_is_too_long_or_missing_is_a_failure(extractor: Extractor, tmp_path: Path) -> None:
    for path in (tmp_path / ("n" * 300), tmp_path / "missing.pdf"):
        with pytest.raises(ExtractionFailure) as caught:
            extractor.extract(path)
        assert caught.value.reason is Reason.UNREADABLE


def test_a_pipe_a_folder_and_a_device_are_not_waited_for(extractor: Extractor, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(ExtractionFailure) as caught:
            extractor.extract(path)
        assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize("start", [0, 600])
def test_a_file_that_changes_while_it_is_read_is_refused(
    start: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "changing.txt"
    path.write_bytes(b"first " * 100)
    os.utime(path, (1, 1))
    honest = reading._bytes_of

    def slow(file: io.FileIO, most: int) -> bytes:
        content = honest(file, most)
        with path.open("r+b") as other:
            other.seek(start)
            other.write(b"second")
        return content

    monkeypatch.setattr(reading, "_bytes_of", slow)
    with pytest.raises(Refusal) as caught:
        read_whole(path, 10_000)
    assert caught.value.reason is Reason.CHANGED


def test_a_file_that_is_not_the_one_that_was_added_is_refused(extractor: Extractor, tmp_path: Path) -> None:
    path = tmp_path / "replaced.txt"
    path.write_bytes(b"first")
    digest = extractor.extract(path).sha256
    assert extractor.extract(path, sha256=digest).text == "first"
    path.write_bytes(b"other")
    with pytest.raises(ExtractionFailure) as caught:
        extractor.extract(path, sha256=digest)
    assert caught.value.reason is Reason.CHANGED


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(LIMITS.file_bytes + 1)
    with Extractor(LIMITS) as extractor, pytest.raises(ExtractionFailure) as caught:
        extractor.extract(path)
    assert caught.value.reason is Reason.TOO_LARGE


def test_text_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"words and words\n\n" * 1000)
    with Extractor(Limits(characters=10_000)) as extractor, pytest.raises(ExtractionFailure) as caught:
        extractor.extract(path)
    assert caught.value.reason is Reason.TOO_LARGE


def test_damage_anywhere_in_a_file_is_a_document_or_a_failure(extractor: Extractor, tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    for name in ("supply-agreement.pdf", "mutual-nda.docx", "supplier-handbook.epub", "web-shop-terms.html"):
        whole = (FOLDER / name).read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
            try:
                assert extractor.extract(path).kind in Kind
            except ExtractionFailure as failure:
                assert failure.reason is not Reason.CRASHED  # noqa: PT017


def test_two_readers_of_one_file_get_the_same(tmp_path: Path) -> None:
    results: list[ExtractedDocument] = []

    def read() -> None:
        with Extractor(LIMITS) as extractor:
            results.append(extractor.extract(FOLDER / "supply-agreement.pdf"))

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[0] == results[1]


def test_a_word_document_of_ten_thousand_parts_and_one_is_refused(refused: Refused) -> None:
    parts: dict[str, str | bytes] = {f"word/media/{number}": b"" for number in range(10_001)}
    assert refused(packed(docx_members("<w:p/>", parts)))[0] is Reason.UNSAFE


def test_a_document_that_says_nothing_is_said_to_have_no_text(refused: Refused) -> None:
    assert refused(docx([]))[0] is Reason.NO_TEXT
    assert refused(b"<html><body><p> </p></body></html>")[0] is Reason.NO_TEXT

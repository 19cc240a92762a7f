"""Archives packed again, on other systems and by other tools, and what lies beside them; for all four sources."""

import contextlib
import io
import json
import struct
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootstrap_assets import sample
from bootstrap_assets.corpus.records import Finding, ParsedDocument, Severity
from bootstrap_assets.errors import ArchiveError, BootstrapError, FormatError
from bootstrap_assets.sources.fetch.archive import open_archive
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.sources.spec import describe_folder, find_archives

NAMES = sorted(SOURCES)
Members = dict[str, bytes]
Told = dict[str, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """The archives of the sample, by source."""
    found: dict[str, list[Path]] = {}
    for path in sample.write_sample(tmp_path_factory.mktemp("originals")):
        found.setdefault(path.parent.name, []).append(path)
    return found


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


def packed(path: Path, members: Members) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def read(source: str, *paths: Path) -> tuple[Told, list[Finding]]:
    """Each document's records (id and text), and the findings, those of documents too."""
    documents: Told = {}
    findings: list[Finding] = []
    for item in SOURCES[source].parse(paths, SOURCES[source].options):
        if isinstance(item, ParsedDocument):
            documents[item.document.source_id] = [(record.source_id, record.content) for record in item.records]
            findings += item.findings
        else:
            findings.append(item)
    return documents, findings


def kinds(findings: list[Finding]) -> list[str]:
    return [finding.kind for finding in findings]


def top_of(members: Members) -> str:
    return next(iter(members)).partition("/")[0]


PACKED_AGAIN: dict[str, Callable[[Members], Members]] = {
    "with backslashes": lambda members: {name.replace("/", "\\"): data for name, data in members.items()},
    "with both slashes": lambda members: {name.replace("/", "\\", 1): data for name, data in members.items()},
    "with ./ before": lambda members: {f"./{name}": data for name, data in members.items()},
    "with .\\ before": lambda members: {
        f".\\{name.replace('/', chr(92))}": data for name, data in members.items()
    },
    "in one more folder": lambda members: {f"Downloads/{name}": data for name, data in members.items()},
    "in two more folders, with backslashes": lambda members: {
        f"My files\\2031\\{name}": data for name, data in members.items()
    },
    "on a Mac": lambda members: (
        members
        | {f"__MACOSX/{name.rpartition('/')[0]}/._{name.rpartition('/')[2]}": b"\0\5\26\7" for name in members}
        | {".DS_Store": b"\0\0\0\1Bud1", f"{top_of(members)}/.DS_Store": b"\0\0\0\1Bud1"}
    ),
    "by Explorer": lambda members: (
        members
        | {"Thumbs.db": b"\xd0\xcf", "desktop.ini": b"[.ShellClassInfo]", f"{top_of(members)}\\Thumbs.db": b"\xd0"}
    ),
    "with folders as members": lambda members: (
        {f"{top_of(members)}\\": b"", f"{top_of(members)}/x/": b""} | members
    ),
    "with Office's locks": lambda members: members | {f"{top_of(members)}/~$terms.md": b"me", "~$x.docx": b"me"},
}


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("how", PACKED_AGAIN)
def test_an_archive_that_was_packed_again_gives_the_same_records(
    tmp_path: Path, originals: dict[str, list[Path]], source: str, how: str
) -> None:
    again = [packed(tmp_path / path.name, PACKED_AGAIN[how](members_of(path))) for path in originals[source]]
    assert read(source, *again)[0] == read(source, *originals[source])[0]


@pytest.mark.parametrize("source", NAMES)
def test_a_folder_less_is_no_obstacle(tmp_path: Path, originals: dict[str, list[Path]], source: str) -> None:
    def bare(members: Members) -> Members:
        return {name.partition("/")[2]: data for name, data in members.items()}

    again = [packed(tmp_path / path.name, bare(members_of(path))) for path in originals[source]]
    assert len(read(source, *again)[0]) == len(read(source, *originals[source])[0])


def test_repositories_that_were_packed_into_one_archive_keep_their_ids(
    tmp_path: Path, originals: dict[str, list[Path]]
) -> None:
    terms = members_of(originals["bonterms"][0])
    top = top_of(terms)
    two = packed(tmp_path / "all.zip", terms | {f"Other-main/{k.partition('/')[2]}": v for k, v in terms.items()})
    ids = list(read("bonterms", two)[0])
    assert sorted(one.partition("/")[0] for one in ids) == sorted([top.removesuffix("-main"), "Other"])


def test_the_browser_s_name_for_a_repository_is_no_other_repository(tmp_path: Path) -> None:
    text = b"# Ferry Terms\n\n1. **Crossing**. It sails.\n\n2. **Fares**. Geese pay half.\n"
    for name in ("Ferry-main.zip", "Ferry-main (2).zip", "Ferry.zip", "Ferry (1).zip"):
        assert list(read("bonterms", packed(tmp_path / name, {"Ferry.md": text}))[0]) == ["Ferry/Ferry.md"]


@pytest.mark.parametrize("case", [str.upper, str.lower])
@pytest.mark.parametrize("source", ["cuad", "contract_nli"])
def test_the_case_of_names_does_not_matter(
    tmp_path: Path, originals: dict[str, list[Path]], source: str, case: Callable[[str], str]
) -> None:
    members = {case(name): data for name, data in members_of(originals[source][0]).items()}
    assert read(source, packed(tmp_path / "A.ZIP", members))[0] == read(source, *originals[source])[0]


def test_the_library_s_root_may_be_in_small_letters(tmp_path: Path, originals: dict[str, list[Path]]) -> None:
    members = members_of(originals["commonaccord"][0])
    small = packed(tmp_path / "a.zip", {name.replace("Doc/", "doc/", 1): data for name, data in members.items()})
    assert read("commonaccord", small)[0] == read("commonaccord", *originals["commonaccord"])[0]


def test_names_are_read_as_they_were_meant(tmp_path: Path) -> None:
    """macOS and Info-ZIP write UTF-8 without saying so, and macOS takes letters apart."""
    name = "Société/Änderung.md"
    raw = unicodedata.normalize("NFD", name).encode()
    path = packed(tmp_path / "a.zip", {"?" * len(raw): b"x"})
    path.write_bytes(path.read_bytes().replace(b"?" * len(raw), raw))
    with open_archive(path) as archive:
        assert archive.names() == [name]
        assert archive.text(name) == "x"


def test_names_in_a_dos_code_page_stay_readable(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"?.md": b"x"})
    path.write_bytes(path.read_bytes().replace(b"?.md", "é.md".encode("cp437")))
    with open_archive(path) as archive:
        assert archive.names() == ["é.md"]


@pytest.mark.parametrize("source", NAMES)
def test_what_stands_before_and_behind_an_archive_does_not_matter(
    tmp_path: Path, originals: dict[str, list[Path]], source: str
) -> None:
    again = []
    for path in originals[source]:
        again.append(tmp_path / path.name)
        packed(again[-1], members_of(path))
        with zipfile.ZipFile(again[-1], "a") as archive:
            archive.comment = b"Packed by the ferryman. " * 50
        again[-1].write_bytes(b"MZ self-extracting " * 400 + again[-1].read_bytes())
    assert read(source, *again)[0] == read(source, *originals[source])[0]


class _Pipe(io.RawIOBase):
    """What cannot seek, so that zipfile writes data descriptors."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.written += data
        return len(data)


@pytest.mark.parametrize("source", NAMES)
def test_zip64_and_data_descriptors_are_read(
    tmp_path: Path, originals: dict[str, list[Path]], source: str
) -> None:
    again = []
    for path in originals[source]:
        pipe = _Pipe()
        with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
            for name, data in members_of(path).items():
                with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                    member.write(data)
        again.append(tmp_path / path.name)
        again[-1].write_bytes(pipe.written)
    assert read(source, *again)[0] == read(source, *originals[source])[0]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("source", NAMES)
def test_the_methods_that_python_has_are_read(
    tmp_path: Path, originals: dict[str, list[Path]], source: str, method: int
) -> None:
    again = [tmp_path / path.name for path in originals[source]]
    for path, original in zip(again, originals[source], strict=True):
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, data in members_of(original).items():
                archive.writestr(name, data)
    assert read(source, *again)[0] == read(source, *originals[source])[0]


def altered(path: Path, flag: int = 0, method: int | None = None, only: str | None = None) -> Path:
    """Set flags and the method of members in both of their headers, as another packer would have."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        chosen = [info for info in archive.infolist() if only is None or info.filename.endswith(only)]
    for info in chosen:
        for start, flags, kind in (
            (info.header_offset, 6, 8),
            (data.index(b"PK\1\2", archive.start_dir), 8, 10),
        ):
            while start != info.header_offset and data[start + 46 :].find(info.orig_filename.encode()) != 0:
                start = data.index(b"PK\1\2", start + 4)
            data[start + flags] |= flag
            if method is not None:
                struct.pack_into("<H", data, start + kind, method)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize(
    ("flag", "method", "words"),
    [
        (0, 9, r"Deflate64 \(method 9\)"),
        (0, 93, r"Zstandard \(method 93\)"),
        (0, 98, r"PPMd \(method 98\)"),
        (0, 77, r"unknown method \(method 77\)"),
        (1, 99, "encrypted: .*password"),
        (1, None, "encrypted: .*password"),
    ],
)
def test_a_method_that_python_lacks_is_named_and_not_called_damage(
    tmp_path: Path, originals: dict[str, list[Path]], source: str, flag: int, method: int | None, words: str
) -> None:
    path = packed(tmp_path / originals[source][0].name, members_of(originals[source][0]))
    with pytest.raises(ArchiveError, match=words) as caught:
        read(source, altered(path, flag, method))
    assert "damaged" not in str(caught.value)
    assert "pack it again" in str(caught.value)
    assert path.name in str(caught.value)


@pytest.mark.parametrize(("source", "member"), [("bonterms", "B.md"), ("commonaccord", "Lone.md")])
@pytest.mark.parametrize("method", [9, 99])
def test_one_member_that_cannot_be_unpacked_costs_only_itself(
    tmp_path: Path, originals: dict[str, list[Path]], source: str, member: str, method: int
) -> None:
    members = members_of(originals[source][0])
    added = f"{top_of(members)}/{'Doc/G/Agt-NDA/' if source == 'commonaccord' else ''}{member}"
    path = packed(tmp_path / originals[source][0].name, members | {added: b"1.sec=A text of some words.\n"})
    documents, findings = read(source, altered(path, method=method, only=member))
    assert documents == read(source, originals[source][0])[0]
    (error,) = [finding for finding in findings if finding.severity is Severity.ERROR]
    assert error.kind == "unreadable_file"
    assert added in error.message


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("bad", ["../evil", "..\\evil", "C:\\evil", "\\\\host\\evil", "a\\..\\..\\evil", "/evil"])
def test_a_path_out_of_the_archive_is_refused_with_either_slash(
    tmp_path: Path, originals: dict[str, list[Path]], source: str, bad: str
) -> None:
    members = members_of(originals[source][0])
    with pytest.raises(ArchiveError, match="leads out"):
        read(source, packed(tmp_path / "a.zip", members | {bad: b"x"}))


def litter(folder: Path) -> None:
    """What lies about in a folder of downloads."""
    for name, data in {
        "~$terms.docx": b"\x05owner",
        "~$other.zip": b"me",
        "._CUAD_v1.zip": b"\0\5\26\7",
        ".DS_Store": b"\0\0\0\1Bud1",
        "Thumbs.db": b"\xd0\xcf\x11\xe0",
        "README.txt": b"Read me.",
        "x.zip.part": b"PK\3\4half",
        "Unconfirmed 4.crdownload": b"PK\3\4half",
        "empty.zip": b"",
        "nothing.json": b"",
        "page.zip": b"<!DOCTYPE html><html>Sign in</html>",
        "rar.zip": b"Rar!\x1a\x07\x01\x00",
        "settings.json": b'{"editor": 7}',
        "rows.json": b'[{"a": 1}]',
        "answer.json": b'{"data": [{"id": 1}]}',
        "tsconfig.json": b'{ // with a comment\n "a": 1,}',
        "lines.jsonl": b'{"a": 1}\n{"a": 2}\n',
        "x.parquet": b"no parquet",
    }.items():
        (folder / name).write_bytes(data)
    packed(folder / "pictures.zip", {"a/cat.png": b"\x89PNG"})
    packed(folder / "hollow.zip", {})
    packed(folder / "evil.zip", {"../x": b"x"})
    packed(folder / "unpacked" / "inner.zip", {"a": b""})


@pytest.mark.parametrize("source", NAMES)
def test_what_lies_beside_the_archives_is_left_out_and_told(
    tmp_path: Path, originals: dict[str, list[Path]], source: str
) -> None:
    for path in originals[source]:
        packed(tmp_path / path.name, members_of(path))
    litter(tmp_path)
    documents, findings = read(source, *find_archives(tmp_path))
    assert documents == read(source, *originals[source])[0]
    strays = {finding.place for finding in findings if finding.kind == "stray_file"}
    assert {"empty.zip", "page.zip", "pictures.zip", "hollow.zip", "settings.json", "evil.zip"} <= strays
    assert all(finding.severity is Severity.WARNING for finding in findings if finding.kind == "stray_file")


@pytest.mark.parametrize("source", ["cuad", "contract_nli", "commonaccord"])
def test_the_archives_of_the_other_sources_are_none_of_its_own(
    tmp_path: Path, originals: dict[str, list[Path]], source: str
) -> None:
    paths = [path for paths in originals.values() for path in paths]
    documents, findings = read(source, *paths)
    assert documents == read(source, *originals[source])[0]
    others = {path.name for path in paths if path not in originals[source]}
    assert {finding.place for finding in findings if finding.kind == "stray_file"} == others


@pytest.mark.parametrize("source", NAMES)
def test_where_nothing_is_usable_all_that_was_looked_at_is_named(tmp_path: Path, source: str) -> None:
    litter(tmp_path)
    with pytest.raises(FormatError) as caught:
        read(source, *find_archives(tmp_path))
    for name in ("empty.zip: the file is empty", "pictures.zip", "a/cat.png", "page.zip: this is an HTML page"):
        assert name in str(caught.value)


@pytest.mark.parametrize("source", NAMES)
def test_an_archive_of_an_official_name_is_never_left_out(
    tmp_path: Path, originals: dict[str, list[Path]], source: str
) -> None:
    official = tmp_path / SOURCES[source].remotes[-1].filename
    official.write_bytes(b"")
    good = packed(tmp_path / "other.zip", members_of(originals[source][0]))
    with pytest.raises(ArchiveError, match=rf"{official.name}: the file is empty"):
        read(source, official, good)


@pytest.mark.parametrize("source", NAMES)
def test_a_damaged_archive_may_be_its_own_and_stops_the_source(
    tmp_path: Path, originals: dict[str, list[Path]], source: str
) -> None:
    cut = tmp_path / "copy.zip"
    cut.write_bytes(originals[source][0].read_bytes()[:-200])  # more than the comment at its end
    with pytest.raises(ArchiveError, match=r"copy\.zip: .*truncated or damaged"):
        read(source, *originals[source], cut)


@pytest.mark.parametrize("name", ["main", "CUAD_v1.zip.1", "x.ZIP"])
def test_a_zip_counts_by_what_it_is_whatever_the_end_of_its_name(tmp_path: Path, name: str) -> None:
    packed(tmp_path / name, {"a": b""})
    (tmp_path / "notes").write_text("no zip")
    assert find_archives(tmp_path) == [tmp_path / name]


def test_a_folder_without_an_archive_is_described(tmp_path: Path) -> None:
    assert describe_folder(tmp_path / "none") == "there is no such folder"
    (tmp_path / "CUAD_v1").mkdir()
    (tmp_path / "CUAD_v1.zip.part").touch()
    assert find_archives(tmp_path) == []
    said = describe_folder(tmp_path)
    assert "the folder CUAD_v1 (unpacked?" in said
    assert "CUAD_v1.zip.part (an unfinished download)" in said


@pytest.mark.parametrize("source", NAMES)
def test_an_archive_in_an_archive_is_named(tmp_path: Path, originals: dict[str, list[Path]], source: str) -> None:
    outer = packed(tmp_path / "outer.zip", {"downloads/inner.zip": originals[source][0].read_bytes()})
    with pytest.raises(FormatError, match=r"downloads/inner\.zip, is not looked into: unpack that one"):
        read(source, outer)


def test_a_second_split_of_the_same_name_is_read_too(tmp_path: Path, originals: dict[str, list[Path]]) -> None:
    members = members_of(originals["contract_nli"][0])
    extra = {"z/dev.json": b'{"rows": []}', "z/train.json": next(iter(members.values()))}
    documents, findings = read("contract_nli", packed(tmp_path / "a.zip", members | extra))
    assert set(documents) == set(read("contract_nli", *originals["contract_nli"])[0])
    assert "stray_file" in kinds(findings)
    assert "duplicate_document" in kinds(findings)


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_utf_16_and_marks_are_read_for_what_they_are(
    tmp_path: Path, originals: dict[str, list[Path]], source: str, codec: str
) -> None:
    def recoded(name: str, data: bytes) -> bytes:
        return data.decode().encode(codec) if name.endswith((".md", ".json", ".csv")) and len(data) > 200 else data

    again = [
        packed(tmp_path / path.name, {name: recoded(name, data) for name, data in members_of(path).items()})
        for path in originals[source]
    ]
    documents, findings = read(source, *again)
    assert documents == read(source, *originals[source])[0]
    assert not {"invalid_utf8", "invalid_text", "read_as_windows_1252"} & set(kinds(findings))


AGREEMENT = (
    "# Ferry Terms – “Café”\n\n1. **Überfahrt**. The captain’s crew sails.\n\n2. **Fares**. Geese pay half, §5.\n"
)
PROSE = "Model.Root={1.sec}\n1.sec=The captain’s “Café” opens at dawn – every déjà vu day.\n"
CONTRACT = {"title": "Café", "paragraphs": [{"context": "The captain’s “Café” opens – at dawn.", "qas": []}]}
ACCORD = {
    "id": 7,
    "file_name": "Café.pdf",
    "text": "The captain’s “Café” opens – at dawn.",
    "spans": [[0, 5]],
    "annotation_sets": [],
}
TEXTS = {
    "bonterms": ("X-main/X.md", AGREEMENT),
    "commonaccord": ("X-main/Doc/G/Agt-NDA/X.md", PROSE),
    "cuad": ("CUAD_v1.json", json.dumps({"data": [CONTRACT]}, ensure_ascii=False)),
    "contract_nli": ("dev.json", json.dumps({"documents": [ACCORD], "labels": {}}, ensure_ascii=False)),
}


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("codec", ["cp1252"])
def test_windows_1252_is_read_and_told(tmp_path: Path, source: str, codec: str) -> None:
    name, text = TEXTS[source]
    expected, _ = read(source, packed(tmp_path / "utf8.zip", {name: text.encode()}))
    documents, findings = read(source, packed(tmp_path / "utf8" / "utf8.zip", {name: text.encode(codec)}))
    assert documents == expected
    (told,) = [finding for finding in findings if finding.kind == "read_as_windows_1252"]
    assert told.place.startswith("utf8.zip: ")
    assert name.rpartition("/")[2] in told.place
    assert "Windows-1252" in told.message


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize(
    ("codec", "word"),
    [("cp1251", "соглашение"), ("shift_jis", "秘密保持契約書"), ("gbk", "保密协议条款")],
)
def test_an_encoding_that_cannot_be_told_is_refused_and_never_read_wrongly(
    tmp_path: Path, source: str, codec: str, word: str
) -> None:
    name, text = TEXTS[source]
    foreign = text.encode("ascii", "ignore").replace(b"opens", f"{word} {word}".encode(codec))
    foreign = foreign.replace(b"sails", f"{word} {word}".encode(codec))
    with pytest.raises(
        ArchiveError, match="neither UTF-8 nor UTF-16 nor Windows-1252: save it as UTF-8"
    ) as caught:
        read(source, packed(tmp_path / "a.zip", {name: foreign}))
    assert name in str(caught.value)


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize(("codec", "word"), [("cp1250", "dzia\u0142anie"), ("cp437", "Pr\u00fcfung")])
def test_single_letters_of_an_encoding_that_cannot_be_told_are_marked_and_told(
    tmp_path: Path, source: str, codec: str, word: str
) -> None:
    name, text = TEXTS[source]
    foreign = text.encode("ascii", "ignore").replace(b"captain", word.encode(codec))
    documents, findings = read(source, packed(tmp_path / "a.zip", {name: foreign}))
    assert word.encode("ascii", "replace").decode().replace("?", "\ufffd") in str(documents)
    (told,) = [finding for finding in findings if finding.kind == "invalid_utf8"]
    assert name in told.place


def test_one_file_in_an_unknown_encoding_costs_only_itself(tmp_path: Path) -> None:
    bad = AGREEMENT.replace("Ferry", "Соглашение о пароме").encode("cp1251", "ignore")
    path = packed(tmp_path / "a.zip", {"X-main/A.md": AGREEMENT.encode(), "X-main/B.md": bad})
    documents, findings = read("bonterms", path)
    assert list(documents) == ["X/A.md"]
    assert [(finding.kind, finding.severity) for finding in findings] == [("unreadable_file", Severity.ERROR)]


def test_utf_16_without_a_mark_in_other_letters_is_no_silent_nonsense(tmp_path: Path) -> None:
    """Its bytes happen to be valid UTF-8."""
    text = "соглашение о неразглашении " * 20
    with pytest.raises(ArchiveError, match="is it UTF-16 without a mark"):
        read("bonterms", packed(tmp_path / "a.zip", {"X-main/A.md": text.encode("utf-16-le")}))


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_table_of_answers_may_be_saved_as_spreadsheets_do(tmp_path: Path, codec: str, delimiter: str) -> None:
    rows = [["Filename", "Parties", "Parties-Answer"], ["Café.pdf", "['x']", "Zoë’s “Inn”"]]
    table = "\r\n".join(delimiter.join(row) for row in rows)
    members = {TEXTS["cuad"][0]: TEXTS["cuad"][1].encode(), "master_clauses.csv": table.encode(codec)}
    (parsed,) = [
        item
        for item in SOURCES["cuad"].parse([packed(tmp_path / "a.zip", members)], {})
        if isinstance(item, ParsedDocument)
    ]
    assert parsed.document.metadata["answers"] == {"Parties": "Zoë’s “Inn”"}


def mutations() -> st.SearchStrategy[list[tuple[float, int]]]:
    return st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(-1, 255)), min_size=1, max_size=12)


@pytest.mark.parametrize("source", NAMES)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=mutations(), tail=st.booleans())
def test_a_mutated_archive_raises_nothing_but_our_errors(
    tmp_path: Path, source: str, changes: list[tuple[float, int]], tail: bool
) -> None:
    name, text = TEXTS[source]
    path = packed(tmp_path / "mutated.zip", {name: text.encode(), "a\\b.md": b"x", "c/d.json": b"{}"})
    data = bytearray(path.read_bytes())
    for place, value in changes:
        at = int(place * len(data)) if not tail else len(data) - 1 - int(place * min(200, len(data)))
        if value < 0:
            del data[at : at + 3]
        else:
            data[at : at + 1] = bytes([value])
    path.write_bytes(data)
    with contextlib.suppress(BootstrapError):
        read(source, path)


def test_a_comment_without_end_does_not_take_for_ever(tmp_path: Path) -> None:
    """Each of 140 comments could have ended at the end of any later one: 2 to the 140 ways to read them."""
    (tmp_path / "a.zip").write_bytes(b"<!---->" * 146)
    with pytest.raises(ArchiveError, match="not a zip"):
        read("cuad", tmp_path / "a.zip")

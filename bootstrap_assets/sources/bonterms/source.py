"""Bonterms: standard agreements in Markdown, one repository each, structured by their numbering."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from bootstrap_assets.corpus.records import Document, Finding, Granularity, ParsedDocument, Record, Severity
from bootstrap_assets.errors import ArchiveError, ForeignFileError, FormatError, UnreadableMemberError
from bootstrap_assets.sources.bonterms.agreement_markdown import Block, to_blocks
from bootstrap_assets.sources.bonterms.agreement_numbering import Node, structure
from bootstrap_assets.sources.fetch.archive import Archive, open_archive
from bootstrap_assets.sources.sections import UniqueIds
from bootstrap_assets.sources.spec import Parsed, Remote, Source
from bootstrap_assets.sources.strays import Strays
from bootstrap_assets.texts.content import clean_text, content_hash

NAME = "bonterms"
HOMEPAGE = "https://github.com/Bonterms"
REPOSITORIES = ("Mutual-NDA", "Cloud-Terms", "Professional-Services-Agreement", "Data-Protection-Addendum")

_NO_AGREEMENT = re.compile(
    r"(?:readme|license|licence|contributing|changelog|code[-_ ]of[-_ ]conduct|security|how[-_ ]?to)\b",
    re.IGNORECASE,
)
_AGREEMENT_WORD = re.compile(r"agreement|terms|addendum|\bnda\b|contract|licen[cs]e|policy", re.IGNORECASE)
_FILE_VERSION = re.compile(r"(?:\A|[\s_-])v(?:ersion)?[\s._-]?(\d+(?:\.\d+)*)", re.IGNORECASE)
_TITLE_VERSION = re.compile(r"\bversion\s+(\d+(?:\.\d+)*)", re.IGNORECASE)
_PROSE_OBJECT_LINE = re.compile(r"^[\w.\-]*=", re.MULTILINE)
_BRANCH = re.compile(r"(?i)-(?:main|master)(?:\s*\(\d+\))?\Z")
_UNREADABLE = "unreadable_file"
_LEAST_SECTIONS = 2
_LEAST_LENGTH = 500


def parse(paths: Sequence[Path], options: Mapping[str, Any]) -> Parsed:
    """Read the agreements of Bonterms repositories, as GitHub archives them.

    Raises ArchiveError for a damaged archive and FormatError where no archive holds an agreement.
    """
    ids, digests, agreements = UniqueIds(), set[bytes](), 0
    unreadable: list[Finding] = []
    strays = Strays(NAME, (remote.filename for remote in SOURCE.remotes))
    for path in paths:
        with strays.aside(path), open_archive(path, belongs=_refuse_foreign) as archive:
            here = 0
            for name in _markdown_files(archive):
                for item in _parse_file(archive, name, ids, digests):
                    here += isinstance(item, ParsedDocument)
                    unreadable += [item] if isinstance(item, Finding) and item.kind == _UNREADABLE else []
                    yield item
            yield from archive.findings(NAME)
            if not here and len(paths) > 1:
                message = "there is no numbered Markdown agreement in this archive"
                yield Finding(NAME, Severity.WARNING, "no_agreement", message, path.name)
            agreements += here
    if not agreements:
        if len(strays) == len(paths):
            strays.refuse()
        if unreadable:
            raise ArchiveError(unreadable[0].message)
        names = ", ".join(path.name for path in paths) or "no archive is given"
        raise FormatError(f"{names}: no numbered Markdown agreement found; archives come from {HOMEPAGE}")
    yield from strays.findings()


@dataclass(frozen=True, slots=True)
class _File:
    """A Markdown file: its repository, its path below it, where to say it is."""

    repository: str
    path: str
    place: str
    text: str = field(repr=False)
    blocks: list[Block] = field(repr=False)

    @property
    def title(self) -> str:
        """The first heading, else the file's name."""
        headings = (self.text[block.start : block.end] for block in self.blocks[:3] if block.is_heading)
        return next(headings, PurePosixPath(self.path).stem)

    @property
    def version(self) -> str | None:
        """From the file's name (which is kept more carefully than the title), else from the title."""
        match = _FILE_VERSION.search(PurePosixPath(self.path).stem) or _TITLE_VERSION.search(self.title)
        return match[1] if match else None


def _markdown_files(archive: Archive) -> list[str]:
    """Markdown files that can be agreements, by their names."""
    names = []
    for path, name in archive.below().items():
        parts = PurePosixPath(path)
        hidden = any(part.startswith(".") for part in parts.parts)
        if parts.suffix.lower() in (".md", ".markdown") and not hidden and not _NO_AGREEMENT.match(parts.name):
            names.append(name)
    return names


def _refuse_foreign(archive: Archive) -> None:
    if not _markdown_files(archive):
        raise ForeignFileError(
            f"{archive.path.name}: no numbered Markdown agreement found: it holds {archive.listing()}; archives"
            f" come from {HOMEPAGE}"
        )


def _repository(archive: Archive, name: str) -> tuple[str, str]:
    """The repository that a file belongs to, and its path there, however the repository's folder was packed.

    GitHub packs it as `<Name>-main/`. Packed again it may lie deeper, beside others, or without its folder.
    """
    parts = name.split("/")
    for depth in reversed(range(len(parts) - 1)):
        folder = _BRANCH.sub("", parts[depth])
        if folder != parts[depth] or folder in REPOSITORIES:
            return folder, "/".join(parts[depth + 1 :])
    top = archive.top.rstrip("/") or re.sub(r"\s*\(\d+\)\Z", "", archive.path.stem)
    return _BRANCH.sub("", top), name.removeprefix(archive.top)


def _parse_file(archive: Archive, name: str, ids: UniqueIds, digests: set[bytes]) -> Parsed:
    repository, path = _repository(archive, name)
    place = f"{archive.path.name}: {name}"
    try:
        text, blocks = to_blocks(clean_text(archive.text(name)))
    except UnreadableMemberError as problem:
        yield Finding(NAME, Severity.ERROR, _UNREADABLE, str(problem), place, f"{repository}/{path}")
        return
    file = _File(clean_text(repository), clean_text(path), place, text, blocks)
    if not text.strip():
        yield _finding(Severity.ERROR, "empty_text", "the file is empty", file)
        return
    nodes = structure(text, blocks, file.title if blocks[0].is_heading else "")
    if sum(node.is_section for node in nodes) < _LEAST_SECTIONS:
        if _looks_like_an_agreement(file):
            message = "this looks like an agreement but has no numbered sections: left out"
            yield _finding(Severity.WARNING, "no_numbering", message, file)
        return
    source_id = f"{file.repository}/{file.path}"
    digest = content_hash(f"{source_id}\x1f{text}")
    if digest in digests:
        yield _finding(Severity.WARNING, "duplicate_document", "this file was read before: taken once", file)
        return
    digests.add(digest)
    yield _parsed(file, ids.take_document(source_id, text), nodes)


def _parsed(file: _File, source_id: str, nodes: list[Node]) -> ParsedDocument:
    version = {"version": file.version} if file.version else {}
    document = Document(
        source=NAME,
        source_id=source_id,
        title=file.title,
        text=file.text,
        licence=SOURCE.licence,
        attribution=SOURCE.attribution,
        url=f"{HOMEPAGE}/{file.repository}",
        metadata={"file": file.path, "repository": file.repository, **version},
    )
    template = Record(
        source=NAME,
        source_id=f"{source_id}#template",
        document_id=document.id,
        granularity=Granularity.TEMPLATE,
        content=file.text,
        char_start=0,
        char_end=len(file.text),
        metadata={"heading": file.title, "file": file.path, **version},
    )
    findings: list[Finding] = []
    records = (template, *_records(document, nodes, file, findings))
    return ParsedDocument(document, records, tuple(findings))


def _records(document: Document, nodes: list[Node], file: _File, findings: list[Finding]) -> Iterator[Record]:
    ids = UniqueIds()
    for node in nodes:
        name = f"{document.source_id}#{node.path}"
        source_id = ids.take(name)
        if source_id != name:
            message = f"the number {node.path!r} comes twice: this one is kept as {source_id!r}"
            findings.append(_finding(Severity.WARNING, "repeated_number", message, file, source_id))
        facts = {"heading": node.heading, "term": node.term, "version": file.version, "file": file.path}
        yield Record(
            source=NAME,
            source_id=source_id,
            document_id=document.id,
            granularity=Granularity.SECTION if node.is_section else Granularity.CLAUSE,
            content=document.text[node.start : node.end],
            char_start=node.start,
            char_end=node.end,
            section_path=node.path,
            metadata={key: value for key, value in facts.items() if value},
        )


def _looks_like_an_agreement(file: _File) -> bool:
    if len(file.text) < _LEAST_LENGTH or len(_PROSE_OBJECT_LINE.findall(file.text)) > 3:
        return False
    return bool(_AGREEMENT_WORD.search(file.title) or _AGREEMENT_WORD.search(PurePosixPath(file.path).stem))


def _finding(severity: Severity, kind: str, message: str, file: _File, source_id: str | None = None) -> Finding:
    return Finding(NAME, severity, kind, message, file.place, source_id)


SOURCE = Source(
    name=NAME,
    title="Bonterms standard agreements",
    description="Standard agreements drafted by a committee of lawyers, by section and clause",
    homepage=HOMEPAGE,
    licence="CC BY 4.0",
    attribution="Bonterms",
    remotes=tuple(
        Remote(f"{name}.zip", f"{HOMEPAGE}/{name}/archive/refs/heads/main.zip") for name in REPOSITORIES
    ),
    parse=parse,
    version=3,
)

"""Bonterms: standard agreements in Markdown, one repository each, structured by their numbering."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from bootstrap_assets.errors import FormatError
from bootstrap_assets.records import (
    Document,
    Finding,
    Granularity,
    ParsedDocument,
    Record,
    Severity,
    clean_text,
    content_hash,
)
from bootstrap_assets.sources.agreement_markdown import Block, to_blocks
from bootstrap_assets.sources.agreement_numbering import Node, structure
from bootstrap_assets.sources.archive import Archive, open_archive
from bootstrap_assets.sources.sections import UniqueIds
from bootstrap_assets.sources.spec import Parsed, Remote, Source

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
_LEAST_SECTIONS = 2
_LEAST_LENGTH = 500


def parse(paths: Sequence[Path], options: Mapping[str, Any]) -> Parsed:
    """Read the agreements of Bonterms repositories, as GitHub archives them.

    Raises ArchiveError for a damaged archive and FormatError where no archive holds an agreement.
    """
    ids, seen, found = UniqueIds(), set[bytes](), 0
    for path in paths:
        with open_archive(path) as archive:
            here = 0
            for name in _markdown_files(archive):
                for item in _parse_file(archive, name, ids, seen):
                    here += isinstance(item, ParsedDocument)
                    yield item
            yield from archive.findings(NAME)
            if not here and len(paths) > 1:
                message = "there is no numbered Markdown agreement in this archive"
                yield Finding(NAME, Severity.WARNING, "no_agreement", message, path.name)
            found += here
    if not found:
        names = ", ".join(path.name for path in paths) or "no archive is given"
        raise FormatError(f"{names}: no numbered Markdown agreement found; archives come from {HOMEPAGE}")


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


def _parse_file(archive: Archive, name: str, ids: UniqueIds, seen: set[bytes]) -> Parsed:
    text, blocks = to_blocks(clean_text(archive.text(name)))
    repository = re.sub(r"-(?:main|master)\Z", "", archive.top.rstrip("/")) or archive.path.stem
    path, place = name.removeprefix(archive.top), f"{archive.path.name}: {name}"
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
    wanted = f"{file.repository}/{file.path}"
    digest = content_hash(f"{wanted}\x1f{text}")
    if digest in seen:
        yield _finding(Severity.WARNING, "duplicate_document", "this file was read before: taken once", file)
        return
    seen.add(digest)
    yield _parsed(file, ids.take_document(wanted, text), nodes)


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
        wanted = f"{document.source_id}#{node.path}"
        given = ids.take(wanted)
        if given != wanted:
            message = f"the number {node.path!r} comes twice: this one is kept as {given!r}"
            findings.append(_finding(Severity.WARNING, "repeated_number", message, file, given))
        facts = {"heading": node.heading, "term": node.term, "version": file.version, "file": file.path}
        yield Record(
            source=NAME,
            source_id=given,
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
)

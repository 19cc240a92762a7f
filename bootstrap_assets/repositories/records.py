"""Files of a repository as documents of the corpus: symbols, sections and passages are their records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from bootstrap_assets.corpus.records import Document, Granularity, ParsedDocument, Record, document_id
from bootstrap_assets.corpus.scope import Scope
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.repositories.discover import File, Read
from bootstrap_assets.repositories.languages import VERSION
from bootstrap_assets.repositories.store import Repository, symbol_id
from bootstrap_assets.repositories.symbols import CALLABLE, CLASSES, Kind, Parsed, Symbol
from bootstrap_assets.texts.content import clean_text
from bootstrap_assets.texts.passages import cut

statement = statements_of(__name__)

SOURCE = "repositories"
"""The source of files of repositories, and of their records."""

LICENCE = "the repository's own"
"""What stands as the licence of a file."""

SHOWN_KINDS = CALLABLE | CLASSES | {Kind.TYPE, Kind.KEY, Kind.TABLE, Kind.VIEW, Kind.TRIGGER}
"""Kinds of symbols that are records also without a docstring."""

_BY_SECTIONS = "markdown"


@dataclass(frozen=True, slots=True)
class Change:
    """What differs from the documents of the commit before: files to be loaded, paths that are missing now."""

    files: Sequence[File]
    missing: Sequence[str]

    def scope(self, repository: Repository) -> Scope:
        """For which documents a load of the change speaks."""
        paths = [*(one.path for one in self.files), *self.missing]
        names = tuple(source_id(repository.name, path) for path in paths)
        return Scope(SOURCE, names, tenant=repository.tenant)


def source_id(repository: str, path: str) -> str:
    """What a file is called among the files of all repositories."""
    return f"{repository}/{path}"


def ids_of(repository: str, paths: Iterable[str]) -> list[UUID]:
    """Ids of the documents of files."""
    return [document_id(SOURCE, source_id(repository, path)) for path in paths]


def paths_of(connection: Connection, repository: str) -> list[str]:
    """The files of a repository's index."""
    return [row[0] for row in connection.execute(statement("paths"), {"repository": repository})]


def retry_texts(connection: Connection, repository: str) -> int:
    """Let the texts of a repository that were refused be sent once more; returns how many."""
    parameters = {"source": SOURCE, "documents": ids_of(repository, paths_of(connection, repository))}
    return connection.execute(statement("retry_texts"), parameters).rowcount


def change_of(connection: Connection, repository: Repository, files: Iterable[File]) -> Change:
    """What of a commit's files is to be loaded: a file whose blob, language and readers are the same is not."""
    current = {one.path: one for one in files if not one.reason}
    paths = {*current, *paths_of(connection, repository.name)}
    rows = connection.execute(
        statement("versions_of_documents"), {"documents": ids_of(repository.name, sorted(paths))}
    )
    stored = {name.removeprefix(f"{repository.name}/"): version for name, version in rows}
    changes = [one for path, one in current.items() if stored.get(path) != _version(one)]
    return Change(changes, sorted(stored.keys() - current.keys()))


def _version(file: File) -> str:
    return f"{file.oid} {file.language} {VERSION}"


def documents_of(
    repository: Repository, files: Iterable[File], parsed: Mapping[str, Parsed], read: Read
) -> Iterator[ParsedDocument]:
    """Files with their records."""
    for file in files:
        text = clean_text((read(file.oid) or b"").decode("utf-8", "replace"))
        document = _document(repository, file, text)
        yield ParsedDocument(document, tuple(_records(repository, document, file, parsed.get(file.path))))


def _document(repository: Repository, file: File, text: str) -> Document:
    about = {
        "repository": repository.name,
        "path": file.path,
        "language": file.language,
        "version": _version(file),
    }
    return Document(
        source=SOURCE,
        source_id=source_id(repository.name, file.path),
        title=f"{repository.name}: {file.path}",
        text=text,
        licence=LICENCE,
        attribution=repository.address,
        url=repository.address,
        metadata={**about, "version": _version(file)},
    )


def _records(repository: Repository, document: Document, file: File, parsed: Parsed | None) -> Iterator[Record]:
    if parsed is None:
        yield from _passages(document, 0, len(document.text), None)
    elif file.language == _BY_SECTIONS:
        yield from _sections(document, parsed)
    else:
        yield from (
            _symbol_record(repository, document, file, one)
            for one in parsed.symbols
            if one.docstring or one.kind in SHOWN_KINDS
        )


def _symbol_record(repository: Repository, document: Document, file: File, one: Symbol) -> Record:
    content = "\n\n".join(filter(None, (one.signature or one.qualified_name, one.docstring)))
    return Record(
        source=SOURCE,
        source_id=f"{document.source_id}#{symbol_id(repository.name, file.path, one)}",
        document_id=document.id,
        granularity=Granularity.PASSAGE,
        content=clean_text(content),
        section_path=clean_text(one.qualified_name),
        metadata={"path": file.path, "kind": one.kind.value, "line": one.line, "end_line": one.end_line},
    )


def _sections(document: Document, parsed: Parsed) -> Iterator[Record]:
    """What stands before the first heading, and each section up to the next."""
    starts = _line_starts(document.text)
    places = [(0, None), *((starts[min(one.line, len(starts)) - 1], one.qualified_name) for one in parsed.symbols)]
    ends = [*(start for start, _ in places[1:]), len(document.text)]
    for (start, path), end in zip(places, ends, strict=True):
        yield from _passages(document, start, end, path)


def _line_starts(text: str) -> list[int]:
    return [0, *(place + 1 for place, letter in enumerate(text) if letter == "\n")]


def _passages(document: Document, start: int, end: int, path: str | None) -> Iterator[Record]:
    for one in cut(document.text[start:end]):
        first, last = start + one.start, start + one.end
        yield Record(
            source=SOURCE,
            source_id=f"{document.source_id}#{first}",
            document_id=document.id,
            granularity=Granularity.PASSAGE,
            content=document.text[first:last],
            char_start=first,
            char_end=last,
            section_path=clean_text(path) if path else one.path,
            metadata={"path": document.metadata["path"], "line": document.text.count("\n", 0, first) + 1},
        )

"""CommonAccord: agreements written as prose objects, resolved into templates, sections and clauses.

Every file that the patterns choose, and every file these include, becomes a document. Where `Model.Root` resolves
to prose, the document is a *template*: its text is the rendered agreement. Any other file is a *library*: its text
is its own prose, one paragraph for each key. Includes and references are kept as metadata, since they are what
ties the files together.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bootstrap_assets.corpus.records import Document, Finding, Granularity, ParsedDocument, Record
from bootstrap_assets.errors import (
    ArchiveError,
    FormatError,
)
from bootstrap_assets.sources.commonaccord.files import (
    DEFAULT_PATTERNS,
    NAME,
    Files,
    finding,
    listing,
    matching,
    members,
    patterns_of,
    refuse_foreign,
    selection,
)
from bootstrap_assets.sources.commonaccord.plain_text import plain_text
from bootstrap_assets.sources.commonaccord.prose_library import Library, Reach
from bootstrap_assets.sources.commonaccord.prose_objects import (
    ExpansionLimit,
    Resolved,
    Resolver,
    open_placeholders,
)
from bootstrap_assets.sources.commonaccord.prose_units import Unit, count_words, find_units, is_own_prose
from bootstrap_assets.sources.fetch.archive import Archive, open_archive
from bootstrap_assets.sources.sections import UniqueIds
from bootstrap_assets.sources.spec import Parsed, Remote, Source
from bootstrap_assets.sources.strays import Strays

LICENCE = "CC0-1.0 / MIT"
ATTRIBUTION = "CommonAccord contributors"
HOMEPAGE = "https://github.com/CommonAccord/Cmacc-Org"
ROOT_KEY = "Model.Root"
"""The key of a whole agreement."""


_TITLE_KEYS = ("Doc.Ti", "Ti", "Title")


@dataclass(frozen=True, slots=True)
class _Rendering:
    """A document's text, the units in it, and what each unit's key was resolved to."""

    kind: str
    text: str
    units: tuple[Unit, ...] = ()
    values: tuple[Resolved, ...] = ()
    root: Resolved | None = None
    open_names: tuple[str, ...] = ()


def parse(paths: Sequence[Path], options: Mapping[str, Any]) -> Parsed:
    """Parse zip archives of the library, in the layout of a GitHub archive (`<name>/Doc/…`).

    `options["patterns"]` are glob patterns below `Doc/`, where `**` matches any number of folders. Raises
    ArchiveError for a damaged archive, FormatError where no archive has a `Doc/` or no file matches, and
    ConfigurationError for patterns that are not a list of texts.
    """
    patterns = patterns_of(options)
    strays, archives = Strays(NAME, (remote.filename for remote in SOURCE.remotes)), list[Archive]()
    with ExitStack() as stack:
        for file in paths:
            with strays.aside(file):
                archives.append(stack.enter_context(open_archive(file, belongs=refuse_foreign)))
        if not archives:
            strays.refuse()
        places, findings = members(archives)
        yield from findings
        files = Files(places)
        library = Library(places, files.read)
        misses = [pattern for pattern in patterns if not any(matching(library, [pattern]))]
        names = ", ".join(archive.path.name for archive in archives)
        if len(misses) == len(patterns):
            raise FormatError(f"{names}: no file below Doc/ matches {', '.join(patterns)}")
        for pattern in [pattern for pattern in misses if pattern not in DEFAULT_PATTERNS]:
            yield finding("pattern_without_match", f"no file below Doc/ matches {pattern}", names)
        documents = 0
        for path in selection(library, patterns):
            if library.file(path).is_prose_object:
                documents += 1
                yield _parse_file(library, path, f"{places[path][0].path.name}: Doc/{path}")
        if not documents and files.unreadable:
            raise ArchiveError(next(iter(files.unreadable.values())).message)
        yield from files.unreadable.values()
        for archive in archives:
            yield from archive.findings(NAME)
        yield from strays.findings()


def _parse_file(library: Library, path: str, place: str) -> ParsedDocument:
    resolver, reach = Resolver(library, path), library.reach(path)
    findings = []
    try:
        rendering = _template(resolver) or _own_prose(library, path, resolver)
        title = _title(resolver)
    except ExpansionLimit as limit:
        findings.append(finding("expansion_limit", f"{limit}; its own lines are taken as they stand", place, path))
        rendering, title = _own_prose(library, path, None), None
    document = _document(library, path, title or path, rendering, reach, resolver)
    findings += _findings(document, reach, place)
    return ParsedDocument(document, tuple(_records(document, rendering)), tuple(findings))


def _template(resolver: Resolver) -> _Rendering | None:
    """The rendered agreement, if `Model.Root` gives prose."""
    root = resolver.resolve(ROOT_KEY)
    if root is None:
        return None
    text, spans = plain_text(root.html)
    units = tuple(find_units(text, spans, resolver.keys))
    if not units:
        return None
    values = tuple(resolver.behind(unit.number) for unit in units)
    return _Rendering("template", text, units, values, root, tuple(open_placeholders(root.html)))


def _own_prose(library: Library, path: str, resolver: Resolver | None) -> _Rendering:
    """A library's own prose, a paragraph for each key, expanded by the resolver if one is given.

    A file without any (addresses, arrangements of lists) keeps its lines as its text.
    """
    file = library.file(path)
    paragraphs: list[str] = []
    units: list[Unit] = []
    values: list[Resolved] = []
    position = 0
    for key, raw in file.values.items():
        if not is_own_prose(key, plain_text(raw)[0]):
            continue
        value = (resolver.resolve(key) if resolver else None) or Resolved(raw, path, ())
        paragraph = plain_text(value.html)[0]
        granularity = Granularity.SECTION if "\n" in paragraph else Granularity.CLAUSE
        units.append(Unit(granularity, key, len(units), position, position + len(paragraph)))
        values.append(value)
        paragraphs.append(paragraph)
        position += len(paragraph) + 2
    open_names = dict.fromkeys(name for value in values for name in open_placeholders(value.html))
    text = "\n\n".join(paragraphs) or library.text(path).strip()
    return _Rendering("library", text, tuple(units), tuple(values), open_names=tuple(open_names))


def _title(resolver: Resolver) -> str | None:
    """The file's rendered title, if it has one that is more than a placeholder."""
    for key in _TITLE_KEYS:
        value = resolver.resolve(key)
        title = " ".join(plain_text(value.html)[0].split()) if value else ""
        if count_words(title):
            return title
    return None


def _document(
    library: Library, path: str, title: str, rendering: _Rendering, reach: Reach, resolver: Resolver
) -> Document:
    includes = [
        {"prefix": include.prefix, "path": include.path}
        for include in library.file(path).includes
        if include.path is not None
    ]
    looping = [key for key in resolver.cycles if any(key.endswith(name) for name in rendering.open_names)]
    metadata = {
        "kind": rendering.kind,
        "includes": includes,
        "missing_includes": [{"file": file, "target": target} for file, target in reach.missing],
        "cycles": [list(cycle) for cycle in reach.cycles],
        "placeholder_cycles": looping,
        "unresolved": list(rendering.open_names),
    }
    url = f"{HOMEPAGE}/blob/master/Doc/{quote(path)}"
    return Document(NAME, path, title, rendering.text, LICENCE, ATTRIBUTION, url, metadata)


def _records(document: Document, rendering: _Rendering) -> Iterator[Record]:
    """The template's record, if it is one, and the records of its units, in reading order."""
    ids = UniqueIds()
    if rendering.root is not None:
        whole = Unit(Granularity.TEMPLATE, "template", -1, 0, len(document.text))
        yield _record(document, whole, rendering.root, ids)
    for unit, value in zip(rendering.units, rendering.values, strict=True):
        yield _record(document, unit, value, ids)


def _record(document: Document, unit: Unit, value: Resolved, ids: UniqueIds) -> Record:
    return Record(
        source=NAME,
        source_id=f"{document.source_id}#{ids.take(unit.key)}",
        document_id=document.id,
        granularity=unit.granularity,
        content=document.text[unit.start : unit.end],
        char_start=unit.start,
        char_end=unit.end,
        section_path=None if unit.granularity is Granularity.TEMPLATE else unit.key,
        metadata={"references": list(value.references), "defined_in": value.defined_in},
    )


def _findings(document: Document, reach: Reach, place: str) -> Iterator[Finding]:
    """One warning for each kind of trouble."""
    path, metadata = document.source_id, document.metadata
    missing = [target if file == path else f"{target} (in {file})" for file, target in reach.missing]
    cycles = [" → ".join([*cycle, cycle[0]]) for cycle in reach.cycles]
    troubles = {
        "missing_include": ("includes files that do not exist", missing),
        "include_cycle": ("its includes run in a circle", cycles),
        "placeholder_cycle": ("keys that need themselves", metadata["placeholder_cycles"]),
        "unresolved_placeholder": ("placeholders without a value", metadata["unresolved"]),
    }
    for kind, (message, names) in troubles.items():
        if names:
            yield finding(kind, f"{message}: {listing(names)}", place, path)


SOURCE = Source(
    name=NAME,
    title="CommonAccord",
    description="Agreements and clause libraries written as prose objects that include and override each other",
    homepage=HOMEPAGE,
    licence=LICENCE,
    attribution=ATTRIBUTION,
    remotes=(Remote("Cmacc-Org.zip", f"{HOMEPAGE}/archive/refs/heads/master.zip"),),
    parse=parse,
    version=2,
    options={"patterns": DEFAULT_PATTERNS},
)

"""CommonAccord: agreements written as prose objects, resolved into templates, sections and clauses.

Every file that the patterns choose, and every file these include, becomes a document. Where `Model.Root` resolves
to prose, the document is a *template*: its text is the rendered agreement. Any other file is a *library*: its text
is its own prose, one paragraph for each key. Includes and references are kept as metadata, since they are what
ties the files together.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bootstrap_assets.errors import (
    ArchiveError,
    ConfigurationError,
    ForeignFileError,
    FormatError,
    UnreadableMemberError,
)
from bootstrap_assets.records import Document, Finding, Granularity, ParsedDocument, Record, Severity
from bootstrap_assets.sources.archive import Archive, open_archive
from bootstrap_assets.sources.plain_text import plain_text
from bootstrap_assets.sources.prose_library import Library, Reach
from bootstrap_assets.sources.prose_objects import ExpansionLimit, Resolved, Resolver, open_placeholders
from bootstrap_assets.sources.prose_units import Unit, count_words, find_units, is_own_prose
from bootstrap_assets.sources.sections import UniqueIds
from bootstrap_assets.sources.spec import Parsed, Remote, Source
from bootstrap_assets.sources.strays import Strays

NAME = "commonaccord"
LICENCE = "CC0-1.0 / MIT"
ATTRIBUTION = "CommonAccord contributors"
HOMEPAGE = "https://github.com/CommonAccord/Cmacc-Org"
ROOT_KEY = "Model.Root"
"""The key of a whole agreement."""

DEFAULT_PATTERNS = ("G/Agt-NDA/**", "G/NW-NDA/**")

_TITLE_KEYS = ("Doc.Ti", "Ti", "Title")
_NO_PROSE = re.compile(
    r".*\.(png|jpe?g|gif|ico|svg|pdf|docx?|odt|xlsx?|pptx?|zip|gz|mp[34]|woff2?|ttf|html?|css|js|php|pl|py|json|xml)",
    re.IGNORECASE,
)
_SHOWN = 8
"""How many names a finding's message lists before it says how many more there are."""


@dataclass(frozen=True, slots=True)
class _Rendering:
    """A document's text, the units in it, and what each unit's key was resolved to."""

    kind: str
    text: str
    units: tuple[Unit, ...] = ()
    values: tuple[Resolved, ...] = ()
    root: Resolved | None = None
    unresolved: tuple[str, ...] = ()


def parse(paths: Sequence[Path], options: Mapping[str, Any]) -> Parsed:
    """Parse zip archives of the library, in the layout of a GitHub archive (`<name>/Doc/…`).

    `options["patterns"]` are glob patterns below `Doc/`, where `**` matches any number of folders. Raises
    ArchiveError for a damaged archive, FormatError where no archive has a `Doc/` or no file matches, and
    ConfigurationError for patterns that are not a list of texts.
    """
    patterns = _patterns(options)
    strays, archives = Strays(NAME, (remote.filename for remote in SOURCE.remotes)), list[Archive]()
    with ExitStack() as stack:
        for file in paths:
            with strays.aside(file):
                archives.append(stack.enter_context(open_archive(file, belongs=_refuse_foreign)))
        if not archives:
            strays.refuse()
        places, findings = _members(archives)
        yield from findings
        files = _Files(places)
        library = Library(places, files.read)
        unmatched = [pattern for pattern in patterns if not any(_matching(library, [pattern]))]
        names = ", ".join(archive.path.name for archive in archives)
        if len(unmatched) == len(patterns):
            raise FormatError(f"{names}: no file below Doc/ matches {', '.join(patterns)}")
        for pattern in [pattern for pattern in unmatched if pattern not in DEFAULT_PATTERNS]:
            yield _finding("pattern_without_match", f"no file below Doc/ matches {pattern}", names)
        documents = 0
        for path in _selected(library, patterns):
            if library.file(path).is_prose_object:
                documents += 1
                yield _parse_file(library, path, f"{places[path][0].path.name}: Doc/{path}")
        if not documents and files.unreadable:
            raise ArchiveError(next(iter(files.unreadable.values())).message)
        yield from files.unreadable.values()
        for archive in archives:
            yield from archive.findings(NAME)
        yield from strays.findings()


class _Files:
    """Reads the library's files; one that cannot be read is empty, and an error for itself alone."""

    def __init__(self, places: Mapping[str, tuple[Archive, str]]) -> None:
        self._places = places
        self.unreadable: dict[str, Finding] = {}

    def read(self, path: str) -> str:
        archive, name = self._places[path]
        try:
            return archive.text(name)
        except UnreadableMemberError as problem:
            place = f"{archive.path.name}: Doc/{path}"
            self.unreadable[path] = Finding(NAME, Severity.ERROR, "unreadable_file", str(problem), place, path)
            return ""


def _patterns(options: Mapping[str, Any]) -> list[str]:
    patterns = options.get("patterns", DEFAULT_PATTERNS)
    if isinstance(patterns, str) or not all(isinstance(pattern, str) for pattern in patterns) or not patterns:
        raise ConfigurationError(f"commonaccord: patterns must be a list of glob patterns, not {patterns!r}")
    return list(patterns)


def _members(archives: Iterable[Archive]) -> tuple[dict[str, tuple[Archive, str]], list[Finding]]:
    """The files below `Doc/` of all archives: their path from there on, and where to read them."""
    places: dict[str, tuple[Archive, str]] = {}
    findings = []
    for archive in archives:
        for path, name in _below_root(archive).items():
            if _NO_PROSE.fullmatch(path):
                continue
            if path in places:
                message = f"is also in {places[path][0].path.name}, from which it is taken"
                findings.append(_finding("duplicate_file", message, f"{archive.path.name}: {name}"))
            else:
                places[path] = (archive, name)
    return places, findings


def _below_root(archive: Archive) -> dict[str, str]:
    """The files below `Doc/`: their path from there on, and their full name.

    That is the highest folder of the name, at whatever depth it was packed; `doc/` where there is no `Doc/`.
    """
    for root in ("Doc", "doc"):
        found: dict[int, dict[str, str]] = {}
        for name in archive.names():
            folders = name.split("/")[:-1]
            folders = folders if root == "Doc" else [folder.lower() for folder in folders]
            if root in folders:
                depth = folders.index(root) + 1
                found.setdefault(depth, {}).setdefault("/".join(name.split("/")[depth:]), name)
        if found:
            return found[min(found)]
    return {}


def _refuse_foreign(archive: Archive) -> None:
    if not _below_root(archive):
        raise ForeignFileError(
            f"{archive.path.name}: has no library root Doc/ (expected as in Cmacc-Org-master/Doc/G/…); "
            f"this is not the official archive of CommonAccord's library: it holds {archive.listed()}"
        )


def _matching(library: Iterable[str], patterns: Iterable[str]) -> Iterator[str]:
    expressions = [re.compile(_expression(pattern)) for pattern in patterns]
    return (path for path in library if any(expression.fullmatch(path) for expression in expressions))


def _expression(pattern: str) -> str:
    """A glob pattern as a regular expression: `**` crosses folders, `*` and `?` do not."""
    rules = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(rules.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))


def _selected(library: Library, patterns: Sequence[str]) -> list[str]:
    """The files that match, and all that they include, sorted."""
    waiting = list(_matching(library, patterns))
    selected = set(waiting)
    while waiting:
        included = {include.path for include in library.file(waiting.pop()).includes if include.path}
        waiting += included - selected
        selected |= included
    return sorted(selected)


def _parse_file(library: Library, path: str, place: str) -> ParsedDocument:
    resolver, reach = Resolver(library, path), library.reach(path)
    findings = []
    try:
        rendering = _template(resolver) or _own_prose(library, path, resolver)
        title = _title(resolver)
    except ExpansionLimit as limit:
        findings.append(
            _finding("expansion_limit", f"{limit}; its own lines are taken as they stand", place, path)
        )
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
    unresolved = dict.fromkeys(name for value in values for name in open_placeholders(value.html))
    text = "\n\n".join(paragraphs) or library.text(path).strip()
    return _Rendering("library", text, tuple(units), tuple(values), unresolved=tuple(unresolved))


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
    looping = [key for key in resolver.cycles if any(key.endswith(name) for name in rendering.unresolved)]
    metadata = {
        "kind": rendering.kind,
        "includes": includes,
        "missing_includes": [{"file": file, "target": target} for file, target in reach.missing],
        "cycles": [list(cycle) for cycle in reach.cycles],
        "placeholder_cycles": looping,
        "unresolved": list(rendering.unresolved),
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
            yield _finding(kind, f"{message}: {_listed(names)}", place, path)


def _listed(names: Sequence[str]) -> str:
    """Names for a message, shortened."""
    shown = ", ".join(name if len(name) <= 200 else f"{name[:200]}…" for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _finding(kind: str, message: str, place: str, source_id: str | None = None) -> Finding:
    return Finding(NAME, Severity.WARNING, kind, message, place, source_id)


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

"""Parsing a source's archives: with which options, and what tells whether the records would come out the same."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from bootstrap_assets import texts
from bootstrap_assets.corpus.records import Finding, ParsedDocument
from bootstrap_assets.sample import provenance
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.fetch.locate import Archive
from bootstrap_assets.sources.spec import Parsed, Source
from bootstrap_assets.texts.content import content_hash


def parse(source: Source, archives: Sequence[Archive], options: Mapping[str, object]) -> Parsed:
    """What a source's archives hold; documents from invented ones say so, also where others lie beside them."""
    entries = source.parse([archive.path for archive in archives], options)
    samples = [archive.path for archive in archives if archive.invented]
    if not samples:
        return entries
    if len(samples) == len(archives):
        return (_as_ours(entry) for entry in entries)
    # By their texts: of two documents with one id, the second gets another.
    ours = {text for entry in source.parse(samples, options) if (text := _text_of(entry))}
    return (_as_ours(entry) if _text_of(entry) in ours else entry for entry in entries)


def _text_of(entry: ParsedDocument | Finding) -> bytes | None:
    return content_hash(entry.document.text) if isinstance(entry, ParsedDocument) else None


def _as_ours(entry: ParsedDocument | Finding) -> ParsedDocument | Finding:
    return provenance.own(entry) if isinstance(entry, ParsedDocument) else entry


def options_of(settings: Settings, source: Source) -> dict[str, object]:
    """What a source is parsed with."""
    return dict(source.options) | settings.source_options.get(source.name, {})


def fingerprint_of(source: Source, options: dict[str, object], archives: Sequence[Archive]) -> str:
    """What tells whether a source's records would come out the same: archives, the parser's versions, options."""
    parts = [
        texts.VERSION,
        source.version,
        options,
        [[archive.path.name, archive.sha256] for archive in archives],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

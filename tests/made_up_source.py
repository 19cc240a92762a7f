"""A source made up for tests: a JSON file that says which documents and records there are."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bootstrap_assets.corpus.records import Document, Finding, Granularity, ParsedDocument, Record, Severity
from bootstrap_assets.sources.spec import Parsed, Remote, Source


def parse(paths: Sequence[Path], options: Mapping[str, Any]) -> Parsed:
    for path in paths:
        for title, clauses in json.loads(path.read_text()).items():
            yield parsed_document("made_up", title, clauses)


def parsed_document(source: str, title: str, clauses: Mapping[str, str]) -> ParsedDocument:
    """A document whose clauses, by category, stand in its text one after another."""
    text = "\n".join(clauses.values())
    document = Document(source, title, title, text, "CC0", "nobody", "https://example.invalid/")
    records = [Record(source, f"{title}#document", document.id, Granularity.DOCUMENT, text, 0, len(text))]
    findings = []
    for category, clause in clauses.items():
        start = text.index(clause)
        if clause == "BROKEN":
            findings.append(Finding(source, Severity.ERROR, "broken", "a broken clause", title, category))
            continue
        records.append(
            Record(
                source,
                f"{title}__{category}",
                document.id,
                Granularity.CLAUSE,
                clause,
                start,
                start + len(clause),
                category=category,
            )
        )
    return ParsedDocument(document, tuple(records), tuple(findings))


MADE_UP = Source(
    name="made_up",
    title="Made up",
    description="A fifth source.",
    homepage="https://example.invalid/",
    licence="CC0",
    attribution="nobody",
    remotes=(Remote("made_up.json", "https://example.invalid/made_up.json"),),
    parse=parse,
)


def write(folder: Path, documents: Mapping[str, Mapping[str, str]]) -> Path:
    """Write an archive of the made-up source where `--data folder` looks for it; returns the folder."""
    (folder / "made_up").mkdir(parents=True, exist_ok=True)
    (folder / "made_up" / "made_up.json").write_text(json.dumps(documents))
    return folder


def contracts(count: int, clauses: int = 3) -> dict[str, dict[str, str]]:
    """That many documents, each with that many clauses of its own."""
    return {
        f"Contract {number}": {
            f"Category {clause}": f"Clause {clause} of contract {number} says what party {number * 7} must do."
            for clause in range(clauses)
        }
        for number in range(count)
    }

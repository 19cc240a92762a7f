"""A source of generated clauses, as the only one in the registry. `definitions` shows it to Dagster."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from bootstrap_assets.corpus.records import Document, Granularity, ParsedDocument, Record
from bootstrap_assets.sample.generate import clause_texts
from bootstrap_assets.sources import registry
from bootstrap_assets.sources.spec import Remote, Source

NAME = "generated"
CLAUSES_PER_DOCUMENT = 24


def write(folder: Path, records: int, repeat_share: float) -> None:
    """Write the archive where `--data folder` looks for it: a line of JSON for each document."""
    (folder / NAME).mkdir(parents=True, exist_ok=True)
    clauses = clause_texts(records, seed=7, repeat_share=repeat_share)
    with (folder / NAME / "clauses.jsonl").open("w") as file:
        while chunk := list(islice(clauses, CLAUSES_PER_DOCUMENT)):
            file.write(json.dumps(chunk) + "\n")


def parse(paths: Sequence[Path], options: Mapping[str, Any]) -> Iterator[ParsedDocument]:
    for path in paths:
        with path.open() as file:
            for number, line in enumerate(file):
                yield _document(number, json.loads(line))


def _document(number: int, clauses: list[tuple[str, str]]) -> ParsedDocument:
    text = "\n".join(clause for clause, _ in clauses)
    title = f"Contract {number}"
    document = Document(NAME, title, title, text, "CC0", "generated", "https://example.invalid/")
    records, start = [], 0
    for position, (clause, category) in enumerate(clauses):
        records.append(
            Record(
                NAME,
                f"{title}#{position}",
                document.id,
                Granularity.CLAUSE,
                clause,
                start,
                start + len(clause),
                category=category,
            )
        )
        start += len(clause) + 1
    return ParsedDocument(document, tuple(records))


SOURCE = Source(
    name=NAME,
    title="Generated clauses",
    description="Clauses made up from a seed.",
    homepage="https://example.invalid/",
    licence="CC0",
    attribution="generated",
    remotes=(Remote("clauses.jsonl", "https://example.invalid/"),),
    parse=parse,
)
registry.SOURCES.clear()
registry.SOURCES[NAME] = SOURCE

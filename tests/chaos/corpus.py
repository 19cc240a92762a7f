"""Two made-up sources that share texts, any size, from a seed; also long texts that a model has to pool.

A child process finds them by name in `SOURCES`. Their archives lie in a folder, or behind a loopback address
that CHAOS_ARCHIVES names; CHAOS_PARSE_PAUSE makes a parse slow enough to be killed in.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap_assets.corpus.records import ParsedDocument
from bootstrap_assets.sample.generate import clause_texts
from bootstrap_assets.sources.spec import Remote, Source
from bootstrap_assets.texts.content import estimate_tokens
from tests.made_up_source import parsed_document

NAMES = ("chaos_one", "chaos_two")
CLAUSES = 9
LONG_TOKENS = 30_000
"""Estimated tokens of a long text: above the context of voyage-4-large, as far as we fill it."""

Contracts = dict[str, dict[str, str]]
"""Documents by title, each with its clauses by category."""


@dataclass(frozen=True)
class Plan:
    """What is made up: documents with CLAUSES clauses each (a third of them in both sources), and long texts."""

    seed: int
    documents: int
    long_texts: int = 1
    repeat_share: float = 0.15

    def contracts(self) -> dict[str, Contracts]:
        """The documents of both sources. Each has a text of its own beside those of its clauses."""
        made = list(clause_texts(self.documents * CLAUSES, self.seed, self.repeat_share))
        groups = [made[start : start + CLAUSES] for start in range(0, len(made), CLAUSES)]
        documents = {
            f"Contract {number}": {f"{category} {place}": text for place, (text, category) in enumerate(group)}
            for number, group in enumerate(groups)
        }
        titles = list(documents)
        third = len(titles) // 3
        shares = {NAMES[0]: titles[: 2 * third], NAMES[1]: titles[third:]}
        found = {name: {title: documents[title] for title in share} for name, share in shares.items()}
        for number in range(self.long_texts):
            for contracts in found.values():
                contracts[f"Long {number}"] = {"Whole": long_text(self.seed * 1_000 + number)}
        return found

    def write(self, folder: Path) -> Path:
        """Write both archives where `BOOTSTRAP_DATA=folder` looks for them."""
        for name, contracts in self.contracts().items():
            write(folder, name, contracts)
        return folder

    @staticmethod
    def read(folder: Path, name: str) -> Contracts:
        """What was written for a source."""
        return dict(json.loads((folder / name / f"{name}.json").read_text()))


def plain(seed: int, documents: int) -> Contracts:
    """Documents without repeats: CLAUSES + 1 distinct texts each."""
    made = [text for text, _ in clause_texts(documents * CLAUSES, seed, 0.0)]
    return {
        f"Contract {number}": {
            f"Category {place}": text for place, text in enumerate(made[number * CLAUSES : (number + 1) * CLAUSES])
        }
        for number in range(documents)
    }


def write(folder: Path, name: str, contracts: Contracts) -> None:
    """Write one source's archive below a data folder."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / f"{name}.json").write_text(json.dumps(contracts))


def long_text(seed: int) -> str:
    """A text that does not fit the model, in numbered paragraphs."""
    paragraphs: list[str] = []
    tokens = 0
    for number, (text, _) in enumerate(clause_texts(2_000, seed, 0.0), 1):
        paragraphs.append(f"{number}. {text}")
        tokens += estimate_tokens(text)
        if tokens > LONG_TOKENS:
            break
    return "\n\n".join(paragraphs)


def parse(name: str, paths: Sequence[Path]) -> Iterator[ParsedDocument]:
    pause = float(os.environ.get("CHAOS_PARSE_PAUSE", "0"))
    for path in paths:
        for title, clauses in json.loads(path.read_text()).items():
            time.sleep(pause)
            yield parsed_document(name, title, clauses)


def source(name: str) -> Source:
    """One of the two sources, with its archive at CHAOS_ARCHIVES."""

    def parse_it(paths: Sequence[Path], _options: Mapping[str, Any]) -> Iterator[ParsedDocument]:
        return parse(name, paths)

    address = os.environ.get("CHAOS_ARCHIVES", "https://example.invalid")
    return Source(
        name=name,
        title=name,
        description="Clauses made up from a seed.",
        homepage="https://example.invalid/",
        licence="CC0",
        attribution="nobody",
        remotes=(Remote(f"{name}.json", f"{address}/{name}.json"),),
        parse=parse_it,
    )

"""Questions with their right answers: the labels of ContractNLI and CUAD, as queries."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from bootstrap_assets.corpus.overlaps import most_shared
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.texts.content import content_hash

statement = statements_of(__name__)


@dataclass(frozen=True, slots=True)
class Query:
    """A question about a contract; `relevant` are the hashes of the texts that answer it, at least one.

    `contract` is the contract's source id, `label` the hypothesis's number or the category. A text that stands in
    a contract twice is one candidate, as it is one hit of a search.
    """

    contract: str
    document: UUID
    label: str
    text: str
    relevant: frozenset[bytes]
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a contract that evidence was chosen among, and the hash of the section it stands in."""

    document: UUID
    source_id: str
    start: int
    end: int
    content: str
    section: bytes | None

    @property
    def content_hash(self) -> bytes:
        """The hash of its text."""
        return content_hash(self.content)


def cuad(connection: Connection) -> list[Query]:
    """CUAD: a category's question about a contract; right is each section that shares characters with a clause."""
    rows = connection.execute(statement("cuad_questions")).fetchall()
    return [
        Query(contract, document, category, details(question) or category, frozenset(map(bytes, sections)))
        for contract, document, category, question, sections in rows
    ]


def details(question: str) -> str:
    """What a question of CUAD asks for, without the sentence that is the same in all of them."""
    match = re.search(r"\bDetails:\s*(.*)", question, re.DOTALL)
    return (match[1] if match else question).strip()


def contract_nli(connection: Connection, *, split: str | None = None) -> tuple[list[Query], list[Span]]:
    """ContractNLI: a hypothesis about a contract; right is each span that is its evidence. All spans come along.

    Spans of nothing but white space are left out, and so is a question that no other span answers.
    """
    spans: dict[UUID, list[Span]] = {}
    contracts: dict[UUID, tuple[str, str | None]] = {}
    rows = connection.execute(statement("nli_contracts"), {"split": split})
    for name, document, part, text, offsets, sections in rows:
        contracts[document] = (name, part)
        spans[document] = list(_spans(name, document, text, offsets, sections))
    candidates = {document: {span.content_hash for span in pieces} for document, pieces in spans.items()}
    queries = []
    for document, hypothesis, wording, evidence in connection.execute(statement("nli_evidence")):
        relevant = frozenset(map(bytes, evidence)) & candidates.get(document, set())
        if relevant:
            name, part = contracts[document]
            queries.append(Query(name, document, str(hypothesis), wording, relevant, part))
    return queries, [span for pieces in spans.values() for span in pieces]


def _spans(
    name: str,
    document: UUID,
    text: str,
    offsets: Sequence[tuple[int, int]],
    sections: Sequence[tuple[str, int, int]],
) -> Iterable[Span]:
    around = most_shared(offsets, [(first, last) for _, first, last in sections])  # as the load does for records
    for number, ((start, end), section) in enumerate(zip(offsets, around, strict=True)):
        content = text[start:end]
        if content.strip():
            digest = None if section is None else bytes.fromhex(sections[section][0])
            yield Span(document, f"{name}:{number}", start, end, content, digest)


def some(queries: Sequence[Query], limit: int | None) -> list[Query]:
    """At most `limit` of the queries, in effect a random sample, and the same each time."""
    if limit is None or limit >= len(queries):
        return list(queries)
    sample = sorted(queries, key=lambda q: hashlib.sha256(f"{q.contract}\x1f{q.label}".encode()).digest())[:limit]
    return sorted(sample, key=lambda query: (query.contract, query.label))


def over_all(queries: Sequence[Query]) -> list[Query]:
    """One query for each label, over all contracts together."""
    by_label: dict[str, Query] = {}
    for query in queries:
        before = by_label.get(query.label)
        relevant = query.relevant | before.relevant if before else query.relevant
        by_label[query.label] = replace(query, contract=query.label, relevant=relevant, split=None)
    return list(by_label.values())

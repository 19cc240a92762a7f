"""What is in the corpus, counted for people: records, gaps, failures, runs. Frames of pandas, read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from psycopg import sql
from psycopg.rows import dict_row

from bootstrap_assets.corpus import overview
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.documents.states import SOURCE as DOCUMENTS
from bootstrap_assets.embedding import breakers, ledger
from bootstrap_assets.embedding import failures as letters
from bootstrap_assets.embedding.breakers import Breaker
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.sources.registry import SOURCES

statement = statements_of(__name__)

GRANULARITIES = ("document", "template", "section", "clause", "span")
"""From the largest unit to the smallest."""

RUNS = 10
"""How many of the last runs are shown."""


@dataclass(frozen=True)
class Contents:
    """The corpus in frames; the columns are those of the statements `report_*`.

    `records`: a row for each source, granularity, category, hypothesis and NLI label, with `records`,
    `embedded` (those with a vector) and `dead` (those that are dead letters). `spent`: by model and source.
    `failures`: dead letters that wait for somebody; `ignored`: how many do not. `invented`: the sources that hold
    the sample, with what to say of them.
    """

    records: pd.DataFrame
    documents: pd.DataFrame
    findings: pd.DataFrame
    failures: pd.DataFrame
    ignored: int
    sources: pd.DataFrame
    runs: pd.DataFrame
    spent: pd.DataFrame
    breakers: Sequence[Breaker]
    invented: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Records in all."""
        return int(self.records["records"].sum())

    @property
    def covered(self) -> pd.DataFrame:
        """By source: `records`, `embedded`, `dead` and `missing`, which have neither vector nor dead letter."""
        counts = self.records.groupby("source")[["records", "embedded", "dead"]].sum()
        return counts.assign(missing=counts["records"] - counts["embedded"] - counts["dead"])

    @property
    def by_granularity(self) -> pd.DataFrame:
        """Records by source (rows) and granularity (columns, the largest unit first)."""
        table = self.records.pivot_table(
            index="source", columns="granularity", values="records", aggfunc="sum", fill_value=0
        )
        return table.reindex(columns=[grain for grain in GRANULARITIES if grain in table.columns])

    def categories(self, source: str) -> pd.Series:
        """Records by category of a source, the most frequent first."""
        rows = self.records[(self.records["source"] == source) & self.records["category"].notna()]
        counted: pd.Series = rows.groupby("category")["records"].sum()
        return counted.sort_values(ascending=False, kind="stable")

    @property
    def labels(self) -> pd.DataFrame:
        """Evidence of ContractNLI: hypotheses (rows, by their short name) against labels (columns)."""
        rows = self.records[self.records["nli_label"].notna()]
        table = rows.pivot_table(
            index="category", columns="nli_label", values="records", aggfunc="sum", fill_value=0
        )
        return table.assign(total=table.sum(axis=1)).sort_values("total", ascending=False, kind="stable")

    def absent_labels(self, source: str) -> list[str]:
        """Official labels of a source that no record carries; none of a source that is not in the corpus."""
        rows = self.records[self.records["source"] == source]
        if rows.empty:
            return []
        present = {str(int(number)) for number in rows["hypothesis_id"].dropna()} | set(rows["category"].dropna())
        absent = [label for label in SOURCES[source].labels if label not in present]
        return [f"hypothesis {label}" if label.isdigit() else label for label in absent]


def read(connection: Connection, space: Space) -> Contents:
    """Read everything that is counted; vectors and dead letters are those of `space`."""
    parameters = {"space": space.id, "limit": RUNS}
    return Contents(
        records=_frame(connection, statement("report_records").format(vectors=space.vectors), parameters),
        documents=_frame(connection, statement("report_documents"), parameters),
        findings=_frame(connection, statement("report_findings"), parameters),
        failures=_frame(connection, statement("report_failures"), parameters),
        ignored=_ignored(connection, space),
        sources=_frame(connection, statement("report_sources"), parameters),
        runs=_frame(connection, statement("report_runs"), parameters),
        spent=_spent(connection),
        breakers=[breaker for breaker in breakers.listing(connection) if breaker.state != "closed"],
        invented=overview.invented(connection),
    )


def _frame(connection: Connection, query: sql.SQL | sql.Composed, parameters: Mapping[str, Any]) -> pd.DataFrame:
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(query, parameters)
        columns = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=pd.Index(columns))


def _ignored(connection: Connection, space: Space) -> int:
    """Dead letters of records that somebody chose to leave as they are."""
    return sum(
        letter["ignored"]
        and letter["source"] != DOCUMENTS
        and letter["resolved_at"] is None
        and (letter["stage"] == "parse" or bool(letter["source_id"]))
        for letter in letters.listing(connection, closed=True, space=space)
    )


def _spent(connection: Connection) -> pd.DataFrame:
    """The ledger by model and source, over all days."""
    counts = ["requests", "failed", "limited", "unanswered", "texts", "tokens"]
    rows = pd.DataFrame(
        ledger.costs(connection), columns=pd.Index(["model", "source", *counts, "dollars", "unsure_dollars"])
    )
    money = {name: rows[name].astype(float) for name in ("dollars", "unsure_dollars")}
    whole = {name: rows[name].astype(int) for name in counts}
    return rows.assign(**whole, **money).groupby(["model", "source"], dropna=False).sum().reset_index()

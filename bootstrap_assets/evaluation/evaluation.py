"""How good the search is, measured on labels, and whether it is as good as it was.

    index           recall against an exact search, by effort               evaluation/ann.py
    contract_nli    hypothesis -> evidence, among a contract's spans        evaluation/labelled.py, shadow.py
                    and among all contracts' spans together
    cuad            category -> clauses, among a contract's sections        evaluation/labelled.py

What ranks is the search's own SQL functions (evaluation/ranking.py), and some questions are asked of the whole
`search_reference`. Only the search of labels is not measured: they are the answers.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from psycopg.types.json import Jsonb

from bootstrap_assets.corpus import overview
from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.evaluation import baseline as baselines
from bootstrap_assets.evaluation.ann import QUERIES, WANTED, Curve, curve
from bootstrap_assets.evaluation.comparison import Compared, compare, describe
from bootstrap_assets.evaluation.questions import CUAD, NLI, Questions, Scope
from bootstrap_assets.evaluation.tasks import Task
from bootstrap_assets.evaluation.verdict import verdict
from bootstrap_assets.search import promotion
from bootstrap_assets.settings import Settings
from bootstrap_assets.stopping import Stop

statement = statements_of(__name__)


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of the space that is searched.

    `version` is the corpus' (reference_corpus_version). `whole_searches`: how many questions `search_reference`
    was asked, and for how many it gave other hits than the functions that are measured. `corpus` is ContractNLI
    over all contracts together. `invented`: the sources that hold the sample, with what to say of them.
    """

    at: datetime
    space: str
    version: str
    scope: Scope
    curve: Curve
    whole_searches: tuple[int, int]
    tasks: Mapping[str, Task]
    corpus: Task | None
    hypotheses: Mapping[str, str]
    compared: Compared
    left_out: tuple[str, ...]
    invented: Mapping[str, str]
    embedded: int
    seconds: float

    @property
    def failures(self) -> list[str]:
        """What is not as it should be, in words; empty where the search is as good as it was."""
        low = [
            f"the index finds {self.curve.chosen.recall_10:.1%} of the nearest 10 at ef_search "
            f"{self.curve.chosen.ef_search}, the greatest tried; {WANTED:.0%} is wanted"
        ]
        asked, differ = self.whole_searches
        other = [f"search_reference gave other hits than its parts, for {differ} of {asked} questions"]
        falls = [str(fall) for fall in self.compared.falls if not self.compared.accepted]
        return (low if not self.curve.ok else []) + (other if differ else []) + falls

    @property
    def ok(self) -> bool:
        """Whether the search is as good as it was, and the index good enough."""
        return not self.failures

    def document(self) -> dict[str, Any]:
        """As it is stored, printed with --json, and read by the report."""
        document = self._figures()
        return document | {"verdict": verdict(document)}

    def _figures(self) -> dict[str, Any]:
        return {
            "evaluated_at": self.at.isoformat(timespec="seconds"),
            "space": self.space,
            "corpus": self.version,
            "invented": dict(self.invented),
            "scope": {"limit": self.scope.limit, "split": self.scope.split},
            "ann": [point.document() for point in self.curve.points],
            "ann_queries": self.curve.queries,
            "ef_search": self.curve.chosen.ef_search,
            "whole_searches": dict(zip(("asked", "differ"), self.whole_searches, strict=True)),
            **({NLI: self._nli(self.tasks[NLI])} if NLI in self.tasks else {}),
            **({CUAD: self._cuad(self.tasks[CUAD])} if CUAD in self.tasks else {}),
            "baseline": describe(self.compared),
            "passed": self.ok,
            "failures": self.failures,
            "left_out": list(self.left_out),
            "texts_embedded": self.embedded,
            "seconds": round(self.seconds, 1),
        }

    def _nli(self, task: Task) -> dict[str, Any]:
        splits = task.by(lambda query: query.split)
        return task.document() | {
            "by_split": {
                split: {
                    name: {metric: by.rounded() for metric, by in task.means(name, rows).items()}
                    for name in task.scores
                }
                | {"queries": len(rows)}
                for split, rows in splits.items()
            },
            "by_hypothesis": [
                {"hypothesis_id": int(row.pop("label")), "hypothesis": self.hypotheses[label], **row}
                for row in task.labels()
                for label in [row["label"]]
            ],
            **(
                {"corpus": self.corpus.document() | {"contracts": len(task.by(lambda query: query.contract))}}
                if self.corpus
                else {}
            ),
        }

    def _cuad(self, task: Task) -> dict[str, Any]:
        rows = [{"category": row.pop("label"), **row} for row in task.labels()]
        return task.document() | {"by_category": rows}


def evaluate(
    database: Database,
    settings: Settings,
    *,
    scope: Scope | None = None,
    accept: bool = False,
    space: int | None = None,
    run_id: str | None = None,
    max_cost: float | None = None,
    stop: Stop | None = None,
) -> Evaluation:
    """Evaluate the search over a space (an id; None: the active one), and keep the figures with the space.

    One that is not active is compared with the baseline, and never becomes it. `accept`: what is measured
    becomes the baseline, whatever it is. What has to be embedded is entered in the
    ledger under `run_id` and costs at most `max_cost` dollars. Raises ConfigurationError where nothing is
    searched yet, SpaceError where there is no such space or it is not complete, SchemaError where there is no
    index, and what a Sender raises.
    """
    started, at = time.monotonic(), datetime.now(UTC)
    scope, stop = scope or Scope(), stop or Stop()
    candidate, searched = _space(database, space)
    work = Questions(database, settings, searched, scope, run_id or uuid4().hex, max_cost, stop)
    measured = curve(database, work.space, queries=min(QUERIES, scope.limit or QUERIES))
    tasks, corpus, hypotheses = work.tasks()
    compared = database.transact(
        partial(
            compare,
            space=work.space,
            tasks=tasks,
            corpus=corpus,
            accept=accept,
            whole=scope.whole,
            candidate=candidate,
        )
    )
    evaluation = Evaluation(
        at=at,
        space=work.space.name,
        version=database.transact(baselines.corpus_version),
        scope=scope,
        curve=measured,
        whole_searches=work.whole_searches(),
        tasks=tasks,
        corpus=corpus,
        hypotheses=hypotheses,
        compared=compared,
        left_out=tuple(
            f"{name}: no labelled contract of it is in the corpus" for name in (NLI, CUAD) if name not in tasks
        ),
        invented=database.transact(overview.invented),
        embedded=work.embedded,
        seconds=time.monotonic() - started,
    )
    if scope.whole:
        named = {"id": work.space.id, "quality": Jsonb(evaluation.document()), "tasks": [NLI, CUAD]}
        database.transact(lambda connection: connection.execute(statement("keep_quality"), named))
    return evaluation


def kept(connection: Connection) -> dict[str, Any] | None:
    """The document of the last evaluation of everything; None where the searched space has had none."""
    [document] = connection.execute(statement("kept_quality")).fetchone() or ({},)
    return document if document.get("evaluated_at") else None


def is_of_this_corpus(connection: Connection, document: Mapping[str, Any]) -> bool:
    """Whether that evaluation was of the texts that are there now."""
    return document.get("corpus") == baselines.corpus_version(connection)


def measured_on(invented: Mapping[str, str]) -> str:
    """What figures are worth that were measured where some sources hold the sample."""
    by_origin: dict[str, list[str]] = {}
    for source, origin in invented.items():
        by_origin.setdefault(origin, []).append(source)
    told = "; ".join(f"{origin}: {', '.join(sources)}" for origin, sources in by_origin.items())
    return f"Measured on what is no real contract ({told}): it shows that the search runs, not how good it is."


def _space(database: Database, number: int | None) -> tuple[bool, Space]:
    """Whether it is a candidate, which is not searched, and the space."""
    if number is not None:
        space = database.transact(partial(spaces.numbered, number=number))
        if space.state != "active":
            database.transact(partial(promotion.require_complete, space=space))
        return space.state != "active", space
    active = database.transact(spaces.active)
    if active is None:
        raise ConfigurationError("there is nothing to evaluate yet: run `bootstrap run` first")
    return False, active

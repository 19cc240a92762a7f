"""How good the search is, measured on labels, and whether it is as good as it was.

    index           recall against an exact search, by effort               evaluation/ann.py
    contract_nli    hypothesis -> evidence, among a contract's spans        evaluation/labels.py, shadow.py
                    and among all contracts' spans together
    cuad            category -> clauses, among a contract's sections        evaluation/labels.py

What ranks is the search's own SQL functions (evaluation/ranking.py), and some questions are asked of the whole
`search_reference`. Only the search of labels is not measured: they are the answers;
what scorers know of contracts that they never saw is (evaluation/known.py).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from uuid import uuid4

from psycopg.types.json import Jsonb

from bootstrap_assets.corpus import overview
from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.evaluation import baseline as baselines
from bootstrap_assets.evaluation.ann import QUERIES, TARGET_RECALL, Curve, curve
from bootstrap_assets.evaluation.comparison import Comparison, compare
from bootstrap_assets.evaluation.document import Document, Scope, WholeSearches, document_of
from bootstrap_assets.evaluation.known import measure_known
from bootstrap_assets.evaluation.questions import CUAD, NLI, Questions
from bootstrap_assets.evaluation.scores_of_tasks import (
    Apart,
    CategoryScores,
    CuadScores,
    HypothesisScores,
    NliScores,
    TaskScores,
    WrongContract,
)
from bootstrap_assets.evaluation.tasks import Task
from bootstrap_assets.evaluation.verdict import verdict
from bootstrap_assets.evaluation.wrong_contract import wrong_contracts
from bootstrap_assets.extras import needs_extra
from bootstrap_assets.search import promotion
from bootstrap_assets.settings import Settings
from bootstrap_assets.stopping import Stop

statement = statements_of(__name__)


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of the space that is searched.

    `version` is the corpus' (reference_corpus_version). `corpus` is ContractNLI over all contracts together.
    `invented`: the sources that hold the sample, with what to say of them.
    """

    at: datetime
    space: str
    version: str
    scope: Scope
    curve: Curve
    whole_searches: WholeSearches
    tasks: Mapping[str, Task]
    corpus: Task | None
    apart: Mapping[str, Apart]
    wrong_contract: Mapping[str, WrongContract]
    hypotheses: Mapping[str, str]
    comparison: Comparison
    left_out: tuple[str, ...]
    invented: Mapping[str, str]
    embedded: int
    seconds: float

    @property
    def failures(self) -> list[str]:
        """What is not as it should be, in words; empty where the search is as good as it was."""
        low = [
            f"the index finds {self.curve.operating_point.recall_10:.1%} of the nearest 10 at ef_search "
            f"{self.curve.operating_point.ef_search}, the greatest tried; {TARGET_RECALL:.0%} is wanted"
        ]
        differ = self.whole_searches.differ
        other = [
            f"search_reference gave other hits than its parts, for {differ} of {self.whole_searches.questions} "
            "questions"
        ]
        falls = [str(fall) for fall in self.comparison.falls if not self.comparison.accepted]
        return (low if not self.curve.ok else []) + (other if differ else []) + falls

    @property
    def ok(self) -> bool:
        """Whether the search is as good as it was, and the index good enough."""
        return not self.failures

    @cached_property
    def document(self) -> Document:
        """As it is kept, printed with --json, and read."""
        nli, cuad = self._nli(), self._cuad()
        baseline, failures = self.comparison.document(), self.failures
        tasks = {name: task for name, task in ((NLI, nli), (CUAD, cuad)) if task}
        return Document(
            evaluated_at=self.at,
            space=self.space,
            corpus=self.version,
            invented=self.invented,
            scope=self.scope,
            ann=self.curve.points,
            ann_queries=self.curve.queries,
            ef_search=self.curve.operating_point.ef_search,
            whole_searches=self.whole_searches,
            contract_nli=nli,
            cuad=cuad,
            baseline=baseline,
            passed=self.ok,
            failures=tuple(failures),
            left_out=self.left_out,
            texts_embedded=self.embedded,
            seconds=round(self.seconds, 1),
            verdict=verdict(tasks, baseline, failures),
        )

    def _nli(self) -> NliScores | None:
        task = self.tasks.get(NLI)
        if task is None:
            return None
        return NliScores(
            **dict(task.scores_of_task()),
            by_split={
                split or "null": task.list_scores(rows) for split, rows in task.by(lambda q: q.split).items()
            },
            by_hypothesis=tuple(
                HypothesisScores(
                    queries=row.queries,
                    scores=row.scores,
                    hypothesis_id=int(row.label),
                    hypothesis=self.hypotheses[row.label],
                )
                for row in task.labels()
            ),
            corpus=self._corpus(task),
            apart=self.apart.get(NLI, Apart()),
            wrong_contract=self.wrong_contract.get(NLI),
        )

    def _corpus(self, task: Task) -> TaskScores | None:
        """Over all contracts together; those contracts are counted, as its questions have none."""
        if self.corpus is None:
            return None
        contracts = len({query.contract for query in task.queries})
        return self.corpus.scores_of_task().model_copy(update={"contracts": contracts})

    def _cuad(self) -> CuadScores | None:
        task = self.tasks.get(CUAD)
        if task is None:
            return None
        rows = (
            CategoryScores(queries=row.queries, scores=row.scores, category=row.label) for row in task.labels()
        )
        return CuadScores(
            **dict(task.scores_of_task()),
            by_category=tuple(rows),
            apart=self.apart.get(CUAD, Apart()),
            wrong_contract=self.wrong_contract.get(CUAD),
        )


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
    points = curve(database, work.space, queries=min(QUERIES, scope.limit or QUERIES))
    tasks, corpus, hypotheses = work.tasks()
    comparison = database.transact(
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
        curve=points,
        whole_searches=work.whole_searches(),
        tasks=tasks,
        corpus=corpus,
        apart=_apart(database, work, tasks, scope, stop),
        wrong_contract=wrong_contracts(database, work, tasks, stop),
        hypotheses=hypotheses,
        comparison=comparison,
        left_out=tuple(
            f"{name}: no labelled contract of it is in the corpus" for name in (NLI, CUAD) if name not in tasks
        ),
        invented=database.transact(overview.invented),
        embedded=work.embedded,
        seconds=time.monotonic() - started,
    )
    if scope.whole:
        work.forget_others()
    database.transact(partial(_keep, evaluation=evaluation, space=work.space))
    return evaluation


def _keep(connection: Connection, *, evaluation: Evaluation, space: Space) -> None:
    """Of an evaluation of one split what it says of known questions, beside the last one of everything."""
    apart = {
        name: it.model_dump(mode="json", by_alias=True, exclude_none=True) for name, it in evaluation.apart.items()
    }
    parameters = {"id": space.id, "apart": Jsonb(apart), "corpus": evaluation.version, "tasks": [NLI, CUAD]}
    if evaluation.scope.whole:
        quality = Jsonb(evaluation.document.for_json())
        connection.execute(statement("keep_quality"), parameters | {"quality": quality})
    elif apart:
        connection.execute(statement("keep_apart"), parameters)


def last_evaluation(connection: Connection, space: Space | None = None) -> Document | None:
    """The last evaluation of everything in a space (None: in the active one); None where there was none.

    SchemaError where another version of the package kept it, in a form that is not read here.
    """
    row = connection.execute(statement("kept_quality"), {"space": space.id if space else None}).fetchone()
    return document_of(row[0]) if row else None


def is_of_this_corpus(connection: Connection, document: Document) -> bool:
    """Whether that evaluation was of the texts that are there now."""
    return document.corpus == baselines.corpus_version(connection)


def measured_on(invented: Mapping[str, str]) -> str:
    """What figures are worth that were measured where some sources hold the sample."""
    by_origin: dict[str, list[str]] = {}
    for source, origin in invented.items():
        by_origin.setdefault(origin, []).append(source)
    origins = "; ".join(f"{origin}: {', '.join(sources)}" for origin, sources in by_origin.items())
    return f"Measured on what is no real contract ({origins}): it shows that the search runs, not how good it is."


def _apart(
    database: Database, work: Questions, tasks: Mapping[str, Task], scope: Scope, stop: Stop
) -> dict[str, Apart]:
    """Questions by what knows them, where one whole split is evaluated: the others teach."""
    if scope.split is None or scope.limit is not None:
        return {}
    with needs_extra("labels", "an evaluation of one split, which trains scorers on the others,"):
        import sklearn  # noqa: F401
    return measure_known(database, work, tasks, scope.split, stop)


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

"""How good the search is, measured on labels, and whether it is as good as it was.

    index           recall against an exact search, by effort               search/ann.py
    contract_nli    hypothesis -> evidence, among a contract's spans        search/labelled.py, shadow.py
                    and among all contracts' spans together
    cuad            category -> clauses, among a contract's sections        search/labelled.py

What ranks is the search's own SQL functions (search/ranking.py), and some questions are asked of the whole
`search_reference`. Only the search of labels is not measured: they are the answers.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from psycopg.types.json import Jsonb

from bootstrap_assets.embed.choose import embedder_of
from bootstrap_assets.embed.protocol import InputType
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.gate import limiter_of
from bootstrap_assets.search import baseline as baselines
from bootstrap_assets.search import labelled
from bootstrap_assets.search.ann import QUERIES, WANTED, Curve, curve
from bootstrap_assets.search.baseline import Baseline, Fall
from bootstrap_assets.search.kept import Keeper
from bootstrap_assets.search.labelled import Query
from bootstrap_assets.search.query import embed_query
from bootstrap_assets.search.ranking import Question, question, rank, whole_search
from bootstrap_assets.search.shadow import shadowed
from bootstrap_assets.search.tasks import Task, score
from bootstrap_assets.search.verdict import verdict
from bootstrap_assets.send import Patience, Sender
from bootstrap_assets.settings import Settings
from bootstrap_assets.stopping import Stop
from bootstrap_assets.store import overview, spaces
from bootstrap_assets.store.database import Connection, Database
from bootstrap_assets.store.ledger import Payer
from bootstrap_assets.store.spaces import Space
from bootstrap_assets.store.statements import statement
from bootstrap_assets.store.vectors import Vectors

NLI, CUAD = "contract_nli", "cuad"
NLI_METRICS = ("R@5", "R@10", "MRR", "nDCG@10")
CUAD_METRICS = ("R@5", "R@10", "P@5", "MRR", "nDCG@10")
CORPUS_METRICS = (*NLI_METRICS, "P@10")
"""Over all contracts together dozens of spans are right, and no list of 10 can hold them: precision tells more."""

CORPUS_DEPTH = 100

OVER_ALL = "contract_nli over all contracts"
"""What ContractNLI over all contracts together is called in the baseline."""

WHOLE_SEARCHES = 20
"""Questions that are asked of `search_reference` too."""

SOURCE = "evaluate"
"""What is embedded for an evaluation is entered as in the ledger."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is evaluated: so many queries of each kind (None: all), contracts of one split of ContractNLI."""

    limit: int | None = None
    split: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all. A part is compared with the baseline, and kept nowhere."""
        return self.limit is None and self.split is None


@dataclass(frozen=True)
class Compared:
    """The baseline, how many of the contracts it has too, and what has fallen since.

    `baseline` is None where there was none, `accepted` whether these scores are the baseline from now on.
    """

    baseline: Baseline | None
    same_search: bool
    contracts: int
    shared: int
    falls: Sequence[Fall]
    accepted: bool

    @property
    def judged(self) -> bool:
        """Whether it was measured on half of these contracts at least."""
        return 2 * self.shared >= self.contracts


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
            "baseline": _told(self.compared),
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
    run_id: str | None = None,
    max_cost: float | None = None,
    stop: Stop | None = None,
) -> Evaluation:
    """Evaluate the search over the active space, and keep the figures with the space.

    `accept`: what is measured becomes the baseline, whatever it is. What has to be embedded is entered in the
    ledger under `run_id` and costs at most `max_cost` dollars. Raises ConfigurationError where nothing is
    searched yet, SchemaError where there is no index, and what a Sender raises.
    """
    started, at = time.monotonic(), datetime.now(UTC)
    scope, stop = scope or Scope(), stop or Stop()
    work = _Work(database, settings, _searched(database), scope, run_id or uuid4().hex, max_cost, stop)
    measured = curve(database, work.space, queries=min(QUERIES, scope.limit or QUERIES))
    tasks, corpus, hypotheses = work.tasks()
    compared = database.transact(
        partial(_compare, space=work.space, tasks=tasks, corpus=corpus, accept=accept, whole=scope.whole)
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


def _searched(database: Database) -> Space:
    space = database.transact(spaces.active)
    if space is None:
        raise ConfigurationError("there is nothing to evaluate yet: run `bootstrap run` first")
    return space


def _compare(
    connection: Connection,
    space: Space,
    tasks: Mapping[str, Task],
    corpus: Task | None,
    *,
    accept: bool,
    whole: bool,
) -> Compared:
    known = baselines.stored(connection)
    accepted = whole and bool(tasks) and (accept or known is None)
    same = known is None or known.search == baselines.search_functions(connection)
    every = {**tasks, **({OVER_ALL: corpus} if corpus and whole else {})}
    # Over all contracts a question has other answers as soon as one contract more is there.
    comparable = every if known and known.corpus == baselines.corpus_version(connection) else tasks
    found = baselines.falls(known, comparable) if known else []
    shared = baselines.shared(known, tasks) if known else 0
    if accepted:
        baselines.store(connection, space, every)
    contracts = len({query.contract for task in tasks.values() for query in task.queries})
    return Compared(known, same, contracts, shared, found, accepted)


def _told(compared: Compared) -> dict[str, Any]:
    known = compared.baseline
    return {
        "measured_at": known.measured_at.isoformat(timespec="seconds") if known else None,
        "space": known.space if known else None,
        "same_search": compared.same_search,
        "contracts": compared.shared,
        "judged": compared.judged,
        "accepted": compared.accepted,
        "falls": [
            {
                "task": fall.task,
                "list": fall.list,
                "metric": fall.metric,
                "before": round(fall.before, 4),
                "now": round(fall.now, 4),
                "difference": fall.difference.rounded(),
            }
            for fall in compared.falls
        ],
    }


class _Work:
    """The questions of both data sets, asked and scored."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        space: Space,
        scope: Scope,
        run_id: str,
        max_cost: float | None,
        stop: Stop,
    ) -> None:
        self.space = space
        self._database = database
        self._settings = settings
        self._scope = scope
        self._stop = stop.child()
        self._run_id = run_id
        self._max_cost = max_cost
        self._questions: dict[str, Question] = {}
        self._vectors: dict[str, Vectors] = {}
        self._embedded: list[int] = []

    @property
    def embedded(self) -> int:
        """How many texts had to be embedded."""
        return sum(self._embedded)

    def tasks(self) -> tuple[dict[str, Task], Task | None, dict[str, str]]:
        """The tasks there are labels for, ContractNLI over all contracts, and the wording of its hypotheses."""
        with ThreadPoolExecutor(2, thread_name_prefix="evaluate") as pool:  # it is the server that works
            try:
                first, second = pool.submit(self._contract_nli), pool.submit(self._cuad)
                (nli, corpus, hypotheses), cuad = first.result(), second.result()
            except BaseException:
                self._stop.set()
                raise
        found = {NLI: nli, CUAD: cuad}
        return {name: task for name, task in found.items() if task}, corpus, hypotheses

    def _contract_nli(self) -> tuple[Task | None, Task | None, dict[str, str]]:
        read = partial(labelled.contract_nli, split=self._scope.split)
        every, spans = self._database.transact(read)
        queries = labelled.some(every, self._scope.limit)
        if not queries:
            return None, None, {}
        chosen = {query.document for query in queries}
        spans = [span for span in spans if span.document in chosen]
        together = labelled.over_all([query for query in every if query.document in chosen])
        questions = self._ask([*queries, *together])
        self._embedded.append(self._keeper(InputType.DOCUMENT).embed(span.content for span in spans))
        ranked = partial(rank, questions=questions, granularity="span", stop=self._stop)
        with shadowed(self._database, self.space, spans) as connection:
            task = score(NLI_METRICS, queries, ranked(connection, queries))
            over_all = ranked(connection, together, within=False, depth=CORPUS_DEPTH)
        corpus = score(CORPUS_METRICS, together, over_all)
        return task, corpus, {query.label: query.text for query in together}

    def _cuad(self) -> Task | None:
        queries = labelled.some(self._database.transact(labelled.cuad), self._scope.limit)
        if not queries:
            return None
        questions = self._ask(queries)
        with self._database.connection() as connection:
            ranked = rank(connection, queries, questions, granularity="section", stop=self._stop)
        return score(CUAD_METRICS, queries, ranked)

    def _ask(self, queries: Sequence[Query]) -> dict[str, Question]:
        """What the search makes of each text, on the corpus as it is."""
        texts = [text for text in dict.fromkeys(query.text for query in queries) if text not in self._questions]
        kept = self._paid_once(texts)
        for text in texts:
            vector = kept.get(text)
            if vector is None:
                vector = embed_query(self._database, self._settings, self.space, text)
            self._vectors[text] = vector
            self._questions[text] = self._database.transact(partial(question, text=text, vector=vector))
        return self._questions

    def whole_searches(self) -> tuple[int, int]:
        """How many questions `search_reference` was asked, and for how many it gave other hits than its parts."""
        asked = list(self._vectors.items())[:: max(1, len(self._vectors) // WHOLE_SEARCHES)][:WHOLE_SEARCHES]
        with self._database.connection() as connection:
            found = [whole_search(connection, text, vector) for text, vector in asked]
        return len(found), sum(whole != parts for whole, parts in found)

    def _paid_once(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """Vectors of questions, where they cost: those of a local model follow the corpus, and are made anew."""
        keeper = self._keeper(InputType.QUERY)
        if not keeper.embedder.model.dollars:
            return {}
        self._embedded.append(keeper.embed(texts))
        return keeper.vectors(texts)

    def _keeper(self, input_type: InputType) -> Keeper:
        settings, space = self._settings, self.space
        embedder = embedder_of(settings, space.provider, space.model, space.dimensions)
        sender = Sender(
            self._database,
            embedder,
            space,
            SOURCE,
            payer=Payer(limiter_of(embedder), self._run_id, self._max_cost),
            patience=Patience(settings.retries, settings.retry_seconds, settings.breaker_seconds),
            stop=self._stop,
        )
        return Keeper(self._database, space, embedder, sender, input_type)

"""The questions of both data sets, asked of the search and scored."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bootstrap_assets.database.connection import Database
from bootstrap_assets.embedding.choose import embedder_of
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.loose_texts import LooseTexts
from bootstrap_assets.embedding.providers.protocol import InputType
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.embedding.vectors import Vectors
from bootstrap_assets.evaluation import labels
from bootstrap_assets.evaluation.document import Scope, WholeSearches
from bootstrap_assets.evaluation.labels import Query
from bootstrap_assets.evaluation.ranking import Question, question, rank, whole_search
from bootstrap_assets.evaluation.shadow import shadow
from bootstrap_assets.evaluation.tasks import Task, score
from bootstrap_assets.search.query import embed_query
from bootstrap_assets.settings import Settings
from bootstrap_assets.stopping import Stop

NLI, CUAD = "contract_nli", "cuad"


NLI_METRICS = ("R@5", "R@10", "MRR", "nDCG@10", "mAP", "P@R80")


CUAD_METRICS = ("R@5", "R@10", "P@5", "MRR", "nDCG@10", "mAP", "P@R80")


CORPUS_METRICS = ("R@5", "R@10", "MRR", "nDCG@10", "P@10")
"""Over all contracts together dozens of spans are right, and no list of 10 can hold them: precision says more."""


CORPUS_DEPTH = 100


OVER_ALL = "contract_nli over all contracts"
"""What ContractNLI over all contracts together is called in the baseline."""


WHOLE_SEARCHES = 20
"""Questions that are asked of `search_reference` too."""


SOURCE = "evaluate"
"""What is embedded for an evaluation is entered as in the ledger."""


class Questions:
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
        self._spans: set[str] = set()
        self._embedded: list[int] = []

    @property
    def embedded(self) -> int:
        """How many texts had to be embedded."""
        return sum(self._embedded)

    @property
    def is_free(self) -> bool:
        """Whether the space's model embeds a question for nothing."""
        return self._loose(InputType.QUERY).corpus.embedder.model.is_free

    def tasks(self) -> tuple[dict[str, Task], Task | None, dict[str, str]]:
        """The tasks there are labels for, ContractNLI over all contracts, and the wording of its hypotheses."""
        with ThreadPoolExecutor(2, thread_name_prefix="evaluate") as pool:  # it is the server that works
            try:
                first, second = pool.submit(self._contract_nli), pool.submit(self._cuad)
                (nli, corpus, hypotheses), cuad = first.result(), second.result()
            except BaseException:
                self._stop.set()
                raise
        return {name: task for name, task in {NLI: nli, CUAD: cuad}.items() if task}, corpus, hypotheses

    def _contract_nli(self) -> tuple[Task | None, Task | None, dict[str, str]]:
        read = partial(labels.contract_nli, split=self._scope.split)
        every, spans = self._database.transact(read)
        queries = labels.some(every, self._scope.limit)
        if not queries:
            return None, None, {}
        documents = {query.document for query in queries}
        spans = [span for span in spans if span.document in documents]
        together = labels.over_all([query for query in every if query.document in documents])
        questions = self.ask([*queries, *together])
        self._spans = {span.content for span in spans}
        self._embedded.append(self._loose(InputType.DOCUMENT).embed(self._spans))
        ranked = partial(rank, questions=questions, granularity="span", stop=self._stop)
        with shadow(self._database, self.space, spans) as connection:
            task = score(NLI_METRICS, queries, ranked(connection, queries))
            over_all = ranked(connection, together, within=False, depth=CORPUS_DEPTH)
        corpus = score(CORPUS_METRICS, together, over_all)
        return task, corpus, {query.label: query.text for query in together}

    def _cuad(self) -> Task | None:
        queries = labels.some(self._database.transact(labels.cuad), self._scope.limit)
        if not queries:
            return None
        questions = self.ask(queries)
        with self._database.connection() as connection:
            ranked = rank(
                connection, queries, questions, granularity="section", stop=self._stop, space=self.space.id
            )
        return score(CUAD_METRICS, queries, ranked)

    def ask(self, queries: Sequence[Query]) -> dict[str, Question]:
        """What the search makes of each text, on the corpus as it is."""
        texts = [text for text in dict.fromkeys(query.text for query in queries) if text not in self._questions]
        vectors = self._paid_once(texts)
        for text in texts:
            vector = vectors.get(text)
            if vector is None:
                vector = embed_query(self._database, self._settings, self.space, text)
            self._vectors[text] = vector
            self._questions[text] = self._database.transact(
                partial(question, space=self.space.id, text=text, vector=vector)
            )
        return self._questions

    def whole_searches(self) -> WholeSearches:
        """Ask some of the questions of `search_reference` too."""
        some = list(self._vectors.items())[:: max(1, len(self._vectors) // WHOLE_SEARCHES)][:WHOLE_SEARCHES]
        with self._database.connection() as connection:
            hits = [whole_search(connection, self.space.id, text, vector) for text, vector in some]
        return WholeSearches(questions=len(hits), differ=sum(whole != parts for whole, parts in hits))

    def forget_others(self) -> None:
        """Drop the vectors kept for evaluations before that these tasks, which have to be all, no longer need."""
        self._loose(InputType.DOCUMENT).forget_others(self._spans)
        self._loose(InputType.QUERY).forget_others(self._vectors)

    def _paid_once(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """Vectors of questions, where they cost: those of a free model follow the corpus, and are made anew."""
        questions = self._loose(InputType.QUERY)
        if self.is_free:
            return {}
        self._embedded.append(questions.embed(texts))
        return questions.vectors(texts)

    def _loose(self, input_type: InputType) -> LooseTexts:
        settings, space = self._settings, self.space
        embedder = embedder_of(settings, space.provider, space.model, space.dimensions)
        corpus = Corpus(settings, self._database, embedder, space, self._run_id, self._max_cost, self._stop)
        return LooseTexts(corpus, SOURCE, input_type)

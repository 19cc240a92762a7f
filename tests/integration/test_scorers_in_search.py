"""What scorers say of each text of the corpus, and the list that a query gains which means a label."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bootstrap_assets import pipeline
from bootstrap_assets.cli import bootstrap
from bootstrap_assets.corpus import records as corpus_records
from bootstrap_assets.corpus.records import Granularity, ParsedDocument, Record
from bootstrap_assets.embedding import context
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.evaluation import answers, label_lists, labels
from bootstrap_assets.evaluation.document import Document, Scope
from bootstrap_assets.evaluation.evaluation import evaluate, last_evaluation
from bootstrap_assets.evaluation.questions import Questions
from bootstrap_assets.labels import documents, likelihoods, store, training
from bootstrap_assets.report import page
from bootstrap_assets.repositories import records
from bootstrap_assets.search.query import Filters, Hit, Mode, Ranking, search
from bootstrap_assets.settings import Settings, load_settings
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.stopping import Stop
from tests.integration import labelled_contracts
from tests.integration.test_documents import add_tenant, put, rows
from tests.integration.test_labels import CONTRACT, LAW

QUESTION = "Which state's law governs the interpretation of the contract?"

NORWEGIAN = (
    "Denne avtalen er underlagt norsk rett, og partene vedtar Oslo tingrett som verneting for alle tvister. "
)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_contracts.write(tmp_path_factory.mktemp("labels"))


@pytest.fixture
def settings(database_url: str, archives: Path, tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path, database_url=database_url, data=str(archives))


@pytest.fixture
def corpus(settings: Settings) -> Iterator[Corpus]:
    """The labelled contracts with their vectors, and the scorers that they taught."""
    with context.open_corpus(settings) as corpus:
        pipeline.bootstrap(corpus, [SOURCES["cuad"], SOURCES["contract_nli"]])
        training.train_all(corpus.database, SOURCES.values())
        yield corpus


def hits_of(corpus: Corpus, query: str, **options: object) -> list[Hit]:
    return search(corpus.database, corpus.settings, query, k=20, fold=False, **options)  # type: ignore[arg-type]


def execute(corpus: Corpus, statement: str) -> None:
    corpus.database.transact(lambda connection: connection.execute(statement.encode()))


def test_a_query_that_means_a_label_gains_its_scorers_list_and_the_hits_say_so(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query in (QUESTION, "governing law", "What law governs this contract?"):
        first, *_ = hits = hits_of(corpus, query)
        assert first.scorer
        assert (first.scorer["source"], first.scorer["category"]) == ("cuad", "Governing Law")
        assert first.scorer["probability"] > 0.5
        assert first.score > max([hit.score for hit in hits if not hit.scorer], default=0)
    [first, *_] = hits_of(corpus, QUESTION)
    assert first.scorer
    assert first.score >= first.scorer["probability"] - 0.001
    monkeypatch.setenv("BOOTSTRAP_HOME", str(corpus.settings.home))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", corpus.database.url)
    assert "by its scorer Governing Law" in CliRunner().invoke(bootstrap, ["search", QUESTION]).output
    [hypothesis] = {hit.scorer["hypothesis_id"] for hit in hits_of(corpus, "selling honey on") if hit.scorer}
    assert hypothesis == 1
    for options in ({"mode": Mode.TEXT}, {"ranking": Ranking(fusion_constant=10)}):
        assert hits_of(corpus, QUESTION, **options)[0].scorer
    assert not any(hit.scorer for hit in hits_of(corpus, QUESTION, mode=Mode.VECTOR))


def test_a_query_that_means_no_label_gains_nothing_and_neither_does_any_without_scorers(corpus: Corpus) -> None:
    for query in ("saddle and ribbon of the receiver", "force majeure"):
        assert not any(hit.scorer for hit in hits_of(corpus, query))
    assert not any(hit.scorer for hit in hits_of(corpus, QUESTION, ranking=Ranking(search_labels=False)))
    hits = hits_of(corpus, query := "saddle and ribbon of the receiver")
    execute(corpus, "DELETE FROM label_features")
    assert hits_of(corpus, query) == hits
    assert rows(corpus, "SELECT count(*) FROM label_likelihoods") == [(0,)]
    assert not any(hit.scorer for hit in hits_of(corpus, QUESTION))


def test_the_list_passes_the_filters_of_the_search(corpus: Corpus) -> None:
    spans = hits_of(corpus, QUESTION, filters=Filters(granularities=("span",)))
    assert {hit.granularity for hit in spans} <= {"span"}
    quoted = hits_of(corpus, f'{QUESTION} "article 3"')
    assert quoted
    assert all("article 3" in hit.content for hit in quoted)
    likely = rows(
        corpus,
        "SELECT content FROM reference_texts WHERE content_hash = ANY (reference_likely_texts("
        "('cuad', 'Governing Law', '', 0, 1), "
        "(NULL, NULL, '{clause}', NULL, NULL, reference_phrase('article 3')), 50))",
    )
    assert likely
    assert all("article 3" in content for (content,) in likely)
    [one] = {hit.document for hit in hits_of(corpus, QUESTION)[:1]}
    inside = hits_of(corpus, QUESTION, filters=Filters(documents=(one,)))
    assert {hit.document for hit in inside} == {one}
    assert inside[0].scorer


def test_what_scorers_have_read_is_not_read_again_and_what_changed_is(corpus: Corpus) -> None:
    assert likelihoods.read_all(corpus.database, Stop()) == 0
    execute(
        corpus, "DELETE FROM reference_records WHERE source_id = (SELECT min(source_id) FROM reference_records)"
    )
    assert likelihoods.read_all(corpus.database, Stop()) == 1
    execute(
        corpus,
        "DELETE FROM label_readings WHERE document_id = (SELECT min(document_id::text)::uuid FROM label_readings)",
    )
    pipeline.build_index(corpus)
    assert likelihoods.read_all(corpus.database, Stop()) == 0
    [(documents_there,)] = rows(corpus, "SELECT count(*) FROM reference_documents")
    training.train_all(corpus.database, SOURCES.values(), force=True)
    assert rows(corpus, "SELECT count(*), count(DISTINCT scorers) FROM label_readings") == [(documents_there, 1)]


def test_records_are_looked_at_where_some_were_loaded_or_scorers_trained_since(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    statement = likelihoods.statement

    def noted(name: str) -> Any:
        names.append(name)
        return statement(name)

    monkeypatch.setattr(likelihoods, "statement", noted)

    def read() -> tuple[int, bool]:
        names.clear()
        return likelihoods.read_new(corpus.database, Stop()), "documents_to_weigh" in names

    assert [read(), read()] == [(0, True), (0, False)]
    training.train_all(corpus.database, SOURCES.values(), force=True)
    assert [read(), read()] == [(0, True), (0, False)]
    more = load_settings(
        home=corpus.settings.home,
        database_url=corpus.database.url,
        data=str(labelled_contracts.write(tmp_path, 13)),
    )
    pipeline.load(corpus, SOURCES["cuad"], locate.fetch(more, SOURCES["cuad"]))
    assert [read(), read()] == [(1, True), (0, False)]
    execute(
        corpus, "DELETE FROM label_readings WHERE document_id = (SELECT document_id FROM label_readings LIMIT 1)"
    )
    assert [read(), read()] == [(1, True), (0, False)]
    add_tenant(corpus, "acme")
    put(corpus, "acme", "contract.txt", CONTRACT.encode())
    documents.process(corpus, "acme")
    assert read() == (0, False)


def test_files_of_repositories_are_not_read_as_contracts(corpus: Corpus) -> None:
    file = made_up_document(records.SOURCE, "project/notes.md", CONTRACT)
    pipeline.load_documents(corpus, records.SOURCE, [file])
    assert likelihoods.read_all(corpus.database, Stop()) == 0
    pipeline.load_documents(corpus, "another", [made_up_document("another", "notes.md", CONTRACT)])
    assert likelihoods.read_all(corpus.database, Stop()) == 1


def made_up_document(source: str, name: str, text: str) -> ParsedDocument:
    document = corpus_records.Document(source, name, name, text, "", "", "")
    whole = Record(source, name, document.id, Granularity.SECTION, text, 0, len(text))
    return ParsedDocument(document, (whole,))


def test_a_label_that_was_renamed_is_asked_for_by_its_name_as_soon_as_scorers_are_trained(corpus: Corpus) -> None:
    def categories(query: str) -> set[str]:
        return {hit.scorer["category"] for hit in hits_of(corpus, query, mode=Mode.TEXT) if hit.scorer}

    execute(corpus, "UPDATE reference_records SET category = 'Forum' WHERE category = 'Governing Law'")
    assert (categories("governing law"), categories("forum")) == ({"Governing Law"}, set())
    training.train_all(corpus.database, SOURCES.values())
    assert categories("forum") == {"Forum"}
    assert rows(corpus, "SELECT count(*) FROM label_likelihoods WHERE label = 'Governing Law'") == [(0,)]


def test_a_tenants_document_is_listed_for_the_tenant_and_goes_with_it(corpus: Corpus) -> None:
    add_tenant(corpus, "acme")
    put(corpus, "acme", "contract.txt", CONTRACT.encode())
    documents.process(corpus, "acme")
    own = [hit for hit in hits_of(corpus, QUESTION, filters=Filters(tenant="acme")) if hit.tenant_id]
    assert LAW in own[0].content
    assert own[0].scorer
    assert not [hit for hit in hits_of(corpus, QUESTION) if hit.tenant_id]
    execute(corpus, "DELETE FROM reference_documents WHERE tenant_id = 'acme'")
    assert rows(corpus, "SELECT count(*) FROM label_likelihoods WHERE pile <> ''") == [(0,)]


def test_of_a_contract_in_another_language_nothing_is_said_to_be_likely(corpus: Corpus) -> None:
    with corpus.database.connection() as connection:
        scorers = likelihoods.scorers_of(connection)
    english = likelihoods.contract_of(None, "en", None, CONTRACT, None)  # type: ignore[arg-type]
    norwegian = replace(english, text=NORWEGIAN * 40 + CONTRACT, pieces=((0, 99), (len(NORWEGIAN) * 40, 9999)))
    says = [
        max(it.probability for it in those) for those in likelihoods.of_contracts(scorers, [english, norwegian])
    ]
    assert says[0] > 0.5 > says[1]


def test_an_evaluation_tells_known_questions_from_those_that_no_scorer_knows(corpus: Corpus) -> None:
    split = "UPDATE reference_documents SET metadata = metadata || '{\"split\": \"dev\"}' WHERE source_id < '3'"
    execute(corpus, split)
    evaluate(corpus.database, corpus.settings)
    execute(corpus, "DELETE FROM label_features")  # what is stored says nothing: it was trained on what is asked
    evaluation = evaluate(corpus.database, corpus.settings, scope=Scope(split="dev"))
    [nli, cuad] = evaluation.document.tasks.values()
    for task in (nli, cuad):
        assert list(task.apart.lists) == ["known", "left_out", "ablated", "by_scorers"]
        assert task.apart.lists["ablated"]["MRR"] == task.hybrid["MRR"]
        assert task.wrong_contract
    by_lists, left_out = (nli.apart.lists[name]["mAP"].mean for name in ("known", "left_out"))
    assert by_lists > 0.9
    assert by_lists >= left_out
    with corpus.database.connection() as connection:
        kept = last_evaluation(connection)
    html = corpus.database.transact(lambda connection: page.render(page.gather(connection, "a test")))
    assert kept
    assert kept.tasks["contract_nli"].apart == nli.apart
    assert kept.scope.split is None
    assert Document.model_validate(kept.for_json()) == kept
    assert "nothing knows the label that is asked about" in html


def test_a_label_that_is_left_out_lends_its_question_no_list(corpus: Corpus) -> None:
    with corpus.database.connection() as connection:
        wordings = store.wordings(connection, SOURCES["cuad"])
        query = next(query for query in labels.cuad(connection) if query.label == "Governing Law")
        sections = [digest for _, digest in answers.sections_of(connection)[query.document]]
    wrong = next(digest for digest in sections if digest not in query.relevant)
    work = Questions(
        corpus.database, corpus.settings, corpus.space, Scope(), run_id="a test", max_cost=None, stop=Stop()
    )
    answer = answers.Answer(query.contract, query.document, query.label, query.relevant, {wrong: 0.99})
    rank = partial(
        label_lists.rank, queries=[query], questions=work.ask([query]), granularity="section", stop=Stop()
    )
    with label_lists.session(corpus.database) as connection:
        label_lists.stand_in(connection, wordings, [answer])
        assert rank(connection)[0][0] == wrong
        assert rank(connection, left_out=True)[0][0] in query.relevant
        assert rank(connection)[0][0] == wrong

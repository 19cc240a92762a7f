"""The evaluation: right figures on contracts whose answers are known, and a verdict that sees a broken search."""

import json
from collections.abc import Sequence
from math import log2

import numpy as np
import pytest
from click.testing import CliRunner

from bootstrap_assets.cli import bootstrap
from bootstrap_assets.database.connection import Database
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.providers.local import LocalEmbedder
from bootstrap_assets.embedding.providers.protocol import Embeddings, InputType
from bootstrap_assets.errors import BudgetError, ConfigurationError, RefusedError, SchemaError, StoppedError
from bootstrap_assets.evaluation.document import Scope
from bootstrap_assets.evaluation.evaluation import Evaluation, evaluate, is_of_this_corpus
from bootstrap_assets.report import quality
from bootstrap_assets.stopping import Stop
from tests.fakes.voyage_server import VoyageServer
from tests.integration import labelled_contracts
from tests.integration.labelled_contracts import HYPOTHESES, QUESTIONS
from tests.integration.test_fill import column
from tests.integration.test_index import local_space
from tests.prepared import LABELLED_CONTRACTS as CONTRACTS
from tests.prepared import labelled

QUALITY = "SELECT quality FROM embedding_spaces WHERE state = 'active'"


def filled(corpus: Corpus, *sources: str) -> Corpus:
    labelled(corpus, *sources or ("contract_nli", "cuad"))
    return corpus


@pytest.fixture
def local(labelled_locally: None, corpus: Corpus) -> Corpus:
    """The made-up contracts with local vectors, ready to be searched."""
    return local_space(corpus)


def run(corpus: Corpus, limit: int | None = None, *, accept: bool = False) -> Evaluation:
    return evaluate(corpus.database, corpus.settings, scope=Scope(limit), accept=accept)


def execute(corpus: Corpus, query: str) -> None:
    with corpus.database.connection() as connection:
        connection.execute(query.replace("VECTORS", corpus.space.table))  # type: ignore[arg-type]


def rewrite(corpus: Corpus, function: str, old: str, new: str) -> None:
    """Replace a part of a SQL function of the search."""
    [source] = column(corpus, f"SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = '{function}'")
    assert old in str(source)
    execute(corpus, str(source).replace(old, new))


def test_a_search_that_finds_everything_scores_one(local: Corpus) -> None:
    found = run(local)
    assert found.ok
    assert {name: len(task.queries) for name, task in found.tasks.items()} == {
        "contract_nli": 2 * CONTRACTS,
        "cuad": 2 * CONTRACTS,
    }
    for task in found.tasks.values():
        for listed in ("vector", "text", "hybrid"):
            means = {metric: interval.mean for metric, interval in task.means(listed).items()}
            assert means["R@5"] == 1, listed
            assert means["MRR"] > 0.8, listed
    assert found.tasks["cuad"].means("hybrid")["P@5"].mean == pytest.approx(0.2)  # one right section of five shown
    assert found.corpus is not None
    assert len(found.corpus.queries) == 2
    assert found.corpus.means("text")["P@10"].mean == pytest.approx(CONTRACTS / 10)


class AnglesEmbedder(LocalEmbedder):
    """A plane instead of meanings: queries lie at 0, evidence at 0.4, three decoys nearer, all else far away."""

    def embed(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        angles = np.array([self._angle(text) for text in texts])
        vectors = np.zeros((len(texts), self.model.dimensions), dtype=np.float32)
        vectors[:, 0], vectors[:, 1] = np.cos(angles), np.sin(angles)
        return Embeddings(vectors, len(texts))

    def _angle(self, text: str) -> float:
        if text in labelled_contracts.HYPOTHESES.values():
            return 0.0
        if text.startswith(("Honey", "Within")):
            return 0.4
        return 0.2 if text.startswith("Any party") else 1.5


def test_the_metrics_are_those_worked_out_by_hand(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalEmbedder, "embed", AnglesEmbedder.embed)
    monkeypatch.setattr(LocalEmbedder, "_angle", AnglesEmbedder._angle, raising=False)
    task = run(filled(local_space(corpus), "contract_nli")).tasks["contract_nli"]
    means = task.means("vector")
    # Three decoys come first; then both pieces of evidence, as far as each other: the right one is 4th or 5th.
    places = task.scores["vector"][:, task.metrics.index("MRR")]
    assert set(np.round(1 / places)) <= {4, 5}
    assert means["R@5"].mean == means["R@10"].mean == 1
    assert means["MRR"].mean == pytest.approx(places.mean())
    gains = [1 / log2(round(1 / place) + 1) for place in places]
    assert means["nDCG@10"].mean == pytest.approx(np.mean(gains))


def test_two_kinds_of_label_for_one_contract_are_two_queries_and_blank_spans_no_candidates(local: Corpus) -> None:
    queries = run(local).tasks["contract_nli"].queries
    assert [query.label for query in queries if query.contract == "3"] == ["1", "2"]
    kept = column(local, "SELECT count(*) FROM evaluation_vectors")
    spans = len({text for text in _spans(local) if text.strip()})
    assert kept == [spans - 2 * CONTRACTS]  # the evidence is in the corpus


def _spans(corpus: Corpus) -> list[str]:
    query = (
        "SELECT substr(raw_text, (s ->> 0)::int + 1, (s ->> 1)::int - (s ->> 0)::int) FROM reference_documents, "
        "jsonb_array_elements(metadata -> 'spans') s"
    )
    return [str(text) for text in column(corpus, query)]


def test_the_spans_are_what_is_searched_also_where_temporary_tables_come_last(local: Corpus) -> None:
    assert local.settings.database_url
    hardened = local.settings.database_url.get_secret_value() + "&options=-csearch_path%3Dpublic%2Cpg_temp"
    plain = run(local).document.contract_nli
    with Database(hardened, size=4) as database:
        assert evaluate(database, local.settings).document.contract_nli == plain


def test_an_evaluation_changes_nothing_in_the_corpus(local: Corpus) -> None:
    rows = (
        "SELECT (SELECT string_agg((id, xmin)::text, '' ORDER BY id) FROM reference_records) || "
        "(SELECT string_agg((content_hash, xmin)::text, '' ORDER BY content_hash) FROM reference_texts) || "
        "(SELECT string_agg((content_hash, xmin)::text, '' ORDER BY content_hash) FROM VECTORS)"
    )
    before = column(local, rows)
    run(local)
    assert column(local, rows) == before


def test_the_figures_are_kept_with_the_space_beside_what_was_there(local: Corpus) -> None:
    execute(local, """UPDATE embedding_spaces SET quality = '{"kept": 1, "ann": []}'""")
    found = run(local)
    [stored] = column(local, QUALITY)
    assert isinstance(stored, dict)
    assert stored == {"kept": 1} | json.loads(json.dumps(found.document.for_json()))
    with local.database.connection() as connection:
        read = quality.read(connection, local.space)
    assert read.document
    assert read.document.for_json() == found.document.for_json()
    assert not read.outdated
    assert set(read.tasks) == {"contract_nli", "cuad"}
    for task in read.tasks.values():
        assert len(task.parts) == 2


def test_the_curve_rises_to_an_index_that_finds_all(local: Corpus) -> None:
    curve = run(local).curve
    assert [point.ef_search for point in curve.points] == [10, 20, 40, 80, 120, 200, 400]
    assert curve.points[-1].recall_10 == pytest.approx(1, abs=0.005)
    assert all(a.recall_100 <= b.recall_100 + 0.02 for a, b in zip(curve.points, curve.points[1:], strict=False))
    assert curve.points[0].recall_100 < 0.2  # ten cannot be a hundred
    assert curve.operating_point.recall_10 >= 0.99
    assert all(0 < point.ms <= point.ms_p95 for point in curve.points)


def test_a_part_is_neither_kept_nor_the_baseline(local: Corpus) -> None:
    found = run(local, limit=5)
    assert [len(task.queries) for task in found.tasks.values()] == [5, 5]
    assert found.curve.queries == 5
    assert column(local, QUALITY) == [{}]
    assert column(local, "SELECT count(*) FROM evaluation_baseline") == [0]
    assert [query.label for query in run(local, limit=5).tasks["cuad"].queries] == [
        query.label for query in found.tasks["cuad"].queries
    ]


def test_a_split_is_all_there_is_of_contract_nli(local: Corpus) -> None:
    found = evaluate(local.database, local.settings, scope=Scope(limit=4, split="dev"))
    assert set(found.tasks) == {"cuad"}
    assert "contract_nli" in found.left_out[0]


def test_a_source_without_labels_is_left_out_with_a_word(corpus: Corpus) -> None:
    found = run(filled(local_space(corpus), "cuad"))
    assert set(found.tasks) == {"cuad"}
    assert found.corpus is None
    assert found.left_out == ("contract_nli: no labelled contract of it is in the corpus",)
    assert "contract_nli" not in found.document.for_json()


def test_an_empty_corpus_cannot_be_evaluated(corpus: Corpus) -> None:
    with pytest.raises(ConfigurationError, match="bootstrap run"):
        run(local_space(corpus))


def test_without_an_index_the_evaluation_says_so(local: Corpus) -> None:
    execute(local, f"DROP INDEX {index_of(local)}")
    with pytest.raises(SchemaError, match="no valid index"):
        run(local)


def index_of(corpus: Corpus) -> str:
    [name] = column(corpus, "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%hnsw%'")
    return str(name)


# --- the search broken on purpose ---


def broken(corpus: Corpus) -> list[str]:
    found = run(corpus)
    assert not found.ok
    assert found.document.passed is False
    return found.failures


def test_the_same_search_again_passes(local: Corpus) -> None:
    first, second = run(local), run(local)
    assert first.comparison.accepted
    assert second.ok
    assert not second.comparison.accepted
    assert (second.comparison.shared, second.comparison.contracts) == (
        2 * CONTRACTS,
        2 * CONTRACTS,
    )
    assert second.comparison.judged
    assert second.whole_searches.questions == len(HYPOTHESES | QUESTIONS)
    assert second.whole_searches.differ == 0
    assert second.comparison.same_search


def test_nearest_last_fails(local: Corpus) -> None:
    run(local)
    rewrite(local, "reference_vector_scores", "1 - (e.embedding <=> $1)", "(e.embedding <=> $1)")
    failures = broken(local)
    assert any("R@5 of vector fell from 1.000" in failure for failure in failures)


def test_the_euclidean_distance_instead_of_the_cosine_fails(local: Corpus) -> None:
    """Of unit vectors both give one order; so these have lengths from 1 to 16, which the cosine does not mind."""
    for table in (local.space.table, "evaluation_vectors"):
        run(local, accept=True)
        execute(
            local,
            f"UPDATE {table} SET embedding = embedding * "
            "array_fill((1 + get_byte(content_hash, 0) / 16)::real, ARRAY[256])::vector",
        )
    assert run(local).ok
    rewrite(local, "reference_vector_scores", "1 - (e.embedding <=> $1)", "1 - (e.embedding <-> $1)")
    assert any(" of vector fell" in failure for failure in broken(local))


def test_a_stale_index_fails(local: Corpus) -> None:
    """Vectors that were replaced while the index was not told."""
    run(local)
    ready = f"UPDATE pg_index SET indisready = %s WHERE indexrelid = '{index_of(local)}'::regclass"
    with local.database.connection() as connection:
        connection.execute(ready, (False,))  # type: ignore[arg-type]
    execute(local, "UPDATE VECTORS SET embedding = embedding * array_fill(-1::real, ARRAY[256])::vector")
    with local.database.connection() as connection:
        connection.execute(ready, (True,))  # type: ignore[arg-type]
    assert any("the index finds 0.0% of the nearest 10" in failure for failure in broken(local))


def test_a_query_embedded_as_a_document_fails(local: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    run(local)
    embed = LocalEmbedder.embed
    monkeypatch.setattr(LocalEmbedder, "embed", lambda self, texts, _: embed(self, texts, InputType.DOCUMENT))
    assert any("contract_nli: R@5 of vector fell" in failure for failure in broken(local))


def test_full_text_without_its_weights_fails(local: Corpus) -> None:
    run(local)
    rewrite(
        local,
        "reference_question",
        "ln(1 + (greatest(total, n.texts)",
        "0.1 + 0 * ln(1 + (greatest(total, n.texts)",
    )
    failures = broken(local)
    assert any("contract_nli: R@5 of text fell" in failure for failure in failures)
    assert not any(" of vector fell" in failure for failure in failures)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "reference_question(query_text, query_embedding, feedback_texts, space => space, "
            "search_labels => search_labels)",
            "reference_question(query_text, NULL, 0, space => space)",
        ),
        ("ORDER BY f.rank", "ORDER BY f.rank DESC"),
        ("reference_lower(granularities)", "NULL"),
    ],
)
def test_a_search_that_does_not_give_what_its_parts_rank_fails(local: Corpus, old: str, new: str) -> None:
    run(local)
    rewrite(local, "search_reference", old, new)
    assert any("search_reference gave other hits than its parts" in failure for failure in broken(local))


def test_a_baseline_of_other_contracts_is_said_to_judge_little(local: Corpus) -> None:
    run(local)
    execute(
        local,
        """UPDATE evaluation_baseline SET scores = (
            SELECT jsonb_object_agg(task.key, (
                SELECT jsonb_object_agg(list.key, (
                    SELECT jsonb_object_agg('another ' || contract.key, contract.value)
                    FROM jsonb_each(list.value) contract))
                FROM jsonb_each(task.value) list))
            FROM jsonb_each(scores) task)""",
    )
    found = run(local)
    assert found.ok
    assert found.comparison.shared == 0
    assert not found.comparison.judged


def test_what_is_no_longer_there_is_no_longer_told(local: Corpus) -> None:
    first = run(local)
    with local.database.connection() as connection:
        assert is_of_this_corpus(connection, first.document)
    execute(local, "DELETE FROM reference_documents WHERE source = 'cuad'")
    execute(
        local,
        "DELETE FROM reference_texts t WHERE NOT EXISTS (SELECT FROM reference_records r "
        "WHERE r.content_hash = t.content_hash)",
    )
    with local.database.connection() as connection:
        assert not is_of_this_corpus(connection, first.document)
    run(local)
    [quality] = column(local, QUALITY)
    assert isinstance(quality, dict)
    assert "contract_nli" in quality
    assert "cuad" not in quality


def test_a_fall_stays_a_fall_until_it_is_accepted(local: Corpus) -> None:
    run(local)
    rewrite(local, "reference_vector_scores", "1 - (e.embedding <=> $1)", "(e.embedding <=> $1)")
    assert not run(local).ok
    assert not run(local).ok
    accepted = run(local, accept=True)
    assert accepted.ok
    assert accepted.comparison.accepted
    assert accepted.comparison.falls  # are told all the same
    assert not accepted.comparison.same_search
    assert run(local).ok


# --- what is embedded for it ---


def test_what_an_evaluation_alone_needs_is_embedded_once_and_entered_in_the_ledger(
    corpus: Corpus, voyage: VoyageServer
) -> None:
    filled(corpus, "contract_nli")
    documents, requests = voyage.input_types["document"], column(corpus, LEDGER)
    first = run(corpus)
    assert first.embedded == len({text for text in _spans(corpus) if text.strip()}) - 2 * CONTRACTS + len(
        HYPOTHESES
    )
    asked = {"document": documents + 1, "query": 1}  # each packed into one request
    assert voyage.input_types == asked
    assert len(column(corpus, LEDGER)) == len(requests) + 2
    second = run(corpus)
    assert second.embedded == 0
    assert voyage.input_types == asked
    assert second.document.contract_nli == first.document.contract_nli


def test_vectors_that_no_task_asks_about_any_more_go_with_an_evaluation_of_everything(local: Corpus) -> None:
    run(local)
    kept = set(column(local, "SELECT content_hash FROM evaluation_vectors"))
    assert kept
    for kind in ("document", "query"):
        execute(
            local,
            "INSERT INTO evaluation_vectors (space_id, input_type, content_hash, embedding) "
            f"SELECT space_id, '{kind}', sha256('of old'), embedding FROM evaluation_vectors LIMIT 1",
        )
    run(local, limit=3)
    assert len(column(local, "SELECT content_hash FROM evaluation_vectors")) == len(kept) + 2
    run(local)
    assert set(column(local, "SELECT content_hash FROM evaluation_vectors")) == kept


def test_a_question_that_the_model_refuses_is_told(corpus: Corpus, voyage: VoyageServer) -> None:
    filled(corpus, "contract_nli")
    voyage.poison.add(HYPOTHESES["nda-1"])
    with pytest.raises(RefusedError):
        run(corpus)


LEDGER = "SELECT tokens FROM embedding_usage WHERE outcome = 'ok'"


def test_a_span_that_the_model_refuses_goes_without_a_vector(corpus: Corpus, voyage: VoyageServer) -> None:
    filled(corpus)
    refused = next(text for text in _spans(corpus) if text.startswith("Any party"))
    voyage.poison.add(refused)
    found = run(corpus)
    assert found.embedded == len({text for text in _spans(corpus) if text.strip()}) - 2 * CONTRACTS - 1 + len(
        HYPOTHESES | QUESTIONS
    )
    assert found.tasks["contract_nli"].means("text")["R@5"].mean == 1


def test_an_evaluation_keeps_to_its_budget(corpus: Corpus) -> None:
    filled(corpus, "contract_nli")
    with pytest.raises(BudgetError):
        evaluate(corpus.database, corpus.settings, max_cost=1e-9)
    assert column(corpus, "SELECT count(*) FROM evaluation_vectors") == [0]


def test_an_evaluation_can_be_stopped(local: Corpus) -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(StoppedError):
        evaluate(local.database, local.settings, stop=stop)


# --- the command ---


@pytest.fixture
def shell(local: Corpus, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    assert local.settings.database_url
    monkeypatch.setenv("BOOTSTRAP_HOME", str(local.settings.root))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", local.settings.database_url.get_secret_value())
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "local")
    return local


def test_the_command_prints_one_json_document(shell: Corpus) -> None:
    result = CliRunner().invoke(bootstrap, ["evaluate", "--json", "--limit", "4"], catch_exceptions=False)
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["passed"] is True
    assert set(document["contract_nli"]["hybrid"]) == {"R@5", "R@10", "MRR", "nDCG@10", "mAP", "P@R80"}
    assert set(document["contract_nli"]["hybrid"]["R@5"]) == {"mean", "low", "high"}


def test_the_command_ends_with_1_and_says_what_fell(shell: Corpus) -> None:
    first = CliRunner().invoke(bootstrap, ["evaluate"], catch_exceptions=False)
    assert first.exit_code == 0
    for told in (
        "ContractNLI",
        "CUAD",
        "Insurance",
        "hybrid minus words",
        "ef_search",
        "the baseline from now on",
    ):
        assert told in first.stdout
    rewrite(shell, "reference_vector_scores", "1 - (e.embedding <=> $1)", "(e.embedding <=> $1)")
    second = CliRunner().invoke(bootstrap, ["evaluate"], catch_exceptions=False)
    assert second.exit_code == 1
    assert "R@5 of vector fell from 1.000" in second.stderr
    third = CliRunner().invoke(bootstrap, ["evaluate", "--accept", "--limit", "3"])
    assert third.exit_code == 2


def test_the_command_brings_the_corpus_up_to_date_first(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    assert corpus.settings.database_url
    monkeypatch.setenv("BOOTSTRAP_HOME", str(corpus.settings.root))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", corpus.settings.database_url.get_secret_value())
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "local")
    arguments = ["evaluate", "--data", "sample", "--limit", "3", "--json"]
    result = CliRunner().invoke(bootstrap, arguments, catch_exceptions=False)
    assert json.loads(result.stdout)["contract_nli"]["queries"] == 3

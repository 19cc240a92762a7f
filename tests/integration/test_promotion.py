"""A space is searched when somebody decides it and it covers everything, and nobody waits for it."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.corpus import load as corpus_store
from bootstrap_assets.corpus import settlement
from bootstrap_assets.corpus.scope import Scope
from bootstrap_assets.database import locks, schema
from bootstrap_assets.database.connection import Connection, connect
from bootstrap_assets.embedding import context, spaces
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.spaces import Space, table_of
from bootstrap_assets.embedding.status import describe_corpus
from bootstrap_assets.errors import DatabaseBusy, MassDeleteError, SpaceError, StoppedError
from bootstrap_assets.search import promotion
from bootstrap_assets.search.query import search
from tests.conftest import open_for_test
from tests.integration.test_corpus import parsed
from tests.integration.test_fill import column, in_parallel, load
from tests.integration.test_index import filled, local_space
from tests.made_up_source import MADE_UP, contracts

SOON = 1.0
"""Seconds after which somebody would say that he was kept waiting."""

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = %s AND mode = %s"


def until(told: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not told():
        assert time.monotonic() < deadline, "it never came to it"
        time.sleep(0.01)


class Background:
    """Something done in a thread, and what it gave."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._do, daemon=True)
        self._thread.start()

    def _do(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001
            self.error = error

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> Any:
        self._thread.join(60)
        assert self.done
        if self.error:
            raise self.error
        return self.result

    def until_it_waits(self, database_url: str, kind: str, mode: str) -> None:
        """Until it waits for such a lock, or has ended without."""
        with connect(database_url, autocommit=True) as look:
            until(lambda: self.done or look.execute(WAITING, (kind, mode)).fetchone() != (0,))


def states(corpus: Corpus) -> list[object]:
    return column(corpus, "SELECT state FROM embedding_spaces ORDER BY id")


def promote(corpus: Corpus) -> Space:
    """Decide that a corpus's space is searched."""
    with promotion.deciding(corpus.settings) as connection:
        return promotion.promote(connection, corpus.space.id, stop=corpus.stop)


def rollback(corpus: Corpus) -> Space:
    with promotion.deciding(corpus.settings) as connection:
        return promotion.rollback(connection)


def both_ready(corpus: Corpus) -> Corpus:
    """A corpus whose space is searched; gives the same with another space that could be."""
    other = both_filled(corpus)
    assert pipeline.build_index(other).ready
    return other


def with_auto(corpus: Corpus) -> Corpus:
    return replace(corpus, settings=corpus.settings.model_copy(update={"embedder": "auto"}))


def both_filled(corpus: Corpus) -> Corpus:
    """A corpus whose space is searched; gives the same with another space that covers it too."""
    pipeline.build_index(filled(corpus))
    other = local_space(corpus)
    pipeline.embed(other, MADE_UP)
    return other


def test_a_run_never_retires_the_space_that_is_searched(corpus: Corpus) -> None:
    other = both_filled(corpus)
    for indexed in (pipeline.build_index(other), pipeline.build_index(with_auto(other))):
        assert (indexed.promoted, indexed.ready, indexed.uncovered) == (False, True, 0)
    assert states(corpus) == ["active", "ready"]
    assert column(corpus, "SELECT DISTINCT vector_dims(embedding) FROM reference_embeddings") == [1024]


def test_with_auto_the_first_space_is_searched(corpus: Corpus) -> None:
    assert pipeline.build_index(with_auto(filled(corpus))).promoted


def test_nobody_waits_while_a_promotion_waits_for_a_long_reader(corpus: Corpus) -> None:
    other = both_ready(corpus)
    with connect(corpus.database.url) as reader:
        reader.execute("SELECT count(*) FROM reference_embeddings, reference_vectors").fetchone()
        promoting = Background(lambda: promote(other))
        promoting.until_it_waits(corpus.database.url, "relation", "AccessExclusiveLock")
        for _ in range(4):
            started = time.monotonic()
            assert search(corpus.database, corpus.settings, "what party 7 must do", mode="text")
            open_for_test(corpus.settings, corpus.database)
            assert time.monotonic() - started < SOON
        assert not promoting.done
        reader.commit()
    assert promoting.end().id == other.space.id
    assert states(corpus) == ["retired", "active"]


def test_a_promotion_that_waits_can_be_stopped(corpus: Corpus) -> None:
    other = both_ready(corpus)
    with connect(corpus.database.url) as reader:
        reader.execute("SELECT count(*) FROM reference_embeddings").fetchone()
        promoting = Background(lambda: promote(other))
        promoting.until_it_waits(corpus.database.url, "relation", "AccessExclusiveLock")
        other.stop.set()
        with pytest.raises(StoppedError):
            promoting.end()


def test_a_promotion_that_waits_too_long_says_what_it_was_for(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(corpus.database.url) as reader, connect(corpus.database.url) as writer:
        reader.execute("SELECT count(*) FROM reference_embeddings").fetchone()
        with pytest.raises(DatabaseBusy, match="cannot promote it: other transactions"):
            locks.patiently(
                writer, lambda one: spaces.promote(one, corpus.space), what="promote it", patience=0.01
            )


def test_a_space_is_not_promoted_over_a_load_that_commits_meanwhile(corpus: Corpus) -> None:
    other = both_ready(corpus)
    with connect(corpus.database.url) as loading:
        corpus_store.load(loading, parsed({"New": {"Cap": "Nothing covers this."}}, "more"), Scope("more"))
        promoting = Background(lambda: promote(other))
        promoting.until_it_waits(corpus.database.url, "advisory", "ExclusiveLock")
        loading.commit()
    with pytest.raises(SpaceError, match="2 records have no vector in it"):
        promoting.end()
    assert states(corpus) == ["active", "ready"]


def test_loads_do_not_wait_while_a_promotion_counts_the_corpus(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, waiting, uncovered = both_ready(corpus), [], spaces.uncovered

    def counting(connection: Connection, space: Space) -> int:
        with connect(corpus.database.url) as loading:
            waiting.append(
                not loading.execute(
                    "SELECT pg_try_advisory_xact_lock_shared(%s)", (corpus_store._MERGE_LOCK,)
                ).fetchone()[0]
            )
        return uncovered(connection, space)

    monkeypatch.setattr(spaces, "uncovered", counting)
    promote(other)
    assert (waiting, states(corpus)) == ([False], ["retired", "active"])


def test_a_load_that_is_under_way_while_words_are_counted_is_counted_after_it(corpus: Corpus) -> None:
    filled(corpus)
    word = "SELECT count(*) FROM reference_lexemes WHERE lexeme = 'zeppelin'"
    with connect(corpus.database.url) as loading:
        corpus_store.load(loading, parsed({"New": {"Cap": "Zeppelin."}}, "more"), Scope("more"))
        settlement.settle(corpus.database)
        loading.commit()
    assert column(corpus, word) == [0]
    assert corpus.database.transact(settlement.is_settled) is False
    pipeline.build_index(corpus)
    assert column(corpus, word) == [1]


def test_the_corpus_has_another_version_after_a_load_that_began_before_the_last_one(corpus: Corpus) -> None:
    """It brings as many texts as it takes, and began before the newest of the others was written."""
    url, everything = corpus.database.url, parsed({"Old": {"Cap": "Old words."}}, "slow")
    with connect(url) as slow:
        corpus_store.load(slow, everything, Scope("slow"))
    version = "SELECT reference_corpus_version()"
    with connect(url) as slow:
        slow.execute("SELECT now()")
        load(corpus, contracts(3))
        [before] = column(corpus, version)
        changed = parsed({"Old": {"Cap": "New words."}}, "slow")
        corpus_store.load(slow, changed, Scope("slow"), allow_deletes=True)
    assert column(corpus, version) != [before]


def test_what_an_embedder_learnt_of_another_corpus_is_learnt_anew(corpus: Corpus) -> None:
    local = local_space(filled(corpus))
    learn, learnt_from = local.embedder.fit, []  # type: ignore[attr-defined]

    def fit(texts: list[str]) -> bytes:
        learnt_from.append(len(texts))
        if len(learnt_from) == 1:
            load(corpus, contracts(30))  # between the reading of the texts and the counting of the words
        return bytes(learn(texts))

    local.embedder.fit = fit  # type: ignore[attr-defined]
    pipeline.build_index(local)
    pipeline.build_index(local)
    pipeline.build_index(local)
    assert learnt_from == [60, 90]


def test_the_guard_counts_what_another_load_of_the_source_has_just_brought(corpus: Corpus) -> None:
    with connect(corpus.database.url) as loading:
        corpus_store.load(loading, parsed(contracts(20)), Scope("made_up"))

        def smaller(connection: Connection) -> None:
            corpus_store.load(connection, parsed(contracts(2)), Scope("made_up"))

        second = Background(lambda: corpus.database.transact(smaller))
        second.until_it_waits(corpus.database.url, "advisory", "ExclusiveLock")
        loading.commit()
    with pytest.raises(MassDeleteError):
        second.end()


def test_opening_the_corpus_waits_for_nobody_where_there_is_nothing_to_make(corpus: Corpus) -> None:
    with connect(corpus.database.url) as busy:
        spaces.lock(busy)
        corpus_store.lock_merges(busy)
        busy.execute("LOCK TABLE reference_texts, reference_records, bootstrap_progress IN ACCESS EXCLUSIVE MODE")
        busy.execute("SELECT * FROM embedding_spaces FOR UPDATE")
        started = time.monotonic()
        with context.open_corpus(corpus.settings) as opened:
            assert opened.space == corpus.space
        assert time.monotonic() - started < SOON


def test_a_space_that_is_made_during_a_load_keeps_no_writer_waiting(corpus: Corpus) -> None:
    with connect(corpus.database.url) as loading:
        corpus_store.load(loading, parsed(contracts(2)), Scope("made_up"))
        making = Background(lambda: local_space(corpus))
        making.until_it_waits(corpus.database.url, "relation", "ShareRowExclusiveLock")
        started = time.monotonic()
        with connect(corpus.database.url) as writer:
            writer.execute("UPDATE reference_texts SET tokens = 1 WHERE false")
        assert time.monotonic() - started < SOON
        loading.commit()
    assert making.end().space.dimensions == 256


def test_nobody_waits_while_a_migration_waits_for_a_long_reader(database_url: str) -> None:
    with connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM embedding_spaces").fetchone()
        moving = Background(lambda: schema.downgrade(database_url, "base"))
        moving.until_it_waits(database_url, "relation", "AccessExclusiveLock")
        for _ in range(3):
            started = time.monotonic()
            with connect(database_url) as another:
                another.execute("SELECT count(*) FROM embedding_spaces").fetchone()
            assert time.monotonic() - started < SOON
        reader.commit()
    moving.end()
    assert schema.upgrade(database_url) == schema.head()


def test_an_invalid_text_index_is_replaced_while_somebody_reads_the_table(corpus: Corpus) -> None:
    pipeline.build_index(filled(corpus))
    with corpus.database.connection() as connection:
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'reference_texts_content_tsv'::regclass"
        )
    with connect(corpus.database.url) as reader:
        reader.execute("SELECT count(*) FROM reference_texts").fetchone()
        building = Background(lambda: pipeline.build_index(corpus))
        with connect(corpus.database.url, autocommit=True) as look:
            told = (
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DROP INDEX%' AND wait_event_type = 'Lock'"
            )
            until(lambda: building.done or look.execute(told).fetchone() == (1,))
            look.execute("SET lock_timeout = '1s'")
            look.execute("SELECT count(*) FROM reference_texts")
        reader.commit()
    assert building.end().action == "kept"


def test_a_retired_space_that_is_filled_again_is_being_built(corpus: Corpus) -> None:
    promote(both_ready(corpus))
    load(corpus, contracts(21))
    assert states(corpus) == ["retired", "active"]
    pipeline.embed(corpus, MADE_UP, batches=[1])
    assert states(corpus) == ["building", "active"]
    with corpus.database.connection() as connection:
        building = describe_corpus(connection)["building"]
    assert (building["provider"], building["state"]) == ("voyage", "building")


def test_two_models_never_share_a_table() -> None:
    long = "a-model-whose-name-is-as-long-as-those-of-model-hubs"
    models = [
        "model",
        "model-1",
        "model_1",
        "model.1",
        "Model-1",
        "model--1",
        long,
        f"{long}-v2",
        "organisation/model-1",
    ]
    names = [table_of("voyage", model, 1024) for model in models]
    assert len(set(names)) == len(names)
    assert all(len(name) + len("_hnsw99") <= 63 for name in [*names, table_of("x", long, 16_000)])
    assert table_of("voyage", "voyage-law-2", 1024) == "reference_vectors_voyage_voyage_law_2_1024"


def test_spaces_of_models_with_names_alike_live_side_by_side(corpus: Corpus) -> None:
    def make(model: str) -> None:
        corpus.database.transact(lambda connection: spaces.ensure(connection, "voyage", model, 8))

    long = "a-model-whose-name-is-as-long-as-those-of-model-hubs"
    assert in_parallel(*(lambda model=model: make(model) for model in (long, f"{long}-v2", long))) == []  # type: ignore[misc]
    assert column(corpus, "SELECT count(*) FROM embedding_spaces WHERE dimensions = 8") == [2]
    with pytest.raises(psycopg.errors.UndefinedTable):
        column(corpus, "SELECT 1 FROM reference_vectors_voyage_a_model_whose_name_is_as_8")

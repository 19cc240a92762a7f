"""`bootstrap spaces`: what is searched is decided, gone back on, and never taken from those who search."""

import json
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bootstrap_assets import pipeline
from bootstrap_assets.cli import bootstrap
from bootstrap_assets.database.connection import connect
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import SpaceError
from bootstrap_assets.evaluation import ann
from bootstrap_assets.search import promotion
from bootstrap_assets.search import query as search_query
from bootstrap_assets.search.query import search
from bootstrap_assets.sources.fetch import locate
from tests.fakes.voyage_server import VoyageServer
from tests.integration.test_fill import column, load
from tests.integration.test_index import filled, local_space
from tests.integration.test_promotion import SOON, Background, both_ready, promote, rollback, states
from tests.made_up_source import MADE_UP, contracts

READERS = 20


@pytest.fixture
def command(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`bootstrap` on the test's database."""
    assert corpus.settings.database_url
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", corpus.settings.database_url.get_secret_value())
    monkeypatch.setenv("BOOTSTRAP_HOME", str(corpus.settings.root))
    return lambda *arguments: CliRunner().invoke(bootstrap, arguments)


def searched(corpus: Corpus) -> list[object]:
    """Dimensions of the vectors that the views show."""
    return column(
        corpus,
        "SELECT DISTINCT vector_dims(e.embedding) FROM reference_embeddings e JOIN reference_vectors "
        "USING (content_hash)",
    )


def test_what_was_promoted_is_gone_back_on(corpus: Corpus) -> None:
    other = both_ready(corpus)
    assert promote(other).id == other.space.id
    assert (states(corpus), searched(corpus)) == (["retired", "active"], [256])
    assert rollback(corpus).id == corpus.space.id
    assert (states(corpus), searched(corpus)) == (["active", "retired"], [1024])
    assert rollback(corpus).id == other.space.id


def test_what_is_searched_already_may_be_promoted_again(corpus: Corpus) -> None:
    promote(both_ready(corpus))
    before = column(corpus, "SELECT promoted_at FROM embedding_spaces ORDER BY id")
    promote(local_space(corpus))
    assert column(corpus, "SELECT promoted_at FROM embedding_spaces ORDER BY id") == before


def test_an_incomplete_space_is_refused_with_what_it_lacks(corpus: Corpus) -> None:
    pipeline.build_index(filled(corpus))
    other = local_space(corpus)
    with pytest.raises(SpaceError, match="80 records have no vector in it and it has no index"):
        promote(other)
    pipeline.embed(other, MADE_UP)
    with pytest.raises(SpaceError, match=r"cannot be searched: it has no index.*spaces build --provider local"):
        promote(other)
    assert states(corpus) == ["active", "building"]


def test_a_retired_space_that_lacks_what_came_since_is_stale(corpus: Corpus) -> None:
    promote(other := both_ready(corpus))
    load(corpus, contracts(21))
    pipeline.embed(other, MADE_UP)
    with pytest.raises(SpaceError, match=r"is stale and cannot be searched: 4 records have no vector"):
        rollback(corpus)
    pipeline.embed(corpus, MADE_UP)
    pipeline.build_index(corpus)
    assert states(corpus) == ["ready", "active"]
    assert rollback(corpus).id == corpus.space.id


def test_without_another_space_there_is_nothing_to_go_back_to(corpus: Corpus) -> None:
    pipeline.build_index(filled(corpus))
    with pytest.raises(SpaceError, match="no space to go back to"):
        rollback(corpus)
    both_ready(corpus)  # which was never searched
    with pytest.raises(SpaceError, match="no space to go back to"):
        rollback(corpus)


def test_the_list_says_how_every_space_stands(corpus: Corpus, command: Callable[..., Result]) -> None:
    other = both_ready(corpus)
    first, second = json.loads(command("spaces", "list", "--json").stdout)
    assert first == {
        "id": corpus.space.id,
        "provider": "voyage",
        "model": corpus.space.model,
        "dimensions": 1024,
        "element_type": "vector",
        "state": "active",
        "vectors": 80,
        "missing": 0,
        "indexed": True,
        "quality": {},
    }
    assert (second["id"], second["state"]) == (other.space.id, "ready")
    load(corpus, contracts(21))
    first, second = json.loads(command("spaces", "list", "--json").stdout)
    assert [(space["state"], space["missing"]) for space in (first, second)] == [("active", 4), ("building", 4)]
    assert "voyage" in command("spaces", "list").stdout
    assert json.loads(command("spaces", "show", str(other.space.id), "--json").stdout) == second
    assert "never evaluated" in command("spaces", "show", str(other.space.id)).stdout


def test_a_person_promotes_and_goes_back(corpus: Corpus, command: Callable[..., Result]) -> None:
    other = both_ready(corpus)
    number = str(other.space.id)
    assert f"bootstrap spaces promote {number}" in command("status").stdout
    assert "is searched now" in command("spaces", "promote", number).stdout
    assert states(corpus) == ["retired", "active"]
    assert "is searched now" in command("spaces", "rollback").stdout
    assert states(corpus) == ["active", "retired"]
    assert isinstance(command("spaces", "promote", "77").exception, SpaceError)


def test_a_space_is_promoted_only_where_it_is_as_good_if_that_is_asked(
    corpus: Corpus, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = str(both_ready(corpus).space.id)
    with monkeypatch.context() as patch:
        patch.setattr(ann, "TARGET_RECALL", 1.1)  # nothing is good enough
        refused = command("spaces", "promote", number, "--if-as-good")
    assert refused.exit_code == 1
    assert "is searched now" not in refused.stdout
    assert states(corpus) == ["active", "ready"]
    assert "is searched now" in command("spaces", "promote", number, "--if-as-good").stdout
    assert states(corpus) == ["retired", "active"]


def test_a_space_is_dropped_and_what_it_cost_stays(corpus: Corpus, command: Callable[..., Result]) -> None:
    promote(both_ready(corpus))
    paid = column(corpus, "SELECT count(*), sum(cost_usd) FROM embedding_usage")
    assert isinstance(command("spaces", "drop", str(local_space(corpus).space.id), "--yes").exception, SpaceError)
    assert command("spaces", "drop", str(corpus.space.id)).exit_code == 1  # nobody says yes
    assert states(corpus) == ["retired", "active"]
    assert "with 80 vectors" in command("spaces", "drop", str(corpus.space.id), "--yes").stdout
    assert column(corpus, "SELECT count(*), sum(cost_usd) FROM embedding_usage") == paid
    assert column(corpus, f"SELECT to_regclass('{corpus.space.table}')") == [None]
    assert len(json.loads(command("spaces", "list", "--json").stdout)) == 1
    with pytest.raises(SpaceError, match="no space to go back to"):
        rollback(corpus)


def test_a_space_that_was_dropped_can_be_made_again(corpus: Corpus) -> None:
    promote(both_ready(corpus))
    with promotion.deciding(corpus.settings) as connection:
        promotion.drop(connection, corpus.space.id)
        again = spaces.ensure(connection, corpus.space.provider, corpus.space.model, corpus.space.dimensions)
    assert (again.id, again.state) == (corpus.space.id, "building")
    pipeline.embed(corpus, MADE_UP)
    assert pipeline.build_index(corpus).ready


def test_a_search_finds_in_the_space_that_it_asked_in(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its vector was made for one space, and another one is promoted before it searches."""
    other = both_ready(corpus)
    embed, spaces_asked = search_query.embed_query, []

    def embed_query(*arguments: object) -> object:
        vector = embed(*arguments)  # type: ignore[arg-type]
        spaces_asked.append(arguments[2].id)  # type: ignore[attr-defined]
        if len(spaces_asked) == 1:
            promote(other)
        return vector

    monkeypatch.setattr(search_query, "embed_query", embed_query)
    assert search(corpus.database, corpus.settings, "what party 7 must do")
    assert spaces_asked == [corpus.space.id, other.space.id]


def test_twenty_long_readers_see_one_space_each_and_nobody_waits(corpus: Corpus) -> None:
    """Promoted and rolled back under them: each reads for a while in one transaction, others search meanwhile."""
    other = both_ready(corpus)
    waits, mixtures, done = [], [], threading.Event()

    def read(seconds: float) -> None:
        with connect(corpus.database.url) as reader:
            until, seen = time.monotonic() + seconds, set()
            while time.monotonic() < until:
                for view in ("reference_embeddings", "reference_vectors"):
                    query = f"SELECT array_agg(DISTINCT vector_dims(embedding)) FROM {view}"
                    seen.add(str(reader.execute(query).fetchone()))
                time.sleep(0.05)
            mixtures.append(seen)

    def ask() -> None:
        with connect(corpus.database.url, autocommit=True) as connection:
            while not done.is_set():
                started = time.monotonic()
                connection.execute("SELECT * FROM search_reference('what party 7 must do', NULL)").fetchall()
                connection.execute("SELECT content_hash, embedding FROM reference_vectors LIMIT 1").fetchall()
                waits.append(time.monotonic() - started)

    asking = [Background(ask) for _ in range(2)]
    for decide in (lambda: promote(other), lambda: rollback(corpus)):
        readers = [Background(lambda number=number: read(1 + number / 20)) for number in range(READERS)]  # type: ignore[misc]
        deciding = Background(decide)
        for one in (*readers, deciding):
            one.end()
    done.set()
    for one in asking:
        one.end()
    assert (len(mixtures), max(map(len, mixtures))) == (2 * READERS, 1)
    assert max(waits) < SOON, f"{max(waits):.2f} s, {np.median(waits):.3f} s at the median"
    assert states(corpus) == ["active", "retired"]


def test_a_query_s_vector_gains_by_its_best_texts_where_the_space_says_so(corpus: Corpus) -> None:
    promote(both_ready(corpus))
    with corpus.database.connection() as connection:
        connection.execute("UPDATE reference_records SET granularity = 'section' WHERE granularity = 'clause'")
    moved = (
        "SELECT (reference_question('what party 7 must do', v.embedding)).embedding <=> v.embedding > 0.001 "
        "FROM (SELECT embedding FROM reference_vectors ORDER BY content_hash LIMIT 1) v"
    )
    assert column(corpus, "SELECT feedback FROM embedding_spaces ORDER BY id") == [False, True]
    assert column(corpus, moved) == [True]
    rollback(corpus)
    assert column(corpus, moved) == [False]


def test_a_candidate_is_built_beside_the_space_that_is_searched(
    corpus: Corpus, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, voyage: VoyageServer
) -> None:
    for name, value in {"BATCHES": "16", "VOYAGE_BASE_URL": voyage.url}.items():
        monkeypatch.setenv(f"BOOTSTRAP_{name}", value)
    monkeypatch.setenv("VOYAGE_API_KEY", "test-key")
    local, source = local_space(corpus), pipeline.SOURCES["bonterms"]
    pipeline.load(local, source, locate.fetch(local.settings, source))
    pipeline.embed(local, source)
    pipeline.build_index(local)
    choice = ("--provider", "voyage", "--model", "voyage-4-lite", "--dimensions", "256")
    done = command("spaces", "build", *choice)
    [number] = column(corpus, "SELECT id FROM embedding_spaces WHERE model = 'voyage-4-lite' AND state = 'ready'")
    assert f"bootstrap spaces promote {number}" in done.stdout
    assert column(corpus, "SELECT model FROM embedding_spaces WHERE state = 'active'") == [local.space.model]
    sources = column(corpus, "SELECT source FROM bootstrap_progress")
    assert sources == ["bonterms"]  # of the others there is nothing to fill

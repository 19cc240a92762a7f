"""A plan: it foresees what a run does, and takes, makes and changes nothing."""

import json
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.corpus import load as corpus_store
from bootstrap_assets.corpus.outline import Outline, read_into, vanishing
from bootstrap_assets.corpus.records import ParsedDocument
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import connect
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.foresight import foresee, to_send
from bootstrap_assets.errors import FormatError, MassDeleteError, SchemaError
from bootstrap_assets.plan import Estimate, estimate
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources import registry
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.sources.registry import SOURCES
from tests.fakes.faults import Always, Fault
from tests.fakes.voyage_server import VoyageServer
from tests.integration.test_events import invoke
from tests.integration.test_fill import MANY_TEXTS, column, load
from tests.integration.test_index import filled, local_space
from tests.integration.test_promotion import SOON
from tests.made_up_source import MADE_UP, contracts, parsed_document, write


def planned(
    settings: Settings, documents: Mapping[str, Mapping[str, str]] | None = None, **options: bool
) -> Estimate:
    if documents is not None:
        write(settings.root / "data", documents)
    folder = {"data": str(settings.root / "data")}
    [one] = estimate(settings.model_copy(update=folder), [MADE_UP], **options)[1]
    return one


def test_a_plan_waits_for_no_load_and_keeps_none_waiting(corpus: Corpus) -> None:
    filled(corpus)
    with connect(corpus.database.url) as busy:
        corpus_store.lock_merges(busy)
        spaces.lock(busy)
        busy.execute("SELECT * FROM bootstrap_progress FOR UPDATE")
        busy.execute("LOCK TABLE reference_texts, reference_records, embedding_spaces IN EXCLUSIVE MODE")
        started = time.monotonic()
        one = planned(corpus.settings, contracts(21))
        assert time.monotonic() - started < 5 * SOON
    assert (one.records, one.texts, one.already, one.send) == (84, 84, 80, 4)


def test_a_plan_needs_no_right_to_write(corpus: Corpus) -> None:
    filled(corpus)
    with connect(corpus.database.url, autocommit=True) as connection:
        [name] = connection.execute("SELECT current_database()").fetchone() or ("",)
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert planned(corpus.settings).send == 0
    assert planned(corpus.settings, contracts(30)).send == 40
    other = corpus.settings.model_copy(update={"embedder": "local"})
    assert (planned(other).already, planned(other).send) == (0, 120)


def test_a_plan_makes_no_space_and_no_schema(corpus: Corpus, blank_database_url: str) -> None:
    planned(corpus.settings.model_copy(update={"embedder": "local"}), contracts(2))
    assert column(corpus, "SELECT count(*) FROM embedding_spaces") == [1]
    blank = Settings(**corpus.settings.model_dump() | {"database_url": blank_database_url})
    assert planned(blank, contracts(2)).send == 8
    with connect(blank_database_url) as connection:
        assert schema.current(connection) is None
        assert connection.execute("SELECT to_regclass('reference_texts')").fetchone() == (None,)


def test_a_plan_on_an_older_schema_says_what_to_do(corpus: Corpus) -> None:
    with connect(corpus.database.url) as connection:
        connection.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0011'")
    with pytest.raises(SchemaError, match="bootstrap db reset"):
        planned(corpus.settings, contracts(2))


def test_a_plan_foresees_that_a_run_refuses_a_mass_delete(corpus: Corpus) -> None:
    filled(corpus)
    one = planned(corpus.settings, contracts(10))
    assert (one.records, one.already, one.send) == (40, 40, 0)
    settings = corpus.settings.model_copy(update={"data": str(corpus.settings.root / "data")})
    with pytest.raises(MassDeleteError) as refused:
        pipeline.load(corpus, MADE_UP, locate.fetch(settings, MADE_UP))
    assert one.refused == str(refused.value)
    assert planned(corpus.settings, allow_deletes=True).refused is None
    assert planned(corpus.settings, contracts(17)).refused is None
    assert column(corpus, "SELECT count(*) FROM reference_records") == [80]


def test_the_command_tells_a_refusal_in_text_and_as_json(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(corpus)
    folder = write(corpus.settings.root / "data", contracts(3))
    monkeypatch.setitem(registry.SOURCES, "made_up", MADE_UP)
    monkeypatch.setenv("BOOTSTRAP_HOME", str(corpus.settings.root))
    monkeypatch.setenv("BOOTSTRAP_DATABASE_URL", corpus.database.url)
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "local")
    asked = ("plan", "made_up", "--data", str(folder))
    told = invoke(*asked).stdout
    assert "a run would stop: made_up: the archive holds 12 records, and 68 of the 80" in told
    [source] = json.loads(invoke(*asked, "--json").stdout)["sources"]
    assert "--allow-deletes" in source["refused"]
    assert "would stop" not in invoke(*asked, "--allow-deletes").stdout
    assert json.loads(invoke(*asked, "--allow-deletes", "--json").stdout)["sources"][0]["refused"] is None


def test_a_plan_foresees_that_two_entries_have_one_id(corpus: Corpus) -> None:
    def twice(paths: list[Path], options: Mapping[str, object]) -> object:
        yield from MADE_UP.parse(paths, options)
        yield from MADE_UP.parse(paths, options)

    folder = write(corpus.settings.root / "data", contracts(1))
    settings = corpus.settings.model_copy(update={"data": str(folder)})
    with pytest.raises(FormatError, match="two entries have one id: Contract 0"):
        estimate(settings, [replace(MADE_UP, parse=twice)])  # type: ignore[arg-type]


def test_a_plan_knows_dead_letters_and_the_parts_of_long_texts(corpus: Corpus, voyage: VoyageServer) -> None:
    documents = contracts(20)
    documents["Long"] = {"Long": " ".join(f"Paragraph {number} of many." for number in range(4_000))}
    before = planned(corpus.settings, documents)
    load(corpus, documents)
    assert pipeline.embed(corpus, MADE_UP).texts == before.send > 82
    after = planned(corpus.settings)
    assert (after.send, after.already) == (0, after.texts)
    documents |= {"New": {"Cap": "Refused by the provider."}}
    load(corpus, documents)
    voyage.faults = Always(Fault.bad_request)
    assert pipeline.embed(corpus, MADE_UP).errors == 2
    dead = planned(corpus.settings)
    assert (dead.failed, dead.send, dead.already) == (2 - 1, 0, after.texts)


@pytest.mark.parametrize("source", list(SOURCES))
def test_a_plan_of_the_sample_is_what_a_run_then_does(corpus: Corpus, source: str) -> None:
    local = local_space(corpus)
    [before] = estimate(local.settings, [SOURCES[source]])[1]
    pipeline.load(local, SOURCES[source], locate.fetch(local.settings, SOURCES[source]))
    done = pipeline.embed(local, SOURCES[source])
    assert (before.records, before.send) == (done.records, done.texts)
    [after] = estimate(local.settings, [SOURCES[source]])[1]
    assert (after.records, after.texts, after.already, after.send) == (
        before.records,
        before.texts,
        before.texts,
        0,
    )


def peak(corpus: Corpus, documents: int) -> int:
    """Bytes that a plan takes at most for so many documents of two clauses, of which the corpus has none."""

    def many(paths: list[Path], options: Mapping[str, object]) -> Iterator[ParsedDocument]:
        for number in range(documents):
            clauses = {name: f"{name} {number} is a clause." for name in ("Cap", "Term")}
            yield parsed_document("made_up", f"Contract {number}", clauses)

    folder = write(corpus.settings.root / "data", contracts(1))  # another archive than was loaded
    settings = corpus.settings.model_copy(update={"data": str(folder)})
    tracemalloc.start()
    try:
        [one] = estimate(settings, [replace(MADE_UP, parse=many)])[1]  # type: ignore[arg-type]
        assert (one.records, one.texts, one.send) == (3 * documents,) * 3
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_plan_never_has_a_whole_source_in_memory(corpus: Corpus) -> None:
    filled(corpus)
    peak(corpus, 100)  # what is imported and prepared once
    assert peak(corpus, 10_000) < 1.5 * peak(corpus, 2_500)


def test_a_plan_of_what_is_loaded_never_has_it_in_memory(corpus: Corpus) -> None:
    def most(texts: int) -> int:
        with corpus.database.connection() as connection, closing(Outline()) as outline:
            connection.execute("DELETE FROM reference_documents")
            connection.execute("DELETE FROM reference_texts")
            connection.execute(MANY_TEXTS, {"texts": texts})
            tracemalloc.start()
            try:
                read_into(outline, connection, "made_up")
                assert vanishing(connection, "made_up", outline) == (texts, 0)
                foresee(connection, corpus.space, "made_up", outline, limit=10_000)
                assert sum(1 for _ in to_send(outline, "made_up")) == texts
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    most(100)
    assert most(30_000) < 1.5 * most(10_000)

"""Texts that are too long for a space's model: cut for it, embedded part by part, and nothing of them is lost."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from bootstrap_assets import pipeline
from bootstrap_assets.database.connection import Database
from bootstrap_assets.embedding import parts, spaces, vectors
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.fill import MARGIN
from bootstrap_assets.embedding.providers.protocol import InputType
from bootstrap_assets.embedding.providers.registry import PROVIDERS
from bootstrap_assets.settings import Settings
from bootstrap_assets.texts.content import estimate_tokens
from tests.conftest import open_for_test
from tests.fakes.invented_provider import MODEL, InventedProvider, InventedServer
from tests.fakes.voyage_server import VoyageServer
from tests.integration.test_fill import column, load
from tests.made_up_source import MADE_UP, contracts

LIMIT = int(MODEL.context * MARGIN)
SECTION = " ".join(f"Word{number} of the section obliges party {number}." for number in range(400))
LONG = "\n\n".join(
    f"{number}. Paragraph {number} " + " ".join(f"goes on to {number}.{word}" for word in range(40))
    for number in range(30)
)
DOCUMENTS = {"Long": {"Section": SECTION, "Long": LONG}} | contracts(5)

PARTS = """SELECT t.content FROM reference_text_parts p JOIN reference_texts t ON t.content_hash = p.part_hash
           JOIN reference_texts w ON w.content_hash = p.content_hash WHERE w.content = %(whole)s
           ORDER BY p.ordinal"""


@pytest.fixture
def server() -> Iterator[InventedServer]:
    with InventedServer() as running:
        yield running


@pytest.fixture
def small(
    settings: Settings, database: Database, server: InventedServer, monkeypatch: pytest.MonkeyPatch
) -> Corpus:
    """A corpus whose space is of a model of 512 tokens, with a section and a contract that do not fit it."""
    monkeypatch.setitem(PROVIDERS, "invented", InventedProvider(server.url))
    corpus = open_for_test(settings.model_copy(update={"embedder": "invented"}), database)
    load(corpus, DOCUMENTS)
    return corpus


def parts_of(corpus: Corpus, whole: str) -> list[str]:
    with corpus.database.connection() as connection:
        return [content for (content,) in connection.execute(PARTS, {"whole": whole})]


def covers(pieces: list[str], whole: str) -> bool:
    """Whether every visible character of a text stands in one of its pieces, which may overlap."""
    end = 0
    for piece in sorted(pieces, key=whole.index):
        start = whole.index(piece)
        if start > end and whole[end:start].strip():
            return False
        end = max(end, start + len(piece))
    return not whole[end:].strip()


def test_nothing_is_cut_before_a_model_needs_it(small: Corpus) -> None:
    assert column(small, "SELECT count(*) FROM reference_text_parts") == [0]


def test_a_model_of_512_tokens_gets_parts_that_fit_and_cover_the_text(
    small: Corpus, server: InventedServer
) -> None:
    filled = pipeline.embed(small, MADE_UP)
    assert (filled.embedded_records, filled.errors, filled.status) == (filled.records, 0, "completed")
    for whole in (SECTION, LONG):
        pieces = parts_of(small, whole)
        assert len(pieces) > 1
        assert max(estimate_tokens(piece) for piece in pieces) <= LIMIT
        assert covers(pieces, whole)
        assert server.sent[whole] == 0
        assert all(server.sent[piece] == 1 for piece in pieces)
    pipeline.embed(small, MADE_UP)
    assert set(server.sent.values()) == {1}


def test_its_vector_is_the_mean_of_its_parts_by_their_tokens(small: Corpus) -> None:
    pipeline.embed(small, MADE_UP)
    pieces = parts_of(small, SECTION)
    own = small.embedder.embed(pieces, InputType.DOCUMENT).vectors
    expected = vectors.weighted_mean(own, [estimate_tokens(piece) for piece in pieces])
    query = "SELECT embedding FROM VECTORS v JOIN reference_texts t USING (content_hash) WHERE content = %(whole)s"
    with small.database.connection() as connection:
        [(vector,)] = connection.execute(
            query.replace("VECTORS", small.space.table), {"whole": SECTION}
        ).fetchall()
    np.testing.assert_allclose(vector.to_numpy(), expected, atol=1e-6)


def test_a_model_that_takes_the_text_whole_has_no_parts_of_it(
    small: Corpus, settings: Settings, voyage: VoyageServer
) -> None:
    pipeline.embed(small, MADE_UP)
    other = open_for_test(settings, small.database)
    pipeline.embed(other, MADE_UP)
    assert column(small, "SELECT DISTINCT space_id FROM reference_text_parts") == [small.space.id]
    assert SECTION in {text for entry in voyage.log for text in entry.texts}


@pytest.mark.parametrize("most", [300, 120])
def test_what_the_provider_says_is_too_long_after_all_is_cut_again(
    small: Corpus, server: InventedServer, most: int
) -> None:
    server.most = most
    filled = pipeline.embed(small, MADE_UP)
    assert (filled.embedded_records, filled.errors, filled.status) == (filled.records, 0, "completed")
    pieces = parts_of(small, LONG)
    assert max(estimate_tokens(piece) for piece in pieces) <= most
    assert covers(pieces, LONG)
    assert set(server.sent.values()) == {1}
    nobodys = """SELECT count(*) FROM reference_texts t
        WHERE NOT EXISTS (SELECT FROM reference_records r WHERE r.content_hash = t.content_hash)
          AND NOT EXISTS (SELECT FROM reference_text_parts p WHERE p.part_hash = t.content_hash)"""
    assert column(small, nobodys) == [0]


def test_what_is_refused_at_any_length_is_a_dead_letter_and_ends(small: Corpus, server: InventedServer) -> None:
    server.most = 0
    load(small, {"One": {"Only": SECTION}})
    filled = pipeline.embed(small, MADE_UP)
    assert (filled.embedded_records, filled.errors) == (0, filled.records)


def test_parts_that_were_cut_for_a_higher_limit_are_cut_again(small: Corpus, server: InventedServer) -> None:
    with small.database.connection() as connection:
        [digest] = connection.execute(
            "SELECT content_hash FROM reference_texts WHERE content = %s", (LONG,)
        ).fetchone() or (b"",)
        assert parts.cut(connection, small.space, digest, 2_000)
    assert max(estimate_tokens(piece) for piece in parts_of(small, LONG)) > LIMIT
    pipeline.embed(small, MADE_UP)
    pieces = parts_of(small, LONG)
    assert max(estimate_tokens(piece) for piece in pieces) <= LIMIT
    assert covers(pieces, LONG)


def test_a_lower_limit_of_the_account_is_obeyed_too(corpus: Corpus, voyage: VoyageServer) -> None:
    corpus.embedder._model = replace(corpus.embedder.model, context=512)  # type: ignore[attr-defined]
    load(corpus, DOCUMENTS)
    assert pipeline.embed(corpus, MADE_UP).status == "completed"
    assert max(estimate_tokens(text) for entry in voyage.log for text in entry.texts) <= LIMIT


def test_parts_go_with_their_text(small: Corpus) -> None:
    pipeline.embed(small, MADE_UP)
    load(small, contracts(5))
    assert column(small, "SELECT count(*) FROM reference_text_parts") == [0]
    assert column(small, "SELECT count(*) FROM reference_texts") == [20]


def test_parts_go_with_their_space(small: Corpus) -> None:
    whole = column(small, "SELECT content FROM reference_texts ORDER BY 1")
    pipeline.embed(small, MADE_UP)
    with small.database.connection() as connection:
        spaces.drop(connection, small.space.id)
    assert column(small, "SELECT count(*) FROM reference_text_parts") == [0]
    assert column(small, "SELECT content FROM reference_texts ORDER BY 1") == whole

from unittest.mock import patch

import numpy as np
import pytest

from bootstrap_assets.embedding.choose import choose_embedder, embedder_of
from bootstrap_assets.embedding.providers.local import LocalEmbedder
from bootstrap_assets.embedding.providers.protocol import InputType
from bootstrap_assets.embedding.providers.voyage import VoyageEmbedder, _vectors
from bootstrap_assets.embedding.providers.voyage_models import voyage_model
from bootstrap_assets.errors import AccessError, AnswerError, ConfigurationError, RefusedError, TransientError
from bootstrap_assets.settings import load_settings
from tests.fakes.voyage_server import Refusal, VoyageServer, vector_of


def test_the_local_model_gives_unit_vectors_of_256_dimensions() -> None:
    answer = LocalEmbedder().embed(["A cap on liability.", "The cat sat."], InputType.DOCUMENT)
    assert answer.vectors.shape == (2, 256)
    np.testing.assert_allclose(np.linalg.norm(answer.vectors, axis=1), 1, rtol=1e-5)
    assert answer.tokens > 5


def test_a_text_has_the_same_local_vector_whatever_its_neighbours_are() -> None:
    alone = LocalEmbedder().embed(["A cap on liability."], InputType.DOCUMENT).vectors[0]
    among = LocalEmbedder().embed(["A cap on liability.", "x " * 5000], InputType.DOCUMENT).vectors[0]
    np.testing.assert_array_equal(alone, among)


def test_a_word_counts_once_however_often_it_occurs() -> None:
    once, often = LocalEmbedder().embed(["fee cap", "fee fee fee cap fee"], InputType.DOCUMENT).vectors
    np.testing.assert_allclose(once, often, rtol=1e-5)


def test_in_a_query_but_not_in_a_document_a_frequent_word_counts_little() -> None:
    plain = LocalEmbedder()
    fitted = LocalEmbedder(plain.fit(["agreement"] * 999 + ["insurance"]))
    alone = plain.embed(["insurance"], InputType.DOCUMENT).vectors[0]
    both = ["the agreement insurance"]
    query, before = (one.embed(both, InputType.QUERY).vectors[0] for one in (fitted, plain))
    assert query @ alone > before @ alone + 0.1
    document, unfitted = (one.embed(both, InputType.DOCUMENT).vectors[0] for one in (fitted, plain))
    np.testing.assert_array_equal(document, unfitted)


def test_like_texts_are_nearer_than_unlike_ones() -> None:
    cap, limit, rent = (
        LocalEmbedder()
        .embed(
            [
                "Neither party's liability shall exceed the fees paid.",
                "The total liability is limited to the amount of the fees.",
                "The tenant waters the garden on Sundays.",
            ],
            InputType.DOCUMENT,
        )
        .vectors
    )
    assert cap @ limit > cap @ rent


def test_an_empty_text_is_refused_rather_than_given_a_made_up_vector() -> None:
    with pytest.raises(RefusedError, match="empty"):
        LocalEmbedder().embed(["fine", ""], InputType.DOCUMENT)


def test_voyage_returns_the_provider_s_vectors_in_order(voyage: VoyageServer) -> None:
    embedder = VoyageEmbedder(voyage_model("voyage-law-2"), "key", voyage.url)
    answer = embedder.embed(["one clause", "another clause"], InputType.DOCUMENT)
    np.testing.assert_allclose(answer.vectors[1], vector_of("another clause", 1024), rtol=1e-6)
    assert answer.tokens == 7


def test_queries_are_sent_as_queries(voyage: VoyageServer) -> None:
    embedder = VoyageEmbedder(voyage_model("voyage-law-2"), "key", voyage.url)
    embedder.embed(["one clause"], InputType.DOCUMENT)
    embedder.embed(["a question"], InputType.QUERY)
    assert voyage.input_types == {"document": 1, "query": 1}


def test_truncation_is_off(voyage: VoyageServer) -> None:
    embedder = VoyageEmbedder(voyage_model("voyage-law-2"), "key", voyage.url)
    with pytest.raises(RefusedError, match="context length"):
        embedder.embed(["word " * 17_000], InputType.DOCUMENT)


def test_a_wrong_key_is_a_matter_of_access() -> None:
    with VoyageServer(key="right") as server, pytest.raises(AccessError, match="API key"):
        VoyageEmbedder(voyage_model("voyage-law-2"), "wrong", server.url).embed(["x"], InputType.QUERY)


def test_a_server_error_may_pass(voyage: VoyageServer) -> None:
    def fail(_texts: list[str]) -> None:
        raise Refusal(503, "busy")

    voyage.refuse = fail
    with pytest.raises(TransientError):
        VoyageEmbedder(voyage_model("voyage-law-2"), "key", voyage.url).embed(["x"], InputType.QUERY)


def test_no_answer_may_pass() -> None:
    with pytest.raises(TransientError):
        VoyageEmbedder(voyage_model("voyage-law-2"), "key", "http://127.0.0.1:1/v1").embed(["x"], InputType.QUERY)


def test_other_dimensions_are_asked_for(voyage: VoyageServer) -> None:
    embedder = VoyageEmbedder(voyage_model("voyage-4", 512), "key", voyage.url)
    assert embedder.embed(["one clause"], InputType.DOCUMENT).vectors.shape == (1, 512)


def test_vectors_are_put_in_the_order_of_the_texts() -> None:
    data = [{"index": 1, "embedding": [0.0, 1.0]}, {"index": 0, "embedding": [1.0, 0.0]}]
    np.testing.assert_array_equal(_vectors(data, 2), [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    "data",
    [
        [{"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}],
        [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "AACAPw=="}],
    ],
)
def test_an_answer_that_does_not_fit_the_request_is_refused(data: list[dict[str, object]]) -> None:
    with pytest.raises(AnswerError):
        _vectors(data, 2)


def test_an_unknown_model_is_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"voyage-9.*voyage-law-2"):
        voyage_model("voyage-9")


def test_a_dimension_that_a_model_does_not_offer_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"voyage-law-2 offers 1024, not 512"):
        voyage_model("voyage-law-2", 512)


def test_voyage_without_a_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="VOYAGE_API_KEY"):
        choose_embedder(load_settings(embedder="voyage"))


def test_a_space_is_searched_with_its_own_model_whatever_is_set() -> None:
    settings = load_settings(voyage_api_key="key")
    local = LocalEmbedder.model
    assert embedder_of(settings, "local", local.name, local.dimensions).model is local
    assert embedder_of(settings, "voyage", "voyage-4", 512).model.dimensions == 512


@pytest.mark.parametrize("tokens", ["many", float("nan"), float("inf"), -500, 10**400, None])
def test_an_answer_that_counts_no_tokens_is_a_bad_answer_and_lowers_no_bill(tokens: object) -> None:
    answer = {"data": [{"index": 0, "embedding": [1.0]}], "usage": {"total_tokens": tokens}}
    embedder = VoyageEmbedder(voyage_model("voyage-4"), "key")
    with patch.object(embedder, "_ask", return_value=answer), pytest.raises(AnswerError):
        embedder.embed(["x"], InputType.DOCUMENT)


@pytest.mark.parametrize("index", ["first", float("nan"), float("inf"), None])
def test_an_answer_whose_vectors_have_no_numbers_is_a_bad_answer(index: object) -> None:
    answer = {"data": [{"index": index, "embedding": [1.0]}], "usage": {"total_tokens": 1}}
    embedder = VoyageEmbedder(voyage_model("voyage-4"), "key")
    with patch.object(embedder, "_ask", return_value=answer), pytest.raises(AnswerError):
        embedder.embed(["x"], InputType.DOCUMENT)

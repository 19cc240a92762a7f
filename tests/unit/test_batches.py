from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap_assets.embedding.batches import Text, batch_key, batch_keys, batch_of, bounds, pack
from bootstrap_assets.texts.content import content_hash

texts = st.lists(st.integers(1, 400).map(lambda tokens: Text(bytes(32), "x", tokens)), max_size=60)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 4096))
def test_a_batch_is_a_number_below_the_count(digest: bytes, count: int) -> None:
    assert 0 <= batch_of(digest, count) < count


def test_texts_spread_evenly_over_the_batches() -> None:
    sizes = [0] * 16
    for number in range(16_000):
        sizes[batch_of(content_hash(f"text {number}"), 16)] += 1
    assert min(sizes) > 800
    assert max(sizes) < 1200


@given(st.binary(min_size=32, max_size=32))
def test_a_text_stays_in_the_same_stretch_when_the_batches_are_doubled(digest: bytes) -> None:
    assert batch_of(digest, 256) // 2 == batch_of(digest, 128)


def test_keys_sort_as_their_numbers_do() -> None:
    keys = batch_keys(128)
    assert keys[0] == "000"
    assert keys[-1] == "127"
    assert keys == sorted(keys)
    assert [int(key) for key in keys] == list(range(128))
    assert batch_key(0, 1) == "0"


@given(texts, st.integers(1, 20), st.integers(1, 500))
def test_packing_loses_nothing_and_keeps_the_order(packed: list[Text], most: int, tokens: int) -> None:
    requests = list(pack(packed, max_texts=most, max_tokens=tokens))
    assert [text for request in requests for text in request] == packed


@given(texts, st.integers(1, 20), st.integers(1, 500))
def test_a_request_holds_no_more_than_the_limits(packed: list[Text], most: int, tokens: int) -> None:
    for request in pack(packed, max_texts=most, max_tokens=tokens):
        assert 1 <= len(request) <= most
        assert len(request) == 1 or sum(text.tokens for text in request) <= tokens


@given(texts, st.integers(1, 20), st.integers(1, 500))
def test_no_two_neighbouring_requests_would_fit_into_one(packed: list[Text], most: int, tokens: int) -> None:
    requests = list(pack(packed, max_texts=most, max_tokens=tokens))
    for one, following in pairwise(requests):
        assert len(one) == most or sum(text.tokens for text in [*one, following[0]]) > tokens


@pytest.mark.parametrize("count", [1, 3, 100, 256, 1000])
def test_the_hashes_of_a_batch_are_those_within_its_bounds(count: int) -> None:
    for prefix in range(0, 1 << 16, 37):
        digest = prefix.to_bytes(2, "big") + bytes(30)
        first, end = bounds(batch_of(digest, count), count)
        assert first <= digest
        assert end is None or digest < end

"""Texts that no record has: embedded by the one path, paid for once, and stopped like all else."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.loose_texts import LooseTexts
from bootstrap_assets.embedding.providers.protocol import InputType
from bootstrap_assets.errors import StoppedError
from bootstrap_assets.stopping import Stop
from tests.integration.test_fill import StubEmbedder, column

QUESTIONS = [f"Who pays for number {number}?" for number in range(12)]


def loose(corpus: Corpus, on_request: Callable[[int], None] = lambda request: None) -> LooseTexts:
    """With an embedder that takes two texts a request, and says so before it answers each."""

    def answer(texts: int) -> np.ndarray:
        on_request(stub.asked)
        return np.tile(np.eye(1, corpus.space.dimensions, dtype=np.float32), (texts, 1))

    stub = StubEmbedder(answer, request_texts=2)
    settings = corpus.settings.model_copy(update={"embed_workers": 1})
    return LooseTexts(replace(corpus, embedder=stub, settings=settings, stop=Stop()), "evaluate", InputType.QUERY)


def test_a_loose_text_is_paid_for_once_by_input_type(corpus: Corpus) -> None:
    questions = loose(corpus)
    assert (questions.embed(QUESTIONS), questions.embed(QUESTIONS)) == (12, 0)
    assert set(questions.vectors([*QUESTIONS, "another"])) == set(QUESTIONS)
    assert replace(questions, input_type=InputType.DOCUMENT).embed(QUESTIONS[:3]) == 3
    assert column(corpus, "SELECT sum(texts) FROM embedding_usage WHERE source = 'evaluate'") == [15]


def test_a_stop_ends_loose_texts_and_what_was_answered_before_it_is_not_sent_again(corpus: Corpus) -> None:
    questions = loose(corpus, lambda request: questions.corpus.stop.set() if request == 3 else None)
    with pytest.raises(StoppedError):
        questions.embed(QUESTIONS)
    assert len(questions.vectors(QUESTIONS)) == 6
    assert loose(corpus).embed(QUESTIONS) == 6

"""What failed is told, whatever signs the reason has: a name need not be UTF-8, nor an answer free of NUL."""

import pytest

from bootstrap_assets.embedding import failures, stages
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import FormatError, RefusedError
from bootstrap_assets.operations import progress, requests
from bootstrap_assets.operations.events import IngestRequested, RunFailed
from bootstrap_assets.operations.outbox import emit, listing
from bootstrap_assets.texts.content import content_hash
from tests.integration.test_fill import column

ODD = "caf\udce9 and a \x00"
STORED = "caf\ufffd and a \ufffd"


def test_a_source_that_fails_for_a_reason_with_odd_signs_has_failed(corpus: Corpus) -> None:
    with pytest.raises(FormatError, match="caf"), progress.working_on(corpus.database, "bonterms", afresh=True):
        raise FormatError(ODD)
    assert column(corpus, "SELECT status FROM bootstrap_progress") == ["failed"]
    assert column(corpus, "SELECT message FROM bootstrap_progress") == [STORED]


def test_a_batch_tells_an_error_with_odd_signs(corpus: Corpus) -> None:
    with corpus.database.connection() as connection:
        connection.execute(
            "INSERT INTO bootstrap_batches (source, batch, stage) VALUES ('bonterms', 1, 'embedding')"
        )
        stages.enter(connection, "bonterms", [1], "failed", error=ODD)
    assert column(corpus, "SELECT last_error FROM bootstrap_batches") == [STORED]


def test_a_dead_letter_tells_an_answer_with_odd_signs(corpus: Corpus) -> None:
    with corpus.database.connection() as connection:
        failures.bury(connection, corpus.space, "bonterms", content_hash("a"), "embed", RefusedError(ODD))
    assert column(corpus, "SELECT message FROM bootstrap_failures") == [STORED]


def test_an_event_and_a_request_tell_a_reason_with_odd_signs(corpus: Corpus) -> None:
    with corpus.database.connection() as connection:
        number, _ = requests.ask(connection, IngestRequested(sources=["bonterms"]))
        assert requests.end(connection, number, "failed", ODD)
        after = emit(connection, RunFailed(run_id="1", job="bootstrap", message=ODD)) - 1
        assert requests.get(connection, number).message == STORED
        assert [row.payload["message"] for row in listing(connection, after=after)] == [STORED]

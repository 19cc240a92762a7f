"""Who shares a key's limit: a bulk run does not starve what somebody waits for, and weights are kept."""

import threading
import time
from collections import Counter
from functools import partial

from bootstrap_assets.embedding import ledger
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.ledger import Admission, Payer

MINUTE = 1.5
"""Seconds of the window that stands for a minute here."""

TOKENS = 10_000
LIMITER = "voyage:test/model"


def ask(corpus: Corpus, payer: Payer, source: str, tokens: int) -> Admission:
    reserve = partial(
        ledger.reserve,
        space=corpus.space,
        payer=payer,
        source=source,
        texts=1,
        tokens=tokens,
        dollars=0.12,
        requests_minute=2_000,
        tokens_minute=TOKENS,
        window=MINUTE,
    )
    return corpus.database.transact(reserve)


class Shares:
    """Sends as much as it may, from several threads, for some seconds; what is sent in the first minute is not
    counted, for nobody waits before it is full.
    """

    def __init__(self, corpus: Corpus, seconds: float) -> None:
        self._corpus = corpus
        self._until = time.monotonic() + seconds
        self._since = time.monotonic() + MINUTE
        self.tokens = Counter[str]()
        self.waits: list[float] = []
        self._threads: list[threading.Thread] = []

    def bulk(self, source: str, *, weight: float = 1.0, tokens: int = 500, threads: int = 2) -> None:
        """Threads that send a source's requests one after another. What nobody asks for goes to others."""
        payer = Payer(LIMITER, source, weight=weight)
        for _ in range(threads):
            self._start(partial(self._send, payer, source, tokens))

    def documents(self, tokens: int = 300) -> None:
        """A document now and then; how long each waits is noted."""
        self._start(partial(self._send_documents, tokens))

    def wait(self) -> None:
        for thread in self._threads:
            thread.join(60)

    def _start(self, work: partial[None]) -> None:
        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def _send(self, payer: Payer, source: str, tokens: int) -> None:
        while time.monotonic() < self._until:
            admission = ask(self._corpus, payer, source, tokens)
            if admission.request is None:
                time.sleep(admission.wait or 0)
            elif time.monotonic() > self._since:
                self.tokens[source] += tokens

    def _send_documents(self, tokens: int) -> None:
        payer = Payer(LIMITER, "tenant")
        while time.monotonic() < self._until:
            start = time.monotonic()
            while (admission := ask(self._corpus, payer, "documents", tokens)).request is None:
                time.sleep(admission.wait or 0)
            self.waits.append(time.monotonic() - start)
            time.sleep(0.3 * MINUTE)


def test_a_document_is_not_starved_by_a_bulk_run(corpus: Corpus) -> None:
    shares = Shares(corpus, 5 * MINUTE)
    shares.bulk("cuad")
    time.sleep(0.5 * MINUTE)  # by now all of the minute is taken
    shares.documents()
    shares.wait()
    first, *others = shares.waits
    assert first <= 1.5 * MINUTE  # what is in flight cannot be called back
    assert sorted(others)[len(others) // 2] <= 0.2 * MINUTE
    assert shares.tokens["cuad"] >= 3 * 0.8 * TOKENS


def test_two_sources_share_a_limit_by_their_weights(corpus: Corpus) -> None:
    shares = Shares(corpus, 6 * MINUTE)
    shares.bulk("cuad", weight=3, threads=6)  # so many that one asks at any time, on a loaded machine too
    shares.bulk("bonterms", weight=1)
    shares.wait()
    assert 2 <= shares.tokens["cuad"] / shares.tokens["bonterms"] <= 4
    assert shares.tokens.total() >= 4 * 0.85 * TOKENS


def test_a_source_alone_has_all_of_it(corpus: Corpus) -> None:
    shares = Shares(corpus, 4 * MINUTE)
    shares.bulk("cuad", weight=0.1)
    shares.wait()
    assert shares.tokens["cuad"] >= 2 * 0.95 * TOKENS


def test_large_requests_leave_no_part_of_a_minute_to_nobody(corpus: Corpus) -> None:
    """Three of them fit a minute: one for each of two sources, and the third is somebody's too."""
    shares = Shares(corpus, 5 * MINUTE)
    shares.bulk("cuad", tokens=3_000)
    shares.bulk("bonterms", tokens=3_000)
    shares.wait()
    assert shares.tokens.total() >= 4 * 0.75 * TOKENS

"""Vectors of texts that no record has, such as the questions of an evaluation, and pieces of contracts.

They go the way of all texts, packed, sent and entered in the ledger, and are kept beside the corpus, in
`evaluation_vectors`, so that a text is paid for once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.batches import Text, pack
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.dispatch import dispatch
from bootstrap_assets.embedding.fill import MARGIN
from bootstrap_assets.embedding.providers.protocol import InputType
from bootstrap_assets.embedding.send import Answer, Sender
from bootstrap_assets.embedding.vectors import Vectors, sound
from bootstrap_assets.errors import RefusedError, StoppedError
from bootstrap_assets.texts.content import content_hash, estimate_tokens

statement = statements_of(__name__)


@dataclass(frozen=True, slots=True)
class LooseTexts:
    """Embeds texts of one input type that have no vector yet, and keeps their vectors.

    `source`: what their requests are entered as in the ledger.
    """

    corpus: Corpus
    source: str
    input_type: InputType

    def embed(self, texts: Iterable[str]) -> int:
        """How many of the texts were embedded; raises what a Sender raises, but RefusedError.

        One that the model refuses, or that is too long for it, goes without.
        """
        by_hash = {content_hash(text): text for text in texts}
        missing = self.corpus.database.transact(partial(self._missing, hashes=list(by_hash)))
        requests = self._requests(
            Text(digest, by_hash[digest], estimate_tokens(by_hash[digest])) for digest in missing
        )
        stop = self.corpus.stop.child()
        deliver = partial(self._deliver, self.corpus.sender(self.source, stop))
        workers = self.corpus.settings.embed_workers
        embedded = sum(count for _, count in dispatch(requests, deliver, workers=workers, stop=stop))
        if stop.is_set():
            raise StoppedError
        return embedded

    def vectors(self, texts: Iterable[str]) -> dict[str, Vectors]:
        """The vectors of those texts that have one, each of shape (dimensions,)."""
        by_hash = {content_hash(text): text for text in texts}
        parameters = self._parameters(list(by_hash))
        rows = self.corpus.database.transact(
            lambda connection: connection.execute(statement("loose_vectors"), parameters).fetchall()
        )
        return {by_hash[bytes(digest)]: vector.to_numpy() for digest, vector in rows}

    def forget_others(self, texts: Iterable[str]) -> None:
        """Drop the vectors of all texts but these: what nothing asks about any more."""
        parameters = self._parameters(list(map(content_hash, texts)))
        self.corpus.database.transact(
            lambda connection: connection.execute(statement("forget_loose_vectors"), parameters)
        )

    def _missing(self, connection: Connection, hashes: list[bytes]) -> list[bytes]:
        parameters = self._parameters(hashes)
        connection.execute(statement("use_loose_vectors"), parameters)
        query = statement("loose_texts_without_vector").format(vectors=self.corpus.space.vectors)
        return [bytes(row[0]) for row in connection.execute(query, parameters)]

    def _parameters(self, hashes: list[bytes]) -> dict[str, object]:
        return {"hashes": hashes, "space": self.corpus.space.id, "input_type": self.input_type}

    def _requests(self, texts: Iterable[Text]) -> Iterator[list[Text]]:
        model = self.corpus.embedder.model
        fitting = (text for text in texts if text.tokens <= model.context * MARGIN)
        return pack(fitting, max_texts=model.request_texts, max_tokens=int(model.request_tokens * MARGIN))

    def _deliver(self, sender: Sender, request: Sequence[Text]) -> int:
        try:
            return self._send(sender, request)
        finally:
            sender.finish()

    def _send(self, sender: Sender, request: Sequence[Text]) -> int:
        """Embed and keep the texts of a request; one that is refused is halved until the culprit stands alone."""
        tokens = sum(text.tokens for text in request)
        try:
            answer = sender.send([text.content for text in request], tokens, self.input_type)
        except RefusedError:
            if len(request) == 1:
                return 0
            half = len(request) // 2
            return self._send(sender, request[:half]) + self._send(sender, request[half:])
        self.corpus.database.transact(partial(self._keep, request=request, answer=answer))
        return len(request)

    def _keep(self, connection: Connection, request: Sequence[Text], answer: Answer) -> None:
        common = {"space": self.corpus.space.id, "input_type": self.input_type}
        rows = [
            common | {"hash": text.content_hash, "embedding": vector}
            for text, vector, good in zip(request, answer.vectors, sound(answer.vectors), strict=True)
            if good
        ]
        with connection.cursor() as cursor:
            cursor.executemany(statement("keep_loose_vector"), rows)
        answer.settle(connection)

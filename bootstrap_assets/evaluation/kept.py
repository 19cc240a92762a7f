"""Vectors that an evaluation needs and the corpus does not hold: pieces of contracts, and its own questions.

They are kept in `evaluation_vectors`, so that a text is paid for once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.embedding.batches import Text, pack
from bootstrap_assets.embedding.providers.protocol import Embedder, InputType
from bootstrap_assets.embedding.send import Answer, Sender
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.embedding.vectors import Vectors, sound
from bootstrap_assets.errors import RefusedError
from bootstrap_assets.texts.content import content_hash, estimate_tokens

statement = statements_of(__name__)

_MARGIN = 0.9  # share of a provider's token limit that is filled, because tokens are estimated


@dataclass(frozen=True, slots=True)
class Keeper:
    """Embeds texts of one input type that have no vector yet, and keeps their vectors."""

    database: Database
    space: Space
    embedder: Embedder
    sender: Sender
    input_type: InputType

    def embed(self, texts: Iterable[str]) -> int:
        """How many of the texts were embedded; raises what a Sender raises, but RefusedError.

        One that the model refuses, or that is too long for it, goes without.
        """
        by_hash = {content_hash(text): text for text in texts}
        missing = self.database.transact(partial(self._missing, hashes=list(by_hash)))
        wanted = [Text(digest, by_hash[digest], estimate_tokens(by_hash[digest])) for digest in missing]
        model = self.embedder.model
        fitting = [text for text in wanted if text.tokens <= model.context * _MARGIN]
        requests = pack(fitting, max_texts=model.request_texts, max_tokens=int(model.request_tokens * _MARGIN))
        return sum(map(self._send, requests))

    def vectors(self, texts: Iterable[str]) -> dict[str, Vectors]:
        """The kept vectors of those texts that have one, each of shape (dimensions,)."""
        by_hash = {content_hash(text): text for text in texts}
        parameters = self._parameters(list(by_hash))
        rows = self.database.transact(
            lambda connection: connection.execute(statement("kept"), parameters).fetchall()
        )
        return {by_hash[bytes(digest)]: vector.to_numpy() for digest, vector in rows}

    def forget_others(self, texts: Iterable[str]) -> None:
        """Drop the vectors of all texts but these: what nothing asks about any more."""
        parameters = self._parameters(list(map(content_hash, texts)))
        self.database.transact(
            lambda connection: connection.execute(statement("forget_evaluation_vectors"), parameters)
        )

    def _missing(self, connection: Connection, hashes: list[bytes]) -> list[bytes]:
        connection.execute(statement("use_evaluation_vectors"), self._parameters(hashes))
        query = statement("unembedded").format(vectors=self.space.vectors)
        return [bytes(row[0]) for row in connection.execute(query, self._parameters(hashes))]

    def _parameters(self, hashes: list[bytes]) -> dict[str, object]:
        return {"hashes": hashes, "space": self.space.id, "input_type": self.input_type}

    def _send(self, request: Sequence[Text]) -> int:
        tokens = sum(text.tokens for text in request)
        try:
            answer = self.sender.send([text.content for text in request], tokens, self.input_type)
        except RefusedError:
            if len(request) == 1:
                return 0
            half = len(request) // 2
            return self._send(request[:half]) + self._send(request[half:])
        self.database.transact(partial(self._keep, request=request, answer=answer))
        return len(request)

    def _keep(self, connection: Connection, request: Sequence[Text], answer: Answer) -> None:
        rows = [
            {
                "space": self.space.id,
                "input_type": self.input_type,
                "hash": text.content_hash,
                "embedding": vector,
            }
            for text, vector, good in zip(request, answer.vectors, sound(answer.vectors), strict=True)
            if good
        ]
        with connection.cursor() as cursor:
            cursor.executemany(statement("keep_evaluation_vector"), rows)
        answer.settle(connection)

"""One way through the pipeline in a process of its own; prints its seconds and its peak memory as JSON.

With the argument `floor`: only what nobody can do without, the requests to the provider and a COPY of each answer.
"""

import json
import resource
import sys
import time

import psycopg
from pgvector.psycopg import register_vector

from benchmarks.generated import SOURCE
from bootstrap_assets import pipeline
from bootstrap_assets.database.connection import database_url
from bootstrap_assets.embedding import context
from bootstrap_assets.embedding.batches import Text, pack
from bootstrap_assets.embedding.choose import choose_embedder
from bootstrap_assets.embedding.dispatch import dispatch
from bootstrap_assets.embedding.providers.protocol import InputType
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.stopping import Stop
from bootstrap_assets.texts.content import content_hash, estimate_tokens


def main() -> None:
    settings = load_settings()
    with context.open_corpus(settings) as corpus:
        started = time.monotonic()
        loaded = pipeline.load(corpus, SOURCE, locate.fetch(settings, SOURCE))
        filled_at = time.monotonic()
        filled = pipeline.embed(corpus, SOURCE)
        done = time.monotonic()
        indexed = pipeline.build_index(corpus)
    print(
        json.dumps(
            {
                "records": loaded.records,
                "load": filled_at - started,
                "embed": done - filled_at,
                "texts": filled.texts,
                "requests": filled.requests,
                "index": indexed.seconds,
                "action": indexed.action,
                "all": time.monotonic() - started,
                "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def floor() -> None:
    settings = load_settings()
    embedder = choose_embedder(settings)
    url = database_url(settings)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE floor (content_hash bytea, embedding vector(1024))")
    started = time.monotonic()
    archives = locate.fetch(settings, SOURCE)
    parsed = SOURCE.parse([archive.path for archive in archives], {})
    contents = {content_hash(record.content): record.content for entry in parsed for record in entry.records}
    texts = [Text(digest, content, estimate_tokens(content)) for digest, content in contents.items()]

    def embed_and_copy(request: list[Text]) -> None:
        vectors = embedder.embed([text.content for text in request], InputType.DOCUMENT).vectors
        with psycopg.connect(url) as connection:
            register_vector(connection)
            with connection.cursor().copy("COPY floor FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["bytea", "vector"])
                for text, vector in zip(request, vectors, strict=True):
                    copy.write_row((text.content_hash, vector))

    requests = pack(texts, max_texts=1_000, max_tokens=108_000)
    for _ in dispatch(requests, embed_and_copy, workers=8, stop=Stop()):
        pass
    print(json.dumps({"all": time.monotonic() - started}))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE floor")


if __name__ == "__main__":
    floor() if "floor" in sys.argv else main()

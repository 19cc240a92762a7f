"""What a run would embed and cost, before anything is paid.

The records are really parsed and merged, in a transaction that is rolled back: so what is counted is exactly what
a run would find.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bootstrap_assets import pipeline
from bootstrap_assets.batches import Text, pack
from bootstrap_assets.embed.choose import choose_model
from bootstrap_assets.embed.protocol import Model
from bootstrap_assets.fill import MARGIN
from bootstrap_assets.pipeline import Archive
from bootstrap_assets.settings import Settings
from bootstrap_assets.sources.spec import Source
from bootstrap_assets.store import ledger, schema, spaces, vectors
from bootstrap_assets.store.database import Connection, connect, database_url
from bootstrap_assets.store.spaces import Space
from bootstrap_assets.store.vectors import Work

_READ_TEXTS = 5_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would do for a source.

    `texts` are distinct, `already` of them have a vector, `failed` are dead letters; `send` are to be sent, which
    another source of the same run does not send yet. `tokens` are estimated; `minutes` is the least that the rate
    limits allow, or for a local model what its last requests took, None where that is not known.
    """

    source: str
    records: int
    texts: int
    already: int
    failed: int
    send: int
    tokens: int
    requests: int
    dollars: float
    minutes: float | None


def estimate(settings: Settings, sources: Sequence[Source]) -> tuple[Model, list[Estimate]]:
    """The model that would embed, and what it would take for each of some sources, in this order."""
    choose_model(settings)  # what is wrong in any case is said before a server is started
    url = database_url(settings)
    schema.upgrade(url)
    with connect(url) as connection:
        model = choose_model(settings, spaces.known(connection))
    counted: set[bytes] = set()
    estimates = []
    for source in sources:
        archives = pipeline.fetch(settings, source)
        with connect(url) as connection:  # one source at a time: others wait for what a merge has locked
            estimates.append(_estimate(connection, settings, model, source, archives, counted))
            connection.rollback()
    return model, estimates


def _estimate(
    connection: Connection,
    settings: Settings,
    model: Model,
    source: Source,
    archives: Sequence[Archive],
    counted: set[bytes],
) -> Estimate:
    records = pipeline.merge(connection, settings, source, archives, allow_deletes=True).records
    space = spaces.ensure(connection, model.provider, model.name, model.dimensions)
    work = Work(space, source.name, settings.batches, int(model.context * MARGIN))
    plans = vectors.plan(connection, work)
    texts = [text for text in _missing(connection, work) if text.content_hash not in counted]
    counted.update(text.content_hash for text in texts)
    tokens = sum(text.tokens for text in texts)
    most = int(model.request_tokens * MARGIN)
    requests = sum(1 for _ in pack(texts, max_texts=model.request_texts, max_tokens=most))
    return Estimate(
        source=source.name,
        records=records,
        texts=sum(plan.texts for plan in plans),
        already=sum(plan.texts - plan.missing - plan.failed for plan in plans),
        failed=sum(plan.failed for plan in plans),
        send=len(texts),
        tokens=tokens,
        requests=requests,
        dollars=model.cost(tokens),
        minutes=_minutes(connection, space, model, requests, tokens),
    )


def _missing(connection: Connection, work: Work) -> Iterator[Text]:
    """The texts that would be sent, without their contents."""
    hashes = [digest for found in vectors.missing(connection, work).values() for digest in found]
    for start in range(0, len(hashes), _READ_TEXTS):
        for text in vectors.still_missing(connection, work.space, hashes[start : start + _READ_TEXTS]):
            yield Text(text.content_hash, "", text.tokens)


def _minutes(connection: Connection, space: Space, model: Model, requests: int, tokens: int) -> float | None:
    if model.requests_minute and model.tokens_minute:
        return max(requests / model.requests_minute, tokens / model.tokens_minute)
    pace = ledger.tokens_per_second(connection, space)
    return tokens / pace / 60 if pace else None

"""The list of scenarios, with the sizes of the long form and of the quick one."""

from collections.abc import Callable
from functools import partial

from tests.chaos import database, documents, kills, limits, provider, resuming, sharing, spaces, stopping
from tests.chaos.table import Row

Scenario = Callable[..., Row]

LONG: dict[str, Scenario] = {
    "kills": partial(kills.kills, corpora=8, anywhere=20, fresh=4),
    "command-kills": partial(stopping.killing_the_command, times=4),
    "resuming": partial(resuming.resuming, runs=24),
    "documents": partial(documents.kills, rounds=4, documents=30),
    "same-source": partial(sharing.same_source, rounds=6, documents=360),
    "shared-texts": partial(sharing.shared_texts, rounds=6, documents=360),
    "flaky": partial(provider.flaky, documents=200),
    "poison": partial(provider.poison, documents=100),
    "restarts": partial(database.restarts, times=10, documents=52),
    "cut-copies": partial(database.cut_copies, times=3),
    "deadlocks": database.deadlocks,
    "full-disk": partial(database.full_disk, seconds=5),
    "refused-row": database.refused_row,
    "stopping": partial(stopping.stopping, times=8),
    "command-stopping": partial(stopping.stopping_the_command, times=2),
    "requests-limit": partial(limits.requests_limit, windows=3),
    "tokens-limit": partial(limits.tokens_limit, windows=3),
    "spaces": partial(spaces.promoting, rounds=2, hold=20, documents=200),
}

QUICK: dict[str, Scenario] = {
    "kills": partial(kills.kills, corpora=1, documents=12),
    "resuming": partial(resuming.resuming, runs=4, documents=12),
    "documents": partial(documents.kills, rounds=1, documents=8),
    "same-source": partial(sharing.same_source, rounds=1, documents=12),
    "shared-texts": partial(sharing.shared_texts, rounds=1, documents=12),
    "flaky": partial(provider.flaky, documents=12, request_texts=2),
    "poison": partial(provider.poison, documents=100),
    "restarts": partial(database.restarts, times=2, documents=12),
    "cut-copies": partial(database.cut_copies, times=1, documents=12),
    "deadlocks": partial(database.deadlocks, merges=1),
    "full-disk": partial(database.full_disk, seconds=0.5, documents=12),
    "refused-row": database.refused_row,
    "stopping": partial(stopping.stopping, times=2, documents=12),
    "requests-limit": partial(limits.requests_limit, rpm=20, tpm=20_000, window=3.0, windows=2, used=0.7),
    "spaces": partial(spaces.promoting, rounds=1, hold=1, documents=12),
}

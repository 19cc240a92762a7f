"""What follows a load, soon after it: the statistics of words, and the end of texts that nothing has any more.

The transaction of a load only notes which texts it touched. Two loads would otherwise wait for each other's
counts of the same words, and neither could know what the other is about to bring. Here that is worked off by the
difference, some thousand texts in a transaction, under a lock that no load takes. What a large load leaves is
settled beside its embedding, which mostly waits for the provider. What was cut off is done the next time.
"""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import Any

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of

statement = statements_of(__name__)

AT_ONCE = 5_000
"""Texts that one transaction settles."""

_LOCK = 0x73657474  # "sett": one process settles


def settle(database: Database, *, over: Callable[[int], bool] = lambda _texts: False) -> int:
    """Bring word statistics to the texts that there are, and delete orphans; returns how many it looked at.

    Those that are left when `over`, asked with that number, says so are for the next time.
    """
    moment, texts = database.transact(_moment), 0
    while not over(texts) and (some := database.transact(partial(_settle_some, moment=moment))):
        texts += some
    return texts


def settle_some(database: Database) -> int:
    """`settle` of as many texts as one transaction takes: of a change mostly all, of a first load not."""
    return settle(database, over=bool)


@contextmanager
def beside(database: Database) -> Iterator[None]:
    """`settle` in a thread while the block goes on, and wait for it. Where the block fails it ends soon."""
    has_failed = Event()
    with ThreadPoolExecutor(1, "settlement") as pool:
        work = pool.submit(settle, database, over=lambda _texts: has_failed.is_set())
        try:
            yield
        except BaseException:
            has_failed.set()
            raise
        work.result()


def is_settled(connection: Connection) -> bool:
    """Whether the word statistics are those of the corpus as it is."""
    row = connection.execute(statement("is_settled")).fetchone()
    return bool(row and row[0])


def lock(connection: Connection) -> None:
    """Let nothing be settled by others until the transaction ends."""
    connection.execute(statement("lock_settlement"), {"key": _LOCK})


def _moment(connection: Connection) -> Any:
    [moment] = connection.execute(statement("moment")).fetchone() or (None,)
    return moment


def _settle_some(connection: Connection, moment: Any) -> int:
    lock(connection)
    rows = connection.execute(statement("take_unsettled"), {"moment": moment, "limit": AT_ONCE})
    hashes = [row[0] for row in rows]
    if hashes:
        _settle_words(connection, hashes)
        _settle_piles(connection, hashes)
        _delete_orphans(connection, hashes)
        connection.execute(statement("sum_up_changes"))
    return len(hashes)


def _settle_words(connection: Connection, hashes: Collection[bytes]) -> None:
    row = connection.execute(statement("settle_words"), {"hashes": list(hashes)}).fetchone()
    if row and row[0]:
        connection.execute(statement("forget_words"), {"words": row[0]})


def _settle_piles(connection: Connection, hashes: Collection[bytes]) -> None:
    """Bring what the words of texts add to their scores to the texts that records have."""
    connection.execute(statement("settle_impact_mean"))
    row = connection.execute(statement("settle_piles"), {"hashes": list(hashes)}).fetchone()
    if row and row[0]:
        connection.execute(statement("forget_piles"), {"piles": row[0]})


def _delete_orphans(connection: Connection, hashes: Collection[bytes]) -> None:
    """Delete texts that nothing has; the parts of a long one go with it, unless something has them."""
    left = _column(connection, "without_records", list(hashes))
    while left:
        orphans = _column(connection, "hold_orphans", left)
        parts = _column(connection, "parts_of_orphans", orphans)
        connection.execute(statement("delete_orphans"), {"hashes": orphans})
        connection.execute(statement("resolve_orphans"), {"hashes": left})
        connection.execute(statement("postpone"), {"hashes": left})
        left = parts


def _column(connection: Connection, name: str, hashes: list[bytes]) -> list[bytes]:
    return [row[0] for row in connection.execute(statement(name), {"hashes": hashes})]

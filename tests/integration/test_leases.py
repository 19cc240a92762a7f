"""A lease is held only where the server says so."""

import os

import psycopg
import pytest

from bootstrap_assets.database.connection import connect
from bootstrap_assets.embedding import leases as module
from bootstrap_assets.embedding.leases import Leases
from bootstrap_assets.operations import progress


def cut(url: str, leases: Leases) -> None:
    with connect(url, autocommit=True) as administrator:
        administrator.execute("SELECT pg_terminate_backend(%s, 5000)", (leases._backend,))


@pytest.mark.parametrize("fails", ["_try", "backend"])
def test_leases_are_not_held_while_they_could_not_be_taken_anew(
    database_url: str, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """The connection broke, another process was quicker, and of what came then the first statement failed."""
    mine, other = Leases(database_url, 1), Leases(database_url, 1)
    assert mine.acquire([1, 2, 3]) == [1, 2, 3]
    cut(database_url, mine)
    assert other.acquire([2]) == [2]
    where: object = mine if fails == "_try" else module
    real = getattr(where, fails)

    def once(*arguments: object) -> object:
        monkeypatch.setattr(where, fails, real)
        raise psycopg.errors.AdminShutdown("terminating connection due to administrator command")

    monkeypatch.setattr(where, fails, once)
    if fails == "backend":
        mine._connection.close()
    assert not mine.holds([2])
    assert other.holds([2])
    assert other.acquire([1, 3]) == []
    mine.release([1])
    assert other.acquire([1, 3]) == [1]
    mine.close()
    other.close()


def test_leases_that_were_given_back_are_not_taken_anew(database_url: str) -> None:
    mine, other = Leases(database_url, 1), Leases(database_url, 1)
    mine.acquire([1, 2])
    cut(database_url, mine)
    mine.release([1])
    assert not mine.holds([2])
    assert other.acquire([1, 2]) == [1]
    mine.close()
    other.close()


def test_a_lease_that_was_taken_again_does_not_speak_for_the_time_between(database_url: str) -> None:
    """A host that was cut off would else send what another did meanwhile."""
    mine, other = Leases(database_url, 1), Leases(database_url, 1)
    mine.acquire([1])
    cut(database_url, mine)
    assert other.acquire([1]) == [1]
    other.release([1])
    assert not mine.holds([1])
    assert other.acquire([1]) == []  # but what is in flight is nobody else's to begin with
    mine.release([1])
    assert mine.acquire([1]) == [1]
    assert mine.holds([1])
    mine.release([1])
    assert other.acquire([1]) == [1]
    mine.close()
    other.close()


def test_a_forked_child_is_an_owner_of_its_own() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, progress.owner().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() == progress.owner().replace(str(os.getpid()), str(child))
    os.close(reading)
    os.close(writing)

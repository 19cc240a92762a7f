"""The connection string as SQLAlchemy wants it: the driver is handed what libpq would read."""

from pathlib import Path

import pytest
import sqlalchemy

from bootstrap_assets.cli.environment import dagster_url
from bootstrap_assets.database.libpq import socket_url


@pytest.mark.parametrize(
    ("url", "handed"),
    [
        (
            "postgresql://me:p%40ss@db.example:6432/corpus?sslmode=require",
            {
                "user": "me",
                "password": "p@ss",
                "host": "db.example",
                "port": 6432,
                "dbname": "corpus",
                "sslmode": "require",
            },
        ),
        ("host=db.example dbname=corpus user=me", {"host": "db.example", "dbname": "corpus", "user": "me"}),
        ("postgresql://me@[::1]:7/corpus", {"host": "::1", "port": 7, "dbname": "corpus", "user": "me"}),
        ("postgresql://me@/corpus?host=/tmp/socket", {"host": "/tmp/socket", "dbname": "corpus", "user": "me"}),
        ("host=@abstract port=7 user=me", {"host": "@abstract", "port": "7", "user": "me"}),
        (
            "postgresql://a:1,b:2/corpus?target_session_attrs=read-write",
            {"host": "a,b", "port": "1,2", "dbname": "corpus", "target_session_attrs": "read-write"},
        ),
        ("host=a,b port=7 dbname=corpus", {"host": "a,b", "port": "7,7", "dbname": "corpus"}),
        ("host=a,b dbname=corpus", {"host": "a,b", "port": ",", "dbname": "corpus"}),
        ("service=corpus options=-cwork_mem=7MB", {"service": "corpus", "options": "-cwork_mem=7MB"}),
    ],
)
def test_dagsters_driver_is_handed_what_the_connection_string_says(url: str, handed: dict[str, object]) -> None:
    engine = sqlalchemy.create_engine(dagster_url(url))
    assert engine.dialect.name == "postgresql"
    assert engine.dialect.driver == "psycopg2"
    assert engine.dialect.create_connect_args(engine.url) == ([], handed)


@pytest.mark.parametrize(
    "name", ["My Contracts & it's", "$HOME", 'q"q', "100%_done", "a%20b", "a#b?", "+@ a:b;", "合同"]
)
def test_the_socket_of_a_home_with_any_sign_in_its_path_reaches_dagsters_driver(name: str) -> None:
    folder = Path("/home") / name / ".bootstrap"
    engine = sqlalchemy.create_engine(dagster_url(socket_url(folder, 5432, "bootstrap")))
    handed = {"user": "postgres", "host": str(folder), "port": "5432", "dbname": "bootstrap"}
    assert engine.dialect.create_connect_args(engine.url) == ([], handed)

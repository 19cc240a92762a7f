"""The connection string as SQLAlchemy wants it: the driver is handed what libpq would read."""

import pytest
import sqlalchemy

from bootstrap_assets.cli.environment import dagster_url


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

"""Connection strings as other programs write them: read where they can be, else named, and never shown."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from bootstrap_assets.database.connection_string import read
from bootstrap_assets.errors import ConfigurationError

WHOLE = {"host": "db.example", "port": "6432", "user": "me", "password": "p@w", "dbname": "corpus"}


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:p%40w@db.example:6432/corpus",
        "postgresql+psycopg2://me:p%40w@db.example:6432/corpus",
        "postgres+asyncpg://me:p%40w@db.example:6432/corpus",
        "POSTGRESQL://me:p%40w@db.example:6432/corpus",
        "pgsql://me:p%40w@db.example:6432/corpus",
        "jdbc:postgresql://db.example:6432/corpus?user=me&password=p%40w",
        "jdbc:postgresql://me:p%40w@db.example:6432/corpus?prepareThreshold=0",
        "postgres://me:p%40w@db.example:6432/corpus?schema=public&pgbouncer=true&connection_limit=5&pool_timeout=9",
        "postgres://me:p%40w@db.example:6432/corpus?serverVersion=16&charset=utf8",
        " 'postgres://me:p%40w@db.example:6432/corpus'\n",
        '"postgres://me:p%40w@db.example:6432/corpus";\r\n',
        "“postgres://me:p%40w@db.example:6432/corpus”",
        "\ufeffpostgres://me:p%40w@db.example:6432/corpus",
        "postgres://me:p%40w@db.example:6432/\n    corpus",
        "DATABASE_URL=postgres://me:p%40w@db.example:6432/corpus",
        'export DATABASE_URL="postgres://me:p%40w@db.example:6432/corpus"',
        "DATABASE_URL: postgres://me:p%40w@db.example:6432/corpus",
        "psql 'postgres://me:p%40w@db.example:6432/corpus'",
        "$ psql -d postgres://me:p%40w@db.example:6432/corpus",
        "psql 'postgres://me:p%40w@db.example/corpus' -p 6432",
        "host=db.example port=6432 dbname=corpus user=me password=p@w",
        "host=db.example port=6432 database=corpus username=me password='p@w'",
        "Host=db.example;Port=6432;Database=corpus;Username=me;Password=p@w;Pooling=true",
    ],
)
def test_what_other_programs_write_is_read(text: str) -> None:
    assert conninfo_to_dict(read(text)) == WHOLE


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("ssl=true", {"sslmode": "require"}),
        ("ssl=require", {"sslmode": "require"}),
        ("ssl=false", {"sslmode": "disable"}),
        ("ssl=verify-full", {"sslmode": "verify-full"}),
        ("sslmode=no-verify", {"sslmode": "require"}),
        ("sslmode=Verify_Full", {"sslmode": "verify-full"}),
        ("sslmode=REQUIRED", {"sslmode": "require"}),
        ("sslmode=verify-ca&pool_size=3", {"sslmode": "verify-ca"}),
        ("sslaccept=strict", {"sslmode": "verify-full", "sslrootcert": "system"}),
        ("sslaccept=accept_invalid_certs", {"sslmode": "require"}),
        ("schema=legal", {"options": "-csearch_path=legal"}),
        ("currentSchema=legal&options=-cwork_mem%3D7MB", {"options": "-cwork_mem=7MB -csearch_path=legal"}),
        ("ApplicationName=theirs&connectTimeout=3", {"application_name": "theirs", "connect_timeout": "3"}),
        ("targetServerType=primary", {"target_session_attrs": "primary"}),
        ("application_name=me%40home", {"application_name": "me@home"}),
    ],
)
def test_parameters_of_other_drivers_mean_what_they_meant(query: str, parameters: dict[str, str]) -> None:
    assert conninfo_to_dict(read(f"postgresql://db.example/x?{query}")) == {
        "host": "db.example",
        "dbname": "x",
        **parameters,
    }


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://",
        "service=corpus",
        "postgresql://me@/x?host=/tmp/s&options=-cwork_mem%3D7MB",
        "postgres:///x",
    ],
)
def test_what_libpq_reads_comes_back_letter_by_letter(text: str) -> None:
    assert read(text) == text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("mysql://me:hunter2@db/x", "mysql://"),
        ("prisma+postgres://db/?api_key=hunter2", "prisma"),
        ("https://db.example/x", "https://"),
        ("hunter2@db.example:5432/x", "neither a URL"),
        ("postgres://me:hunter2@db/x?statementTimout=9", "statementTimout"),
        ("postgres://db/x?password=a&hunter2", "has a parameter that"),
        ("postgres://me:hunter2@db/x?conect_timeout=3", "did you mean connect_timeout"),
        ("postgres://me:hunter2@db/x?sslmode=hunter2", "verify-full"),
        ("postgres://me:hunter2@db:port/x", "port"),
        ("postgres://me:hunter2@db:70000/x", "port"),
        ("postgres://me:[YOUR-PASSWORD]@db/x", "placeholder"),
        ("postgres://me:hunter2@db/x?schema=legal&pgbouncer=true", "search_path"),
        ("postgres://me:hunter2%zz@db/x", "percent-encoded"),
        ("postgres://me:hunt/er2@db/x", "percent-encoded"),
        ("postgres://me:hunt er2@db/x", "blank"),
        ("psql 'postgres://me:hunter2@db/x' -c 'SELECT 1'", "psql"),
        ("psql 'postgres://me:hunter2@db/x", "quotes"),
        (" \n", "blanks"),
        ('""', "blanks"),
    ],
)
def test_what_cannot_be_read_is_named_and_its_secrets_are_not(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_DATABASE_URL") as refused:
        read(text)
    assert named in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "er2" not in str(refused.value)
    assert "\n" not in str(refused.value)

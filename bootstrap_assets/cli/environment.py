"""`bootstrap env` and `bootstrap doctor`: what Dagster needs to know, and whether everything is in place."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.resources import as_file, files

import click
import psycopg
from psycopg.conninfo import conninfo_to_dict
from rich.markup import escape

from bootstrap_assets.cli.console import out, print_exactly
from bootstrap_assets.cli.executors import DAGSTER, EXECUTORS, needs_of
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import (
    advisory_lock,
    connect,
    database_url,
    describe,
    existing_database_url,
)
from bootstrap_assets.database.embedded import server
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.choose import choose_embedder, remarks
from bootstrap_assets.embedding.providers.protocol import InputType, SpaceModel
from bootstrap_assets.embedding.providers.registry import PROVIDERS
from bootstrap_assets.errors import BootstrapError, ConfigurationError, NoCorpusError, explain
from bootstrap_assets.settings import FILE, Settings, load_settings, settings_file
from bootstrap_assets.sources.fetch import locate
from bootstrap_assets.sources.fetch.http_answers import public_url
from bootstrap_assets.sources.registry import SOURCES

_LOCK = 0x656E7669  # "envi": held while the Dagster home and schema are made


def prepare_environment(settings: Settings) -> dict[str, str]:
    """Start the database, make the Dagster home, and give the variables that Dagster needs to find both."""
    url = database_url(settings)
    home = settings.root / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    with connect(url, autocommit=True) as connection:
        schema.check_server(connection)
        advisory_lock(connection, _LOCK)  # two first runs at once
        with as_file(files("bootstrap_assets") / "dagster.yaml") as template:
            shutil.copyfile(template, home / "dagster.yaml.new")
        (home / "dagster.yaml.new").replace(home / "dagster.yaml")
        schema.ensure_schema(connection, schema.DAGSTER_SCHEMA)
    file = settings_file()
    return {
        **({FILE: str(file)} if file else {}),
        "BOOTSTRAP_HOME": str(settings.root),
        "DAGSTER_HOME": str(home),
        "BOOTSTRAP_DAGSTER_URL": dagster_url(url),
        **DAGSTER,
    }


def dagster_url(url: str) -> str:
    """The same database as SQLAlchemy wants it, with every parameter kept. defs/storage.py adds the schema."""
    from sqlalchemy.engine import URL

    parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value not in (None, "")}
    user, password, database = (parts.pop(name, None) for name in ("user", "password", "dbname"))
    hosts, ports = parts.get("host", "").split(","), parts.get("port", "").split(",")
    host = port = None
    if len(hosts) > len(ports):  # libpq takes one port for all hosts, SQLAlchemy wants one for each
        parts["port"] = ",".join(ports * len(hosts))
    elif len(hosts) == 1 and not hosts[0].startswith(("/", "@")):  # those are sockets, and stay parameters
        host, port = parts.pop("host", None), parts.pop("port", None)
    return URL.create(
        "postgresql+psycopg2", user, password, host, int(port) if port else None, database, parts
    ).render_as_string(hide_password=False)


@click.command()
@click.option("--executor", type=click.Choice(EXECUTORS), help="What this one needs; starts and writes nothing.")
def env(executor: str | None) -> None:
    """Print what Dagster needs: eval "$(bootstrap env)".

    Starts the embedded server if it does not run. The output may hold a password. With --executor it says what
    that executor needs of its processes and of dagster.yaml, and holds nothing secret.
    """
    if executor:
        for line in needs_of(executor, load_settings()):
            print_exactly(line)
        return
    for name, value in prepare_environment(load_settings()).items():
        print_exactly(f"export {name}={shlex.quote(value)}")


@click.command()
def doctor() -> None:
    """Check everything that a run needs. Changes nothing."""
    settings = load_settings()
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("Python", _python),
        ("home", _home),
        ("database", _database),
        ("schema", _schema),
        ("embedder", _embedder),
        ("data", _data),
    ]
    failed = False
    for name, check in checks:
        try:
            out.print(f"[green]ok[/]      {name:<10}{escape(check(settings))}", soft_wrap=True)
        except (BootstrapError, OSError, psycopg.Error) as error:
            failed = True
            out.print(f"[red]problem[/] {name:<10}{escape(explain(error))}", soft_wrap=True)
    sys.exit(1 if failed else 0)


def _python(_settings: Settings) -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _home(settings: Settings) -> str:
    there = next(path for path in (settings.root, *settings.root.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ConfigurationError(f"BOOTSTRAP_HOME: {settings.root}: {there} is no folder that one can write to")
    remark = "" if there == settings.root else ", which the first run makes"
    return f"{settings.root}{remark}, {shutil.disk_usage(there).free / 1e9:.0f} GB free"


def _database(settings: Settings) -> str:
    kind = "yours" if settings.database_url else "embedded"
    try:
        url = existing_database_url(settings)
    except NoCorpusError:
        return f"{kind}, {_programs()}: the first run makes it"
    with connect(url) as connection:
        schema.check_server(connection)
        version = connection.info.server_version
    return f"{kind}, PostgreSQL {version // 10_000}.{version % 10_000}, {describe(url)}"


def _programs() -> str:
    """The version of the embedded server, as its program reports it, which shows that it can be run."""
    process = subprocess.run(
        [server.program("postgres"), "--version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0:
        raise ConfigurationError(f"the embedded PostgreSQL cannot be run: {' '.join(process.stderr.split())}")
    return process.stdout.strip().replace("postgres (PostgreSQL)", "PostgreSQL")


_NO_SCHEMA = "none yet: the first run makes it"


def _schema(settings: Settings) -> str:
    try:
        url = existing_database_url(settings)
    except NoCorpusError:
        return _NO_SCHEMA
    with connect(url) as connection:
        version = schema.current(connection)
        if version is None:
            return _NO_SCHEMA
        schema.require_current(connection)
    return f"version {version}"


def _embedder(settings: Settings) -> str:
    embedder = choose_embedder(settings, _known_spaces(settings))
    model = embedder.model
    key = "key is set" if PROVIDERS[model.provider].key else "no key needed"
    if model.is_free:
        embedder.embed(["a clause"], InputType.QUERY)
    else:
        key = f"{key} (not tried: that would cost)"
    facts = f"{model.provider}, {model.name}, {model.dimensions} dimensions, {key}"
    return "; ".join([facts, *remarks(settings, model)])


def _known_spaces(settings: Settings) -> Sequence[SpaceModel]:
    """The database's spaces; none where it does not answer, or has no corpus: other checks say so."""
    with suppress(BootstrapError, psycopg.Error), connect(existing_database_url(settings)) as connection:
        return spaces.with_vectors(connection) if schema.current(connection) == schema.head() else []
    return []


def _data(settings: Settings) -> str:
    if settings.data == "official":
        return "official: downloaded when needed"
    if settings.data == "sample":
        return "sample: written into the home when needed"
    names = [name for source in SOURCES.values() for name in locate.file_names(settings, source)]
    return f"{public_url(settings.data)}: {', '.join(names)}"


def is_embedded_running(settings: Settings) -> bool:
    """Whether the embedded server is in use and up."""
    return settings.database_url is None and server.is_running(settings.root)

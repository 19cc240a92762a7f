"""The server of somebody else, made ready as the documentation says."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.external.server import (
    External,
    external_server,
    run_documented,
    set_password,
    shell,
)

_numbers = itertools.count()


@pytest.fixture(scope="session")
def external() -> Iterator[External]:
    """A server whose administrator has run what docs/external-postgres.md says."""
    with external_server() as running:
        with running.admin() as administrator:
            run_documented(administrator, "The role and the database")
            set_password(administrator, "corpus")
        with running.admin("contracts") as administrator:
            run_documented(administrator, "The extension and the schema")
        yield running


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("external")


@pytest.fixture(scope="session")
def filled(external: External, home: Path) -> External:
    """The server after `bootstrap run bonterms` by the documented role."""
    first = shell(external.url("corpus", "contracts"), home, "run", "bonterms")
    assert first.returncode == 0, first.stderr
    assert "texts embedded" in first.stdout
    return external


@pytest.fixture
def other(external: External) -> Iterator[str]:
    """Another database of the server, empty, to which nobody has granted anything yet."""
    name = f"other_{next(_numbers)}"
    with external.admin() as administrator:
        administrator.execute(f"CREATE DATABASE {name}")
        administrator.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
        administrator.execute(f"GRANT CONNECT ON DATABASE {name} TO corpus")
    yield name
    with external.admin() as administrator:
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")

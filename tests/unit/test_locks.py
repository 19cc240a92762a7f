"""The locks hold what pyproject.toml needs, each package once, with hashes and no addresses."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
ENTRY = re.compile(r"\S+(, \S+)*==\S+( ; .*)? (\\\n    --hash=sha256:[0-9a-f]{64} ?)+")


def names(*requirements: str) -> set[str]:
    return {re.split(r"[\[<>=~;\s]", requirement)[0] for requirement in requirements}


def packages(lock: str) -> set[str]:
    return names(*re.findall(r"^(\S.*?)==", (ROOT / lock).read_text(), re.MULTILINE))


def test_the_lock_of_run_time_holds_every_extra_and_nothing_of_tests() -> None:
    held = packages("requirements.lock")
    assert names(*PROJECT["dependencies"], *EXTRAS["parquet"], *EXTRAS["report"]) <= held
    assert not names(*EXTRAS["dev"]) & held


def test_the_lock_of_buckets_holds_only_what_is_added() -> None:
    held = packages("requirements-cloud.lock")
    assert names(*EXTRAS["s3"], *EXTRAS["gs"], *EXTRAS["az"], *EXTRAS["k8s"], *EXTRAS["telemetry"]) <= held
    assert not held & packages("requirements.lock")


def test_the_lock_of_development_holds_only_what_is_added() -> None:
    held = packages("requirements-dev.lock")
    assert names(*EXTRAS["dev"]) - {"bootstrap-assets"} <= held
    assert not held & packages("requirements.lock")


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "requirements-cloud.lock", "requirements-dev.lock", "installer.lock"]
)
def test_a_lock_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert ENTRY.fullmatch(f"{entry} "), entry


def test_run_installs_its_own_lock_and_tests_add_theirs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    needs = dict(re.findall(r"^([\w-]+): \$\((\w+)\)", makefile, re.MULTILINE))
    assert {needs.pop("run"), needs.pop("lock")} == {"STAMP"}
    assert set(needs.values()) == {"DEV_STAMP"}

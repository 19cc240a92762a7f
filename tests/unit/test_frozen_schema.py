"""What a migration did in the field stays as it was: released files are known by their hash.

`frozen_schema.json` has the digest of each migration, and of each SQL function with the migration that took it in
last. A function is changed in its file, and a new migration takes that in; then
`python -m tests.unit.test_frozen_schema`.
"""

import hashlib
import json
from pathlib import Path

from bootstrap_assets.database.migrations import PACKAGE, included_in

FROZEN = Path(__file__).with_name("frozen_schema.json")
VERSIONS = PACKAGE / "database" / "migrations" / "versions"
REMEDY = "a released migration never changes: write a new one, then `python -m tests.unit.test_frozen_schema`"


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def migrations() -> dict[str, str]:
    return {file.name: digest(file) for file in sorted(VERSIONS.glob("*.sql"))}


def functions() -> dict[str, dict[str, str]]:
    """Each SQL function: its digest, and the newest migration that takes it in."""
    newest = {name: file.name for file in sorted(VERSIONS.glob("*.up.sql")) for name in included_in(file)}
    return {
        name: {"digest": digest(PACKAGE / name), "migration": migration}
        for name, migration in sorted(newest.items())
    }


def test_no_released_migration_has_changed() -> None:
    frozen = json.loads(FROZEN.read_text())["migrations"]
    assert frozen == {name: value for name, value in migrations().items() if name in frozen}, REMEDY
    assert frozen.keys() == migrations().keys(), "a migration is new: `python -m tests.unit.test_frozen_schema`"


def test_a_function_changes_with_a_migration_that_takes_it_in() -> None:
    frozen, now = json.loads(FROZEN.read_text())["functions"], functions()
    for name, then in frozen.items():
        assert name in now, REMEDY
        assert now[name]["digest"] == then["digest"] or now[name]["migration"] > then["migration"], (name, REMEDY)


if __name__ == "__main__":
    FROZEN.write_text(json.dumps({"migrations": migrations(), "functions": functions()}, indent=2) + "\n")

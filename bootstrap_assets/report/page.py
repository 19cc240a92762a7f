"""All of the report on one HTML page that needs nothing else: no script, no font, no request."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Connection, look_at_one_moment
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.evaluation import evaluation, questions
from bootstrap_assets.report import changes, contents, duplicates, pictures, quality
from bootstrap_assets.report import map as mapping
from bootstrap_assets.report.changes import Changes
from bootstrap_assets.report.contents import Contents
from bootstrap_assets.report.duplicates import Duplicates, Group
from bootstrap_assets.report.map import Map
from bootstrap_assets.report.quality import MODES, Quality, Task
from bootstrap_assets.report.words import (
    bar,
    code,
    dollars,
    moment,
    moment_of,
    number,
    picture,
    rows,
    seconds,
    share,
    shortened,
)
from bootstrap_assets.search import query
from bootstrap_assets.sources.registry import SOURCES

GROUPS = 3
"""Groups of near-identical clauses that are shown of each source, and twice as many of those over several."""

EXCERPT = 420
"""Characters of a clause that are shown."""

PAGE = "page.html.j2"


@dataclass(frozen=True)
class Report:
    """What the page tells. Without a space there is no corpus, and nothing else is there."""

    made_at: datetime
    database: str
    space: Space | None = None
    contents: Contents | None = None
    quality: Quality | None = None
    map: Map | None = None
    duplicates: Duplicates | None = None
    changes: Changes | None = None


def gather(connection: Connection, database: str) -> Report:
    """Ask the database everything the page tells, of one moment; nothing is changed.

    `database` names it for people, without a password. `connection` knows the vector type.
    """
    look_at_one_moment(connection)
    made_at = datetime.now(UTC)
    if schema.current(connection) is None:
        return Report(made_at, database)
    schema.require_current(connection)
    space = spaces.newest(connection)
    counted = contents.read(connection, space) if space else None
    if space is None or counted is None or not counted.total:
        return Report(made_at, database, contents=counted)
    return Report(
        made_at,
        database,
        space,
        counted,
        quality.read(connection, space),
        mapping.draw(connection, space),
        duplicates.find(connection),
        changes.read(connection),
    )


def render(report: Report) -> str:
    """The page. All that comes from the database is escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    environment.filters |= {
        "number": number,
        "share": share,
        "dollars": dollars,
        "seconds": seconds,
        "moment": moment,
        "minute": lambda value: "–" if value is None else f"{value.astimezone(UTC):%d %b %Y, %H:%M}",
        "words": lambda name: str(name).replace("_", " "),
        "cut": shortened,
        "code": code,
        "told_moment": moment_of,
    }
    template = environment.from_string(files(__package__).joinpath(PAGE).read_text(encoding="utf-8"))
    return template.render(_told(report))


def _told(report: Report) -> dict[str, Any]:
    """The names that the template knows."""
    told: dict[str, Any] = {"report": report, "sources": SOURCES, "picture": picture, "bar": bar}
    told["titles"] = {name: source.title for name, source in SOURCES.items()} | NOT_SOURCES
    if report.space is None or report.contents is None:
        return told
    told["titles"] |= {
        name: f"{told['titles'].get(name, name)} ({origin})" for name, origin in report.contents.invented.items()
    }
    assert report.duplicates is not None
    return told | {
        "contents": report.contents,
        "covered": report.contents.covered,
        "glance": _glance(report),
        "answers": _answers(report.quality),
        "measured_on": evaluation.measured_on,
        "pictures": pictures,
        "retry": _retry,
        "groups": _chosen(report.duplicates.groups),
        "group_counts": Counter(group.sources for group in report.duplicates.groups).most_common(),
        "rows": rows,
        "tasks": TASKS,
        "modes": MODES,
        "outdated": OUTDATED,
        "failures_told": _all_failures_told(report.contents),
        "excerpt": EXCERPT,
    }


NOT_SOURCES = {query.SOURCE: "searches", questions.SOURCE: "evaluation"}
"""What else the ledger and the dead letters name as a source."""

OUTDATED = "Measured on an earlier state of the corpus: `bootstrap evaluate` measures it again."

TASKS = {
    "contract_nli": (
        "Finding the evidence (ContractNLI)",
        "For each of 17 statements about a contract, is the passage that is marked as evidence among the first "
        "results?",
    ),
    "cuad": (
        "Finding the clause (CUAD)",
        "For each of 41 questions of a contract review, are the passages that are marked among the first results?",
    ),
}
"""What an evaluation asks, in plain words."""


def _glance(report: Report) -> list[tuple[str, str]]:
    """What somebody should know first: (`good`, `warn` or `bad`, a sentence)."""
    assert report.contents is not None
    found = [*_answers_told(report.quality), _coverage_told(report.contents), _failures_told(report.contents)]
    absent = sum(len(report.contents.absent_labels(source)) for source in SOURCES)
    if absent:
        labels = "label does" if absent == 1 else "labels do"
        found.append(("warn", f"{absent:,} official {labels} not occur in the corpus: see Coverage."))
    for breaker in report.contents.breakers:
        found.append(("bad", f"The circuit breaker of {breaker.name} is open: {breaker.reason}"))
    found += [("bad", failure) for failure in (report.quality.failures if report.quality else ())]
    return found + _index_told(report.quality)


def _coverage_told(counted: Contents) -> tuple[str, str]:
    missing = int(counted.covered["missing"].sum())
    if missing:
        return "warn", f"{missing:,} of {counted.total:,} records have no vector yet: `bootstrap run` goes on."
    if int(counted.covered["dead"].sum()):
        return "warn", "Every record was tried; those that failed have no vector."
    return "good", f"Every one of the {counted.total:,} records can be searched by meaning: each has its vector."


def _failures_told(counted: Contents) -> tuple[str, str]:
    failed = int(counted.failures["letters"].sum())
    if failed:
        return (
            "bad",
            f"{failed:,} {'record' if failed == 1 else 'records'} failed and wait for somebody: see Failures.",
        )
    if counted.ignored:
        return "good", f"No record waits to be retried. {_ignored_told(counted.ignored)}."
    return "good", "Nothing failed: no record waits to be retried."


def _all_failures_told(counted: Contents) -> str:
    """What stands among the failures where no dead letter is open."""
    without = int(counted.covered["records"].sum() - counted.covered["embedded"].sum())
    missing = int(counted.covered["missing"].sum())
    if not without and not counted.ignored:
        return "None. Every record was read, embedded and stored."
    told = "No dead letters."
    if counted.ignored:
        told = (
            f"{_ignored_told(counted.ignored)}, see `bootstrap failures list --all`; no other waits for somebody."
        )
    if missing:
        have = "record has" if missing == 1 else "records have"
        told += f" {missing:,} {have} no vector yet: `bootstrap run` goes on with them."
    return told


def _ignored_told(ignored: int) -> str:
    return f"{ignored:,} {'failure is' if ignored == 1 else 'failures are'} ignored"


FOUND_WELL = 0.9
"""From this share of right passages among the first five on, answers are good: whoever reads five misses few."""

ANSWERS = {
    "contract_nli": "Of the passages that are evidence for a statement",
    "cuad": "Of the passages that answer a question of a contract review",
}
"""What a task looks for, as the beginning of a sentence."""


def _answers(found: Quality | None) -> list[tuple[str, str]]:
    """For each task: what it is called on a tile, and the share of what is right among the first five."""
    tasks = found.tasks if found else {}
    return [(name, share(_first_five(tasks.get(name)))) for name in TASKS]


def _first_five(task: Task | None) -> float | None:
    score = task.scores.get("hybrid", {}).get("R@5") if task else None
    return score.mean if score else None


def _answers_told(found: Quality | None) -> list[tuple[str, str]]:
    """How good the answers of the search are, which is what matters most; or that nobody knows."""
    told = []
    for name, beginning in ANSWERS.items():
        task = found.tasks.get(name) if found else None
        share = _first_five(task)
        if found is None or task is None or share is None:
            continue
        asked = f"{task.questions:,} questions, " if task.questions else ""
        origin = found.invented.get(name)
        sentence = f"{beginning}, {share:.0%} are among the first five results ({asked}{SOURCES[name].title}"
        sentence += f": {origin}, so this says nothing of real contracts)." if origin else ")."
        kind = "good" if share >= FOUND_WELL and not origin and not found.outdated else "warn"
        told.append((kind, f"{sentence} {OUTDATED}" if found.outdated else sentence))
    if told:
        return told
    if found and found.evaluated_at:
        return [
            ("warn", "How well the search answers is not known: no labelled contract was there to measure it.")
        ]
    return [("warn", "How well the search answers was not measured yet: run `bootstrap evaluate`.")]


def _index_told(found: Quality | None) -> list[tuple[str, str]]:
    """Whether the index loses anything: that says nothing of the answers."""
    points = {point.ef_search: point.recall_10 for point in found.curve} if found else {}
    recall = points.get(found.ef_search) if found and found.ef_search else None
    if found is None or recall is None:
        return []
    told = (
        f"For texts of the corpus, the index finds {recall:.1%} of the nearest ten that an exhaustive search "
        "would find."
    )
    if found.outdated:
        return [("warn", f"{told} {OUTDATED}")]
    return [("good" if recall >= 0.99 else "warn", told)]


def _retry(source: str, stage: str, error_class: str) -> str:
    """The command that tries dead letters again: those of the parse when their archive is read again."""
    if stage == "parse":
        return f"bootstrap run {source} --force-refresh"
    return f"bootstrap failures retry --source {source} --class {error_class}"


def _chosen(groups: Sequence[Group]) -> list[Group]:
    """Some groups of each combination of sources, so that one source does not take all the room."""
    seen: Counter[tuple[str, ...]] = Counter()
    chosen = []
    for group in groups:
        seen[group.sources] += 1
        if seen[group.sources] <= GROUPS * (1 + (len(group.sources) > 1)):
            chosen.append(group)
    return chosen

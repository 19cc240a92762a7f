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
from bootstrap_assets.documents.states import SOURCE as DOCUMENTS
from bootstrap_assets.embedding import spaces
from bootstrap_assets.embedding.spaces import Space
from bootstrap_assets.evaluation import evaluation, questions
from bootstrap_assets.evaluation.ann import TARGET_RECALL
from bootstrap_assets.evaluation.scores_of_tasks import TaskScores
from bootstrap_assets.report import changes, contents, duplicates, pictures, quality
from bootstrap_assets.report import map as mapping
from bootstrap_assets.report import tenant as tenants_documents
from bootstrap_assets.report.changes import Changes
from bootstrap_assets.report.contents import Contents
from bootstrap_assets.report.duplicates import Duplicates, Group
from bootstrap_assets.report.map import Map
from bootstrap_assets.report.quality import APART, MODES, Quality
from bootstrap_assets.report.tenant import FAILURES, TenantDocuments
from bootstrap_assets.report.words import (
    bar,
    code,
    dollars,
    moment,
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
    """What the page says. Without a space there is no corpus, and nothing else is there."""

    made_at: datetime
    database: str
    space: Space | None = None
    contents: Contents | None = None
    quality: Quality | None = None
    map: Map | None = None
    duplicates: Duplicates | None = None
    changes: Changes | None = None
    tenant: TenantDocuments | None = None


def gather(connection: Connection, database: str, *, tenant: str | None = None) -> Report:
    """Read from the database everything the page says, as of one moment; nothing is changed.

    `database` names it for people, without a password. `connection` knows the vector type. `tenant`: its documents
    are told too; without it nothing of any tenant is on the page.
    """
    look_at_one_moment(connection)
    made_at = datetime.now(UTC)
    if schema.current(connection) is None:
        return Report(made_at, database)
    schema.require_current(connection)
    space = spaces.newest(connection)
    counted = contents.read(connection, space) if space else None
    if space is None or counted is None or not counted.total:
        return Report(made_at, database, contents=counted, tenant=_tenant(connection, tenant))
    return Report(
        made_at,
        database,
        space,
        counted,
        quality.read(connection, space),
        mapping.draw(connection, space),
        duplicates.find(connection),
        changes.read(connection),
        _tenant(connection, tenant),
    )


def _tenant(connection: Connection, name: str | None) -> TenantDocuments | None:
    return tenants_documents.read(connection, name) if name is not None else None


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
    }
    template = environment.from_string(files(__package__).joinpath(PAGE).read_text(encoding="utf-8"))
    return template.render(_names(report))


def _names(report: Report) -> dict[str, Any]:
    """The names that the template knows."""
    names: dict[str, Any] = {"report": report, "sources": SOURCES, "picture": picture, "bar": bar}
    names |= {"tenant": report.tenant, "most_failures": FAILURES, "excerpt": EXCERPT}
    names["titles"] = {name: source.title for name, source in SOURCES.items()} | NOT_SOURCES
    if report.space is None or report.contents is None:
        return names
    names["titles"] |= {
        name: f"{names['titles'].get(name, name)} ({origin})" for name, origin in report.contents.invented.items()
    }
    assert report.duplicates is not None
    return names | {
        "contents": report.contents,
        "covered": report.contents.covered,
        "glance": _glance(report),
        "answers": _answers(report.quality),
        "measured_on": evaluation.measured_on,
        "pictures": pictures,
        "retry": _retry,
        "groups": _selection(report.duplicates.groups),
        "group_counts": Counter(group.sources for group in report.duplicates.groups).most_common(),
        "rows": rows,
        "tasks": TASKS,
        "modes": MODES,
        "apart": APART,
        "outdated": OUTDATED,
        "failures_message": _failures_message(report.contents),
    }


NOT_SOURCES = {query.SOURCE: "searches", questions.SOURCE: "evaluation", DOCUMENTS: "tenants' documents"}
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
    lines = [*_answer_lines(report.quality), _coverage_line(report.contents), _failures_line(report.contents)]
    absent = sum(len(report.contents.absent_labels(source)) for source in SOURCES)
    if absent:
        labels = "label does" if absent == 1 else "labels do"
        lines.append(("warn", f"{absent:,} official {labels} not occur in the corpus: see Coverage."))
    for breaker in report.contents.breakers:
        lines.append(("bad", f"The circuit breaker of {breaker.name} is open: {breaker.reason}"))
    document = report.quality.document if report.quality else None
    lines += [("bad", failure) for failure in (document.failures if document else ())]
    return lines + _index_lines(report.quality)


def _coverage_line(counted: Contents) -> tuple[str, str]:
    missing = int(counted.covered["missing"].sum())
    if missing:
        return "warn", f"{missing:,} of {counted.total:,} records have no vector yet: `bootstrap run` goes on."
    if int(counted.covered["dead"].sum()):
        return "warn", "Every record was tried; those that failed have no vector."
    return "good", f"Every one of the {counted.total:,} records can be searched by meaning: each has its vector."


def _failures_line(counted: Contents) -> tuple[str, str]:
    failed = int(counted.failures["letters"].sum())
    if failed:
        return (
            "bad",
            f"{failed:,} {'record' if failed == 1 else 'records'} failed and wait for somebody: see Failures.",
        )
    if counted.ignored:
        return "good", f"No record waits to be retried. {_ignored_message(counted.ignored)}."
    return "good", "Nothing failed: no record waits to be retried."


def _failures_message(counted: Contents) -> str:
    """What stands among the failures where no dead letter is open."""
    without = int(counted.covered["records"].sum() - counted.covered["embedded"].sum())
    missing = int(counted.covered["missing"].sum())
    if not without and not counted.ignored:
        return "None. Every record was read, embedded and stored."
    message = "No dead letters."
    if counted.ignored:
        ignored = _ignored_message(counted.ignored)
        message = f"{ignored}, see `bootstrap failures list --all`; no other waits for somebody."
    if missing:
        have = "record has" if missing == 1 else "records have"
        message += f" {missing:,} {have} no vector yet: `bootstrap run` goes on with them."
    return message


def _ignored_message(ignored: int) -> str:
    return f"{ignored:,} {'failure is' if ignored == 1 else 'failures are'} ignored"


FOUND_WELL = 0.9
"""From this share of right passages among the first five on, answers are good: who reads five misses little."""

ANSWERS = {
    "contract_nli": "Of the passages that are evidence for a statement",
    "cuad": "Of the passages that answer a question of a contract review",
}
"""What a task looks for, as the beginning of a sentence."""


def _answers(quality: Quality | None) -> list[tuple[str, str]]:
    """For each task: what it is called on a tile, and the share of what is right among the first five."""
    tasks = quality.tasks if quality else {}
    return [(name, share(_first_five(tasks.get(name)))) for name in TASKS]


def _first_five(task: TaskScores | None) -> float | None:
    return task.hybrid["R@5"].mean if task else None


def _answer_lines(quality: Quality | None) -> list[tuple[str, str]]:
    """How good the answers of the search are, which is what matters most; or that nobody knows."""
    if quality is None or quality.document is None:
        unreadable = quality.unreadable if quality else None
        unknown = "How well the search answers was not measured yet: run `bootstrap evaluate`."
        return [("warn", f"{_sentence(unreadable)}." if unreadable else unknown)]
    if not quality.tasks:
        return [
            ("warn", "How well the search answers is not known: no labelled contract was there to measure it.")
        ]
    return [_answer_line(name, task, quality) for name, task in quality.tasks.items()]


def _answer_line(name: str, task: TaskScores, quality: Quality) -> tuple[str, str]:
    share, origin = task.hybrid["R@5"].mean, quality.invented.get(name)
    sentence = f"{ANSWERS[name]}, {share:.0%} are among the first five results ({task.queries:,} questions, "
    sentence += SOURCES[name].title
    sentence += f": {origin}, so this says nothing of real contracts)." if origin else ")."
    kind = "good" if share >= FOUND_WELL and not origin and not quality.outdated else "warn"
    return kind, f"{sentence} {OUTDATED}" if quality.outdated else sentence


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:]


def _index_lines(quality: Quality | None) -> list[tuple[str, str]]:
    """Whether the index loses anything: that says nothing of the answers."""
    if quality is None or quality.document is None:
        return []
    recall = quality.document.operating_point.recall_10
    line = (
        f"For texts of the corpus, the index finds {recall:.1%} of the nearest ten that an exhaustive search "
        "would find."
    )
    if quality.outdated:
        return [("warn", f"{line} {OUTDATED}")]
    return [("good" if recall >= TARGET_RECALL else "warn", line)]


def _retry(source: str, stage: str, error_class: str) -> str:
    """The command that tries dead letters again: those of the parse when their archive is read again."""
    if stage == "parse":
        return f"bootstrap run {source} --force-refresh"
    return f"bootstrap failures retry --source {source} --class {error_class}"


def _selection(groups: Sequence[Group]) -> list[Group]:
    """Some groups of each combination of sources, so that one source does not take all the room."""
    counts: Counter[tuple[str, ...]] = Counter()
    selection = []
    for group in groups:
        counts[group.sources] += 1
        if counts[group.sources] <= GROUPS * (1 + (len(group.sources) > 1)):
            selection.append(group)
    return selection

"""`bootstrap documents`: tenants' own documents, from the file to what they are like."""

import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import click
from rich.markup import escape

from bootstrap_assets.cli import document_output as output
from bootstrap_assets.cli.console import Number, errors, open_corpus_database, out, print_json
from bootstrap_assets.cli.signals import stopping_signals
from bootstrap_assets.cli.streams import WITH_FAILURES
from bootstrap_assets.database.connection import Connection, Database, existing_database_url
from bootstrap_assets.database.readiness import ready_database_url
from bootstrap_assets.documents import connections, inbox, opened, removal, states, tenants
from bootstrap_assets.documents.inbox import Intake
from bootstrap_assets.documents.states import DocumentState
from bootstrap_assets.embedding import context
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.labels import documents as readings
from bootstrap_assets.sample.documents import FOLDER as SAMPLE_FOLDER
from bootstrap_assets.settings import load_settings
from bootstrap_assets.stopping import Stop

LOOK = 0.5
"""Seconds between two looks at documents that another process works on."""

NO_REFERENCE = (
    "nothing is searched yet: `bootstrap run` loads the reference corpus, `bootstrap documents process` then "
    "finds what the documents are like"
)

of_tenant = click.option("--tenant", required=True, help="Whose documents.")
of_any_tenant = click.option("--tenant", help="Of this tenant, where several have one of that name.")
as_document = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
max_cost = click.option("--max-cost", type=Number(min=0, min_open=True), metavar="USD", help="Stop before that.")
document = click.argument("reference", metavar="DOCUMENT")


@click.group()
def documents() -> None:
    """Tenants' own documents. DOCUMENT is an id, or a name."""


@documents.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@of_tenant
@click.option("--sample", is_flag=True, help="Add the sample, documents that we made up; makes the tenant too.")
@click.option("--wait", is_flag=True, help="Work on them now, until all can be searched or failed.")
@max_cost
@as_document
def add(
    paths: tuple[Path, ...], tenant: str, sample: bool, wait: bool, max_cost: float | None, as_json: bool
) -> None:
    """Add files, folders with all that is in them, and zip archives of files.

    Without --wait they are worked on by the sensor `inbox` of a running `bootstrap ui`, or by `bootstrap documents
    process`. Makes the schema where there is none, as `bootstrap run` does.
    """
    if not (paths or sample):
        raise ConfigurationError("what is to be added? Give files, folders or zip archives, or --sample")
    ready_database_url(load_settings())
    if sample:
        _make_tenant(tenant)
    with Database(existing_database_url(load_settings())) as database:
        intake = inbox.add(database, tenant, [*paths, *([SAMPLE_FOLDER] if sample else [])])
    ids = [states.id_of(tenant, name) for name in (*intake.added, *intake.unchanged)]
    if wait:
        _work_until_ended(tenant, ids, max_cost)
        _say_what_waits()
    rows = _rows(tenant, ids)
    if as_json:
        print_json(output.plain_intake(intake, rows))
    else:
        output.print_intake(intake)
        if wait:
            output.print_states(rows)
    has_failures = intake.refused or (wait and any(row.stage == "failed" for row in rows))
    sys.exit(WITH_FAILURES if has_failures else 0)


def _make_tenant(name: str) -> None:
    with open_corpus_database() as connection:
        if name not in {tenant.name for tenant in tenants.listing(connection)}:
            tenants.add(connection, name)


def _work_until_ended(tenant: str, ids: Sequence[UUID], max_cost: float | None) -> None:
    """Work on a tenant's documents, and wait for those that another process has taken."""
    with stopping_signals() as stop:
        _work(tenant, max_cost, stop)
        while not all(row.has_ended or row.is_cancelled for row in _rows(tenant, ids)):
            stop.wait(LOOK)
            _work(tenant, max_cost, stop)


def _work(tenant: str, max_cost: float | None, stop: Stop) -> None:
    with context.open_corpus(load_settings(), max_cost=max_cost, stop=stop) as corpus:
        readings.process(corpus, tenant)


def _say_what_waits() -> None:
    """Without a reference corpus documents stay unconnected, and cannot be searched."""
    with open_corpus_database() as connection:
        if not connections.is_possible(connection):
            errors.print(NO_REFERENCE, soft_wrap=True)


@documents.command()
@of_tenant
@click.option("--connect-again", is_flag=True, help="Connect anew what was, as after a change of the corpus.")
@max_cost
def process(tenant: str, connect_again: bool, max_cost: float | None) -> None:
    """Work on a tenant's documents until each is complete or failed. Goes on where it was interrupted."""
    with open_corpus_database() as connection:
        tenants.require(connection, tenant)
        if connect_again:
            states.connect_again(connection, tenant)
    with stopping_signals() as stop:
        _work(tenant, max_cost, stop)
    _say_what_waits()
    rows = _rows(tenant)
    failed = sum(row.stage == "failed" for row in rows)
    look = f"`bootstrap documents list --tenant {escape(tenant)}`"
    out.print(f"{_count(len(rows))}, {failed:,} failed: {look}", soft_wrap=True)
    sys.exit(WITH_FAILURES if failed else 0)


@documents.command("list")
@of_tenant
@as_document
def list_(tenant: str, as_json: bool) -> None:
    """List a tenant's documents, and how far each of them is."""
    rows = _rows(tenant)
    if as_json:
        print_json([output.plain(row) for row in rows])
    elif rows:
        output.print_states(rows)
    else:
        out.print(f"none: `bootstrap documents add PATH --tenant {escape(tenant)}` adds some", soft_wrap=True)


@documents.command()
@document
@of_any_tenant
@as_document
def show(reference: str, tenant: str | None, as_json: bool) -> None:
    """Show what happened to a document, what it holds by the corpus' labels, and what is missing in it."""
    with open_corpus_database() as connection:
        state = states.get(connection, reference, tenant=tenant)
        labels = opened.best_labels(connection, state.document_id)
        contents = readings.of_document(connection, state.document_id)
    if as_json:
        print_json(output.plain_in_full(state, labels, contents))
    else:
        output.print_state(state, labels)
        output.print_contents(contents)


@documents.command("open")
@document
@of_any_tenant
@as_document
def open_(reference: str, tenant: str | None, as_json: bool) -> None:
    """Print a document's text, with the place of each passage and what it is like."""
    with open_corpus_database() as connection:
        whole = opened.read(connection, states.get(connection, reference, tenant=tenant))
    if as_json:
        print_json(whole)
    else:
        output.print_text(whole)


@documents.command()
@click.argument("references", metavar="[DOCUMENT]...", nargs=-1)
@of_tenant
@click.option("--extract", is_flag=True, help="Extract them once more, by the extractor of this version.")
def retry(references: tuple[str, ...], tenant: str, extract: bool) -> None:
    """Let failed and cancelled documents (or those of them that you name) go on where they stopped.

    With --extract, documents that you name begin anew, whatever their stage.
    """
    if extract and not references:
        raise ConfigurationError("which documents are to be extracted again? Name them")
    with open_corpus_database() as connection:
        ids = _ids_of(connection, references, tenant)
        count = states.retry(connection, tenant=tenant, documents=ids or None)
        if extract:
            for one in ids:
                states.extract_again(connection, one)
            count = len(ids)
    command = f"`bootstrap documents process --tenant {escape(tenant)}`"
    out.print(f"{_count(count)} to be worked on: by the sensor `inbox`, or {command}", soft_wrap=True)


@documents.command()
@click.argument("references", metavar="DOCUMENT...", nargs=-1, required=True)
@of_tenant
def cancel(references: tuple[str, ...], tenant: str) -> None:
    """Stop the work on documents at its next safe point; `retry` goes on with them."""
    with open_corpus_database() as connection:
        for one in _ids_of(connection, references, tenant):
            states.cancel(connection, one)
    out.print(f"{_count(len(references))} cancelled")


@documents.command()
@click.argument("references", metavar="DOCUMENT...", nargs=-1, required=True)
@of_tenant
def remove(references: tuple[str, ...], tenant: str) -> None:
    """Remove documents, with every passage, connection, text and vector that only they had."""
    with open_corpus_database() as connection:
        ids = _ids_of(connection, references, tenant)
    with Database(existing_database_url(load_settings())) as database:
        for one in ids:
            removal.remove(database, one)
    out.print(f"{_count(len(ids))} removed")


@documents.command()
@of_tenant
@click.option("--allow-deletes", is_flag=True, help="Forget what vanished, also more than a fifth at once.")
@as_document
def scan(tenant: str, allow_deletes: bool, as_json: bool) -> None:
    """Look at the tenant's folder of BOOTSTRAP_INBOX once: take what is new or changed, forget what vanished.

    The sensor `inbox` of a running `bootstrap ui` does the same by itself, but never forgets more than a fifth.
    """
    settings = load_settings()
    if not settings.inbox:
        raise ConfigurationError("BOOTSTRAP_INBOX is not set: it is the folder of all inboxes, or its address")
    folder = inbox.opening(settings.inbox)(tenant)
    if not folder.is_there:
        raise ConfigurationError(f"there is no folder {folder.address}: the inbox of the tenant {tenant}")
    with open_corpus_database() as connection:
        tenants.require(connection, tenant)
    with Database(existing_database_url(settings)) as database:
        intake = inbox.scan(database, folder, tenant, allow_deletes=allow_deletes)
    _tell(tenant, intake, as_json=as_json)


def _tell(tenant: str, intake: Intake, *, as_json: bool) -> None:
    if as_json:
        rows = _rows(tenant, [states.id_of(tenant, name) for name in (*intake.added, *intake.unchanged)])
        more = {"removed": intake.removed, "held_back": intake.held_back}
        print_json(output.plain_intake(intake, rows) | more)
    else:
        output.print_intake(intake)
    if intake.held_back:
        errors.print(f"{intake.held_back:,} {escape(intake.why_held_back(tenant))}", soft_wrap=True)
    sys.exit(WITH_FAILURES if intake.refused or intake.held_back else 0)


def _ids_of(connection: Connection, references: Sequence[str], tenant: str) -> list[UUID]:
    """The ids of a tenant's documents; ConfigurationError for what is none of them."""
    return [states.get(connection, name, tenant=tenant).document_id for name in references]


def _rows(tenant: str, ids: Sequence[UUID] | None = None) -> list[DocumentState]:
    """A tenant's documents, or some of them; ConfigurationError where there is no such tenant."""
    with open_corpus_database() as connection:
        tenants.require(connection, tenant)
        return states.listing(connection, tenant=tenant, documents=ids)


def _count(number: int) -> str:
    return f"{number:,} document{'s' * (number != 1)}"

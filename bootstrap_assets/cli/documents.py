"""`bootstrap documents`: tenants' own documents, from the file to what they are like."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from bootstrap_assets.cli.console import (
    WITH_FAILURES,
    Number,
    open_corpus_database,
    out,
    print_json,
    print_table,
    table,
)
from bootstrap_assets.cli.signals import stopping_signals
from bootstrap_assets.database.connection import Database, existing_database_url
from bootstrap_assets.documents import inbox, opened, removal, stages, states
from bootstrap_assets.documents.inbox import Intake
from bootstrap_assets.documents.states import DocumentState
from bootstrap_assets.embedding import context
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.sample.documents import FOLDER as SAMPLE_FOLDER
from bootstrap_assets.settings import load_settings

COLOURS = {"complete": "green", "embedded": "green", "connecting": "green", "failed": "red"}

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
@click.option("--sample", is_flag=True, help="Add the sample: some documents that we made up.")
@click.option("--wait", is_flag=True, help="Work on them now, until all can be searched or failed.")
@max_cost
@as_document
def add(
    paths: tuple[Path, ...], tenant: str, sample: bool, wait: bool, max_cost: float | None, as_json: bool
) -> None:
    """Add files, folders with all that is in them, and zip archives of files.

    Without --wait they are worked on by the sensor `inbox`, or by `bootstrap documents process`.
    """
    if not (paths or sample):
        raise ConfigurationError("what is to be added? Give files, folders or zip archives, or --sample")
    with Database(existing_database_url(load_settings())) as database:
        intake = inbox.add(database, tenant, [*paths, *([SAMPLE_FOLDER] if sample else [])])
    if wait:
        _work(tenant, max_cost)
    rows = _named(tenant, [*intake.added, *intake.unchanged])
    if as_json:
        print_json(_plain_intake(intake, rows))
    else:
        _print_intake(intake, rows, waited=wait)
    has_failures = any(row.stage == "failed" for row in rows) or intake.refused
    sys.exit(WITH_FAILURES if has_failures and (wait or intake.refused) else 0)


@documents.command("process")
@of_tenant
@max_cost
def process_(tenant: str, max_cost: float | None) -> None:
    """Work on a tenant's documents until each is complete or failed. Goes on where it was interrupted."""
    _work(tenant, max_cost)
    with open_corpus_database() as connection:
        rows = states.listing(connection, tenant=tenant)
    failed = sum(row.stage == "failed" for row in rows)
    out.print(f"{len(rows):,} documents, {failed:,} failed: `bootstrap documents list --tenant {escape(tenant)}`")
    sys.exit(WITH_FAILURES if failed else 0)


def _work(tenant: str, max_cost: float | None) -> None:
    with stopping_signals() as stop, context.open_corpus(load_settings(), max_cost=max_cost, stop=stop) as corpus:
        stages.process(corpus, tenant)


@documents.command("list")
@of_tenant
@as_document
def list_(tenant: str, as_json: bool) -> None:
    """List a tenant's documents, and how far each of them is."""
    with open_corpus_database() as connection:
        rows = states.listing(connection, tenant=tenant)
    if as_json:
        print_json([_plain(row) for row in rows])
    elif rows:
        _print_states(rows)
    else:
        out.print("none: `bootstrap documents add PATH --tenant …` adds some")


@documents.command()
@document
@of_any_tenant
@as_document
def show(reference: str, tenant: str | None, as_json: bool) -> None:
    """Show on one screen what happened to a document."""
    with open_corpus_database() as connection:
        state = states.get(connection, reference, tenant=tenant)
        likenesses = opened.best_labels(connection, state.document_id)
    if as_json:
        print_json(_plain(state) | {"labels": likenesses})
        return
    _print_state(state)
    for row in likenesses:
        out.print(
            f"[dim]{'like':<12}[/] {escape(row['label'])} [dim]· {row['passages']:,} passages, score up to {row['score']:.2f}[/]",
            soft_wrap=True,
        )


@documents.command("open")
@document
@of_any_tenant
@as_document
def open_(reference: str, tenant: str | None, as_json: bool) -> None:
    """Print a document's text, with the place of each passage and what it is like."""
    with open_corpus_database() as connection:
        state = states.get(connection, reference, tenant=tenant)
        whole = opened.read(connection, state)
    if as_json:
        print_json(whole)
        return
    for passage in whole["passages"]:
        where = [f"page {passage['page']}" if passage["page"] else None, passage["section_path"]]
        out.print(
            f"[dim]{passage['char_start']}–{passage['char_end']} · {escape(' · '.join(filter(None, where)))}[/]",
            soft_wrap=True,
        )
        click.echo(whole["text"][passage["char_start"] : passage["char_end"]])
        for link in passage_links(whole, passage["id"]):
            label = link["category"] or (
                link["hypothesis_id"] and f"hypothesis {link['hypothesis_id']}, {link['nli_label']}"
            )
            out.print(
                f"  [cyan]like {escape(label or 'a clause without label')}[/] [dim]· score {link['score']:.2f}[/]",
                soft_wrap=True,
            )
        click.echo()


def passage_links(whole: dict[str, Any], passage: str) -> list[dict[str, Any]]:
    """The connections of one passage that say most: the labelled first."""
    links = [link for link in whole["connections"] if link["passage_id"] == passage]
    return sorted(
        links, key=lambda link: (link["category"] is None and link["hypothesis_id"] is None, -link["score"])
    )[:3]


@documents.command()
@click.argument("references", metavar="[DOCUMENT]...", nargs=-1)
@of_tenant
@click.option("--extract", is_flag=True, help="Extract them once more, by the extractor of this version.")
def retry(references: tuple[str, ...], tenant: str, extract: bool) -> None:
    """Let failed and cancelled documents, or those that are named, begin again where they stopped."""
    with open_corpus_database() as connection:
        chosen = [states.get(connection, name, tenant=tenant).document_id for name in references] or None
        for one in chosen or [] if extract else []:
            states.extract_again(connection, one)
        count = states.retry(connection, tenant=tenant, documents=chosen)
    count = max(count, len(chosen or [])) if extract else count
    out.print(
        f"{count:,} to be worked on: by the sensor `inbox`, or `bootstrap documents process --tenant {escape(tenant)}`",
        soft_wrap=True,
    )


@documents.command()
@click.argument("references", metavar="DOCUMENT...", nargs=-1, required=True)
@of_tenant
def cancel(references: tuple[str, ...], tenant: str) -> None:
    """Stop the work on documents at its next safe point; `retry` goes on with them."""
    with open_corpus_database() as connection:
        for name in references:
            states.cancel(connection, states.get(connection, name, tenant=tenant).document_id)
    out.print(f"{len(references):,} cancelled")


@documents.command()
@click.argument("references", metavar="DOCUMENT...", nargs=-1, required=True)
@of_tenant
def remove(references: tuple[str, ...], tenant: str) -> None:
    """Remove documents, with every passage, connection, text and vector that only they had."""
    with open_corpus_database() as connection:
        chosen = [states.get(connection, name, tenant=tenant) for name in references]
    with Database(existing_database_url(load_settings())) as database:
        for state in chosen:
            removal.remove(database, state.document_id)
    out.print(f"{len(chosen):,} removed")


def _named(tenant: str, names: Sequence[str]) -> list[DocumentState]:
    with open_corpus_database() as connection:
        return states.listing(connection, tenant=tenant, documents=[states.id_of(tenant, name) for name in names])


def _plain(state: DocumentState) -> dict[str, Any]:
    return {
        **{
            "document_id": str(state.document_id),
            "name": state.name,
            "tenant": state.tenant,
            "stage": state.stage,
        },
        **{"stages": state.stages, "pages": state.pages, "passages": state.passages, "embedded": state.embedded},
        **{"connections": state.connections, "attempts": state.attempts, "reason": state.reason},
        **{"error_class": state.error_class, "bytes": state.size, "stale": state.is_stale},
    }


def _plain_intake(intake: Intake, rows: list[DocumentState]) -> dict[str, Any]:
    by_name = {
        row.name: {"document_id": str(row.document_id), "name": row.name, "stage": row.stage} for row in rows
    }
    return {
        "added": [by_name[name] for name in intake.added if name in by_name],
        "unchanged": [by_name[name] for name in intake.unchanged if name in by_name],
        "refused": [asdict(refusal) for refusal in intake.refused],
    }


def _print_intake(intake: Intake, rows: list[DocumentState], *, waited: bool) -> None:
    out.print(f"{len(intake.added):,} added, {len(intake.unchanged):,} unchanged, {len(intake.refused):,} refused")
    for refusal in intake.refused:
        out.print(f"[red]refused[/] {escape(refusal.name)}: {escape(refusal.reason)}", soft_wrap=True)
    if waited:
        _print_states(rows)


def _print_states(rows: Sequence[DocumentState]) -> None:
    columns = ("document", "stage", "pages", "passages", "embedded", "connections", "why")
    filled = table(*columns, left=2, free=("document", "why"))
    filled.columns[-1].justify = "left"
    for row in rows:
        stage = "cancelled" if row.stage == "cancelled" else row.stage + (" (stale)" if row.is_stale else "")
        counts = [
            "" if value is None else f"{value:,}"
            for value in (row.pages, row.passages, row.embedded, row.connections)
        ]
        filled.add_row(
            escape(row.name), f"[{COLOURS.get(row.stage, 'yellow')}]{stage}[/]", *counts, escape(row.reason or "")
        )
    print_table(filled)


def _print_state(state: DocumentState) -> None:
    times = ", ".join(f"{stage} in {done['seconds']:g} s" for stage, done in state.stages.items())
    lines = {
        "document": state.name,
        "id": state.document_id,
        "tenant": state.tenant,
        "stage": state.stage + (" (stale)" if state.is_stale else ""),
        "done": times,
        "why": state.reason and f"{state.reason} ({state.error_class})",
        "next": state.reason and f"bootstrap documents retry {state.name!r} --tenant {state.tenant}",
        "bytes": f"{state.size:,}",
        "pages": state.pages,
        "passages": state.passages,
        "embedded": state.embedded,
        "connections": state.connections,
        "attempts": state.attempts,
        "added": f"{state.created_at:%Y-%m-%d %H:%M} UTC, {'by a command' if state.origin == 'added' else 'from the inbox'}",
    }
    for name, value in lines.items():
        if value not in (None, ""):
            out.print(f"[dim]{name:<12}[/] {escape(str(value))}", soft_wrap=True)

"""How `bootstrap documents` shows documents: as JSON of the promised shapes, as tables, on one screen."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.markup import escape

from bootstrap_assets.cli.console import out, print_table, table
from bootstrap_assets.documents.inbox import Intake
from bootstrap_assets.documents.states import DocumentState
from bootstrap_assets.labels.documents import Entry
from bootstrap_assets.search.snippets import shortened

COLOURS = {"complete": "green", "embedded": "green", "connecting": "green", "failed": "red"}

LONGEST = 80
"""Characters of a text without label that are printed."""

WORTH = "and of contracts that have it, the share in which it is found"
"""What the figures are that stand beside what was not found."""

PLACES, EXCERPT = 3, 160
"""Places of a label that are printed, and characters of each."""

LABELLED_FIRST = 3
"""Connections that are printed below a passage."""


def plain(state: DocumentState) -> dict[str, Any]:
    """A document in `documents list --json`."""
    return {
        **{"document_id": str(state.document_id), "name": state.name, "stage": state.stage},
        **{"stages": state.stages, "pages": state.pages, "passages": state.passages, "embedded": state.embedded},
        **{"connections": state.connections, "attempts": state.attempts, "reason": state.reason},
    }


def plain_in_full(state: DocumentState, labels: list[dict[str, Any]], contents: Sequence[Entry]) -> dict[str, Any]:
    """A document in `documents show --json`."""
    more = {"tenant": state.tenant, "bytes": state.size, "origin": state.origin, "added_at": state.created_at}
    failure = {"error_class": state.error_class, "is_stale": state.is_stale, "is_cancelled": state.is_cancelled}
    return plain(state) | more | failure | {"labels": labels, "contents": [asdict(entry) for entry in contents]}


def plain_intake(intake: Intake, rows: Sequence[DocumentState]) -> dict[str, Any]:
    """What came in, in `documents add --json`."""
    by_name = {
        row.name: {"document_id": str(row.document_id), "name": row.name, "stage": row.stage} for row in rows
    }
    return {
        "added": [by_name[name] for name in intake.added if name in by_name],
        "unchanged": [by_name[name] for name in intake.unchanged if name in by_name],
        "refused": [asdict(refusal) for refusal in intake.refused],
    }


def print_intake(intake: Intake) -> None:
    """What came in, for people."""
    removed = f", {len(intake.removed):,} removed" if intake.removed else ""
    counts = f"{len(intake.added):,} added, {len(intake.unchanged):,} unchanged, {len(intake.refused):,} refused"
    out.print(f"{counts}{removed}")
    for refusal in intake.refused:
        out.print(f"[red]refused[/] {escape(refusal.name)}: {escape(refusal.reason)}", soft_wrap=True)


def print_states(rows: Sequence[DocumentState]) -> None:
    """Documents, a line for each."""
    columns = ("document", "stage", "pages", "passages", "embedded", "connections", "why")
    lines = table(*columns, left=2, free=("document", "why"))
    lines.columns[-1].justify = "left"
    for row in rows:
        counts = (row.pages, row.passages, row.embedded, row.connections)
        stage = f"[{COLOURS.get(row.stage, 'yellow')}]{_stage(row)}[/]"
        cells = ["" if count is None else f"{count:,}" for count in counts]
        lines.add_row(escape(row.name), stage, *cells, escape(row.reason or ""))
    print_table(lines)


def _stage(state: DocumentState) -> str:
    return state.stage + (" (cancelled)" if state.is_cancelled else " (stale)" if state.is_stale else "")


def print_state(state: DocumentState, labels: Sequence[dict[str, Any]]) -> None:
    """What happened to a document, on one screen."""
    for name, value in _lines(state).items():
        if value not in (None, ""):
            out.print(f"[dim]{name:<12}[/] {escape(str(value))}", soft_wrap=True)
    for row in labels:
        passages = f"{row['passages']:,} passage{'s' * (row['passages'] != 1)}"
        where = f"[dim]· {passages}, score up to {row['score']:.2f}[/]"
        out.print(f"[dim]{'like':<12}[/] {escape(row['label'])} {where}", soft_wrap=True)


def print_contents(contents: Sequence[Entry]) -> None:
    """What a document holds, with its words, and what is missing; nothing before it was read."""
    if any(entry.confidence == "low" for entry in contents):
        out.print("[yellow]It is not in English, or empty: nothing is said to be there.[/]", soft_wrap=True)
    for entry in contents:
        if entry.is_there:
            _print_entry(entry)
    missing = [entry for entry in contents if not entry.is_there and entry.confidence == "normal"]
    if missing:
        out.print(f"\n[bold]Not found[/]  [dim]{WORTH}[/]", soft_wrap=True)
    for entry in missing:
        worth = "too few examples to say" if entry.probability is None else f"{entry.recall:.0%}"
        out.print(f"   {escape(entry.wording)}  [dim]{worth}[/]", soft_wrap=True)


def _print_entry(entry: Entry) -> None:
    verdict = f"{entry.nli_label}, {entry.probability:.0%}" if entry.nli_label else f"{entry.probability:.0%}"
    out.print(f"\n[bold]{escape(entry.wording)}[/]  {verdict}", soft_wrap=True)
    for place in entry.places[:PLACES]:
        page = f"page {place['page']}: " if place["page"] else ""
        content = shortened(" ".join(place["text"].split()), EXCERPT)
        out.print(f"   [dim]{page}[/]{escape(content)}", soft_wrap=True)


def _lines(state: DocumentState) -> dict[str, object]:
    times = sorted(state.stages.items(), key=lambda entry: str(entry[1].get("at")))
    needs_retry = state.stage == "failed" or state.is_cancelled
    return {
        "document": state.name,
        "id": state.document_id,
        "tenant": state.tenant,
        "stage": _stage(state),
        "done": ", ".join(f"{stage} in {entry['seconds']:g} s" for stage, entry in times),
        "why": state.reason and f"{state.reason} ({state.error_class})",
        "next": (needs_retry and f"bootstrap documents retry {state.document_id} --tenant {state.tenant}") or "",
        "bytes": f"{state.size:,}",
        "pages": state.pages,
        "passages": state.passages,
        "embedded": state.embedded,
        "connections": state.connections,
        "attempts": state.attempts,
        "added": f"{state.created_at:%Y-%m-%d %H:%M}, {_ORIGINS.get(state.origin, state.origin)}",
    }


_ORIGINS = {"added": "by a command", "inbox": "from the inbox"}


def print_text(whole: dict[str, Any]) -> None:
    """A document's passages, each below its place, and above what it is like."""
    for passage in whole["passages"]:
        start, end = passage["char_start"], passage["char_end"]
        part = next((f"{name} {passage[name]}" for name in ("page", "chapter") if passage[name]), None)
        where = " · ".join(filter(None, (f"{start}–{end}", part, passage["section_path"])))
        out.print(f"[dim]{escape(where)}[/]", soft_wrap=True)
        click.echo(whole["text"][start:end])
        for link in _labelled_first(whole, passage["id"]):
            label = f"[cyan]like {escape(_label(link))}[/]"
            out.print(f"  {label} [dim]· score {link['score']:.2f}[/]", soft_wrap=True)
        click.echo()


def _label(link: dict[str, Any]) -> str:
    if link["hypothesis_id"] is not None:
        name = f"{link['category']}, " if link["category"] else ""
        return f"{name}nda-{link['hypothesis_id']} ({link['nli_label']})"
    return link["category"] or f"“{shortened(link['content'], LONGEST)}”"


def _labelled_first(whole: dict[str, Any], passage: str) -> list[dict[str, Any]]:
    """The connections of one passage that say most."""
    links = [link for link in whole["connections"] if link["passage_id"] == passage]
    links.sort(key=lambda link: (link["category"] is None and link["hypothesis_id"] is None, -link["score"]))
    return links[:LABELLED_FIRST]

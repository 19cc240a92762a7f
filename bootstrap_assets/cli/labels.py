"""`bootstrap classify` and `bootstrap labels`: what the corpus' labels say of a contract, and their scorers."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import click
from rich.markup import escape

from bootstrap_assets.cli.console import open_corpus_database, out, print_json, print_table, table
from bootstrap_assets.database import schema
from bootstrap_assets.database.connection import Database, existing_database_url
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.evaluation.scorers import judge
from bootstrap_assets.extras import needs_extra
from bootstrap_assets.labels import files, store
from bootstrap_assets.labels.classification import classify as read_labels
from bootstrap_assets.labels.reading import Reading
from bootstrap_assets.labels.training import train_all
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.texts.content import clean_text

PURPOSE = "what the labels know"
EXCERPT = 160
"""Characters of a passage that are shown."""


@click.group()
def labels() -> None:
    """What the corpus' own labels teach: a scorer for each category and hypothesis."""


@labels.command()
@click.option("--force", is_flag=True, help="Train all, also those whose labels are as they were.")
@click.option("--accept", is_flag=True, help="Make these scorers the baseline, however good they are.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def train(force: bool, accept: bool, as_json: bool) -> None:
    """Train the scorers of what changed since they were trained; a minute for two hundred contracts.

    They are compared with the baseline, which the first training sets, on contracts that they were not trained on.
    """
    with Database(existing_database_url(load_settings()), size=2) as database:
        database.transact(schema.require_current)
        results = train_all(database, SOURCES.values(), force=force)
        falls = [str(fall) for fall in database.transact(partial(judge, accept=accept)).falls]
    if as_json:
        print_json({"sources": [asdict(result) for result in results], "falls": falls})
        return
    for result in results:
        out.print(escape(result.sentence), soft_wrap=True)
    for fall in falls:
        out.print(f"[yellow]{escape(fall)}[/]", soft_wrap=True)
    if not results:
        out.print("no source in the corpus has labels to learn from")


@labels.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_scorers(as_json: bool) -> None:
    """List the scorers, each with how good it is on contracts that it was not trained on."""
    with needs_extra("labels", PURPOSE), open_corpus_database() as connection:
        entries = store.listing(connection)
    if as_json:
        print_json({"scorers": [asdict(entry) for entry in entries]})
        return
    rows = table("source", "label", "contracts", "passages", "recall", "precision", "mAP", left=2)
    for entry in entries:
        quality = entry.quality
        shares = (quality["recall"], quality["precision"], fmean(quality["scores"].values()))
        numbers = (f"{quality['contracts']:,}", f"{quality['pieces']:,}")
        name = entry.label if entry.wording == entry.label else f"{entry.label}. {entry.wording}"
        rows.add_row(entry.source, escape(_short(name, 60)), *numbers, *map(_share, shares))
    print_table(rows)
    for source, remark in {entry.source: entry.quality.get("remark") for entry in entries}.items():
        if remark:
            out.print(f"[yellow]{source} learnt from what is {remark}: its scorers are a show, and no more[/]")
    if not entries:
        out.print("nothing has been learnt from labels yet: `bootstrap labels train` does it")


@click.command()
@click.argument("file", metavar="FILE|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def classify(file: Path, as_json: bool) -> None:
    """Say what a contract holds and what is missing, by the corpus' labels.

    FILE may be PDF, DOCX, EPUB, HTML, Markdown or plain text; - reads standard input. Nothing of it is kept.
    """
    settings = load_settings()
    with Database(existing_database_url(settings), size=1) as database:
        database.transact(schema.require_current)
        reading = _read(file, settings.document_seconds)
        document = read_labels(database, reading)
        wordings = wordings_of(database.transact(store.listing))
    if as_json:
        print_json(document)
    else:
        _print(document, reading, wordings)


def wordings_of(entries: Sequence[store.Entry]) -> dict[str, str]:
    """How labels are worded; without those that two sources word apart, as the same number of two hypotheses."""
    several: dict[str, set[str]] = {}
    for entry in entries:
        several.setdefault(entry.label, set()).add(entry.wording)
    return {label: wordings.pop() for label, wordings in several.items() if len(wordings) == 1}


def _read(file: Path, seconds: float) -> Reading:
    if str(file) == "-":
        return files.read_stream(sys.stdin.buffer, "stdin", seconds=seconds)
    if file.is_dir():
        raise ConfigurationError(f"{file} is a folder: `classify` reads one file")
    if not file.exists():
        raise ConfigurationError(f"there is no file {file}")
    if file.is_file() and clean_text(str(file)) == str(file):
        return files.read(file, seconds=seconds)
    with file.open("rb") as stream:  # a pipe, or a name that cannot be passed on as it is
        return files.read_stream(stream, clean_text(file.name), seconds=seconds)


def _print(document: Mapping[str, Any], reading: Reading, wordings: Mapping[str, str]) -> None:
    about = document["document"]
    pages = f", {about['pages']:,} pages" if about["pages"] else ""
    out.print(
        f"[bold]{escape(about['name'] or 'text')}[/]  [dim]{about['words']:,} words{pages}[/]", soft_wrap=True
    )
    for note in about["notes"]:
        out.print(f"[yellow]{escape(note)}[/]", soft_wrap=True)
    for row in document["categories"]:
        if row["found"]:
            _print_label(row["category"], f"{row['probability']:.0%}", row["passages"], document, reading)
    for row in document["hypotheses"]:
        if row["passages"] and row["nli_label"] != "NotMentioned":
            wording = wordings.get(str(row["hypothesis_id"]), f"hypothesis {row['hypothesis_id']}")
            verdict = f"{row['nli_label']}, {row['probability']:.0%}"
            _print_label(wording, verdict, row["passages"], document, reading)
    if about["confidence"] == "normal":  # else "not found" is worth nothing
        _print_missing(document, wordings)


def _print_label(
    name: str, verdict: str, places: Sequence[int], document: Mapping[str, Any], reading: Reading
) -> None:
    out.print(f"\n[bold]{escape(name)}[/]  {verdict}", soft_wrap=True)
    for passage in (document["passages"][place] for place in places[:3]):
        page = f"page {passage['page']}: " if passage["page"] else ""
        content = " ".join(reading.text[passage["char_start"] : passage["char_end"]].split())
        out.print(f"   [dim]{page}[/]{escape(_short(content, EXCERPT))}", soft_wrap=True)


def _print_missing(document: Mapping[str, Any], wordings: Mapping[str, str]) -> None:
    missing = [row for row in document["categories"] if not row["found"]]
    if missing:
        out.print("\n[bold]Not found[/]  [dim]and of contracts that have it, the share in which it is found[/]")
    for row in sorted(missing, key=lambda row: -row["recall"]):
        worth = f"{row['recall']:.0%}" if row["probability"] is not None else "too few examples to say"
        out.print(f"   {escape(row['category'])}  [dim]{worth}[/]", soft_wrap=True)
    absent = [str(row["hypothesis_id"]) for row in document["hypotheses"] if row["nli_label"] == "NotMentioned"]
    if absent:
        out.print("\n[bold]Not mentioned[/]")
    for number in absent:
        out.print(f"   {escape(wordings.get(number, f'hypothesis {number}'))}", soft_wrap=True)


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.2f}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

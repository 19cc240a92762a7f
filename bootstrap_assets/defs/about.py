"""What the assets say about themselves before anything has run: descriptions, tags, columns, code."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import dagster as dg

from bootstrap_assets.corpus.records import SAMPLE
from bootstrap_assets.embedding.choose import choose_provider
from bootstrap_assets.sample import provenance
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.spec import Source

OWNERS = ["team:reference-corpus"]

STAGES = ("archives", "records", "sources", "index", "quality", "documents")
"""The groups, in the order of the flow; `documents`, the tenants' own, are a flow by themselves. Beside it
stands `labels`, after the records.

Lists of Dagster sort them by name; the graph draws them in this order.
"""

LICENCE_PAGES = {
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "MIT": "https://opensource.org/license/mit",
}

KINDS = {
    "archives": {"python", "file"},
    "records": {"python", "postgres"},
    "index": {"python", "postgres"},
    "quality": {"python", "postgres"},
    "documents": {"python", "postgres"},
    "labels": {"python", "postgres"},
}
"""Badges; Dagster takes up to three."""


def kinds_of_vectors() -> set[str]:
    """The badges of a source's vectors: the embedder is the one set when the definitions are built."""
    return {"python", "postgres", choose_provider(load_settings()).name}


def licence(source: Source) -> str:
    """A source's licence as markdown, linked where we know its page."""
    names = source.licence.split(" / ")
    labels = [f"[{name}]({LICENCE_PAGES[name]})" if name in LICENCE_PAGES else name for name in names]
    return f"{' / '.join(labels)}, {source.attribution}"


def describe(source: Source, holds: str) -> str:
    """The description of an asset of a source, as markdown.

    It is shown whatever is loaded, so it covers both; each materialization says which of them it holds.
    """
    return (
        f"{holds}\n\n{source.title}: {source.description[0].lower()}{source.description[1:]}.\n\n"
        f"* Official data: published at [{source.homepage.removeprefix('https://')}]({source.homepage}). "
        f"Licence: {licence(source)}\n"
        f"* `data: sample`, the default: *{SAMPLE}*, in the same form, {provenance.LICENCE}, by the authors of "
        "bootstrap-assets\n\n"
        "Which of them it holds is the `origin` of the latest materialization."
    )


def tags(stage: str, source: Source | None = None) -> dict[str, str]:
    """Tags to select assets by: `tag:source=cuad`, `tag:stage=records`."""
    if source is None:
        return {"stage": stage}
    return {"stage": stage, "source": source.name, "official-licence": re.sub(r"[^\w.-]+", "-", source.licence)}


def links(source: Source) -> dict[str, dg.MetadataValue]:
    """Where the official data comes from and what may be done with it."""
    return {
        "official_homepage": dg.MetadataValue.url(source.homepage),
        "official_licence": dg.MetadataValue.md(licence(source)),
        "official_archives": dg.MetadataValue.md(
            "\n".join(f"* [{it.filename}]({it.url})" for it in source.remotes)
        ),
    }


def table(name: str) -> dict[str, Any]:
    """A table's or view's name and columns."""
    columns = [dg.TableColumn(column, kind, description=meaning) for column, kind, meaning in _COLUMNS[name]]
    return {"dagster/table_name": name, "dagster/column_schema": dg.TableSchema(columns=columns)}


def code(*functions: Callable[..., Any]) -> dict[str, Any]:
    """Links to where the work of an asset is done, found when the definitions are loaded."""
    references: list[Any] = []
    for function in functions:
        file, line = inspect.getsourcefile(function), inspect.getsourcelines(function)[1]
        label = f"{function.__module__}.{function.__name__}"
        references.append(dg.LocalFileCodeReference(file_path=str(file), line_number=line, label=label))
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references)}


_COLUMNS = {
    "reference_records": (
        ("id", "uuid", "Stable: comes from source and source id"),
        ("document_id", "uuid", "The document that it is part of"),
        ("content_hash", "bytea", "SHA-256 of the text, which stands once in reference_texts"),
        ("source", "text", "Name of the source"),
        ("source_id", "text", "Its id in the source, unique there"),
        ("granularity", "text", "document, template, section, clause, span or passage"),
        ("section_path", "text", "Headings above it"),
        ("category", "text", "Label of CUAD, short name of a hypothesis"),
        ("hypothesis_id", "integer", "Number of the hypothesis (ContractNLI)"),
        ("hypothesis", "text", "Wording of the hypothesis"),
        ("nli_label", "text", "Entailment, Contradiction or NotMentioned"),
        ("char_start", "integer", "First character in the document's raw_text, from 0"),
        ("char_end", "integer", "Character after the last one"),
        ("metadata", "jsonb", "Whatever else the source says"),
        ("tenant_id", "text", "Whose it is; null: the reference corpus'"),
        ("label_tsv", "tsvector", "Words of the label, for full-text search"),
        ("label_number", "bigint", "A hash of category and hypothesis: records of a label are looked up by it"),
        ("section_hash", "bytea", "The text of the section that it stands in"),
        ("created_at", "timestamp with time zone", "When it was added"),
        ("updated_at", "timestamp with time zone", "When it last changed"),
    ),
    "reference_embeddings": (
        ("id", "uuid", "The record's id"),
        ("document_id", "uuid", "The document that it is part of"),
        ("source", "text", "Name of the source"),
        ("content", "text", "The text"),
        ("embedding", "vector", "Its vector in the active space, of unit length"),
        ("granularity", "text", "document, template, section, clause or span"),
        ("section_path", "text", "Headings above it"),
        ("category", "text", "Label of CUAD, short name of a hypothesis"),
        ("hypothesis_id", "integer", "Number of the hypothesis (ContractNLI)"),
        ("nli_label", "text", "Entailment, Contradiction or NotMentioned"),
        ("content_hash", "bytea", "SHA-256 of the text"),
        ("metadata", "jsonb", "Whatever else the source says"),
    ),
    "embedding_spaces": (
        ("id", "integer", "Number of the space"),
        ("name", "text", "provider/model/dimensions"),
        ("provider", "text", "a provider of embedding/providers/registry.py"),
        ("model", "text", "The model's name"),
        ("dimensions", "integer", "Values in a vector"),
        ("element_type", "text", "vector or halfvec"),
        ("table_name", "text", "Table of its vectors, which carries the HNSW index"),
        ("state", "text", "building, ready (complete), active (searched), retired or dropped"),
        ("index_parameters", "jsonb", "What the index was built with and over how many vectors"),
        ("quality", "jsonb", "Figures of quality"),
        ("fitted", "bytea", "What the embedder learnt from the corpus for its queries"),
        ("fitted_of", "text", "Version of the corpus that it learnt from"),
        ("feedback", "boolean", "Whether a query's vector gains from those of its best texts"),
        ("vector_weight", "double precision", "Weight of the cosine in a search's score"),
        ("text_weight", "double precision", "Weight of the words in it"),
        ("context", "double precision", "Share that a text takes of its section's scores"),
        ("created_at", "timestamp with time zone", "When it was made"),
        ("promoted_at", "timestamp with time zone", "When it last became the one that is searched"),
    ),
    "document_states": (
        ("document_id", "uuid", "Made from tenant and name, stable"),
        ("tenant_id", "text", "Whose document it is"),
        ("name", "text", "Its name for the tenant"),
        ("version", "bytea", "SHA-256 of its bytes"),
        ("bytes", "bigint", "How many they are"),
        ("origin", "text", "added (by a command) or inbox"),
        ("signature", "text", "Size and time, or version, of its file in the inbox"),
        ("stage", "text", "pending, extracting, extracted, … complete, or failed"),
        ("completed_stages", "jsonb", "When each stage was done, and in how many seconds"),
        ("stage_began_at", "timestamp with time zone", "When its present stage was begun"),
        ("attempts", "integer", "How often the work on it was begun since its bytes changed"),
        ("error_class", "text", "What kind of failure it is"),
        ("reason", "text", "Why it failed, for people"),
        ("failed_stage", "text", "What was being done when it failed"),
        ("owner", "text", "The process that works on it"),
        ("heartbeat_at", "timestamp with time zone", "That process' last sign of life"),
        ("is_cancelled", "boolean", "Whether somebody asked for the end of the work on it"),
        ("pages", "integer", "How many pages it has, where it has pages"),
        ("passages", "integer", "How many passages it was cut into"),
        ("connections", "integer", "How many connections its passages have"),
        ("created_at", "timestamp with time zone", "When it came"),
        ("updated_at", "timestamp with time zone", "When it last got on, failed, or was asked for"),
    ),
}

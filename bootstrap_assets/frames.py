"""The frames of pandas that the Python API gives, and their columns."""

from typing import Any

import pandas as pd

DOCUMENTS = (
    *("id", "source", "source_id", "title", "licence", "attribution", "url", "tenant_id"),
    *("records", "characters", "invented", "metadata", "raw_text"),
)
RECORDS = (
    *("id", "source", "source_id", "document_id", "document", "granularity", "section_path", "category"),
    *("hypothesis_id", "hypothesis", "nli_label", "char_start", "char_end", "content"),
    *("licence", "attribution", "url", "tenant_id", "invented", "metadata"),
)
STATES = (
    *("document_id", "name", "stage", "stages", "pages", "passages", "embedded", "connections", "attempts"),
    "reason",
)
"""Columns of the frames, in this order."""

WHOLE = ("hypothesis_id", "char_start", "char_end")
COUNTS = ("pages", "passages", "connections")
"""Columns of whole numbers that may be missing: of records, and of a tenant's documents."""


def of(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    """A frame of these rows; one of no rows has its columns too."""
    return pd.DataFrame(rows, columns=list(columns))

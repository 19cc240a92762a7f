"""Tables of the user's that are called like ours: a reset of an older corpus must not take them for its own."""

import re
from pathlib import Path

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.errors import SchemaError

_SCRIPT = Path(__file__).parent / "migrations" / "versions" / "0103_schema.up.sql"

_NEW = (
    *("bootstrap_tenants", "document_states", "document_files", "document_extractions"),
    *("reference_unsettled_texts", "reference_counted_texts", "bootstrap_completions", "bootstrap_archives"),
    *("repositories", "repository_blobs", "repository_dependencies", "repository_files", "repository_references"),
    *("repository_snapshots", "repository_symbols", "index_jobs"),
    *("reference_text_words", "reference_postings", "reference_segments"),
    *("document_labels", "label_baseline", "label_features", "label_scorers", "embedding_lanes"),
    *("label_wordings", "label_readings", "label_likelihoods"),
)
"""Tables that versions before 0103 did not all make."""

_COMMENTS = """
SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relname = ANY (%s)"""


def require_ours(connection: Connection) -> None:
    """Raise SchemaError where a table that older versions did not make is not by us: ours have our comments."""
    script = _SCRIPT.read_text(encoding="utf-8")
    comments = dict(re.findall(r"COMMENT ON TABLE (\w+) IS\s+'((?:[^']|'')*)'", script))
    rows = connection.execute(_COMMENTS, (list(_NEW),)).fetchall()
    foreign = [name for name, comment in rows if comment != comments[name].replace("''", "'")]
    if foreign:
        raise SchemaError(
            f"bootstrap-assets did not make the table {', '.join(foreign)}: rename it, for it needs the name"
        )

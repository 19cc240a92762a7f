-- What changed in a source since its previous version.

CREATE TABLE reference_changes (
    source      text NOT NULL,
    source_id   text NOT NULL,
    change      text NOT NULL CHECK (change IN ('new', 'changed', 'deleted')),
    granularity text NOT NULL,
    category    text,
    before      text,
    after       text,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, changed_at, source_id)
);
COMMENT ON TABLE reference_changes IS
    'Records that differ from the version of a source before, with the beginning of their texts before and after. The first load of a source is no change.';

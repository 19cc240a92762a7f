-- Processes set to different numbers of batches would each write the batches of the other anew.

CREATE TABLE bootstrap_batching (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    batches integer NOT NULL CHECK (batches > 0)
);
COMMENT ON TABLE bootstrap_batching IS
    'The number of batches that this corpus is divided into: BOOTSTRAP_BATCHES of the first run, until `bootstrap db batches`.';

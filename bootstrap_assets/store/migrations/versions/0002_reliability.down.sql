DROP TABLE bootstrap_breakers;
DROP FUNCTION embedding_reserve;
DROP TABLE embedding_limiters;
DROP INDEX embedding_usage_limiter, embedding_usage_run;
ALTER TABLE embedding_usage
    DROP COLUMN run_id, DROP COLUMN limiter, DROP COLUMN estimated, DROP COLUMN answered_at,
    DROP CONSTRAINT embedding_usage_outcome_check;
DROP INDEX bootstrap_failures_text, bootstrap_failures_text_once, bootstrap_failures_parse_once;
DELETE FROM bootstrap_failures WHERE stage <> 'parse';
ALTER TABLE bootstrap_failures DROP COLUMN space_id, DROP COLUMN ignored_at;
CREATE UNIQUE INDEX bootstrap_failures_once
    ON bootstrap_failures (source, stage, class, place, source_id, content_hash) NULLS NOT DISTINCT;
DROP INDEX bootstrap_batches_at_work;
DROP FUNCTION bootstrap_is_stale(text, timestamptz, timestamptz);
ALTER TABLE bootstrap_batches DROP COLUMN failed;
UPDATE bootstrap_progress SET status = 'completed' WHERE status = 'completed_with_failures';
ALTER TABLE bootstrap_progress DROP CONSTRAINT bootstrap_progress_status_check;
ALTER TABLE bootstrap_progress ADD CONSTRAINT bootstrap_progress_status_check
    CHECK (status IN ('pending', 'in_progress', 'completed', 'failed'));

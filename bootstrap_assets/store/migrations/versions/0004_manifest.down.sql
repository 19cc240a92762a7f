DROP FUNCTION bootstrap_stored;
ALTER TABLE bootstrap_progress DROP COLUMN parsed_records, DROP COLUMN parsed_digest;

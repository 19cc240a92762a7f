DROP TABLE bootstrap_batching;

"""The pipeline as Dagster shows it: assets made over the registry, one shared set of partitions, a job."""

DROP TABLE evaluation_baseline, evaluation_vectors;

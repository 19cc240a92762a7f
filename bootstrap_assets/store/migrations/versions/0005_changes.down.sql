DROP TABLE reference_changes;

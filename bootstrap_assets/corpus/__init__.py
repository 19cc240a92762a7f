"""Documents and records: what they are, how they are loaded, and what is there."""

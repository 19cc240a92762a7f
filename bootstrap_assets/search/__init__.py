"""From a question to records: vector search, full text, and both fused."""

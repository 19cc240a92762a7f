"""The source Bonterms."""

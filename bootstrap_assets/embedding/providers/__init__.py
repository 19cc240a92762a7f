"""Embedding providers: one module each."""

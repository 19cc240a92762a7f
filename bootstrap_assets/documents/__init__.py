"""Tenants' own documents: from a file to text, and from text to passages."""

"""Tenants' own documents: inbox, extraction, passages, stages, connections; sealed by tenant."""

"""The embedded PostgreSQL server: made, started, found again and stopped."""

"""Everything about the server: connections, the embedded one, schema and migrations, named statements."""

"""Everything that talks to PostgreSQL. DDL lives in migrations/, DML in named statements in sql/."""

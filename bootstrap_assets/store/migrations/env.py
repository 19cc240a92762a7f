"""Alembic's entry: migrate on the connection that `store.schema` hands over, in its transaction."""

from alembic import context

from bootstrap_assets.store.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()

"""Alembic's entry: migrate on the connection that `store.schema` hands over, a transaction for each migration."""

from alembic import context

from bootstrap_assets.store.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    transaction_per_migration=True,  # the locks of one are not kept for the minutes that another takes
)
with context.begin_transaction():
    context.run_migrations()

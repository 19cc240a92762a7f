"""Alembic's entry: migrate on the connection that `store.schema` hands over, a transaction for each migration."""

from alembic import context

from bootstrap_assets.database.schema import VERSION_TABLE
from bootstrap_assets.database.search_path import OUR_SCHEMA

connection = context.config.attributes["connection"]
our_schema = connection.exec_driver_sql(OUR_SCHEMA).scalar()
connection.commit()  # each migration begins a transaction of its own
context.configure(
    connection=connection,
    version_table=VERSION_TABLE,
    version_table_schema=our_schema,
    transactional_ddl=True,
    transaction_per_migration=True,  # the locks of one are not kept for the minutes that another takes
)
with context.begin_transaction():
    context.run_migrations()

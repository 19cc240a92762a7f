"""Fill a PostgreSQL + pgvector with a reference corpus of contracts. The package, in the order of the flow.

records, batches    what the corpus is made of, and how its texts are divided; pure
sources             from an archive to records: download, safe reading, one parser per data set
embed               from texts to vectors: Voyage AI or a local model
store               PostgreSQL: schema, records, vectors, index, progress
search              from a question to records
pipeline            the whole way in one module
defs, definitions   the same way as Dagster assets
cli                 the `bootstrap` command
"""

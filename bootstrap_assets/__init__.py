"""Fill a PostgreSQL + pgvector with a reference corpus of contracts. The package, in the order of the flow.

records, batches    what the corpus is made of, and how its texts are divided; pure
sources             from an archive to records: download, safe reading, one parser per data set
embed               from texts to vectors: Voyage AI or a local model
store               PostgreSQL: schema, records, vectors, index, progress, ledger, breakers, dead letters
gate, send          one request: when it may be sent, and when again
deliver             what becomes of its texts: vectors, dead letters, another try
fill                all requests of a source: what is missing, leases, batches
search              from a question to records
pipeline            the whole way in one module
estimate            what it would cost
defs, definitions   the same way as Dagster assets
cli                 the `bootstrap` command
"""

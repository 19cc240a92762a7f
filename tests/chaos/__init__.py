"""Breaks the pipeline on purpose and looks at what is left: `python -m tests.chaos`, or `make chaos`.

    scenarios ──> ground, scene ──> processes ──> child          look: inspection, table
    what to do    database,         forked,       the pipeline
                  provider          killed

A scenario gets a Ground (a PostgreSQL), a `random.Random` and a size, fills corpora by child processes, disturbs
them, and returns a row of the table. `test_quick.py` runs the same scenarios small.
"""

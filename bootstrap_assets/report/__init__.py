"""The report: one HTML page on what is in the corpus, how good it is, what it cost and what is wrong with it.

contents     what is in the corpus, its gaps, failures and runs: queries into frames
quality      the figures of the last evaluation, as far as they are there
map          the corpus in two dimensions
duplicates   clauses that are nearly the same in several documents
changes      what changed since a source's version before
pictures     figures, and how they become part of a page or of Dagster's metadata
page         all of it on one page
"""

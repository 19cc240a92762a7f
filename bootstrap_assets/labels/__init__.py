"""What the corpus' own labels teach: a scorer for each category and hypothesis, and what it reads in a contract.

    lessons ──> scorers ──> store ──> classification
    pieces      trained,    arrays,   a contract's pieces
    labels      calibrated  quality   with their labels
                               └────> likelihoods
                                      of the corpus' texts, for the search

A scorer is a linear model over words and word pairs of a piece and its neighbours (features), and what turns
its score into a probability, learnt on contracts that it was not trained on (calibration). Whether a contract has
a category its sections say as well (sections). A source says which labels it teaches (sources/spec.py), so another
source with labels gets scorers without other code.
"""

VERSION = 3
"""Raised whenever the same labels would give other scorers: all are then trained anew."""

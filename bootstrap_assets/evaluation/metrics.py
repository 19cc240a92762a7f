"""Metrics of a ranking, worked out by ir-measures (trec_eval underneath)."""

from collections.abc import Collection, Mapping, Sequence

import ir_measures
import numpy as np
from ir_measures import AP, RR, IPrec, P, R, nDCG

from bootstrap_assets.evaluation.intervals import Values

METRICS: Mapping[str, ir_measures.Measure] = {
    "R@5": R @ 5,
    "R@10": R @ 10,
    "P@5": P @ 5,
    "P@10": P @ 10,
    "MRR": RR,
    "nDCG@10": nDCG @ 10,
    "mAP": AP,
    "P@R80": IPrec @ 0.8,
}
"""Shares of the relevant that are among the first k, shares of the first k that are relevant, and so on.

P@R80: the precision at the first place, and from there on the best, where 80 % of what is right has been seen."""


def measure(
    metrics: Sequence[str], relevant: Sequence[Collection[bytes]], ranked: Sequence[Sequence[bytes]]
) -> Values:
    """The value of each metric (columns) for each question (rows); what is not ranked counts as not found.

    `relevant`: the texts that are right, at least one; `ranked`: texts, the best first.
    """
    qrels = {str(number): {text.hex(): 1 for text in texts} for number, texts in enumerate(relevant)}
    run = {
        str(number): {text.hex(): -float(place) for place, text in enumerate(texts)}
        for number, texts in enumerate(ranked)
    }
    columns = {METRICS[name]: column for column, name in enumerate(metrics)}
    values = np.zeros((len(relevant), len(metrics)))
    for metric in ir_measures.iter_calc(list(columns), qrels, run):
        values[int(metric.query_id), columns[metric.measure]] = metric.value
    return values

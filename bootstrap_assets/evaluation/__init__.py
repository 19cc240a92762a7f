"""How good the search is, measured on the labels of the corpus."""

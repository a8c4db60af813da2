"""Tables of training runs: reading, checks, folds, bundled data sets and published tables."""

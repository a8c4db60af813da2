"""Tables of training runs, bundled data sets and published facts."""

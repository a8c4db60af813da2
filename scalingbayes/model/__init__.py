"""The statistical model: a law, a noise model, priors and a table of runs."""

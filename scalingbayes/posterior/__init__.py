"""Posteriors: draws of a law's parameters, and what is computed from them."""

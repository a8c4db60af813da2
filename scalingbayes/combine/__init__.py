"""Combine posteriors: average laws, and pool tables."""

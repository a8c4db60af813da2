"""Fit a law to one table or to many tables."""

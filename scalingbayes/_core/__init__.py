"""Small utilities that every other package uses."""

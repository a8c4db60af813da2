"""Small tools that every other package uses."""

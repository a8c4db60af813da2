"""Tables of files and of memory, each read into a DataFrame; nothing is renamed or checked."""

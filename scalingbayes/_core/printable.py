"""Text that a terminal can show safely."""


def printable(text: str, keep: str = "") -> str:
    r"""Return a text without control characters: names from a table could command the terminal.

    Parameters
    ----------
    text
        The text.
    keep
        Control characters that are kept, such as the end of a line.

    Examples
    --------
    >>> printable("a\x1b[31m name")
    'a[31m name'
    """
    return "".join(each for each in text if each.isprintable() or each in keep)

"""Names of columns and labels, as words that underscores join."""

import re


def snake_case(text: str) -> str:
    """Return a text in lower case, its words joined by underscores.

    Examples
    --------
    >>> snake_case("Cool-down (LR)")
    'cool_down_lr_'
    """
    return re.sub(r"[^a-z0-9]+", "_", text.lower())


def find_words(words: re.Pattern[str], name: str) -> re.Match[str] | None:
    """Return where a name of :func:`snake_case` has one of some whole words.

    Examples
    --------
    >>> find_words(re.compile("lr|loss"), "max_lr") is not None
    True
    """
    return re.search(rf"(^|_)({words.pattern})(_|$)", name)

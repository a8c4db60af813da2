"""Logs of training, which are no tables: they are named, with Python that makes a table of one."""

import re

from scalingbayes._core.errors import InputError

_NUMBER = r"(\d+(?:\.\d+)?(?:e[-+]?\d+)?)"
_LINE = re.compile(r"^[^a-z,;|\t\"'{]*(?:step|iter|iteration|epoch)\b\W*\d.*loss\W*\d", re.I | re.M)
_FORMS = (
    (
        rf"step (\d+): train loss {_NUMBER}, val loss {_NUMBER}",  # nanoGPT's evaluations
        ("step", "train_loss", "val_loss"),
    ),
    (rf"(?i)(?:step|iter|iteration|epoch)\W*(\d+).*?loss\W*{_NUMBER}", ("step", "loss")),
)
"""Regular expressions for the lines of a log, and the names of their groups."""


def refuse_training_log(text: str, source: str) -> None:
    """Raise an error if a text is the log of a training run, such as nanoGPT prints.

    Raises
    ------
    InputError
        If two lines or more have a step and a loss.
    """
    if len(_LINE.findall(text)) < 2:
        return
    form, names = next((form, names) for form, names in _FORMS if re.search(form, text))
    raise InputError(
        f"{source} is the log of a training run, not a table. Make a table of it in Python, and "
        f"add what the log lacks: the number of parameters, and the tokens of each step.\n"
        f"    import pathlib\n"
        f"    import re\n"
        f"    import pandas as pd\n"
        f"    text = pathlib.Path({source!r}).read_text()\n"
        f'    found = re.findall(r"{form}", text)\n'
        f"    frame = pd.DataFrame(found, columns={list(names)}).astype(float)\n"
        f'    frame = frame[frame["step"] > 0]\n'
        f'    frame["params"] = 124e6  # the parameters of the model\n'
        f'    frame["tokens"] = frame["step"] * 491520  # the tokens of one step\n'
        f'    runs = sb.Runs(frame, loss="{names[-1]}")\n'
        f"Join the tables of several runs with pd.concat."
    )

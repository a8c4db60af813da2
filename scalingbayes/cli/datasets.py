"""``scalingbayes datasets``."""

import scalingbayes as sb
from scalingbayes.cli.json_output import document
from scalingbayes.cli.printing import print_text


def datasets_command() -> None:
    """List the bundled data sets with their sources, licences and notes."""
    sets = [sb.datasets.info(name) for name in sb.datasets.names()]
    if (found := document()) is not None:
        found.add(datasets=[vars(each) for each in sets])
        return
    for each in sets:
        print_text(f"{each}\n")

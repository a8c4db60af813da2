"""``scalingbayes datasets``."""

import scalingbayes as sb
from scalingbayes.cli.printing import print_text


def datasets_command() -> None:
    """List the bundled data sets with their sources, licences and notes."""
    for name in sb.datasets.names():
        print_text(f"{sb.datasets.info(name)}\n")

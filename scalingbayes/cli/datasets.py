"""``scalingbayes datasets``."""

from scalingbayes.cli.printing import console
from scalingbayes.data import datasets


def datasets_command() -> None:
    """List the bundled data sets with their sources, licences and notes."""
    for name in datasets.names():
        console.print(f"{datasets.info(name)}\n")

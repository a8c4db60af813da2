"""``python -m scalingbayes`` is the command line."""

from scalingbayes.cli import main

main()

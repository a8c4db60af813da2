"""Execute the notebooks, and store them with small pictures and without paths of this machine.

python docs/execute_notebooks.py                       # all notebooks
python docs/execute_notebooks.py notebooks/laws.ipynb  # one notebook
"""

import base64
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from examples import ROOT, with_few_colors
from nbclient import NotebookClient

PICTURE = "image/png"


def execute(path: Path) -> None:
    """Execute a notebook, and write it back."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=None, kernel_name="python3", record_timing=False).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if PICTURE in data:
                small = with_few_colors(base64.b64decode(data[PICTURE]))
                data[PICTURE] = base64.b64encode(small).decode()
    text = nbformat.writes(notebook)
    if tempfile.gettempdir() + "/" in text:
        raise SystemExit(f"{path} prints a temporary path: change the cell that does.")
    path.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    os.environ.pop("JAX_NUM_CPU_DEVICES", None)  # draws depend on the number of devices
    for chosen in map(Path, sys.argv[1:] or sorted((ROOT / "notebooks").glob("*.ipynb"))):
        print(chosen)
        execute(chosen)

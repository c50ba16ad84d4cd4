"""Models to compare with, one file for each kind; `table.py` lists them."""

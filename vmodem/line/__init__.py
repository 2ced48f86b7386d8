"""Where the terminal equipment (DTE) is: one class for each kind of line, one contract for all (base.py)."""

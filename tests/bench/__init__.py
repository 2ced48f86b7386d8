"""How fast vmodem is: what ``bin/bench`` runs.  It prints figures and judges nothing.

Needs the standard library only (and what vmodem itself needs), so that it runs from any checkout.
"""

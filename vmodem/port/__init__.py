"""Serial equipment on a LINE, as seen from the computer it is attached to: we are the DTE here.

The rooms of a modem look at a line from the other side (:mod:`vmodem.line`), where we are the DCE.
"""

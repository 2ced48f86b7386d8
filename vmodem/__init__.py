"""vmodem: a Hayes AT-command modem whose telephone network is TCP/IP.

This module imports nothing, so that ``vmodem --version`` costs no more than starting Python.
"""

__version__ = "0.1.0"

"""Talking to a running vmodem, over a socket in its state folder."""

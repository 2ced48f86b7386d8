"""The operating system's terminals, as system calls: devices, pseudo-terminals, circuits; and the one way to
write where equipment is.

What does not belong here: streams, and what is done with a terminal.
"""

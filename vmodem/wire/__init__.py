"""Protocols of the wire, without I/O: bytes in, events out; standard library only.

Each codec belongs to one connection.  ``receive`` takes what arrived, in chunks of any size, and returns what
it means, in order; ``encode`` turns data into what is to be sent.  Whatever a peer sends, no codec raises,
grows, or answers with more than about what it was given.

What does not belong here: sockets, time, and what the events lead to.
"""

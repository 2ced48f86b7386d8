"""Telnet (RFC 854) and RFC 2217 as streams over streams, and finding out whether a peer speaks them."""

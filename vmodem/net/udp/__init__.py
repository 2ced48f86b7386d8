"""Calls by UDP, where a peer's address stands for a connection."""

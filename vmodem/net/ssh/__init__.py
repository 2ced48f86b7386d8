"""Calls by SSH (RFC 4254), with Twisted's conch; imported only when one is made."""

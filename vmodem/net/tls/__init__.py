"""TLS (RFC 8446) by the standard library: who we are, who the peer has to be, and a stream over a stream."""

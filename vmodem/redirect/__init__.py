"""Local ports whose other end is elsewhere on the network."""

"""From names to addresses: the system's resolver, name servers of choice, and the local network."""

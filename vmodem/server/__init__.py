"""The serial device server: clients on the network share equipment on a LINE."""

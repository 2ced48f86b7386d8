"""UPS monitoring: UPSes as data, their drivers, and a server of the Network UPS Tools protocol."""

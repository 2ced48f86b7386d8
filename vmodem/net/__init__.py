"""Descriptors, sockets and who may use them: everything that moves bytes but knows no modem."""

"""From a configuration to running modems and their kin, and back down in order.

What does not belong here: reading arguments and files (cli, config), and what a modem does (modem).
"""

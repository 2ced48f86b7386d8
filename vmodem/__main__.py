"""``python -m vmodem``."""

import sys

from vmodem.cli import main

sys.exit(main())

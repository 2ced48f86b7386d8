"""Programs that others wrote, at work with the real program over real pseudo-terminals and sockets."""

from tests.helpers.exchange import world
from tests.helpers.process import scene
from tests.helpers.reactors import reactor

__all__ = ["reactor", "scene", "world"]

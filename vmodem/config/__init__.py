"""Configuration: what is written in files and arguments, as checked and frozen values."""

from .load import load_config, parse_config
from .mistake import ConfigError, Mistake
from .reading import load_directory
from .schema import Config

__all__ = ["Config", "ConfigError", "Mistake", "load_config", "load_directory", "parse_config"]

"""Say which wire format this package speaks."""

from typing import Final

PROTOCOL_VERSION: Final = 1
"""Raised whenever a frame of the previous version would be misread."""

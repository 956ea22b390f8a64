"""Strategies that come with SessionFlow; a configuration names them as `module:Class`."""

"""Modules that stand in for other tools."""

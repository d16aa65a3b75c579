"""Feast's definitions, as ours."""

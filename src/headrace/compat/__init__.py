"""Faces of other tools over ours."""

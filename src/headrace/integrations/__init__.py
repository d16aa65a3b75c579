"""Callbacks of training libraries that log to a run."""

"""Telling other systems what happens in the registry: signed, repeated until it is taken, and never into private networks."""

"""The registry of definitions: plan, apply, look-ups and history."""

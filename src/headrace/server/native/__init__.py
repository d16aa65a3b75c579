"""The native API: each function parses a call, asks the store, and renders what it says."""

"""The HTTP server: a store behind routes. It parses, calls and renders; what things mean is decided below."""

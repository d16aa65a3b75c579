"""Makes a Store of its parts: here, over backends of its own; or over a server."""

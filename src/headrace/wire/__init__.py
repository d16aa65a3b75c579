"""What travels between a remote store and a server: values, tables, definitions, online answers. Pure bytes, no HTTP."""

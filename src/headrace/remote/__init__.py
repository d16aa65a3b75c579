"""The store of a project that a server keeps: the same contracts over HTTP."""

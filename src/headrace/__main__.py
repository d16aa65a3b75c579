"""`python -m headrace` is the `headrace` command, for where its folder isn't on the PATH."""

from __future__ import annotations

from headrace.cli import main

__all__ = ["main"]

if __name__ == "__main__":  # a worker that is started as a process of its own reads this file too
    main()

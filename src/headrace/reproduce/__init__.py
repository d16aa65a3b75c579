"""Run a run again: its code, its packages, its data, its command; and compare what comes out."""

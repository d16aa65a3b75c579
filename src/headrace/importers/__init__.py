"""What was tracked with other tools, brought in as it was: complete, once, and again when there is more."""

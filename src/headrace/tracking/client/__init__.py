"""What runs inside a training loop."""

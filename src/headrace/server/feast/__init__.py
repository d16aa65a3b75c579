"""What the feature server of Feast speaks, so that its clients read from us unchanged."""

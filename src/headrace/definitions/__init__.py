"""What a user declares: entities, sources, feature groups, feature views. Pure values, no input or output."""

"""Online state on Redis: `store` is the backend, `seen` the ids of events, the rest is what they are made of."""

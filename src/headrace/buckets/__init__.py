"""Object stores by URL: how a setting becomes a connection, and what a store's refusal means."""

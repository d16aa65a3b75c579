"""Who may do what on a server: users with roles, and the tokens that their programs send."""

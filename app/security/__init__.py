"""Who may do what: tokens, roles, and the one place where every request is let in or not."""

"""What a Bento carries: the served app, with relative imports only."""

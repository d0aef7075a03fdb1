"""Matching: set-based passes over open lines and open expectations, then reasons for what is left."""

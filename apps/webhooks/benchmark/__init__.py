"""Measures the webhooks as they run: real processes on this machine, real HTTP on loopback, the real database."""

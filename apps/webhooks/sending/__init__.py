"""Sending deliveries: claimed in batches, posted concurrently, recorded in batches."""

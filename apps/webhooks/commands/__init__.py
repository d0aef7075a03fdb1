"""Every write of the context, by subject; importing this registers them all."""

from apps.webhooks.commands import dead_letters, endpoints, inbox, sources

__all__ = ["dead_letters", "endpoints", "inbox", "sources"]

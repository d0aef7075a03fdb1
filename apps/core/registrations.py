"""What core registers itself when the platform starts: the commands beside the registry."""

from apps.core import dead_events  # noqa: F401  # registers its command by being imported

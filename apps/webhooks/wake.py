"""Wake-ups for the workers of the inbox and of deliveries (see `core.bells`)."""

from __future__ import annotations

from apps.core.bells import Bell


def _inbox() -> None:
    from apps.webhooks.tasks import work_inbox

    work_inbox.apply_async(retry=False)


def _deliveries() -> None:
    from apps.webhooks.tasks import send_deliveries

    send_deliveries.apply_async(retry=False)


_BELLS = {"inbox": Bell(_inbox), "deliveries": Bell(_deliveries)}


def inbox() -> None:
    """Wake the workers for the inbox, once the open transaction (if any) is committed."""
    _BELLS["inbox"].after_commit()


def deliveries() -> None:
    """Wake the workers for deliveries, once the open transaction (if any) is committed."""
    _BELLS["deliveries"].after_commit()

"""The composition root: here, and nowhere else, the layers meet. Fills core's ports and registries."""

from __future__ import annotations

from django.apps import AppConfig


class CompositionConfig(AppConfig):
    """Wires the apps together once all of them are loaded."""

    name = "config"
    label = "composition"

    def ready(self) -> None:
        """Register audit, approvals, commands, consumers and searches."""
        wire()


def wire() -> None:
    """Fill the ports of core and import what registers itself by being imported."""
    from importlib import import_module
    from importlib.util import find_spec

    from django.apps import apps as installed

    import_module("config.celery")  # `@shared_task` binds to the app that exists: the web process sends too
    for app in installed.get_app_configs():
        if app.name.startswith("apps."):
            for part in ("commands", "handlers", "registrations"):
                if find_spec(f"{app.name}.{part}") is not None:
                    import_module(f"{app.name}.{part}")
    if installed.is_installed("apps.compliance"):
        from apps.compliance import public as compliance
        from apps.core.ports import PORTS

        PORTS.write_audit = compliance.write_audit
        PORTS.require_approval = compliance.require_approval
        PORTS.needs_approval = compliance.needs_approval

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "apps.core"
    label = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, and the log line of a request that fails."""
        from django.core.signals import got_request_exception

        from apps.core import logs
        from apps.core.crypto import checks  # noqa: F401

        got_request_exception.connect(logs.log_failure, dispatch_uid="core.log_failure")

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "apps.console"
    label = "console"

    def ready(self) -> None:
        """Let the pages register themselves with the site."""
        from apps.console import pages

        pages.load()

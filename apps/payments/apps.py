from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "apps.payments"
    label = "payments"

    def ready(self) -> None:
        """Give the rails what this deployment's banks allow."""
        from django.conf import settings

        from apps.payments.rails import ADAPTERS
        from apps.payments.rails.fednow import FedNow
        from apps.payments.rails.sepa_inst import SepaInstant

        ADAPTERS["sepa_inst"] = SepaInstant(amount_max_minor=settings.SEPA_INST_AMOUNT_MAX_MINOR)
        ADAPTERS["fednow"] = FedNow(amount_max_minor=settings.FEDNOW_AMOUNT_MAX_MINOR)

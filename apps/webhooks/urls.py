"""The inbound door's addresses, below /webhooks/."""

from django.urls import path

from apps.webhooks.views import inbound

urlpatterns = [path("in/<str:path_token>", inbound, name="webhooks-in")]

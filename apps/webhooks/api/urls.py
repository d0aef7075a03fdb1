"""The addresses of the webhooks API, below /api/v1/."""

from django.urls import path

from apps.webhooks.api import views

urlpatterns = [
    path("webhook-endpoints", views.Endpoints.as_view()),
    path("webhook-endpoints/<str:endpoint_id>", views.OneEndpoint.as_view()),
    path("webhook-endpoints/<str:endpoint_id>/secrets", views.EndpointSecrets.as_view()),
    path("webhook-endpoints/<str:endpoint_id>/disable", views.DisableOne.as_view()),
    path("webhook-endpoints/<str:endpoint_id>/enable", views.EnableOne.as_view()),
    path("webhook-endpoints/<str:endpoint_id>/test", views.TestOne.as_view()),
    path("deliveries", views.Deliveries.as_view()),
    path("deliveries/<str:delivery_id>", views.OneDelivery.as_view()),
    path("deliveries/<str:delivery_id>/resend", views.ResendOne.as_view()),
    path("events", views.Events.as_view()),
    path("events/<str:event_id>", views.OneEvent.as_view()),
    path("event-types", views.EventTypes.as_view()),
    path("event-types/<str:name>", views.OneEventType.as_view()),
]

from django.urls import path

from apps.payments.api import quotes, views

urlpatterns = [
    path("payments", views.Payments.as_view()),
    path("payments/<str:payment_id>", views.OnePayment.as_view()),
    path("payments/<str:payment_id>/events", views.PaymentEvents.as_view()),
    path("payments/<str:payment_id>/approve", views.ApproveOne.as_view()),
    path("payments/<str:payment_id>/decline", views.DeclineOne.as_view()),
    path("payments/<str:payment_id>/cancel", views.CancelOne.as_view()),
    path("payments/<str:payment_id>/refunds", views.PaymentRefunds.as_view()),
    path("payee-verifications", views.PayeeVerifications.as_view()),
    path("payee-verifications/<str:verification_id>", views.OnePayeeVerification.as_view()),
    path("refunds", views.Refunds.as_view()),
    path("quotes", quotes.Quotes.as_view()),
]

from django.urls import path

from apps.payments.api import debits, quotes, views

urlpatterns = [
    path("payments", views.Payments.as_view()),
    path("payments/<str:payment_id>", views.OnePayment.as_view()),
    path("payments/<str:payment_id>/events", views.PaymentEvents.as_view()),
    path("payments/<str:payment_id>/approve", views.ApproveOne.as_view()),
    path("payments/<str:payment_id>/decline", views.DeclineOne.as_view()),
    path("payments/<str:payment_id>/cancel", views.CancelOne.as_view()),
    path("payments/<str:payment_id>/refunds", views.PaymentRefunds.as_view()),
    path("payments/<str:payment_id>/recall", debits.PaymentRecall.as_view()),
    path("mandates", debits.Mandates.as_view()),
    path("mandates/<str:mandate_id>", debits.OneMandate.as_view()),
    path("mandates/<str:mandate_id>/sign", debits.SignOne.as_view()),
    path("mandates/<str:mandate_id>/amend", debits.AmendOne.as_view()),
    path("mandates/<str:mandate_id>/suspend", debits.SuspendOne.as_view()),
    path("mandates/<str:mandate_id>/resume", debits.ResumeOne.as_view()),
    path("mandates/<str:mandate_id>/cancel", debits.CancelOneMandate.as_view()),
    path("collections", debits.Collections.as_view()),
    path("collections/<str:payment_id>", debits.OneCollection.as_view()),
    path("collections/<str:payment_id>/cancel", debits.CancelOneCollection.as_view()),
    path("returns", debits.Returns.as_view()),
    path("payee-verifications", views.PayeeVerifications.as_view()),
    path("payee-verifications/<str:verification_id>", views.OnePayeeVerification.as_view()),
    path("refunds", views.Refunds.as_view()),
    path("quotes", quotes.Quotes.as_view()),
]

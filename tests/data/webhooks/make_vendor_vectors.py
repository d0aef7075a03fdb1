"""Make vendor_vectors.json with the vendors' own packages, which say what is valid.

Not run by the tests. In a virtual environment of its own:

    pip install stripe svix standardwebhooks Adyen gocardless-pro razorpay braintree paddle-python-sdk \
        truelayer-signing http-message-signatures squareup "setuptools<80"
    python make_vendor_vectors.py > vendor_vectors.json

`reason` is the code that a strict receiver gives; `oracle` is what the vendor's package said about the
same bytes ("valid", "invalid", or the error it raised). Where they differ, `stricter` says why.
Every key is made from a fixed text, so that the file is the same each time except for signatures with
random parts (ES512, RSA-PSS, ECDSA).
"""

import base64
import hashlib
import hmac
import json
import time
import urllib.parse
import zlib
from datetime import UTC, datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

NOW = 1_772_323_200
time.time = lambda: NOW


class Frozen(datetime):
    """The vendors' packages read the clock themselves; here it stands still."""

    @classmethod
    def now(cls, tz=None):
        return datetime.fromtimestamp(NOW, tz or UTC)


VECTORS = []
PEM, PKCS8, PLAIN = (
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


def key_text(name):
    return hashlib.sha256(f"bezant vectors {name}".encode()).hexdigest()


def add(name, provider, secret, headers, body, oracle, valid, reason="ok", status=None, stricter="", **more):
    try:
        said = oracle()
        said = "valid" if said in (True, None) else "invalid"
    except Exception as error:
        said = type(error).__name__
    VECTORS.append(
        {
            "id": name,
            "provider": provider,
            "secrets": secret if isinstance(secret, list) else [secret],
            "headers": headers,
            "body_b64": base64.b64encode(body).decode(),
            "verify_at": NOW,
            "valid": valid,
            "reason": reason,
            "expect_http": status or ("2xx" if valid else "4xx"),
            "oracle": said,
            "stricter": stricter,
            **more,
        }
    )
    agrees = (said == "valid") == valid
    assert agrees or stricter, (name, said, valid)


def mac(key, message, digest=hashlib.sha256):
    return hmac.new(key, message, digest)


def stripe_vectors():
    import stripe

    secret, other = "whsec_" + key_text("stripe"), "whsec_" + key_text("stripe-old")
    body = b'{"id":"evt_1","object":"event","type":"charge.refunded","created":1772323100,"data":{"object":{"id":"ch_1","object":"charge"}}}'

    def header(t, *keys, content=body, scheme="v1"):
        parts = [f"{scheme}={mac(k.encode(), f'{t}.'.encode() + content).hexdigest()}" for k in keys]
        return {"Stripe-Signature": ",".join([f"t={t}", *parts])}

    def case(name, headers, valid, reason="ok", content=body, secret=secret, **more):
        def oracle():
            stripe.Webhook.construct_event(content, headers.get("Stripe-Signature", ""), secret)

        add(f"stripe-{name}", "stripe", secret, headers, content, oracle, valid, reason, **more)

    case("exactly-300s", header(NOW - 300, secret), True)
    case(
        "future-301s",
        header(NOW + 301, secret),
        False,
        "timestamp_in_future",
        stricter="the package accepts any future time",
    )
    case("wrong-secret", header(NOW, other), False, "signature_mismatch")
    case("v0-only", header(NOW, secret, scheme="v0"), False, "missing_signature")
    case("no-header", {}, False, "missing_signature")
    case("no-time", {"Stripe-Signature": "v1=" + "0" * 64}, False, "malformed_timestamp")
    case("text-time", {"Stripe-Signature": "t=soon,v1=" + "0" * 64}, False, "malformed_timestamp")
    case("not-ascii", {"Stripe-Signature": f"t={NOW},v1=é"}, False, "signature_mismatch")
    case(
        "many",
        header(NOW, *[other] * 60, secret),
        False,
        "too_many_signatures",
        stricter="60 signatures serve no sender",
    )
    bad = b'{"id":"evt_2","note":"\xff"}'
    case(
        "not-utf8",
        header(NOW, secret, content=bad),
        True,
        content=bad,
        status="4xx",
        stricter="the package cannot read it; the signature is right",
    )
    case(
        "empty",
        header(NOW, secret, content=b""),
        True,
        content=b"",
        status="4xx",
        stricter="nothing to read; the signature is right",
    )


def standard_vectors():
    import standardwebhooks.webhooks
    import svix.webhooks

    standardwebhooks.webhooks.datetime = svix.webhooks.datetime = Frozen

    raw = hashlib.sha256(b"bezant vectors std").digest()
    secret = "whsec_" + base64.b64encode(raw).decode()
    body = b'{"type":"payment.captured","timestamp":"2026-01-01T00:00:00Z","data":{"id":"pay_1"}}'

    def headers(event_id="msg_1", t=NOW, content=body, entry=None, prefix="webhook"):
        made = base64.b64encode(mac(raw, f"{event_id}.{t}.".encode() + content).digest()).decode()
        signature = (entry or "v1,{}").format(made)
        return {f"{prefix}-id": event_id, f"{prefix}-timestamp": str(t), f"{prefix}-signature": signature}

    def case(name, given, valid, reason="ok", content=body, provider="standardwebhooks", **more):
        library = standardwebhooks.Webhook if provider == "standardwebhooks" else svix.Webhook

        def oracle():
            library(secret).verify(content.decode(), given)

        add(f"{provider}-{name}", provider, secret, given, content, oracle, valid, reason, **more)

    case("exactly-300s", headers(t=NOW - 300), True)
    case("old-301s", headers(t=NOW - 301), False, "timestamp_too_old")
    case("future-301s", headers(t=NOW + 301), False, "timestamp_in_future")
    case(
        "entry-without-comma",
        headers(entry="junk v1,{}"),
        True,
        stricter="the package stumbles over the entry it cannot read",
    )
    case("leading-space", headers(entry=" v1,{}"), True, stricter="the package stumbles over the empty entry")
    case("unknown-version", headers(entry="v9,{}"), False, "malformed_signature")
    case("no-id", {k: v for k, v in headers().items() if "id" not in k}, False, "malformed_id")
    case(
        "id-with-stop",
        headers(event_id="msg.1"),
        False,
        "malformed_id",
        stricter="a full stop parts the signed fields",
    )
    case("valid", headers(prefix="svix"), True, provider="svix")
    case("webhook-names", headers(), True, provider="svix")
    case(
        "tampered", headers(prefix="svix"), False, "signature_mismatch", content=body + b" ", provider="svix"
    )
    key = ed25519.Ed25519PrivateKey.from_private_bytes(raw)
    public = "whpk_" + base64.b64encode(key.public_key().public_bytes_raw()).decode()
    signed = "v1a," + base64.b64encode(key.sign(f"msg_1.{NOW}.".encode() + body)).decode()
    asymmetric = headers() | {"webhook-signature": signed}
    by_hand = "the package knows no v1a; made with cryptography's Ed25519 after the specification"
    add(
        "standardwebhooks-v1a",
        "standardwebhooks",
        public,
        asymmetric,
        body,
        lambda: False,
        True,
        stricter=by_hand,
    )
    add(
        "standardwebhooks-v1a-tampered",
        "standardwebhooks",
        public,
        asymmetric,
        body + b" ",
        lambda: False,
        False,
        "signature_mismatch",
    )


def adyen_vectors():
    from Adyen.util import generate_notification_sig, is_valid_hmac_notification, is_valid_hmac_payload

    secret = key_text("adyen").upper()

    def item(sign=True, **changes):
        fields = {
            "amount": {"currency": "EUR", "value": 100},
            "eventCode": "CAPTURE",
            "eventDate": "2026-01-01T00:00:00+01:00",
            "merchantAccountCode": "Shop",
            "merchantReference": "order-1",
            "originalReference": "8830000000000001",
            "paymentMethod": "visa",
            "pspReference": "8830000000000002",
            "reason": "",
            "success": "true",
            **changes,
        }
        if sign:
            fields["additionalData"] = {"hmacSignature": generate_notification_sig(fields, secret).decode()}
        return fields

    def case(name, items, valid, reason="ok", **more):
        document = {"live": "false", "notificationItems": [{"NotificationRequestItem": i} for i in items]}
        body = json.dumps(document).encode()
        add(
            f"adyen-{name}",
            "adyen",
            secret,
            {},
            body,
            lambda: bool(is_valid_hmac_notification(document, secret)),
            valid,
            reason,
            **more,
        )

    forged = item() | {"pspReference": "8830000000000009"}
    moved = item(merchantAccountCode="Shop:A", merchantReference="1")
    case("two-items", [item(), item(pspReference="8830000000000003")], True)
    case(
        "second-item-forged",
        [item(), forged],
        False,
        "signature_mismatch",
        stricter="the package looks at the first item only",
    )
    case(
        "second-item-unsigned",
        [item(), item(sign=False)],
        False,
        "missing_signature",
        stricter="the package looks at the first item only",
    )
    case("unsigned", [item(sign=False)], False, "missing_signature")
    case("no-signature-field", [item(sign=False) | {"additionalData": {}}], False, "missing_signature")
    case("colon-in-reference", [item(merchantReference="a:b")], True)
    case(
        "colon-moved",
        [moved],
        False,
        "ambiguous_fields",
        stricter="fields are not escaped, so a colon may move between them",
    )
    add("adyen-not-json", "adyen", secret, {}, b"live=false", lambda: False, False, "malformed_body")
    body = b'{"type":"balancePlatform.transfer.updated","data":{"id":"TR1"}}'
    signature = base64.b64encode(mac(bytes.fromhex(secret), body).digest()).decode()
    for name, content, valid, reason in (
        ("header", body, True, "ok"),
        ("header-tampered", body + b" ", False, "signature_mismatch"),
    ):
        add(
            f"adyen-{name}",
            "adyen",
            secret,
            {"HmacSignature": signature},
            content,
            lambda content=content: is_valid_hmac_payload(signature, secret, content),
            valid,
            reason,
        )


def body_hmac_vectors():
    import gocardless_pro.webhooks
    import razorpay
    from square.utils.webhooks_helper import verify_signature

    secret = key_text("gocardless")
    body = (
        b'{"events":[{"id":"EV1","resource_type":"payments","action":"paid_out","links":{"payment":"PM1"}}]}'
    )
    right = mac(secret.encode(), body).hexdigest()
    for name, given, content, reason in (
        ("valid", right, body, "ok"),
        ("tampered", right, body + b" ", "signature_mismatch"),
        ("upper-case", right.upper(), body, "signature_mismatch"),
        ("cut", right[:32], body, "signature_mismatch"),
    ):
        add(
            f"gocardless-{name}",
            "gocardless",
            secret,
            {"Webhook-Signature": given},
            content,
            lambda given=given, content=content: bool(gocardless_pro.webhooks.parse(content, secret, given)),
            reason == "ok",
            reason,
        )

    secret = key_text("razorpay")
    body = b'{"entity":"event","event":"payment.captured","contains":["payment"],"payload":{"payment":{"entity":{"id":"pay_R1"}}},"created_at":1772323100}'
    right = mac(secret.encode(), body).hexdigest()
    client = razorpay.Client(auth=("id", "secret"))
    for name, given, content, reason in (
        ("valid", right, body, "ok"),
        ("tampered", right, body + b" ", "signature_mismatch"),
    ):
        add(
            f"razorpay-{name}",
            "razorpay",
            secret,
            {"X-Razorpay-Signature": given, "x-razorpay-event-id": "e1"},
            content,
            lambda given=given, content=content: client.utility.verify_webhook_signature(
                content.decode(), given, secret
            ),
            reason == "ok",
            reason,
        )

    secret, url = key_text("square"), "https://shop.example/hooks?x=1"
    body = b'{"merchant_id":"M1","type":"payment.updated","event_id":"ev-1","created_at":"2026-01-01T00:00:00Z","data":{"type":"payment","id":"PY1"}}'
    right = base64.b64encode(mac(secret.encode(), url.encode() + body).digest()).decode()
    for name, at_url, content, reason in (
        ("valid", url, body, "ok"),
        ("tampered", url, body + b" ", "signature_mismatch"),
        ("other-url", url + "2", body, "signature_mismatch"),
    ):
        add(
            f"square-{name}",
            "square",
            secret,
            {"x-square-hmacsha256-signature": right},
            content,
            lambda at_url=at_url, content=content: verify_signature(
                request_body=content.decode(),
                signature_header=right,
                signature_key=secret,
                notification_url=at_url,
            ),
            reason == "ok",
            reason,
            url=at_url,
        )

    secret = key_text("github")
    body = b'{"action":"opened"}'
    right = "sha256=" + mac(secret.encode(), body).hexdigest()
    by_hand = "made after GitHub's documentation; the vendor's package is not in Python"
    for name, given, reason in (
        ("valid", right, "ok"),
        ("no-prefix", right[7:], "signature_mismatch"),
        ("empty", "", "missing_signature"),
    ):
        add(
            f"github-{name}",
            "github",
            secret,
            {"X-GitHub-Event": "issues", "X-GitHub-Delivery": "d-1", "X-Hub-Signature-256": given},
            body,
            lambda: False,
            reason == "ok",
            reason,
            stricter=by_hand,
        )


def braintree_vectors():
    import braintree

    public, private = "integration_public", key_text("braintree")
    gateway = braintree.BraintreeGateway(
        braintree.Configuration(
            braintree.Environment.Sandbox, merchant_id="m1", public_key=public, private_key=private
        )
    )
    sample = gateway.webhook_testing.sample_notification(
        braintree.WebhookNotification.Kind.SubscriptionWentPastDue, "sub_1"
    )
    sample = {k: v.decode() if isinstance(v, bytes) else v for k, v in sample.items()}

    def case(name, signature, payload, reason="ok", secret=f"{public}:{private}", stricter=""):
        body = urllib.parse.urlencode({"bt_signature": signature, "bt_payload": payload}).encode()
        add(
            f"braintree-{name}",
            "braintree",
            secret,
            {},
            body,
            lambda: bool(gateway.webhook_notification.parse(signature, payload)),
            reason == "ok",
            reason,
            stricter=stricter,
        )

    signature, payload = sample["bt_signature"], sample["bt_payload"]
    case("valid", signature, payload)
    case("bare-private-key", signature, payload, secret=private)
    case("second-pair", "other_key|" + "0" * 40 + "&" + signature, payload)
    case(
        "tampered",
        signature,
        payload[:10] + ("A" if payload[10] != "A" else "B") + payload[11:],
        "signature_mismatch",
    )
    case("other-public-key", signature.replace(public, "someone"), payload, "signature_mismatch")
    case("illegal-characters", signature, payload + "!", "malformed_body")
    case("no-bar", "0" * 40, payload, "malformed_signature")


def paddle_vectors():
    from paddle_billing.Notifications import Secret, Verifier

    secret, other = "pdl_" + key_text("paddle"), "pdl_" + key_text("paddle-old")
    body = b'{"event_id":"evt_01","event_type":"transaction.paid","occurred_at":"2026-01-01T00:00:00Z","data":{"id":"txn_01"}}'

    class Request:
        def __init__(self, headers, content):
            self.headers, self.body = headers, content

    def case(name, t, keys, reason="ok", content=body, config=None, stricter=""):
        made = ";".join(f"h1={mac(k.encode(), f'{t}:'.encode() + body).hexdigest()}" for k in keys)
        headers = {"Paddle-Signature": f"ts={t};{made}"}
        verifier = Verifier((config or {}).get("tolerance_s", 5))
        add(
            f"paddle-{name}",
            "paddle",
            secret,
            headers,
            content,
            lambda: verifier.verify(Request(headers, content), Secret(secret)),
            reason == "ok",
            reason,
            config=config or {},
            stricter=stricter,
        )

    case("valid", NOW, [secret])
    case("rotation", NOW, [other, secret])
    case("tampered", NOW, [secret], "signature_mismatch", content=body + b" ")
    case("wrong-secret", NOW, [other], "signature_mismatch")
    case("old-6s-default", NOW - 6, [secret], stricter="five seconds are too few; our default is 300")
    case("old-6s-of-5", NOW - 6, [secret], "timestamp_too_old", config={"tolerance_s": 5})
    case("future-6s-of-5", NOW + 6, [secret], "timestamp_in_future", config={"tolerance_s": 5})
    case("no-signature", NOW, [], "missing_signature")


def paypal_vectors():
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "messageverificationcerts.paypal.com")])
    start = datetime.fromtimestamp(NOW, UTC) - timedelta(days=1)
    certificate = (
        (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=9000))
            .sign(key, hashes.SHA256())
        )
        .public_bytes(PEM)
        .decode()
    )
    body = b'{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","create_time":"2026-01-01T00:00:00Z","resource":{"id":"CAP1"}}'
    webhook_id, url = (
        "8PT597110X687430LKGECATA",
        "https://api.paypal.com/v1/notifications/certs/CERT-360caa42",
    )
    by_hand = "made after PayPal's documentation with a certificate of our own"

    def case(
        name,
        reason="ok",
        content=body,
        webhook=webhook_id,
        digest=hashes.SHA256(),
        config=None,
        secrets=None,
        **changes,
    ):
        message = f"tid-1|2026-01-01T00:00:00Z|{webhook}|{zlib.crc32(body)}".encode()
        headers = {
            "PAYPAL-TRANSMISSION-ID": "tid-1",
            "PAYPAL-TRANSMISSION-TIME": "2026-01-01T00:00:00Z",
            "PAYPAL-CERT-URL": url,
            "PAYPAL-AUTH-ALGO": "SHA256withRSA",
            "PAYPAL-TRANSMISSION-SIG": base64.b64encode(
                key.sign(message, padding.PKCS1v15(), digest)
            ).decode(),
            **changes,
        }
        add(
            f"paypal-{name}",
            "paypal",
            secrets or [webhook_id],
            headers,
            content,
            lambda: False,
            reason == "ok",
            reason,
            config=config or {"certificate_pem": certificate},
            stricter=by_hand,
        )

    case("valid")
    case("certificate-by-url", config={"certificates": {url: certificate}})
    case(
        "webhook-id-in-config",
        config={"certificate_pem": certificate, "webhook_id": webhook_id},
        secrets=["another"],
    )
    case("tampered", "signature_mismatch", content=body + b" ")
    case("other-webhook", "signature_mismatch", webhook="OTHER")
    case("sha1", "wrong_algorithm", digest=hashes.SHA1(), **{"PAYPAL-AUTH-ALGO": "SHA1withRSA"})
    for number, bad in enumerate(
        (
            "http://api.paypal.com/c",
            "https://api.paypal.com.evil.example/c",
            "https://evilpaypal.com/c",
            "https://paypal.com@evil.example/c",
            "https://api.paypal.com:8443/c",
            "https://evil.example/?paypal.com",
            "",
        )
    ):
        case(f"certificate-elsewhere-{number}", "untrusted_key_url", **{"PAYPAL-CERT-URL": bad})
    case("unknown-certificate", "unknown_key", config={"certificates": {}})


def truelayer_vectors():
    import truelayer_signing
    from truelayer_signing import HttpMethod

    key = ec.derive_private_key(int(key_text("truelayer"), 16), ec.SECP521R1())
    private = key.private_bytes(PEM, PKCS8, PLAIN).decode()
    public = key.public_key().public_bytes(PEM, SPKI).decode()
    numbers = key.public_key().public_numbers()

    def b64(value):
        return base64.urlsafe_b64encode(value.to_bytes(66)).rstrip(b"=").decode()

    jwks = {
        "keys": [
            {"kid": "k1", "kty": "EC", "crv": "P-521", "alg": "EC", "x": b64(numbers.x), "y": b64(numbers.y)}
        ]
    }
    body = b'{"type":"payment_executed","event_version":1,"event_id":"6a1e","payment_id":"p1"}'
    stamp = datetime.fromtimestamp(NOW, UTC).isoformat().replace("+00:00", "Z")
    old = datetime.fromtimestamp(NOW - 301, UTC).isoformat().replace("+00:00", "Z")
    jku = "https://webhooks.truelayer.com/.well-known/jwks"

    def case(
        name,
        reason="ok",
        content=body,
        path="/hook",
        signed_path="/hook",
        at=stamp,
        kid="k1",
        from_url=jku,
        secrets=None,
        config=None,
        stricter="",
        extra=None,
    ):
        signed = {"X-Tl-Webhook-Timestamp": at, "Idempotency-Key": "i-1"}
        signer = (
            truelayer_signing.sign_with_pem(kid, private)
            .set_method(HttpMethod.POST)
            .set_path(signed_path)
            .add_headers(signed)
            .set_body(body.decode())
        )
        signature = (signer.set_jku(from_url) if from_url else signer).sign()
        headers = signed | {"Tl-Signature": signature} | (extra or {})

        def oracle():
            truelayer_signing.verify_with_pem(public).set_method(HttpMethod.POST).set_path(path).add_headers(
                {k: v for k, v in headers.items() if k != "Tl-Signature"}
            ).set_body(content.decode()).verify(headers["Tl-Signature"])

        add(
            f"truelayer-{name}",
            "truelayer",
            secrets or [public],
            headers,
            content,
            oracle,
            reason == "ok",
            reason,
            url=f"https://shop.example{path}",
            config=config or {},
            stricter=stricter,
        )

    case("valid")
    case("jwks-secret", secrets=[json.dumps(jwks)])
    case("jwks-config", secrets=[json.dumps({"keys": []})], config={"jwks": jwks})
    case(
        "unknown-kid",
        "unknown_key",
        kid="k2",
        secrets=[json.dumps(jwks)],
        stricter="the key set has no such key",
    )
    case("trailing-slash", path="/hook/")
    case("tampered", "signature_mismatch", content=body.replace(b"p1", b"p2"))
    case("other-path", "signature_mismatch", path="/other")
    case("old-301s", "timestamp_too_old", at=old, stricter="the package does not look at the time")
    case(
        "jku-elsewhere",
        "untrusted_key_url",
        from_url="https://evil.example/jwks",
        stricter="the package does not look at jku",
    )
    case("header-changed", "signature_mismatch", extra={"Idempotency-Key": "i-2"})


def http_message_vectors():
    import types

    import http_message_signatures.signatures as checked
    from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver, algorithms

    checked.datetime = types.SimpleNamespace(datetime=Frozen, timedelta=timedelta, timezone=timezone)
    ed = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"bezant vectors ed").digest())
    p256 = ec.derive_private_key(int(key_text("p256"), 16) % 2**250, ec.SECP256R1())
    p384 = ec.derive_private_key(int(key_text("p384"), 16), ec.SECP384R1())
    rsa_key = rsa.generate_private_key(65537, 2048)
    shared = key_text("rfc9421")
    body = b'{"id":"evt_9","type":"payment.settled","data":{"id":"pay_9"}}'

    class Message:
        def __init__(self, method, url, headers):
            self.method, self.url, self.headers = method, url, headers

    def public(key):
        return key.public_key().public_bytes(PEM, SPKI).decode()

    def private(key):
        return key.private_bytes(PEM, PKCS8, PLAIN)

    every = ("@method", "@target-uri", "content-digest", "content-type")

    def case(
        name,
        algorithm,
        signing,
        verifying,
        reason="ok",
        content=body,
        covered=every,
        at=NOW,
        url="https://shop.example/hook?a=1",
        seen_url=None,
        secret=None,
        stricter="",
        expires=None,
        config=None,
        digest=True,
    ):
        given = (
            {"Content-Digest": "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"}
            if digest
            else {}
        )
        message = Message("POST", url, {"Content-Type": "application/json", **given})
        private_keys = MappingKeyResolver(private_keys={"k1": signing}, public_keys={"k1": verifying})
        HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=private_keys).sign(
            message,
            key_id="k1",
            created=datetime.fromtimestamp(at, UTC),
            covered_component_ids=covered,
            label="sig1",
            **({"body": body, "use_existing_digest": True} if digest else {}),
            expires=datetime.fromtimestamp(expires, UTC) if expires else None,
        )
        headers = dict(message.headers)

        def oracle():
            seen = Message("POST", seen_url or url, dict(headers))
            verifier = HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=private_keys)
            result = verifier.verify(seen, max_age=timedelta(seconds=300))
            verifier.verify_body(seen, result, body=content)

        text = secret or (verifying.decode() if isinstance(verifying, bytes) else verifying)
        add(
            f"rfc9421-{name}",
            "rfc9421",
            text,
            headers,
            content,
            oracle,
            reason == "ok",
            reason,
            url=seen_url or url,
            config=config or {},
            stricter=stricter,
        )

    ed_keys = (algorithms.ED25519, private(ed), public(ed).encode())
    case("ed25519", *ed_keys)
    case("p256", algorithms.ECDSA_P256_SHA256, private(p256), public(p256).encode())
    case("p384", algorithms.ECDSA_P384_SHA384, private(p384), public(p384).encode())
    case("rsa-pss", algorithms.RSA_PSS_SHA512, private(rsa_key), public(rsa_key).encode())
    case("rsa-v15", algorithms.RSA_V1_5_SHA256, private(rsa_key), public(rsa_key).encode())
    case("hmac", algorithms.HMAC_SHA256, shared.encode(), shared.encode())
    case(
        "body-changed",
        *ed_keys,
        reason="digest_mismatch",
        content=body + b" ",
        stricter="the body is checked in a step of its own",
    )
    case("url-changed", *ed_keys, reason="signature_mismatch", seen_url="https://shop.example/hook?a=2")
    case(
        "body-not-covered",
        *ed_keys,
        reason="missing_coverage",
        covered=("@method", "@target-uri"),
        digest=False,
        stricter="a signature that leaves out the body",
    )
    case(
        "target-not-covered",
        *ed_keys,
        reason="missing_coverage",
        covered=("@method", "content-digest"),
        stricter="a signature that leaves out the target",
    )
    case(
        "coverage-configured",
        *ed_keys,
        covered=("content-digest",),
        config={"required_components": ["content-digest"]},
        stricter="",
    )
    case(
        "derived-components",
        *ed_keys,
        covered=("@method", "@authority", "@scheme", "@path", "@query", "content-digest"),
    )
    case("old", *ed_keys, reason="timestamp_too_old", at=NOW - 310)
    case("future", *ed_keys, reason="timestamp_in_future", at=NOW + 301)
    case(
        "key-says-otherwise",
        algorithms.HMAC_SHA256,
        shared.encode(),
        shared.encode(),
        reason="wrong_algorithm",
        secret=public(ed),
        stricter="the key given is another one",
    )


for make in (
    stripe_vectors,
    standard_vectors,
    adyen_vectors,
    body_hmac_vectors,
    braintree_vectors,
    paddle_vectors,
    paypal_vectors,
    truelayer_vectors,
    http_message_vectors,
):
    make()
print(json.dumps({"now": NOW, "vectors": VECTORS}, indent=1))

# ruff: noqa: N999
"""gunicorn: the one server that hands a client's certificate to the application (RFC 8705).

Threads, because a request mostly waits for the database. Behind a gateway set HOST and PROXIES; to
terminate TLS here set TLS_CERTIFICATE, TLS_KEY and, for client certificates, TLS_CLIENT_CA.
"""

import os
import ssl

from config import env

bind = f"{env.text('HOST', '127.0.0.1')}:{env.number('PORT', 8000)}"
worker_class = "gthread"
workers = env.number("WEB_PROCESSES", 2)
threads = env.number("WEB_THREADS", 8)
wsgi_app = "config.wsgi:application"
preload_app = True

timeout = 60
graceful_timeout = 10
keepalive = 75
backlog = 512
max_requests = 20_000
max_requests_jitter = 2_000

limit_request_line = 8_190
limit_request_fields = 100
limit_request_field_size = 16_380
forwarded_allow_ips = env.text("PROXIES", "127.0.0.1,::1")

accesslog = None  # the application writes one structured line per request, without personal data
errorlog = "-"
loglevel = "warning"
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108  # heartbeat files only

certfile = env.text("TLS_CERTIFICATE") or None
keyfile = env.text("TLS_KEY") or None
ca_certs = env.text("TLS_CLIENT_CA") or None
cert_reqs = ssl.CERT_OPTIONAL if ca_certs else ssl.CERT_NONE

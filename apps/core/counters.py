"""What every process of the platform counts for Prometheus."""

from prometheus_client import Counter

RATE_LIMIT_FALLBACKS = Counter(
    "bezant_rate_limit_fallbacks_total", "Checks made without Redis although it is configured."
)
RATE_LIMITED = Counter("bezant_rate_limited_total", "Requests refused by a rate limit.", ["policy"])

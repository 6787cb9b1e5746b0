"""What a BackendConfig sets on a backend service. Pure.

A field that the BackendConfig does not have is left as it is on the Compute side, also when it had it once. Source:
ingress-gce pkg/backends/features. Simpler: signed URL keys are checked but not uploaded.
"""

from typing import Any

Json = dict[str, Any]

_CDN_DEFAULTS: Json = {
    "cacheMode": "CACHE_ALL_STATIC",
    "clientTtl": 3600,
    "defaultTtl": 3600,
    "maxTtl": 86400,
    "negativeCaching": True,
    "requestCoalescing": True,
    "serveWhileStale": 86400,
    "signedUrlCacheMaxAgeSec": 0,
}


def apply(backend: Json, config: Json) -> bool:
    """Set on `backend` what the BackendConfig's spec asks for; whether that changed anything.

    The security policy is not among it: Compute has a method of its own for it, see `security_policy`.
    """
    wanted = {
        **_cdn(config),
        **_iap(config),
        **_timeout(config),
        **_affinity(config),
        **_headers(config),
        **_logging(config, backend),
    }
    changed = any(not _holds(backend.get(field), value) for field, value in wanted.items())
    backend.update(wanted)
    return changed


def security_policy(config: Json) -> str | None:
    """Name of the Cloud Armor policy to set, empty to remove it, None to leave it alone."""
    policy = config.get("securityPolicy")
    return None if policy is None else str(policy.get("name") or "")


def _holds(present: Any, wanted: Any) -> bool:
    """Whether `present` has all of `wanted`; Compute leaves empty values out and adds some of its own."""
    if isinstance(wanted, dict):
        present = present or {}
        return all(_holds(present.get(key), value) for key, value in wanted.items())
    return bool(present == wanted or (not present and not wanted))


def _timeout(config: Json) -> Json:
    wanted: Json = {}
    if config.get("timeoutSec") is not None:
        wanted["timeoutSec"] = config["timeoutSec"]
    if config.get("connectionDraining") is not None:
        seconds = config["connectionDraining"].get("drainingTimeoutSec") or 0
        wanted["connectionDraining"] = {"drainingTimeoutSec": seconds}
    return wanted


def _affinity(config: Json) -> Json:
    affinity = config.get("sessionAffinity")
    if affinity is None:
        return {}
    wanted: Json = {}
    if affinity.get("affinityType"):
        wanted["sessionAffinity"] = affinity["affinityType"]
    if affinity.get("affinityCookieTtlSec") is not None:
        wanted["affinityCookieTtlSec"] = affinity["affinityCookieTtlSec"]
    return wanted


def _headers(config: Json) -> Json:
    return {
        field: list(config[field].get("headers") or [])
        for field in ("customRequestHeaders", "customResponseHeaders")
        if config.get(field) is not None
    }


def _logging(config: Json, backend: Json) -> Json:
    logging = config.get("logging")
    if logging is None:
        return {}
    enable = bool(logging.get("enable"))
    if not enable:
        return {"logConfig": {"enable": False}}
    rate = logging.get("sampleRate")
    if rate is None:
        rate = (backend.get("logConfig") or {}).get("sampleRate", 1.0)
    return {"logConfig": {"enable": True, "sampleRate": rate}}


def _iap(config: Json) -> Json:
    iap = config.get("iap")
    if iap is None:
        return {}
    if not iap.get("enabled"):
        return {"iap": {"enabled": False}}
    credentials = iap.get("oauthclientCredentials") or {}
    wanted: Json = {"enabled": True}
    if credentials.get("clientID"):
        wanted["oauth2ClientId"] = credentials["clientID"]
        wanted["oauth2ClientSecret"] = credentials.get("clientSecret") or ""
    return {"iap": wanted}


def _cdn(config: Json) -> Json:
    cdn = config.get("cdn")
    if cdn is None:
        return {}
    if not cdn.get("enabled"):
        return {"enableCDN": False}
    policy = {field: cdn[field] if cdn.get(field) is not None else value for field, value in _CDN_DEFAULTS.items()}
    if policy["cacheMode"] == "USE_ORIGIN_HEADERS":
        for field in ("clientTtl", "defaultTtl", "maxTtl"):
            del policy[field]
    if cdn.get("cachePolicy") is not None:
        policy["cacheKeyPolicy"] = dict(cdn["cachePolicy"])
    for field in ("negativeCachingPolicy", "bypassCacheOnRequestHeaders"):
        if cdn.get(field) is not None:
            policy[field] = cdn[field]
    return {"enableCDN": True, "cdnPolicy": policy}

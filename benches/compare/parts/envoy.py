"""Envoy's configuration, as ESPv2's config manager generates it for the same document: a route for
each operation (a regular expression where the path has variables, and the method), CORS by the cors
filter, tokens by jwt_authn with the keys at hand. What only Google's own filters do is left out."""

import re

TYPE = "type.googleapis.com/envoy.extensions."


def config(port, backend, operations, policy, keys, remembered):
    whole = policy != "plain"
    filters = []
    if whole:
        filters.append(named("envoy.filters.http.cors", "filters.http.cors.v3.Cors"))
        filters.append(named("envoy.filters.http.jwt_authn", "filters.http.jwt_authn.v3.JwtAuthentication",
                             jwt(keys, remembered)))
    filters.append(named("envoy.filters.http.router", "filters.http.router.v3.Router",
                         {"suppress_envoy_headers": True}))
    host = {"name": "backend", "domains": ["*"], "routes": routes(operations, whole)}
    if whole:
        host["typed_per_filter_config"] = {"envoy.filters.http.cors": cors()}
    manager = {
        "stat_prefix": "ingress_http", "codec_type": "AUTO", "use_remote_address": True,
        "normalize_path": True, "merge_slashes": True,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "route_config": {"name": "local", "virtual_hosts": [host]}, "http_filters": filters,
    }
    listener = {
        "name": "listener", "address": address(port),
        "filter_chains": [{"filters": [named(
            "envoy.filters.network.http_connection_manager",
            "filters.network.http_connection_manager.v3.HttpConnectionManager", manager)]}],
    }
    cluster = {
        "name": "backend", "type": "STATIC", "connect_timeout": "20s",
        "load_assignment": {"cluster_name": "backend", "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": address(backend)}}]}]},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def named(name, kind, content=None):
    return {"name": name, "typed_config": {"@type": TYPE + kind, **(content or {})}}


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def routes(operations, whole):
    action = {
        "cluster": "backend", "timeout": "15s",
        "retry_policy": {"retry_on": "reset,connect-failure,refused-stream", "num_retries": 1},
    }
    made = []
    if whole:
        made.append({"match": {"prefix": "/", "headers": [
            method("OPTIONS"), {"name": "origin", "present_match": True},
            {"name": "access-control-request-method", "present_match": True}]}, "route": action})
    for verb, template, secured in operations:
        match = {"headers": [method(verb)]}
        if "{" in template:
            pattern = re.sub(r"\{[^}]*\}", r"[^/]+", template)
            match["safe_regex"] = {"regex": f"^{pattern}/?$"}
        else:
            match["path"] = template
        route = {"match": match, "route": action}
        if secured == "secured":
            route["typed_per_filter_config"] = {"envoy.filters.http.jwt_authn": {
                "@type": TYPE + "filters.http.jwt_authn.v3.PerRouteConfig", "requirement_name": "issuer"}}
        made.append(route)
    return made


def method(verb):
    return {"name": ":method", "string_match": {"exact": verb}}


def cors():
    return {
        "@type": TYPE + "filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": "https://app.example.com"}, {"exact": "https://admin.example.com"}],
        "allow_methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
        "allow_headers": "DNT,User-Agent,X-User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,"
                         "Content-Type,Range,Authorization,X-Api-Key",
        "expose_headers": "Content-Length,Content-Range", "max_age": "1728000",
    }


def jwt(keys, remembered):
    provider = {
        "issuer": "https://issuer.example.com", "audiences": ["https://api.example.com"],
        "local_jwks": {"inline_string": keys}, "forward": True,
        "forward_payload_header": "X-Endpoint-API-UserInfo", "payload_in_metadata": "jwt_payloads",
    }
    if remembered:
        provider["jwt_cache_config"] = {"jwt_cache_size": remembered}
    return {"providers": {"issuer": provider},
            "requirement_map": {"issuer": {"provider_name": "issuer"}}}

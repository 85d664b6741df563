"""nginx's configuration for the same document: a location for each path, CORS by add_header. It has
no tokens (its module for them is not free)."""

import re


def config(port, port2, backend, operations, policy, workers, folder):
    paths = dict.fromkeys(template for _, template, _ in operations)
    locations = "\n".join(location(path, policy != "plain") for path in paths)
    return f"""
worker_processes {workers};
pid {folder}/nginx-{port}.pid;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests 1000000000;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  map $http_origin $allowed {{
    default '';
    https://app.example.com $http_origin;
    https://admin.example.com $http_origin;
  }}
  map "$request_method:$allowed" $preflight {{ default 0; "~^OPTIONS:." 1; }}
  upstream backend {{
    server 127.0.0.1:{backend};
    keepalive 100;
    keepalive_requests 1000000000;
  }}
  proxy_http_version 1.1;
  proxy_set_header Host $http_host;
  proxy_set_header Connection $connection_upgrade;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Host $http_host;
  server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{port2} http2;
{locations}
    location / {{ return 404; }}
  }}
}}
"""


def location(path, cors):
    matcher = f"= {path}"
    if "{" in path:
        matcher = "~ ^" + re.sub(r"\{[^}]*\}", "[^/]+", path) + "/?$"
    headers = ""
    if cors:
        headers = """
      if ($preflight) {
        add_header Access-Control-Allow-Origin $allowed;
        add_header Access-Control-Allow-Methods "GET, POST, PUT, PATCH, DELETE, OPTIONS";
        add_header Access-Control-Allow-Headers "DNT,User-Agent,X-User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization,X-Api-Key";
        add_header Access-Control-Max-Age 1728000;
        add_header Vary Origin;
        return 200;
      }
      add_header Access-Control-Allow-Origin $allowed;
      add_header Access-Control-Expose-Headers "Content-Length,Content-Range";
      add_header Vary Origin;"""
    return f"""    location {matcher} {{{headers}
      proxy_pass http://backend;
    }}"""

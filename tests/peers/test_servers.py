"""Verifiers that are servers: Node, Apache and nginx, set up as their pages say."""

import contextlib
import os
import shutil
import tempfile
from base64 import b64encode
from pathlib import Path

import httpx
import pytest

from tests.guides import block
from tests.needs import NODE_MODULES
from tests.servers import Child, free_port

APACHE = """
ServerRoot {root}
ServerName notes.example.com
PidFile {root}/pid
ErrorLog {root}/error.log
Mutex file:{root}
Listen 127.0.0.1:{port}
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
DocumentRoot {root}/pages
{page}
"""
NGINX = """
load_module {module};
daemon off;
master_process off;
pid {root}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
    server {{ listen 127.0.0.1:{behind}; location / {{ return 200 $http_x_token_subject; }} }}
    {page}
}}
"""


@pytest.fixture
def start(tmp_path):
    """Run a server until the test ends; a function that says how it answers a token."""
    with contextlib.ExitStack() as ends:

        def run(port, command, **popen):
            url = f"http://127.0.0.1:{port}/"
            child = Child(command, log=tmp_path / "server.log", **popen)
            ends.callback(child.stop)
            child.until_ready(lambda: _answers(url))

            def answer(token=None):
                headers = {} if token is None else {"Authorization": f"Bearer {token}"}
                return httpx.get(url, headers=headers, timeout=20)

            return answer

        yield run


def _answers(url):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, timeout=5).status_code == 401
    return False


@pytest.mark.needs("node")
def test_node_tells_tokens_apart(issuer, tells_apart, start, tmp_path):
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    page = block("verifying/node.md", "js", {"https://id.example.com": issuer.url})
    (tmp_path / "server.mjs").write_text(page)
    port = free_port()
    env = {"PATH": os.defpath, "PORT": str(port)}
    answer = start(port, [shutil.which("node"), "server.mjs"], cwd=tmp_path, env=env)
    tells_apart(lambda token: answer(token).status_code)
    assert answer().headers["WWW-Authenticate"] == "Bearer"
    assert answer("a.b.c").headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.needs("apache")
def test_apache_tells_tokens_apart(issuer, tells_apart, start):
    modules = "/usr/lib/apache2/modules"
    # Apache leaves root behind, and pytest's folders are for their owner only.
    with tempfile.TemporaryDirectory(prefix="perennial-apache-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        (root / "pages").mkdir()
        (root / "pages" / "index.html").write_text("notes")
        changes = {
            "https://id.example.com": issuer.url,
            "modules/mod_oauth2": f"{modules}/mod_oauth2",
        }
        page = block("verifying/apache.md", "apache", changes)
        user = "User www-data\nGroup www-data" if os.getuid() == 0 else ""
        port = free_port()
        text = APACHE.format(root=root, port=port, user=user, modules=modules, page=page)
        (root / "httpd.conf").write_text(text)
        program = shutil.which("apache2")
        answer = start(port, [program, "-D", "FOREGROUND", "-f", str(root / "httpd.conf")])
        tells_apart(lambda token: answer(token).status_code)
        assert answer(issuer.rotate()).status_code == 200, "a key it has never seen"


@pytest.mark.needs("nginx")
def test_nginx_tells_tokens_apart_and_knows_who_signed_out(issuer, tells_apart, start, tmp_path):
    port, behind = free_port(), free_port()
    credentials = b64encode(":".join(issuer.api.basic).encode()).decode()
    script = block("verifying/nginx.md", "js", {"https://id.example.com": issuer.url})
    (tmp_path / "introspect.js").write_text(script)
    changes = {
        "/etc/nginx": str(tmp_path),
        "CREDENTIALS": credentials,
        "127.0.0.1:8080": f"127.0.0.1:{port}",
        "127.0.0.1:8081": f"127.0.0.1:{behind}",
    }
    page = block("verifying/nginx.md", "nginx", changes)
    module = "/usr/lib/nginx/modules/ngx_http_js_module.so"
    text = NGINX.format(root=tmp_path, behind=behind, module=module, page=page)
    (tmp_path / "nginx.conf").write_text(text)
    program = shutil.which("nginx")
    answer = start(port, [program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
    tells_apart(lambda token: answer(token).status_code)
    assert answer().headers["WWW-Authenticate"] == "Bearer"
    signed_in = issuer.sign_in()
    assert answer(signed_in["access_token"]).text, "the application behind learns who it is"
    issuer.revoke(signed_in["refresh_token"])
    refused = answer(signed_in["access_token"])
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (
        401, 'Bearer error="invalid_token"',
    )  # fmt: skip

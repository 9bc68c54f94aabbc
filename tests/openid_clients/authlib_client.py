"""The walk of the PyPI package Authlib, as a Flask application uses it: discovery, code with PKCE and nonce, ID token,
UserInfo, refresh, logout. The package itself checks `state`, both times, and the ID token.

    python authlib_client.py ISSUER REDIRECT_URI POST_LOGOUT_REDIRECT_URI [CLIENT_ID CLIENT_SECRET]

Without an identifier the client registers itself first, which the package leaves to its users.
"""

import pathlib
import subprocess
import sys
from urllib.parse import urlsplit

import requests
from authlib.integrations.flask_client import OAuth
from flask import Flask, jsonify, request

PERSON = pathlib.Path(__file__).with_name("person.mjs")
COOKIES = pathlib.Path(__file__).with_name("cookies.json")
issuer, redirect_uri, post_logout_redirect_uri, *known = sys.argv[1:]


def register():
    metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
    wishes = {
        "client_name": "Authlib",
        "redirect_uris": [redirect_uri],
        "post_logout_redirect_uris": [post_logout_redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
    }
    answer = requests.post(metadata["registration_endpoint"], json=wishes, timeout=10)
    assert answer.status_code == 201, answer.text
    return answer.json()["client_id"], answer.json()["client_secret"]


client_id, client_secret = known or register()
app = Flask(__name__)
app.secret_key = "the session of one test"
server = OAuth(app).register(
    "grantor",
    client_id=client_id,
    client_secret=client_secret,
    server_metadata_url=f"{issuer}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)


@app.get("/login")
def login():
    return server.authorize_redirect(redirect_uri, **request.args)


@app.get("/callback")
def callback():
    token = server.authorize_access_token()
    refreshed = server.fetch_access_token(grant_type="refresh_token", refresh_token=token["refresh_token"])
    return jsonify(
        id_token=token["id_token"],
        claims=token["userinfo"],
        user=server.userinfo(token=token),
        refreshed=server.parse_id_token(refreshed, nonce=None),
        user_again=server.userinfo(token=refreshed),
    )


@app.get("/logout")
def logout():
    return server.logout_redirect(post_logout_redirect_uri, request.args["id_token"])


@app.get("/signed-out")
def signed_out():
    return jsonify(server.validate_logout_response())


def visit(url):
    return subprocess.run(["node", PERSON, url, COOKIES], check=True, capture_output=True, text=True).stdout.strip()


browser = app.test_client()
back = visit(browser.get("/login").location)
assert back.startswith(redirect_uri + "?"), back
answer = browser.get("/callback?" + urlsplit(back).query)
assert answer.status_code == 200, answer.text

seen = answer.json
assert seen["claims"]["sub"] == seen["refreshed"]["sub"] == seen["user"]["sub"] == "alice", seen
assert seen["claims"]["iss"] == issuer and seen["claims"]["nonce"], seen
assert seen["claims"]["auth_time"] == seen["refreshed"]["auth_time"], seen
assert seen["user"]["name"] == "Alice Pleasance Liddell", seen
assert seen["user"]["email"] == "alice@example.test", seen
assert seen["user_again"] == seen["user"], seen

back = visit(browser.get("/logout", query_string={"id_token": seen["id_token"]}).location)
assert back.startswith(post_logout_redirect_uri + "?state="), back
answer = browser.get("/signed-out?" + urlsplit(back).query)
assert answer.status_code == 200, answer.text
assert answer.json["post_logout_redirect_uri"] == post_logout_redirect_uri, answer.json
back = visit(browser.get("/login", query_string={"prompt": "none"}).location)
assert "error=login_required" in back, back
print(f"Authlib: the walk {'' if known else 'of a client that registers itself '}works")

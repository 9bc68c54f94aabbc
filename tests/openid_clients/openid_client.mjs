// The walk of a certified client, the npm package openid-client: discovery, code with PKCE and nonce, ID token, UserInfo,
// refresh, logout. The package itself checks `state`, `iss`, the ID tokens and `sub`; the package jose checks the logout token
// that comes meanwhile.
//
//   node openid_client.mjs ISSUER CLIENT_ID CLIENT_SECRET REDIRECT_URI POST_LOGOUT_REDIRECT_URI

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

import { createRemoteJWKSet, jwtVerify } from "jose";
import * as openid from "openid-client";

import { visit } from "./person.mjs";

const [issuer, id, secret, redirect_uri, post_logout_redirect_uri] = process.argv.slice(2);
const cookies = new Map();

const config = await openid.discovery(new URL(issuer), id, undefined, openid.ClientSecretBasic(secret), {
  execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks],
});

const pkceCodeVerifier = openid.randomPKCECodeVerifier();
const expectedState = openid.randomState();
const expectedNonce = openid.randomNonce();
const url = openid.buildAuthorizationUrl(config, {
  redirect_uri,
  scope: "openid profile email",
  state: expectedState,
  nonce: expectedNonce,
  max_age: "600",
  code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: "S256",
});
const checks = { pkceCodeVerifier, expectedState, expectedNonce, maxAge: 600, idTokenExpected: true };
const tokens = await openid.authorizationCodeGrant(config, await visit(url, cookies), checks);
const claims = tokens.claims();
assert.equal(claims.sub, "alice");

const user = await openid.fetchUserInfo(config, tokens.access_token, claims.sub);
assert.equal(user.name, "Alice Pleasance Liddell");
assert.equal(user.email, "alice@example.test");

const fresh = await openid.refreshTokenGrant(config, tokens.refresh_token);
assert.equal(fresh.claims().sub, claims.sub);
assert.equal(fresh.claims().auth_time, claims.auth_time);
assert.notEqual(fresh.access_token, tokens.access_token);
await openid.fetchUserInfo(config, fresh.access_token, claims.sub);

// Whoever listens on this machine is not trusted with a consent that was given before.
const SIGNED_IN = { error: "consent_required" };
const SIGNED_OUT = { error: "login_required" };

/** Asks whether somebody is signed in, without a page. */
async function silently() {
  const parameters = { redirect_uri, scope: "openid profile email", prompt: "none" };
  const code_challenge = await openid.calculatePKCECodeChallenge(pkceCodeVerifier);
  const url = openid.buildAuthorizationUrl(config, { ...parameters, code_challenge, code_challenge_method: "S256" });
  return openid.authorizationCodeGrant(config, await visit(url, cookies), { pkceCodeVerifier });
}

const posted = [];
const backchannel = createServer(async (request, response) => {
  const form = new URLSearchParams(await text(request));
  posted.push({ path: request.url, method: request.method, form });
  response.end();
});
backchannel.listen(new URL(redirect_uri).port, "127.0.0.1");
await once(backchannel, "listening");

await assert.rejects(silently, SIGNED_IN);
const parameters = { id_token_hint: tokens.id_token, post_logout_redirect_uri, state: "a b&c" };
const back = await visit(openid.buildEndSessionUrl(config, parameters), cookies);
assert.equal(back.origin + back.pathname, post_logout_redirect_uri);
assert.deepEqual([...back.searchParams], [["state", "a b&c"]]);

const [{ path, method, form }, ...more] = posted;
assert.deepEqual([method, path, [...form.keys()], more], ["POST", "/backchannel-logout", ["logout_token"], []]);
const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
const expected = { issuer, audience: id, typ: "logout+jwt", maxTokenAge: "2 minutes", requiredClaims: ["exp", "jti"] };
const { payload } = await jwtVerify(form.get("logout_token"), keys, expected);
assert.deepEqual(payload.events, { "http://schemas.openid.net/event/backchannel-logout": {} });
assert.deepEqual([payload.sub, payload.sid, payload.nonce], ["alice", claims.sid, undefined]);

await assert.rejects(silently, SIGNED_OUT);
await assert.rejects(openid.refreshTokenGrant(config, fresh.refresh_token), { error: "invalid_grant" });

await visit(url, cookies);
await assert.rejects(silently, SIGNED_IN);
const asked = await visit(openid.buildEndSessionUrl(config, { post_logout_redirect_uri }), cookies);
assert.equal(asked.href, post_logout_redirect_uri);
await assert.rejects(silently, SIGNED_OUT);
backchannel.close();

console.log("openid-client: the walk works");

// The walk of a certified client, the npm package openid-client: discovery, code with PKCE and nonce, ID token, UserInfo,
// refresh, logout. The package itself checks `state`, `iss`, the ID tokens and `sub`; the package jose checks the logout token
// that comes meanwhile.
//
//   node openid_client.mjs ISSUER REDIRECT_URI POST_LOGOUT_REDIRECT_URI [CLIENT_ID CLIENT_SECRET]
//
// Without an identifier the client registers itself first, and deregisters at the end.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

import { createRemoteJWKSet, jwtVerify } from "jose";
import * as openid from "openid-client";

import { visit } from "./person.mjs";

const [issuer, redirect_uri, post_logout_redirect_uri, id, secret] = process.argv.slice(2);
const backchannel_logout_uri = new URL("/backchannel-logout", redirect_uri).href;
const cookies = new Map();

const options = { execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks] };
const metadata = {
  client_name: "openid-client",
  redirect_uris: [redirect_uri],
  post_logout_redirect_uris: [post_logout_redirect_uri],
  backchannel_logout_uri,
  grant_types: ["authorization_code", "refresh_token"],
  token_endpoint_auth_method: "client_secret_basic",
};
const config = id
  ? await openid.discovery(new URL(issuer), id, undefined, openid.ClientSecretBasic(secret), options)
  : await openid.dynamicClientRegistration(new URL(issuer), metadata, openid.ClientSecretBasic(), options);

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

await silently();
const parameters = { id_token_hint: tokens.id_token, post_logout_redirect_uri, state: "a b&c" };
const back = await visit(openid.buildEndSessionUrl(config, parameters), cookies);
assert.equal(back.origin + back.pathname, post_logout_redirect_uri);
assert.deepEqual([...back.searchParams], [["state", "a b&c"]]);

const [{ path, method, form }, ...more] = posted;
assert.deepEqual([method, path, [...form.keys()], more], ["POST", "/backchannel-logout", ["logout_token"], []]);
const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
const audience = config.clientMetadata().client_id;
const expected = { issuer, audience, typ: "logout+jwt", maxTokenAge: "2 minutes", requiredClaims: ["exp", "jti"] };
const { payload } = await jwtVerify(form.get("logout_token"), keys, expected);
assert.deepEqual(payload.events, { "http://schemas.openid.net/event/backchannel-logout": {} });
assert.deepEqual([payload.sub, payload.sid, payload.nonce], ["alice", claims.sid, undefined]);

await assert.rejects(silently, SIGNED_OUT);
await assert.rejects(openid.refreshTokenGrant(config, fresh.refresh_token), { error: "invalid_grant" });

await visit(url, cookies);
await silently();
const asked = await visit(openid.buildEndSessionUrl(config, { post_logout_redirect_uri }), cookies);
assert.equal(asked.href, post_logout_redirect_uri);
await assert.rejects(silently, SIGNED_OUT);
backchannel.close();

if (!id) {
  const { registration_client_uri, registration_access_token } = config.clientMetadata();
  const headers = { authorization: `Bearer ${registration_access_token}` };
  const gone = await fetch(registration_client_uri, { method: "DELETE", headers });
  assert.equal(gone.status, 204);
  await assert.rejects(openid.refreshTokenGrant(config, fresh.refresh_token ?? tokens.refresh_token));
}

console.log(`openid-client: the walk ${id ? "" : "of a client that registers itself "}works`);

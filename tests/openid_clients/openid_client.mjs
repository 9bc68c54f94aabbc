// The walk of a certified client, the npm package openid-client: discovery, code with PKCE and nonce, ID token, UserInfo,
// refresh. The package itself checks `state`, `iss`, the ID tokens and `sub`.
//
//   node openid_client.mjs ISSUER CLIENT_ID CLIENT_SECRET REDIRECT_URI

import assert from "node:assert/strict";

import * as openid from "openid-client";

import { authorize } from "./person.mjs";

const [issuer, id, secret, redirect_uri] = process.argv.slice(2);

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
const tokens = await openid.authorizationCodeGrant(config, await authorize(url), checks);
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

console.log("openid-client: the walk works");

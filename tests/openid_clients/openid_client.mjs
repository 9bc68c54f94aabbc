// The walk of a certified client, the npm package openid-client: discovery, code with PKCE and nonce, ID token, UserInfo,
// refresh. The package itself checks `state`, `iss`, the ID tokens and `sub`.
//
//   node openid_client.mjs ISSUER REDIRECT_URI [CLIENT_ID CLIENT_SECRET]
//
// Without an identifier the client registers itself first, and deregisters at the end.

import assert from "node:assert/strict";

import * as openid from "openid-client";

import { authorize } from "./person.mjs";

const [issuer, redirect_uri, id, secret] = process.argv.slice(2);

const options = { execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks] };
const metadata = {
  client_name: "openid-client",
  redirect_uris: [redirect_uri],
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

if (!id) {
  const { registration_client_uri, registration_access_token } = config.clientMetadata();
  const headers = { authorization: `Bearer ${registration_access_token}` };
  const gone = await fetch(registration_client_uri, { method: "DELETE", headers });
  assert.equal(gone.status, 204);
  await assert.rejects(openid.refreshTokenGrant(config, fresh.refresh_token ?? tokens.refresh_token));
}

console.log(`openid-client: the walk ${id ? "" : "of a client that registers itself "}works`);

// A client that names its user: openid-client (npm) asks, the user allows it or not somewhere else, and meanwhile it polls
// (OpenID Connect CIBA Core). The package itself checks the ID token.
//
//   node ciba.mjs ISSUER

import assert from "node:assert/strict";

import * as openid from "openid-client";

const [issuer] = process.argv.slice(2);
const options = { execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks] };
const secret = openid.ClientSecretBasic("demo-bank-secret-not-for-production-0006");
const config = await openid.discovery(new URL(issuer), "demo-bank", undefined, secret, options);

const ask = (login_hint) =>
  openid.initiateBackchannelAuthentication(config, { scope: "openid profile", login_hint, binding_message: "W4SCT" });
const answer = async ({ auth_req_id }, type) => {
  const link = new URL(`/ciba-sim?${new URLSearchParams({ token: auth_req_id, type })}`, issuer);
  assert.equal((await fetch(link)).status, 200);
};

const allowed = await ask("alice@example.test");
const polling = openid.pollBackchannelAuthenticationGrant(config, allowed);
await answer(allowed, "allow");
const tokens = await polling;
const claims = tokens.claims();
assert.equal(claims.sub, "alice");
const user = await openid.fetchUserInfo(config, tokens.access_token, claims.sub);
assert.equal(user.name, "Alice Pleasance Liddell");
const fresh = await openid.refreshTokenGrant(config, tokens.refresh_token);
assert.equal(fresh.claims().sub, "alice");

const denied = await ask("alice@example.test");
await answer(denied, "deny");
await assert.rejects(openid.pollBackchannelAuthenticationGrant(config, denied), { error: "access_denied" });
await assert.rejects(ask("nobody"), { error: "unknown_user_id" });

console.log("openid-client: the walk of a client that names its user works");

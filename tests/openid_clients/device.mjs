// A device: openid-client (npm) asks for a code, a person lets it in on a page, and meanwhile it polls (RFC 8628). The
// package itself checks the ID token.
//
//   node device.mjs ISSUER

import assert from "node:assert/strict";

import * as openid from "openid-client";

import { visit } from "./person.mjs";

const [issuer] = process.argv.slice(2);
const options = { execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks] };
const config = await openid.discovery(new URL(issuer), "demo-tv", undefined, openid.None(), options);
const told = await openid.initiateDeviceAuthorization(config, { scope: "openid profile" });
assert.match(told.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
const polling = openid.pollDeviceAuthorizationGrant(config, told);
await visit(told.verification_uri_complete, new Map());
const tokens = await polling;
const claims = tokens.claims();
assert.equal(claims.sub, "alice");
const user = await openid.fetchUserInfo(config, tokens.access_token, claims.sub);
assert.equal(user.name, "Alice Pleasance Liddell");

console.log("openid-client: the walk of a device works");

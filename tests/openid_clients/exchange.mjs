// Tokens given for tokens, by the npm package openid-client: an API acts on behalf of its caller, in the words of RFC 8693 and
// in those of an assertion, and a client brings what another issuer says. The package jose signs for that issuer, whose keys
// are served here, and checks what comes back.
//
//   node exchange.mjs ISSUER REDIRECT_URI API OTHER_API

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";

import * as jose from "jose";
import * as openid from "openid-client";

import { visit } from "./person.mjs";

const [issuer, redirect_uri, api, otherApi] = process.argv.slice(2);
const IDP = "https://idp.example.test";
const IDP_PORT = 8092;
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const insecure = { execute: [openid.allowInsecureRequests] };

const client = (id, secret, authentication) =>
  openid.discovery(new URL(issuer), id, undefined, authentication(secret), insecure);
const web = await client("demo-web", "demo-web-secret-not-for-production-0001", openid.ClientSecretBasic);
const called = await client("demo-api", "demo-api-secret-not-for-production-0003", openid.ClientSecretBasic);
const service = await client("demo-service", "demo-service-secret-not-for-production-0002", openid.ClientSecretPost);
const { grant_types_supported, jwks_uri } = web.serverMetadata();
assert.ok([EXCHANGE, JWT_BEARER].every((grant) => grant_types_supported.includes(grant)));
const keys = jose.createRemoteJWKSet(new URL(jwks_uri));

/** What a token says that is meant for the other API. */
async function says(token) {
  const expected = { issuer, audience: otherApi, typ: "at+jwt" };
  return (await jose.jwtVerify(token, keys, expected)).payload;
}

const pkceCodeVerifier = openid.randomPKCECodeVerifier();
const url = openid.buildAuthorizationUrl(web, {
  redirect_uri,
  scope: "api:read api:write",
  resource: api,
  code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: "S256",
});
const given = await openid.authorizationCodeGrant(web, await visit(url, new Map()), { pkceCodeVerifier });

const subject = { subject_token: given.access_token, subject_token_type: ACCESS_TOKEN };
const exchanged = await openid.genericGrantRequest(called, EXCHANGE, { ...subject, resource: otherApi, scope: "api:read" });
assert.equal(exchanged.issued_token_type, ACCESS_TOKEN);
const claims = await says(exchanged.access_token);
assert.deepEqual([claims.sub, claims.client_id, claims.scope], ["alice", "demo-api", "api:read"]);
assert.deepEqual(claims.act, { sub: "demo-api" });
const seen = await openid.tokenIntrospection(called, exchanged.access_token);
assert.deepEqual([seen.active, seen.act], [true, claims.act]);

const onBehalfOf = { assertion: given.access_token, requested_token_use: "on_behalf_of", resource: otherApi };
const inOtherWords = await openid.genericGrantRequest(called, JWT_BEARER, onBehalfOf);
assert.deepEqual((await says(inOtherWords.access_token)).act, claims.act);

const invalid = (error) => ({ error });
await assert.rejects(openid.genericGrantRequest(service, EXCHANGE, subject), invalid("invalid_request"));
await assert.rejects(
  openid.genericGrantRequest(called, EXCHANGE, { ...subject, scope: "openid", resource: otherApi }),
  invalid("invalid_scope"),
);

await openid.tokenRevocation(web, given.refresh_token);
for (const token of [exchanged, inOtherWords]) {
  assert.deepEqual(await openid.tokenIntrospection(called, token.access_token), { active: false });
}

const { publicKey, privateKey } = await jose.generateKeyPair("ES256", { extractable: true });
const jwk = { ...(await jose.exportJWK(publicKey)), kid: "idp", use: "sig", alg: "ES256" };
const idp = createServer((_, response) => {
  response.setHeader("content-type", "application/jwk-set+json");
  response.end(JSON.stringify({ keys: [jwk] }));
});
idp.listen(IDP_PORT, "127.0.0.1");
await once(idp, "listening");

/** What the other issuer says of a user. */
const statement = (sub) =>
  new jose.SignJWT({})
    .setProtectedHeader({ alg: "ES256", kid: "idp" })
    .setIssuer(IDP)
    .setSubject(sub)
    .setAudience(issuer)
    .setJti(crypto.randomUUID())
    .setIssuedAt()
    .setExpirationTime("2 minutes")
    .sign(privateKey);

const assertion = await statement("alice");
const brought = await openid.genericGrantRequest(service, JWT_BEARER, { assertion, scope: "api:read", resource: otherApi });
const { sub, client_id, act } = await says(brought.access_token);
assert.deepEqual([sub, client_id, act, brought.refresh_token], ["alice", "demo-service", undefined, undefined]);
for (const refused of [assertion, await statement("nobody"), given.access_token]) {
  await assert.rejects(openid.genericGrantRequest(service, JWT_BEARER, { assertion: refused }), invalid("invalid_grant"));
}
idp.close();

console.log("openid-client: tokens are given for tokens");

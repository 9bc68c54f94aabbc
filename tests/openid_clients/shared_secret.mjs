// The walk of a client that has nothing but its secret: its requests carry an HMAC and are encrypted, and so is all that it is
// told, with keys derived from that secret (OpenID Connect Core §10.2). The package jose does all of the cryptography.
//
//   node shared_secret.mjs ISSUER

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";

import * as jose from "jose";

import { visit } from "./person.mjs";

const issuer = process.argv[2];
const redirect_uri = "https://rp.example.test/callback";
const server = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();

async function json(response) {
  assert.ok(response.ok, `${response.url} answers ${response.status}: ${await response.clone().text()}`);
  return response.json();
}

const client = await json(
  await fetch(server.registration_endpoint, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      redirect_uris: [redirect_uri],
      require_signed_request_object: true,
      request_object_signing_alg: "HS256",
      request_object_encryption_alg: "A128KW",
      id_token_encrypted_response_alg: "A256KW",
      id_token_encrypted_response_enc: "A256GCM",
      userinfo_encrypted_response_alg: "dir",
      userinfo_encrypted_response_enc: "A256CBC-HS512",
    }),
  }),
);
const { client_id, client_secret } = client;

/** The leftmost bytes of the shortest SHA-2 hash of the secret that has so many. */
function derived(bytes) {
  const hash = bytes <= 32 ? "sha256" : bytes <= 48 ? "sha384" : "sha512";
  return createHash(hash).update(client_secret).digest().subarray(0, bytes);
}

const verifier = randomBytes(32).toString("base64url");
const nonce = randomBytes(16).toString("base64url");
const object = await new jose.SignJWT({
  client_id,
  redirect_uri,
  response_type: "code",
  scope: "openid email",
  nonce,
  code_challenge: createHash("sha256").update(verifier).digest("base64url"),
  code_challenge_method: "S256",
})
  .setProtectedHeader({ alg: "HS256", typ: "oauth-authz-req+jwt" })
  .setIssuer(client_id)
  .setAudience(issuer)
  .setIssuedAt()
  .setExpirationTime("1 minute")
  .sign(new TextEncoder().encode(client_secret));
const request = await new jose.CompactEncrypt(new TextEncoder().encode(object))
  .setProtectedHeader({ alg: "A128KW", enc: "A128GCM", cty: "JWT" })
  .encrypt(derived(16));

const answer = await visit(
  `${server.authorization_endpoint}?${new URLSearchParams({ client_id, redirect_uri, request })}`,
  new Map(),
);
const tokens = await json(
  await fetch(server.token_endpoint, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString("base64")}` },
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code: answer.searchParams.get("code"),
      redirect_uri,
      code_verifier: verifier,
    }),
  }),
);

const only = (alg, enc) => ({ keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] });
const opened = await jose.compactDecrypt(tokens.id_token, derived(32), only("A256KW", "A256GCM"));
const { payload } = await jose.jwtVerify(
  new TextDecoder().decode(opened.plaintext),
  jose.createRemoteJWKSet(new URL(server.jwks_uri)),
  { issuer, audience: client_id },
);
assert.equal(payload.sub, "alice");
assert.equal(payload.nonce, nonce);

const told = await fetch(server.userinfo_endpoint, {
  headers: { authorization: `Bearer ${tokens.access_token}` },
});
assert.equal(told.headers.get("content-type"), "application/jwt");
const user = await jose.compactDecrypt(await told.text(), derived(64), only("dir", "A256CBC-HS512"));
assert.equal(JSON.parse(new TextDecoder().decode(user.plaintext)).email, "alice@example.test");

console.log("jose: the walk with nothing but a secret works");

// The walk of openid-client as a client that lets nobody read along: it registers itself as pairwise, sends its requests
// signed and encrypted, and is answered in tokens that it alone can decrypt. The packages openid-client and jose do all of
// the cryptography.
//
//   node closed_envelopes.mjs ISSUER

import assert from "node:assert/strict";

import * as jose from "jose";
import * as openid from "openid-client";

import { visit } from "./person.mjs";

const issuer = process.argv[2];
const redirect_uri = "https://rp.example.test/callback";
const insecure = { execute: [openid.allowInsecureRequests] };

const signing = await jose.generateKeyPair("ES256", { extractable: true });
const decrypting = await jose.generateKeyPair("ECDH-ES", { extractable: true });
const published = async (key, members) => ({ ...(await jose.exportJWK(key)), ...members });
const jwks = {
  keys: [
    await published(signing.publicKey, { kid: "sign", use: "sig", alg: "ES256" }),
    await published(decrypting.publicKey, { kid: "open", use: "enc", alg: "ECDH-ES" }),
  ],
};
const config = await openid.dynamicClientRegistration(
  new URL(issuer),
  {
    redirect_uris: [redirect_uri],
    jwks,
    subject_type: "pairwise",
    token_endpoint_auth_method: "private_key_jwt",
    require_signed_request_object: true,
    request_object_signing_alg: "ES256",
    id_token_signed_response_alg: "ES256",
    id_token_encrypted_response_alg: "ECDH-ES",
    userinfo_signed_response_alg: "ES256",
    userinfo_encrypted_response_alg: "ECDH-ES",
    userinfo_encrypted_response_enc: "A256GCM",
  },
  openid.PrivateKeyJwt({ key: signing.privateKey, kid: "sign" }),
  insecure,
);
openid.enableDecryptingResponses(config, ["A128CBC-HS256", "A256GCM"], {
  key: decrypting.privateKey,
  kid: "open",
  alg: "ECDH-ES",
});
openid.enableNonRepudiationChecks(config);

const pkceCodeVerifier = openid.randomPKCECodeVerifier();
const expectedState = openid.randomState();
const expectedNonce = openid.randomNonce();
const signed = await openid.buildAuthorizationUrlWithJAR(
  config,
  {
    redirect_uri,
    scope: "openid email",
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
  },
  { key: signing.privateKey, kid: "sign" },
);
assert.equal(signed.searchParams.get("state"), null);

/** The same request, in an envelope for the server. */
async function enclosed(url) {
  const { keys } = await (await fetch(config.serverMetadata().jwks_uri)).json();
  const key = keys.find((key) => key.alg === "ECDH-ES");
  const object = await new jose.CompactEncrypt(new TextEncoder().encode(url.searchParams.get("request")))
    .setProtectedHeader({ alg: key.alg, enc: "A256GCM", kid: key.kid, cty: "JWT" })
    .encrypt(await jose.importJWK(key));
  const closed = new URL(url);
  closed.searchParams.set("request", object);
  return closed;
}

const names = [];
for (const url of [signed, await enclosed(signed)]) {
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
  const tokens = await openid.authorizationCodeGrant(config, await visit(url, new Map()), checks);
  assert.equal(tokens.id_token.split(".").length, 5);
  const { sub } = tokens.claims();
  const user = await openid.fetchUserInfo(config, tokens.access_token, sub);
  assert.equal(user.email, "alice@example.test");
  names.push(sub);
}
assert.equal(names[0], names[1]);
assert.notEqual(names[0], "alice");

console.log("openid-client: the walk in closed envelopes works");

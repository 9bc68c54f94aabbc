//! Client metadata about encryption, and the key that something is encrypted to.
//!
//! What a client is told is encrypted to a public key of its own, or with a key that is derived from its secret (OpenID
//! Connect Core §10.2). Public keys are the better choice: a secret that encrypts is kept [sealed](ClientSecret::sealed)
//! and not as a digest, and whoever learns it can read all that was ever sent.
//!
//! ```text
//! secret ─► SHA-256, -384 or -512, whichever is just long enough ─► the leftmost bytes ─► A128KW, A256KW, dir
//! ```

use serde::{Deserialize, Serialize};

use super::metadata::MetadataError;
use crate::jose::{ContentEncryption, KeyAlgorithm, KeyManagement};
use crate::protocol::{OAuthError, Reason};
use crate::record::assertion::{ClientKeys, KeySource};
use crate::record::client::ClientSecret;
use crate::record::encryption::{Recipient, RecipientKey, ResponseEncryption};
use crate::record::{Client, Context, Facts, Halt};

/// The ways in which a client may come by the key of a content; none without a crypto backend.
pub const KEY_MANAGEMENT: &[KeyManagement] =
    if cfg!(feature = "aws-lc-rs") { &KeyManagement::ALL } else { &[] };

/// The ways in which a content may be encrypted; none without a crypto backend.
pub const CONTENT_ENCRYPTION: &[ContentEncryption] =
    if cfg!(feature = "aws-lc-rs") { &ContentEncryption::ALL } else { &[] };

/// The part of the metadata of a client that is about the encryption of what it is told, by its registered names (OpenID
/// Connect Dynamic Client Registration §2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncryptionMetadata {
    /// `id_token_encrypted_response_alg`; for logout tokens, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_alg: Option<KeyManagement>,
    /// `id_token_encrypted_response_enc`; `A128CBC-HS256` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_enc: Option<ContentEncryption>,
    /// `userinfo_encrypted_response_alg`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_alg: Option<KeyManagement>,
    /// `userinfo_encrypted_response_enc`; `A128CBC-HS256` unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_enc: Option<ContentEncryption>,
}

/// What a client registered about the encryption of what it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Encryptions {
    pub(super) id_token: Option<ResponseEncryption>,
    pub(super) userinfo: Option<ResponseEncryption>,
}

impl EncryptionMetadata {
    /// What these metadata register for a client with these keys.
    ///
    /// # Errors
    /// [`MetadataError::Contradiction`] when an `enc` stands without its `alg`, or there is no key for an `alg`.
    pub(super) fn register(&self, keys: &ClientKeys) -> Result<Encryptions, MetadataError> {
        let id_token = (self.id_token_encrypted_response_alg, self.id_token_encrypted_response_enc);
        let userinfo = (self.userinfo_encrypted_response_alg, self.userinfo_encrypted_response_enc);
        Ok(Encryptions { id_token: response(id_token, keys)?, userinfo: response(userinfo, keys)? })
    }

    /// The algorithms that are named.
    pub(super) fn algorithms(&self) -> impl Iterator<Item = KeyManagement> {
        [self.id_token_encrypted_response_alg, self.userinfo_encrypted_response_alg].into_iter().flatten()
    }
}

fn response(
    names: (Option<KeyManagement>, Option<ContentEncryption>),
    keys: &ClientKeys,
) -> Result<Option<ResponseEncryption>, MetadataError> {
    let contradiction = |rule| Err(MetadataError::Contradiction(rule));
    let (alg, enc) = match names {
        (None, None) => return Ok(None),
        (None, Some(_)) => {
            return contradiction("an encrypted_response_enc needs its encrypted_response_alg");
        }
        (Some(alg), enc) => (alg, enc.unwrap_or(ContentEncryption::A128CbcHs256)),
    };
    match &keys.source {
        _ if !KEY_MANAGEMENT.contains(&alg) => {
            contradiction("an encrypted_response_alg is not one that the server encrypts with")
        }
        // Whoever has a secret for it has it kept sealed: that is seen to for all algorithms together.
        _ if alg.is_shared() => Ok(Some(ResponseEncryption { alg, enc })),
        KeySource::None => contradiction("an encrypted_response_alg needs jwks or jwks_uri"),
        KeySource::Given(keys) if keys.set().for_encryption(alg).is_none() => {
            contradiction("no key of jwks is for the encrypted_response_alg")
        }
        _ => Ok(Some(ResponseEncryption { alg, enc })),
    }
}

/// To whom a token is encrypted that `client` wants encrypted in this way, if it wants that.
///
/// # Errors
/// [`Halt::Need`] while the keys of the client are unknown; [`Reason::EncryptionKeyMissing`] when none of them is for the
/// registered algorithm, or no secret of it is kept sealed and has not expired.
pub fn recipient(
    client: &Client,
    encryption: Option<ResponseEncryption>,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Option<Recipient>, Halt> {
    let Some(encryption) = encryption else { return Ok(None) };
    let missing = |why: &str| OAuthError::new(Reason::EncryptionKeyMissing).detail(why);
    if encryption.alg.is_shared() {
        let newest = newest_secret(client, cx).ok_or_else(|| missing("no secret is kept sealed"))?;
        let key = RecipientKey::OfSecret(newest.clone());
        return Ok(Some(Recipient { client: client.id.clone(), key, encryption }));
    }
    let keys = client
        .keys
        .source
        .for_use(KeyAlgorithm::Encryption(encryption.alg), None, facts)?
        .map_err(missing)?;
    let key =
        keys.set().for_encryption(encryption.alg).ok_or_else(|| missing("none is for the algorithm"))?;
    Ok(Some(Recipient { client: client.id.clone(), key: RecipientKey::Public(key.clone()), encryption }))
}

/// The secret with which a client is told something now.
pub(crate) fn newest_secret<'c>(client: &'c Client, cx: &Context<'_>) -> Option<&'c ClientSecret> {
    sealed_secrets(client, cx).pop()
}

/// The secrets of a client that are kept sealed and can be used now, the newest last: the one that lasts longest.
pub(crate) fn sealed_secrets<'c>(client: &'c Client, cx: &Context<'_>) -> Vec<&'c ClientSecret> {
    let usable =
        |secret: &&ClientSecret| !secret.is_expired(cx.now) && secret.sealed_digest(&client.id, cx).is_some();
    let mut secrets: Vec<_> = client.secrets.iter().filter(usable).collect();
    secrets.sort_by_key(|secret| secret.expires_at.map_or(u64::MAX, |at| at.0));
    secrets
}

#[cfg(feature = "aws-lc-rs")]
pub(crate) use shared::{decrypt, shared_key};

#[cfg(feature = "aws-lc-rs")]
mod shared {
    use sha2::{Digest as _, Sha256, Sha384, Sha512};
    use zeroize::Zeroizing;

    use super::sealed_secrets;
    use crate::jose::{ContentEncryption, DecryptingKey, Encrypted, JoseError, KeyManagement, Sealer};
    use crate::protocol::ClientId;
    use crate::record::client::ClientSecret;
    use crate::record::{Client, Context};

    /// The key that a client and the server share for these algorithms, out of a secret that is kept sealed.
    ///
    /// # Errors
    /// [`JoseError::SealBroken`] when it does not open; [`JoseError::AlgorithmMismatch`] for an algorithm of public keys.
    pub(crate) fn shared_key(
        secret: &ClientSecret,
        client: &ClientId,
        alg: KeyManagement,
        enc: ContentEncryption,
        sealer: &Sealer,
    ) -> Result<Zeroizing<Vec<u8>>, JoseError> {
        let len = alg.shared_key_len(enc).ok_or(JoseError::AlgorithmMismatch)?;
        let secret = secret.open(client, sealer).ok_or(JoseError::SealBroken)?;
        derive(&secret, len).ok_or(JoseError::KeyInvalid("k"))
    }

    /// The leftmost `len` bytes, 64 at most, of the shortest SHA-2 hash that has them (OpenID Connect Core §10.2).
    fn derive(secret: &[u8], len: usize) -> Option<Zeroizing<Vec<u8>>> {
        let mut key = Zeroizing::new(match len {
            ..=32 => Sha256::digest(secret).to_vec(),
            33..=48 => Sha384::digest(secret).to_vec(),
            49..=64 => Sha512::digest(secret).to_vec(),
            _ => return None,
        });
        key.truncate(len);
        Some(key)
    }

    /// What the client encrypted to the server with a key that they share, under whichever of its secrets.
    ///
    /// # Errors
    /// [`JoseError::Decryption`] when no key opens it, and nothing says why.
    pub(crate) fn decrypt(
        token: &Encrypted<'_>,
        client: &Client,
        cx: &Context<'_>,
    ) -> Result<String, JoseError> {
        let (alg, enc) = (token.header().alg(), token.header().enc());
        let open = |secret: &&ClientSecret| {
            let key = shared_key(secret, &client.id, alg, enc, &cx.settings.sealer).ok()?;
            let opened = token.decrypt(&DecryptingKey::from_secret(alg, &key).ok()?, &[enc]).ok()?;
            String::from_utf8(opened.plaintext().to_vec()).ok()
        };
        sealed_secrets(client, cx).iter().rev().find_map(open).ok_or(JoseError::Decryption)
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::protocol::base64;

        #[test]
        fn a_key_is_the_left_of_the_shortest_sha2_hash_that_is_long_enough() {
            // Made with another implementation of SHA-2.
            let secret = b"a secret of the client that is long enough";
            for (alg, enc, key) in [
                (KeyManagement::A128Kw, ContentEncryption::A128Gcm, "znigjZwhy0XNMofXpZpyNA"),
                (
                    KeyManagement::A256Kw,
                    ContentEncryption::A128Gcm,
                    "znigjZwhy0XNMofXpZpyNI_bwP49lf30jICMVwBX5s4",
                ),
                (KeyManagement::Direct, ContentEncryption::A128Gcm, "znigjZwhy0XNMofXpZpyNA"),
                (KeyManagement::Direct, ContentEncryption::A192Gcm, "znigjZwhy0XNMofXpZpyNI_bwP49lf30"),
                (
                    KeyManagement::Direct,
                    ContentEncryption::A256Gcm,
                    "znigjZwhy0XNMofXpZpyNI_bwP49lf30jICMVwBX5s4",
                ),
                (
                    KeyManagement::Direct,
                    ContentEncryption::A128CbcHs256,
                    "znigjZwhy0XNMofXpZpyNI_bwP49lf30jICMVwBX5s4",
                ),
                (
                    KeyManagement::Direct,
                    ContentEncryption::A192CbcHs384,
                    "26HW0rlHhwNmkgMinO9RLk2gfl6stc_SI_6HWXtRiHTsWlDgXg7P4XMn_xEGDHrz",
                ),
                (
                    KeyManagement::Direct,
                    ContentEncryption::A256CbcHs512,
                    "ZgIQPp-UlHRKzzrEXwczB5zjhsKYH5E2sOfV6c5ia0_1Efc88UelQQxOPJjmJlheYKd_kBHKYy1GpP8UFjIeNw",
                ),
            ] {
                let derived = derive(secret, alg.shared_key_len(enc).unwrap()).unwrap();
                assert_eq!(base64::to_url(&derived), key, "{alg} {enc}");
            }
            assert_eq!(KeyManagement::EcdhEs.shared_key_len(ContentEncryption::A128Gcm), None);
            assert_eq!(derive(secret, 65), None);
        }
    }
}

#[cfg(test)]
#[cfg(feature = "aws-lc-rs")]
mod tests {
    use super::*;
    use crate::client::ClientMetadata;

    const KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

    fn register(members: &str) -> Result<Client, MetadataError> {
        let json = format!(
            r#"[{{"client_id":"a","token_endpoint_auth_method":"none","redirect_uris":["https://a.example/cb"],{members}}}]"#
        );
        ClientMetadata::list_from_json(json.as_bytes())?.remove(0).register(Vec::new())
    }

    #[test]
    fn an_algorithm_alone_means_the_content_encryption_that_everyone_has() {
        let here = format!(r#""jwks":{{"keys":[{KEY}]}}"#);
        for keys in [here.as_str(), r#""jwks_uri":"https://a.example/jwks""#] {
            let client = register(&format!(
                r#"{keys},"id_token_encrypted_response_alg":"ECDH-ES","userinfo_encrypted_response_alg":"ECDH-ES+A256KW",
                "userinfo_encrypted_response_enc":"A256GCM""#
            ));
            let openid = client.unwrap().openid;
            let (alg, enc) = (KeyManagement::EcdhEs, ContentEncryption::A128CbcHs256);
            assert_eq!(openid.id_token_encryption, Some(ResponseEncryption { alg, enc }));
            let (alg, enc) = (KeyManagement::EcdhEsA256Kw, ContentEncryption::A256Gcm);
            assert_eq!(openid.userinfo_encryption, Some(ResponseEncryption { alg, enc }));
        }
        assert_eq!(register(&here).unwrap().openid.id_token_encryption, None);
    }

    #[test]
    fn what_cannot_be_encrypted_to_is_not_registered() {
        let with = |key: &str, more: &str| register(&format!(r#""jwks":{{"keys":[{key}]}},{more}"#));
        let signing = KEY.replace("\"x\"", "\"use\":\"sig\",\"x\"");
        let alg = |name: &str| format!(r#""id_token_encrypted_response_alg":"{name}""#);
        for refused in [
            with(KEY, r#""id_token_encrypted_response_enc":"A128GCM""#),
            with(KEY, r#""userinfo_encrypted_response_enc":"A128GCM""#),
            with(KEY, &alg("dir")),
            with(KEY, &alg("A128KW")),
            with(KEY, r#""userinfo_encrypted_response_alg":"A256KW""#),
            with(KEY, r#""request_object_encryption_alg":"A256KW""#),
            with(KEY, r#""request_object_signing_alg":"HS256""#),
            with(KEY, &alg("RSA-OAEP")),
            with(&signing, &alg("ECDH-ES")),
            register(&alg("ECDH-ES")),
        ] {
            assert!(matches!(refused, Err(MetadataError::Contradiction(_))), "{refused:?}");
        }
        for name in ["RSA1_5", "none", "ES256", "ecdh-es"] {
            assert!(matches!(with(KEY, &alg(name)), Err(MetadataError::Json(_))), "{name}");
        }
    }
}

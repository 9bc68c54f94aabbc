//! Client metadata about encryption, and the key that something is encrypted to.
//!
//! What a client is told is encrypted to a public key of its own, never under its secret: a secret that encrypts would
//! have to be kept readable, and whoever learned it could read all that was ever sent.

use serde::{Deserialize, Serialize};

use super::metadata::MetadataError;
use crate::jose::{ContentEncryption, KeyAlgorithm, KeyManagement};
use crate::protocol::{OAuthError, Reason};
use crate::record::assertion::{ClientKeys, KeySource};
use crate::record::encryption::{Recipient, ResponseEncryption};
use crate::record::{Client, Facts, Halt};

/// The ways in which a client may come by the key of a content; none without a crypto backend.
pub const KEY_MANAGEMENT: &[KeyManagement] = if cfg!(feature = "aws-lc-rs") {
    &[
        KeyManagement::RsaOaep,
        KeyManagement::RsaOaep256,
        KeyManagement::RsaOaep384,
        KeyManagement::RsaOaep512,
        KeyManagement::EcdhEs,
        KeyManagement::EcdhEsA128Kw,
        KeyManagement::EcdhEsA256Kw,
    ]
} else {
    &[]
};

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
    /// [`MetadataError::Contradiction`] when an `enc` stands without its `alg`, an `alg` needs a shared secret, or there is
    /// no key for it.
    pub(super) fn register(&self, keys: &ClientKeys) -> Result<Encryptions, MetadataError> {
        let id_token = (self.id_token_encrypted_response_alg, self.id_token_encrypted_response_enc);
        let userinfo = (self.userinfo_encrypted_response_alg, self.userinfo_encrypted_response_enc);
        Ok(Encryptions { id_token: response(id_token, keys)?, userinfo: response(userinfo, keys)? })
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
    if !KEY_MANAGEMENT.contains(&alg) {
        return contradiction("an encrypted_response_alg must be one for public keys: RSA-OAEP or ECDH-ES");
    }
    match &keys.source {
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
/// registered algorithm.
pub fn recipient(
    client: &Client,
    encryption: Option<ResponseEncryption>,
    facts: &Facts,
) -> Result<Option<Recipient>, Halt> {
    let Some(encryption) = encryption else { return Ok(None) };
    let missing = |why: &str| OAuthError::new(Reason::EncryptionKeyMissing).detail(why);
    let keys = client
        .keys
        .source
        .for_use(KeyAlgorithm::Encryption(encryption.alg), None, facts)?
        .map_err(missing)?;
    let key =
        keys.set().for_encryption(encryption.alg).ok_or_else(|| missing("none is for the algorithm"))?;
    Ok(Some(Recipient { client: client.id.clone(), key: key.clone(), encryption }))
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

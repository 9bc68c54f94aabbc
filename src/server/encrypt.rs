//! Encrypting what a client is told to the client alone.

use super::AuthorizationServer;
use crate::protocol::{OAuthError, Reason};
use crate::record::encryption::Recipient;

impl AuthorizationServer {
    /// A signed token, within an encrypted one where there is a recipient for it (OpenID Connect Core §16.14): what is
    /// outside names the issuer and the client again, for a reader who must know them to find the key (RFC 7519 §5.3).
    pub(super) fn enclose(&self, token: String, recipient: Option<&Recipient>) -> Result<String, OAuthError> {
        match recipient {
            Some(recipient) => self.encrypt(token.as_bytes(), "JWT", recipient),
            None => Ok(token),
        }
    }
}

#[cfg(feature = "aws-lc-rs")]
impl AuthorizationServer {
    /// Encrypts content of a type. What is drawn for it serves nothing else.
    pub(super) fn encrypt(
        &self,
        content: &[u8],
        cty: &str,
        recipient: &Recipient,
    ) -> Result<String, OAuthError> {
        use crate::client::encryption::shared_key;
        use crate::jose::{EncryptingKey, EncryptionSeed, JoseError, encrypt_compact};
        use crate::record::encryption::{RecipientKey, ResponseEncryption};
        use zeroize::Zeroizing;

        let failed =
            |error: JoseError| OAuthError::new(Reason::EncryptionKeyMissing).detail(error.to_string());
        let mut random = Zeroizing::new([0; EncryptionSeed::LEN]);
        self.parts.entropy.fill(random.as_mut_slice()).map_err(|_| Reason::EntropyUnavailable)?;
        let ResponseEncryption { alg, enc } = recipient.encryption;
        let key = match &recipient.key {
            RecipientKey::Public(key) => EncryptingKey::new(key, alg),
            RecipientKey::OfSecret(secret) => {
                shared_key(secret, &recipient.client, alg, enc, &self.parts.settings.sealer)
                    .and_then(|key| EncryptingKey::from_secret(alg, &key))
            }
        };
        let key = key.map_err(failed)?;
        let mut header = key.header(enc).with_cty(cty);
        if cty == "JWT" {
            let issuer = self.parts.settings.issuer.as_str();
            header = header.with_iss(issuer).with_aud(recipient.client.as_str());
        }
        encrypt_compact(&key, &header, content, EncryptionSeed::new(&random)).map_err(failed)
    }
}

/// Without a crypto backend no client registers for encryption.
#[cfg(not(feature = "aws-lc-rs"))]
impl AuthorizationServer {
    pub(super) fn encrypt(&self, _: &[u8], _: &str, _: &Recipient) -> Result<String, OAuthError> {
        Err(Reason::EncryptionKeyMissing.into())
    }
}

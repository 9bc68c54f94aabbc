//! Logout tokens (OpenID Connect Back-Channel Logout §2.4).

use std::time::Duration;

use serde_json::{Value, json};

use crate::protocol::{ClientId, SubjectId, Timestamp};
use crate::record::OutboxId;

/// How long a logout token is valid; a later try makes a new one.
pub const LIFETIME: Duration = Duration::from_secs(120);

/// What a logout token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutTokenClaims {
    /// `iss`.
    pub issuer: String,
    /// `aud`: the client.
    pub audience: ClientId,
    /// `sub`.
    pub subject: SubjectId,
    /// `sid`.
    pub session: String,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `jti`: the same at every try to deliver the same message.
    pub id: OutboxId,
}

impl LogoutTokenClaims {
    /// The claims as a JWT payload. There is never a `nonce`, so that no client takes it for an ID token.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "iss": self.issuer,
            "sub": self.subject.as_str(),
            "aud": self.audience.as_str(),
            "iat": self.issued_at.0,
            "exp": self.issued_at.plus(LIFETIME).0,
            "jti": self.id.to_string(),
            "sid": self.session,
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        })
    }
}

//! What a token says of itself before anyone vouches for it.

use super::{Claims, JoseError, MAX_TOKEN_BYTES, base64url, jws};

/// Names that a token bears, unproven: enough to find out with whose key it must be verified, and nothing else may
/// follow from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// `iss`.
    pub issuer: Option<String>,
    /// `sub`.
    pub subject: Option<String>,
    /// `jti`.
    pub token_id: Option<String>,
}

impl Hints {
    /// Reads them from a token in compact form of at most [`MAX_TOKEN_BYTES`], whatever its algorithm.
    ///
    /// # Errors
    /// `TokenTooLong`, `NotCompact`, `Base64`, `HeaderTooLong`, `Json`, `NotAnObject`; `ClaimInvalid` if one of the
    /// names is not a string.
    pub fn of(token: &str) -> Result<Self, JoseError> {
        let (parts, _) = jws::open(token, MAX_TOKEN_BYTES)?;
        let claims = Claims::parse(&base64url::decode(parts.payload)?)?;
        let string = |name| Ok::<_, JoseError>(claims.string(name)?.map(str::to_owned));
        Ok(Self { issuer: string("iss")?, subject: string("sub")?, token_id: string("jti")? })
    }
}

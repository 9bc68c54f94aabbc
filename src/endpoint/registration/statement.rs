//! Software statements (RFC 7591 §2.3): metadata that someone else vouches for.

use serde_json::{Map, Value};

use crate::jose::Hints;
use crate::protocol::{OAuthError, Reason};
use crate::record::{Context, Facts, Halt};

/// The claims of a JWT that are about the statement and not about the client (RFC 7519 §4.1), and the statement itself.
const ABOUT_THE_STATEMENT: [&str; 8] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "software_statement"];

/// The claims of the software statement among `members`, verified with the keys of its issuer; `None` where there is none.
pub(super) fn claims(
    members: &Map<String, Value>,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Option<Map<String, Value>>, Halt> {
    let statement = match members.get("software_statement") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(statement)) => statement,
        Some(_) => return Err(Reason::StatementInvalid.into()),
    };
    let issuer = Hints::of(statement).map_err(invalid)?.issuer.ok_or(Reason::StatementInvalid)?;
    let keys = facts.statement_keys(&issuer)?.ok_or(Reason::StatementUnapproved)?;
    Ok(Some(verify::claims(statement, keys, cx)?))
}

/// What the statement says of the client.
pub(super) fn about_the_client(claims: &Map<String, Value>) -> Map<String, Value> {
    let mut members = claims.clone();
    members.retain(|name, _| !ABOUT_THE_STATEMENT.contains(&name.as_str()));
    members
}

fn invalid(error: impl std::fmt::Display) -> OAuthError {
    OAuthError::new(Reason::StatementInvalid).detail(error.to_string())
}

#[cfg(feature = "aws-lc-rs")]
mod verify {
    use serde_json::{Map, Value};

    use super::invalid;
    use crate::jose::{Algorithm, Leeway, Unverified, Verification};
    use crate::protocol::{OAuthError, Reason};
    use crate::record::Context;
    use crate::record::key_ring::PublishedKeys;

    /// Signed by its issuer, for this server if it names anyone, and now if it names a time.
    pub(super) fn claims(
        statement: &str,
        keys: &PublishedKeys,
        cx: &Context<'_>,
    ) -> Result<Map<String, Value>, OAuthError> {
        let accepted = Verification::new(&["JWT"], &Algorithm::ALL).or_untyped();
        let verified = Unverified::parse(statement)
            .and_then(|token| token.verify(keys.verifying(), &accepted))
            .map_err(invalid)?
            .into_inner();
        verified.check_times_present(cx.now.0, Leeway::OTHERS).map_err(invalid)?;
        let issuer = cx.settings.issuer.as_str();
        if verified.audience().map_err(invalid)?.is_some_and(|audience| !audience.contains(issuer)) {
            return Err(Reason::StatementInvalid.into());
        }
        Ok(verified.members().clone())
    }
}

/// Without a crypto backend no signature can be checked.
#[cfg(not(feature = "aws-lc-rs"))]
mod verify {
    use serde_json::{Map, Value};

    use crate::protocol::{OAuthError, Reason};
    use crate::record::Context;
    use crate::record::key_ring::PublishedKeys;

    pub(super) fn claims(
        _: &str,
        _: &PublishedKeys,
        _: &Context<'_>,
    ) -> Result<Map<String, Value>, OAuthError> {
        Err(Reason::StatementInvalid.into())
    }
}

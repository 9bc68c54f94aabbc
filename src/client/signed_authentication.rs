//! Signed authentication requests (CIBA Core §7.1.1): whether one is the client's, made for this server, and new.

use crate::protocol::{OAuthError, Reason, Timestamp};
use crate::record::facts::Claim;
use crate::record::{Facts, Halt, Key};

#[cfg(feature = "aws-lc-rs")]
pub use verify::verify;

/// What makes a request unlike any other of its client, and until when it could come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    marker: Key,
    until: Timestamp,
}

impl Once {
    /// Spends it. A replay guard remembers it, perhaps elsewhere, and so never in the commit of what was asked: it is spent
    /// last, when only that commit and the user's device can still fail.
    ///
    /// # Errors
    /// [`Halt::Need`] while it is not known whether it came before; `invalid_request` if it did.
    pub fn spend(self, facts: &Facts) -> Result<(), Halt> {
        match facts.claim(self.marker, self.until)? {
            Claim::Fresh => Ok(()),
            Claim::Seen => Err(fault("it came before").into()),
        }
    }
}

fn fault(why: &str) -> OAuthError {
    OAuthError::new(Reason::SignedRequestInvalid).detail(why)
}

#[cfg(feature = "aws-lc-rs")]
mod verify {
    use std::time::Duration;

    use super::{Once, fault};
    use crate::client::request_object::MAX_BYTES;
    use crate::jose::{Claims, JoseError, KeyAlgorithm, Leeway, Unverified, Verification};
    use crate::protocol::{Reason, Timestamp};
    use crate::record::{Client, Context, Facts, Halt};

    /// The types it may have: it has none of its own, and one without a type is accepted.
    const TYPES: &[&str] = &["JWT"];
    /// The longest that one is valid, and the oldest that one may be (FAPI-CIBA §5.2.2).
    const LONGEST: u64 = 60 * 60;

    /// The claims of a request that the client signed with its registered algorithm, for this server; whether it came before
    /// is asked by [`Once::spend`].
    ///
    /// # Errors
    /// [`Halt::Need`] while a fact is missing; `invalid_request` for any fault, or `invalid_client` where it names another
    /// client.
    pub fn verify(
        object: &str,
        client: &Client,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<(Claims, Once), Halt> {
        let registered = client.backchannel.signing_alg.ok_or_else(|| fault("none is registered"))?;
        let token = Unverified::parse_within(object, MAX_BYTES).map_err(|error| fault(&error.to_string()))?;
        let alg = token.header().alg();
        if alg != registered {
            return Err(fault(&JoseError::AlgorithmNotAccepted.to_string()).into());
        }
        let keys = client.keys.source.for_use(KeyAlgorithm::Signature(alg), token.header().kid(), facts)?;
        let keys = keys.map_err(fault)?.verifying();
        let verified = token.verify(keys, &Verification::new(TYPES, &[alg]).or_untyped());
        let claims = verified.map_err(|error| fault(&error.to_string()))?.into_inner();
        let until = judge(&claims, client, cx).map_err(|error| fault(&error.to_string()))?;
        if claims.get("client_id").is_some_and(|id| id != client.id.as_str()) {
            return Err(Reason::SignedRequestOtherClient.into());
        }
        let jti = claims.required_string("jti").map_err(|error| fault(&error.to_string()))?;
        let marker = cx.namespace().used_authentication_request(&client.id, jti);
        Ok((claims, Once { marker, until }))
    }

    /// Until when it could come again, if it says all that it must, and says it rightly.
    fn judge(claims: &Claims, client: &Client, cx: &Context<'_>) -> Result<Timestamp, JoseError> {
        if claims.required_string("iss")? != client.id.as_str() {
            return Err(JoseError::ClaimInvalid("iss"));
        }
        if !claims.required_audience()?.contains(cx.settings.issuer.as_str()) {
            return Err(JoseError::ClaimInvalid("aud"));
        }
        // An assertion of the client names the client as its subject.
        if claims.string("sub")?.is_some_and(|sub| sub == client.id.as_str()) {
            return Err(JoseError::ClaimInvalid("sub"));
        }
        claims.required_date("iat")?;
        let (exp, nbf) = (claims.required_date("exp")?, claims.required_date("nbf")?);
        claims.check_times(cx.now.0, Leeway::OTHERS)?;
        if exp.ceil() > nbf.floor().saturating_add(LONGEST) || nbf.floor().saturating_add(LONGEST) < cx.now.0
        {
            return Err(JoseError::ClaimInvalid("nbf"));
        }
        Ok(Timestamp(exp.ceil()).plus(Duration::from_secs(Leeway::OTHERS.behind)))
    }
}

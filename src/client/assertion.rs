//! Client assertions (RFC 7523 §2.2, §3, OpenID Connect Core §9): a JWT that a client makes to prove who it is.
//!
//! Decides whether an assertion is this client's, for this server, now, and for the first time. How it may be protected
//! follows from the client's registration, never from the token: a client registered for `private_key_jwt` has its
//! signature checked with its public keys, one registered for `client_secret_jwt` its HMAC with its secret.
//!
//! ```text
//! read: form, iss = sub ─► the client ─► alg, typ, key ─► signature ─► iss, sub, aud, exp, nbf, iat ─► jti, once
//!       (nothing believed)              (registered)                                                (claimed last)
//! ```

use crate::jose::Hints;
use crate::protocol::id::is_vschar;
use crate::protocol::{OAuthError, Params, Reason, Secret};
use crate::record::facts::Claim;
use crate::record::{Client, Context, Facts, Halt};

/// The one `client_assertion_type` (RFC 7523 §2.2). SAML assertions are not taken (RFC 10070 §3).
pub const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An assertion as it was presented: nothing of it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAssertion {
    /// The JWT. Until it is used, whoever has it is the client.
    token: Secret,
    /// Its `jti`, unproven.
    jti: String,
}

impl ClientAssertion {
    /// Reads `client_assertion` and `client_assertion_type`, and the client that the assertion names.
    ///
    /// # Errors
    /// `invalid_client` when the type is another, the assertion is no JWT with an `iss` equal to its `sub` and a `jti`,
    /// or `client_id` names another client (RFC 7521 §4.2).
    pub fn read(params: &Params<'_>) -> Result<(String, Self), OAuthError> {
        if params.get("client_assertion_type") != Some(CLIENT_ASSERTION_TYPE) {
            return Err(Reason::AssertionTypeUnknown.into());
        }
        let malformed = |rule: &str| OAuthError::new(Reason::AssertionMalformed).detail(rule);
        let token = params.get("client_assertion").ok_or_else(|| malformed("there is none"))?;
        let hints = Hints::of(token).map_err(|error| malformed(&error.to_string()))?;
        let jti = hints.token_id.filter(|jti| !jti.is_empty()).ok_or_else(|| malformed("it has no jti"))?;
        let client_id = hints.subject.filter(|id| is_vschar(id)).ok_or_else(|| malformed("it has no sub"))?;
        if hints.issuer.as_ref() != Some(&client_id) {
            return Err(malformed("iss is not sub"));
        }
        if params.get("client_id").is_some_and(|id| id != client_id) {
            return Err(Reason::AssertionOtherClient.into());
        }
        Ok((client_id, Self { token: Secret::new(token), jti }))
    }

    /// Whether it proves that `client` made it, for this server, and that it was never used before.
    ///
    /// Its `jti` is claimed when everything else has been found right and not before; so a claim that was made proves,
    /// when the decision is run again, that the rest need not be looked at again.
    ///
    /// # Errors
    /// [`Halt::Need`] while a fact is missing; inside, why it proves nothing.
    pub fn check(
        &self,
        client: &Client,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Result<(), OAuthError>, Halt> {
        let marker = cx.namespace().used_assertion(&client.id, &self.jti);
        let claim = match facts.claimed(marker) {
            Some(claim) => claim,
            None => match self.verify(client, facts, cx)? {
                Ok(valid_until) => facts.claim(marker, valid_until)?,
                Err(error) => return Ok(Err(error)),
            },
        };
        Ok(match claim {
            Claim::Fresh => Ok(()),
            Claim::Seen => Err(Reason::AssertionReplayed.into()),
        })
    }
}

#[cfg(feature = "aws-lc-rs")]
mod verify {
    use super::ClientAssertion;
    use crate::jose::{
        Claims, JoseError, KeyAlgorithm, MacAlgorithm, Unverified, UnverifiedMac, Verification,
        VerifyingKeySet,
    };
    use crate::protocol::{ClientAuthMethod, OAuthError, Reason, Timestamp};
    use crate::record::assertion::{AssertionAlgorithm, WindowFault, window};
    use crate::record::{Client, Context, Facts, Halt};

    /// The types an assertion may have: its own, and the one that every JWT may have. One without a type is older than
    /// types and is accepted (RFC 10070 §4); every other type is that of a token made for something else.
    const TYPES: &[&str] = &["client-authentication+jwt", "JWT"];

    impl ClientAssertion {
        /// Until when the assertion could be presented again, if all of it but its being new is right.
        pub(super) fn verify(
            &self,
            client: &Client,
            facts: &Facts,
            cx: &Context<'_>,
        ) -> Result<Result<Timestamp, OAuthError>, Halt> {
            let claims = match client.auth_method {
                ClientAuthMethod::PrivateKeyJwt => self.signed(client, facts, cx)?,
                ClientAuthMethod::ClientSecretJwt => self.authenticated(client, cx),
                _ => Err(Reason::ClientMethodWrong.into()),
            };
            Ok(claims.and_then(|claims| judge(&claims, client, cx)))
        }

        /// Does the work of verifying for an assertion that there is no key for.
        pub(crate) fn verify_in_vain(&self, cx: &Context<'_>) {
            if let Ok(token) = Unverified::parse(self.token.expose()) {
                verify_in_vain(&token, cx);
            }
        }

        /// The claims, if a registered key of the client has signed them.
        fn signed(
            &self,
            client: &Client,
            facts: &Facts,
            cx: &Context<'_>,
        ) -> Result<Result<Claims, OAuthError>, Halt> {
            let token = match Unverified::parse(self.token.expose()) {
                Ok(token) => token,
                Err(error) => return Ok(Err(unproven(error))),
            };
            let taken = &cx.settings.assertions.signatures;
            let alg = token.header().alg();
            let algorithms = match client.keys.assertion_alg {
                None => taken.as_slice(),
                Some(AssertionAlgorithm::Signature(own)) if own == alg && taken.contains(&own) => &[alg],
                Some(_) => &[],
            };
            if !algorithms.contains(&alg) {
                verify_in_vain(&token, cx);
                return Ok(Err(unproven(JoseError::AlgorithmNotAccepted)));
            }
            let accepted = Verification::new(TYPES, algorithms).or_untyped();
            let keys =
                client.keys.source.for_use(KeyAlgorithm::Signature(alg), token.header().kid(), facts)?;
            let verified = match keys {
                Ok(keys) => token.verify(keys.verifying(), &accepted),
                Err(why) => {
                    verify_in_vain(&token, cx);
                    return Ok(Err(OAuthError::new(Reason::AssertionKeysUnavailable).detail(why)));
                }
            };
            if verified.as_ref().is_err_and(|error| *error != JoseError::BadSignature) {
                verify_in_vain(&token, cx);
            }
            Ok(verified.map(|verified| verified.into_inner()).map_err(unproven))
        }

        /// The claims, if they are authenticated with a secret of the client that has not expired.
        fn authenticated(&self, client: &Client, cx: &Context<'_>) -> Result<Claims, OAuthError> {
            let token = UnverifiedMac::parse(self.token.expose()).map_err(unproven)?;
            let taken = &cx.settings.assertions.macs;
            let own: [MacAlgorithm; 1];
            let algorithms = match client.keys.assertion_alg {
                None => taken.as_slice(),
                Some(AssertionAlgorithm::Mac(alg)) if taken.contains(&alg) => {
                    own = [alg];
                    &own
                }
                Some(_) => &[],
            };
            let accepted = Verification::new(TYPES, algorithms).or_untyped();
            let mut failure = OAuthError::new(Reason::ClientSecretWrong);
            for secret in &client.secrets {
                let Some(opened) = secret.open(&client.id, &cx.settings.sealer) else { continue };
                let expired = secret.is_expired(cx.now);
                match token.verify(&opened, &accepted) {
                    Ok(claims) if !expired => return Ok(claims),
                    Ok(_) => failure = Reason::ClientSecretExpired.into(),
                    Err(error) if failure.reason() != Reason::ClientSecretExpired => {
                        failure = unproven(error)
                    }
                    Err(_) => {}
                }
            }
            Err(failure)
        }
    }

    fn unproven(error: JoseError) -> OAuthError {
        OAuthError::new(Reason::AssertionUnproven).detail(error.to_string())
    }

    fn verify_in_vain(token: &Unverified<'_>, cx: &Context<'_>) {
        let alg = token.header().alg();
        let accepted = Verification::new(TYPES, std::slice::from_ref(&alg)).or_untyped();
        let keys: &VerifyingKeySet = cx.settings.decoys.verifying();
        if let Ok(key) = keys.find(None, alg) {
            std::hint::black_box(token.verify(key, &accepted).is_ok());
        }
    }

    /// Judges claims that the client vouches for (RFC 7523 §3).
    fn judge(claims: &Claims, client: &Client, cx: &Context<'_>) -> Result<Timestamp, OAuthError> {
        let malformed =
            |error: JoseError| OAuthError::new(Reason::AssertionMalformed).detail(error.to_string());
        for name in ["iss", "sub"] {
            if claims.required_string(name).map_err(malformed)? != client.id.as_str() {
                return Err(Reason::AssertionOtherClient.into());
            }
        }
        if !cx.settings.is_audience(&claims.required_audience().map_err(malformed)?) {
            return Err(Reason::AssertionAudience.into());
        }
        window(claims, cx.settings.assertions.longest_life, cx.now).map_err(|fault| match fault {
            WindowFault::Malformed(error) => malformed(error),
            WindowFault::Closed(error) => OAuthError::new(Reason::AssertionTimes).detail(error.to_string()),
            WindowFault::TooLong => Reason::AssertionLife.into(),
        })
    }
}

/// Without a crypto backend no signature can be checked, and no profile takes assertions.
#[cfg(not(feature = "aws-lc-rs"))]
impl ClientAssertion {
    fn verify(
        &self,
        _: &Client,
        _: &Facts,
        _: &Context<'_>,
    ) -> Result<Result<crate::protocol::Timestamp, OAuthError>, Halt> {
        Ok(Err(Reason::ClientMethodWrong.into()))
    }

    pub(crate) fn verify_in_vain(&self, _: &Context<'_>) {
        std::hint::black_box(&self.token);
    }
}

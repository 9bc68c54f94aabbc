//! JWTs of other issuers: whether one is what its issuer signed, for this server, now.
//!
//! ```text
//! iss ─► trusted? ─► alg, typ, key ─► signature ─► iss, aud, exp, nbf, iat
//!       (the host)                                (RFC 7523 §3)
//! ```
//!
//! Whom it is about, and what follows from it, is for others to decide.

use std::fmt;

use serde_json::{Map, Value};

use super::begin;
use crate::jose::{Claims, JoseError, Leeway, NumericDate};
use crate::protocol::{Scope, Timestamp};
use crate::record::exchange::Principal;
use crate::record::grant::{AuthenticatedSubject, Authentication, GrantSubject};
use crate::record::trust::{KnownSubject, Purpose, Statement, TrustedIssuer};
use crate::record::{Client, Context, Facts, Halt};

/// The most actors that a token names; a chain that long is a loop.
pub const MAX_ACTORS: usize = 8;

/// What a trusted issuer has signed for this server, and when that ends.
#[derive(Clone, Debug)]
pub struct Vouched<'f> {
    /// Who says it.
    pub issuer: String,
    /// What is trusted of the issuer.
    pub trust: &'f TrustedIssuer,
    /// What it says.
    pub claims: Claims,
    /// `exp`.
    pub valid_until: Timestamp,
}

/// Whom a JWT speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// `sub`.
    pub subject: Principal,
    /// `act`: who acts, the last one first.
    pub actors: Vec<Principal>,
    /// `may_act`: the one who may act.
    pub may_act: Option<Principal>,
}

/// Why nothing follows from a JWT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its issuer is not trusted.
    Untrusted,
    /// The keys of its issuer cannot be had, and why.
    Keys(Box<str>),
    /// It is not what its issuer signed, or a claim is not what it has to be.
    Jose(JoseError),
    /// It is not for this server.
    Audience,
    /// It is bound to a key (`cnf`, RFC 7800 §3), and nothing proves that the client has it.
    Bound,
}

impl From<JoseError> for Fault {
    fn from(error: JoseError) -> Self {
        Self::Jose(error)
    }
}

/// For the log.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted => f.write_str("its issuer is not trusted"),
            Self::Keys(why) => write!(f, "no keys of its issuer: {why}"),
            Self::Jose(error) => error.fmt(f),
            Self::Audience => f.write_str("it is for another server"),
            Self::Bound => f.write_str("it is bound to a key"),
        }
    }
}

/// What `issuer` says in `token`, a JWT of one of these types or, where `untyped` is so, of none.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing; inside, why nothing follows from it.
pub fn verify<'f>(
    token: &str,
    issuer: &str,
    types: &[&str],
    untyped: Untyped,
    facts: &'f Facts,
    cx: &Context<'_>,
) -> Result<Result<Vouched<'f>, Fault>, Halt> {
    let Some(trust) = facts.trusted_issuer(issuer)? else { return Ok(Err(Fault::Untrusted)) };
    let claims = match signature::claims(token, trust, types, untyped, facts)? {
        Ok(claims) => claims,
        Err(fault) => return Ok(Err(fault)),
    };
    Ok(judge(&claims, issuer, cx).map(|valid_until| Vouched {
        issuer: issuer.to_owned(),
        trust,
        claims,
        valid_until,
    }))
}

impl Vouched<'_> {
    /// The user that it is about, as this server knows them now; `None` when nobody here is meant, or nobody who may be acted
    /// for.
    ///
    /// # Errors
    /// [`Halt::Need`] while a fact is missing; those of [`begin::check_subject`].
    pub fn subject<'f>(
        &self,
        client: &Client,
        purpose: Purpose,
        facts: &'f Facts,
        cx: &Context<'_>,
    ) -> Result<Option<(GrantSubject, &'f KnownSubject)>, Halt> {
        let statement = Statement {
            issuer: self.issuer.clone(),
            client: client.id.clone(),
            purpose,
            claims: self.claims.members().clone(),
        };
        let Some(known) = facts.known_subject(&statement)? else { return Ok(None) };
        let authentication = Authentication { auth_time: self.auth_time(cx), acr: None, amr: Vec::new() };
        let subject = AuthenticatedSubject { id: known.subject.clone(), authentication };
        Ok(begin::acted_for(subject, facts, cx)?.map(|subject| (subject, known)))
    }

    /// When the user signed in, as far as the issuer says; never later than now. How is not told further: a class of another
    /// issuer may bear the name of one of ours.
    fn auth_time(&self, cx: &Context<'_>) -> Timestamp {
        let date = |name| self.claims.date(name).ok().flatten().map(|date| Timestamp(date.floor()));
        date("auth_time").or_else(|| date("iat")).map_or(cx.now, |at| at.min(cx.now))
    }

    /// Whom it speaks of; `None` when a claim is malformed, the chain of actors is too long, or `may_act` says more than can
    /// be judged (RFC 8693 §4.1, §4.4). A name without an issuer is one of the issuer of the JWT.
    #[must_use]
    pub fn chain(&self) -> Option<Chain> {
        let named = |members: &Map<String, Value>| {
            let issuer = members.get("iss").map_or(Some(self.issuer.as_str()), Value::as_str)?;
            let subject = members.get("sub")?.as_str()?;
            Some(Principal::Foreign { issuer: issuer.into(), subject: subject.into() })
        };
        let mut actors = Vec::new();
        let mut next = self.claims.object("act").ok()?;
        while let Some(actor) = next {
            if actors.len() == MAX_ACTORS {
                return None;
            }
            actors.push(named(actor)?);
            next = match actor.get("act") {
                None => None,
                Some(earlier) => Some(earlier.as_object()?),
            };
        }
        let may_act = match self.claims.object("may_act").ok()? {
            None => None,
            Some(members) if members.keys().all(|name| matches!(name.as_str(), "iss" | "sub")) => {
                Some(named(members)?)
            }
            Some(_) => return None,
        };
        Some(Chain { subject: named(self.claims.members())?, actors, may_act })
    }

    /// A claim of a scope.
    ///
    /// # Errors
    /// [`JoseError::ClaimInvalid`] when it is none.
    pub fn scope(&self) -> Result<Option<Scope>, JoseError> {
        let parse = |text| Scope::parse(text).map_err(|_| JoseError::ClaimInvalid("scope"));
        self.claims.string("scope")?.map(parse).transpose()
    }
}

/// Whether a JWT may lack a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untyped {
    /// It may.
    Accepted,
    /// It may not.
    Refused,
}

fn judge(claims: &Claims, issuer: &str, cx: &Context<'_>) -> Result<Timestamp, Fault> {
    if claims.required_string("iss")? != issuer {
        return Err(Fault::Untrusted);
    }
    if claims.required_string("sub")?.is_empty() {
        return Err(JoseError::ClaimInvalid("sub").into());
    }
    if !cx.settings.is_audience(&claims.required_audience()?) {
        return Err(Fault::Audience);
    }
    if claims.get("cnf").is_some() {
        return Err(Fault::Bound);
    }
    let times = claims.check_times(cx.now.0, Leeway::OTHERS)?;
    Ok(Timestamp(times.exp.map_or(0, NumericDate::floor)))
}

#[cfg(feature = "aws-lc-rs")]
mod signature {
    use super::{Fault, Untyped};
    use crate::jose::{Claims, JoseError, KeyAlgorithm, Unverified, Verification};
    use crate::record::trust::TrustedIssuer;
    use crate::record::{Facts, Halt};

    pub(super) fn claims(
        token: &str,
        trust: &TrustedIssuer,
        types: &[&str],
        untyped: Untyped,
        facts: &Facts,
    ) -> Result<Result<Claims, Fault>, Halt> {
        let token = match Unverified::parse(token) {
            Ok(token) => token,
            Err(error) => return Ok(Err(error.into())),
        };
        if !trust.algorithms.contains(&token.header().alg()) {
            return Ok(Err(JoseError::AlgorithmNotAccepted.into()));
        }
        let typed = Verification::new(types, &trust.algorithms);
        let accepted = if untyped == Untyped::Accepted { typed.or_untyped() } else { typed };
        let alg = KeyAlgorithm::Signature(token.header().alg());
        let keys = match trust.keys.for_use(alg, token.header().kid(), facts)? {
            Ok(keys) => keys,
            Err(why) => return Ok(Err(Fault::Keys(why.into()))),
        };
        let verified = token.verify(keys.verifying(), &accepted);
        Ok(verified.map(|verified| verified.into_inner()).map_err(Fault::Jose))
    }
}

/// Without a crypto backend no signature can be checked.
#[cfg(not(feature = "aws-lc-rs"))]
mod signature {
    use super::{Fault, Untyped};
    use crate::jose::{Claims, JoseError};
    use crate::record::trust::TrustedIssuer;
    use crate::record::{Facts, Halt};

    pub(super) fn claims(
        _: &str,
        _: &TrustedIssuer,
        _: &[&str],
        _: Untyped,
        _: &Facts,
    ) -> Result<Result<Claims, Fault>, Halt> {
        Ok(Err(JoseError::UnsupportedAlgorithm.into()))
    }
}

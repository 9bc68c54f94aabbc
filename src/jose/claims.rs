//! Claims, read by type (RFC 7519 §2, §4).
//!
//! Decides whether a claim is what its specification says. A claim of the wrong type, `null` included, is an error
//! and never counts as absent: otherwise `"exp": "never"` would mean no expiry. Holds no clock: the time is an
//! argument. Never says which claims a token needs, except that [`Claims::check_times`] requires `exp`.

use std::fmt;

use serde_json::{Map, Value};

use super::{JoseError, json};

/// One past the largest date accepted, in seconds: integers below 2^53 are exact in every JSON reader.
const DATE_LIMIT: u64 = 1 << 53;

/// The claims of a token: a JSON object whose members are read by type.
#[derive(Clone, PartialEq)]
pub struct Claims {
    members: Map<String, Value>,
}

/// Seconds since 1970-01-01T00:00:00Z, at least 0 and below 2^53, perhaps with a fraction (RFC 7519 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumericDate {
    seconds: u64,
    fraction: bool,
}

/// The recipients of a token, `aud` (RFC 7519 §4.1.3); the two shapes are kept apart because profiles judge them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience<'a> {
    /// A string.
    One(&'a str),
    /// An array of strings, never empty.
    Many(Vec<&'a str>),
}

/// How far another's clock may be from ours, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leeway {
    /// How far in the future `iat` and `nbf` may lie.
    pub ahead: u64,
    /// How far in the past `exp` may lie.
    pub behind: u64,
}

impl Leeway {
    /// No tolerance, for tokens of our own clock.
    pub const NONE: Self = Self { ahead: 0, behind: 0 };
    /// For tokens of other clocks: 10 seconds ahead, 60 behind.
    pub const OTHERS: Self = Self { ahead: 10, behind: 60 };
}

/// The dates of a token, each checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When it expires (RFC 7519 §4.1.4).
    pub exp: Option<NumericDate>,
    /// When it begins to be valid (RFC 7519 §4.1.5).
    pub nbf: Option<NumericDate>,
    /// When it was issued (RFC 7519 §4.1.6).
    pub iat: Option<NumericDate>,
}

impl Claims {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, JoseError> {
        match json::parse(bytes)? {
            Value::Object(members) => Ok(Self { members }),
            _ => Err(JoseError::NotAnObject),
        }
    }

    /// Members that are believed for another reason than a signature: an answer of the issuer itself.
    pub(crate) const fn from_members(members: Map<String, Value>) -> Self {
        Self { members }
    }

    /// The raw value of a claim, for claims without an accessor of their own.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// Every claim by name.
    #[must_use]
    pub const fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// A string claim, or `None` if absent.
    ///
    /// # Errors
    /// `ClaimInvalid` if it is anything but a string.
    pub fn string(&self, name: &'static str) -> Result<Option<&str>, JoseError> {
        self.read(name, Value::as_str)
    }

    /// A string claim.
    ///
    /// # Errors
    /// `ClaimMissing`, `ClaimInvalid`.
    pub fn required_string(&self, name: &'static str) -> Result<&str, JoseError> {
        self.string(name)?.ok_or(JoseError::ClaimMissing(name))
    }

    /// A date claim, or `None` if absent.
    ///
    /// # Errors
    /// `ClaimInvalid` if it is anything but a number from 0 to below 2^53.
    pub fn date(&self, name: &'static str) -> Result<Option<NumericDate>, JoseError> {
        self.read(name, NumericDate::from_json)
    }

    /// A date claim.
    ///
    /// # Errors
    /// `ClaimMissing`, `ClaimInvalid`.
    pub fn required_date(&self, name: &'static str) -> Result<NumericDate, JoseError> {
        self.date(name)?.ok_or(JoseError::ClaimMissing(name))
    }

    /// A boolean claim, or `None` if absent.
    ///
    /// # Errors
    /// `ClaimInvalid` if it is anything but `true` or `false`.
    pub fn boolean(&self, name: &'static str) -> Result<Option<bool>, JoseError> {
        self.read(name, Value::as_bool)
    }

    /// An array of strings, or `None` if absent.
    ///
    /// # Errors
    /// `ClaimInvalid` if it is anything else.
    pub fn strings(&self, name: &'static str) -> Result<Option<Vec<&str>>, JoseError> {
        self.read(name, strings)
    }

    /// An object claim, or `None` if absent.
    ///
    /// # Errors
    /// `ClaimInvalid` if it is anything but an object.
    pub fn object(&self, name: &'static str) -> Result<Option<&Map<String, Value>>, JoseError> {
        self.read(name, Value::as_object)
    }

    /// The audience, `aud`, or `None` if absent.
    ///
    /// # Errors
    /// `ClaimInvalid` if it is anything but a string or a non-empty array of strings.
    pub fn audience(&self) -> Result<Option<Audience<'_>>, JoseError> {
        self.read("aud", |value| match value {
            Value::String(one) => Some(Audience::One(one)),
            _ => strings(value).filter(|many| !many.is_empty()).map(Audience::Many),
        })
    }

    /// The audience, `aud`.
    ///
    /// # Errors
    /// `ClaimMissing`, `ClaimInvalid`.
    pub fn required_audience(&self) -> Result<Audience<'_>, JoseError> {
        self.audience()?.ok_or(JoseError::ClaimMissing("aud"))
    }

    /// Checks `exp`, which must be there, and `nbf` and `iat` if they are, at `now` (seconds).
    ///
    /// A date with a fraction is rounded to the safe side.
    ///
    /// # Errors
    /// `ClaimMissing` without `exp`, `ClaimInvalid`, `Expired`, `NotYetValid`, `IssuedInTheFuture`.
    pub fn check_times(&self, now: u64, leeway: Leeway) -> Result<Times, JoseError> {
        self.required_date("exp")?;
        self.check_times_present(now, leeway)
    }

    /// As [`check_times`](Self::check_times), for kinds of token that may lack `exp`, such as DPoP proofs and
    /// request objects: whoever calls this bounds their life by other means.
    ///
    /// # Errors
    /// `ClaimInvalid`, `Expired`, `NotYetValid`, `IssuedInTheFuture`.
    pub fn check_times_present(&self, now: u64, leeway: Leeway) -> Result<Times, JoseError> {
        let times = Times { exp: self.date("exp")?, nbf: self.date("nbf")?, iat: self.date("iat")? };
        let latest = now.saturating_add(leeway.ahead);
        if times.exp.is_some_and(|exp| now >= exp.floor().saturating_add(leeway.behind)) {
            return Err(JoseError::Expired);
        }
        if times.nbf.is_some_and(|nbf| nbf.ceil() > latest) {
            return Err(JoseError::NotYetValid);
        }
        if times.iat.is_some_and(|iat| iat.ceil() > latest) {
            return Err(JoseError::IssuedInTheFuture);
        }
        Ok(times)
    }

    fn read<'c, T>(
        &'c self,
        name: &'static str,
        typed: impl FnOnce(&'c Value) -> Option<T>,
    ) -> Result<Option<T>, JoseError> {
        match self.members.get(name) {
            None => Ok(None),
            Some(value) => typed(value).map(Some).ok_or(JoseError::ClaimInvalid(name)),
        }
    }
}

/// Shows the names of the claims, not their values.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims")?;
        f.debug_set().entries(self.members.keys()).finish()
    }
}

fn strings(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

impl NumericDate {
    /// The date in a JSON value; `None` unless it is a finite number from 0 to below 2^53.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        if let Some(seconds) = value.as_u64() {
            return (seconds < DATE_LIMIT).then_some(Self { seconds, fraction: false });
        }
        let number = value.as_f64()?;
        if !number.is_finite() || number.is_sign_negative() || number >= DATE_LIMIT as f64 {
            return None;
        }
        Some(Self { seconds: number.trunc() as u64, fraction: number.fract() > 0.0 })
    }

    /// Whole seconds, a fraction dropped.
    #[must_use]
    pub const fn floor(self) -> u64 {
        self.seconds
    }

    /// Whole seconds, a fraction counted as one.
    #[must_use]
    pub const fn ceil(self) -> u64 {
        self.seconds.saturating_add(self.fraction as u64)
    }
}

impl<'a> Audience<'a> {
    /// Whether `recipient` is one of the recipients, compared byte for byte.
    #[must_use]
    pub fn contains(&self, recipient: &str) -> bool {
        match self {
            Self::One(one) => *one == recipient,
            Self::Many(many) => many.contains(&recipient),
        }
    }

    /// Whether `recipient` is the only recipient, as a string or as an array of one.
    #[must_use]
    pub fn is_only(&self, recipient: &str) -> bool {
        match self {
            Self::One(one) => *one == recipient,
            Self::Many(many) => matches!(many.as_slice(), [only] if *only == recipient),
        }
    }

    /// The recipients, in their order.
    #[must_use]
    pub fn recipients(&self) -> &[&'a str] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

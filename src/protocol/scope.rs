//! Scope values and sets of them (RFC 6749 §3.3).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::params;

/// The scope value that makes a request one of OpenID Connect (Core §3.1.2.1).
pub const OPENID: &str = "openid";
/// The scope value that asks for a grant which outlives the session (OpenID Connect Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";
/// The most values one request may name.
pub const MAX_SCOPE_VALUES: usize = 100;
/// The longest scope string, in bytes.
pub const MAX_SCOPE_BYTES: usize = 4096;

/// A set of scope values, kept sorted and without repeats, so that equal sets are equal strings.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(Arc<str>);

/// Why a scope string was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// A value holds a character outside `%x21 / %x23-5B / %x5D-7E` (RFC 6749 appendix A.4).
    #[error("a scope value holds a character that is not allowed")]
    Character,
    /// More than [`MAX_SCOPE_VALUES`] values or [`MAX_SCOPE_BYTES`] bytes.
    #[error("too many scope values")]
    TooLong,
}

impl Scope {
    /// The empty set.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::from(""))
    }

    /// Reads a space-separated list (RFC 6749 §3.3). Repeated values count once; the empty string is the empty set.
    ///
    /// # Errors
    /// [`ScopeError`] when a character is not allowed or the list is too long.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text.len() > MAX_SCOPE_BYTES {
            return Err(ScopeError::TooLong);
        }
        let allowed = |byte: u8| (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\');
        if !text.bytes().fold(true, |all, byte| all & allowed(byte)) {
            return Err(ScopeError::Character);
        }
        let (mut last, mut count, mut sorted) = (&[][..], 0, true);
        for value in split(text) {
            sorted &= last < value;
            count += 1;
            last = value;
        }
        if sorted && count <= MAX_SCOPE_VALUES {
            return Ok(Self(Arc::from(text)));
        }
        let values = sort(text.split(' '));
        if values.len() > MAX_SCOPE_VALUES {
            return Err(ScopeError::TooLong);
        }
        Ok(Self::join(&values))
    }

    /// Joins values that are sorted, unique and well formed.
    fn join(values: &[&str]) -> Self {
        match values {
            [] => Self::empty(),
            [one] => Self(Arc::from(*one)),
            many => Self(Arc::from(many.join(" "))),
        }
    }

    /// The values joined by one space, sorted.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether no value is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|value| !value.is_empty())
    }

    /// Whether `value` is in the set.
    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        !value.is_empty() && split(&self.0).any(|own| own == value.as_bytes())
    }

    /// Whether every value of this set is in `other`. One pass over both.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        if self.0 == other.0 {
            return true;
        }
        let mut others = split(&other.0);
        self.is_empty()
            || split(&self.0).all(|own| others.by_ref().find(|theirs| *theirs >= own) == Some(own))
    }

    /// The values for which `keep` holds.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        if self.iter().all(&mut keep) {
            return self.clone();
        }
        Self::join(&self.iter().filter(|value| keep(value)).collect::<Vec<_>>())
    }

    /// The values in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if self.is_subset(other) {
            return self.clone();
        }
        if other.is_subset(self) {
            return other.clone();
        }
        self.filter(|value| other.contains(value))
    }

    /// The values in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::join(&sort(self.iter().chain(other.iter())))
    }
}

/// The values as bytes, which are cheaper to compare; the empty text is one empty value.
fn split(text: &str) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (value, after) = params::split(text, memchr::memchr(b' ', text.as_bytes()));
        rest = after;
        Some(value.as_bytes())
    })
}

/// The values, sorted, each once.
fn sort<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut values: Vec<&str> = values.filter(|value| !value.is_empty()).collect();
    values.sort_unstable();
    values.dedup();
    values
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        Self::parse(&text)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    #[test]
    fn order_and_repeats_do_not_matter() {
        assert_eq!(scope("b a  b"), scope("a b"));
        assert_eq!(scope("").iter().count(), 0);
    }

    #[test]
    fn quotes_backslashes_controls_and_non_ascii_are_refused() {
        for text in ["a\"b", "a\\b", "a\tb", "a\nb", "é", "a\u{7f}"] {
            assert_eq!(Scope::parse(text), Err(ScopeError::Character), "{text:?}");
        }
    }

    #[test]
    fn the_hundred_and_first_value_is_refused() {
        let values: Vec<String> = (0..=MAX_SCOPE_VALUES).map(|n| format!("v{n}")).collect();
        assert!(Scope::parse(&values[1..].join(" ")).is_ok());
        assert_eq!(Scope::parse(&values.join(" ")), Err(ScopeError::TooLong));
    }

    proptest! {
        #[test]
        fn scopes_behave_as_sets(a in "[a-e ]{0,12}", b in "[a-e ]{0,12}") {
            let set = |text: &str| text.split(' ').filter(|v| !v.is_empty()).map(String::from).collect::<BTreeSet<_>>();
            let (x, y) = (scope(&a), scope(&b));
            prop_assert_eq!(x.is_subset(&y), set(&a).is_subset(&set(&b)));
            prop_assert_eq!(set(x.intersection(&y).as_str()), &set(&a) & &set(&b));
            prop_assert_eq!(set(x.union(&y).as_str()), &set(&a) | &set(&b));
        }
    }
}

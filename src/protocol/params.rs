//! Request parameters: `application/x-www-form-urlencoded`, decoded once and strictly (RFC 6749 appendix B).
//!
//! Decoding never replaces or drops a byte: a truncated `%`, a bad hex digit or anything that is not UTF-8
//! refuses the whole input. A parameter that is present but empty counts as absent, and one that is repeated or
//! too long is never read as a value (RFC 6749 §3.1): it shows up as a [`ParamFault`].

use std::borrow::Cow;

use super::error::Reason;

/// The most parameters in one request.
pub const MAX_PARAMS: usize = 64;
/// The longest value of a parameter without a limit of its own, in bytes.
pub const MAX_VALUE_BYTES: usize = 8 * 1024;

/// Parameters whose longest value, in bytes, differs from [`MAX_VALUE_BYTES`].
const LIMITS: &[(&str, usize)] = &[
    ("client_id", 255),
    ("code_verifier", 128),
    ("nonce", 512),
    ("state", 4 * 1024),
    ("request", 32 * 1024),
    ("client_assertion", 16 * 1024),
    ("assertion", 16 * 1024),
    ("id_token_hint", 16 * 1024),
    ("token", 16 * 1024),
    ("subject_token", 16 * 1024),
    ("actor_token", 16 * 1024),
    ("authorization_details", 16 * 1024),
];

/// The lowest of all limits.
const SHORTEST_LIMIT: usize = 128;

/// Parameters that may be given several times (RFC 8707 §2, RFC 8693 §2.1).
const REPEATABLE: &[&str] = &["resource", "audience"];

/// The decoded parameters of one request, borrowed from it where nothing was escaped.
#[derive(Clone, Debug, Default)]
pub struct Params<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Where the first is that cannot be read.
    faulty: Option<usize>,
}

/// Why the bytes are not a parameter list at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// A `%` is not followed by two hexadecimal digits.
    #[error("a percent escape is malformed")]
    Escape,
    /// The decoded bytes are not UTF-8.
    #[error("the parameters are not UTF-8")]
    Utf8,
    /// More than [`MAX_PARAMS`] parameters.
    #[error("too many parameters")]
    TooMany,
}

/// Why one parameter cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParamFault {
    /// It occurs more than once.
    Repeated,
    /// Its value is longer than its limit.
    TooLong,
}

impl From<ParamFault> for Reason {
    fn from(fault: ParamFault) -> Self {
        match fault {
            ParamFault::Repeated => Self::ParameterRepeated,
            ParamFault::TooLong => Self::ParameterTooLong,
        }
    }
}

impl<'a> Params<'a> {
    /// Decodes a query string or a form body.
    ///
    /// # Errors
    /// [`ParamsError`] when the bytes cannot be decoded without loss or hold too many parameters.
    pub fn parse(input: &'a [u8]) -> Result<Self, ParamsError> {
        let input = std::str::from_utf8(input).map_err(|_| ParamsError::Utf8)?;
        let mut pairs = Vec::with_capacity(8);
        let mut rest = Some(input);
        while let Some(text) = rest {
            let (part, after) = split(text, memchr::memchr(b'&', text.as_bytes()));
            rest = after;
            if part.is_empty() {
                continue;
            }
            if pairs.len() == MAX_PARAMS {
                return Err(ParamsError::TooMany);
            }
            let (name, value) = split(part, memchr::memchr(b'=', part.as_bytes()));
            let value = value.unwrap_or_default();
            pairs.push(match is_escaped(part) {
                false => (name.into(), value.into()),
                true => (decode(name)?, decode(value)?),
            });
        }
        Ok(Self::of(pairs))
    }

    /// Builds a list from pairs that need no decoding.
    pub fn from_pairs<T: Into<Cow<'a, str>>>(pairs: impl IntoIterator<Item = (T, T)>) -> Self {
        Self::of(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    fn of(pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>) -> Self {
        let mut params = Self { pairs, faulty: None };
        params.faulty = (0..params.pairs.len()).find(|at| params.fault_at(*at).is_some());
        params
    }

    /// Whether a parameter of this name may be given several times.
    #[must_use]
    pub fn may_repeat(name: &str) -> bool {
        REPEATABLE.contains(&name)
    }

    /// The value of a parameter that occurs once, is not empty and is within its limit.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.values(name);
        let value = values.next()?;
        let sound = values.next().is_none() && !value.is_empty() && !is_too_long(name, value);
        sound.then_some(value)
    }

    /// The names of what was sent, as often as it was.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_ref())
    }

    /// Every non-empty value of a repeatable parameter, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values(name).filter(|value| !value.is_empty())
    }

    /// Why `name` cannot be read, if it was sent and cannot.
    #[must_use]
    pub fn fault(&self, name: &str) -> Option<ParamFault> {
        self.pairs
            .iter()
            .enumerate()
            .filter(|(_, (own, _))| own == name)
            .find_map(|(at, _)| self.fault_at(at))
    }

    /// The first parameter that cannot be read, known or not.
    #[must_use]
    pub fn first_fault(&self) -> Option<(&str, ParamFault)> {
        let at = self.faulty?;
        Some((self.pairs.get(at)?.0.as_ref(), self.fault_at(at)?))
    }

    /// The parameters that can be read, one by one: as [`get`](Self::get), and those that may be given several times.
    pub fn into_pairs(mut self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        while let Some(faulty) = self.first_fault().map(|(name, _)| name.to_owned()) {
            self.pairs.retain(|(name, _)| *name != faulty);
            self = Self::of(self.pairs);
        }
        self.pairs.into_iter().filter(|(_, value)| !value.is_empty())
    }

    fn fault_at(&self, at: usize) -> Option<ParamFault> {
        let (name, value) = self.pairs.get(at)?;
        let repeated = self.pairs.iter().take(at).any(|(own, _)| own == name);
        if repeated && !Self::may_repeat(name) {
            return Some(ParamFault::Repeated);
        }
        is_too_long(name, value).then_some(ParamFault::TooLong)
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_ref())
    }
}

fn is_too_long(name: &str, value: &str) -> bool {
    let limit = || LIMITS.iter().find(|(own, _)| *own == name).map_or(MAX_VALUE_BYTES, |(_, limit)| *limit);
    value.len() > SHORTEST_LIMIT && value.len() > limit()
}

/// What stands before the character at `at`, and what after it, if there is one.
pub(crate) fn split(text: &str, at: Option<usize>) -> (&str, Option<&str>) {
    at.and_then(|at| text.split_at_checked(at))
        .map_or((text, None), |(before, after)| (before, after.get(1..)))
}

/// Decodes one name or value: `+` is a space, `%xx` a byte, everything else itself.
///
/// # Errors
/// [`ParamsError`] when an escape is malformed or the result is not UTF-8.
pub fn decode(text: &str) -> Result<Cow<'_, str>, ParamsError> {
    if is_escaped(text) { unescape(text).map(Cow::Owned) } else { Ok(text.into()) }
}

fn unescape(text: &str) -> Result<String, ParamsError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next())? << 4 | hex(bytes.next())?,
            itself => itself,
        });
    }
    String::from_utf8(decoded).map_err(|_| ParamsError::Utf8)
}

fn is_escaped(text: &str) -> bool {
    memchr::memchr2(b'+', b'%', text.as_bytes()).is_some()
}

fn hex(digit: Option<u8>) -> Result<u8, ParamsError> {
    match digit {
        Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
        Some(digit @ b'a'..=b'f') => Ok(digit - b'a' + 10),
        Some(digit @ b'A'..=b'F') => Ok(digit - b'A' + 10),
        _ => Err(ParamsError::Escape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Params<'_> {
        Params::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_parameter_that_is_empty_counts_as_absent() {
        assert_eq!(parse("scope=&a=1").get("scope"), None);
        assert_eq!(parse("scope&a=1").get("scope"), None);
        assert_eq!(parse("scope=&a=1").first_fault(), None);
    }

    #[test]
    fn a_repeated_parameter_is_a_fault_and_never_a_value() {
        for text in ["a=1&a=1", "a=1&a=2", "a=&a=2", "a&a", "a=1&%61=2"] {
            assert_eq!(parse(text).get("a"), None, "{text}");
            assert_eq!(parse(text).fault("a"), Some(ParamFault::Repeated), "{text}");
            assert_eq!(parse(text).first_fault(), Some(("a", ParamFault::Repeated)), "{text}");
        }
    }

    #[test]
    fn resource_and_audience_may_repeat() {
        let params = parse("resource=a&resource=b&audience=c&audience=d");
        assert_eq!(params.first_fault(), None);
        assert_eq!(params.all("resource").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_value_is_refused_one_byte_beyond_its_limit() {
        for (name, limit) in LIMITS.iter().copied().chain([("anything", MAX_VALUE_BYTES)]) {
            assert!(limit >= SHORTEST_LIMIT, "{name}");
            let at = format!("{name}={}", "x".repeat(limit));
            assert_eq!(parse(&at).fault(name), None, "{name}");
            assert_eq!(parse(&at).get(name).map(str::len), Some(limit));
            let beyond = format!("{at}x");
            assert_eq!(parse(&beyond).fault(name), Some(ParamFault::TooLong), "{name}");
            assert_eq!(parse(&beyond).get(name), None);
        }
    }

    #[test]
    fn the_sixty_fifth_parameter_is_refused() {
        let list = |n: usize| (0..n).map(|i| format!("p{i}=1")).collect::<Vec<_>>().join("&");
        assert!(Params::parse(list(64).as_bytes()).is_ok());
        assert_eq!(Params::parse(list(65).as_bytes()).unwrap_err(), ParamsError::TooMany);
    }

    #[test]
    fn an_escape_is_decoded_exactly_once() {
        assert_eq!(parse("a=%2541%2B+").get("a"), Some("%41+ "));
    }

    #[test]
    fn malformed_escapes_and_bytes_that_are_not_utf8_are_refused() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=%+1", "a=%C0%AF", "a=%ED%A0%80", "a=%FF", "%80=1"] {
            assert!(Params::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(Params::parse(b"a=\xff").unwrap_err(), ParamsError::Utf8);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_as_the_url_crate_does_or_refused(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(params) = Params::parse(&input) {
                let theirs: Vec<_> = url::form_urlencoded::parse(&input).collect();
                prop_assert_eq!(params.pairs, theirs);
            }
        }

        #[test]
        fn one_by_one_the_same_can_be_read_as_by_name(input in "([a-c]|resource)(=x{0,2})?(&([a-c]|resource)(=x{0,2})?){0,5}") {
            let params = parse(&input);
            let one_by_one: Vec<_> = params.clone().into_pairs().collect();
            for name in ["a", "b", "c"] {
                let found: Vec<_> = one_by_one.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_ref()).collect();
                prop_assert_eq!(found, params.get(name).into_iter().collect::<Vec<_>>());
            }
            let resources = one_by_one.iter().filter(|(own, _)| own == "resource").map(|(_, value)| value.as_ref());
            prop_assert!(resources.eq(params.all("resource")));
        }

        #[test]
        fn whatever_is_encoded_is_decoded_to_itself(pairs in proptest::collection::vec((".{1,9}", ".{0,9}"), 0..9)) {
            let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let params = Params::parse(text.as_bytes()).unwrap();
            let ours: Vec<_> = params.pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
            prop_assert_eq!(ours, pairs);
        }

        #[test]
        fn parameters_nobody_knows_change_nothing(junk in "[b-z]{1,9}", value in ".{0,20}") {
            let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            let text = format!("a=1&{junk}={encoded}");
            let params = parse(&text);
            prop_assert_eq!(params.get("a"), Some("1"));
        }
    }
}

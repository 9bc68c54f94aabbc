//! Strict JSON: what every JSON text from outside must pass.
//!
//! Refuses duplicate keys (two readers must never disagree on a value), nesting past a limit, text that is not
//! UTF-8 and anything after the value. Takes linear time and no more memory than the value. Never looks at what
//! the members mean.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The deepest nesting [`parse`] accepts: arrays and objects inside one another.
pub const MAX_DEPTH: usize = 16;

/// Why a JSON text was refused; holds none of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The bytes are not UTF-8 (RFC 8259 §8.1).
    #[error("not UTF-8")]
    NotUtf8,
    /// Not a JSON value, or a number too large to hold.
    #[error("malformed")]
    Malformed,
    /// An object has the same key twice, after unescaping.
    #[error("duplicate key")]
    DuplicateKey,
    /// Arrays and objects are nested deeper than the limit.
    #[error("nested too deeply")]
    TooDeep,
    /// Something other than whitespace follows the value.
    #[error("data after the value")]
    TrailingData,
    /// The value is JSON, but not of the type asked for.
    #[error("not of the expected type")]
    WrongType,
}

/// The JSON value in `bytes`, at most [`MAX_DEPTH`] deep.
///
/// # Errors
/// Any [`JsonError`] but `WrongType`.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    parse_within(bytes, MAX_DEPTH)
}

/// The JSON value in `bytes`, at most `max_depth` arrays and objects deep (a bare scalar has depth 0).
///
/// Depths past 127 are refused whatever the limit.
///
/// # Errors
/// Any [`JsonError`] but `WrongType`.
pub fn parse_within(bytes: &[u8], max_depth: usize) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { depth_left: max_depth, fault: &fault }
        .deserialize(&mut reader)
        .map_err(|_| fault.take().unwrap_or(JsonError::Malformed))?;
    reader.end().map_err(|_| JsonError::TrailingData)?;
    Ok(value)
}

/// A `T` from `bytes`, under the rules of [`parse`].
///
/// # Errors
/// Any [`JsonError`]; `WrongType` if the JSON is acceptable but is not a `T`.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    T::deserialize(parse(bytes)?).map_err(|_| JsonError::WrongType)
}

/// The key under which `serde_json` hands over a number when its feature `arbitrary_precision` is on, which any
/// crate of the host's build may do.
const NUMBER_TOKEN: &str = "$serde_json::private::Number";

/// Builds a [`Value`] while counting depth and watching keys; the first broken rule is left in `fault`.
#[derive(Clone, Copy)]
struct Strict<'c> {
    depth_left: usize,
    fault: &'c Cell<Option<JsonError>>,
}

impl Strict<'_> {
    fn fail<E: serde::de::Error>(self, error: JsonError) -> E {
        self.fault.set(Some(error));
        E::custom(error)
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left, ..self }),
            None => Err(self.fail(JsonError::TooDeep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| self.fail(JsonError::Malformed))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let Some(mut key) = members.next_key::<String>()? else {
            self.deeper::<A::Error>()?;
            return Ok(Value::Object(object));
        };
        if key == NUMBER_TOKEN {
            let digits = members.next_value::<String>()?;
            let number = Number::from_str(&digits).map_err(A::Error::custom)?;
            return match number.as_f64() {
                Some(value) if value.is_finite() => Ok(Value::Number(number)),
                _ => Err(self.fail(JsonError::Malformed)),
            };
        }
        let inner = self.deeper()?;
        loop {
            let value = members.next_value_seed(inner)?;
            if object.insert(key, value).is_some() {
                return Err(self.fail(JsonError::DuplicateKey));
            }
            match members.next_key::<String>()? {
                Some(next) => key = next,
                None => return Ok(Value::Object(object)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn duplicate_keys_are_refused_at_any_level_and_after_unescaping() {
        for text in [
            r#"{"aud":"good","aud":"evil"}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"[{"a":1,"\u0061":2}]"#,
            r#"{"":1,"":2}"#,
        ] {
            assert_eq!(parse(text.as_bytes()), Err(JsonError::DuplicateKey), "{text}");
        }
        assert!(parse(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn nesting_past_the_limit_is_refused() {
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(parse(nested(MAX_DEPTH + 1).as_bytes()), Err(JsonError::TooDeep));
        assert_eq!(parse("{\"a\":".repeat(17).as_bytes()), Err(JsonError::TooDeep));
        assert_eq!(parse("[".repeat(1 << 20).as_bytes()), Err(JsonError::TooDeep));
        assert!(parse_within(b"1", 0).is_ok());
        assert_eq!(parse_within(b"{}", 0), Err(JsonError::TooDeep));
        assert_eq!(parse_within(nested(9).as_bytes(), 8), Err(JsonError::TooDeep));
        assert!(parse_within(nested(1 << 16).as_bytes(), usize::MAX).is_err());
    }

    #[test]
    fn anything_that_is_not_one_utf8_value_is_refused() {
        assert_eq!(parse(b"{\"a\":\"\xff\"}"), Err(JsonError::NotUtf8));
        assert_eq!(parse(b"{} {}"), Err(JsonError::TrailingData));
        assert_eq!(parse(b"{}x"), Err(JsonError::TrailingData));
        for text in ["", " ", "{", "[1,]", "{\"a\"}", "NaN", "Infinity", "01", "1e400", "'a'", "\u{feff}{}"] {
            assert_eq!(parse(text.as_bytes()), Err(JsonError::Malformed), "{text:?}");
        }
        assert_eq!(parse(br#""\ud800""#), Err(JsonError::Malformed));
    }

    #[test]
    fn the_value_is_the_one_any_parser_would_read() {
        let text = br#" {"a":[1,-2,0.5,1e3,true,false,null,"\u00e9"],"b":{}} "#;
        assert_eq!(parse(text).unwrap(), serde_json::from_slice::<Value>(text).unwrap());
    }

    #[test]
    fn a_typed_reader_obeys_the_same_rules() {
        type Numbers = std::collections::BTreeMap<String, u64>;
        assert_eq!(from_slice::<Numbers>(br#"{"a":1}"#).map(|map| map.len()), Ok(1));
        assert_eq!(from_slice::<Numbers>(br#"{"a":1,"a":2}"#), Err(JsonError::DuplicateKey));
        assert_eq!(from_slice::<Numbers>(br#"{"a":"1"}"#), Err(JsonError::WrongType));
    }

    #[test]
    fn a_number_handed_over_as_a_map_is_a_number_and_nothing_else() {
        let map = |rest: &str| format!(r#"{{"{NUMBER_TOKEN}":{rest}}}"#);
        assert_eq!(parse(map("\"12\"").as_bytes()), Ok(Value::from(12)));
        for rest in ["12", "\"x\"", "{}", "\"1\",\"a\":2"] {
            assert_eq!(parse(map(rest).as_bytes()), Err(JsonError::Malformed), "{rest}");
        }
    }

    proptest! {
        #[test]
        fn the_parser_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn the_parser_never_panics_on_near_json(text in "[\\[\\]{}:,\"a0-9.eE\\\\u -]{0,64}") {
            if let Ok(value) = parse(text.as_bytes()) {
                prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}

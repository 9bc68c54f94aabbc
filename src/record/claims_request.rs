//! Which claims a client asks for, one by one, and in which languages: the parameters `claims` and `claims_locales`
//! (OpenID Connect Core §5.5, §5.2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::jose::json;
use crate::protocol::Locales;

/// The most claims that may be asked for in one place.
pub const MAX_CLAIMS: usize = 64;

/// What is asked for, by place, and in which languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimsRequest {
    /// Claims of the ID token.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub id_token: BTreeMap<String, ClaimWish>,
    /// Claims of the UserInfo response.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub userinfo: BTreeMap<String, ClaimWish>,
    /// The languages in which claims are preferred, however they were asked for.
    #[serde(default, skip_serializing_if = "Locales::is_empty")]
    pub locales: Locales,
}

/// How one claim is asked for (OpenID Connect Core §5.5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimWish {
    /// Whether the client needs it to go on smoothly.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub essential: bool,
    /// The values it may have, in order of preference; empty means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

impl ClaimsRequest {
    /// Nothing.
    pub const NOTHING: &'static Self =
        &Self { id_token: BTreeMap::new(), userinfo: BTreeMap::new(), locales: Locales::NONE };

    /// Reads `claims`. Members this release does not know are ignored; `None` when it is not the JSON it should be,
    /// names more than [`MAX_CLAIMS`] claims in one place or more than one user, or has a `sub` or `acr` that is no text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Value::Object(mut places) = json::parse(text.as_bytes()).ok()? else { return None };
        let claims = Self {
            id_token: wishes(places.remove("id_token"))?,
            userinfo: wishes(places.remove("userinfo"))?,
            locales: Locales::default(),
        };
        let texts = claims.values("sub").chain(claims.values("acr")).all(Value::is_string);
        let one_user = claims.values("sub").all(|value| value.as_str() == claims.subject());
        (texts && one_user).then_some(claims)
    }

    /// The values that a claim may have, in either place.
    fn values(&self, name: &str) -> impl Iterator<Item = &Value> {
        [&self.id_token, &self.userinfo]
            .into_iter()
            .filter_map(move |place| place.get(name))
            .flat_map(|wish| &wish.values)
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id_token.is_empty() && self.userinfo.is_empty() && self.locales.is_empty()
    }

    /// The only user who may answer: a `sub` with one value, in either place (OpenID Connect Core §5.5.1).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.values("sub").next()?.as_str()
    }

    /// Whether a login does that is of a context class for which `reached` holds: none is essential, or one of those that
    /// are (OpenID Connect Core §5.5.1.1).
    #[must_use]
    pub fn acr_suits(&self, reached: impl FnMut(&str) -> bool) -> bool {
        let mut essential = self.essential_acr().peekable();
        essential.peek().is_none() || essential.any(reached)
    }

    /// The context classes of which one must be reached; empty when none must.
    fn essential_acr(&self) -> impl Iterator<Item = &str> {
        let wish = self.id_token.get("acr").filter(|wish| wish.essential);
        wish.into_iter().flat_map(|wish| &wish.values).filter_map(Value::as_str)
    }
}

fn wishes(place: Option<Value>) -> Option<BTreeMap<String, ClaimWish>> {
    match place {
        None | Some(Value::Null) => Some(BTreeMap::new()),
        Some(Value::Object(members)) if members.len() <= MAX_CLAIMS => {
            members.into_iter().map(|(name, wish)| Some((name, ClaimWish::read(wish)?))).collect()
        }
        Some(_) => None,
    }
}

impl ClaimWish {
    fn read(wish: Value) -> Option<Self> {
        let mut members = match wish {
            Value::Null => Map::new(),
            Value::Object(members) => members,
            _ => return None,
        };
        let essential = match members.remove("essential") {
            None => false,
            Some(Value::Bool(essential)) => essential,
            Some(_) => return None,
        };
        let values = match (members.remove("value"), members.remove("values")) {
            (None, None) => Vec::new(),
            (Some(value), None) => vec![value],
            (None, Some(Value::Array(values))) => values,
            _ => return None,
        };
        Some(Self { essential, values })
    }

    /// Whether a claim with this value is what was asked for.
    #[must_use]
    pub fn accepts(&self, value: &Value) -> bool {
        self.values.is_empty() || self.values.contains(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_user_at_most_is_named_in_either_place_and_by_text() {
        let subject =
            |text: &str| ClaimsRequest::parse(text).map(|claims| claims.subject().map(str::to_owned));
        let alice = Some(Some("alice".to_owned()));
        assert_eq!(subject(r#"{"id_token":{"sub":null},"userinfo":{"sub":{"value":"alice"}}}"#), alice);
        assert_eq!(
            subject(r#"{"id_token":{"sub":{"value":"alice"}},"userinfo":{"sub":{"values":["alice"]}}}"#),
            alice
        );
        assert_eq!(subject(r#"{"id_token":{"sub":{"essential":true}}}"#), Some(None));
        for bad in [
            r#"{"id_token":{"sub":{"value":"alice"}},"userinfo":{"sub":{"value":"bob"}}}"#,
            r#"{"id_token":{"sub":{"values":["alice","bob"]}}}"#,
            r#"{"userinfo":{"sub":{"value":1}}}"#,
            r#"{"id_token":{"acr":{"essential":true,"value":["gold"]}}}"#,
            r#"{"id_token":{"acr":{"values":["gold",1]}}}"#,
        ] {
            assert_eq!(subject(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_claim_may_be_asked_for_with_nothing_with_a_value_or_with_several() {
        let text = r#"{"userinfo":{"given_name":{"essential":true},"nickname":null,"x":{"value":1,"y":2}},
            "id_token":{"acr":{"essential":true,"values":["a","b"]},"sub":{"value":"alice"}},"later":{}}"#;
        let claims = ClaimsRequest::parse(text).unwrap();
        assert!(claims.userinfo["given_name"].essential && !claims.userinfo["nickname"].essential);
        assert!(claims.userinfo["x"].accepts(&1.into()) && !claims.userinfo["x"].accepts(&2.into()));
        assert_eq!(claims.essential_acr().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(claims.subject(), Some("alice"));
        let text = serde_json::to_string(&claims).unwrap();
        assert_eq!(serde_json::from_str::<ClaimsRequest>(&text).unwrap(), claims);
    }

    #[test]
    fn what_is_no_claims_request_is_refused() {
        for bad in [
            "",
            "[]",
            "null",
            r#"{"userinfo":[]}"#,
            r#"{"userinfo":{"a":1}}"#,
            r#"{"userinfo":{"a":{"essential":"yes"}}}"#,
            r#"{"userinfo":{"a":{"values":"x"}}}"#,
            r#"{"userinfo":{"a":{"value":"x","values":["x"]}}}"#,
            r#"{"userinfo":{"a":null,"a":null}}"#,
        ] {
            assert_eq!(ClaimsRequest::parse(bad), None, "{bad}");
        }
        let many: Vec<String> = (0..=MAX_CLAIMS).map(|n| format!("\"c{n}\":null")).collect();
        assert_eq!(ClaimsRequest::parse(&format!("{{\"userinfo\":{{{}}}}}", many.join(","))), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in "\\PC*") {
            let _ = ClaimsRequest::parse(&text);
        }
    }
}

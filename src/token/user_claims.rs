//! Which of a user's claims leave the server: those that were asked for and allowed, and no other.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::protocol::Scope;
use crate::record::claims_request::ClaimWish;

/// The claims each scope value asks for (OpenID Connect Core §5.4).
pub const BY_SCOPE: &[(&str, &[&str])] = &[
    (
        "profile",
        &[
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
    ),
    ("email", &["email", "email_verified"]),
    ("address", &["address"]),
    ("phone", &["phone_number", "phone_number_verified"]),
];

/// Claims of ours, whatever a host says.
const NEVER: &[&str] = &["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "azp", "nonce", "sid"];

/// The claims that a scope asks for, and those asked for one by one. A claim may come in several languages, as
/// `name#de` (OpenID Connect Core §5.2); whoever asks for `name` gets them all. Aggregated and distributed claims
/// (§5.6.2) are passed on as they are, with the sources they name.
#[must_use]
pub fn select(
    claims: &Map<String, Value>,
    scope: Option<&Scope>,
    wishes: &BTreeMap<String, ClaimWish>,
) -> Map<String, Value> {
    let by_scope = |name: &str| {
        let asks = |(value, names): &(&str, &[&str])| {
            names.contains(&name) && scope.is_some_and(|scope| scope.contains(value))
        };
        BY_SCOPE.iter().any(asks)
    };
    let asked = |name: &str, value: &Value| {
        let plain = name.split_once('#').map_or(name, |(plain, _)| plain);
        let wished = |name: &str| wishes.get(name).is_some_and(|wish| wish.accepts(value));
        !NEVER.contains(&plain) && (by_scope(plain) || wished(name) || wished(plain))
    };
    let members = claims.iter().filter(|(name, value)| asked(name, value));
    let mut selected: Map<String, Value> =
        members.map(|(name, value)| (name.clone(), value.clone())).collect();
    if let (Some(Value::Object(names)), Some(Value::Object(sources))) =
        (claims.get("_claim_names"), claims.get("_claim_sources"))
    {
        let names: Map<String, Value> = names
            .iter()
            .filter(|(name, _)| asked(name, &Value::Null))
            .map(|(name, source)| (name.clone(), source.clone()))
            .collect();
        let named = |source: &str| names.values().any(|own| own == source);
        let sources: Map<String, Value> = sources
            .iter()
            .filter(|(source, _)| named(source))
            .map(|(source, value)| (source.clone(), value.clone()))
            .collect();
        if !names.is_empty() {
            selected.insert("_claim_names".to_owned(), names.into());
            selected.insert("_claim_sources".to_owned(), sources.into());
        }
    }
    selected
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn alice() -> Map<String, Value> {
        let claims = json!({
            "sub": "mallory", "acr": "gold", "name": "Alice", "name#ja": "アリス", "email": "alice@example.com",
            "email_verified": true, "employee_id": 7, "address": {"country": "DE"},
            "_claim_names": {"phone_number": "src1", "credit_score": "src2"},
            "_claim_sources": {"src1": {"JWT": "a.b.c"}, "src2": {"endpoint": "https://bank.example"}}
        });
        claims.as_object().unwrap().clone()
    }

    fn names(scope: &str, wishes: &[(&str, ClaimWish)]) -> Vec<String> {
        let wishes = wishes.iter().map(|(name, wish)| ((*name).to_owned(), wish.clone())).collect();
        select(&alice(), Some(&Scope::parse(scope).unwrap()), &wishes).keys().cloned().collect()
    }

    #[test]
    fn a_scope_value_asks_for_its_claims_in_every_language_and_for_no_other() {
        assert_eq!(names("openid profile", &[]), ["name", "name#ja"]);
        assert_eq!(names("email", &[]), ["email", "email_verified"]);
        assert!(names("openid", &[]).is_empty());
    }

    #[test]
    fn a_claim_may_be_asked_for_by_itself_and_only_with_a_value_it_has() {
        assert_eq!(names("openid", &[("employee_id", ClaimWish::default())]), ["employee_id"]);
        assert_eq!(names("openid", &[("name#ja", ClaimWish::default())]), ["name#ja"]);
        let other = ClaimWish { essential: true, values: vec![8.into()] };
        assert!(names("openid", &[("employee_id", other)]).is_empty());
    }

    #[test]
    fn no_host_says_who_the_subject_is_or_how_it_signed_in() {
        for name in NEVER {
            assert!(names("openid profile", &[(name, ClaimWish::default())]).iter().all(|own| own != name));
        }
    }

    #[test]
    fn claims_from_elsewhere_come_with_the_sources_they_name_and_no_other() {
        let wishes = BTreeMap::new();
        let selected = select(&alice(), Some(&Scope::parse("phone").unwrap()), &wishes);
        assert_eq!(selected["_claim_names"], json!({"phone_number": "src1"}));
        assert_eq!(selected["_claim_sources"], json!({"src1": {"JWT": "a.b.c"}}));
    }
}

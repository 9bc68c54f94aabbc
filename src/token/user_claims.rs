//! Which of a user's claims leave the server: those that were asked for and allowed, and no other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::protocol::{Locales, Scope, locales};
use crate::record::claims_request::{ClaimWish, ClaimsRequest};

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

/// Claims of ours, whatever a host says, and the two that tell where others come from: they follow from what is told.
const NEVER: &[&str] = &[
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "acr",
    "amr",
    "azp",
    "nonce",
    "sid",
    "_claim_names",
    "_claim_sources",
];

fn comes_with(name: &str, scope: &Scope) -> bool {
    BY_SCOPE.iter().any(|(value, names)| names.contains(&name) && scope.contains(value))
}

/// A claim without its language.
fn plain(name: &str) -> &str {
    name.split_once('#').map_or(name, |(plain, _)| plain)
}

/// The claims about the user that a request names itself, beyond those that its scope brings.
#[must_use]
pub fn beyond<'c>(claims: &'c ClaimsRequest, scope: &Scope) -> BTreeSet<&'c str> {
    let names = claims.id_token.keys().chain(claims.userinfo.keys()).map(|name| plain(name));
    names.filter(|name| !NEVER.contains(name) && !comes_with(name, scope)).collect()
}

/// What is left of the claims that a request for `asked` names when no more than `allowed` was: who refuses a scope
/// value refuses its claims, by whatever name they were asked for.
#[must_use]
pub fn allowed(claims: &ClaimsRequest, asked: &Scope, allowed: &Scope) -> ClaimsRequest {
    let kept = |name: &str| !comes_with(plain(name), asked) || comes_with(plain(name), allowed);
    let mut left = claims.clone();
    left.id_token.retain(|name, _| kept(name));
    left.userinfo.retain(|name, _| kept(name));
    left
}

/// The claims that a scope asks for, and those asked for one by one.
///
/// A claim may come in several languages, as `name#de` (OpenID Connect Core §5.2). Who asks for `name` gets it in the one
/// that fits best what is [preferred](Locales::lookup), as plain `name`: that is what §5.2 recommends and every client
/// reads. Where none fits, it is the claim of no language, and without that all there are: a preference never takes a
/// claim away. Where nothing is preferred they are all told too, for only the client knows which it wants. Who asks for
/// `name#de` gets that, whatever is preferred, or else the variety of German that there is, by the name asked for.
///
/// Aggregated and distributed claims (§5.6.2) are passed on as they are, with the sources they name.
#[must_use]
pub fn select(
    claims: &Map<String, Value>,
    scope: Option<&Scope>,
    wishes: &BTreeMap<String, ClaimWish>,
    locales: &Locales,
) -> Map<String, Value> {
    let by_scope = |name: &str| scope.is_some_and(|scope| comes_with(name, scope));
    let asked = |name: &str, value: &Value| {
        let plain = plain(name);
        let wished = wishes.get(plain).is_some_and(|wish| wish.accepts(value));
        !NEVER.contains(&plain) && (by_scope(plain) || wished)
    };
    let members = claims.iter().filter(|(name, value)| asked(name, value));
    let mut selected: Map<String, Value> =
        members.map(|(name, value)| (name.clone(), value.clone())).collect();
    prefer(&mut selected, locales);
    for (name, wish) in wishes.iter().filter(|(name, _)| !NEVER.contains(&plain(name))) {
        if let Some(value) = in_language(claims, name).filter(|value| wish.accepts(value)) {
            selected.insert(name.clone(), value.clone());
        }
    }
    if let (Some(Value::Object(names)), Some(Value::Object(sources))) =
        (claims.get("_claim_names"), claims.get("_claim_sources"))
    {
        let names: Map<String, Value> = names
            .iter()
            .filter(|(name, _)| !NEVER.contains(&plain(name)))
            .filter(|(name, _)| asked(name, &Value::Null) || wishes.contains_key(*name))
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

/// The languages in which there is a claim.
fn languages<'c>(claims: &'c Map<String, Value>, plain: &str) -> Vec<&'c str> {
    let tagged = claims.keys().filter_map(|name| name.split_once('#'));
    tagged.filter(|(own, _)| *own == plain).map(|(_, tag)| tag).collect()
}

/// The claim that is asked for by a name with a language.
fn in_language<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    let (plain, range) = name.split_once('#')?;
    let tag = locales::filter(range, &languages(claims, plain))?;
    claims.get(&format!("{plain}#{tag}"))
}

/// Leaves of each claim that comes in several languages the one that is preferred.
fn prefer(claims: &mut Map<String, Value>, locales: &Locales) {
    if locales.is_empty() {
        return;
    }
    let names: BTreeSet<String> = claims.keys().map(|name| plain(name).to_owned()).collect();
    for name in names {
        let best = locales.lookup(&languages(claims, &name)).map(|tag| format!("{name}#{tag}"));
        if let Some(value) = claims.get(best.as_ref().unwrap_or(&name)).cloned() {
            claims.retain(|other, _| plain(other) != name);
            claims.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn alice() -> Map<String, Value> {
        let claims = json!({
            "sub": "mallory", "acr": "gold", "name": "Alice", "name#ja": "アリス", "name#de-CH": "Alice CH",
            "motto#fr": "Liberté", "motto#it": "Libertà", "email": "alice@example.com",
            "email_verified": true, "employee_id": 7, "address": {"country": "DE"},
            "_claim_names": {"phone_number": "src1", "credit_score": "src2"},
            "_claim_sources": {"src1": {"JWT": "a.b.c"}, "src2": {"endpoint": "https://bank.example"}}
        });
        claims.as_object().unwrap().clone()
    }

    fn names(scope: &str, wishes: &[(&str, ClaimWish)]) -> Vec<String> {
        preferring("", scope, wishes).keys().cloned().collect()
    }

    fn preferring(locales: &str, scope: &str, wishes: &[(&str, ClaimWish)]) -> Map<String, Value> {
        let wishes = wishes.iter().map(|(name, wish)| ((*name).to_owned(), wish.clone())).collect();
        select(&alice(), Some(&Scope::parse(scope).unwrap()), &wishes, &Locales::parse(locales))
    }

    #[test]
    fn a_scope_value_asks_for_its_claims_in_every_language_and_for_no_other() {
        assert_eq!(names("openid profile", &[]), ["name", "name#de-CH", "name#ja"]);
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
    fn a_claim_comes_in_the_language_preferred_most_and_a_preference_takes_none_away() {
        let motto = [("motto", ClaimWish::default())];
        for (locales, told) in [
            ("ja", json!({"name": "アリス", "motto#fr": "Liberté", "motto#it": "Libertà"})),
            ("ko it ja", json!({"name": "アリス", "motto": "Libertà"})),
            ("de fr", json!({"name": "Alice CH", "motto": "Liberté"})),
            ("fr-CA", json!({"name": "Alice", "motto": "Liberté"})),
        ] {
            assert_eq!(Value::from(preferring(locales, "openid profile", &motto)), told, "{locales}");
        }
    }

    #[test]
    fn a_claim_asked_for_in_a_language_comes_in_it_by_that_name_whatever_is_preferred() {
        for (name, told) in [
            ("name#ja", json!({"name#ja": "アリス"})),
            ("name#JA", json!({"name#JA": "アリス"})),
            ("name#de", json!({"name#de": "Alice CH"})),
            ("name#de-CH-1996", json!({})),
            ("name#", json!({})),
        ] {
            for locales in ["", "ja", "fr"] {
                let selected = preferring(locales, "openid", &[(name, ClaimWish::default())]);
                assert_eq!(Value::from(selected), told, "{name} {locales}");
            }
        }
        let both = preferring("de", "profile", &[("name#ja", ClaimWish::default())]);
        assert_eq!(Value::from(both), json!({"name": "Alice CH", "name#ja": "アリス"}));
        let other = ClaimWish { essential: true, values: vec!["Alice".into()] };
        assert!(preferring("", "openid", &[("name#ja", other)]).is_empty());
    }

    #[test]
    fn what_is_asked_for_by_name_is_told_apart_from_what_the_scope_brings() {
        let claims = ClaimsRequest::parse(
            r#"{"id_token": {"acr": null, "name#de": null}, "userinfo": {"phone_number": null, "email": null}}"#,
        );
        let claims = claims.unwrap();
        let (asked, less) = (Scope::parse("openid email").unwrap(), Scope::parse("openid").unwrap());
        assert_eq!(beyond(&claims, &asked), BTreeSet::from(["name", "phone_number"]));
        assert_eq!(allowed(&claims, &asked, &asked), claims);
        let left = allowed(&claims, &asked, &less);
        assert_eq!(left.id_token, claims.id_token);
        assert_eq!(left.userinfo.keys().collect::<Vec<_>>(), ["phone_number"]);
    }

    #[test]
    fn no_host_says_who_the_subject_is_or_how_it_signed_in() {
        let mut claims = alice();
        for name in NEVER.iter().filter(|name| !name.starts_with('_')) {
            claims.insert((*name).to_owned(), json!("mine"));
            claims.insert(format!("{name}#de"), json!("meins"));
        }
        let scope = Scope::parse("openid profile").unwrap();
        for name in NEVER {
            for asked in [(*name).to_owned(), format!("{name}#de")] {
                let wishes = BTreeMap::from([(asked.clone(), ClaimWish::default())]);
                let selected = select(&claims, Some(&scope), &wishes, &Locales::default());
                assert!(selected.keys().all(|own| plain(own) != *name), "{asked}");
            }
        }
    }

    #[test]
    fn claims_from_elsewhere_come_with_the_sources_they_name_and_no_other() {
        let wishes = BTreeMap::new();
        let selected = select(&alice(), Some(&Scope::parse("phone").unwrap()), &wishes, &Locales::default());
        assert_eq!(selected["_claim_names"], json!({"phone_number": "src1"}));
        assert_eq!(selected["_claim_sources"], json!({"src1": {"JWT": "a.b.c"}}));
        let wish = |name: &str| (name.to_owned(), ClaimWish::default());
        let wishes = BTreeMap::from([wish("_claim_names"), wish("_claim_sources")]);
        assert!(
            select(&alice(), None, &wishes, &Locales::default()).is_empty(),
            "they are no claims to ask for"
        );
    }
}

//! The config plan (OpenID Connect Discovery §3).

use serde_json::Value;

use crate::common::ISSUER;
use crate::suite::Suite;

#[tokio::test]
async fn discovery_endpoint_verification() {
    let suite = Suite::new().await;
    let answer = suite.fixture.get("/.well-known/openid-configuration").await;
    assert_eq!(answer.status, 200);
    let document = answer.json();
    assert_eq!(document["issuer"], ISSUER);
    for (name, value) in document.as_object().unwrap() {
        assert_ne!(value, &Value::Array(vec![]), "{name} is empty");
        if name.ends_with("_endpoint") || name.ends_with("_uri") {
            assert!(value.as_str().unwrap().starts_with("https://"), "{name}: {value}");
        }
    }
    let lists = |name: &str, wanted: &[&str]| {
        let list = document[name].as_array().unwrap_or_else(|| panic!("{name} is missing"));
        for value in wanted {
            assert!(list.iter().any(|own| own == value), "{name} lacks {value}: {list:?}");
        }
    };
    lists("scopes_supported", &["openid"]);
    lists("subject_types_supported", &["public"]);
    lists("id_token_signing_alg_values_supported", &["RS256"]);
    lists("response_types_supported", &["code", "id_token", "id_token token"]);
    lists("grant_types_supported", &["authorization_code", "implicit", "refresh_token"]);
    lists("code_challenge_methods_supported", &["S256"]);
    lists("request_object_signing_alg_values_supported", &["RS256", "none"]);
    lists("claims_supported", &["sub", "name", "email", "address", "phone_number"]);
    for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
        assert!(document[name].is_string(), "{name} is missing");
    }
    suite.keys().await;
}

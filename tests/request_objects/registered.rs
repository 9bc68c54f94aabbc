//! What server and client say of request objects beforehand.

use super::fetched::{Web, fetching};
use super::*;

#[tokio::test]
async fn discovery_says_what_is_taken() {
    let document = async |fixture: &Fixture| fixture.get("/.well-known/openid-configuration").await.json();
    let signed: Vec<_> =
        Algorithm::ALL.iter().map(|alg| alg.as_str()).chain(["HS256", "HS384", "HS512"]).collect();
    let web = Web::with("");
    for (fixture, by_value, by_reference, unsecured) in [
        (with(|builder| builder.request_objects(RequestObjects::Off)), false, false, None),
        (strict(), true, false, None),
        (compat(), true, false, Some("none")),
        (fetching(&web), true, true, Some("none")),
    ] {
        let said = document(&fixture).await;
        assert_eq!(said["request_parameter_supported"], json!(by_value));
        assert_eq!(said["request_uri_parameter_supported"], json!(by_reference));
        assert_eq!(said["require_request_uri_registration"].as_bool().unwrap_or(false), by_reference);
        let algorithms: Vec<_> = signed.iter().copied().chain(unsecured).collect();
        let expected = if by_value { json!(algorithms) } else { Value::Null };
        assert_eq!(said["request_object_signing_alg_values_supported"], expected);
    }
}

#[test]
fn what_a_client_registers_about_request_objects_can_be_kept() {
    let jwk = serde_json::to_string(&KEY.public()).unwrap();
    let register = |members: &str| {
        let json = format!(
            r#"[{{"client_id":"a","client_secret":"{SECRET}","redirect_uris":["https://a.example/cb"],
                "jwks":{{"keys":[{jwk}]}},{members}}}]"#
        );
        StaticClients::from_json(json.as_bytes())
    };
    let kept = register(
        r#""request_object_signing_alg":"ES256","require_signed_request_object":true,
           "request_object_encryption_alg":"ECDH-ES","request_object_encryption_enc":"A128GCM",
           "request_uris":["https://a.example/object#f","http://127.0.0.1:8080/object"]"#,
    );
    let kept = kept.unwrap().iter().next().unwrap().request_objects.clone();
    let es256 = RequestObjectAlgorithm::Protected(AssertionAlgorithm::Signature(Algorithm::Es256));
    assert_eq!((kept.alg, kept.required, kept.uris.len()), (Some(es256), true, 2));
    let none = register(r#""request_object_signing_alg":"none""#).unwrap();
    let none = none.iter().next().unwrap().request_objects.alg;
    assert_eq!(none, Some(RequestObjectAlgorithm::Unsecured));
    let long = format!(r#""request_uris":["https://a.example/{}"]"#, "x".repeat(512));
    for refused in [
        r#""request_object_signing_alg":"RS256""#,
        r#""request_object_signing_alg":"HS256""#,
        r#""request_object_signing_alg":"none","require_signed_request_object":true"#,
        r#""request_uris":["http://a.example/object"]"#,
        r#""request_object_encryption_enc":"A128GCM""#,
        r#""request_object_encryption_alg":"dir""#,
        r#""request_uris":["urn:x"]"#,
        r#""request_uris":["https://u@a.example/object"]"#,
        &long,
    ] {
        assert!(matches!(register(refused), Err(MetadataError::Contradiction(_))), "{refused}");
    }
    let unknown = register(r#""request_object_signing_alg":"HS1""#);
    assert!(matches!(unknown, Err(MetadataError::Json(_))));
}

//! What a client may register.

use async_trait::async_trait;
use grantor::host::AuthenticationDevice;
use grantor::profile::{Profile, RequestObjects};
use grantor::record::EventKind;
use grantor::record::backchannel::{Identified, UserEnquiry, UserQuestion};
use grantor::record::client::ConsentPolicy;
use grantor::store::StoreError;
use proptest::prelude::*;

use super::*;
use crate::common::NOW;

#[track_caller]
fn refused(answer: &Answer, code: &str) {
    answer.refused(400, code);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("www-authenticate"), None);
}

#[tokio::test]
async fn a_client_registers_and_is_told_everything_with_the_defaults() {
    let fixture = open();
    let answer = register(&fixture, &web(&json!({ "client_name": "Example" }))).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    let mut told = answer.json();
    let client = Registered::read(told.clone());
    assert!(client.secret.as_ref().unwrap().len() >= 43 && !client.id.starts_with("https://"));
    for member in ["client_id", "client_secret", "registration_access_token"] {
        told[member].take();
    }
    assert_eq!(
        told,
        json!({
            "client_id": null,
            "client_secret": null,
            "registration_access_token": null,
            "registration_client_uri": format!("{ISSUER}/register?client_id={}", client.id),
            "client_id_issued_at": NOW,
            "client_secret_expires_at": 0,
            "client_name": "Example",
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "client_secret_basic",
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
            "application_type": "web",
            "scope": scope(SCOPE).as_str(),
            "id_token_signed_response_alg": "ES256",
        })
    );
}

#[tokio::test]
async fn a_registered_client_gets_tokens_and_is_asked_about_as_one_that_registered_itself() {
    let fixture = open();
    let public = json!({ "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"] });
    for metadata in [web(&json!({ "grant_types": ["authorization_code", "refresh_token"] })), web(&public)] {
        let client = Registered::new(&fixture, &metadata).await;
        let redemption = client.redemption(&fixture).await;
        let tokens = client.token(&fixture, &redemption).await.tokens();
        assert!(fixture.is_live(&tokens.access).await);
        client.token(&fixture, &common::refreshing(&tokens.refresh)).await.tokens();
        let made = fixture.server.client(&client.id).await.unwrap().unwrap();
        assert!(made.self_registered && made.consent == ConsentPolicy::Ask);
    }
}

#[tokio::test]
async fn a_secret_is_made_only_for_a_client_that_has_a_use_for_it() {
    let fixture = open();
    let jwks = json!({ "keys": [grantor::jose::SigningKey::generate(grantor::jose::Algorithm::Es256).unwrap().public()] });
    for (method, has_secret) in [
        ("none", false),
        ("client_secret_basic", true),
        ("client_secret_post", true),
        ("client_secret_jwt", true),
        ("private_key_jwt", false),
    ] {
        let mut metadata = web(&json!({ "token_endpoint_auth_method": method }));
        if method == "private_key_jwt" {
            metadata["jwks"] = jwks.clone();
        }
        let client = Registered::new(&fixture, &metadata).await;
        assert_eq!(client.secret.is_some(), has_secret, "{method}");
        assert_eq!(client.information.get("client_secret_expires_at").is_some(), has_secret, "{method}");
    }
}

#[tokio::test]
async fn a_client_that_authenticates_by_hmac_can() {
    let fixture = open();
    let metadata = json!({ "token_endpoint_auth_method": "client_secret_jwt", "grant_types": ["client_credentials"],
        "token_endpoint_auth_signing_alg": "HS512" });
    let client = Registered::new(&fixture, &metadata).await;
    let secret = client.secret.as_ref().unwrap();
    let claims =
        json!({ "iss": client.id, "sub": client.id, "aud": ISSUER, "jti": "1", "iat": NOW, "exp": NOW + 60 });
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS512);
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    let assertion = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let request = common::machine()
        .add("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .add("client_assertion", &assertion);
    fixture.post("/token", None, &request).await.tokens();
}

#[tokio::test]
async fn what_the_server_does_not_know_is_ignored_and_what_is_null_or_empty_is_absent() {
    let fixture = open();
    let metadata = json!({ "surprise": { "a": [1] }, "client_uri": "", "contacts": null, "scope": null, "scopes": "admin" });
    let client = Registered::new(&fixture, &web(&metadata)).await;
    for member in ["surprise", "client_uri", "contacts", "scopes"] {
        assert_eq!(client.information.get(member), None, "{member}");
    }
    assert_eq!(client.information["scope"], scope(SCOPE).as_str());
}

#[tokio::test]
async fn everything_that_is_registered_is_answered_as_it_was_sent() {
    let fixture = reaching();
    let metadata = json!({
        "redirect_uris": [CALLBACK, "http://127.0.0.1/cb", "com.example.app:/cb"],
        "client_name": "Example", "client_name#de": "Beispiel", "client_name#ja-Jpan-JP": "例",
        "client_uri": "https://client.example/", "client_uri#de": "https://client.example/de",
        "logo_uri": "https://client.example/logo.png", "policy_uri": "https://client.example/policy#short",
        "tos_uri": "https://client.example/tos", "contacts": ["ve7jtb@example.org", "mary@example.org"],
        "software_id": "4NRB1-0XZABZI9E6-5SM3R", "software_version": "2",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_post", "application_type": "native", "scope": "openid read",
        "id_token_signed_response_alg": "ES256", "userinfo_signed_response_alg": "ES256",
        "default_max_age": 3600, "require_auth_time": true, "default_acr_values": ["urn:a", "urn:b"],
        "initiate_login_uri": "https://client.example/login?from=op",
        "post_logout_redirect_uris": ["https://client.example/out"],
        "backchannel_logout_uri": "https://client.example/bc", "backchannel_logout_session_required": true,
        "frontchannel_logout_uri": "https://client.example/fc", "frontchannel_logout_session_required": true,
        "jwks_uri": "https://client.example/jwks",
    });
    let client = Registered::new(&fixture, &metadata).await;
    let read = client.get(&fixture).await.json();
    for (member, value) in metadata.as_object().unwrap() {
        assert_eq!((&client.information[member], &read[member]), (value, value), "{member}");
    }
    let made = fixture.server.client(&client.id).await.unwrap().unwrap();
    assert_eq!(made.about.localized["client_name#de"], "Beispiel");
    assert_eq!(made.about.logo_uri.as_ref().unwrap().as_str(), "https://client.example/logo.png");
    assert_eq!(made.openid.default_acr_values.as_deref(), Some("urn:a urn:b"));
}

#[tokio::test]
async fn default_acr_values_reach_the_login_page_unless_the_request_has_its_own() {
    let fixture = open();
    let client = Registered::new(&fixture, &web(&json!({ "default_acr_values": ["urn:a", "urn:b"] }))).await;
    for (request, shown) in [
        (client.authorization(), "urn:a urn:b"),
        (client.authorization().add("acr_values", "urn:c"), "urn:c"),
    ] {
        let mut agent = fixture.agent();
        let id = Agent::interaction(&agent.authorize(&request).await);
        assert_eq!(agent.view(id).await.unwrap().hints.acr_values.as_deref(), Some(shown));
    }
}

/// What gives rights is the operator's to say (RFC 7591 §5).
#[tokio::test]
async fn nothing_that_gives_rights_or_names_can_be_registered() {
    let fixture = open();
    let metadata = web(&json!({
        "client_id": "web", "client_secret": "chosen-by-the-client-chosen-by-the-client", "client_secret_expires_at": 1,
        "client_id_issued_at": 1, "registration_access_token": "mine", "registration_client_uri": "https://evil.example/",
        "first_party": true, "resource_server_of": ["https://api.example/"], "self_registered": false,
        "lifetimes": { "access_token": 1 }, "consent": "first_party", "trusted": true,
    }));
    let client = Registered::new(&fixture, &metadata).await;
    assert_ne!(client.id, "web");
    assert!(!client.information.to_string().contains("chosen-by") && !client.uri.contains("evil"));
    assert_ne!(client.token, "mine");
    for member in ["first_party", "resource_server_of", "self_registered", "lifetimes", "consent", "trusted"]
    {
        assert_eq!(client.information.get(member), None, "{member}");
    }
    let made = fixture.server.client(&client.id).await.unwrap().unwrap();
    assert!(made.resource_server_of.is_empty() && made.consent == ConsentPolicy::Ask && made.self_registered);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let fixture = open();
    let deep = format!(r#"{{"redirect_uris":["{CALLBACK}"],"x":{}1{}}}"#, "[".repeat(16), "]".repeat(16));
    for body in ["", "null", "[]", "\"x\"", "{", r#"{"a":1,"a":2}"#, r#"{"a":1} x"#, &deep] {
        refused(&send(&fixture, "POST", "/register", None, body.as_bytes()).await, "invalid_client_metadata");
    }
    refused(&send(&fixture, "POST", "/register", None, b"\xff").await, "invalid_client_metadata");
    let large = json!({ "redirect_uris": [CALLBACK], "x": "x".repeat(64 * 1024) });
    register(&fixture, &large).await.refused(413, "invalid_request");
    let form = Request::post("/register").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    fixture.send(form.body(Bytes::from_static(b"{}")).unwrap()).await.refused(415, "invalid_request");
}

#[tokio::test]
async fn a_redirect_uri_that_cannot_be_registered_is_named_so() {
    let fixture = open();
    for uri in [
        "https://client.example/cb#fragment",
        "http://client.example/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "app:/cb",
        "https://user@client.example/cb",
        "https://client.example/a/../cb",
        "https://client.example/cb?code=1",
        "/cb",
        "https://*.client.example/cb",
    ] {
        refused(&register(&fixture, &json!({ "redirect_uris": [uri] })).await, "invalid_redirect_uri");
    }
    let uris = |n: usize| (0..n).map(|n| format!("https://client.example/{n}")).collect::<Vec<_>>();
    Registered::new(&fixture, &json!({ "redirect_uris": uris(10) })).await;
    refused(&register(&fixture, &json!({ "redirect_uris": uris(11) })).await, "invalid_redirect_uri");
}

/// OpenID Connect Dynamic Client Registration §2, `application_type`.
#[tokio::test]
async fn a_web_client_of_the_implicit_grant_has_https_redirect_uris_on_other_machines() {
    let fixture = on(Arc::new(MemoryStore::new()), anybody(), |builder| builder.profile(Profile::OidcCompat));
    let implicit = json!({ "response_types": ["id_token"], "grant_types": ["implicit"] });
    for (uri, web_may) in [
        (CALLBACK, true),
        ("http://127.0.0.1/cb", false),
        ("http://localhost/cb", false),
        ("https://localhost/cb", false),
        ("com.example.app:/cb", false),
    ] {
        let metadata = with(&implicit, &json!({ "redirect_uris": [uri] }));
        let answer = register(&fixture, &metadata).await;
        if web_may {
            assert_eq!(answer.status, 201, "{uri}: {answer:?}");
        } else {
            refused(&answer, "invalid_redirect_uri");
        }
        let native = with(&metadata, &json!({ "application_type": "native" }));
        assert_eq!(register(&fixture, &native).await.status, 201, "{uri}");
        let codes = json!({ "redirect_uris": [uri] });
        assert_eq!(register(&fixture, &codes).await.status, 201, "{uri} without the implicit grant");
    }
}

#[tokio::test]
async fn metadata_that_break_a_rule_are_refused() {
    let fixture = reaching();
    let key = json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
    let long = "x".repeat(257);
    for (members, said) in [
        // Not of the right type
        (json!({ "redirect_uris": CALLBACK }), "redirect_uris: "),
        (json!({ "redirect_uris": [1] }), "redirect_uris: "),
        (json!({ "contacts": "mary@example.org" }), "contacts: "),
        (json!({ "contacts": [["mary@example.org"]] }), "contacts: "),
        (json!({ "grant_types": "authorization_code" }), "grant_types: "),
        (json!({ "response_types": [1] }), "response_types: "),
        (json!({ "client_name": 7 }), "client_name: "),
        (json!({ "client_name#de": 7 }), "client_name#de: "),
        (json!({ "scope": ["read"] }), "scope: "),
        (json!({ "scope": "re\"ad" }), "scope: "),
        (json!({ "default_max_age": "300" }), "default_max_age: "),
        (json!({ "default_max_age": -1 }), "default_max_age: "),
        (json!({ "require_auth_time": "true" }), "require_auth_time: "),
        (json!({ "default_acr_values": "urn:a" }), "default_acr_values: "),
        (
            json!({ "default_acr_values": ["urn:a urn:b"] }),
            "default_acr_values holds what is no authentication context class",
        ),
        (json!({ "application_type": "desktop" }), "application_type: "),
        (json!({ "backchannel_logout_session_required": 1 }), "backchannel_logout_session_required: "),
        // Not what the server has
        (json!({ "token_endpoint_auth_method": "tls_client_auth" }), "token_endpoint_auth_method: "),
        (json!({ "token_endpoint_auth_method": "magic" }), "token_endpoint_auth_method: "),
        (json!({ "grant_types": ["magic"] }), "nothing of grant_types is offered"),
        (json!({ "response_types": ["token"] }), "nothing of response_types is offered"),
        (json!({ "scope": "admin" }), "nothing of scope is offered"),
        (
            json!({ "id_token_signed_response_alg": "RS256" }),
            "id_token_signed_response_alg is not one that the server signs with",
        ),
        (
            json!({ "id_token_signed_response_alg": "HS256" }),
            "id_token_signed_response_alg is not one that the server signs with",
        ),
        (json!({ "id_token_signed_response_alg": "none" }), "id_token_signed_response_alg: "),
        (
            json!({ "userinfo_signed_response_alg": "RS256" }),
            "userinfo_signed_response_alg is not one that the server signs with",
        ),
        (
            json!({ "token_endpoint_auth_signing_alg": "none", "token_endpoint_auth_method": "client_secret_jwt" }),
            "token_endpoint_auth_signing_alg: ",
        ),
        // Contradictions
        (json!({ "redirect_uris": [] }), "response_types need a redirect URI"),
        (
            json!({ "grant_types": ["client_credentials"], "response_types": ["code"] }),
            "authorization_code and response types with code go together",
        ),
        (
            json!({ "grant_types": ["client_credentials"], "token_endpoint_auth_method": "none" }),
            "client_credentials needs a client that can authenticate",
        ),
        (json!({ "response_types": [] }), "authorization_code and response types with code go together"),
        (
            json!({ "jwks": { "keys": [key] }, "jwks_uri": "https://client.example/jwks" }),
            "jwks and jwks_uri exclude each other",
        ),
        (
            json!({ "token_endpoint_auth_method": "private_key_jwt" }),
            "private_key_jwt needs jwks or jwks_uri",
        ),
        (
            json!({ "token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "ES256" }),
            "token_endpoint_auth_signing_alg is not for token_endpoint_auth_method",
        ),
        // Keys
        (json!({ "jwks": [key] }), "jwks: "),
        (json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AAAA" }] } }), "jwks: "),
        (json!({ "jwks": { "keys": [with(&key, &json!({ "d": "AAAA" }))] } }), "jwks: "),
        (
            json!({ "jwks": { "keys": [with(&key, &json!({ "kid": "1" })), with(&key, &json!({ "kid": "1" }))] } }),
            "jwks: ",
        ),
        (json!({ "jwks_uri": "http://client.example/jwks" }), "jwks_uri must be an https URL of at most"),
        (json!({ "jwks_uri": "file:///etc/passwd" }), "jwks_uri must be an https URL of at most"),
        // URLs that are fetched, shown or loaded
        (json!({ "logo_uri": "javascript:alert(1)" }), "logo_uri must be an https URL of at most"),
        (json!({ "logo_uri": "data:image/png;base64,AAAA" }), "logo_uri must be an https URL of at most"),
        (json!({ "logo_uri": "http://client.example/logo.png" }), "logo_uri must be an https URL of at most"),
        (json!({ "logo_uri#de": "javascript:alert(1)" }), "logo_uri must be an https URL of at most"),
        (json!({ "client_uri": "client.example" }), "client_uri must be an https URL of at most"),
        (
            json!({ "client_uri": "https://user:pass@client.example/" }),
            "client_uri must be an https URL of at most",
        ),
        (
            json!({ "client_uri": "https:client.example" .replace(':', ": ") }),
            "client_uri must be an https URL of at most",
        ),
        (json!({ "policy_uri": "java\nscript:alert(1)" }), "policy_uri must be an https URL of at most"),
        (json!({ "tos_uri": "//client.example/" }), "tos_uri must be an https URL of at most"),
        (
            json!({ "tos_uri": format!("https://client.example/{}", "x".repeat(2048)) }),
            "tos_uri must be an https URL of at most",
        ),
        (
            json!({ "initiate_login_uri": "http://client.example/login" }),
            "initiate_login_uri must be an https URL",
        ),
        (
            json!({ "initiate_login_uri": "http://localhost/login" }),
            "initiate_login_uri must be an https URL",
        ),
        (json!({ "initiate_login_uri": "javascript:alert(1)" }), "initiate_login_uri must be an https URL"),
        (
            json!({ "post_logout_redirect_uris": ["https://client.example/#x"] }),
            "the redirect URI has a fragment",
        ),
        (
            json!({ "backchannel_logout_uri": "http://client.example/bc" }),
            "the redirect URI is http and its host is not a loopback host",
        ),
        (
            json!({ "frontchannel_logout_uri": "https://other.example/fc" }),
            "frontchannel_logout_uri needs the scheme, host and port of a redirect URI",
        ),
        (
            json!({ "post_logout_redirect_uris": vec!["https://client.example/out"; 11] }),
            "post_logout_redirect_uris holds more than 10 URIs",
        ),
        // Texts
        (json!({ "client_name": long }), "a text has more than 256 bytes, or control characters"),
        (json!({ "client_name": "a\u{7}b" }), "a text has more than 256 bytes, or control characters"),
        (json!({ "client_name#de": long }), "a text has more than 256 bytes, or control characters"),
        (json!({ "contacts": [long] }), "a text has more than 256 bytes, or control characters"),
        (json!({ "software_id": long }), "a text has more than 256 bytes, or control characters"),
    ] {
        let answer = register(&fixture, &web(&members)).await;
        assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()), "{members}");
        let description = answer.json()["error_description"].as_str().unwrap().to_owned();
        assert!(description.starts_with(said), "{members}: {description}");
    }
    assert_eq!(fixture.count(EventKind::ClientRegistered), 0);
}

/// A host whose users have user codes.
struct AsksForCodes;

#[async_trait]
impl AuthenticationDevice for AsksForCodes {
    async fn identify(&self, _: &UserEnquiry) -> Result<Identified, StoreError> {
        Ok(Identified::Unknown)
    }

    async fn ask(&self, _: &UserQuestion) -> Result<(), StoreError> {
        Ok(())
    }

    fn takes_user_codes(&self) -> bool {
        true
    }
}

/// Else it would wait in vain for what its registration was accepted for.
#[tokio::test]
async fn what_the_server_never_does_cannot_be_registered() {
    type Configure = fn(Builder) -> Builder;
    let openid: Configure = |builder| builder.profile(Profile::OidcCompat);
    let fetches: Configure = |builder| builder.profile(Profile::OidcCompat).fetch(Arc::new(NoServers));
    let fetches_keys: Configure =
        |builder| builder.client_jwks(Arc::new(FetchedJwks::new(Arc::new(NoServers), Arc::new(SystemClock))));
    let codes: Configure = |builder| builder.authentication_device(Arc::new(AsksForCodes));
    let rows: [(_, Configure, Configure); 6] = [
        (json!({ "jwks_uri": "https://client.example/jwks" }), fetches, fetches_keys),
        (json!({ "request_uris": ["https://client.example/request#1"] }), openid, fetches),
        (
            json!({ "require_signed_request_object": true }),
            |builder| builder.request_objects(RequestObjects::Off),
            |builder| builder,
        ),
        (json!({ "backchannel_logout_uri": "https://client.example/x" }), openid, fetches),
        (
            json!({ "frontchannel_logout_uri": "https://client.example/x" }),
            fetches,
            Builder::frontchannel_logout,
        ),
        (json!({ "backchannel_user_code_parameter": true }), openid, codes),
    ];
    for (members, never, does) in rows {
        let server = |configure| on(Arc::new(MemoryStore::new()), anybody(), configure);
        let answer = register(&server(never), &web(&members)).await;
        refused(&answer, "invalid_client_metadata");
        let member = members.as_object().unwrap().keys().next().unwrap().clone();
        let description = answer.json()["error_description"].as_str().unwrap().to_owned();
        assert!(description.starts_with(&member), "{member}: {description}");

        let able = server(does);
        let client = Registered::new(&able, &web(&members)).await;
        assert_eq!(client.information[&member], members[&member]);
        let update = client.again(&json!({ &member: null }));
        assert_eq!(client.put(&able, &update).await.json().get(&member), None);
    }
}

#[tokio::test]
async fn of_a_list_what_is_not_offered_is_left_out_and_the_answer_says_so() {
    let fixture = open();
    let metadata = web(&json!({
        "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "refresh_token", "implicit"],
        "response_types": ["code", "code token", "magic"],
        "scope": "read admin openid",
    }));
    let client = Registered::new(&fixture, &metadata).await;
    assert_eq!(client.information["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(client.information["response_types"], json!(["code"]));
    assert_eq!(client.information["scope"], "openid read");
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let answer = agent.authorize(&client.authorization().set("scope", "write")).await;
    assert_eq!(answer.param("error").as_deref(), Some("invalid_scope"));
}

#[tokio::test]
async fn the_values_of_a_response_type_may_come_in_any_order() {
    let fixture = on(Arc::new(MemoryStore::new()), anybody(), |builder| builder.profile(Profile::OidcCompat));
    let metadata = web(&json!({ "grant_types": ["implicit"], "response_types": ["token id_token"] }));
    let client = Registered::new(&fixture, &metadata).await;
    assert_eq!(client.information["response_types"], json!(["id_token token"]));
}

#[tokio::test]
async fn what_is_wrong_is_said_in_words_of_the_server() {
    let fixture = open();
    for (members, said) in [
        (json!({ "logo_uri": "javascript:alert('canary')" }), "logo_uri must be an https URL"),
        (json!({ "redirect_uris": ["https://canary.example/#x"] }), "the redirect URI has a fragment"),
        (
            json!({ "post_logout_redirect_uris": ["http://canary.example/"] }),
            "its host is not a loopback host",
        ),
        (json!({ "contacts": "canary", "client_name": "canary" }), "contacts: "),
        (json!({ "client_name#de": ["canary"] }), "client_name#de: "),
        (json!({ "token_endpoint_auth_method": "canary" }), "token_endpoint_auth_method: "),
        (json!({ "jwks": { "keys": [{ "kty": "oct", "k": "canary" }] } }), "jwks: "),
        (json!({ "response_types": [] }), "authorization_code and response types with code go together"),
    ] {
        let answer = register(&fixture, &web(&members)).await;
        let description = answer.json()["error_description"].as_str().unwrap().to_owned();
        assert!(description.contains(said) && !answer.text().contains("canary"), "{description}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["code", "none", CALLBACK, "authorization_code", "openid", "web"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const MEMBERS: [&str; 24] = [
    "client_id",
    "client_secret",
    "first_party",
    "resource_server_of",
    "redirect_uris",
    "grant_types",
    "response_types",
    "scope",
    "token_endpoint_auth_method",
    "jwks",
    "jwks_uri",
    "client_name",
    "client_name#de",
    "logo_uri",
    "contacts",
    "application_type",
    "id_token_signed_response_alg",
    "default_max_age",
    "initiate_login_uri",
    "default_acr_values",
    "post_logout_redirect_uris",
    "backchannel_logout_uri",
    "software_statement",
    "client_secret_expires_at",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is sent, the answer is a registration without rights of the operator's, which is read back as it was
    /// answered, or a refusal of the client's.
    #[test]
    fn whatever_is_sent_gives_no_rights_and_breaks_nothing(
        members in prop::collection::btree_map(prop::sample::select(&MEMBERS[..]), any_json(), 0..5),
        right in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let fixture = reaching();
            let mut metadata: serde_json::Map<String, Value> =
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            if right {
                metadata.insert("redirect_uris".to_owned(), json!([CALLBACK]));
            }
            let answer = register(&fixture, &Value::Object(metadata)).await;
            if answer.status != 201 {
                prop_assert_eq!(answer.status, 400, "{:?}", answer);
                return Ok(());
            }
            let client = Registered::read(answer.json());
            let made = fixture.server.client(&client.id).await.unwrap().unwrap();
            prop_assert!(made.consent == ConsentPolicy::Ask && made.resource_server_of.is_empty());
            prop_assert!(made.self_registered && made.scope.is_subset(&scope(SCOPE)));
            let read = client.get(&fixture).await.json();
            prop_assert_eq!(&without(&client.information, "client_secret"), &read);
            let again = client.put(&fixture, &client.again(&json!({}))).await;
            prop_assert_eq!(again.status, 200, "{:?}", again);
            Ok(())
        })?;
    }
}

//! Metadata: what is advertised works, and what is not advertised is refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::clients::{all, authenticated, client, secret};
use common::foreign::Trust;
use common::host::{NobodyAtHome, TestPasswords};
use common::{Agent, Fixture, ISSUER, NOW, authorization, form, machine, redemption, refreshing};
use grantor::endpoint::metadata::Paths;
use grantor::host::OwnTokenExchange;
use grantor::jose::{Algorithm, JwkSet, Sealer, SigningKey, sign_compact};
use grantor::profile::Profile;
use grantor::protocol::{ClientAuthMethod, GrantType, ResponseType};
use grantor::record::Client;
use grantor::record::assertion::KeySource;
use grantor::record::client::ClientSecret;
use grantor::record::key_ring::PublishedKeys;
use grantor::store::MemoryStore;
use serde_json::{Value, json};

async fn metadata(fixture: &Fixture) -> Value {
    fixture.get("/.well-known/oauth-authorization-server").await.json()
}

fn list(metadata: &Value, name: &str) -> Vec<String> {
    let empty = Vec::new();
    let values = metadata[name].as_array().unwrap_or(&empty);
    values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_document_is_this() {
    let methods =
        ["none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"];
    let algorithms = [
        "ES256", "ES384", "EdDSA", "Ed25519", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "HS256",
        "HS384", "HS512",
    ];
    assert_eq!(
        metadata(&Fixture::new()).await,
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://as.example/authorize",
            "token_endpoint": "https://as.example/token",
            "revocation_endpoint": "https://as.example/revoke",
            "introspection_endpoint": "https://as.example/introspect",
            "jwks_uri": "https://as.example/jwks",
            "scopes_supported": ["admin", "read", "write"],
            "response_types_supported": ["code", "none"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_methods_supported": methods[1..],
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "request_parameter_supported": true,
            "request_uri_parameter_supported": false,
            "request_object_signing_alg_values_supported": algorithms,
            "request_object_encryption_alg_values_supported": ["A128KW", "A192KW", "A256KW", "A128GCMKW", "A192GCMKW", "A256GCMKW", "dir"],
            "request_object_encryption_enc_values_supported":
                ["A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512", "A128GCM", "A192GCM", "A256GCM"],
        })
    );
}

#[tokio::test]
async fn exactly_the_advertised_grant_types_are_supported() {
    let one = |grant_type: &GrantType| {
        Fixture::with(|builder| {
            let builder = builder.grant_types([grant_type.clone()]);
            match grant_type {
                GrantType::Password => {
                    builder.profile(Profile::OidcCompat).password_verifier(Arc::new(TestPasswords::default()))
                }
                GrantType::Ciba => {
                    builder.scope(common::scope("openid read")).authentication_device(Arc::new(NobodyAtHome))
                }
                GrantType::TokenExchange => builder.token_exchange(Arc::new(OwnTokenExchange)),
                GrantType::JwtBearer => builder.assertion_trust(Arc::new(Trust::default())),
                _ => builder,
            }
        })
    };
    let asked_here = GrantType::ALL.iter().filter(|grant_type| **grant_type != GrantType::Implicit);
    let mut servers: Vec<Fixture> = asked_here.map(one).collect();
    servers.push(Fixture::new());
    for fixture in &servers {
        let advertised = list(&metadata(fixture).await, "grant_types_supported");
        let code = form([("code", "x"), ("refresh_token", "x"), ("device_code", "x"), ("auth_req_id", "x")]);
        for name in [
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "password",
            "implicit",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "urn:openid:params:grant-type:ciba",
        ] {
            let answer = fixture.token("post", &code.set("grant_type", name)).await;
            let unsupported = answer.status != 200 && answer.error().1 == "unsupported_grant_type";
            assert_eq!(!unsupported, advertised.iter().any(|own| own == name), "{name} in {advertised:?}");
        }
    }
}

#[tokio::test]
async fn exactly_the_advertised_response_types_and_modes_are_taken() {
    for fixture in
        [Fixture::new(), Fixture::with(|builder| builder.grant_types([GrantType::ClientCredentials]))]
    {
        fixture.clients.change("web", |client| client.response_types = ResponseType::ALL.to_vec());
        let metadata = metadata(&fixture).await;
        let types = list(&metadata, "response_types_supported");
        for name in ["code", "token", "id_token", "none", "code id_token", "code token", "CODE"] {
            let answer = fixture.agent().authorize(&authorization("web").set("response_type", name)).await;
            let begun = Agent::is_at(&answer, "/login");
            assert_eq!(begun, types.iter().any(|own| own == name), "{name}");
        }
        let modes = list(&metadata, "response_modes_supported");
        assert_eq!(modes.is_empty(), types.is_empty());
        assert_eq!(metadata["authorization_endpoint"].is_string(), !types.is_empty());
        assert_eq!(list(&metadata, "code_challenge_methods_supported").is_empty(), types.is_empty());
    }
    let fixture = Fixture::new();
    let modes = list(&metadata(&fixture).await, "response_modes_supported");
    for name in
        ["query", "fragment", "form_post", "jwt", "query.jwt", "web_message", "okta_post_message", "QUERY"]
    {
        let answer = fixture.agent().authorize(&authorization("web").set("response_mode", name)).await;
        assert_eq!(Agent::is_at(&answer, "/login"), modes.iter().any(|own| own == name), "{name}");
    }
}

#[tokio::test]
async fn exactly_the_advertised_challenge_methods_are_taken() {
    let fixture = Fixture::new();
    let methods = list(&metadata(&fixture).await, "code_challenge_methods_supported");
    for name in ["S256", "plain", "s256", "S512", ""] {
        let answer =
            fixture.agent().authorize(&authorization("web").set("code_challenge_method", name)).await;
        assert_eq!(Agent::is_at(&answer, "/login"), methods.iter().any(|own| own == name), "{name}");
    }
}

#[tokio::test]
async fn exactly_the_advertised_scopes_exist() {
    let fixture = Fixture::new();
    fixture.clients.change("machine", |client| client.scope = common::scope("read write admin phantom"));
    let scopes = list(&metadata(&fixture).await, "scopes_supported");
    for name in ["read", "write", "admin", "phantom", "READ"] {
        let answer = fixture.token("machine", &machine().set("scope", name)).await;
        assert_eq!(answer.status == 200, scopes.iter().any(|own| own == name), "{name}");
    }
}

#[tokio::test]
async fn exactly_the_advertised_authentication_methods_work_at_each_endpoint() {
    use ClientAuthMethod::{ClientSecretBasic, ClientSecretJwt, ClientSecretPost, PrivateKeyJwt};
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let set = JwkSet::new(vec![key.public()]).unwrap();
    let mut clients = all();
    for method in ClientAuthMethod::ALL {
        let id = method.as_str();
        let mut one = Client { grant_types: GrantType::ALL.to_vec(), ..client(id, *method, &[]) };
        one.secrets = match method {
            ClientSecretJwt => {
                vec![ClientSecret::sealed(&secret(id), &id.into(), &Sealer::new(&[7; 32])).unwrap()]
            }
            _ => vec![ClientSecret::generated(&secret(id))],
        };
        one.keys.source = KeySource::Given(Arc::new(PublishedKeys::new(set.clone())));
        clients.push(one);
    }
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| builder);
    let metadata = metadata(&fixture).await;
    for (path, name) in [
        ("/token", "token_endpoint_auth_methods_supported"),
        ("/revoke", "revocation_endpoint_auth_methods_supported"),
        ("/introspect", "introspection_endpoint_auth_methods_supported"),
    ] {
        let advertised = list(&metadata, name);
        let asserting = |request: &common::Form, assertion: &str| {
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            request.add("client_assertion_type", kind).add("client_assertion", assertion)
        };
        for method in ClientAuthMethod::ALL {
            let id = method.as_str();
            let request = refreshing("x").add("token", "x");
            let claims = json!({ "iss": id, "sub": id, "aud": ISSUER, "jti": path, "exp": NOW + 60 });
            let (authorization, request) = match method {
                ClientSecretBasic => authenticated(id, &request),
                ClientSecretPost => (None, request.add("client_id", id).add("client_secret", &secret(id))),
                ClientSecretJwt => {
                    let secret = jsonwebtoken::EncodingKey::from_secret(secret(id).as_bytes());
                    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &secret);
                    (None, asserting(&request, &token.unwrap()))
                }
                PrivateKeyJwt => {
                    let token = sign_compact(&key, "JWT", claims.to_string().as_bytes());
                    (None, asserting(&request, &token.unwrap()))
                }
                _ => (None, request.add("client_id", id)),
            };
            let answer = fixture.post(path, authorization.as_deref(), &request).await;
            let works = !matches!(answer.status, 401 | 403);
            assert_eq!(works, advertised.iter().any(|own| own == id), "{id} at {path}");
        }
        let nonsense = asserting(&refreshing("x").add("token", "x").add("client_id", "web"), "a.b.c");
        assert_eq!(fixture.post(path, None, &nonsense).await.status, 401);
        assert!(!advertised.iter().any(|own| own.contains("tls")));
    }
}

#[tokio::test]
async fn the_issuer_is_the_same_octets_in_metadata_answers_and_tokens() {
    for issuer in [
        "https://as.example",
        "https://as.example/",
        "https://as.example/t/one",
        "https://as.example:8443/t/",
    ] {
        let fixture = Fixture::at(issuer, Arc::new(MemoryStore::new()), all(), |builder| builder);
        let origin = fixture.server.settings().issuer.origin().to_owned();
        let path = fixture.server.settings().issuer.path().to_owned();
        let document = fixture.get(&format!("/.well-known/oauth-authorization-server{path}")).await.json();
        assert_eq!(document["issuer"], issuer);
        for endpoint in ["authorization", "token", "revocation", "introspection"] {
            let url = document[format!("{endpoint}_endpoint")].as_str().unwrap();
            assert!(url.starts_with(&format!("{origin}{path}/")) && !url[8..].contains("//"), "{url}");
        }
        let at = |name: &str| document[name].as_str().unwrap()[origin.len()..].to_owned();

        let mut agent = fixture.agent();
        let target = at("authorization_endpoint");
        let asked = agent.get(&format!("{target}?{}", authorization("web").encode())).await;
        let id = Agent::interaction(&asked);
        assert_eq!(asked.target(), Some(format!("{origin}{path}/login").as_str()));
        agent.login(id, "alice").await;
        let answer = agent.approve(id, &common::scope("read")).await;
        assert_eq!(answer.param("iss").as_deref(), Some(issuer));
        let (authorization, request) =
            authenticated("web", &redemption("web", &answer.param("code").unwrap()));
        let tokens = fixture.post(&at("token_endpoint"), authorization.as_deref(), &request).await.tokens();
        let (authorization, request) = authenticated("web", &form([("token", &tokens.access)]));
        let seen =
            fixture.post(&at("introspection_endpoint"), authorization.as_deref(), &request).await.json();
        assert_eq!((&seen["iss"], &seen["aud"]), (&json!(issuer), &json!(issuer)));
        assert_eq!(fixture.get(&at("jwks_uri")).await.status, 200);
        if !path.is_empty() {
            let request =
                http::Request::get("/.well-known/oauth-authorization-server").body(bytes::Bytes::new());
            assert!(fixture.http.handle(request.unwrap(), None).await.is_none());
        }
    }
}

#[tokio::test]
async fn endpoints_are_where_they_are_said_to_be() {
    let paths = Paths { token: "/oauth2/v1/token".into(), jwks: "/keys.json".into(), ..Paths::default() };
    let moved = Fixture::with(|builder| builder.paths(paths));
    let document = metadata(&moved).await;
    assert_eq!(document["token_endpoint"], "https://as.example/oauth2/v1/token");
    assert_eq!(document["jwks_uri"], "https://as.example/keys.json");
    moved.post_as("machine", "/oauth2/v1/token", &machine()).await.tokens();
    assert_eq!(moved.get("/keys.json").await.status, 200);
    let request = http::Request::post("/token").body(bytes::Bytes::new()).unwrap();
    assert!(moved.http.handle(request, None).await.is_none());
}

#[tokio::test]
async fn without_a_signer_there_is_no_key_set_to_point_to() {
    let fixture = Fixture::with(|builder| builder.signer(Arc::new(grantor::host::NoSigner)));
    assert!(metadata(&fixture).await["jwks_uri"].is_null());
    let request = machine().add("resource", common::clients::JWT_API);
    fixture.token("machine", &request).await.refused(503, "temporarily_unavailable");
    assert!(fixture.grants("machine").await.is_empty());
}

#[tokio::test]
async fn the_key_set_holds_public_members_only_and_checks_what_was_signed() {
    let fixture = Fixture::new();
    let set = fixture.get("/jwks").await.json();
    for key in set["keys"].as_array().unwrap() {
        let members: Vec<&String> = key.as_object().unwrap().keys().collect();
        assert!(
            !members
                .iter()
                .any(|name| ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].contains(&name.as_str()))
        );
        assert_eq!((&key["alg"], &key["use"]), (&json!("ES256"), &json!("sig")));
    }
    let request = machine().add("resource", common::clients::JWT_API);
    let token = fixture.token("machine", &request).await.tokens().access;
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(set).unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let key =
        jsonwebtoken::DecodingKey::from_jwk(keys.find(header.kid.as_deref().unwrap()).unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.set_audience(&[common::clients::JWT_API]);
    rules.set_issuer(&[ISSUER]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = jsonwebtoken::decode::<Value>(&token, &key, &rules).unwrap().claims;
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("machine"), &json!("machine")));
    assert!(claims["jti"].is_string() && claims["iat"].is_u64());
}

#[tokio::test]
async fn every_profile_advertises_what_it_does() {
    for profile in Profile::ALL {
        let fixture = Fixture::with(|builder| builder.profile(*profile).scope(common::scope("read write")));
        assert_eq!(metadata(&fixture).await["scopes_supported"], json!(["read", "write"]));
        fixture.tokens("web").await;
    }
}

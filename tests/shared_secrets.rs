//! What the secret of a client protects besides the client: tokens encrypted with a key derived from it, to the client and
//! from it, and requests with an HMAC (OpenID Connect Core §10.1, §10.2).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::clients::{all, basic, redirect_uri};
use common::{
    Agent, Answer, Fixture, ISSUER, NOW, VERIFIER, authorization, challenge, form, redemption, scope,
};
use grantor::client::{ClientMetadata, MetadataError};
use grantor::host::{Entropy as _, OpenRegistration};
use grantor::jose::{
    ContentEncryption, DecryptingKey, Encrypted, EncryptingKey, EncryptionSeed, JwkSet, KeyManagement,
    MacAlgorithm, Sealer, encrypt_compact,
};
use grantor::protocol::GrantType;
use grantor::record::Client;
use grantor::record::assertion::AssertionAlgorithm;
use grantor::record::client::{ClientSecret, OpenIdRegistration};
use grantor::record::encryption::ResponseEncryption;
use grantor::record::registration::Admission;
use grantor::server::Builder;
use grantor::store::MemoryStore;
use grantor::token::id_token::half_hash;
use grantor::{Profile, StaticClients, Timestamp};
use http::{Request, header};
use jsonwebtoken as judge;
use serde_json::{Value, json};
use sha2::Digest as _;

const SCOPE: &str = "openid email read write";
/// Long enough for every HMAC.
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const SHARED: [KeyManagement; 7] = [
    KeyManagement::A128Kw,
    KeyManagement::A192Kw,
    KeyManagement::A256Kw,
    KeyManagement::A128GcmKw,
    KeyManagement::A192GcmKw,
    KeyManagement::A256GcmKw,
    KeyManagement::Direct,
];

fn sealer() -> Sealer {
    Sealer::new(&[7; 32])
}

fn sealed(secret: &str) -> ClientSecret {
    ClientSecret::sealed(secret, &"web".into(), &sealer()).unwrap()
}

/// A provider whose client `web` has these secrets.
fn provider(secrets: Vec<ClientSecret>) -> Fixture {
    let mut clients = all();
    for client in &mut clients {
        client.scope = scope(SCOPE);
    }
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients, |b| b.scope(scope(SCOPE)));
    fixture.clients.change("web", |client| client.secrets = secrets);
    fixture
}

/// The key as a client makes it (OpenID Connect Core §10.2).
fn derived(secret: &str, alg: KeyManagement, enc: ContentEncryption) -> Vec<u8> {
    let len = match alg {
        KeyManagement::A128Kw | KeyManagement::A128GcmKw => 16,
        KeyManagement::A192Kw | KeyManagement::A192GcmKw => 24,
        KeyManagement::A256Kw | KeyManagement::A256GcmKw => 32,
        _ => enc.key_len(),
    };
    let hash = match len {
        48 => sha2::Sha384::digest(secret).to_vec(),
        64 => sha2::Sha512::digest(secret).to_vec(),
        _ => sha2::Sha256::digest(secret).to_vec(),
    };
    hash[..len].to_vec()
}

/// What a token holds for who knows the secret.
fn open(token: &str, secret: &str) -> Option<String> {
    let token = Encrypted::parse(token).unwrap();
    let (alg, enc) = (token.header().alg(), token.header().enc());
    let key = DecryptingKey::from_secret(alg, &derived(secret, alg, enc)).unwrap();
    let opened = token.decrypt(&key, &[enc]).ok()?;
    Some(String::from_utf8(opened.plaintext().to_vec()).unwrap())
}

fn encrypt(content: &str, secret: &str, alg: KeyManagement, enc: ContentEncryption) -> String {
    let key = EncryptingKey::from_secret(alg, &derived(secret, alg, enc)).unwrap();
    let mut random = [0; EncryptionSeed::LEN];
    grantor::host::OsEntropy.fill(&mut random).unwrap();
    let header = key.header(enc).with_cty("JWT");
    encrypt_compact(&key, &header, content.as_bytes(), EncryptionSeed::new(&random)).unwrap()
}

async fn userinfo(fixture: &Fixture, token: &str) -> Answer {
    let request = Request::get("/userinfo").header(header::AUTHORIZATION, format!("Bearer {token}"));
    fixture.send(request.body(Bytes::new()).unwrap()).await
}

async fn redeem(fixture: &Fixture, client: &str, secret: &str, code: &str) -> Answer {
    fixture.post("/token", Some(&basic(client, secret)), &redemption("web", code)).await
}

async fn code_at(fixture: &Fixture) -> String {
    let request = authorization("web").set("scope", "openid email");
    fixture.agent().walk(&request, "alice").await.param("code").unwrap()
}

/// The claims of a signed token, verified with the published keys by a library that is not ours.
async fn verified(fixture: &Fixture, token: &str) -> Value {
    let keys: judge::jwk::JwkSet = serde_json::from_value(fixture.get("/jwks").await.json()).unwrap();
    let key = keys.find(judge::decode_header(token).unwrap().kid.as_deref().unwrap()).unwrap();
    let mut rules = judge::Validation::new(judge::Algorithm::ES256);
    rules.validate_exp = false;
    rules.validate_aud = false;
    judge::decode::<Value>(token, &judge::DecodingKey::from_jwk(key).unwrap(), &rules).unwrap().claims
}

#[tokio::test]
async fn what_a_client_is_told_opens_with_a_key_derived_from_its_secret_and_with_no_other() {
    let fixture = provider(vec![sealed(SECRET)]);
    for alg in SHARED {
        for enc in ContentEncryption::ALL {
            let encryption = Some(ResponseEncryption { alg, enc });
            fixture.clients.change("web", |client| {
                client.openid = OpenIdRegistration {
                    id_token_encryption: encryption,
                    userinfo_encryption: encryption,
                    ..OpenIdRegistration::default()
                };
            });
            let tokens = redeem(&fixture, "web", SECRET, &code_at(&fixture).await).await.json();
            let token = tokens["id_token"].as_str().unwrap_or_else(|| panic!("{alg} {enc}: {tokens}"));
            let header = Encrypted::parse(token).unwrap();
            assert_eq!((header.header().alg(), header.header().enc()), (alg, enc));
            assert_eq!(verified(&fixture, &open(token, SECRET).unwrap()).await["sub"], "alice");
            assert_eq!(open(token, OTHER), None);
            let told = userinfo(&fixture, tokens["access_token"].as_str().unwrap()).await;
            let told: Value = serde_json::from_str(&open(told.text(), SECRET).unwrap()).unwrap();
            assert_eq!(told["email"], "alice@example.com", "{alg} {enc}");
        }
    }
}

#[tokio::test]
async fn without_a_secret_that_is_kept_sealed_and_alive_nothing_is_told_and_nothing_spent() {
    let fixture = provider(vec![sealed(SECRET)]);
    fixture.clients.change("web", |client| {
        let encryption = ResponseEncryption { alg: KeyManagement::A256Kw, enc: ContentEncryption::A256Gcm };
        client.openid.id_token_encryption = Some(encryption);
    });
    let code = code_at(&fixture).await;
    let elsewhere = ClientSecret::sealed(SECRET, &"two".into(), &sealer()).unwrap();
    let expired = ClientSecret { expires_at: Some(Timestamp(NOW)), ..sealed(SECRET) };
    for unusable in [vec![], vec![elsewhere], vec![expired]] {
        fixture.clients.change("web", |client| {
            client.secrets = unusable;
            client.secrets.push(ClientSecret::generated(OTHER));
        });
        redeem(&fixture, "web", OTHER, &code).await.refused(400, "invalid_client");
    }
    fixture.clients.change("web", |client| client.secrets.push(sealed(SECRET)));
    assert_eq!(redeem(&fixture, "web", OTHER, &code).await.status, 200);
}

/// A request object of `web`, with an HMAC.
fn object(secret: &str) -> String {
    let claims = json!({
        "iss": "web", "aud": ISSUER, "iat": NOW, "exp": NOW + 300, "client_id": "web", "response_type": "code",
        "redirect_uri": redirect_uri("web"), "scope": "read", "code_challenge": challenge(VERIFIER),
        "code_challenge_method": "S256",
    });
    let key = judge::EncodingKey::from_secret(secret.as_bytes());
    judge::encode(&judge::Header::new(judge::Algorithm::HS256), &claims, &key).unwrap()
}

async fn is_taken(fixture: &Fixture, object: &str) -> bool {
    let request = form([("client_id", "web"), ("redirect_uri", redirect_uri("web")), ("request", object)]);
    let answer = fixture.agent().authorize(&request).await;
    let taken = Agent::is_at(&answer, "/login");
    assert!(taken || answer.param("error").as_deref() == Some("invalid_request_object"), "{answer:?}");
    taken
}

#[tokio::test]
async fn a_request_object_may_be_encrypted_with_a_key_derived_from_the_secret_and_is_protected_all_the_same()
{
    let fixture = provider(vec![sealed(SECRET)]);
    for alg in SHARED {
        for enc in ContentEncryption::ALL {
            assert!(is_taken(&fixture, &encrypt(&object(SECRET), SECRET, alg, enc)).await, "{alg} {enc}");
            assert!(!is_taken(&fixture, &encrypt(&object(SECRET), OTHER, alg, enc)).await, "{alg} {enc}");
            assert!(!is_taken(&fixture, &encrypt(&object(OTHER), SECRET, alg, enc)).await, "{alg} {enc}");
            assert!(!is_taken(&fixture, &encrypt("{}", SECRET, alg, enc)).await, "{alg} {enc}");
        }
    }
    let digest = provider(vec![ClientSecret::generated(SECRET)]);
    let closed = encrypt(&object(SECRET), SECRET, KeyManagement::A256Kw, ContentEncryption::A256Gcm);
    assert!(is_taken(&fixture, &closed).await && !is_taken(&digest, &closed).await);
    assert!(!is_taken(&provider(vec![]), &closed).await);
}

/// The claims of a token with an HMAC, checked by a library that is not ours.
fn authenticated(token: &str, secret: &str, alg: judge::Algorithm) -> Option<Value> {
    let mut rules = judge::Validation::new(alg);
    rules.validate_exp = false;
    rules.set_audience(&["web"]);
    rules.set_issuer(&[ISSUER]);
    let key = judge::DecodingKey::from_secret(secret.as_bytes());
    judge::decode::<Value>(token, &key, &rules).ok().map(|token| token.claims)
}

#[tokio::test]
async fn an_id_token_may_have_an_hmac_where_the_profile_says_so_and_is_a_hint_for_its_client_alone() {
    let fixture = |profile| {
        let mut clients = all();
        for client in &mut clients {
            client.scope = scope(SCOPE);
            client.secrets = vec![ClientSecret::sealed(SECRET, &client.id, &sealer()).unwrap()];
        }
        let configure = |builder: Builder| builder.scope(scope(SCOPE)).profile(profile);
        Fixture::over(Arc::new(MemoryStore::new()), clients, configure)
    };
    let compat = fixture(Profile::OidcCompat);
    for (alg, judged) in [
        (MacAlgorithm::Hs256, judge::Algorithm::HS256),
        (MacAlgorithm::Hs384, judge::Algorithm::HS384),
        (MacAlgorithm::Hs512, judge::Algorithm::HS512),
    ] {
        let openid = |client: &mut Client| client.openid.id_token_alg = Some(AssertionAlgorithm::Mac(alg));
        compat.clients.change("web", openid);
        let mut agent = compat.agent();
        let request = authorization("web").set("scope", "openid email");
        let code = agent.walk(&request, "alice").await.param("code").unwrap();
        let tokens = redeem(&compat, "web", SECRET, &code).await.json();
        let token = tokens["id_token"].as_str().unwrap();
        let claims = authenticated(token, SECRET, judged).unwrap();
        let hash = half_hash(AssertionAlgorithm::Mac(alg), tokens["access_token"].as_str().unwrap());
        assert_eq!((&claims["sub"], &claims["at_hash"]), (&json!("alice"), &json!(hash)));
        assert_eq!(authenticated(token, OTHER, judged), None);

        let silent = |client| {
            authorization(client)
                .set("scope", "openid email")
                .add("prompt", "none")
                .add("id_token_hint", token)
        };
        assert!(agent.authorize(&silent("web")).await.param("code").is_some(), "{alg:?}");
        let elsewhere = agent.authorize(&silent("two")).await;
        assert_eq!(elsewhere.param("error").as_deref(), Some("invalid_request"));
        let (before, mac) = token.rsplit_once('.').unwrap();
        let other = if mac.starts_with('A') { "B" } else { "A" };
        let forged = silent("web").set("id_token_hint", &format!("{before}.{other}{}", &mac[1..]));
        assert!(agent.authorize(&forged).await.param("code").is_none());
        let nameless = agent.get(&format!("/logout?id_token_hint={token}")).await;
        assert_eq!(nameless.status, 400, "nothing says whose secret to check it with");
        let out = agent.get(&format!("/logout?id_token_hint={token}&client_id=web")).await;
        assert!(out.text().contains("You are signed out"), "{out:?}");
        let own = json!({ "id_token_signed_response_alg": alg.as_str() });
        let registered = register(&open_to_all(Profile::OidcCompat), &own).await;
        assert_eq!(
            (registered.status, registered.json()["id_token_signed_response_alg"].clone()),
            (201, json!(alg.as_str()))
        );
        register(&open_to_all(Profile::Strict), &own).await.refused(400, "invalid_client_metadata");
        // Where the profile has none, nobody gets another signature than the one they rely on.
        let strict = fixture(Profile::Strict);
        strict.clients.change("web", openid);
        let answer = redeem(&strict, "web", SECRET, &code_at(&strict).await).await;
        answer.refused(503, "temporarily_unavailable");
    }
}

#[tokio::test]
async fn of_two_secrets_each_opens_and_the_newest_closes() {
    let until = |secret: &str| ClientSecret { expires_at: Some(Timestamp(NOW + 100)), ..sealed(secret) };
    let encryption = ResponseEncryption { alg: KeyManagement::Direct, enc: ContentEncryption::A256CbcHs512 };
    for secrets in [vec![until(OTHER), sealed(SECRET)], vec![sealed(SECRET), until(OTHER)]] {
        let fixture = provider(secrets);
        fixture.clients.change("web", |client| client.openid.id_token_encryption = Some(encryption));
        let closed =
            |secret| encrypt(&object(secret), secret, KeyManagement::A128Kw, ContentEncryption::A128CbcHs256);
        assert!(is_taken(&fixture, &closed(SECRET)).await && is_taken(&fixture, &closed(OTHER)).await);
        let tokens = redeem(&fixture, "web", OTHER, &code_at(&fixture).await).await.json();
        assert!(open(tokens["id_token"].as_str().unwrap(), SECRET).is_some());
        fixture.clock.forward(100);
        assert!(is_taken(&fixture, &closed(SECRET)).await && !is_taken(&fixture, &closed(OTHER)).await);
    }
    let fixture = provider(vec![sealed(OTHER), sealed(SECRET)]);
    fixture.clients.change("web", |client| client.openid.id_token_encryption = Some(encryption));
    let tokens = redeem(&fixture, "web", OTHER, &code_at(&fixture).await).await.json();
    assert!(open(tokens["id_token"].as_str().unwrap(), SECRET).is_some(), "the last of equals");
}

/// A server at which everybody may register.
fn open_to_all(profile: Profile) -> Fixture {
    let terms = Admission { grant_types: GrantType::ALL.to_vec(), ..Admission::default() };
    Fixture::over(Arc::new(MemoryStore::new()), all(), |builder| {
        builder.profile(profile).scope(scope(SCOPE)).registration(Arc::new(OpenRegistration { terms }))
    })
}

async fn register(fixture: &Fixture, members: &Value) -> Answer {
    let mut metadata = json!({ "redirect_uris": [redirect_uri("web")] });
    metadata.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let request = Request::post("/register").header(header::CONTENT_TYPE, "application/json");
    fixture.send(request.body(Bytes::from(metadata.to_string())).unwrap()).await
}

const NEEDING: [(&str, &str); 5] = [
    ("id_token_encrypted_response_alg", "A256KW"),
    ("userinfo_encrypted_response_alg", "dir"),
    ("request_object_encryption_alg", "A128KW"),
    ("request_object_signing_alg", "HS256"),
    ("request_object_signing_alg", "HS512"),
];

#[tokio::test]
async fn who_registers_itself_for_a_shared_key_has_its_secret_kept_so_that_it_works() {
    let fixture = open_to_all(Profile::Strict);
    for (member, value) in NEEDING {
        let information = register(&fixture, &json!({ member: value })).await.json();
        let (id, secret) = (&information["client_id"], information["client_secret"].as_str().unwrap());
        let id = id.as_str().unwrap();
        assert_eq!(information[member], value);
        let request = authorization("web").set("client_id", id).set("scope", "openid email");
        let answer = fixture.agent().walk(&request, "alice").await;
        let code = answer.param("code").unwrap_or_else(|| panic!("{member} {value}: {answer:?}"));
        redeem(&fixture, id, OTHER, &code).await.refused(401, "invalid_client");
        let tokens = redeem(&fixture, id, secret, &code).await.json();
        let told = userinfo(&fixture, tokens["access_token"].as_str().unwrap()).await;
        match member {
            "id_token_encrypted_response_alg" => {
                let token = open(tokens["id_token"].as_str().unwrap(), secret).unwrap();
                assert_eq!(verified(&fixture, &token).await["sub"], "alice");
            }
            "userinfo_encrypted_response_alg" => {
                assert!(open(told.text(), secret).unwrap().contains("alice"))
            }
            _ => assert_eq!(told.json()["sub"], "alice"),
        }
    }
    // A client that authenticates with its own keys gets a secret for this, and with it alone it is nobody.
    let key = grantor::jose::SigningKey::generate(grantor::jose::Algorithm::Es256).unwrap();
    let keys = json!({
        "jwks": JwkSet::new(vec![key.public()]).unwrap(), "token_endpoint_auth_method": "private_key_jwt",
        "id_token_encrypted_response_alg": "A256KW",
    });
    let information = register(&fixture, &keys).await.json();
    let (id, secret) = (information["client_id"].as_str().unwrap(), information["client_secret"].as_str());
    redeem(&fixture, id, secret.unwrap(), "c").await.refused(401, "invalid_client");
}

#[tokio::test]
async fn what_cannot_work_with_a_shared_key_is_not_registered() {
    let fixture = open_to_all(Profile::Strict);
    for (member, value) in NEEDING {
        let public = json!({ "token_endpoint_auth_method": "none", member: value });
        register(&fixture, &public).await.refused(400, "invalid_client_metadata");
    }
    let read = |members: &Value, secret: &str| {
        let mut client = json!({ "client_id": "a", "redirect_uris": ["https://a.example/cb"] });
        client["client_secret"] = secret.into();
        client.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let json = json!([client]).to_string();
        let (unsealed, sealed) = (
            StaticClients::from_json(json.as_bytes()),
            StaticClients::from_json_sealed_by(json.as_bytes(), &sealer()),
        );
        assert!(
            matches!(unsealed, Err(MetadataError::Contradiction(_))),
            "nothing to seal it with: {members}"
        );
        match sealed {
            Ok(clients) => clients.iter().all(|client| client.secrets.iter().all(ClientSecret::is_sealed)),
            Err(MetadataError::Contradiction(_)) => false,
            Err(error) => panic!("{error}"),
        }
    };
    for (member, value) in NEEDING {
        let members = json!({ member: value });
        assert!(read(&members, SECRET), "{member} {value}");
        assert!(!read(&members, &SECRET[..31]), "{member} {value}");
        assert_eq!(read(&members, &SECRET[..32]), value != "HS512", "{member} {value}");
    }
    let metadata = ClientMetadata::list_from_json(br#"[{"client_id":"a","client_secret":"s"}]"#).unwrap();
    assert!(!metadata[0].needs_secret_sealed(), "where a digest is enough nothing else is kept");
}

#[tokio::test]
async fn every_shared_key_that_is_advertised_can_be_registered_and_no_other() {
    let fixture = open_to_all(Profile::Strict);
    let document = fixture.get("/.well-known/openid-configuration").await.json();
    for (advertised, member) in [
        ("id_token_encryption_alg_values_supported", "id_token_encrypted_response_alg"),
        ("userinfo_encryption_alg_values_supported", "userinfo_encrypted_response_alg"),
        ("request_object_encryption_alg_values_supported", "request_object_encryption_alg"),
    ] {
        let list = document[advertised].as_array().unwrap();
        for name in ["A128KW", "A192KW", "A256KW", "A128GCMKW", "A512GCMKW", "dir", "PBES2-HS256+A128KW"] {
            let answer = register(&fixture, &json!({ member: name })).await;
            assert_eq!(answer.status == 201, list.contains(&json!(name)), "{member} {name}");
        }
        for name in SHARED.map(KeyManagement::as_str) {
            assert!(list.contains(&json!(name)), "{advertised} {name}");
        }
    }
}

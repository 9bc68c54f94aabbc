//! Secrets that are kept sealed because their HMACs have to be checked.

use grantor::Reason;
use grantor::client::MetadataError;
use grantor::host::StaticClients;
use grantor::jose::JoseError;
use grantor::protocol::Timestamp;
use jsonwebtoken::Algorithm::{HS256, HS384, HS512};

use super::*;

#[tokio::test]
async fn two_secrets_may_be_active_and_each_expires_at_its_own_second() {
    let fixture = fixture();
    let other = SECRET.replace('0', "x");
    fixture.clients.change("hmac", |client| {
        let until =
            |at, secret: &str| ClientSecret { expires_at: Some(Timestamp(at)), ..sealed("hmac", secret) };
        client.secrets = vec![until(NOW + 100, SECRET), until(NOW + 200, &other)];
    });
    for (now, old, new) in [(99, 200, 200), (100, 401, 200), (199, 401, 200), (200, 401, 401)] {
        fixture.clock.set(NOW + now);
        for (secret, status) in [(SECRET, old), (&other, new)] {
            let claims = set(claims("hmac"), "exp", json!(NOW + now + 60));
            let answer = present(&fixture, &hmac(HS256, secret.as_bytes(), &claims)).await;
            assert_eq!(answer.status, status, "at {now}");
            if status == 401 {
                assert_eq!(reason(&fixture), Reason::ClientSecretExpired);
            }
        }
    }
}

#[tokio::test]
async fn a_secret_is_at_least_as_long_as_the_digest_of_its_hmac() {
    let fixture = fixture();
    for (length, alg, status) in
        [(32, HS256, 200), (47, HS384, 401), (48, HS384, 200), (63, HS512, 401), (64, HS512, 200)]
    {
        let secret = "s".repeat(length);
        fixture.clients.change("hmac", |client| client.secrets = vec![sealed("hmac", &secret)]);
        let answer = present(&fixture, &hmac(alg, secret.as_bytes(), &claims("hmac"))).await;
        assert_eq!(answer.status, status, "{alg:?} with {length} bytes");
    }
    let short = ClientSecret::sealed(&"s".repeat(31), &"hmac".into(), &Sealer::new(&[7; 32]));
    assert_eq!(short.unwrap_err(), JoseError::KeyStrength);
}

#[tokio::test]
async fn a_sealed_secret_opens_for_its_own_client_and_server_alone() {
    let fixture = fixture();
    let foreign = ClientSecret::sealed(SECRET, &"hmac".into(), &Sealer::new(&[8; 32])).unwrap();
    for secret in [sealed("other", SECRET), foreign, ClientSecret::generated(SECRET)] {
        fixture.clients.change("hmac", |client| client.secrets = vec![secret]);
        present(&fixture, &good("hmac")).await.refused(401, "invalid_client");
        assert_eq!(reason(&fixture), Reason::ClientSecretWrong);
    }
}

#[test]
fn neither_the_sealed_secret_nor_the_secret_is_shown() {
    let secret = sealed("hmac", SECRET);
    let shown = format!("{secret:?}");
    assert!(shown.contains("sealed") && !shown.contains(SECRET) && !shown.contains('['), "{shown}");
}

const METADATA: &str = r#"[{"client_id":"a","token_endpoint_auth_method":"client_secret_jwt",
    "client_secret":"0123456789abcdef0123456789abcdef","grant_types":["client_credentials"]ALG}]"#;

#[tokio::test]
async fn a_client_from_metadata_authenticates_with_its_hmac() {
    let sealer = Sealer::new(&[7; 32]);
    let json = METADATA.replace("ALG", "");
    let list = StaticClients::from_json_sealed_by(json.as_bytes(), &sealer).unwrap();
    let clients = list.iter().map(|client| client.as_ref().clone()).collect();
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| builder);
    let secret = b"0123456789abcdef0123456789abcdef";
    assert_eq!(present(&fixture, &hmac(HS256, secret, &claims("a"))).await.status, 200);
    present(&fixture, &hmac(HS384, secret, &claims("a"))).await.refused(401, "invalid_client");

    let refused = |json: &str, sealed: bool| {
        let read = match sealed {
            true => StaticClients::from_json_sealed_by(json.as_bytes(), &sealer),
            false => StaticClients::from_json(json.as_bytes()),
        };
        matches!(read, Err(MetadataError::Contradiction(_)))
    };
    assert!(refused(&json, false), "nothing to seal it with");
    let with_alg =
        |alg: &str| METADATA.replace("ALG", &format!(r#","token_endpoint_auth_signing_alg":"{alg}""#));
    assert!(!refused(&with_alg("HS256"), true));
    assert!(refused(&with_alg("HS384"), true), "too short for it");
    assert!(refused(&with_alg("ES256"), true), "not an HMAC");
    assert!(refused(&json.replace("0123456789abcdef\"", "0123456789abcde\""), true), "31 bytes");
}

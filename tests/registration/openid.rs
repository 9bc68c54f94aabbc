//! What a client registers about subjects, encryption and request objects.

use std::sync::Mutex;

use async_trait::async_trait;
use grantor::host::{Fetch, FetchError, FetchRequest, FetchResponse};
use grantor::record::client::Sector;
use grantor::server::Builder;

use super::*;

const KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

/// The document of a sector, wherever it is asked for.
struct Document(Mutex<Result<(u16, String), FetchError>>);

impl Document {
    fn listing(uris: &[&str]) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Ok((200, json!(uris).to_string())))))
    }
}

#[async_trait]
impl Fetch for Document {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        assert_eq!(request.url.as_str(), "https://sector.example/list");
        let (status, body) = self.0.lock().unwrap().clone()?;
        let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        Ok(FetchResponse { status, headers, body: body.into_bytes() })
    }
}

fn pairwise(configure: impl FnOnce(Builder) -> Builder) -> Fixture {
    on(Arc::new(MemoryStore::new()), anybody(), |builder| configure(builder.pairwise_subjects(&[9; 32])))
}

fn in_sector() -> Value {
    web(&json!({ "subject_type": "pairwise", "sector_identifier_uri": "https://sector.example/list" }))
}

async fn sector(fixture: &Fixture, client: &Registered) -> Option<Sector> {
    fixture.server.client(&client.id).await.unwrap().unwrap().openid.sector.clone()
}

#[tokio::test]
async fn a_client_is_of_a_sector_that_lists_it_and_of_no_other() {
    let document = Document::listing(&[CALLBACK, "https://other.example/cb"]);
    let fetch = document.clone();
    let fixture = pairwise(|builder| builder.fetch(fetch));
    let client = Registered::new(&fixture, &in_sector()).await;
    assert_eq!(sector(&fixture, &client).await, Some(Sector::new("sector.example")));
    assert_eq!(client.information["sector_identifier_uri"], "https://sector.example/list");
    // A change keeps the rule, too.
    let changed = with(&in_sector(), &json!({ "redirect_uris": [CALLBACK, "https://evil.example/cb"] }));
    let mut changed = changed;
    changed["client_id"] = client.id.as_str().into();
    client.put(&fixture, &changed).await.refused(400, "invalid_client_metadata");
    for answer in [
        Ok((200, json!(["https://other.example/cb"]).to_string())),
        Ok((200, "{}".to_owned())),
        Ok((404, json!([CALLBACK]).to_string())),
        Err(FetchError::Timeout),
    ] {
        *document.0.lock().unwrap() = answer;
        register(&fixture, &in_sector()).await.refused(400, "invalid_client_metadata");
    }
    let unreachable = pairwise(|builder| builder);
    register(&unreachable, &in_sector()).await.refused(400, "invalid_client_metadata");
}

#[tokio::test]
async fn who_registers_as_pairwise_needs_a_sector_and_a_server_that_has_them() {
    let fixture = pairwise(|builder| builder);
    let own = Registered::new(&fixture, &web(&json!({ "subject_type": "pairwise" }))).await;
    assert_eq!(sector(&fixture, &own).await, Some(Sector::new("client.example")));
    let public = Registered::new(&fixture, &web(&json!({ "subject_type": "public" }))).await;
    assert_eq!(sector(&fixture, &public).await, None);
    let hosts =
        json!({ "subject_type": "pairwise", "redirect_uris": [CALLBACK, "https://other.example/cb"] });
    register(&fixture, &web(&hosts)).await.refused(400, "invalid_client_metadata");
    register(&open(), &web(&json!({ "subject_type": "pairwise" })))
        .await
        .refused(400, "invalid_client_metadata");
}

#[tokio::test]
async fn what_is_registered_about_encryption_and_requests_is_offered_and_answered_as_it_was_sent() {
    let fixture = open();
    let keys = json!({ "jwks": { "keys": [serde_json::from_str::<Value>(KEY).unwrap()] } });
    let metadata = with(
        &web(&keys),
        &json!({
            "id_token_encrypted_response_alg": "ECDH-ES", "id_token_encrypted_response_enc": "A256GCM",
            "userinfo_encrypted_response_alg": "ECDH-ES+A128KW", "request_object_signing_alg": "ES256",
            "require_signed_request_object": true,
        }),
    );
    let client = Registered::new(&fixture, &metadata).await;
    for (member, value) in metadata.as_object().unwrap() {
        if member != "jwks" {
            assert_eq!(&client.information[member], value, "{member}");
        }
    }
    for wrong in [
        json!({ "request_object_signing_alg": "none" }),
        json!({ "request_object_encryption_alg": "ECDH-ES" }),
        json!({ "id_token_encrypted_response_alg": "RSA-OAEP" }),
        json!({ "request_uris": ["http://client.example/request"] }),
    ] {
        register(&fixture, &with(&web(&keys), &wrong)).await.refused(400, "invalid_client_metadata");
    }
}

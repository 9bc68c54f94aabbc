//! What a client does with its registration.

use grantor::endpoint::registration::UPDATE_RETRY_SECONDS;
use grantor::host::Limits;
use grantor::protocol::Timestamp;
use grantor::record::{Batch, BatchId, EventKind, Id, Put, Record};

use super::*;
use crate::common::NOW;

#[tokio::test]
async fn a_client_reads_its_registration_without_its_secret() {
    let fixture = open();
    let client =
        Registered::new(&fixture, &web(&json!({ "initiate_login_uri": "https://client.example/login" })))
            .await;
    let read = client.get(&fixture).await;
    assert_eq!((read.status, read.header("cache-control")), (200, Some("no-store")));
    assert_eq!(read.json(), without(&client.information, "client_secret"));
    assert_eq!(read.json()["initiate_login_uri"], "https://client.example/login");
}

#[tokio::test]
async fn only_the_present_token_of_the_very_client_opens_a_registration() {
    let fixture = open();
    let client = Registered::new(&fixture, &web(&json!({}))).await;
    let other = Registered::new(&fixture, &web(&json!({}))).await;
    let body = client.again(&json!({})).to_string();
    for token in ["x", other.token.as_str(), client.secret.as_deref().unwrap()] {
        for method in ["GET", "PUT", "DELETE"] {
            token_refused(&send(&fixture, method, &client.uri, Some(token), body.as_bytes()).await);
        }
    }
    for target in ["/register", "/register?client_id=nobody", "/register?client_id=web"] {
        token_refused(&send(&fixture, "GET", target, Some(&client.token), b"").await);
    }
    let bare = send(&fixture, "GET", &client.uri, None, b"").await;
    assert_eq!((bare.status, bare.header("www-authenticate")), (401, Some("Bearer")));
    let in_query = format!("{}&access_token={}", client.uri, client.token);
    assert_eq!(send(&fixture, "GET", &in_query, None, b"").await.status, 401);
    assert_eq!(client.get(&fixture).await.status, 200);
}

#[tokio::test]
async fn a_client_that_was_switched_off_cannot_touch_its_registration() {
    let fixture = open();
    let client = Registered::new(&fixture, &web(&json!({}))).await;
    fixture.server.disable_client(&client.id.as_str().into()).await.unwrap();
    token_refused(&client.get(&fixture).await);
    token_refused(&client.put(&fixture, &client.again(&json!({}))).await);
    token_refused(&client.delete(&fixture).await);
    assert!(!client.is_known(&fixture).await);
    fixture.server.enable_client(&client.id.as_str().into()).await.unwrap();
    assert_eq!(client.get(&fixture).await.status, 200);
}

#[tokio::test]
async fn an_update_replaces_everything_and_the_token() {
    let fixture = open();
    let metadata = json!({ "client_name": "Old", "client_name#de": "Alt", "logo_uri": "https://client.example/l",
        "scope": "read", "software_id": "1" });
    let client = Registered::new(&fixture, &web(&metadata)).await;
    fixture.clock.forward(100);
    let body = json!({ "client_id": client.id, "client_name": "New", "redirect_uris": ["https://client.example/new"] });
    let answer = client.put(&fixture, &body).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    let told = answer.json();
    for gone in ["client_name#de", "logo_uri", "software_id"] {
        assert_eq!(told.get(gone), None, "{gone}");
    }
    assert_eq!((&told["client_name"], &told["scope"]), (&json!("New"), &json!(scope(SCOPE).as_str())));
    assert_eq!((&told["client_id"], &told["client_id_issued_at"]), (&json!(client.id), &json!(NOW)));
    assert_eq!(told["registration_client_uri"], json!(client.uri));
    assert_eq!(told.get("client_secret"), None);

    let renewed = Registered { secret: client.secret.clone(), ..Registered::read(told) };
    assert_ne!(renewed.token, client.token);
    token_refused(&client.get(&fixture).await);
    assert_eq!(renewed.get(&fixture).await.json()["client_name"], "New");
    assert!(!renewed.is_known(&fixture).await, "the old redirect URI is gone");
    let kept = renewed.token(&fixture, &common::machine()).await;
    kept.refused(400, "unauthorized_client");
    assert_eq!(fixture.count(EventKind::ClientUpdated), 1);
}

/// Else it would be locked out for ever: the answer tells it its new token, and perhaps a secret.
#[tokio::test]
async fn a_client_that_lost_the_answer_to_its_update_asks_again_and_gets_the_same_answer() {
    for method in ["none", "client_secret_basic", "client_secret_jwt"] {
        let fixture = open();
        let client = Registered::new(&fixture, &web(&json!({ "token_endpoint_auth_method": "none" }))).await;
        let update = client.again(&json!({ "client_name": "New", "token_endpoint_auth_method": method }));
        let lost = client.put(&fixture, &update).await;
        for seconds in [0, UPDATE_RETRY_SECONDS - 1] {
            fixture.clock.forward(seconds);
            let again = client.put(&fixture, &update).await;
            assert_eq!((again.status, &again.body), (200, &lost.body), "{method}");
        }
        assert_eq!(fixture.count(EventKind::ClientUpdated), 1);
        let updated = Registered::read(lost.json());
        assert_eq!(updated.secret.is_some(), method != "none");
        assert_eq!(updated.get(&fixture).await.status, 200);

        fixture.clock.forward(1);
        token_refused(&client.put(&fixture, &update).await);
        assert_eq!(updated.get(&fixture).await.json()["client_name"], "New");
    }
}

#[tokio::test]
async fn a_token_that_was_replaced_is_good_for_nothing_but_the_same_update() {
    let fixture = open();
    let client = Registered::new(&fixture, &web(&json!({}))).await;
    let update = client.again(&json!({ "client_name": "New" }));
    let updated = Registered::read(client.put(&fixture, &update).await.json());
    assert_eq!(updated.information["client_secret"], json!(client.secret), "it was presented");
    for other in [with(&update, &json!({ "client_name": "Newer" })), without(&update, "client_secret")] {
        token_refused(&client.put(&fixture, &other).await);
    }
    token_refused(&client.get(&fixture).await);
    token_refused(&client.delete(&fixture).await);
    for _ in 0..Limits::default().registration_updates {
        token_refused(&client.put(&fixture, &json!({ "client_id": client.id })).await);
    }

    let next = Registered::read(updated.put(&fixture, &update).await.json());
    token_refused(&client.put(&fixture, &update).await);
    assert_ne!(next.token, updated.token);
    assert_eq!(next.get(&fixture).await.status, 200);

    fixture.server.disable_client(&client.id.as_str().into()).await.unwrap();
    token_refused(&updated.put(&fixture, &update).await);
}

#[tokio::test]
async fn an_update_names_its_client_and_its_secret_rightly_and_nothing_that_is_the_servers() {
    let fixture = open();
    let client = Registered::new(&fixture, &web(&json!({}))).await;
    for members in [
        json!({ "registration_access_token": client.token }),
        json!({ "registration_client_uri": client.uri }),
        json!({ "client_secret_expires_at": 0 }),
        json!({ "client_id_issued_at": NOW }),
        json!({ "client_id": "web" }),
        json!({ "client_id": null }),
        json!({ "client_secret": "chosen-by-the-client-chosen-by-the-client" }),
        json!({ "client_secret": 7 }),
    ] {
        let answer = client.put(&fixture, &with(&client.again(&json!({})), &members)).await;
        assert_eq!(answer.error(), (400, "invalid_client_metadata".to_owned()), "{members}");
    }
    let unnamed = without(&client.again(&json!({})), "client_id");
    client.put(&fixture, &unnamed).await.refused(400, "invalid_client_metadata");
    send(&fixture, "PUT", &client.uri, Some(&client.token), b"[]")
        .await
        .refused(400, "invalid_client_metadata");
    let right = client.put(&fixture, &client.again(&json!({}))).await;
    assert_eq!(right.json()["client_secret"], json!(client.secret));
    token_refused(&client.get(&fixture).await);
}

/// What a client may not register at first it may not register later either.
#[tokio::test]
async fn an_update_keeps_every_rule_of_a_registration() {
    let fixture = open();
    let client = Registered::new(&fixture, &web(&json!({ "token_endpoint_auth_method": "none" }))).await;
    for (members, code) in [
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [] }), "invalid_client_metadata"),
        (json!({ "grant_types": ["client_credentials"], "response_types": [] }), "invalid_client_metadata"),
        (json!({ "logo_uri": "javascript:alert(1)" }), "invalid_client_metadata"),
        (json!({ "initiate_login_uri": "http://client.example/" }), "invalid_client_metadata"),
        (json!({ "token_endpoint_auth_method": "private_key_jwt" }), "invalid_client_metadata"),
    ] {
        let answer = client.put(&fixture, &client.again(&members)).await;
        assert_eq!(answer.error(), (400, code.to_owned()), "{members}");
    }
    let greedy =
        json!({ "first_party": true, "resource_server_of": ["https://api.example/"], "scope": "read admin" });
    let answer = client.put(&fixture, &client.again(&greedy)).await.json();
    assert_eq!((answer.get("first_party"), &answer["scope"]), (None, &json!("read")));
    let made = fixture.server.client(&client.id).await.unwrap().unwrap();
    assert!(made.resource_server_of.is_empty() && made.self_registered);
    assert_eq!(made.consent, grantor::record::client::ConsentPolicy::Ask);
}

#[tokio::test]
async fn a_client_gets_a_secret_when_it_first_needs_one_and_loses_it_with_the_need() {
    let fixture = open();
    let machine = json!({ "grant_types": ["client_credentials", "authorization_code"] });
    let client = Registered::new(&fixture, &web(&json!({ "token_endpoint_auth_method": "none" }))).await;
    assert_eq!(client.secret, None);
    let basic = with(&machine, &json!({ "token_endpoint_auth_method": "client_secret_basic" }));
    let client = Registered::read(client.put(&fixture, &client.again(&basic)).await.json());
    client.token(&fixture, &common::machine()).await.tokens();
    let first = client.secret.clone().unwrap();

    let hmac = json!({ "token_endpoint_auth_method": "client_secret_jwt" });
    let client = Registered::read(client.put(&fixture, &client.again(&hmac)).await.json());
    assert_ne!(client.secret.as_ref(), Some(&first), "what is kept of it would not do");
    let kept = client.put(&fixture, &client.again(&json!({}))).await.json();
    assert_eq!(kept["client_secret"], json!(client.secret), "a sealed secret is recognised too");

    let client = Registered::read(kept);
    let public = json!({ "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"] });
    let told = client.put(&fixture, &client.again(&public)).await.json();
    assert_eq!((told.get("client_secret"), told.get("client_secret_expires_at")), (None, None));
    let old = common::clients::basic(&client.id, &first);
    fixture.post("/token", Some(&old), &common::machine()).await.refused(401, "invalid_client");
}

#[tokio::test]
async fn whoever_deregisters_is_gone_with_everything_it_had() {
    let fixture = open();
    let both = json!({ "grant_types": ["authorization_code", "refresh_token", "client_credentials"] });
    let client = Registered::new(&fixture, &web(&both)).await;
    let redemption = client.redemption(&fixture).await;
    let tokens = client.token(&fixture, &redemption).await.tokens();
    let own = client.token(&fixture, &common::machine()).await.tokens();
    let waiting = client.redemption(&fixture).await;
    assert!(fixture.is_live(&tokens.access).await && fixture.is_live(&own.access).await);

    let answer = client.delete(&fixture).await;
    assert_eq!(
        (answer.status, answer.body.len(), answer.header("cache-control")),
        (204, 0, Some("no-store"))
    );
    assert!(!fixture.is_live(&tokens.access).await && !fixture.is_live(&own.access).await);
    for form in [waiting, common::refreshing(&tokens.refresh), common::machine()] {
        client.token(&fixture, &form).await.refused(401, "invalid_client");
    }
    assert!(!client.is_known(&fixture).await);
    token_refused(&client.get(&fixture).await);
    token_refused(&client.delete(&fixture).await);
    assert_eq!(fixture.count(EventKind::ClientDeregistered), 1);
}

/// Nothing is kept for ever for a client that nobody will ever ask for again.
#[tokio::test]
async fn whoever_has_deregistered_is_forgotten_when_nothing_it_had_could_be_used() {
    let fixture = open();
    let client = Registered::new(&fixture, &web(&json!({}))).await;
    assert_eq!(client.delete(&fixture).await.status, 204);
    let state = fixture.server.settings().namespace.client_state(&client.id.as_str().into());
    let lifetimes = fixture.server.settings().lifetimes;
    let longest = lifetimes.refresh_token.max(lifetimes.opaque_access_token).as_secs();
    fixture.clock.forward(longest);
    fixture.server.purge(100).await.unwrap();
    assert!(fixture.store.load(&[state]).await.unwrap().remove(0).is_some());
    fixture.clock.forward(24 * 3600);
    fixture.server.purge(100).await.unwrap();
    assert!(fixture.store.load(&[state]).await.unwrap().remove(0).is_none());
}

/// The rules may be stricter than they were when it registered. Whoever shares a session with it is not to suffer for that.
#[tokio::test]
async fn a_registration_that_no_longer_keeps_the_rules_is_that_of_no_client() {
    let fixture = open();
    let client = Registered::new(&fixture, &web(&json!({}))).await;
    let redemption = client.redemption(&fixture).await;
    let mut agent = fixture.agent();
    agent.walk(&client.authorization().set("scope", "openid read"), "alice").await;

    let key = fixture.server.settings().namespace.client(&client.id.as_str().into());
    let found = fixture.store.load(&[key]).await.unwrap().remove(0).unwrap();
    let Record::Client(mut record) = found.record.as_ref().clone() else { panic!("{found:?}") };
    record.metadata.insert("redirect_uris".to_owned(), json!(["javascript:alert(1)"]));
    let mut batch = Batch::new(BatchId(Id([7; 16])));
    let record = Record::Client(record).into();
    batch.put.push(Put { key, record, terms: Vec::new(), retain_until: Timestamp(u64::MAX) });
    fixture.store.commit(&batch).await.unwrap();

    assert!(fixture.server.client(&client.id).await.unwrap().is_none());
    client.token(&fixture, &redemption).await.refused(401, "invalid_client");
    let page = agent.get("/logout").await;
    assert_eq!(page.status, 200, "{page:?}");
    let done = agent.post("/logout", &page.hidden_fields()).await;
    assert_eq!(done.status, 200, "{done:?}");
    assert!(fixture.server.signed_in(&agent.browser()).await.unwrap().is_none());
}

#[tokio::test]
async fn nothing_that_could_be_used_is_kept() {
    let fixture = open();
    for method in ["client_secret_basic", "client_secret_jwt"] {
        let client = Registered::new(&fixture, &web(&json!({ "token_endpoint_auth_method": method }))).await;
        let key = fixture.server.settings().namespace.client(&client.id.as_str().into());
        let record = fixture.store.load(&[key]).await.unwrap().remove(0).unwrap().record;
        let kept = String::from_utf8(grantor::record::codec::encode(&record).unwrap()).unwrap();
        for secret in [client.secret.unwrap(), client.token[27..60].to_owned()] {
            assert!(!kept.contains(&secret) && !format!("{record:?}").contains(&secret));
        }
    }
}

//! How long a login and its grants last, and what the server says of itself.

use super::*;

#[tokio::test]
async fn who_signs_in_again_keeps_what_clients_hold_and_loses_the_old_cookie() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let tokens = agent.tokens("web", &asking("web", "openid read")).await;
    let before = agent.clone();
    agent.authorize(&asking("two", "openid").add("prompt", "login")).await;
    agent.sign_in("alice").await;
    assert!(fixture.is_live(tokens["access_token"].as_str().unwrap()).await);
    assert_eq!(fixture.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.status, 200);
    assert!(fixture.server.signed_in(&agent.browser()).await.unwrap().is_some());
    assert!(fixture.server.signed_in(&before.browser()).await.unwrap().is_none());
    agent.sign_in("bob").await;
    fixture.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_grant_ends_with_its_session_unless_offline_access_was_given() {
    let fixture = provider();
    for (asked, prompt, survives) in [
        ("openid", "consent", false),
        ("openid offline_access", "consent", true),
        ("openid offline_access", "", false),
        ("read", "", true),
    ] {
        let mut agent = fixture.agent();
        let request = asking("web", asked).add("prompt", prompt);
        let tokens = agent.tokens("web", &request).await;
        let session = agent.browser().session.unwrap().id;
        fixture.server.end_session(grantor::record::SessionId(session)).await.unwrap();
        let answer = fixture.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(answer.status == 200, survives, "{asked} {prompt}: {answer:?}");
        assert_eq!(
            fixture.is_live(tokens["access_token"].as_str().unwrap()).await,
            survives,
            "{asked} {prompt}"
        );
    }
}

#[tokio::test]
async fn offline_access_is_dropped_and_never_an_error_where_its_conditions_fail() {
    let fixture = with_clients(|client| {
        if client.id.as_str() == "post" {
            client.grant_types.retain(|grant| grant.as_str() != "refresh_token");
        }
    });
    let granted = async |client: &str, prompt: &str| {
        let request = asking(client, "openid offline_access").add("prompt", prompt);
        fixture.agent().tokens(client, &request).await["scope"].as_str().unwrap().to_owned()
    };
    assert_eq!(granted("web", "consent").await, "offline_access openid");
    assert_eq!(granted("web", "").await, "openid");
    assert_eq!(granted("post", "consent").await, "openid");
    let operators = with_clients(|client| client.consent = ConsentPolicy::FirstParty);
    let request = asking("web", "openid offline_access");
    let answer = operators.agent().tokens("web", &request).await;
    assert_eq!(answer["scope"], "offline_access openid");
}

#[tokio::test]
async fn discovery_is_one_document_at_two_places_and_says_what_is_true() {
    let fixture = provider();
    let discovered = fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(discovered, fixture.get("/.well-known/oauth-authorization-server").await.json());
    assert_eq!(discovered["issuer"], ISSUER);
    assert_eq!(discovered["userinfo_endpoint"], format!("{ISSUER}/userinfo"));
    assert_eq!(discovered["subject_types_supported"], json!(["public"]));
    assert_eq!(discovered["id_token_signing_alg_values_supported"], json!(["ES256"]));
    let claims = discovered["claims_supported"].as_array().unwrap();
    assert!(
        claims.contains(&json!("email")) && !claims.contains(&json!("phone_number")),
        "phone is no scope value here"
    );
    for prompt in discovered["prompt_values_supported"].as_array().unwrap() {
        let request = asking("web", "openid").add("prompt", prompt.as_str().unwrap());
        let answer = fixture.agent().authorize(&request).await;
        assert_ne!(answer.param("error").as_deref(), Some("invalid_request"), "{prompt}");
    }
    let path = "https://as.example/tenant/one";
    let at_path = Fixture::at(path, Arc::new(MemoryStore::new()), all(), |b| b.scope(scope(SCOPE)));
    let document = at_path.get("/tenant/one/.well-known/openid-configuration").await.json();
    assert_eq!(document["issuer"], path);
    let plain = Fixture::new();
    assert!(
        plain.http.routes().iter().all(|(_, path)| !path.contains("openid") && !path.contains("userinfo"))
    );
    assert_eq!(
        plain.get("/.well-known/oauth-authorization-server").await.json()["userinfo_endpoint"],
        Value::Null
    );
}

#[tokio::test]
async fn a_provider_without_a_signer_is_a_configuration_mistake() {
    let clients = Arc::new(grantor::host::StaticClients::new(all()));
    let issuer = grantor::protocol::Issuer::new(ISSUER).unwrap();
    let server = grantor::server::AuthorizationServer::builder(
        issuer,
        Arc::new(MemoryStore::new()),
        clients,
        &[7; 32],
    );
    let error = server.scope(scope("openid")).build().unwrap_err();
    assert_eq!(error.setting, "scope");
}

//! Who may register.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use grantor::endpoint::registration::IssueInitialAccess;
use grantor::host::{
    ClosedRegistration, InitialAccessRegistration, Limits, MemoryLimiter, RegistrationPolicy,
};
use grantor::jose::{Algorithm, JwkSet, SigningKey, sign_compact};
use grantor::record::EventKind;
use grantor::record::key_ring::PublishedKeys;
use grantor::record::registration::{Applicant, Refusal, Verdict};
use grantor::store::StoreError;

use super::*;
use crate::common::NOW;

async fn register_with(fixture: &Fixture, token: &str, metadata: &Value) -> Answer {
    send(fixture, "POST", "/register", Some(token), metadata.to_string().as_bytes()).await
}

async fn initial_access(fixture: &Fixture, uses: Option<u32>) -> String {
    let terms = IssueInitialAccess { name: "the build farm".into(), lifetime: Duration::from_secs(60), uses };
    fixture.server.issue_initial_access(&terms).await.unwrap().expose().to_owned()
}

#[tokio::test]
async fn unless_the_host_says_otherwise_nobody_registers_and_there_is_no_endpoint() {
    let fixture = Fixture::new();
    let request = Request::post("/register").body(Bytes::new()).unwrap();
    assert!(fixture.http.handle(request, None).await.is_none());
    assert_eq!(
        fixture.get("/.well-known/oauth-authorization-server").await.json().get("registration_endpoint"),
        None
    );
}

#[tokio::test]
async fn the_endpoint_is_advertised_exactly_where_someone_may_register() {
    let advertised = |fixture: Fixture| async move {
        fixture.get("/.well-known/openid-configuration").await.json().get("registration_endpoint").cloned()
    };
    assert_eq!(advertised(open()).await, Some(json!(format!("{ISSUER}/register"))));
    assert_eq!(
        advertised(under(InitialAccessRegistration::default())).await,
        Some(json!(format!("{ISSUER}/register")))
    );
    assert_eq!(advertised(under(ClosedRegistration)).await, None);
}

#[tokio::test]
async fn once_registration_is_closed_who_has_registered_stays() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let before = on(Arc::clone(&store), anybody(), |builder| builder);
    let client = Registered::new(&before, &web(&json!({}))).await;
    let after = on(store, ClosedRegistration, |builder| builder);
    register(&after, &web(&json!({}))).await.refused(403, "access_denied");
    assert!(client.is_known(&after).await);
    assert_eq!(client.get(&after).await.status, 200);
    let renamed = client.put(&after, &client.again(&json!({ "client_name": "New" }))).await;
    assert_eq!(renamed.json()["client_name"], "New");
}

#[tokio::test]
async fn once_registration_is_closed_an_update_gains_neither_scope_nor_grant_types_nor_time() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let terms = Admission {
        scope: Some(scope("read")),
        grant_types: vec![GrantType::AuthorizationCode],
        lifetime: Some(Duration::from_secs(1000)),
        secret_lifetime: Some(Duration::from_secs(500)),
        ..Admission::default()
    };
    let before = on(Arc::clone(&store), OpenRegistration { terms }, |builder| builder);
    let client = Registered::new(&before, &web(&json!({}))).await;
    let after = on(store, ClosedRegistration, |builder| builder);
    after.clock.forward(100);
    let grant_types = ["authorization_code", "refresh_token", "client_credentials"];
    let greedy = json!({ "client_id": client.id, "grant_types": grant_types });
    let told = client.put(&after, &web(&greedy)).await.json();
    assert_eq!((&told["scope"], &told["grant_types"]), (&json!("read"), &json!(["authorization_code"])));
    assert_eq!(told["client_secret_expires_at"], NOW + 500);
    let client = Registered::read(told);
    client
        .put(&after, &client.again(&json!({ "scope": "write" })))
        .await
        .refused(400, "invalid_client_metadata");
    let other_kind = json!({ "token_endpoint_auth_method": "client_secret_jwt" });
    let client = Registered::read(client.put(&after, &client.again(&other_kind)).await.json());
    assert_eq!(client.information["client_secret_expires_at"], NOW + 500, "nor does a new secret");
    after.clock.forward(899);
    assert_eq!(client.get(&after).await.status, 200);
    after.clock.forward(1);
    token_refused(&client.get(&after).await);
}

/// Whoever can reach the endpoint would get tokens that nobody has allowed.
#[tokio::test]
async fn a_client_gets_tokens_without_a_user_only_where_its_terms_say_so() {
    let fixture = under(OpenRegistration::default());
    let machine = json!({ "grant_types": ["client_credentials"] });
    let answer = register(&fixture, &machine).await;
    answer.refused(400, "invalid_client_metadata");
    assert!(answer.text().contains("nothing of grant_types is offered"), "{answer:?}");
    let both = json!({ "grant_types": ["client_credentials", "authorization_code"] });
    let client = Registered::new(&fixture, &web(&both)).await;
    assert_eq!(client.information["grant_types"], json!(["authorization_code"]));
    client.token(&fixture, &common::machine()).await.refused(400, "unauthorized_client");

    let terms = Admission { grant_types: vec![GrantType::ClientCredentials], ..Admission::default() };
    let fixture = under(OpenRegistration { terms });
    let client = Registered::new(&fixture, &machine).await;
    client.token(&fixture, &common::machine()).await.tokens();
    register(&fixture, &web(&json!({}))).await.refused(400, "invalid_client_metadata");
}

#[tokio::test]
async fn browsers_of_any_origin_may_register_without_credentials() {
    let fixture = open();
    let preflight = send(&fixture, "OPTIONS", "/register", None, b"").await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, POST, PUT, DELETE"));
    for answer in
        [preflight, register(&fixture, &web(&json!({}))).await, register(&fixture, &json!({})).await]
    {
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    let other = send(&fixture, "PATCH", "/register", None, b"{}").await;
    assert_eq!((other.status, other.header("allow")), (405, Some("GET, POST, PUT, DELETE, OPTIONS")));
}

#[tokio::test]
async fn whoever_registers_too_often_from_one_address_waits() {
    let limits = Limits { registrations: 2, ..Limits::default() };
    let fixture = on(Arc::new(MemoryStore::new()), anybody(), |builder| {
        builder.limiter(Arc::new(MemoryLimiter::new(limits)))
    });
    for _ in 0..2 {
        Registered::new(&fixture, &web(&json!({}))).await;
    }
    let answer = register(&fixture, &web(&json!({}))).await;
    answer.refused(429, "slow_down");
    assert_eq!(answer.header("retry-after"), Some("60"));
    let token = initial_access(&fixture, None).await;
    register_with(&fixture, &token, &web(&json!({}))).await.refused(429, "slow_down");
    fixture.clock.forward(60);
    Registered::new(&fixture, &web(&json!({}))).await;
    let token = initial_access(&fixture, None).await;
    assert_eq!(register_with(&fixture, &token, &web(&json!({}))).await.status, 201);
}

#[tokio::test]
async fn whoever_changes_its_registration_too_often_waits() {
    let limits = Limits { registration_updates: 2, ..Limits::default() };
    let fixture = on(Arc::new(MemoryStore::new()), anybody(), |builder| {
        builder.limiter(Arc::new(MemoryLimiter::new(limits)))
    });
    let mut client = Registered::new(&fixture, &web(&json!({}))).await;
    for _ in 0..2 {
        client = Registered::read(client.put(&fixture, &client.again(&json!({}))).await.json());
    }
    let answer = client.put(&fixture, &client.again(&json!({}))).await;
    answer.refused(429, "slow_down");
    assert_eq!(answer.header("retry-after"), Some("60"));
    assert_eq!(client.get(&fixture).await.status, 200);
    let other = Registered::new(&fixture, &web(&json!({}))).await;
    assert_eq!(other.put(&fixture, &other.again(&json!({}))).await.status, 200);
    fixture.clock.forward(60);
    assert_eq!(client.put(&fixture, &client.again(&json!({}))).await.status, 200);
}

#[tokio::test]
async fn where_an_initial_access_token_is_needed_one_is_asked_for() {
    let fixture = under(InitialAccessRegistration::default());
    let answer = register(&fixture, &web(&json!({}))).await;
    answer.refused(401, "invalid_token");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    let token = initial_access(&fixture, None).await;
    for _ in 0..3 {
        assert_eq!(register_with(&fixture, &token, &web(&json!({}))).await.status, 201);
    }
}

#[tokio::test]
async fn an_initial_access_token_lasts_as_long_and_as_often_as_it_was_issued_for() {
    let fixture = under(InitialAccessRegistration::default());
    let twice = initial_access(&fixture, Some(2)).await;
    register_with(&fixture, &twice, &json!({})).await.refused(400, "invalid_client_metadata");
    for _ in 0..2 {
        assert_eq!(register_with(&fixture, &twice, &web(&json!({}))).await.status, 201);
    }
    token_refused(&register_with(&fixture, &twice, &web(&json!({}))).await);

    let brief = initial_access(&fixture, None).await;
    fixture.clock.forward(59);
    assert_eq!(register_with(&fixture, &brief, &web(&json!({}))).await.status, 201);
    fixture.clock.forward(1);
    token_refused(&register_with(&fixture, &brief, &web(&json!({}))).await);

    let ended = initial_access(&fixture, None).await;
    fixture.server.end_initial_access(&grantor::protocol::Secret::new(ended.as_str())).await.unwrap();
    token_refused(&register_with(&fixture, &ended, &web(&json!({}))).await);
    token_refused(&register_with(&fixture, &initial_access(&fixture, Some(0)).await, &web(&json!({}))).await);
    assert_eq!(fixture.count(EventKind::ClientRegistered), 3);
}

/// Even where none is needed: a token that is wrong was meant to say something.
#[tokio::test]
async fn a_token_that_is_no_initial_access_token_is_refused() {
    let fixture = open();
    let right = initial_access(&fixture, None).await;
    let client = Registered::new(&fixture, &web(&json!({}))).await;
    let foreign = under(InitialAccessRegistration::default());
    let foreign = initial_access(&foreign, None).await;
    let mut tampered = right.clone().into_bytes();
    tampered[40] = if tampered[40] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    for token in ["x", &foreign, &client.token, &tampered] {
        token_refused(&register_with(&fixture, token, &web(&json!({}))).await);
    }
    let twice = Request::post("/register")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {right}"))
        .header(header::AUTHORIZATION, format!("Bearer {right}"));
    fixture
        .send(twice.body(web(&json!({})).to_string().into()).unwrap())
        .await
        .refused(400, "invalid_request");
}

/// Asks a closure, and remembers what it was asked.
struct Asked<F> {
    answer: F,
    applicants: Arc<Mutex<Vec<Applicant>>>,
    keys: Option<(String, Arc<PublishedKeys>)>,
}

impl<F: Fn(&Applicant) -> Verdict + Send + Sync> Asked<F> {
    fn new(answer: F) -> Self {
        Self { answer, applicants: Arc::default(), keys: None }
    }
}

#[async_trait]
impl<F: Fn(&Applicant) -> Verdict + Send + Sync> RegistrationPolicy for Asked<F> {
    async fn judge(&self, applicant: &Applicant) -> Result<Verdict, StoreError> {
        self.applicants.lock().unwrap().push(applicant.clone());
        Ok((self.answer)(applicant))
    }

    async fn statement_keys(&self, issuer: &str) -> Result<Option<Arc<PublishedKeys>>, StoreError> {
        Ok(self.keys.as_ref().filter(|(own, _)| own == issuer).map(|(_, keys)| Arc::clone(keys)))
    }
}

#[tokio::test]
async fn the_host_is_told_who_asks_for_what_and_refuses_in_words_of_the_specification() {
    for (refusal, status, code) in [
        (Refusal::Closed, 403, "access_denied"),
        (Refusal::InitialAccessNeeded, 401, "invalid_token"),
        (Refusal::Metadata, 400, "invalid_client_metadata"),
        (Refusal::RedirectUri, 400, "invalid_redirect_uri"),
        (Refusal::SoftwareStatement, 400, "unapproved_software_statement"),
    ] {
        let policy = Asked::new(move |_: &Applicant| Verdict::Refuse(refusal));
        let applicants = Arc::clone(&policy.applicants);
        let fixture = under(policy);
        register(&fixture, &json!({})).await.refused(400, "invalid_client_metadata");
        assert!(applicants.lock().unwrap().is_empty(), "the host is asked about valid metadata only");
        register(&fixture, &web(&json!({ "first_party": true }))).await.refused(status, code);
        let applicant = applicants.lock().unwrap().remove(0);
        assert_eq!((applicant.client, applicant.initial_access), (None, None));
        assert_eq!(applicant.metadata["redirect_uris"], json!([CALLBACK]));
        assert_eq!(applicant.metadata["token_endpoint_auth_method"], "client_secret_basic");
        assert!(
            !applicant.metadata.contains_key("client_id") && !applicant.metadata.contains_key("first_party")
        );
    }
}

#[tokio::test]
async fn the_host_sets_the_terms_when_a_client_registers_and_whenever_it_changes() {
    let policy = Asked::new(|_: &Applicant| {
        Verdict::Admit(Admission {
            scope: Some(scope("read write admin")),
            metadata:
                json!({ "client_name": "Renamed", "logo_uri": null, "first_party": true, "client_id": "x" })
                    .as_object()
                    .cloned()
                    .unwrap(),
            lifetime: Some(Duration::from_secs(1000)),
            secret_lifetime: Some(Duration::from_secs(100)),
            ..Admission::default()
        })
    });
    let applicants = Arc::clone(&policy.applicants);
    let fixture = under(policy);
    let token = initial_access(&fixture, None).await;
    let wishes = web(
        &json!({ "client_name": "Mine", "logo_uri": "https://client.example/l", "scope": "openid read" }),
    );
    let client = Registered::read(register_with(&fixture, &token, &wishes).await.json());
    let check = |told: &Value| {
        assert_eq!(told["client_name"], "Renamed");
        assert_eq!(told["scope"], "read");
        assert_eq!((told.get("logo_uri"), told.get("first_party")), (None, None));
        assert_eq!(told["client_secret_expires_at"], NOW + 100);
    };
    check(&client.information);
    let changed = client.put(&fixture, &client.again(&json!({ "client_name": "Mine again" }))).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    check(&changed.json());
    let asked = applicants.lock().unwrap().clone();
    let introduced: Vec<_> = asked.iter().map(|asked| asked.initial_access.as_deref()).collect();
    assert_eq!(introduced, [Some("the build farm"), Some("the build farm")]);
    let present = asked[1].client.as_ref().unwrap();
    assert_eq!(present.id.as_str(), client.id);
    assert_eq!(
        (&present.metadata["client_name"], &present.metadata["scope"]),
        (&json!("Renamed"), &json!("read"))
    );
}

#[tokio::test]
async fn a_registration_that_was_given_a_lifetime_is_over_at_its_second() {
    let terms = Admission { lifetime: Some(Duration::from_secs(100)), ..Admission::default() };
    let fixture = under(OpenRegistration { terms });
    let client = Registered::new(&fixture, &web(&json!({}))).await;
    assert_eq!(client.information["client_secret_expires_at"], NOW + 100);
    fixture.clock.forward(50);
    let told = client.put(&fixture, &client.again(&json!({}))).await.json();
    assert_eq!(told["client_secret_expires_at"], NOW + 150, "an update renews both");
    let client = Registered::read(told);
    assert_eq!(client.get(&fixture).await.status, 200);
    fixture.clock.forward(99);
    assert!(client.is_known(&fixture).await);
    fixture.clock.forward(1);
    assert!(!client.is_known(&fixture).await);
    token_refused(&client.get(&fixture).await);
    fixture.clock.forward(1000);
    assert!(fixture.server.purge(100).await.unwrap() >= 1);
}

/// Whoever is asked about a token says the same.
#[tokio::test]
async fn when_a_registration_is_over_so_is_everything_it_was_issued() {
    let terms = Admission { lifetime: Some(Duration::from_secs(100)), ..anybody().terms };
    let fixture = under(OpenRegistration { terms });
    let client = Registered::new(
        &fixture,
        &web(&json!({ "grant_types": ["authorization_code", "client_credentials"] })),
    )
    .await;
    let redemption = client.redemption(&fixture).await;
    let of_user = client.token(&fixture, &redemption).await.tokens();
    let own = client.token(&fixture, &common::machine()).await.tokens();
    let check = async |token: &str| {
        let token = grantor::token::PresentedToken::read(token);
        let request =
            grantor::endpoint::resource::ResourceCheck { token, resource: None, scope: scope("read") };
        fixture.server.check(&request).await.is_ok()
    };
    for token in [&of_user.access, &own.access] {
        assert!(check(token).await);
    }
    fixture.clock.forward(100);
    for token in [&of_user.access, &own.access] {
        assert!(!check(token).await);
    }
}

fn trusted(key: &SigningKey) -> Asked<impl Fn(&Applicant) -> Verdict + Send + Sync + use<>> {
    let keys = PublishedKeys::new(JwkSet::new(vec![key.public()]).unwrap());
    let policy = Asked::new(|_: &Applicant| Verdict::Admit(Admission::default()));
    Asked { keys: Some(("https://publisher.example".into(), Arc::new(keys))), ..policy }
}

fn statement(key: &SigningKey, members: &Value) -> String {
    let claims = with(&json!({ "iss": "https://publisher.example", "software_id": "42" }), members);
    sign_compact(key, "JWT", claims.to_string().as_bytes()).unwrap()
}

#[tokio::test]
async fn what_a_software_statement_says_counts_more_than_what_the_client_says() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let policy = trusted(&key);
    let applicants = Arc::clone(&policy.applicants);
    let fixture = under(policy);
    let statement = statement(
        &key,
        &json!({ "client_name": "Vouched for", "redirect_uris": [CALLBACK], "first_party": true, "client_id": "web" }),
    );
    let metadata = json!({ "client_name": "Mine", "redirect_uris": ["https://evil.example/"], "software_id": "7",
        "software_version": "1", "software_statement": statement });
    let client = Registered::new(&fixture, &metadata).await;
    assert_eq!(client.information["client_name"], "Vouched for");
    assert_eq!(client.information["redirect_uris"], json!([CALLBACK]));
    assert_eq!(
        (&client.information["software_id"], &client.information["software_version"]),
        (&json!("42"), &json!("1"))
    );
    assert_eq!(client.information["software_statement"], statement);
    assert_eq!(client.information.get("first_party"), None);
    assert_ne!(client.id, "web");
    let told = applicants.lock().unwrap()[0].software_statement.clone().unwrap();
    assert_eq!(told["iss"], "https://publisher.example");
    let again = client.put(&fixture, &client.again(&json!({ "client_name": "Mine" }))).await;
    assert_eq!(again.json()["client_name"], "Vouched for");
}

/// Otherwise a user who reads German would be shown the client's own word for its name.
#[tokio::test]
async fn what_others_say_of_a_client_replaces_what_it_says_in_any_language() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let fixture = under(trusted(&key));
    let vouched = json!({ "client_name": "Bank", "client_name#fr": "Banque", "software_version": "1" });
    let own = json!({ "client_name#de": "Mein", "client_name#fr": "Mien", "client_uri#de": "https://client.example/de",
        "software_statement": statement(&key, &vouched) });
    let client = Registered::new(&fixture, &web(&own)).await;
    assert_eq!(
        (&client.information["client_name"], client.information.get("client_name#de")),
        (&json!("Bank"), None)
    );
    assert_eq!(client.information["client_name#fr"], "Banque");
    assert_eq!(client.information["client_uri#de"], "https://client.example/de");

    let metadata = json!({ "client_name": "Renamed", "logo_uri": null }).as_object().cloned().unwrap();
    let fixture = under(OpenRegistration { terms: Admission { metadata, ..Admission::default() } });
    let own = json!({ "client_name#de": "Mein", "logo_uri#de": "https://client.example/de" });
    let client = Registered::new(&fixture, &web(&own)).await;
    assert_eq!(client.information["client_name"], "Renamed");
    for member in ["client_name#de", "logo_uri#de"] {
        assert_eq!(client.information.get(member), None, "{member}");
    }
}

#[tokio::test]
async fn a_software_statement_that_nobody_trusted_has_signed_is_refused() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let fixture = under(trusted(&key));
    let good = statement(&key, &json!({}));
    let (head, _) = good.rsplit_once('.').unwrap();
    for (bad, code) in [
        (json!(statement(&other, &json!({}))), "invalid_software_statement"),
        (json!(format!("{head}.AAAA")), "invalid_software_statement"),
        (json!("x"), "invalid_software_statement"),
        (json!(7), "invalid_software_statement"),
        (json!(statement(&key, &json!({ "exp": NOW - 61 }))), "invalid_software_statement"),
        (json!(statement(&key, &json!({ "nbf": NOW + 11 }))), "invalid_software_statement"),
        (json!(statement(&key, &json!({ "aud": "https://other.example" }))), "invalid_software_statement"),
        (json!(statement(&key, &json!({ "iss": null }))), "invalid_software_statement"),
        (
            json!(sign_compact(&key, "at+jwt", br#"{"iss":"https://publisher.example"}"#).unwrap()),
            "invalid_software_statement",
        ),
        (
            json!(statement(&key, &json!({ "iss": "https://unknown.example" }))),
            "unapproved_software_statement",
        ),
        (json!(statement(&key, &json!({ "redirect_uris": ["javascript:x"] }))), "invalid_redirect_uri"),
    ] {
        let answer = register(&fixture, &web(&json!({ "software_statement": bad }))).await;
        assert_eq!(answer.error(), (400, code.to_owned()), "{bad}");
    }
    for claims in [json!({}), json!({ "aud": ISSUER, "exp": NOW + 1 })] {
        let metadata = web(&json!({ "software_statement": statement(&key, &claims) }));
        assert_eq!(register(&fixture, &metadata).await.status, 201, "{claims}");
    }
}

/// A host that cannot say is no host that says no.
#[tokio::test]
async fn when_the_host_cannot_say_nobody_is_registered_and_nobody_is_refused() {
    struct Down;
    #[async_trait]
    impl RegistrationPolicy for Down {
        async fn judge(&self, _: &Applicant) -> Result<Verdict, StoreError> {
            Err(StoreError("down".into()))
        }
    }
    register(&under(Down), &web(&json!({}))).await.refused(503, "temporarily_unavailable");
}

/// RFC 9700 §4.15: whoever could choose a user name could pass for the client.
#[tokio::test]
async fn a_user_whose_name_is_a_registered_clients_identifier_is_refused() {
    let fixture = open();
    let client = Registered::new(&fixture, &web(&json!({}))).await;
    assert_eq!(fixture.agent().sign_in(&client.id).await.status, 500);
    assert_eq!(fixture.agent().sign_in("alice").await.status, 303);
}

#[tokio::test]
async fn the_hosts_own_clients_come_first_and_need_no_record() {
    let fixture = open();
    assert!(!fixture.server.client("web").await.unwrap().unwrap().self_registered);
    fixture.tokens("web").await;
    assert!(fixture.server.client("nobody").await.unwrap().is_none());
}

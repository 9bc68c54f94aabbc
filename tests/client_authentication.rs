//! Client authentication: one method, the registered one, and failures that tell nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::clients::{all, authenticated, basic, client, secret};
use common::{Answer, Fixture, Form, NOW, form, machine};
use grantor::client::Credentials;
use grantor::client::authentication::ClientProof;
use grantor::client::secret::DUMMY_ARGON2;
use grantor::endpoint::token::TokenRequest;
use grantor::grant::client_credentials::ClientCredentialsRequest;
use grantor::host::{Limits, MemoryLimiter, hash_secret};
use grantor::protocol::{ClientAuthMethod, GrantType, Secret, Timestamp};
use grantor::record::client::{ClientSecret, SecretVerifier};
use grantor::record::facts::{Allowance, Fact};
use grantor::record::{Client, Context, Decide, Facts, Halt, Need, Random};
use grantor::store::MemoryStore;

const ENDPOINTS: [&str; 3] = ["/token", "/revoke", "/introspect"];

/// A request that any of the three endpoints understands.
fn asking() -> Form {
    machine().add("token", "gat_x")
}

/// What tells one refusal from another.
fn seen(answer: &Answer) -> (u16, String, Option<String>) {
    (answer.status, answer.text().to_owned(), answer.header("www-authenticate").map(str::to_owned))
}

#[tokio::test]
async fn every_failure_is_the_same_401_at_every_endpoint() {
    let fixture = Fixture::new();
    fixture.clients.change("post", |client| {
        client.secrets = vec![ClientSecret {
            expires_at: Some(Timestamp(NOW)),
            ..ClientSecret::generated(&secret("post"))
        }];
    });
    let web = secret("web");
    let machine = secret("machine");
    let with =
        |pairs: &[(&str, &str)]| pairs.iter().fold(asking(), |form, (name, value)| form.add(name, value));
    let rows: [(&str, Option<String>, Form); 13] = [
        ("nobody named", None, asking()),
        ("unknown, Basic", Some(basic("nobody", &web)), asking()),
        ("unknown, in the body", None, with(&[("client_id", "nobody"), ("client_secret", &web)])),
        ("unknown, public", None, with(&[("client_id", "nobody")])),
        ("wrong secret", Some(basic("machine", "wrong")), asking()),
        ("empty secret", Some(basic("machine", "")), asking()),
        ("another's secret", Some(basic("machine", &web)), asking()),
        (
            "registered for Basic, in the body",
            None,
            with(&[("client_id", "machine"), ("client_secret", &machine)]),
        ),
        ("registered for Basic, none", None, with(&[("client_id", "machine")])),
        ("registered for none, Basic", Some(basic("spa", "x")), asking()),
        ("registered for none, in the body", None, with(&[("client_id", "spa"), ("client_secret", "x")])),
        ("expired secret", None, with(&[("client_id", "post"), ("client_secret", &secret("post"))])),
        ("another scheme", Some("Bearer abc".into()), with(&[("client_id", "web")])),
    ];
    let mut first = None;
    for path in ENDPOINTS {
        for (row, authorization, request) in &rows {
            let answer = fixture.post(path, authorization.as_deref(), request).await;
            assert_eq!(answer.error(), (401, "invalid_client".into()), "{path}: {row}");
            let seen = seen(&answer);
            assert!(seen.2.as_deref().unwrap().starts_with("Basic realm="), "{path}: {row}");
            assert_eq!(&seen, first.get_or_insert(seen.clone()), "{path}: {row}");
        }
    }
}

#[tokio::test]
async fn an_assertion_of_a_client_that_is_not_registered_for_one_is_an_invalid_client() {
    let fixture = Fixture::new();
    let assertion = asking()
        .add("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .add("client_assertion", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ3ZWIiLCJzdWIiOiJ3ZWIiLCJqdGkiOiIxIn0.");
    for path in ENDPOINTS {
        fixture.post(path, None, &assertion.add("client_id", "web")).await.refused(401, "invalid_client");
    }
}

#[tokio::test]
async fn two_methods_or_two_identifiers_or_a_malformed_header_are_an_invalid_request() {
    let fixture = Fixture::new();
    let header = basic("machine", &secret("machine"));
    let rows: [(&str, Option<&str>, Form); 12] = [
        ("Basic and body secret", Some(&header), asking().add("client_secret", &secret("machine"))),
        ("Basic and assertion", Some(&header), asking().add("client_assertion", "x")),
        ("Basic and assertion type", Some(&header), asking().add("client_assertion_type", "x")),
        (
            "body secret and assertion",
            None,
            asking().add("client_id", "post").add("client_secret", "x").add("client_assertion", "x"),
        ),
        ("identifiers differ", Some(&header), asking().add("client_id", "web")),
        ("client_id twice", None, asking().add("client_id", "spa").add("client_id", "spa")),
        (
            "client_secret twice",
            None,
            asking().add("client_id", "post").add("client_secret", "a").add("client_secret", "a"),
        ),
        ("no colon", Some("Basic d2Vi"), asking()),
        ("not base64", Some("Basic ????"), asking()),
        ("nothing after Basic", Some("Basic"), asking()),
        ("bad escape inside", Some("Basic d2ViOiV6eg=="), asking()),
        ("empty header", Some(""), asking()),
    ];
    for path in ENDPOINTS {
        for (row, authorization, request) in &rows {
            let answer = fixture.post(path, *authorization, request).await;
            assert_eq!(answer.error(), (400, "invalid_request".into()), "{path}: {row}");
        }
        let two = http::Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", &header)
            .header("authorization", &header)
            .body(asking().encode().into())
            .unwrap();
        fixture.send(two).await.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn the_header_may_be_repeated_by_a_client_id_in_the_body_and_its_scheme_has_no_case() {
    let fixture = Fixture::new();
    let header = basic("machine", &secret("machine"));
    for header in
        [header.clone(), header.replacen("Basic", "bAsIc", 1), header.replacen("Basic ", "BASIC   ", 1)]
    {
        fixture.post("/token", Some(&header), &machine().add("client_id", "machine")).await.tokens();
    }
}

#[tokio::test]
async fn only_the_registered_method_is_taken() {
    use ClientAuthMethod::{ClientSecretBasic, ClientSecretPost, None};
    let methods = [None, ClientSecretBasic, ClientSecretPost];
    for registered in methods {
        for used in methods {
            let one = Client {
                grant_types: GrantType::ALL.to_vec(),
                secrets: vec![ClientSecret::generated(&secret("one"))],
                ..client("one", registered, &[])
            };
            let fixture = Fixture::over(Arc::new(MemoryStore::new()), vec![one], |builder| builder);
            let request = form([("token", "x")]);
            let answer = match used {
                ClientSecretBasic => {
                    fixture.post("/revoke", Some(&basic("one", &secret("one"))), &request).await
                }
                ClientSecretPost => {
                    let request = request.add("client_id", "one").add("client_secret", &secret("one"));
                    fixture.post("/revoke", Option::None, &request).await
                }
                _ => fixture.post("/revoke", Option::None, &request.add("client_id", "one")).await,
            };
            let expected = if used == registered { 200 } else { 401 };
            assert_eq!(answer.status, expected, "registered {registered}, used {used}");
        }
    }
}

#[tokio::test]
async fn a_secret_with_any_characters_survives_both_encodings() {
    for text in [" :%+&=\u{e9}\u{1f600}-0123456789abcdef0123456789abcdef", "::::", "%41%2B+"] {
        for method in [ClientAuthMethod::ClientSecretBasic, ClientAuthMethod::ClientSecretPost] {
            let one = Client {
                grant_types: GrantType::ALL.to_vec(),
                secrets: vec![ClientSecret::generated(text)],
                ..client("one:two %", method, &[])
            };
            let fixture = Fixture::over(Arc::new(MemoryStore::new()), vec![one], |builder| builder);
            let answer = match method {
                ClientAuthMethod::ClientSecretPost => {
                    let request = machine().add("client_id", "one:two %").add("client_secret", text);
                    fixture.post("/token", None, &request).await
                }
                _ => fixture.post("/token", Some(&basic("one:two %", text)), &machine()).await,
            };
            answer.tokens();
        }
    }
}

#[tokio::test]
async fn two_secrets_may_be_active_and_each_expires_at_its_own_second() {
    let fixture = Fixture::new();
    let old =
        ClientSecret { expires_at: Some(Timestamp(NOW + 100)), ..ClientSecret::generated("old-secret") };
    let new =
        ClientSecret { expires_at: Some(Timestamp(NOW + 200)), ..ClientSecret::generated("new-secret") };
    fixture.clients.change("machine", |client| client.secrets = vec![old, new]);
    for (now, old, new) in [(0, 200, 200), (99, 200, 200), (100, 401, 200), (199, 401, 200), (200, 401, 401)]
    {
        fixture.clock.set(NOW + now);
        for (text, status) in [("old-secret", old), ("new-secret", new)] {
            let answer = fixture.post("/token", Some(&basic("machine", text)), &machine()).await;
            assert_eq!(answer.status, status, "{text} at {now}");
        }
    }
}

#[tokio::test]
async fn what_is_kept_of_a_secret_is_not_a_secret() {
    let fixture = Fixture::new();
    let digest = grantor::protocol::Digest::of(secret("machine").as_bytes());
    let hex: String = digest.0.iter().map(|byte| format!("{byte:02x}")).collect();
    for kept in [digest.to_base64url(), hex] {
        let answer = fixture.post("/token", Some(&basic("machine", &kept)), &machine()).await;
        answer.refused(401, "invalid_client");
    }
}

/// A client whose two secrets a person chose, beside the usual ones.
fn with_slow_client() -> Vec<Client> {
    let kept = |secret: &str| ClientSecret::argon2(hash_secret(secret).unwrap());
    let expiring = ClientSecret { expires_at: Some(Timestamp(NOW + 100)), ..kept("hunter2") };
    let mut clients = all();
    clients.push(Client {
        secrets: vec![expiring, kept("correct horse")],
        grant_types: GrantType::ALL.to_vec(),
        ..client("slow", ClientAuthMethod::ClientSecretBasic, &[])
    });
    clients
}

#[tokio::test]
async fn a_chosen_secret_is_compared_by_its_hash_and_the_hash_is_no_secret() {
    let clients = with_slow_client();
    let kept: Vec<String> = clients
        .last()
        .unwrap()
        .secrets
        .iter()
        .map(|secret| match &secret.verifier {
            SecretVerifier::Argon2(phc) => phc.to_string(),
            other => panic!("not an Argon2 hash: {:?}", std::mem::discriminant(other)),
        })
        .collect();
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| builder);
    let ask =
        async |secret: &str| fixture.post("/token", Some(&basic("slow", secret)), &machine()).await.status;
    assert_eq!(ask("hunter2").await, 200);
    assert_eq!(ask("correct horse").await, 200);
    for wrong in ["hunter3", "", "Hunter2", &kept[0], &kept[1], DUMMY_ARGON2] {
        assert_eq!(ask(wrong).await, 401, "{wrong}");
    }
    fixture.clock.forward(100);
    assert_eq!(ask("hunter2").await, 401, "expired");
    assert_eq!(ask("correct horse").await, 200);
}

/// Decides by hand and counts what was asked for: slow hashes, and events on counters.
fn work(credentials: Credentials, fixture: &Fixture, clients: &[Client]) -> (usize, usize, bool) {
    let context = Context {
        settings: fixture.server.settings(),
        now: Timestamp(NOW),
        random: Random::from_seed([5; Random::LEN]),
        sequence: 0,
        address: None,
        attempt: 0,
    };
    let request = TokenRequest::ClientCredentials(ClientCredentialsRequest {
        credentials,
        scope: None,
        resources: vec![],
    });
    let mut facts = Facts::new();
    let (mut hashes, mut counted) = (0, 0);
    loop {
        let need = match request.decide(&facts, &context) {
            Ok(_) => return (hashes, counted, true),
            Err(Halt::Refuse(_)) => return (hashes, counted, false),
            Err(Halt::Need(need)) => need,
        };
        facts.learn(match need {
            Need::Client(id) => {
                let found = clients.iter().find(|client| client.id.as_str() == id).cloned().map(Arc::new);
                Fact::Client(id, found)
            }
            Need::SlowHash { presented, expected } => {
                hashes += 1;
                let right = presented.expose() == "hunter2" && expected.expose() != DUMMY_ARGON2;
                Fact::SlowHash(expected, right)
            }
            Need::Allowance(counter) => {
                counted += 1;
                Fact::Allowance(counter, Allowance::Granted)
            }
            Need::Records(keys) => Fact::Records(keys.into_iter().map(|key| (key, None)).collect()),
            other => panic!("{other:?}"),
        });
    }
}

fn with_one_slow_secret() -> Vec<Client> {
    let mut clients = with_slow_client();
    clients.last_mut().unwrap().secrets.truncate(1);
    clients
}

#[test]
fn with_a_chosen_secret_anywhere_every_failure_costs_exactly_one_slow_hash() {
    let clients = with_one_slow_secret();
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients.clone(), |builder| builder);
    let work = |credentials| work(credentials, &fixture, &clients);
    let basic = |id: &str, secret: &str| Credentials {
        client_id: id.into(),
        proof: ClientProof::Basic(Secret::new(secret)),
    };
    let post = |id: &str, secret: &str| Credentials {
        client_id: id.into(),
        proof: ClientProof::Post(Secret::new(secret)),
    };
    let none = |id: &str| Credentials { client_id: id.into(), proof: ClientProof::None };
    let failures = [
        basic("nobody", "hunter2"),
        post("nobody", "hunter2"),
        none("nobody"),
        basic("slow", "wrong"),
        post("slow", "hunter2"),
        none("slow"),
        basic("machine", "wrong"),
        post("machine", &secret("machine")),
        none("machine"),
        basic("spa", "x"),
        post("spa", "x"),
    ];
    for credentials in failures {
        assert_eq!(work(credentials.clone()), (1, 2, false), "{credentials:?}");
    }
    assert_eq!(work(basic("slow", "hunter2")), (1, 1, true));
    assert_eq!(work(basic("machine", &secret("machine"))), (0, 0, true));
}

#[test]
fn a_client_between_two_chosen_secrets_costs_a_slow_hash_for_each() {
    let clients = with_slow_client();
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients.clone(), |builder| builder);
    let proof = ClientProof::Basic(Secret::new("wrong"));
    let credentials = Credentials { client_id: "slow".into(), proof };
    assert_eq!(work(credentials, &fixture, &clients), (2, 2, false));
}

#[tokio::test]
async fn made_up_clients_share_one_counter_and_leave_room_for_the_others() {
    let limits = Limits { client_failures: 3, ..Limits::default() };
    let fixture = Fixture::with(|builder| builder.limiter(Arc::new(MemoryLimiter::new(limits))));
    for name in 0..50 {
        let credentials = basic(&format!("made-up-{name}"), "x");
        let answer = fixture.post("/token", Some(&credentials), &machine()).await;
        assert_eq!(answer.status, if name < 3 { 401 } else { 429 }, "{name}");
    }
    let wrong = basic("machine", "wrong");
    fixture.post("/token", Some(&wrong), &machine()).await.refused(401, "invalid_client");
}

#[tokio::test]
async fn made_up_clients_cost_only_so_many_slow_hashes() {
    let limits = Limits { slow_comparisons: 2, ..Limits::default() };
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), with_slow_client(), |builder| {
        builder.limiter(Arc::new(MemoryLimiter::new(limits)))
    });
    let ask = async |client: &str, secret: &str| {
        fixture.post("/token", Some(&basic(client, secret)), &machine()).await.status
    };
    assert_eq!((ask("ann", "x").await, ask("ben", "x").await, ask("cat", "x").await), (401, 401, 429));
    assert_eq!(ask("slow", "hunter2").await, 200, "a client has a counter of its own");
}

#[tokio::test]
async fn after_too_many_failures_guesses_get_429_and_the_right_secret_still_works() {
    let limits = Limits { client_failures: 3, ..Limits::default() };
    let fixture = Fixture::with(|builder| builder.limiter(Arc::new(MemoryLimiter::new(limits))));
    let wrong = basic("machine", "wrong");
    for _ in 0..3 {
        fixture.post("/token", Some(&wrong), &machine()).await.refused(401, "invalid_client");
    }
    for path in ENDPOINTS {
        let answer = fixture.post(path, Some(&wrong), &asking()).await;
        answer.refused(429, "slow_down");
        assert_eq!(answer.header("retry-after"), Some("60"));
    }
    fixture.token("machine", &machine()).await.tokens();
    fixture.post("/token", Some(&basic("web", "wrong")), &machine()).await.refused(401, "invalid_client");
    fixture.clock.forward(60);
    fixture.post("/token", Some(&wrong), &machine()).await.refused(401, "invalid_client");
}

#[tokio::test]
async fn a_chosen_secret_cannot_be_guessed_beyond_the_limit_even_by_the_right_one() {
    let limits = Limits { slow_comparisons: 3, ..Limits::default() };
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), with_slow_client(), |builder| {
        builder.limiter(Arc::new(MemoryLimiter::new(limits)))
    });
    let ask =
        async |secret: &str| fixture.post("/token", Some(&basic("slow", secret)), &machine()).await.status;
    assert_eq!((ask("wrong").await, ask("hunter2").await, ask("worse").await), (401, 200, 401));
    assert_eq!((ask("hunter2").await, ask("wrong").await), (429, 429));
    fixture.clock.forward(60);
    assert_eq!(ask("hunter2").await, 200);
}

#[tokio::test]
async fn the_audit_trail_says_whose_secret_was_wrong() {
    let events: Arc<std::sync::Mutex<Vec<grantor::record::Event>>> = Arc::default();
    let trail = Arc::clone(&events);
    let fixture = Fixture::with(|builder| {
        builder.audit(Arc::new(move |event: grantor::record::Event| trail.lock().unwrap().push(event)))
    });
    fixture.post("/token", Some(&basic("machine", "wrong")), &machine()).await.refused(401, "invalid_client");
    let told = events.lock().unwrap().pop().unwrap();
    assert_eq!(
        (told.client, told.reason),
        (Some("machine".into()), Some(grantor::Reason::ClientSecretWrong))
    );
}

#[tokio::test]
async fn failures_are_counted_by_address() {
    let limits = Limits { client_failures: 1, ..Limits::default() };
    let fixture = Fixture::with(|builder| builder.limiter(Arc::new(MemoryLimiter::new(limits))));
    let ask = async |address: &str| {
        let request = http::Request::post("/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", basic("machine", "wrong"))
            .header("x-forwarded-for", "203.0.113.77")
            .body(machine().encode().into())
            .unwrap();
        fixture.http.handle(request, Some(address.parse().unwrap())).await.unwrap().status().as_u16()
    };
    assert_eq!(ask("192.0.2.1").await, 401);
    assert_eq!(ask("192.0.2.1").await, 429);
    assert_eq!(ask("192.0.2.2").await, 401, "the forwarded address is not believed");
}

#[tokio::test]
async fn a_client_that_cannot_authenticate_is_named_in_the_body() {
    let fixture = Fixture::new();
    let (authorization, request) = authenticated("spa", &form([("token", "x")]));
    assert_eq!(fixture.post("/revoke", authorization.as_deref(), &request).await.status, 200);
}

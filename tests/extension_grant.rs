//! Grant types of the host's own: what the host decides, and what it cannot.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::clients::JWT_API;
use common::{Fixture, Form, NOW, alice, form, scope};
use grantor::grant::extension::refused;
use grantor::host::ExtensionGrant;
use grantor::protocol::{ExtensionGrantType, GrantType, Scope, SubjectId, Timestamp};
use grantor::record::extension::{ExtensionRequest, Permission};
use grantor::record::facts::Claim;
use grantor::record::grant::{AuthenticatedSubject, Authentication, GrantStatus};
use grantor::record::{Context, Facts, Halt};
use grantor::store::StoreError;
use grantor::token::{Handle, HandleKind};
use serde_json::{Value, json};

const VOUCHER: &str = "urn:example:grant-type:voucher";

/// Vouchers `alice:1`, `alice:2` … for users, each good once; `house` is for the client itself; `down` has no answer.
struct Vouchers {
    asked: AtomicUsize,
    scope: Mutex<Option<Scope>>,
    /// The secrets that it could have drawn.
    seen: Mutex<Vec<[u8; 32]>>,
}

#[async_trait]
impl ExtensionGrant for Vouchers {
    fn decide(
        &self,
        request: &ExtensionRequest<'_>,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Permission, Halt> {
        let voucher = request.parameter("voucher").ok_or_else(|| refused("no voucher"))?;
        let owner = request.ask(json!({ "voucher": voucher.expose() }), facts)?;
        let owner = owner.as_str().ok_or_else(|| refused("nobody's voucher"))?;
        self.seen.lock().unwrap().push(cx.random.secret());
        let until = Timestamp(NOW + 3600);
        if request.claim(voucher.expose(), until, facts, cx.namespace())? == Claim::Seen {
            return Err(refused("used before").into());
        }
        let authentication = Authentication { auth_time: cx.now, acr: None, amr: vec!["otp".into()] };
        let subject = AuthenticatedSubject { id: SubjectId::new(owner), authentication };
        Ok(Permission {
            subject: Some(subject).filter(|subject| subject.id.as_str() != "house"),
            scope: self.scope.lock().unwrap().clone().unwrap_or_else(|| request.scope.clone()),
            refreshable: true,
        })
    }

    async fn answer(&self, question: &Value) -> Result<Value, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let voucher = question["voucher"].as_str().unwrap();
        match voucher.split_once(':') {
            _ if voucher == "down" => Err(StoreError("the vouchers are away".into())),
            Some((owner, _)) => Ok(json!(owner)),
            None => Ok(Value::Null),
        }
    }
}

fn name() -> ExtensionGrantType {
    ExtensionGrantType::new(VOUCHER).unwrap()
}

/// `web`, `spa` and `machine` may use vouchers.
fn fixture() -> (Fixture, Arc<Vouchers>) {
    let vouchers =
        Arc::new(Vouchers { asked: AtomicUsize::new(0), scope: Mutex::new(None), seen: Mutex::default() });
    let fixture = Fixture::with(|builder| builder.extension_grant(name(), Arc::clone(&vouchers) as _));
    for client in ["web", "spa", "machine"] {
        fixture.clients.change(client, |client| client.grant_types.push(GrantType::Extension(name())));
    }
    (fixture, vouchers)
}

fn voucher(text: &str) -> Form {
    form([("grant_type", VOUCHER), ("voucher", text)])
}

#[tokio::test]
async fn the_host_says_for_whom_a_client_may_act() {
    let (fixture, _) = fixture();
    let tokens = fixture.token("web", &voucher("alice:1").set("scope", "read")).await.tokens();
    assert_eq!(tokens.scope, "read");
    assert!(fixture.is_live(&tokens.access).await);
    let seen = fixture.introspect("web", &tokens.access).await;
    assert_eq!((&seen["sub"], &seen["client_id"]), (&json!("alice"), &json!("web")));
    let grant = fixture.grant("web").await;
    assert_eq!((grant.grant_type.as_str(), grant.status), (VOUCHER, GrantStatus::Active));
    assert_eq!(grant.subject.unwrap().authentication.amr, [Arc::from("otp")]);
    fixture.refresh("web", &tokens.refresh).await.tokens();

    let own = fixture.token("machine", &voucher("house:1")).await.tokens();
    assert_eq!(fixture.introspect("machine", &own.access).await["sub"], "machine");
    assert_eq!(own.refresh, "", "machine is not registered for refresh tokens");
    let jwt = fixture.token("web", &voucher("alice:2").add("resource", JWT_API)).await.tokens();
    assert_eq!(common::claims(&jwt.access)["aud"], json!(JWT_API));
}

#[tokio::test]
async fn what_the_host_refuses_is_an_invalid_grant_and_a_failure_of_its_own_a_503() {
    let (fixture, _) = fixture();
    fixture.token("web", &voucher("nobody's")).await.refused(400, "invalid_grant");
    fixture.token("web", &voucher("alice:1").without("voucher")).await.refused(400, "invalid_grant");
    fixture.token("web", &voucher("down")).await.refused(503, "temporarily_unavailable");
    assert!(fixture.grants("web").await.is_empty());
}

#[tokio::test]
async fn the_host_never_sees_the_randomness_of_the_tokens() {
    let (fixture, vouchers) = fixture();
    let tokens = fixture.token("web", &voucher("alice:1")).await.tokens();
    let handle = Handle::decode(HandleKind::AccessToken, &tokens.access).unwrap();
    let seen = vouchers.seen.lock().unwrap();
    assert!(!seen.is_empty() && !seen.contains(&handle.secret));
}

#[tokio::test]
async fn what_may_be_used_once_is_used_once() {
    let (fixture, _) = fixture();
    fixture.token("web", &voucher("alice:1")).await.tokens();
    fixture.token("web", &voucher("alice:1")).await.refused(400, "invalid_grant");
    fixture.token("spa", &voucher("alice:1")).await.refused(400, "invalid_grant");
    fixture.token("web", &voucher("alice:2")).await.tokens();
}

#[tokio::test]
async fn the_host_is_asked_once_per_request_and_only_about_requests_that_are_sound() {
    let (fixture, vouchers) = fixture();
    fixture.token("web", &voucher("alice:1")).await.tokens();
    assert_eq!(vouchers.asked.load(Ordering::SeqCst), 1);
    fixture.token("first", &voucher("alice:2")).await.refused(400, "unauthorized_client");
    fixture.token("web", &voucher("alice:2").set("scope", "admin")).await.refused(400, "invalid_scope");
    fixture
        .post("/token", None, &voucher("alice:2").set("client_id", "web"))
        .await
        .refused(401, "invalid_client");
    fixture.server.disable_client(&"web".into()).await.unwrap();
    fixture.token("web", &voucher("alice:2")).await.refused(401, "invalid_client");
    assert_eq!(vouchers.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_host_cannot_give_what_no_grant_may_have() {
    let (fixture, vouchers) = fixture();
    *vouchers.scope.lock().unwrap() = Some(scope("read admin"));
    fixture.token("web", &voucher("alice:1")).await.refused(400, "invalid_scope");
    *vouchers.scope.lock().unwrap() = None;
    fixture
        .token("web", &voucher("alice:2").add("resource", "https://nowhere.example/"))
        .await
        .refused(400, "invalid_target");
    fixture.token("web", &voucher("alice:2")).await.tokens();
    fixture.token("spa", &voucher("house:1")).await.refused(400, "unauthorized_client");
    fixture.token("web", &voucher("machine:1")).await.refused(500, "server_error");
    fixture.server.disable_subject(&alice()).await.unwrap();
    fixture.token("web", &voucher("alice:3")).await.refused(400, "invalid_grant");
    assert_eq!(fixture.grants("web").await.len(), 1);
}

#[tokio::test]
async fn a_name_that_nobody_added_is_unsupported() {
    let (fixture, _) = fixture();
    for name in ["urn:example:grant-type:other", "voucher", "https://as.example/grants/voucher#1", ""] {
        let answer = fixture.token("web", &voucher("alice:1").set("grant_type", name)).await;
        answer.refused(400, if name.is_empty() { "invalid_request" } else { "unsupported_grant_type" });
    }
    let listed =
        &fixture.get("/.well-known/oauth-authorization-server").await.json()["grant_types_supported"];
    assert!(listed.as_array().unwrap().contains(&json!(VOUCHER)), "{listed}");
}

#[test]
fn a_registered_name_cannot_be_taken() {
    for name in GrantType::ALL {
        assert_eq!(ExtensionGrantType::new(name.as_str()), None);
    }
    for name in ["", "voucher", "no scheme:x", "urn:x#y"] {
        assert_eq!(ExtensionGrantType::new(name), None, "{name}");
    }
    let json = serde_json::to_string(&GrantType::Extension(name())).unwrap();
    assert_eq!(json, format!("\"{VOUCHER}\""));
    assert_eq!(serde_json::from_str::<GrantType>(&json).unwrap(), GrantType::Extension(name()));
    assert_eq!(serde_json::from_str::<GrantType>("\"password\"").unwrap(), GrantType::Password);
    assert!(serde_json::from_str::<GrantType>("\"authorisation_code\"").is_err());
}

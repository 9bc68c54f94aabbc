//! Every grant type against every check: a table without holes. Where a check does not apply, the table says why.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use common::clients::API;
use common::devices::{DEVICE_CODE, Devices as _};
use common::foreign::{Trust, stated, statement};
use common::host::TestPasswords;
use common::{
    Answer, Fixture, Form, NOW, OTHER_VERIFIER, alice, form, machine, redemption, refreshing, scope,
};
use grantor::Profile;
use grantor::endpoint::backchannel_answer::{DecideAuthentication, UserAnswer};
use grantor::grant::extension::refused;
use grantor::host::{AuthenticationDevice, ExtensionGrant, OwnTokenExchange};
use grantor::protocol::{DeliveryMode, ExtensionGrantType, GrantType, SubjectId, Timestamp};
use grantor::record::backchannel::{
    BackchannelRegistration, Identified, UserEnquiry, UserHint, UserQuestion,
};
use grantor::record::extension::{ExtensionRequest, Permission};
use grantor::record::facts::Claim;
use grantor::record::grant::{AuthenticatedSubject, Authentication};
use grantor::record::{Client, Context, Facts, Halt};
use grantor::store::{MemoryStore, StoreError};

const CIBA: &str = "urn:openid:params:grant-type:ciba";
const TICKET: &str = "urn:example:grant-type:ticket";

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// The client is switched on.
    ClientEnabled,
    /// The client is registered for the grant type.
    GrantAllowed,
    /// The subject may be acted for.
    SubjectActive,
    /// The scope asked for is the client's, or was granted.
    Scope,
    /// The resource asked for exists, and was granted.
    Resource,
    /// What is presented was issued to this client.
    Binding,
    /// What is presented was not used before.
    Replay,
}

const CHECKS: [Check; 7] = [
    Check::ClientEnabled,
    Check::GrantAllowed,
    Check::SubjectActive,
    Check::Scope,
    Check::Resource,
    Check::Binding,
    Check::Replay,
];

/// What a grant type does about a check.
#[derive(Clone, Copy, Debug)]
enum Cell {
    /// It refuses with this status and code.
    Refuses(u16, &'static str),
    /// It does not look at what was asked, and grants what was granted before.
    Ignores,
    /// There is nothing to check, and this is why.
    None(&'static str),
}

/// The table.
fn cell(grant_type: &GrantType, check: Check) -> Cell {
    use Cell::{Ignores, None, Refuses};
    use Check::{Binding, ClientEnabled, GrantAllowed, Replay, Resource, Scope, SubjectActive};
    use GrantType as G;
    match (grant_type, check) {
        (G::Implicit, _) => None("no token request names it; the authorization endpoint checks it"),
        (_, ClientEnabled) => Refuses(401, "invalid_client"),
        (_, GrantAllowed) => Refuses(400, "unauthorized_client"),
        (_, Resource) => Refuses(400, "invalid_target"),

        (G::TokenExchange, SubjectActive | Binding) => Refuses(400, "invalid_request"),
        (G::TokenExchange, Replay) => {
            None("the token that is given stays good, and is worth no more the second time")
        }
        (G::JwtBearer, Binding) => None("an assertion names no client, unless it is an ID-JAG"),

        (G::ClientCredentials, SubjectActive) => None("the client acts for itself"),
        (_, SubjectActive) => Refuses(400, "invalid_grant"),

        (G::AuthorizationCode | G::DeviceCode | G::Ciba, Scope) => Ignores,
        (_, Scope) => Refuses(400, "invalid_scope"),

        (G::ClientCredentials, Binding | Replay) => None("nothing is presented but the client's own proof"),
        (G::Password, Binding | Replay) => None("a password is the user's, for any client, and stays good"),
        (G::Extension(_), Binding) => None("what is presented is the host's to bind"),
        (_, Binding | Replay) => Refuses(400, "invalid_grant"),
    }
}

/// Tickets for `alice`, each good once.
struct Tickets;

#[async_trait]
impl ExtensionGrant for Tickets {
    fn decide(
        &self,
        request: &ExtensionRequest<'_>,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Permission, Halt> {
        let ticket = request.parameter("ticket").ok_or_else(|| refused("no ticket"))?;
        if request.claim(ticket.expose(), Timestamp(NOW + 600), facts, cx.namespace())? == Claim::Seen {
            return Err(refused("used before").into());
        }
        let authentication = Authentication { auth_time: cx.now, acr: None, amr: Vec::new() };
        let subject = AuthenticatedSubject { id: SubjectId::new("alice"), authentication };
        Ok(Permission { subject: Some(subject), scope: request.scope.clone(), refreshable: true })
    }
}

/// Knows everyone, and leaves it to the test to answer.
struct Everyone;

#[async_trait]
impl AuthenticationDevice for Everyone {
    async fn identify(&self, enquiry: &UserEnquiry) -> Result<Identified, StoreError> {
        match &enquiry.hint {
            UserHint::Login(name) => Ok(Identified::User(name.as_str().into())),
            _ => Ok(Identified::Unknown),
        }
    }

    async fn ask(&self, _: &UserQuestion) -> Result<(), StoreError> {
        Ok(())
    }
}

fn extension() -> GrantType {
    GrantType::Extension(ExtensionGrantType::new(TICKET).unwrap())
}

fn grant_types() -> Vec<GrantType> {
    let mut all = GrantType::ALL.to_vec();
    all.push(extension());
    all
}

/// Two clients, `one` and `other`, that may do everything, and whose refresh tokens rotate.
fn fixture() -> Fixture {
    let client = |id| Client {
        grant_types: grant_types().into_iter().filter(|own| *own != GrantType::Implicit).collect(),
        scope: scope("openid read write"),
        backchannel: BackchannelRegistration {
            mode: Some(DeliveryMode::Poll),
            endpoint: None,
            signing_alg: None,
            user_code: false,
        },
        ..common::clients::all().into_iter().find(|client| client.id.as_str() == id).unwrap()
    };
    Fixture::over(Arc::new(MemoryStore::new()), vec![client("web"), client("first")], |builder| {
        let on = GrantType::ALL.iter().filter(|own| **own != GrantType::Implicit).cloned();
        builder
            .profile(Profile::OidcCompat)
            .grant_types(on.collect::<Vec<_>>())
            .refresh(|refresh| refresh.rotation = grantor::profile::RefreshRotation::Always)
            .scope(scope("openid read write admin"))
            .authentication_device(Arc::new(Everyone))
            .token_exchange(Arc::new(OwnTokenExchange))
            .assertion_trust(Arc::new(Trust::default()))
            .password_verifier(Arc::new(TestPasswords::default()))
            .extension_grant(ExtensionGrantType::new(TICKET).unwrap(), Arc::new(Tickets))
    })
}

/// A token request of `web` that would be granted.
async fn sound(fixture: &Fixture, grant_type: &GrantType) -> Form {
    match grant_type {
        GrantType::AuthorizationCode => redemption("web", &fixture.code("web").await),
        GrantType::RefreshToken => refreshing(&fixture.tokens("web").await.refresh),
        GrantType::ClientCredentials => machine(),
        GrantType::Password => {
            form([("grant_type", "password"), ("username", "alice"), ("password", "wonderland")])
        }
        GrantType::DeviceCode => {
            let device = fixture.device("web").await;
            fixture.agent().let_in(&device, "alice").await;
            form([("grant_type", DEVICE_CODE), ("device_code", &device.device_code())])
        }
        GrantType::TokenExchange => form([
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", &fixture.tokens("web").await.access),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ]),
        GrantType::JwtBearer => form([
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &stated(&statement())),
        ]),
        GrantType::Ciba => {
            let asking = form([("scope", "openid read write"), ("login_hint", "alice")]);
            let told = fixture.post_as("web", "/bc-authorize", &asking).await.json();
            let authentication = Authentication { auth_time: Timestamp(NOW), acr: None, amr: Vec::new() };
            let answer = UserAnswer::Approve { scope: scope("openid read write"), authentication };
            let grant = fixture.grants("web").await.pop().unwrap().0;
            let decided = DecideAuthentication { grant, subject: alice(), answer };
            fixture.server.decide_authentication(&decided).await.unwrap();
            form([("grant_type", CIBA), ("auth_req_id", told["auth_req_id"].as_str().unwrap())])
        }
        GrantType::Extension(_) => form([("grant_type", TICKET), ("ticket", "A 38")]),
        other => panic!("{other} has no row"),
    }
}

/// The same request, or the same world, where the check fails.
async fn broken(fixture: &Fixture, request: &Form, check: Check) -> Answer {
    match check {
        Check::ClientEnabled => {
            fixture.server.disable_client(&"web".into()).await.unwrap();
            fixture.token("web", request).await
        }
        Check::GrantAllowed => {
            let name = request.0.iter().find(|(name, _)| name == "grant_type").unwrap().1.clone();
            let mut before = Vec::new();
            fixture.clients.change("web", |client| {
                before.clone_from(&client.grant_types);
                client.grant_types.retain(|own| own.as_str() != name);
            });
            let answer = fixture.token("web", request).await;
            fixture.clients.change("web", |client| client.grant_types = before);
            answer
        }
        Check::SubjectActive => {
            fixture.accounts.lock("alice");
            fixture.token("web", request).await
        }
        Check::Scope => fixture.token("web", &request.set("scope", "read admin")).await,
        Check::Resource => fixture.token("web", &request.add("resource", "https://nowhere.example/")).await,
        Check::Binding => fixture.token("first", request).await,
        Check::Replay => {
            fixture.token("web", request).await.tokens();
            fixture.clock.forward(11);
            fixture.token("web", request).await
        }
    }
}

#[tokio::test]
async fn every_grant_type_keeps_every_check_or_says_why_there_is_nothing_to_check() {
    for grant_type in grant_types() {
        for check in CHECKS {
            let fixture = fixture();
            let (status, code) = match cell(&grant_type, check) {
                Cell::Refuses(status, code) => (status, code),
                Cell::Ignores => {
                    let request = sound(&fixture, &grant_type).await;
                    let tokens = broken(&fixture, &request, check).await.tokens();
                    assert!(tokens.scope.ends_with("read write"), "{grant_type} {check:?}");
                    continue;
                }
                Cell::None(why) => {
                    assert!(!why.is_empty());
                    continue;
                }
            };
            let request = sound(&fixture, &grant_type).await;
            let answer = broken(&fixture, &request, check).await;
            assert_eq!(answer.error(), (status, code.to_owned()), "{grant_type} {check:?}");
            // What failed a check of the request alone has cost nothing: put right, it is granted.
            if matches!(check, Check::GrantAllowed | Check::Scope | Check::Resource | Check::Binding) {
                let tokens = fixture.token("web", &request).await.tokens();
                assert!(fixture.is_live(&tokens.access).await, "{grant_type} {check:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_subject_that_is_switched_off_by_the_operator_is_as_good_as_one_that_the_host_locked() {
    for grant_type in grant_types() {
        let Cell::Refuses(status, code) = cell(&grant_type, Check::SubjectActive) else { continue };
        let fixture = fixture();
        let request = sound(&fixture, &grant_type).await;
        fixture.server.disable_subject(&alice()).await.unwrap();
        fixture.token("web", &request).await.refused(status, code);
    }
}

#[tokio::test]
async fn a_resource_that_exists_and_was_not_granted_is_refused_where_there_was_a_grant() {
    for grant_type in [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::DeviceCode] {
        let fixture = fixture();
        let request = sound(&fixture, &grant_type).await;
        fixture.token("web", &request.add("resource", API)).await.refused(400, "invalid_target");
        fixture.token("web", &request).await.tokens();
    }
}

#[tokio::test]
async fn a_code_is_bound_to_its_verifier_as_well() {
    let fixture = fixture();
    let request = sound(&fixture, &GrantType::AuthorizationCode).await;
    let other = request.set("code_verifier", OTHER_VERIFIER);
    fixture.token("web", &other).await.refused(400, "invalid_grant");
    fixture.token("web", &request).await.tokens();
}

//! What a host injects, made for the tests of this crate, beside what hosts have for theirs: entropy that fails, passwords, a
//! grant type, and nobody at all.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use grantor::grant::extension::refused;
use grantor::host::{
    AuthenticationDevice, Entropy, EntropyError, ExtensionGrant, Fetch, FetchError, FetchRequest,
    FetchResponse, Limits, MemoryLimiter, PasswordVerifier,
};
use grantor::protocol::{ExtensionGrantType, SubjectId, Timestamp};
use grantor::record::backchannel::{Identified, UserEnquiry, UserQuestion};
use grantor::record::extension::{ExtensionRequest, Permission};
use grantor::record::grant::{AuthenticatedSubject, Authentication};
use grantor::record::password::{PasswordAttempt, PasswordVerdict};
use grantor::record::{Context, Facts, Halt};
use grantor::store::StoreError;
pub(crate) use grantor::testing::{TestClock, TestSigner, TestUsers};
use serde_json::json;

/// The system's entropy, until it is broken.
#[derive(Default)]
pub(crate) struct BreakableEntropy {
    pub(crate) broken: AtomicBool,
}

impl Entropy for BreakableEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(EntropyError);
        }
        grantor::host::OsEntropy.fill(bytes)
    }
}

/// Users of whom more is known than clients are told.
pub(crate) fn users() -> TestUsers {
    TestUsers::with_claims(|subject| {
        json!({
            "sub": "somebody else",
            "name": format!("The user {subject}"),
            "name#de": format!("Benutzer {subject}"),
            "email": format!("{subject}@example.com"),
            "email_verified": true,
            "employee_id": 7,
        })
    })
}

/// Alice's password is `wonderland`; the database of `bob` is down.
#[derive(Default)]
pub(crate) struct TestPasswords {
    pub(crate) asked: AtomicUsize,
}

#[async_trait]
impl PasswordVerifier for TestPasswords {
    async fn verify(&self, attempt: &PasswordAttempt, now: Timestamp) -> Result<PasswordVerdict, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let authentication = Authentication { auth_time: now, acr: None, amr: vec!["pwd".into()] };
        match (attempt.username.expose(), attempt.password.expose()) {
            ("bob", _) => Err(StoreError("the users are away".into())),
            ("alice", "wonderland") => Ok(PasswordVerdict::Right(AuthenticatedSubject {
                id: SubjectId::new("alice"),
                authentication,
            })),
            _ => Ok(PasswordVerdict::Wrong),
        }
    }
}

pub(crate) const BY_NAME: &str = "urn:example:grant-type:by-name";

pub(crate) fn by_name() -> ExtensionGrantType {
    ExtensionGrantType::new(BY_NAME).unwrap()
}

/// Allows whatever is asked, for whoever is named.
pub(crate) struct ByName;

#[async_trait]
impl ExtensionGrant for ByName {
    fn decide(
        &self,
        request: &ExtensionRequest<'_>,
        _: &Facts,
        cx: &Context<'_>,
    ) -> Result<Permission, Halt> {
        let name = request.parameter("name").ok_or_else(|| refused("nobody is named"))?;
        let authentication = Authentication { auth_time: cx.now, acr: None, amr: Vec::new() };
        let subject = AuthenticatedSubject { id: SubjectId::new(name.expose()), authentication };
        Ok(Permission { subject: Some(subject), scope: request.scope.clone(), refreshable: true })
    }
}

/// What is allowed so far beyond measure that no limit is ever met.
pub(crate) fn limitless() -> MemoryLimiter {
    MemoryLimiter::new(Limits {
        client_failures: u32::MAX,
        interactions: u32::MAX,
        device_authorizations: u32::MAX,
        backchannel_authentications: u32::MAX,
        user_codes_of_session: u32::MAX,
        user_codes_from_address: u32::MAX,
        passwords: u32::MAX,
        passwords_of_all: u32::MAX,
        passwords_from_everywhere: u32::MAX,
        ..Limits::default()
    })
}

/// A host that finds and reaches nobody.
pub(crate) struct NobodyAtHome;

#[async_trait]
impl AuthenticationDevice for NobodyAtHome {
    async fn identify(&self, _: &UserEnquiry) -> Result<Identified, StoreError> {
        Ok(Identified::Unknown)
    }

    async fn ask(&self, _: &UserQuestion) -> Result<(), StoreError> {
        Err(StoreError("nobody at home".into()))
    }
}

/// None of the clients' servers can be reached.
pub(crate) struct NoServers;

#[async_trait]
impl Fetch for NoServers {
    async fn fetch(&self, _: FetchRequest) -> Result<FetchResponse, FetchError> {
        Err(FetchError::Timeout)
    }
}

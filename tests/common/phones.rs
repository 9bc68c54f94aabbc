//! A server that asks users on devices of theirs, and what its clients and its users say (CIBA).

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use grantor::endpoint::backchannel_answer::{DecideAuthentication, UserAnswer};
use grantor::host::{AuthenticationDevice, Fetch, FetchError, FetchRequest, FetchResponse};
use grantor::protocol::{ClientAuthMethod, DeliveryMode, GrantType, OAuthError, Timestamp};
use grantor::record::backchannel::{
    BackchannelRegistration, Identified, UserEnquiry, UserHint, UserQuestion,
};
use grantor::record::grant::{Authentication, GrantStatus};
use grantor::record::{Client, Record};
use grantor::server::Builder;
use grantor::store::{Store, StoreError};
use serde_json::Value;

use super::clients::{self, client};
use super::{Answer, Fixture, Form, NOW, form, scope};

pub(crate) const CIBA: &str = "urn:openid:params:grant-type:ciba";
const SCOPE: &str = "openid offline_access profile read write";

/// A host whose users are `alice` and `bob`; bob has a user code.
#[derive(Default)]
pub(crate) struct Phones {
    pub(crate) enquiries: Mutex<Vec<UserEnquiry>>,
    pub(crate) questions: Mutex<Vec<UserQuestion>>,
    pub(crate) down: Mutex<bool>,
}

#[async_trait]
impl AuthenticationDevice for Phones {
    async fn identify(&self, enquiry: &UserEnquiry) -> Result<Identified, StoreError> {
        self.enquiries.lock().unwrap().push(enquiry.clone());
        let name = match &enquiry.hint {
            UserHint::Login(name) => name.as_str(),
            UserHint::Token(token) if token.expose() == "old" => return Ok(Identified::HintExpired),
            UserHint::Token(token) => token.expose(),
            UserHint::Subject(subject) => subject.as_str(),
        };
        Ok(match (name, enquiry.user_code.as_ref().map(|code| code.expose())) {
            ("alice" | "web" | "locked", _) => Identified::User(name.into()),
            ("bob", None) => Identified::UserCodeMissing,
            ("bob", Some("1234")) => Identified::User("bob".into()),
            ("bob", Some(_)) => Identified::UserCodeWrong,
            ("carol", _) => Identified::Refused,
            _ => Identified::Unknown,
        })
    }

    async fn ask(&self, question: &UserQuestion) -> Result<(), StoreError> {
        if *self.down.lock().unwrap() {
            return Err(StoreError("no network".into()));
        }
        self.questions.lock().unwrap().push(question.clone());
        Ok(())
    }

    fn takes_user_codes(&self) -> bool {
        true
    }
}

pub(crate) struct World {
    pub(crate) fixture: Fixture,
    pub(crate) phones: Arc<Phones>,
}

/// A server at which the client `bank` asks users; `till` asks them, too.
pub(crate) fn over(store: Arc<dyn Store>, configure: impl FnOnce(Builder) -> Builder) -> World {
    let phones = Arc::new(Phones::default());
    let asking = |id| Client {
        grant_types: vec![GrantType::Ciba, GrantType::RefreshToken],
        response_types: vec![],
        scope: scope(SCOPE),
        backchannel: BackchannelRegistration {
            mode: Some(DeliveryMode::Poll),
            endpoint: None,
            signing_alg: None,
            user_code: true,
        },
        ..client(id, ClientAuthMethod::ClientSecretBasic, &[])
    };
    let mut all = clients::all();
    all.iter_mut().for_each(|client| client.scope = scope(SCOPE));
    all.extend([asking("bank"), asking("till")]);
    let on = [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::Ciba];
    let device = Arc::clone(&phones);
    let fixture = Fixture::over(store, all, |builder| {
        let builder = builder.grant_types(on).scope(scope(&format!("{SCOPE} admin")));
        configure(builder.authentication_device(device))
    });
    World { fixture, phones }
}

pub(crate) fn asking() -> Form {
    form([("scope", "openid read"), ("login_hint", "alice")])
}

/// A client's server, which takes what it is sent or does not.
pub(crate) struct Told {
    pub(crate) posted: Mutex<Vec<FetchRequest>>,
    pub(crate) status: AtomicU16,
}

#[async_trait]
impl Fetch for Told {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        self.posted.lock().unwrap().push(request);
        match self.status.load(Ordering::SeqCst) {
            0 => Err(FetchError::Timeout),
            status => Ok(FetchResponse { status, headers: Vec::new(), body: Vec::new() }),
        }
    }
}

impl Told {
    pub(crate) fn new(status: u16) -> Arc<Self> {
        Arc::new(Self { posted: Mutex::default(), status: AtomicU16::new(status) })
    }

    /// Everything that was posted since the last time.
    pub(crate) fn take(&self) -> Vec<FetchRequest> {
        std::mem::take(&mut *self.posted.lock().unwrap())
    }

    /// The one thing that was posted since the last time.
    pub(crate) fn body(&self) -> Value {
        let posted = self.take();
        let [one] = posted.as_slice() else { panic!("{posted:?}") };
        serde_json::from_slice(&one.body).unwrap()
    }
}

/// What `bank` wants to be told with.
pub(crate) const TOKEN: &str = "8d67dc78-7faa-4d41-aabd-67707b374255";

/// A server at which `bank` learns of the answer in this way, at a server of its own that answers with this status; zero
/// stands for none at all.
pub(crate) fn told(mode: DeliveryMode, store: Arc<dyn Store>, status: u16) -> (World, Arc<Told>) {
    let told = Told::new(status);
    (telling(mode, store, told.clone()), told)
}

/// The same where `bank` is sent its tokens, at a server of its own that is reached like this.
pub(crate) fn pushing(store: Arc<dyn Store>, fetch: Arc<dyn Fetch>) -> World {
    telling(DeliveryMode::Push, store, fetch)
}

fn telling(mode: DeliveryMode, store: Arc<dyn Store>, fetch: Arc<dyn Fetch>) -> World {
    let world = over(store, |builder| builder.fetch(fetch));
    world.fixture.clients.change("bank", |client| {
        client.backchannel.mode = Some(mode);
        client.backchannel.endpoint = Some("https://bank.example/cb".parse().unwrap());
    });
    world
}

pub(crate) fn asking_to_be_told() -> Form {
    asking().add("client_notification_token", TOKEN)
}

impl World {
    pub(crate) async fn ask(&self, request: &Form) -> Answer {
        self.fixture.post_as("bank", "/bc-authorize", request).await
    }

    /// Asks, and returns the token request with which the answer is waited for.
    pub(crate) async fn asked(&self, request: &Form) -> Form {
        let answer = self.ask(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        form([("grant_type", CIBA), ("auth_req_id", answer.json()["auth_req_id"].as_str().unwrap())])
    }

    pub(crate) async fn poll(&self, polling: &Form) -> Answer {
        self.fixture.token("bank", polling).await
    }

    /// What the user was asked last.
    pub(crate) fn question(&self) -> UserQuestion {
        self.phones.questions.lock().unwrap().last().unwrap().clone()
    }

    /// How it stands with what the user was asked last.
    pub(crate) async fn status(&self) -> GrantStatus {
        let key = self.fixture.server.settings().namespace.grant(self.question().grant);
        let found = self.fixture.store.load(&[key]).await.unwrap().pop().flatten().unwrap();
        let Record::Grant(grant) = found.record.as_ref() else { panic!("{found:?}") };
        grant.status
    }

    pub(crate) async fn answer(&self, subject: &str, answer: UserAnswer) -> Result<(), OAuthError> {
        let decided = DecideAuthentication { grant: self.question().grant, subject: subject.into(), answer };
        self.fixture.server.decide_authentication(&decided).await
    }

    pub(crate) async fn approve(&self, subject: &str, values: &str) -> Result<(), OAuthError> {
        let authentication =
            Authentication { auth_time: Timestamp(NOW), acr: Some("silver".into()), amr: vec!["hwk".into()] };
        self.answer(subject, UserAnswer::Approve { scope: scope(values), authentication }).await
    }
}

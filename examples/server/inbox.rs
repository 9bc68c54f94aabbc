//! Requests of clients that named the person (CIBA): they wait in an inbox, a page that stands for an app on a phone, until
//! the person answers.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use grantor::endpoint::backchannel_answer::{DecideAuthentication, UserAnswer};
use grantor::host::{AuthenticationDevice, Clock as _};
use grantor::protocol::{OAuthError, Reason, Scope, SubjectId};
use grantor::record::backchannel::{Identified, UserEnquiry, UserHint, UserQuestion};
use grantor::record::grant::{Authentication, GrantStatus};
use grantor::record::{Grant, GrantId, Id};
use grantor::server::AuthorizationServer;
use grantor::store::StoreError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::app::App;
use crate::clock::DemoClock;
use crate::demo;
use crate::pages::{InboxPage, WaitingRequest};
use crate::scopes;
use crate::users::Users;
use crate::visit::{self, Answer, Visit};

/// Finds people by what they sign in with, or by their email address. Whoever is asked finds the question in the inbox.
pub(crate) struct Inbox {
    pub(crate) users: Arc<Users>,
    /// Where what the demo user is asked goes to be allowed at once, where that is wanted.
    pub(crate) yes: Option<UnboundedSender<UserQuestion>>,
}

#[async_trait]
impl AuthenticationDevice for Inbox {
    async fn identify(&self, enquiry: &UserEnquiry) -> Result<Identified, StoreError> {
        let user = match &enquiry.hint {
            UserHint::Login(name) => self.users.by_name_or_email(name),
            UserHint::Subject(subject) => self.users.by_subject(subject),
            UserHint::Token(_) => None,
        };
        Ok(user.map_or(Identified::Unknown, |user| Identified::User(user.username.as_str().into())))
    }

    async fn ask(&self, question: &UserQuestion) -> Result<(), StoreError> {
        match &self.yes {
            Some(yes) if question.user.subject.as_str() == demo::USER.0 => {
                yes.send(question.clone()).map_err(|_| StoreError("the server is stopping".into()))
            }
            _ => Ok(()),
        }
    }
}

/// Allows everything that comes.
pub(crate) async fn allow_all(
    server: AuthorizationServer,
    clock: Arc<DemoClock>,
    mut questions: UnboundedReceiver<UserQuestion>,
) {
    while let Some(question) = questions.recv().await {
        let answer = UserAnswer::Approve { scope: question.scope, authentication: now(&clock) };
        let decided = DecideAuthentication { grant: question.grant, subject: question.user.subject, answer };
        if let Err(error) = server.decide_authentication(&decided).await {
            tracing::warn!(%error, "cannot allow what was asked");
        }
    }
}

/// Someone who has signed in just now.
pub(crate) fn now(clock: &DemoClock) -> Authentication {
    Authentication { auth_time: clock.now(), acr: None, amr: Vec::new() }
}

/// `GET /inbox`.
pub(crate) async fn show(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    let Some(login) = app.server.signed_in(&visit.browser).await? else { return Ok(visit::go_to("/login")) };
    let token = app.server.form_token(&visit.browser)?;
    let waiting = waiting(&app, &login.subject).await?;
    let mut requests = Vec::new();
    for (id, grant) in &waiting {
        let client = app.server.client(grant.client.as_str()).await?;
        let name = client.and_then(|client| client.name.clone());
        let message = grant.asked.as_ref().and_then(|asked| asked.binding_message.as_deref());
        requests.push(WaitingRequest {
            grant: id.to_string(),
            client_name: name.unwrap_or_else(|| grant.client.to_string()),
            binding_message: message.unwrap_or_default(),
            scopes: grant.scope.iter().map(scopes::describe).collect(),
            resources: grant.resources.iter().map(|resource| resource.as_str()).collect(),
        });
    }
    let page = InboxPage { csrf: token.csrf.expose(), requests };
    Ok(visit::with_cookies(&app, visit::page(&page, None)?, &token.cookies))
}

/// `POST /inbox`: yes or no.
pub(crate) async fn submit(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    let form = visit.form()?;
    app.server.check_form(&visit.browser, &visit::csrf(&form)?)?;
    let Some(login) = app.server.signed_in(&visit.browser).await? else { return Ok(visit::go_to("/login")) };
    let grant = form.get("grant").and_then(|id| id.parse::<Id>().ok()).map(GrantId);
    let grant = grant.ok_or(Reason::AlreadyDecided)?;
    let asked = waiting(&app, &login.subject).await?.into_iter().find(|(id, _)| *id == grant);
    let scope = asked.map_or_else(Scope::empty, |(_, grant)| grant.scope);
    let answer = match form.get("decision") {
        Some("approve") => UserAnswer::Approve { scope, authentication: login.authentication },
        _ => UserAnswer::Deny,
    };
    app.server.decide_authentication(&DecideAuthentication { grant, subject: login.subject, answer }).await?;
    Ok(visit::go_to("/inbox"))
}

/// What waits for an answer of someone.
async fn waiting(app: &App, subject: &SubjectId) -> Result<Vec<(GrantId, Grant)>, OAuthError> {
    let now = app.clock.now();
    let open = |(_, grant): &(GrantId, Grant)| {
        let in_time = grant.redeemable.as_ref().is_some_and(|code| !code.valid_until.is_past(now));
        grant.status == GrantStatus::Pending && in_time
    };
    Ok(app.server.grants_of(subject).await?.into_iter().filter(open).collect())
}

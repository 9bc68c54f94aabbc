//! The front page: who has access to the account, and taking it back.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use grantor::protocol::{ClientId, OAuthError, Reason, Scope, Timestamp};
use grantor::record::interaction::SignedIn;

use crate::app::App;
use crate::day::Day;
use crate::pages::{Application, HomePage, HomeSession};
use crate::scopes;
use crate::visit::{self, Answer, Visit};

/// `GET /`.
pub(crate) async fn show(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    let Some(login) = app.server.signed_in(&visit.browser).await? else {
        return visit::page(&HomePage { session: None }, None);
    };
    let token = app.server.form_token(&visit.browser)?;
    let access = access(&app, &login).await?;
    let applications = access.iter().map(|(client_id, access)| Application {
        client_id: client_id.as_str(),
        name: &access.client_name,
        scopes: access.scope.iter().map(scopes::describe).collect(),
        since: Day::from_unix(access.since.0),
    });
    let session = HomeSession {
        username: login.subject.as_str(),
        csrf: token.csrf.expose(),
        applications: applications.collect(),
    };
    let response = visit::page(&HomePage { session: Some(session) }, None)?;
    Ok(visit::with_cookies(&app, response, &token.cookies))
}

/// `POST /revoke-access`.
pub(crate) async fn revoke_access(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    let form = visit.form()?;
    app.server.check_form(&visit.browser, &visit::csrf(&form)?)?;
    let missing = OAuthError::new(Reason::ParameterMissing).parameter("client_id");
    let client = ClientId::new(form.get("client_id").ok_or(missing)?);
    if let Some(login) = app.server.signed_in(&visit.browser).await? {
        app.server.revoke_access(&login.subject, &client).await?;
    }
    Ok(visit::go_to("/"))
}

/// What one client may do for someone.
struct Access {
    client_name: String,
    scope: Scope,
    since: Timestamp,
}

/// The clients that can act for whoever is signed in: one line each, however often they were allowed.
async fn access(app: &App, login: &SignedIn) -> Result<BTreeMap<ClientId, Access>, OAuthError> {
    let mut all: BTreeMap<ClientId, Access> = BTreeMap::new();
    for (_, grant) in app.server.usable_grants_of(&login.subject).await? {
        if let Some(access) = all.get_mut(&grant.client) {
            access.scope = access.scope.union(&grant.scope);
            access.since = access.since.min(grant.created_at);
            continue;
        }
        let client = app.server.client(grant.client.as_str()).await?;
        let name = client.and_then(|client| client.name.clone());
        let client_name = name.unwrap_or_else(|| grant.client.to_string());
        all.insert(grant.client, Access { client_name, scope: grant.scope, since: grant.created_at });
    }
    Ok(all)
}

//! Consent: the person allows what a client asks, a part of it, or nothing.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use grantor::authorize::{Destination, InteractReason, InteractionView, View};
use grantor::protocol::scope::OPENID;
use grantor::protocol::{OAuthError, Params, Reason};
use grantor::record::InteractionId;
use grantor::record::client::ClientDescription;
use url::Url;

use crate::app::App;
use crate::pages::{self, ConsentFor, ConsentPage, Link, RequestedScope, host_of};
use crate::scopes;
use crate::visit::{self, Answer, Visit};

/// `GET /consent`.
pub(crate) async fn show(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    let id = required_interaction(&visit.query()?)?;
    page(&app, &visit, id, None).await
}

/// `POST /consent`.
pub(crate) async fn submit(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    match app.http.consent(&visit.request).await {
        Err(error) if error.reason() == Reason::ScopeNothingLeft => {
            let id = required_interaction(&visit.form()?)?;
            page(&app, &visit, id, Some("Tick what you want to allow, or deny the request.")).await
        }
        step => Ok(app.http.step(step, visit.request.method()).map(Body::from)),
    }
}

fn required_interaction(params: &Params<'_>) -> Result<InteractionId, OAuthError> {
    visit::interaction(params)?.ok_or(OAuthError::new(Reason::InteractionUnknown))
}

async fn page(app: &App, visit: &Visit, id: InteractionId, problem: Option<&str>) -> Answer {
    let view = app.server.interaction(&View { id, browser: visit.browser.clone() }).await?;
    let interaction = id.to_string();
    let InteractionView { client, reason: InteractReason::Consent, subject: Some(subject), .. } = &view
    else {
        return Ok(visit::go_to(&format!("/login?interaction={interaction}")));
    };
    let requested = |token| RequestedScope { token, words: scopes::describe(token), fixed: token == OPENID };
    let mut scopes: Vec<_> = view.scope.iter().map(requested).collect();
    scopes.sort_by_key(|scope| !scope.fixed);
    let about = &client.about;
    let page = ConsentPage {
        client_name: pages::client_name(client),
        logo: about.logo_uri.as_ref().map(Url::as_str),
        links: links(about),
        unknown: client.self_registered,
        username: subject.as_str(),
        interaction: &interaction,
        csrf: view.csrf.expose(),
        scopes,
        claims: view.claims.iter().map(|claim| scopes::describe_claim(claim)).collect(),
        resources: view.resources.iter().map(|resource| resource.as_str()).collect(),
        destination: match &view.destination {
            Destination::RedirectUri(uri) => ConsentFor::Redirect { host: host_of(uri.as_str()) },
            Destination::Device(user_code) => ConsentFor::Device { user_code: user_code.shown() },
        },
        problem,
    };
    visit::page_with_image(&page, view.destination.origin().as_deref(), about.logo_uri.as_ref())
}

/// The pages of the client, as it has registered them.
fn links(about: &ClientDescription) -> Vec<Link<'_>> {
    let pages = [
        ("Website", &about.client_uri),
        ("Privacy policy", &about.policy_uri),
        ("Terms of service", &about.tos_uri),
    ];
    pages.into_iter().filter_map(|(words, url)| Some(Link { words, url: url.as_ref()?.as_str() })).collect()
}

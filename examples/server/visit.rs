//! What the pages read of a request, and how they answer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequest, State};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use grantor::authorize::{Browser, Cookies};
use grantor::http::axum::Whole;
use grantor::http::form;
use grantor::http::reply::page_headers_with_image;
use grantor::protocol::{OAuthError, Params, Reason, Secret};
use grantor::record::{Id, InteractionId};
use http::{HeaderValue, Request, StatusCode, header};
use url::Url;

use crate::app::App;

/// What a page answers.
pub(crate) type Answer = Result<Response, Refusal>;

/// Why a page cannot be shown; [`error_page`] says it.
#[derive(Clone, Debug)]
pub(crate) struct Refusal(OAuthError);

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self(error)
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self(reason.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, Extension(self)).into_response()
    }
}

/// Turns every [`Refusal`] into the error page.
pub(crate) async fn error_page(State(app): State<Arc<App>>, mut response: Response) -> Response {
    match response.extensions_mut().remove::<Refusal>() {
        Some(Refusal(error)) => app.http.error_page(&error).map(Body::from),
        None => response,
    }
}

/// A request to one of this host's own pages.
pub(crate) struct Visit {
    /// Its cookies.
    pub(crate) browser: Browser,
    /// Where it came from.
    pub(crate) address: IpAddr,
    /// The other end of the connection.
    pub(crate) peer: Option<IpAddr>,
    /// The request itself.
    pub(crate) request: Request<Bytes>,
}

impl FromRequest<Arc<App>> for Visit {
    type Rejection = Refusal;

    async fn from_request(request: Request<Body>, app: &Arc<App>) -> Result<Self, Refusal> {
        let Whole(request) = Whole::from_request(request, app).await.map_err(|_| Reason::BodyTooLarge)?;
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let address = app.proxies.client_address(peer, request.headers());
        let address = address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        Ok(Self { browser: app.http.browser(request.headers()), address, peer, request })
    }
}

impl Visit {
    /// The parameters in the query.
    pub(crate) fn query(&self) -> Result<Params<'_>, OAuthError> {
        form::query(&self.request)
    }

    /// The fields of the form.
    pub(crate) fn form(&self) -> Result<Params<'_>, OAuthError> {
        form::body(&self.request)
    }
}

/// The interaction that a query or form names, if it names one.
pub(crate) fn interaction(params: &Params<'_>) -> Result<Option<InteractionId>, OAuthError> {
    let id = params.get("interaction").map(|id| id.parse::<Id>().map(InteractionId));
    id.transpose().map_err(|_| Reason::InteractionUnknown.into())
}

/// The token against forged forms.
pub(crate) fn csrf(form: &Params<'_>) -> Result<Secret, OAuthError> {
    let missing = || OAuthError::new(Reason::CsrfMismatch).detail("the form has none");
    form.get("csrf").map(Secret::new).ok_or_else(missing)
}

/// A page. Its forms lead to this server, and through it to `form_action` if there is one.
pub(crate) fn page(template: &impl Template, form_action: Option<&str>) -> Answer {
    page_with_image(template, form_action, None)
}

/// As [`page`], with an image from elsewhere.
pub(crate) fn page_with_image(
    template: &impl Template,
    form_action: Option<&str>,
    image: Option<&Url>,
) -> Answer {
    let html = template.render().map_err(|error| OAuthError::new(Reason::Bug).detail(error.to_string()))?;
    let mut response = Response::new(html.into());
    response.headers_mut().extend(page_headers_with_image(None, form_action, image));
    Ok(response)
}

/// Sends the browser on to one of this server's own pages.
pub(crate) fn go_to(location: &str) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Redirect::to(location)).into_response()
}

/// Adds cookies to an answer.
pub(crate) fn with_cookies(app: &App, mut response: Response, cookies: &Cookies) -> Response {
    let cookies = cookies.headers(&app.server.settings().issuer);
    let values = cookies.filter_map(|cookie| HeaderValue::try_from(cookie).ok());
    response.headers_mut().extend(values.map(|value| (header::SET_COOKIE, value)));
    response
}

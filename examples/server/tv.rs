//! A demo client: a television without a keyboard, on a page of its own. It signs in as every device does (RFC 8628): it
//! asks the device authorization endpoint, shows what it is told, and polls the token endpoint.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use grantor::endpoint::device_authorization::{DeviceAuthorization, DeviceAuthorizationRequest};
use grantor::endpoint::token::{TokenRequest, TokenResponse};
use grantor::endpoint::userinfo::UserInfo;
use grantor::endpoint::userinfo::UserInfoRequest;
use grantor::protocol::{ErrorCode, GrantType, OAuthError, Params, Reason, Secret, UserCode};
use grantor::server::Origin;
use http::{StatusCode, header};
use qrcode::{Color, QrCode};
use serde_json::json;

use crate::app::App;
use crate::pages::{Qr, TvPage, TvWaiting};
use crate::visit::{self, Answer, Visit};

/// The demo client that the television is.
const CLIENT: &str = "demo-tv";
const SCOPE: &str = "openid profile api:read";
/// White squares around a QR code.
const MARGIN: usize = 4;
const WAITING: &str = "Waiting for your answer.";

/// `GET /tv`.
pub(crate) async fn show(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    the_client_is_there(&app)?;
    off(&app, &visit, "")
}

/// `POST /tv`: a device asks when its user wants it to, and not before (RFC 8628 §3.1).
pub(crate) async fn begin(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    the_client_is_there(&app)?;
    app.server.check_form(&visit.browser, &visit::csrf(&visit.form()?)?)?;
    let form = Params::from_pairs([("client_id", CLIENT), ("scope", SCOPE)]);
    let request = DeviceAuthorizationRequest::read(None, &form)?;
    waiting(&app.server.authorize_device(&request, origin(&visit)).await?)
}

/// `POST /tv/poll`: one poll. The script of the page wants JSON, and to know when to ask again; a person presses a button.
/// The device code is all the proof that the form is this television's own: nobody else has it. A form token would not do, for
/// whoever answers in the same browser signs in there meanwhile.
pub(crate) async fn poll(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    the_client_is_there(&app)?;
    let form = visit.form()?;
    let device_code = form.get("device_code").unwrap_or_default();
    let pairs =
        [("client_id", CLIENT), ("grant_type", GrantType::DeviceCode.as_str()), ("device_code", device_code)];
    let request = TokenRequest::read(None, &Params::from_pairs(pairs), &app.server.settings().grant_types)?;
    let (message, again) = match app.server.token(&request, origin(&visit)).await {
        Ok(tokens) => (format!("Signed in. Hello {}!", name(&app, &tokens, &visit).await?), None),
        Err(error) => match error.code() {
            ErrorCode::AuthorizationPending => (WAITING.to_owned(), Some("pending")),
            ErrorCode::SlowDown => (WAITING.to_owned(), Some("slow_down")),
            ErrorCode::AccessDenied => ("You denied access.".to_owned(), None),
            ErrorCode::ExpiredToken => ("Nobody answered in time. Start again.".to_owned(), None),
            _ => return Err(error.into()),
        },
    };
    let wants_json = visit.request.headers().get(header::ACCEPT).is_some_and(|own| own == "application/json");
    if wants_json {
        let body = json!({ "message": message, "again": again }).to_string();
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        return Ok((StatusCode::OK, headers, body).into_response());
    }
    let policy = &app.server.settings().device;
    match UserCode::read(form.get("user_code").unwrap_or_default(), policy.alphabet) {
        Some(user_code) if again.is_some() => waiting(&DeviceAuthorization {
            device_code: Secret::new(device_code),
            user_code,
            verification_uri: policy.verification_uri.clone(),
            expires_in: app.server.settings().lifetimes.device_code.as_secs(),
            interval: policy.interval.as_secs(),
        }),
        _ => off(&app, &visit, &message),
    }
}

/// What the television shows while it does not wait.
fn off(app: &App, visit: &Visit, message: &str) -> Answer {
    let token = app.server.form_token(&visit.browser)?;
    let shown = page(&TvPage { csrf: token.csrf.expose(), waiting: None, message })?;
    Ok(visit::with_cookies(app, shown, &token.cookies))
}

/// What the television shows while it waits.
fn waiting(told: &DeviceAuthorization) -> Answer {
    let waiting = TvWaiting {
        verification_uri: &told.verification_uri,
        user_code: &told.user_code.shown(),
        device_code: told.device_code.expose(),
        interval: told.interval,
        qr: qr(&told.verification_uri_complete())?,
    };
    page(&TvPage { csrf: "", waiting: Some(waiting), message: WAITING })
}

/// What the television calls its user.
async fn name(app: &App, tokens: &TokenResponse, visit: &Visit) -> Result<String, OAuthError> {
    let request = UserInfoRequest::read(tokens.access_token.expose());
    let UserInfo::Json(claims) = app.server.userinfo(&request, origin(visit)).await? else {
        return Err(Reason::Bug.into());
    };
    let name = ["given_name", "sub"].iter().find_map(|claim| claims.get(*claim)?.as_str());
    Ok(name.unwrap_or_default().to_owned())
}

fn the_client_is_there(app: &App) -> Result<(), OAuthError> {
    match app.has_demo_clients {
        true => Ok(()),
        false => Err(OAuthError::new(Reason::AuthorizeClientUnknown)),
    }
}

fn origin(visit: &Visit) -> Origin {
    Origin { address: Some(visit.address) }
}

/// A page that may load the one script and send what it sends to this server.
fn page(template: &TvPage<'_>) -> Answer {
    let html = askama::Template::render(template)
        .map_err(|error| OAuthError::new(Reason::Bug).detail(error.to_string()))?;
    let mut response = axum::response::Response::new(html.into());
    let script = "'self'; connect-src 'self'";
    response.headers_mut().extend(grantor::http::reply::page_headers(Some(script), None));
    Ok(response)
}

fn qr(text: &str) -> Result<Qr, OAuthError> {
    let code = QrCode::new(text).map_err(|error| OAuthError::new(Reason::Bug).detail(error.to_string()))?;
    let width = code.width();
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark);
    let square = |(at, _)| format!("M{} {}h1v1h-1z", at % width + MARGIN, at / width + MARGIN);
    Ok(Qr { size: width + 2 * MARGIN, path: dark.map(square).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The three corners by which a reader finds a QR code.
    #[test]
    fn a_qr_code_has_its_corners_and_a_margin() {
        let qr = qr("https://as.example/device?user_code=WDJB-MJHT").unwrap();
        for (x, y) in [(MARGIN, MARGIN), (qr.size - MARGIN - 1, MARGIN), (MARGIN, qr.size - MARGIN - 1)] {
            assert!(qr.path.contains(&format!("M{x} {y}h1v1h-1z")), "{x} {y}");
        }
        assert!(!qr.path.contains(&format!("M{} ", MARGIN - 1)));
    }
}

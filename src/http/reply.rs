//! Writing responses: every header of every kind of answer in one place.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use serde::Serialize;

use super::Endpoint;
use crate::authorize::LoggedOut;
use crate::endpoint::userinfo::UserInfo;
use crate::protocol::{OAuthError, Reason};
use crate::record::key_ring::PublishedKeys;
use crate::resource_server::Challenge;

const NO_STORE: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
const PRAGMA: (HeaderName, HeaderValue) = (header::PRAGMA, HeaderValue::from_static("no-cache"));
const NOSNIFF: (HeaderName, HeaderValue) =
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
const NO_REFERRER: (HeaderName, HeaderValue) =
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
const ANY_ORIGIN: (HeaderName, HeaderValue) =
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
const EXPOSED: (HeaderName, HeaderValue) =
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate, DPoP-Nonce"));
const JSON: (HeaderName, HeaderValue) = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
const HTML: (HeaderName, HeaderValue) =
    (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));

/// The headers of a secret answer in JSON, hashed once.
static SECRET_JSON: LazyLock<HeaderMap> = LazyLock::new(|| {
    HeaderMap::from_iter([JSON, NO_STORE, PRAGMA, NOSNIFF, NO_REFERRER, ANY_ORIGIN, EXPOSED])
});

/// The headers of a redirect, hashed once; the location is still to be filled in.
static REDIRECT: LazyLock<HeaderMap> = LazyLock::new(|| {
    let location = (header::LOCATION, HeaderValue::from_static(""));
    HeaderMap::from_iter([location, NO_STORE, PRAGMA, NOSNIFF, NO_REFERRER])
});

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'static str,
    error_description: &'a str,
}

fn respond<const N: usize>(
    status: StatusCode,
    body: impl Into<Bytes>,
    headers: [(HeaderName, HeaderValue); N],
) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().reserve(N);
    for (name, value) in headers {
        response.headers_mut().append(name, value);
    }
    response
}

/// A secret answer in JSON: never cached (RFC 6749 §5.1).
pub(super) fn secret(body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.headers_mut() = SECRET_JSON.clone();
    response
}

/// The same of a value that is still to be written.
pub(super) fn json(body: Result<Vec<u8>, serde_json::Error>) -> Result<Response<Bytes>, OAuthError> {
    body.map(secret).map_err(|error| OAuthError::new(Reason::Bug).detail(error.to_string()))
}

/// What is known of the user, never cached (OpenID Connect Core §5.3.2).
pub(super) fn userinfo(answer: UserInfo) -> Result<Response<Bytes>, OAuthError> {
    match answer {
        UserInfo::Json(claims) => json(serde_json::to_vec(&claims)),
        UserInfo::Jwt(jwt) => {
            let mut response = json(Ok(jwt.into_bytes()))?;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"));
            Ok(response)
        }
    }
}

/// A refusal at a resource of our own: what is wrong with the token is said by the challenge (RFC 6750 §3).
pub(super) fn bearer_error(error: &OAuthError, endpoint: Endpoint) -> Response<Bytes> {
    let mut response = self::error(error, endpoint);
    let challenge = Challenge::new(error.reason()).www_authenticate().filter(|_| challenged(error, endpoint));
    if let Some(Ok(challenge)) = challenge.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// At the registration endpoint, what is wrong with the metadata is no matter of the token.
fn challenged(error: &OAuthError, endpoint: Endpoint) -> bool {
    endpoint != Endpoint::Register || error.status() == 401
}

/// 200 with nothing in it, not even a content type (RFC 7009 §2.2).
pub(super) fn empty() -> Response<Bytes> {
    respond(StatusCode::OK, Bytes::new(), [NO_STORE, PRAGMA, NOSNIFF, NO_REFERRER, ANY_ORIGIN, EXPOSED])
}

/// A public document in JSON.
pub(super) fn public(
    body: Result<Vec<u8>, serde_json::Error>,
    method: &Method,
) -> Result<Response<Bytes>, OAuthError> {
    let body = body.map_err(|error| OAuthError::new(Reason::Bug).detail(error.to_string()))?;
    Ok(cached(body.into(), [JSON, ANY_ORIGIN], method))
}

/// A page that is the same for everyone and may be framed; nothing but `script` runs on it.
pub(super) fn framable(html: String, script: &str, method: &Method) -> Response<Bytes> {
    let policy = format!("default-src 'none'; base-uri 'none'; form-action 'none'; script-src {script}");
    let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    cached(html.into(), [HTML, (header::CONTENT_SECURITY_POLICY, policy)], method)
}

/// What anyone may keep for a while.
fn cached(body: Bytes, more: [(HeaderName, HeaderValue); 2], method: &Method) -> Response<Bytes> {
    let cache = HeaderValue::try_from(format!("public, max-age={}", PublishedKeys::MAX_AGE_SECONDS))
        .unwrap_or(HeaderValue::from_static("no-store"));
    let length = (header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let body = if *method == Method::HEAD { Bytes::new() } else { body };
    let mut response =
        respond(StatusCode::OK, body, [(header::CACHE_CONTROL, cache), NOSNIFF, NO_REFERRER, length]);
    response.headers_mut().extend(more);
    response
}

/// The answer to a preflight: any origin, no credentials.
pub(super) fn preflight(methods: &'static str) -> Response<Bytes> {
    let headers = [
        ANY_ORIGIN,
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods)),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type, dpop")),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600")),
    ];
    respond(StatusCode::NO_CONTENT, Bytes::new(), headers)
}

/// An error in JSON (RFC 6749 §5.2).
pub(super) fn error(error: &OAuthError, endpoint: Endpoint) -> Response<Bytes> {
    let body = ErrorBody { error: error.code().as_str(), error_description: &error.description() };
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond(status, body, [JSON, NO_STORE, PRAGMA, NOSNIFF, NO_REFERRER]);
    let headers = response.headers_mut();
    if !matches!(endpoint, Endpoint::Authorize | Endpoint::Logout | Endpoint::CheckSession) {
        headers.extend([ANY_ORIGIN, EXPOSED].map(|(name, value)| (Some(name), value)));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"oauth\", charset=\"UTF-8\""),
        );
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = match endpoint {
            Endpoint::Authorize | Endpoint::Logout => "GET, POST",
            Endpoint::UserInfo => "GET, POST, OPTIONS",
            Endpoint::CheckSession => "GET, HEAD",
            Endpoint::Register => "GET, POST, PUT, DELETE, OPTIONS",
            Endpoint::Jwks | Endpoint::Metadata => "GET, HEAD, OPTIONS",
            Endpoint::Token
            | Endpoint::Revoke
            | Endpoint::Introspect
            | Endpoint::DeviceAuthorization
            | Endpoint::BackchannelAuthentication => "POST, OPTIONS",
        };
        headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    retry_after(&mut response, error);
    response
}

fn retry_after(response: &mut Response<Bytes>, error: &OAuthError) {
    let seconds = error.retry_after_seconds().or_else(|| (error.status() == 503).then_some(1));
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// A redirect: 302 after GET, 303 after anything else, so that no body travels on (RFC 9700 §4.12).
pub(super) fn redirect(location: &str, method: &Method) -> Response<Bytes> {
    let status = if *method == Method::GET { StatusCode::FOUND } else { StatusCode::SEE_OTHER };
    let Ok(location) = HeaderValue::try_from(location) else {
        return respond(StatusCode::INTERNAL_SERVER_ERROR, Bytes::new(), [NO_STORE]);
    };
    let mut response = respond(status, Bytes::new(), []);
    response.headers_mut().clone_from(&REDIRECT);
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// What a page may load, and where its forms lead; the last directive may be continued.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; \
                           frame-ancestors 'none'; form-action 'self'";

/// The headers of every page that a person sees. `script` and `form_action` are further sources for those directives.
#[must_use]
pub fn page_headers(script: Option<&str>, form_action: Option<&str>) -> Vec<(HeaderName, HeaderValue)> {
    page_headers_with_image(script, form_action, None)
}

/// As [`page_headers`], for a page that shows an image from elsewhere, as a client's logo: its origin, and no other, is a
/// further source of images.
#[must_use]
pub fn page_headers_with_image(
    script: Option<&str>,
    form_action: Option<&str>,
    image: Option<&url::Url>,
) -> Vec<(HeaderName, HeaderValue)> {
    let script = script.map(|source| format!("; script-src {source}")).unwrap_or_default();
    let form_action = form_action.map(|source| format!(" {source}")).unwrap_or_default();
    let image = image.map(|image| format!(" {}", image.origin().ascii_serialization())).unwrap_or_default();
    headers_under(format!("{PAGE_POLICY}{form_action}; img-src 'self'{image}{script}"))
}

pub(super) fn headers_under(policy: String) -> Vec<(HeaderName, HeaderValue)> {
    let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    vec![
        HTML,
        NO_STORE,
        PRAGMA,
        NOSNIFF,
        NO_REFERRER,
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
        ),
    ]
}

/// A page that leads nowhere else.
pub(super) fn plain_page(html: String) -> Response<Bytes> {
    let mut response = respond(StatusCode::OK, html, []);
    response.headers_mut().extend(page_headers(None, None));
    response
}

/// An error page.
pub(super) fn page(status: StatusCode, html: String, error: &OAuthError) -> Response<Bytes> {
    let mut response = respond(status, html, []);
    response.headers_mut().extend(page_headers(None, None));
    retry_after(&mut response, error);
    response
}

/// The page after a logout: it loads its frames, and goes on by its script where it may.
pub(super) fn logged_out(html: String, done: &LoggedOut) -> Response<Bytes> {
    let origins: BTreeSet<&str> = done.frames.iter().map(|frame| frame.origin.as_str()).collect();
    let mut policy = format!("{PAGE_POLICY}; img-src 'self'");
    for (position, origin) in origins.into_iter().enumerate() {
        policy += if position == 0 { "; frame-src " } else { " " };
        policy += origin;
    }
    if done.goes_on && done.location.is_some() {
        policy += "; script-src ";
        policy += super::LOGGED_OUT_SCRIPT_HASH;
    }
    let mut response = respond(StatusCode::OK, html, []);
    response.headers_mut().extend(headers_under(policy));
    response
}

/// The page that posts the answer to the client (OAuth 2.0 Form Post Response Mode §2).
pub(super) fn form_post(html: &str, origin: &str) -> Response<Bytes> {
    let mut response = respond(StatusCode::OK, html.to_owned(), []);
    response.headers_mut().extend(page_headers(Some(super::FORM_POST_SCRIPT_HASH), Some(origin)));
    response
}

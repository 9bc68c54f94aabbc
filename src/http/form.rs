//! Reading requests: sizes, content type, form bodies, the `Authorization` header.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};

use super::{MAX_BODY_BYTES, MAX_HEADER_BYTES, MAX_URI_BYTES};
use crate::endpoint::userinfo::UserInfoRequest;
use crate::protocol::params::ParamsError;
use crate::protocol::{OAuthError, Params, Reason};
use crate::resource_server::bearer::{self, BearerFault};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// The parameters in a form body. The query string is never looked at.
///
/// # Errors
/// `invalid_request`: 415 for another content type, 413, 414 or 431 for what is too large, 400 for what cannot be
/// decoded.
pub fn body(request: &Request<Bytes>) -> Result<Params<'_>, OAuthError> {
    check_size(request)?;
    if !is_of_type(request.headers(), FORM) {
        return Err(Reason::ContentType.into());
    }
    Params::parse(request.body()).map_err(|error| malformed(&error))
}

/// The body of a request that is JSON.
///
/// # Errors
/// `invalid_request`: 415 for another content type, 413, 414 or 431 for what is too large.
pub fn json_body(request: &Request<Bytes>) -> Result<&[u8], OAuthError> {
    check_size(request)?;
    if !is_of_type(request.headers(), JSON) {
        return Err(Reason::RegistrationContentType.into());
    }
    Ok(request.body())
}

/// The parameters in the query.
///
/// # Errors
/// `invalid_request`: 413, 414 or 431 for what is too large, 400 for what cannot be decoded.
pub fn query(request: &Request<Bytes>) -> Result<Params<'_>, OAuthError> {
    check_size(request)?;
    let query = request.uri().query().unwrap_or_default();
    Params::parse(query.as_bytes()).map_err(|error| malformed(&error))
}

/// The parameters of a request that may be made either way: in the query of a GET, or in the form of a POST.
///
/// # Errors
/// Those of [`query`] and [`body`]; 405 for another method.
pub fn query_or_body(request: &Request<Bytes>) -> Result<Params<'_>, OAuthError> {
    match *request.method() {
        Method::GET => query(request),
        Method::POST => body(request),
        _ => Err(Reason::MethodNotAllowed.into()),
    }
}

/// Refuses a request that is too large in any part.
///
/// # Errors
/// `invalid_request` with 413, 414 or 431.
pub fn check_size(request: &Request<Bytes>) -> Result<(), OAuthError> {
    let uri = request.uri();
    if uri.path().len() + uri.query().map_or(0, str::len) > MAX_URI_BYTES {
        return Err(Reason::UriTooLong.into());
    }
    let headers: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers > MAX_HEADER_BYTES {
        return Err(Reason::HeadersTooLarge.into());
    }
    if request.body().len() > MAX_BODY_BYTES {
        return Err(Reason::BodyTooLarge.into());
    }
    Ok(())
}

/// The `Authorization` header, if there is one.
///
/// # Errors
/// `invalid_request` when there are two.
pub fn authorization(headers: &HeaderMap) -> Result<Option<&[u8]>, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Reason::ClientMethodsTwo.into()),
        (first, None) => Ok(first.map(http::HeaderValue::as_bytes)),
    }
}

/// A request to the UserInfo endpoint, with its access token in the `Authorization` header or in the form of a POST
/// (RFC 6750 §2.1, §2.2), never in both.
///
/// # Errors
/// What a bearer challenge says; 405 for another method.
pub fn userinfo(request: &Request<Bytes>) -> Result<UserInfoRequest, OAuthError> {
    check_size(request)?;
    let posted = match *request.method() {
        Method::POST if !request.body().is_empty() => body(request)?,
        Method::GET | Method::POST => Params::default(),
        _ => return Err(Reason::MethodNotAllowed.into()),
    };
    if posted.fault("access_token").is_some() {
        return Err(Reason::BearerTwice.into());
    }
    let values = request.headers().get_all(header::AUTHORIZATION).iter().map(http::HeaderValue::as_bytes);
    match (bearer::read(values), posted.get("access_token")) {
        (Ok(_), Some(_)) => Err(Reason::BearerTwice.into()),
        (Ok(token), None) | (Err(BearerFault::Missing), Some(token)) => Ok(UserInfoRequest::read(token)),
        (Err(fault), _) => Err(Reason::from(fault).into()),
    }
}

/// The refusal for parameters that cannot be decoded.
#[must_use]
pub fn malformed(error: &ParamsError) -> OAuthError {
    OAuthError::new(Reason::MalformedParameters).detail(error.to_string())
}

fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return false };
    if value.as_bytes() == wanted.as_bytes() {
        return true;
    }
    let Ok(text) = value.to_str() else { return false };
    let essence = text.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(wanted)
}

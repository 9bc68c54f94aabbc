//! Outbound HTTP: the one way this crate ever calls another server.
//!
//! The trait is all that the rest of the crate knows. `HttpFetch` (feature `fetch`) implements it so that a URL
//! chosen by a stranger can do no harm; a host that implements it itself takes on those rules.

mod address;
#[cfg(feature = "fetch")]
mod http_fetch;
#[cfg(feature = "fetch")]
#[cfg(test)]
mod tests;

use std::fmt;

use async_trait::async_trait;
use url::Url;

pub use self::address::is_special_use;
#[cfg(feature = "fetch")]
pub use self::http_fetch::{HttpFetch, HttpFetchBuilder, Resolver, SystemResolver};

/// Sends a request to another server.
///
/// An implementation must follow no redirect, take no proxy from the environment, refuse addresses that are not
/// public (see [`is_special_use`]) when it connects rather than when it looks the name up, and bound time and size.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// Sends `request` and reads the whole response, whatever its status.
    ///
    /// # Errors
    /// [`FetchError`] when there is no complete response.
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError>;
}

/// A request to another server.
#[derive(Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// `GET` or `POST`.
    pub method: FetchMethod,
    /// Where to: an `https` URL without user information.
    pub url: Url,
    /// Header fields besides those that HTTP itself needs.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for `GET`.
    pub body: Vec<u8>,
    /// The longest response body that is read, in bytes.
    pub max_bytes: usize,
}

/// The method of a [`FetchRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchMethod {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
}

impl FetchRequest {
    /// A `GET` for a JSON document.
    #[must_use]
    pub fn get_json(url: Url, max_bytes: usize) -> Self {
        let headers = vec![("accept", "application/json".to_owned())];
        Self { method: FetchMethod::Get, url, headers, body: Vec::new(), max_bytes }
    }

    /// A `POST` of a form, answered with JSON.
    #[must_use]
    pub fn post_form(url: Url, form: String, max_bytes: usize) -> Self {
        let headers = vec![
            ("accept", "application/json".to_owned()),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ];
        Self { method: FetchMethod::Post, url, headers, body: form.into_bytes(), max_bytes }
    }
}

/// Shows neither header values nor the body: both may hold secrets.
impl fmt::Debug for FetchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchRequest")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A complete response.
#[derive(Clone, PartialEq, Eq)]
pub struct FetchResponse {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, at most `max_bytes` of the request.
    pub body: Vec<u8>,
}

impl FetchResponse {
    /// The first header field of this lower-case name, if it is visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(own, _)| own == name)?;
        std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)))
    }

    /// Whether the response says that its body is JSON: `application/json` or `application/…+json`.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let media_type = self.header("content-type").unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        essence
            .strip_prefix("application/")
            .is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
    }
}

impl fmt::Debug for FetchResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchResponse")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why there is no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL or the address behind it is one that is never called.
    #[error("the request is refused: {0}")]
    Refused(&'static str),
    /// It took too long.
    #[error("the request took too long")]
    Timeout,
    /// The response is longer than `max_bytes`.
    #[error("the response is too long")]
    TooLarge,
    /// The other server could not be reached or broke off.
    #[error("the request failed: {0}")]
    Failed(String),
}

//! Where a response is sent, and how it is attached.

use std::fmt;
use std::sync::Arc;

use url::form_urlencoded;

/// A presented redirect URI that matched a registered one: the only value a response can be sent to.
///
/// Comes from [`RedirectUri::accept`](super::RedirectUri::accept) or
/// [`RedirectUri::as_registered`](super::RedirectUri::as_registered) and from nowhere else; it is not read back from storage, so
/// a URI that was stored meanwhile is matched again against the client as it is then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedRedirectUri(Arc<str>);

impl MatchedRedirectUri {
    pub(super) fn new(uri: Arc<str>) -> Self {
        Self(uri)
    }

    /// The URI as it was presented.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text, shared.
    #[must_use]
    pub fn to_text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The URI with `parameters` added to its query, form-encoded; a query it has is kept as it is (RFC 6749
    /// §3.1.2 and §4.1.2). Without parameters it is returned unchanged.
    #[must_use]
    pub fn with_query<N: AsRef<str>, V: AsRef<str>>(
        &self,
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> String {
        let separator = match self.0.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        append(&self.0, separator, parameters)
    }

    /// The URI with `parameters` as its fragment, form-encoded (RFC 6749 §4.2.2). Without parameters it is
    /// returned unchanged.
    #[must_use]
    pub fn with_fragment<N: AsRef<str>, V: AsRef<str>>(
        &self,
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> String {
        append(&self.0, "#", parameters)
    }

    /// The source expression that lets a form lead here under the Content-Security-Policy directive
    /// `form-action`: `https://client.example`, `http://127.0.0.1:51004`, `com.example.app:`.
    ///
    /// The directive cannot name an IPv6 address; for those it is the scheme alone, `http:` or `https:`.
    pub fn origin(&self) -> String {
        form_action_source(&self.0)
    }
}

impl fmt::Display for MatchedRedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn form_action_source(uri: &str) -> String {
    let (scheme, rest) = uri.split_once(':').unwrap_or_default();
    let authority =
        rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    if !matches!(scheme, "https" | "http") || authority.starts_with('[') {
        return format!("{scheme}:");
    }
    format!("{scheme}://{authority}")
}

fn append<N: AsRef<str>, V: AsRef<str>>(
    uri: &str,
    separator: &str,
    parameters: impl IntoIterator<Item = (N, V)>,
) -> String {
    let mut target = String::with_capacity(uri.len().saturating_add(256));
    target.push_str(uri);
    let mut separator = separator;
    for (name, value) in parameters {
        target.push_str(separator);
        push_encoded(&mut target, name.as_ref());
        target.push('=');
        push_encoded(&mut target, value.as_ref());
        separator = "&";
    }
    target
}

/// Whether a byte stands for itself in a form (the `application/x-www-form-urlencoded` serializer of the URL standard).
#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
static IS_ITSELF: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'*' | b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};

fn push_encoded(target: &mut String, text: &str) {
    let is_itself = |byte: u8| IS_ITSELF.get(usize::from(byte)).copied().unwrap_or_default();
    if text.bytes().fold(true, |all, byte| all & is_itself(byte)) {
        target.push_str(text)
    } else {
        target.extend(form_urlencoded::byte_serialize(text.as_bytes()))
    }
}

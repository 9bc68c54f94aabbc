//! Request objects that clients keep behind URIs they registered (OpenID Connect Core §6.2), fetched when they are named.
//!
//! What came of fetching is kept for a short while, because whoever sees a page again asks again. It is kept by the whole
//! URI: a client that changes a document changes the fragment.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use super::{Clock, Fetch, FetchMethod, FetchRequest};
use crate::client::request_object::MAX_BYTES;
use crate::protocol::Timestamp;

/// How long a document is used.
const FRESH_FOR: Duration = Duration::from_secs(60);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(10);
/// The most documents that are kept: with them all of full length, 8 MiB.
const MAX_DOCUMENTS: usize = 256;

/// A document, or why it cannot be had.
type Outcome = Result<Arc<str>, Box<str>>;

/// The request objects behind URIs.
pub(crate) struct RequestObjects {
    fetch: Arc<dyn Fetch>,
    kept: Mutex<HashMap<Url, (Timestamp, Outcome)>>,
}

impl RequestObjects {
    /// Nothing is fetched yet.
    pub(crate) fn new(fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch, kept: Mutex::default() }
    }

    /// The document behind `uri`, which its client has registered; or why it cannot be had.
    pub(crate) async fn get(&self, uri: &Url, clock: &dyn Clock) -> Outcome {
        let now = clock.now();
        if let Some(outcome) = self.kept(uri, now) {
            return outcome;
        }
        let outcome = self.fetch(uri).await;
        self.keep(uri, now, outcome.clone());
        outcome
    }

    async fn fetch(&self, uri: &Url) -> Outcome {
        let mut url = uri.clone();
        url.set_fragment(None);
        let accept = "application/oauth-authz-req+jwt, application/jwt".to_owned();
        let request = FetchRequest {
            method: FetchMethod::Get,
            url,
            headers: vec![("accept", accept)],
            body: Vec::new(),
            max_bytes: MAX_BYTES,
        };
        let response = self.fetch.fetch(request).await.map_err(|error| error.to_string())?;
        if response.status != 200 {
            return Err(format!("status {}", response.status).into());
        }
        let text = std::str::from_utf8(&response.body).map_err(|error| error.to_string())?;
        Ok(text.trim().into())
    }

    fn kept(&self, uri: &Url, now: Timestamp) -> Option<Outcome> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, outcome) = kept.get(uri)?;
        is_fresh(*at, outcome, now).then(|| outcome.clone())
    }

    fn keep(&self, uri: &Url, now: Timestamp, outcome: Outcome) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_DOCUMENTS {
            kept.retain(|_, (at, outcome)| is_fresh(*at, outcome, now));
        }
        if kept.len() < MAX_DOCUMENTS {
            kept.insert(uri.clone(), (now, outcome));
        }
    }
}

/// A clock that has gone back makes everything old.
fn is_fresh(at: Timestamp, outcome: &Outcome, now: Timestamp) -> bool {
    let age = now.0.checked_sub(at.0).map_or(Duration::MAX, Duration::from_secs);
    age < if outcome.is_ok() { FRESH_FOR } else { PAUSE }
}

impl fmt::Debug for RequestObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestObjects").finish_non_exhaustive()
    }
}

//! Request objects that clients keep behind URIs they registered (OpenID Connect Core §6.2), fetched when they are named.
//!
//! What came of fetching is kept for a short while, because whoever sees a page again asks again. A client that changes a
//! document changes the fragment, so another fragment has the document fetched anew. But anyone can write fragments: a
//! document is fetched once at a time and a few times in ten seconds, and who asks beyond that gets what came of the last
//! time. Nor are more documents fetched in ten seconds than are kept.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use super::flight::{Flight, Turn};
use super::{Clock, Fetch, FetchMethod, FetchRequest};
use crate::client::request_object::MAX_BYTES;
use crate::protocol::Timestamp;

/// How long a document is used.
const FRESH_FOR: Duration = Duration::from_secs(60);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(10);
/// How often a document is fetched within [`PAUSE`], whatever the fragments.
const MAX_FETCHES: usize = 3;
/// The most documents that are kept, the latest: with them all of full length, 8 MiB.
const MAX_DOCUMENTS: usize = 256;

/// A document, or why it cannot be had.
type Outcome = Result<Arc<str>, Box<str>>;

/// The request objects behind URIs.
pub(crate) struct RequestObjects {
    fetch: Arc<dyn Fetch>,
    /// By URL without fragment, oldest first.
    documents: Mutex<VecDeque<(Url, Arc<Document>)>>,
}

/// What is known of one document.
#[derive(Default)]
struct Document {
    flight: Flight,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When it was fetched lately.
    fetches: Vec<Timestamp>,
    last: Option<Fetched>,
}

/// What came of the last time.
struct Fetched {
    fragment: Option<String>,
    at: Timestamp,
    outcome: Outcome,
}

impl RequestObjects {
    /// Nothing is fetched yet.
    pub(crate) fn new(fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch, documents: Mutex::default() }
    }

    /// The document behind `uri`, which its client has registered; or why it cannot be had.
    pub(crate) async fn get(&self, uri: &Url, clock: &dyn Clock) -> Outcome {
        let mut url = uri.clone();
        url.set_fragment(None);
        let document = self.document(&url, clock.now())?;
        loop {
            if let Some(outcome) = document.known(uri.fragment(), clock.now()) {
                return outcome;
            }
            match document.flight.join() {
                Turn::Lead(_lead) => {
                    let now = clock.now();
                    if let Some(outcome) = document.known(uri.fragment(), now) {
                        return outcome;
                    }
                    document.begin(now);
                    let outcome = self.fetch(url).await;
                    document.keep(uri.fragment(), now, outcome.clone());
                    return outcome;
                }
                Turn::Follow(woken) => drop(woken.await),
            }
        }
    }

    /// A document that was fetched just now gives way to no other, and so its count is not forgotten: as many are fetched in
    /// ten seconds as are kept, however many there are.
    fn document(&self, url: &Url, now: Timestamp) -> Result<Arc<Document>, Box<str>> {
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, document)) = documents.iter().find(|(own, _)| own == url) {
            return Ok(Arc::clone(document));
        }
        if documents.len() >= MAX_DOCUMENTS {
            let rests = documents.iter().position(|(_, document)| document.rests(now));
            documents.remove(rests.ok_or("too many are asked for")?);
        }
        let document = Arc::<Document>::default();
        documents.push_back((url.clone(), Arc::clone(&document)));
        Ok(document)
    }

    async fn fetch(&self, url: Url) -> Outcome {
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
}

impl Document {
    /// What is answered without fetching; `None` when the document has to be fetched.
    fn known(&self, fragment: Option<&str>, now: Timestamp) -> Option<Outcome> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = state.fetches.iter().filter(|at| age(**at, now) < PAUSE).count();
        match state.last.as_ref().filter(|last| last.is_fresh(now)) {
            Some(last) if last.fragment.as_deref() == fragment || lately >= MAX_FETCHES => {
                Some(last.outcome.clone())
            }
            None if lately >= MAX_FETCHES => Some(Err("it was asked for too often".into())),
            _ => None,
        }
    }

    /// Whether it was not fetched just now.
    fn rests(&self, now: Timestamp) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.fetches.iter().all(|at| age(*at, now) >= PAUSE)
    }

    /// Counts one that is fetched, even if nobody waits for it to the end.
    fn begin(&self, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.fetches.retain(|at| age(*at, now) < PAUSE);
        state.fetches.push(now);
    }

    fn keep(&self, fragment: Option<&str>, at: Timestamp, outcome: Outcome) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = Some(Fetched { fragment: fragment.map(str::to_owned), at, outcome });
    }
}

impl Fetched {
    fn is_fresh(&self, now: Timestamp) -> bool {
        age(self.at, now) < if self.outcome.is_ok() { FRESH_FOR } else { PAUSE }
    }
}

/// A clock that has gone back makes everything old.
fn age(at: Timestamp, now: Timestamp) -> Duration {
    now.0.checked_sub(at.0).map_or(Duration::MAX, Duration::from_secs)
}

impl fmt::Debug for RequestObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestObjects").finish_non_exhaustive()
    }
}

//! Delivery of what decisions have to tell other servers.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::Serializer;

use super::{AuthorizationServer, Origin};
use crate::endpoint::outbox::{Delivery, Lease, PrepareMessage, SettleMessage, TakeMessage};
use crate::host::{FetchMethod, FetchRequest};
use crate::protocol::{OAuthError, Secret};
use crate::record::{Batch, Index, Key, OutboxId, Put, Record};
use crate::store::Page;

/// The longest answer that is read, in bytes: nothing in it matters.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// What is posted to another server. It may hold secrets, so it is not printed.
pub struct Posting {
    uri: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Posting {
    /// A logout token.
    pub(super) fn logout(uri: String, token: &str) -> Self {
        let form = Serializer::new(String::new()).append_pair("logout_token", token).finish();
        let headers = vec![
            ("accept", "application/json".to_owned()),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ];
        Self { uri, headers, body: form.into_bytes() }
    }

    /// What a user has answered, for the client that waits with an `auth_req_id`.
    pub(super) fn answer(
        uri: String,
        token: &Secret,
        auth_req_id: &Secret,
        news: Map<String, Value>,
    ) -> Self {
        let headers = vec![
            ("authorization", format!("Bearer {}", token.expose())),
            ("content-type", "application/json".to_owned()),
        ];
        let mut body = news;
        body.insert("auth_req_id".to_owned(), auth_req_id.expose().into());
        Self { uri, headers, body: Value::Object(body).to_string().into_bytes() }
    }
}

impl std::fmt::Debug for Posting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Posting").field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// Whether it was tried.
type Delivering<'s> = Pin<Box<dyn Future<Output = bool> + Send + 's>>;

/// The most messages that are sent at once, and listed at once.
const PAGE: usize = 100;

impl AuthorizationServer {
    /// Sends again what could not be delivered and is due, and tells clients that are sent their tokens of users who have not
    /// answered in time; at most `limit` messages. Returns how many were tried. A [`Sweeper`](super::Sweeper) does it now and
    /// then. Any number of processes may: a message is leased to one at a time, for a minute at first. Should the host's
    /// [`Fetch`](crate::host::Fetch) take longer than that, another process may send the message, too, with the same `jti` or
    /// the same tokens.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn deliver_outbox(&self, limit: usize) -> Result<usize, OAuthError> {
        let mut tried = 0;
        let mut after = None;
        while tried < limit {
            let (sent, next) = self.deliver_page(after, limit - tried).await?;
            tried += sent;
            after = next;
            if after.is_none() {
                break;
            }
        }
        Ok(tried)
    }

    /// Delivers what is due among the messages of one page, at most `limit` of them, all at once. Returns how many were tried,
    /// and where the next page begins.
    pub(super) async fn deliver_page(
        &self,
        after: Option<Key>,
        limit: usize,
    ) -> Result<(usize, Option<Key>), OAuthError> {
        let index = Index::outbox(self.parts.settings.namespace);
        let (records, next) = self.listed(&index, Page { after, limit: PAGE }).await?;
        let now = self.parts.clock.now();
        let is_due = |record: &Record| matches!(record, Record::Outbox(own) if own.due_at.is_past(now));
        let due = records.iter().filter(|(_, found)| is_due(&found.record)).take(limit);
        let tried = together(due.map(|(key, _)| self.take_and_deliver(OutboxId(key.id)))).await;
        Ok((tried, next))
    }

    /// Delivers the news that `batch` wrote for the first time, once it is committed.
    pub(super) async fn dispatch(&self, batch: &Batch) {
        let news = Self::messages(batch).map(|id| self.deliver(Lease { id, version: batch.id }));
        together(news).await;
    }

    /// The news that `batch` writes for the first time.
    pub(super) fn messages(batch: &Batch) -> impl Iterator<Item = OutboxId> {
        let fresh = |put: &&Put| matches!(&*put.record, Record::Outbox(own) if own.is_fresh());
        batch.put.iter().filter(fresh).map(|put| OutboxId(put.key.id))
    }

    /// Delivers a message that is due, unless somebody else is faster.
    fn take_and_deliver(&self, id: OutboxId) -> Delivering<'_> {
        Box::pin(async move {
            match self.run(&TakeMessage(id), Origin::default()).await {
                Ok(Some(lease)) => self.deliver(lease).await,
                _ => false,
            }
        })
    }

    /// Takes as long as the host's [`Fetch`](crate::host::Fetch) gives it. What goes wrong here is in the audit trail, and the
    /// message stays.
    fn deliver(&self, lease: Lease) -> Delivering<'_> {
        Box::pin(async move {
            let delivery = match self.run(&PrepareMessage(lease), Origin::default()).await {
                Ok(Some(posting)) => self.send(posting).await,
                Ok(None) => Delivery::Unwanted,
                Err(_) => Delivery::Failed,
            };
            let _ = self.run(&SettleMessage { lease, delivery }, Origin::default()).await;
            true
        })
    }

    /// Posts what is to be told (OpenID Connect Back-Channel Logout §2.5, §2.8, CIBA Core §10.2,
    /// §10.3, §12).
    async fn send(&self, posting: Posting) -> Delivery {
        let (Some(fetch), Ok(url)) = (&self.parts.fetch, Url::parse(&posting.uri)) else {
            return Delivery::Refused;
        };
        let Posting { headers, body, .. } = posting;
        let request =
            FetchRequest { method: FetchMethod::Post, url, headers, body, max_bytes: MAX_ANSWER_BYTES };
        match fetch.fetch(request).await {
            Ok(answer) => match answer.status {
                200..=299 => Delivery::Accepted,
                408 | 429 | 500..=599 => Delivery::Failed,
                _ => Delivery::Refused,
            },
            Err(crate::host::FetchError::Refused(_)) => Delivery::Refused,
            Err(_) => Delivery::Failed,
        }
    }
}

/// Runs all of them at once; returns how many were tried.
async fn together<'s>(deliveries: impl Iterator<Item = Delivering<'s>>) -> usize {
    let mut running: Vec<Delivering<'s>> = deliveries.collect();
    let mut tried = 0;
    poll_fn(|task| {
        running.retain_mut(|one| match one.as_mut().poll(task) {
            Poll::Ready(was_tried) => {
                tried += usize::from(was_tried);
                false
            }
            Poll::Pending => true,
        });
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    tried
}

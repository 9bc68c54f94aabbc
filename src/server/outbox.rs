//! Delivery of what decisions have to tell other servers.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::Serializer;

use super::{AuthorizationServer, Origin};
use crate::endpoint::outbox::{Delivery, PrepareMessage, SettleMessage};
use crate::host::{FetchMethod, FetchRequest};
use crate::protocol::{OAuthError, Secret};
use crate::record::{Batch, Index, OutboxId, Put, Record};
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

type Delivering<'s> = Pin<Box<dyn Future<Output = ()> + Send + 's>>;

impl AuthorizationServer {
    /// Sends again what could not be delivered and is due, and tells clients that are sent their tokens of users who have not
    /// answered in time; at most `limit` messages. Returns how many were tried. Call it now and then, from one process or from
    /// several; two may then send the same message, with the same `jti` or the same tokens.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn deliver_outbox(&self, limit: usize) -> Result<usize, OAuthError> {
        let index = Index::outbox(self.parts.settings.namespace);
        let now = self.parts.clock.now();
        let mut page = Page { after: None, limit: 100 };
        let mut due = Vec::new();
        while due.len() < limit {
            let (records, next) = self.listed(&index, page).await?;
            let is_due = |record: &Record| matches!(record, Record::Outbox(own) if own.due_at.is_past(now));
            let found = records.iter().filter(|(_, found)| is_due(&found.record));
            due.extend(found.map(|(key, _)| OutboxId(key.id)).take(limit - due.len()));
            match next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        let count = due.len();
        self.deliver(due).await;
        Ok(count)
    }

    /// Delivers the news that `batch` wrote for the first time, once it is committed.
    pub(super) async fn dispatch(&self, batch: &Batch) {
        let ids: Vec<OutboxId> = Self::messages(batch).collect();
        if !ids.is_empty() {
            self.deliver(ids).await;
        }
    }

    /// The news that `batch` writes for the first time.
    pub(super) fn messages(batch: &Batch) -> impl Iterator<Item = OutboxId> {
        let fresh = |put: &&Put| matches!(&*put.record, Record::Outbox(own) if own.attempts == 0 && own.message.is_news());
        batch.put.iter().filter(fresh).map(|put| OutboxId(put.key.id))
    }

    /// Delivers at once and all together. Each takes as long as the host's [`Fetch`](crate::host::Fetch) gives it.
    fn deliver(&self, ids: Vec<OutboxId>) -> Delivering<'_> {
        Box::pin(async move {
            let mut running: Vec<Delivering<'_>> =
                ids.into_iter().map(|id| Box::pin(self.deliver_one(id)) as Delivering<'_>).collect();
            poll_fn(|task| {
                running.retain_mut(|one| one.as_mut().poll(task).is_pending());
                if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        })
    }

    /// What goes wrong here is in the audit trail, and the message stays.
    async fn deliver_one(&self, id: OutboxId) {
        let delivery = match self.run(&PrepareMessage(id), Origin::default()).await {
            Ok(Some(posting)) => self.send(posting).await,
            Ok(None) => Delivery::Unwanted,
            Err(_) => Delivery::Failed,
        };
        let _ = self.run(&SettleMessage { id, delivery }, Origin::default()).await;
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

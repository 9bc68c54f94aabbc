//! The one loop: fetch what a decision needs, decide, mint, commit; decide again when a race was lost.
//!
//! Dropping the returned future at any point is the same as a crash at that point: no lock is held across an await,
//! and the only write is the commit.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::host::{FetchError, SignerError, sector_document};
use crate::protocol::{OAuthError, Reason};
use crate::record::facts::{Account, Fact};
use crate::record::registration::{Refusal, Verdict};
use crate::record::{
    Batch, Context, Decide, Decision, Event, EventKind, Facts, Halt, Key, Need, Random, Versioned,
};
use crate::store::{CommitError, StoreError};

use super::mint::{Mint, Minted};
use super::{AuthorizationServer, Origin};

/// How often a request may lose a race. A request loses only when another one wins between its read and its commit,
/// so 64 requests at once on one grant never come near it.
const MAX_ATTEMPTS: u32 = 100;
/// How many facts one decision may ask for before it is taken for a bug. A logout asks for the most: for every client that a
/// session remembers.
const MAX_NEEDS: u32 = 128;

/// The facts and the context under which a request was decided: with the request itself, all that is needed to
/// decide it again, byte for byte.
#[derive(Clone, Debug)]
pub struct Trace<'a> {
    /// What was learned.
    pub facts: Facts,
    /// What else was looked at.
    pub context: Context<'a>,
}

impl AuthorizationServer {
    /// Runs any request to its answer.
    ///
    /// # Errors
    /// What the decision refuses; 503 when a fact cannot be fetched or the commit cannot be made.
    pub async fn run<Q>(&self, request: &Q, origin: Origin) -> Result<<Q::Plan as Mint>::Response, OAuthError>
    where
        Q: Decide + Sync,
        Q::Plan: Mint,
    {
        let mut facts = Facts::new();
        let mut context = self.context::<Q>(origin).map_err(|error| self.refuse(request, error))?;
        self.drive(request, &mut facts, &mut context).await.map_err(|error| self.refuse(request, error))
    }

    /// Runs a request and returns, beside its answer, what it was decided under.
    ///
    /// # Errors
    /// Inside the pair: what [`run`](Self::run) would return.
    pub async fn trace<Q>(
        &self,
        request: &Q,
        origin: Origin,
    ) -> (Result<<Q::Plan as Mint>::Response, OAuthError>, Option<Trace<'_>>)
    where
        Q: Decide + Sync,
        Q::Plan: Mint,
    {
        let mut facts = Facts::new();
        let mut context = match self.context::<Q>(origin) {
            Ok(context) => context,
            Err(error) => return (Err(self.refuse(request, error)), None),
        };
        let answer =
            self.drive(request, &mut facts, &mut context).await.map_err(|error| self.refuse(request, error));
        (answer, Some(Trace { facts, context }))
    }

    /// Mints, then commits, then answers: if minting fails, nothing is committed.
    pub(super) async fn drive<Q>(
        &self,
        request: &Q,
        facts: &mut Facts,
        cx: &mut Context<'_>,
    ) -> Result<<Q::Plan as Mint>::Response, OAuthError>
    where
        Q: Decide + Sync,
        Q::Plan: Mint,
    {
        let mut needs = 0;
        loop {
            match request.read_ahead(facts, cx).and_then(|()| request.decide(facts, cx)) {
                Err(Halt::Need(need)) if needs < MAX_NEEDS => {
                    needs += 1;
                    if let Some(need) = self.fetch_now(need, facts)? {
                        Box::pin(self.fetch(need, facts, cx)).await?;
                    }
                }
                Err(Halt::Need(need)) => {
                    return Err(
                        OAuthError::new(Reason::Bug).detail(format!("asked again and again: {need:?}"))
                    );
                }
                Err(Halt::Refuse(error)) => return Err(error),
                Ok(decision) if Q::READ_ONLY && !decision.batch.is_empty() => {
                    return Err(OAuthError::new(Reason::Bug).detail("a request that only reads wrote"));
                }
                Ok(Decision { mut batch, outcome, events }) => {
                    let answer = match outcome.map(|plan| plan.mint(self)) {
                        Ok(Minted::Now(answer)) => Ok(answer),
                        Ok(Minted::Signing(signing)) => Ok(signing.await?),
                        Err(error) => Err(error),
                    };
                    if batch.is_empty() || self.commit(&mut batch, facts).await? {
                        self.dispatch(&batch).await;
                        events.into_iter().for_each(|event| self.tell(event));
                        return answer;
                    }
                    if cx.attempt >= MAX_ATTEMPTS {
                        return Err(Reason::ContentionExhausted.into());
                    }
                    needs = 0;
                    facts.forget_records();
                    self.next_attempt(cx)?;
                    Box::pin(step_aside(cx)).await;
                }
            }
        }
    }

    /// The context of a request; one that only reads gets no randomness.
    pub(super) fn context<Q: Decide>(&self, origin: Origin) -> Result<Context<'_>, OAuthError> {
        let random = if Q::READ_ONLY { Random::none() } else { self.draw()? };
        Ok(self.context_with(random, origin))
    }

    pub(super) fn context_with(&self, random: Random, origin: Origin) -> Context<'_> {
        Context {
            settings: &self.parts.settings,
            now: self.parts.clock.now(),
            random,
            address: origin.address,
            attempt: 0,
            sequence: self.parts.sequence.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// A lost race is decided anew, with new randomness, so that no batch id is ever used for two batches.
    fn next_attempt(&self, cx: &mut Context<'_>) -> Result<(), OAuthError> {
        cx.attempt += 1;
        cx.now = self.parts.clock.now();
        cx.random = self.draw()?;
        Ok(())
    }

    pub(super) fn draw(&self) -> Result<Random, OAuthError> {
        let mut block = [0; Random::LEN];
        self.parts.entropy.fill(&mut block).map_err(|_| Reason::EntropyUnavailable)?;
        Ok(Random::from_block(&block))
    }

    /// Fetches what can be had without waiting; anything else it hands back.
    fn fetch_now(&self, need: Need, facts: &mut Facts) -> Result<Option<Need>, OAuthError> {
        match (need, self.parts.clients.immediate(), self.parts.store.immediate()) {
            (Need::Client(id), Some(clients), _) => match clients.client_now(&id).map_err(unavailable)? {
                None if self.parts.registration.is_some() => return Ok(Some(Need::Client(id))),
                client => facts.learn(Fact::Client(id, client)),
            },
            (Need::Records(keys), _, Some(store)) => {
                let mut learn = |key, record| facts.learn_record(key, record);
                store.load_now(&keys, &mut learn).map_err(unavailable)?;
            }
            (need, ..) => return Ok(Some(need)),
        }
        Ok(None)
    }

    async fn fetch(&self, need: Need, facts: &mut Facts, cx: &Context<'_>) -> Result<(), OAuthError> {
        facts.learn(match need {
            Need::Client(id) => return self.learn_client(id, facts, cx.now).await,
            Need::Records(keys) => {
                let records = self.parts.store.load(&keys).await.map_err(unavailable)?;
                if records.len() != keys.len() {
                    return Err(
                        OAuthError::new(Reason::StoreUnavailable).detail("the store left out a record")
                    );
                }
                for (key, record) in keys.into_iter().zip(records) {
                    facts.learn_record(key, record);
                }
                return Ok(());
            }
            Need::Account(subject) => {
                let account = match &self.parts.accounts {
                    Some(accounts) => accounts.account(&subject).await.map_err(unavailable)?,
                    None => Account::Active,
                };
                Fact::Account(subject, account)
            }
            Need::Claims(subject) => {
                let claims = match &self.parts.accounts {
                    Some(accounts) => accounts.claims(&subject).await.map_err(unavailable)?,
                    None => serde_json::Map::new(),
                };
                Fact::Claims(subject, Arc::new(claims))
            }
            Need::Resource(resource) => {
                let server = self.parts.resources.resource(&resource).await.map_err(unavailable)?;
                Fact::Resource(resource, server)
            }
            Need::SigningKeys => Fact::SigningKeys(self.parts.signer.public_keys().await.map_err(unsigned)?),
            Need::SlowHash { presented, expected } => {
                let matches = self.parts.slow_hashes.verify(presented, expected.expose().into()).await;
                Fact::SlowHash(expected, matches.map_err(|_| Reason::Overloaded)?)
            }
            Need::Allowance(counter) => {
                let allowance = self.parts.limiter.count(&counter, cx.now).await.map_err(unavailable)?;
                Fact::Allowance(counter, allowance)
            }
            Need::Claim { marker, valid_until } => {
                let claim =
                    self.parts.replay_guard().claim(marker, valid_until).await.map_err(unavailable)?;
                Fact::Claim(marker, claim)
            }
            Need::ClientKeys(wanted) => {
                let keys = self.parts.client_jwks.keys(&wanted).await.map_err(|error| error.0.into());
                Fact::ClientKeys(wanted, keys)
            }
            Need::SectorDocument(uri) => {
                let document = match &self.parts.fetch {
                    Some(fetch) => sector_document(fetch.as_ref(), (*uri).clone()).await,
                    None => Err(FetchError::Refused("this server fetches nothing").into()),
                };
                Fact::SectorDocument(uri, document.map(Into::into).map_err(|error| error.to_string().into()))
            }
            Need::Decryption(token) => {
                let text = self.parts.decrypter.decrypt(token.expose()).await.map_err(unsigned)?;
                Fact::Decryption(token, text)
            }
            Need::RequestObject(uri) => {
                let object = match &self.parts.request_objects {
                    Some(objects) => objects.get(&uri, self.parts.clock.as_ref()).await,
                    None => Err("this server fetches none".into()),
                };
                Fact::RequestObject(uri, object)
            }
            Need::Registration(applicant) => {
                let verdict = match &self.parts.registration {
                    Some(policy) => policy.judge(&applicant).await.map_err(unavailable)?,
                    None => Verdict::Refuse(Refusal::Closed),
                };
                Fact::Registration(applicant, Box::new(verdict))
            }
            Need::StatementKeys(issuer) => {
                let keys = match &self.parts.registration {
                    Some(policy) => policy.statement_keys(&issuer).await.map_err(unavailable)?,
                    None => None,
                };
                Fact::StatementKeys(issuer, keys)
            }
        });
        Ok(())
    }

    /// Whether the batch was applied, which it is only if nothing that was read has changed. After an outcome that is unknown, or a conflict that may be with the first
    /// delivery of this very batch, the records tell: their version is the id of the batch that wrote them.
    async fn commit(&self, batch: &mut Batch, facts: &Facts) -> Result<bool, OAuthError> {
        batch.rely_on(facts.records());
        let committed = match self.parts.store.immediate() {
            Some(store) => store.commit_now(batch),
            None => self.parts.store.commit(batch).await,
        };
        match committed {
            Ok(()) => Ok(true),
            // What was only deleted bears no version: a conflict is taken at its word, and an unknown outcome stays so.
            Err(CommitError::Conflict) if batch.put.is_empty() => Ok(false),
            Err(CommitError::Unknown(cause)) if batch.put.is_empty() => {
                Err(OAuthError::new(Reason::CommitUnknown).detail(cause))
            }
            Err(error @ (CommitError::Conflict | CommitError::Unknown(_))) => {
                let unknown = |_| OAuthError::new(Reason::CommitUnknown).detail(error.to_string());
                Box::pin(self.is_applied(batch)).await.map_err(unknown)
            }
            Err(CommitError::Unavailable(cause)) => {
                Err(OAuthError::new(Reason::StoreUnavailable).detail(cause))
            }
            Err(CommitError::Full) => Err(Reason::StoreFull.into()),
        }
    }

    async fn is_applied(&self, batch: &Batch) -> Result<bool, StoreError> {
        let written: Vec<Key> = batch.put.iter().map(|put| put.key).collect();
        let records: Vec<Option<Versioned>> = self.parts.store.load(&written).await?;
        Ok(records.iter().flatten().any(|record| record.version == batch.id))
    }

    pub(super) fn refuse<Q: Decide>(&self, request: &Q, error: OAuthError) -> OAuthError {
        #[cfg(feature = "tracing")]
        tracing::info!(target: "grantor::refused", %error);
        let event = Event::new(EventKind::Refused).reason(error.reason());
        self.tell(match request.client_id() {
            Some(client) => event.client(&client),
            None => event,
        });
        error
    }

    /// Tells the audit trail, and the log, what happened.
    pub(super) fn tell(&self, event: Event) {
        #[cfg(feature = "tracing")]
        tracing::info!(
            target: "grantor::audit",
            kind = ?event.kind,
            client = event.client.as_ref().map(tracing::field::display),
            subject = event.subject.as_ref().map(tracing::field::debug),
            grant = event.grant.as_ref().map(tracing::field::display),
            reason = event.reason.as_ref().map(tracing::field::debug),
        );
        self.parts.audit.record(event);
    }
}

pub(super) fn unavailable(error: StoreError) -> OAuthError {
    OAuthError::new(Reason::StoreUnavailable).detail(error.0)
}

fn unsigned(error: SignerError) -> OAuthError {
    OAuthError::new(Reason::SigningUnavailable).detail(error.0)
}

/// Lets other tasks run before trying again: the more often a race was lost, and by chance, the longer.
async fn step_aside(cx: &Context<'_>) {
    let [chance, ..] = cx.random.nonce;
    for _ in 0..u32::from(chance) % (cx.attempt + 1) {
        let mut yielded = false;
        std::future::poll_fn(|task| {
            if std::mem::replace(&mut yielded, true) {
                return std::task::Poll::Ready(());
            }
            task.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }
}

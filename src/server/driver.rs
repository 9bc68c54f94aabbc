//! The one loop: fetch what a decision needs, decide, mint, commit; decide again when a race was lost.
//!
//! Dropping the returned future at any point is the same as a crash at that point: no lock is held across an await, and what
//! the answer rests on is written by the one commit. What else there may be counts for nothing in it: guesses that were
//! counted, markers that were claimed, room that was made in a full store, messages that are delivered after the commit.

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use crate::protocol::{ErrorCode, OAuthError, Reason};
use crate::record::{Batch, Context, Decide, Decision, Event, EventKind, Facts, Halt, Key, Random};
use crate::store::{CommitError, StoreError};

use super::facts::Fetching;
use super::mint::{Mint, Minted};
use super::{AuthorizationServer, Origin};

/// How often a request may lose a race. A request loses only when another one wins between its read and its commit,
/// so 64 requests at once on one grant never come near it.
const MAX_ATTEMPTS: u32 = 100;
/// How many records that no longer matter are forgotten to make room in a full store.
const ROOM: usize = 1000;
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

/// Where a request is when all is done that takes no waiting.
enum Progress<'s, R> {
    /// At its end.
    Answered(Result<R, OAuthError>),
    /// At a fact that has to be waited for.
    Needs(Fetching<'s>),
    /// At a decision that takes waiting: for a signature, for the store, for other servers.
    Decided(Box<Settlement<'s, R>>),
    /// At a race that it has lost.
    Lost,
}

/// A request whose first steps are done.
pub(crate) enum Begun<'s, R> {
    Answered(Result<R, OAuthError>),
    Waits(Box<Waiting<'s, R>>),
}

/// A request that has to wait.
pub(crate) struct Waiting<'s, R> {
    trace: Trace<'s>,
    needs: u32,
    progress: Progress<'s, R>,
}

/// A decision on its way to its answer.
struct Settlement<'s, R> {
    batch: Batch,
    minted: Result<Minted<'s, R>, OAuthError>,
    events: SmallVec<[Event; 1]>,
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
        match self.begin(request, origin) {
            Begun::Answered(answer) => answer,
            Begun::Waits(waiting) => Box::pin(self.finish(request, waiting)).await,
        }
    }

    /// Runs a request until it has to wait. What it was decided under is only then moved to the heap, so that the
    /// futures around it stay small.
    pub(crate) fn begin<Q>(&self, request: &Q, origin: Origin) -> Begun<'_, <Q::Plan as Mint>::Response>
    where
        Q: Decide,
        Q::Plan: Mint,
    {
        let mut facts = Facts::new();
        let context = match self.context::<Q>(origin) {
            Ok(context) => context,
            Err(error) => return Begun::Answered(Err(self.refuse(request, error))),
        };
        let mut needs = 0;
        match self.advance(request, &mut facts, &context, &mut needs) {
            Progress::Answered(Ok(answer)) => Begun::Answered(Ok(answer)),
            Progress::Answered(Err(error)) => Begun::Answered(self.fail(request, error, &facts, &context)),
            progress => Begun::Waits(Box::new(Waiting { trace: Trace { facts, context }, needs, progress })),
        }
    }

    /// Runs it to its answer.
    pub(crate) async fn finish<Q>(
        &self,
        request: &Q,
        waiting: Box<Waiting<'_, <Q::Plan as Mint>::Response>>,
    ) -> Result<<Q::Plan as Mint>::Response, OAuthError>
    where
        Q: Decide + Sync,
        Q::Plan: Mint,
    {
        let Waiting { trace: Trace { mut facts, mut context }, needs, progress } = *waiting;
        let answer = self.proceed(request, &mut facts, &mut context, needs, progress).await;
        answer.or_else(|error| self.fail(request, error, &facts, &context))
    }

    /// The refusal, or the answer that stands in for it where the failure is the server's own.
    fn fail<Q>(
        &self,
        request: &Q,
        error: OAuthError,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<<Q::Plan as Mint>::Response, OAuthError>
    where
        Q: Decide,
        Q::Plan: Mint,
    {
        let error = self.refuse(request, error);
        let ours = matches!(error.code(), ErrorCode::TemporarilyUnavailable | ErrorCode::ServerError);
        let plan = if ours { request.failure(&error, facts, cx) } else { None };
        match plan.map(|plan| plan.mint(self)) {
            Some(Ok(Minted::Now(answer))) => Ok(answer),
            _ => Err(error),
        }
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
        let answer = self.drive(request, &mut facts, &mut context).await;
        let answer = answer.or_else(|error| self.fail(request, error, &facts, &context));
        (answer, Some(Trace { facts, context }))
    }

    /// Waits for what has to be waited for, and goes on.
    async fn drive<Q>(
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
        let progress = self.advance(request, facts, cx, &mut needs);
        self.proceed(request, facts, cx, needs, progress).await
    }

    async fn proceed<Q>(
        &self,
        request: &Q,
        facts: &mut Facts,
        cx: &mut Context<'_>,
        mut needs: u32,
        mut progress: Progress<'_, <Q::Plan as Mint>::Response>,
    ) -> Result<<Q::Plan as Mint>::Response, OAuthError>
    where
        Q: Decide + Sync,
        Q::Plan: Mint,
    {
        loop {
            match progress {
                Progress::Answered(answer) => return answer,
                Progress::Needs(fetching) => {
                    fetching.await?.into_iter().for_each(|fact| facts.learn(fact));
                    progress = self.advance(request, facts, cx, &mut needs);
                    continue;
                }
                Progress::Decided(settlement) => {
                    if let Some(answer) = Box::pin(self.settle(*settlement, facts)).await? {
                        return Ok(answer);
                    }
                }
                Progress::Lost => {}
            }
            if cx.attempt >= MAX_ATTEMPTS {
                return Err(Reason::ContentionExhausted.into());
            }
            needs = 0;
            facts.forget_records();
            self.next_attempt(cx)?;
            Box::pin(step_aside(cx)).await;
            progress = self.advance(request, facts, cx, &mut needs);
        }
    }

    /// Goes as far as it can without waiting: with a store and a host that never wait, to the end.
    fn advance<Q>(
        &self,
        request: &Q,
        facts: &mut Facts,
        cx: &Context<'_>,
        needs: &mut u32,
    ) -> Progress<'_, <Q::Plan as Mint>::Response>
    where
        Q: Decide,
        Q::Plan: Mint,
    {
        let bug = |detail| Progress::Answered(Err(OAuthError::new(Reason::Bug).detail(detail)));
        let Decision { mut batch, outcome, events } = loop {
            match request.read_ahead(facts, cx).and_then(|()| request.decide(facts, cx)) {
                Ok(decision) => break decision,
                Err(Halt::Refuse(error)) => return Progress::Answered(Err(error)),
                Err(Halt::Need(need)) if *needs == MAX_NEEDS => {
                    return bug(format!("asked again and again: {need:?}"));
                }
                Err(Halt::Need(need)) => {
                    *needs += 1;
                    match self.fetch_now(need, facts, cx) {
                        Ok(None) => {}
                        Ok(Some(fetching)) => return Progress::Needs(fetching),
                        Err(error) => return Progress::Answered(Err(error)),
                    }
                }
            }
        };
        if Q::READ_ONLY && !batch.is_empty() {
            return bug("a request that only reads wrote".to_owned());
        }
        let answer = match outcome.map(|plan| plan.mint(self)) {
            Ok(Ok(Minted::Now(answer))) => Ok(answer),
            Ok(Ok(signing)) => {
                return Progress::Decided(Box::new(Settlement { batch, minted: Ok(signing), events }));
            }
            Ok(Err(unsigned)) => return Progress::Answered(Err(unsigned)),
            Err(refusal) => Err(refusal),
        };
        match self.commit_now(&mut batch, facts) {
            Some(Ok(true)) => {
                events.into_iter().for_each(|event| self.tell(event));
                Progress::Answered(answer)
            }
            Some(Ok(false)) => Progress::Lost,
            Some(Err(error)) => Progress::Answered(Err(error)),
            None => {
                Progress::Decided(Box::new(Settlement { batch, minted: answer.map(Minted::Now), events }))
            }
        }
    }

    /// Mints, then commits, then answers: if minting fails, nothing is committed. `None` when a race was lost.
    async fn settle<R>(&self, settlement: Settlement<'_, R>, facts: &Facts) -> Result<Option<R>, OAuthError> {
        let Settlement { mut batch, minted, events } = settlement;
        let answer = match minted {
            Ok(Minted::Now(answer)) => Ok(answer),
            Ok(Minted::Signing(signing)) => Ok(signing.await?),
            Err(error) => Err(error),
        };
        if !self.commit(&mut batch, facts).await? {
            return Ok(None);
        }
        events.into_iter().for_each(|event| self.tell(event));
        self.dispatch(&batch).await;
        answer.map(Some)
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
        let mut seed = [0; Random::LEN];
        self.parts.entropy.fill(&mut seed).map_err(|_| Reason::EntropyUnavailable)?;
        Ok(Random::from_seed(seed))
    }

    /// Whether the batch was applied, which it is only if nothing that was read has changed.
    async fn commit(&self, batch: &mut Batch, facts: &Facts) -> Result<bool, OAuthError> {
        if let Some(committed) = self.commit_now(batch, facts) {
            return committed;
        }
        batch.rely_on(facts.records());
        let mut tried = self.parts.store.commit(batch).await;
        if matches!(tried, Err(CommitError::Full)) && self.purge(ROOM).await.is_ok_and(|gone| gone > 0) {
            tried = self.parts.store.commit(batch).await;
        }
        let Err(error) = tried else { return Ok(true) };
        if let Some(verdict) = verdict(&error, batch) {
            return verdict;
        }
        let records = self.parts.store.load(&written(batch)).await.map_err(|_| unknown(&error))?;
        Ok(records.iter().flatten().any(|record| record.version == batch.id))
    }

    /// As [`commit`](Self::commit), by a store that never waits; `None` when there is waiting to be done: for a store, for
    /// room in it, or for other servers that have to be told.
    fn commit_now(&self, batch: &mut Batch, facts: &Facts) -> Option<Result<bool, OAuthError>> {
        if batch.is_empty() {
            return Some(Ok(true));
        }
        let store = self.parts.store.immediate().filter(|_| Self::messages(batch).next().is_none())?;
        batch.rely_on(facts.records());
        let error = match store.commit_now(batch) {
            Ok(()) => return Some(Ok(true)),
            Err(CommitError::Full) => return None,
            Err(error) => error,
        };
        verdict(&error, batch).or_else(|| {
            let mut applied = false;
            let loaded = store.load_now(&written(batch), &mut |_, record| {
                applied |= record.is_some_and(|record| record.version == batch.id);
            });
            Some(loaded.map(|()| applied).map_err(|_| unknown(&error)))
        })
    }

    pub(super) fn refuse<Q: Decide>(&self, request: &Q, error: OAuthError) -> OAuthError {
        #[cfg(feature = "tracing")]
        tracing::info!(target: "grantor::refused", %error);
        let event = Event::new(EventKind::Refused).reason(error.reason());
        let event = match request.client_id() {
            Some(client) => event.client(&client),
            None => event,
        };
        // Who is told to ask again later is not refused.
        if error.code() != ErrorCode::AuthorizationPending {
            self.tell(event);
        }
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
            actor = event.actor.as_ref().map(tracing::field::debug),
            grant = event.grant.as_ref().map(tracing::field::display),
            reason = event.reason.as_ref().map(tracing::field::debug),
        );
        self.parts.audit.record(event);
    }
}

/// What it means that a commit failed. `None`: after an outcome that is unknown, or a conflict that may be with the first
/// delivery of this very batch, the records tell: their version is the id of the batch that wrote them.
fn verdict(error: &CommitError, batch: &Batch) -> Option<Result<bool, OAuthError>> {
    match error {
        // What was only deleted bears no version: a conflict is taken at its word, and an unknown outcome stays so.
        CommitError::Conflict if batch.put.is_empty() => Some(Ok(false)),
        CommitError::Unknown(_) if batch.put.is_empty() => Some(Err(unknown(error))),
        CommitError::Conflict | CommitError::Unknown(_) => None,
        CommitError::Unavailable(cause) => {
            Some(Err(OAuthError::new(Reason::StoreUnavailable).detail(cause.clone())))
        }
        CommitError::Full => Some(Err(Reason::StoreFull.into())),
    }
}

fn written(batch: &Batch) -> Vec<Key> {
    batch.put.iter().map(|put| put.key).collect()
}

fn unknown(error: &CommitError) -> OAuthError {
    OAuthError::new(Reason::CommitUnknown).detail(error.to_string())
}

pub(super) fn unavailable(error: StoreError) -> OAuthError {
    OAuthError::new(Reason::StoreUnavailable).detail(error.0)
}

/// Lets other tasks run before trying again: the more often a race was lost, and by chance, the longer.
async fn step_aside(cx: &Context<'_>) {
    let [chance, ..] = cx.random.nonce();
    for _ in 0..u32::from(chance) % (cx.attempt + 1) {
        let_others_run().await;
    }
}

/// Waits for nothing, so that other tasks of this thread come first.
pub(super) async fn let_others_run() {
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

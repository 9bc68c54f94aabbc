//! A decision: what it may look at besides the facts, and what comes out of it.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::batch::{Batch, BatchId};
use super::event::Event;
use super::facts::{Facts, Halt};
use super::key::{Id, Namespace};
use crate::protocol::{ClientId, Digest, OAuthError, Timestamp};
use crate::record::settings::Settings;

/// A request that can be decided: a pure function, run again with more facts until it decides.
pub trait Decide {
    /// What is to be made once the decision is committed.
    type Plan;

    /// Whether it never writes: then no randomness is drawn for it, and a batch that writes is refused as a bug.
    const READ_ONLY: bool = false;

    /// The client that asks, as far as the request names one: for the audit trail of a refusal.
    fn client_id(&self) -> Option<ClientId> {
        None
    }

    /// Reads the facts it will surely need, so that records are fetched together and nothing is computed twice. It
    /// judges nothing: without it the same decision takes longer.
    ///
    /// # Errors
    /// As [`decide`](Self::decide).
    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let _ = (facts, cx);
        Ok(())
    }

    /// Decides, or says which fact is missing.
    ///
    /// The same request, facts and context give the same decision, byte for byte.
    ///
    /// # Errors
    /// [`Halt::Need`] while a fact is missing; [`Halt::Refuse`] when the request is refused and nothing is written.
    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Self::Plan>, Halt>;

    /// What is answered where something fails that is not the client's fault, if that can be more than the error
    /// itself.
    fn failure(&self, error: &OAuthError, facts: &Facts, cx: &Context<'_>) -> Option<Self::Plan> {
        let _ = (error, facts, cx);
        None
    }
}

/// What a decision may look at besides the request and the facts.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The live configuration.
    pub settings: &'a Settings,
    /// The time.
    pub now: Timestamp,
    /// Randomness, drawn for this request.
    pub random: Random,
    /// The address the request came from, as far as it can be trusted.
    pub address: Option<IpAddr>,
    /// How often this request has lost a race: zero at first.
    pub attempt: u32,
    /// Counts the requests of this process, to keep the ids of one second in order.
    pub sequence: u32,
}

impl Context<'_> {
    /// The namespace of this issuer's records.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        self.settings.namespace
    }

    /// A new id.
    #[must_use]
    pub fn id(&self) -> Id {
        Id::minted(self.now, self.sequence, self.random.id)
    }

    /// A second new id.
    #[must_use]
    pub fn other_id(&self) -> Id {
        Id::minted(self.now, self.sequence, self.random.other_id)
    }

    /// An empty batch with this request's id.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch::new(BatchId(Id(self.random.batch_id)))
    }
}

/// The randomness of one request: a seed, and what is derived from it. Each value serves at most one purpose in one
/// decision.
///
/// A value is the SHA-256 digest of its label and the seed: who learns one learns nothing of the seed or of another.
#[derive(Clone, PartialEq, Eq)]
pub struct Random {
    seed: [u8; 32],
    /// The id of the batch.
    pub batch_id: [u8; 16],
    /// The random half of a minted id.
    pub id: [u8; 8],
    /// The random half of a second minted id.
    pub other_id: [u8; 8],
}

impl Random {
    /// How many random bytes one request takes.
    pub const LEN: usize = 32;

    /// No randomness, for a request that only reads: whatever followed from it would be known to everyone. What such a request
    /// wrote would be refused as a bug.
    pub(crate) const fn none() -> Self {
        Self { seed: [0; 32], batch_id: [0; 16], id: [0; 8], other_id: [0; 8] }
    }

    /// What follows from random bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; Self::LEN]) -> Self {
        let ids = derive(0, &seed);
        let mut rest = ids.as_slice();
        Self { seed, batch_id: cut(&mut rest), id: cut(&mut rest), other_id: cut(&mut rest) }
    }

    /// The secret of an access token or a cookie.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        derive(1, &self.seed)
    }

    /// The secret of a second one.
    #[must_use]
    pub fn other_secret(&self) -> [u8; 32] {
        derive(2, &self.seed)
    }

    /// The secret of a code.
    #[must_use]
    pub fn code_secret(&self) -> [u8; 32] {
        derive(3, &self.seed)
    }

    /// A nonce.
    #[must_use]
    pub fn nonce(&self) -> [u8; 16] {
        cut(&mut derive(4, &self.seed).as_slice())
    }

    /// A key kept in a record.
    #[must_use]
    pub fn key(&self) -> [u8; 16] {
        cut(&mut derive(5, &self.seed).as_slice())
    }

    /// A second nonce.
    #[must_use]
    pub fn other_nonce(&self) -> [u8; 16] {
        cut(&mut derive(6, &self.seed).as_slice())
    }

    /// Randomness for the code of a host, which tells nothing of the rest.
    #[must_use]
    pub fn for_host(&self) -> Self {
        Self::from_seed(derive(7, &self.seed))
    }
}

fn derive(label: u8, seed: &[u8; 32]) -> [u8; 32] {
    let mut labelled = [label; 33];
    if let Some((_, rest)) = labelled.split_first_chunk_mut::<1>() {
        rest.copy_from_slice(seed);
    }
    Digest::of(&labelled).0
}

/// The first `N` bytes of `rest`, which is no shorter than what is cut from it; a test holds it to that.
fn cut<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    match rest.split_first_chunk() {
        Some((field, left)) => {
            *rest = left;
            *field
        }
        None => [0; N],
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What was decided: a change, and what is answered once it is committed.
#[derive(Clone, Debug)]
#[must_use = "a decision does nothing until it is settled"]
pub struct Decision<P> {
    /// What is written, a refusal may write too. Whoever commits it first adds that nothing which was read has changed
    /// ([`Batch::rely_on`]), so that no decision has to name what it relies on.
    pub batch: Batch,
    /// What is answered after the commit.
    pub outcome: Result<P, OAuthError>,
    /// What the audit trail is told after the commit.
    pub events: SmallVec<[Event; 1]>,
}

impl<P> Decision<P> {
    /// An answer that writes nothing.
    pub fn answer(cx: &Context<'_>, plan: P) -> Self {
        Self { batch: cx.batch(), outcome: Ok(plan), events: SmallVec::new() }
    }

    /// Adds an event.
    pub fn event(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// The same decision with another plan.
    pub fn map<Q>(self, plan: impl FnOnce(P) -> Q) -> Decision<Q> {
        Decision { batch: self.batch, outcome: self.outcome.map(plan), events: self.events }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_value_is_another_with_another_seed_and_unlike_all_others() {
        let values = |seed: u8| {
            let random = Random::from_seed([seed; Random::LEN]);
            let ids = [random.batch_id.as_slice(), &random.id, &random.other_id].map(<[u8]>::to_vec);
            let secrets = [random.secret(), random.other_secret(), random.code_secret()];
            let halves = [random.nonce(), random.key()];
            let rest = secrets.iter().map(|secret| secret.to_vec()).chain(halves.map(|half| half.to_vec()));
            ids.into_iter().chain(rest).collect::<Vec<_>>()
        };
        let all: Vec<_> = [values(1), values(2)].concat();
        let starts: BTreeSet<_> = all.iter().map(|value| value[..8].to_vec()).collect();
        assert_eq!(starts.len(), all.len(), "{all:?}");
        assert!(!starts.contains(&vec![0; 8]));
        assert_eq!(values(1), values(1));
    }
}

//! A store that remembers what was ever written to it, and the rules that all of it must keep, whatever failed and whoever
//! ran beside whom.
//!
//! | rule | |
//! |---|---|
//! | I1 | what is good once is spent once, and with it at most one token is issued |
//! | I2 | a token that lives has a grant that lives, of a client and for a user who may act |
//! | I3 | scope and audience only shrink |
//! | I4 | what binds a grant to its client, its user, its session and its proofs never changes |
//! | I5 | what has ended stays ended |
//! | I6 | nothing that was handed out can be read from what is kept |
//! | I7 | whatever was handed out is in the audit trail |

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use grantor::protocol::Timestamp;
use grantor::record::exchange::RootSource;
use grantor::record::grant::{GrantStatus, JwtLedger};
use grantor::record::{
    Batch, Event, EventKind, Grant, GrantId, Index, Key, Kind, Namespace, Record, Standing, Versioned,
};
use grantor::store::{CommitError, ImmediateStore as _, Listing, MemoryStore, Page, Store, StoreError};
use grantor::token::claims::TokenId;
use grantor::token::{HandleKind, PresentedToken};

use super::ISSUER;

/// What became of a record.
#[derive(Clone, Debug)]
struct Change {
    key: Key,
    before: Option<Arc<Record>>,
    after: Option<Arc<Record>>,
}

#[derive(Default)]
struct History {
    now: HashMap<Key, Versioned>,
    /// What the last commit has replaced.
    replaced: HashMap<Key, Option<Versioned>>,
    changes: Vec<Change>,
    /// All that was committed.
    batches: Vec<Batch>,
}

impl History {
    fn become_(&mut self, key: Key, after: Option<Versioned>) {
        let record = |found: &Option<Versioned>| found.as_ref().map(|found| Arc::clone(&found.record));
        let after_record = record(&after);
        let before = match after {
            Some(after) => self.now.insert(key, after),
            None => self.now.remove(&key),
        };
        self.changes.push(Change { key, before: record(&before), after: after_record });
        self.replaced.insert(key, before);
    }
}

/// A store in memory, and its history.
#[derive(Default)]
pub(crate) struct Watched {
    inner: MemoryStore,
    history: Mutex<History>,
}

impl Watched {
    pub(crate) fn len(&self) -> usize {
        self.inner.len()
    }

    /// Another store to which the same was committed.
    pub(crate) fn again(&self) -> Self {
        let again = Self::default();
        for batch in &self.history.lock().unwrap().batches {
            again.apply(batch).unwrap();
        }
        again
    }

    fn apply(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut history = self.history.lock().unwrap();
        self.inner.commit_now(batch)?;
        history.replaced.clear();
        for key in &batch.delete {
            history.become_(*key, None);
        }
        for put in &batch.put {
            let record = Arc::clone(&put.record);
            history.become_(put.key, Some(Versioned { version: batch.id, record }));
        }
        history.batches.push(batch.clone());
        Ok(())
    }

    /// How it stands with every grant, in the order in which they began.
    pub(crate) fn statuses(&self) -> Vec<GrantStatus> {
        let history = self.history.lock().unwrap();
        let grants: BTreeMap<&Key, &Versioned> = history.now.iter().collect();
        let status = |found: &Versioned| match found.record.as_ref() {
            Record::Grant(grant) => Some(grant.status),
            _ => None,
        };
        grants.into_values().filter_map(status).collect()
    }

    /// The records as they were before the last commit.
    pub(crate) async fn load_stale(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        let mut records = self.inner.load(keys).await?;
        let history = self.history.lock().unwrap();
        for (key, record) in keys.iter().zip(&mut records) {
            if let Some(earlier) = history.replaced.get(key) {
                *record = earlier.clone();
            }
        }
        Ok(records)
    }

    /// Asserts I1 to I7 of everything that was ever written, handed out and told to the audit trail; `live` are those of the
    /// tokens that are taken now.
    #[track_caller]
    pub(crate) fn keeps_its_promises(&self, handed: &[String], live: &[String], events: &[Event], row: &str) {
        let history = self.history.lock().unwrap();
        let mut gone = HashSet::new();
        for change in &history.changes {
            keeps_to_the_rules(change, &gone, row);
            if change.after.is_none() {
                gone.insert(change.key);
            }
        }
        for text in live {
            let token = PresentedToken::read(text);
            let grant = token.grant().and_then(|id| history.grant(id));
            assert!(history.may_live(&token), "{row}: I2: {text} lives: {grant:?}");
        }
        for (key, kept) in &history.now {
            let kept = String::from_utf8(grantor::record::codec::encode(&kept.record).unwrap()).unwrap();
            for text in handed {
                assert!(!kept.contains(text.as_str()), "{row}: I6: {key:?} tells {text}");
            }
        }
        history.everything_was_told(handed, events, row);
    }
}

fn keeps_to_the_rules(change: &Change, gone: &HashSet<Key>, row: &str) {
    let Change { key, before, after } = change;
    let once = matches!(key.kind, Kind::Grant | Kind::Session | Kind::Interaction | Kind::UsedJti);
    assert!(!(once && after.is_some() && gone.contains(key)), "{row}: I5: {key:?} came back");
    match (before.as_deref(), after.as_deref()) {
        (Some(Record::Grant(before)), Some(Record::Grant(after))) => moves_on(before, after, row),
        (None, Some(Record::Grant(new))) => {
            let spent = new.redeemable.as_ref().is_some_and(|own| own.spent);
            assert!(!spent && new.access.len() <= 1, "{row}: I1: {new:?}");
        }
        (before, Some(Record::Subject(after) | Record::ClientState(after))) => {
            let before = match before {
                Some(Record::Subject(before) | Record::ClientState(before)) => *before,
                _ => Standing::default(),
            };
            assert!(before.epoch <= after.epoch, "{row}: I5: {before:?} {after:?}");
            let off = after.disabled && !before.disabled;
            assert!(!off || before.epoch < after.epoch, "{row}: I5: {before:?} {after:?}");
        }
        (None, Some(Record::UsedJti)) | (_, None) => {}
        (Some(Record::UsedJti | Record::RevokedToken), Some(after)) => {
            assert!(matches!(after, Record::RevokedToken), "{row}: I1: used twice: {key:?}");
        }
        (Some(Record::Session(before)), Some(Record::Session(after))) => {
            assert_eq!(before.subject, after.subject, "{row}: I4");
        }
        _ => {}
    }
}

/// Holds the next state of a grant to the last one.
fn moves_on(before: &Grant, after: &Grant, row: &str) {
    let row = || format!("{row}:\n{before:?}\n{after:?}\n");
    let pending = before.status == GrantStatus::Pending;
    let ended = matches!(before.status, GrantStatus::Ended(_));
    assert!(!ended || matches!(after.status, GrantStatus::Ended(_)), "{}: I5: revived", row());
    assert!(pending || after.status != GrantStatus::Pending, "{}: I5: asked again", row());

    assert!(after.scope.is_subset(&before.scope), "{}: I3: more scope", row());
    assert!(
        after.resources.iter().all(|own| before.resources.contains(own)),
        "{}: I3: more resources",
        row()
    );
    let within = |grant: &Grant| {
        grant.access.iter().all(|token| {
            token.scope.is_subset(&grant.scope)
                && token.audience.iter().all(|own| grant.resources.contains(own))
        })
    };
    assert!(within(after), "{}: I3: a token beyond its grant", row());

    assert_eq!(
        (&before.client, before.client_epoch, &before.grant_type, before.created_at),
        (&after.client, after.client_epoch, &after.grant_type, after.created_at),
        "{}: I4",
        row()
    );
    assert_eq!(before.exchange, after.exchange, "{}: I4", row());
    if !pending {
        assert_eq!(
            (&before.subject, before.session, before.offline),
            (&after.subject, after.session, after.offline),
            "{}: I4",
            row()
        );
    }
    let new_tokens = after.access.iter().filter(|token| !before.access.contains(token)).count();
    let new_jwts = |grant: &Grant| grant.jwts.as_ref().map_or(0, |own| own.next);
    assert!(new_jwts(before) <= new_jwts(after), "{}: I5: a number comes again", row());
    let issued = new_tokens + usize::from(new_jwts(before) < new_jwts(after));
    assert!(issued <= 1 && (issued == 0 || !ended), "{}: I1: {issued} tokens at once", row());
    match (&before.redeemable, &after.redeemable) {
        (Some(before), Some(after)) => {
            assert!(!before.spent || after.spent, "{}: I1: what was spent is good again", row());
            let same = after.digest == before.digest
                && after.redirect_uri == before.redirect_uri
                && after.code_challenge == before.code_challenge
                && after.nonce == before.nonce;
            assert!(same && after.valid_until <= before.valid_until, "{}: I4", row());
        }
        (None, Some(_)) => panic!("{}: I1: another code", row()),
        // It is forgotten when it has done its work; the grant then has nothing left to be had by it.
        (_, None) => {}
    }
    if let (Some(before), Some(after)) = (&before.refresh, &after.refresh) {
        let rotated = after.generation.checked_sub(before.generation);
        assert!(matches!(rotated, Some(0 | 1)), "{}: I5", row());
        assert_eq!(rotated == Some(0), before.digest == after.digest, "{}: I1: two live tokens", row());
        assert!(before.tag_key == after.tag_key && before.valid_until >= after.valid_until, "{}: I4", row());
    }
}

impl History {
    fn record(&self, key: Key) -> Option<&Record> {
        self.now.get(&key).map(|found| found.record.as_ref())
    }

    fn grant(&self, id: GrantId) -> Option<&Grant> {
        match self.record(namespace().grant(id)) {
            Some(Record::Grant(grant)) => Some(grant),
            _ => None,
        }
    }

    fn standing(&self, key: Key) -> Standing {
        match self.record(key) {
            Some(Record::Subject(own) | Record::ClientState(own)) => *own,
            _ => Standing::default(),
        }
    }

    /// Whether an access token may be taken.
    fn may_live(&self, token: &PresentedToken) -> bool {
        let granted = |remembers: &dyn Fn(&Grant) -> bool| {
            let grant = token.grant().and_then(|id| self.grant(id));
            grant.is_some_and(|grant| self.is_usable(grant) && remembers(grant))
        };
        match token {
            PresentedToken::Access(handle) => granted(&|grant| {
                let digest = handle.digest(HandleKind::AccessToken);
                grant.access.iter().any(|token| token.digest == digest)
            }),
            PresentedToken::Jwt(jwt) => match jwt.token_id {
                TokenId::Granted { sequence, .. } => granted(&|grant| {
                    let remembers = |own: &JwtLedger| {
                        (own.floor..own.next).contains(&sequence) && !own.revoked.contains(&sequence)
                    };
                    grant.client == jwt.client && grant.jwts.as_deref().is_some_and(remembers)
                }),
                TokenId::Recordless { id, client_epoch } => {
                    let client = self.standing(namespace().client_state(&jwt.client));
                    client.upholds(client_epoch.into())
                        && self.record(namespace().revoked_token(id)).is_none()
                }
            },
            PresentedToken::Refresh(_) | PresentedToken::Unknown => false,
        }
    }

    fn is_usable(&self, grant: &Grant) -> bool {
        let namespace = namespace();
        let client = self.standing(namespace.client_state(&grant.client)).upholds(grant.client_epoch);
        let subject = grant
            .subject
            .as_ref()
            .is_none_or(|own| self.standing(namespace.subject(&own.id)).upholds(own.epoch));
        let session = grant
            .session
            .is_none_or(|session| grant.offline || self.record(namespace.session(session)).is_some());
        let root =
            grant.exchange.as_ref().and_then(|own| own.root.as_ref()).is_none_or(|root| match root.source {
                RootSource::Grant(id) => self.grant(id).is_some_and(|root| self.is_usable(root)),
                RootSource::Token(id) => self.record(namespace.revoked_token(id)).is_none(),
            });
        grant.status == GrantStatus::Active && client && subject && session && root
    }

    /// I1 and I7: nobody has more tokens than were issued, each is remembered, and each issue was told: of its grant, or where no
    /// grant remembers it, of its client.
    #[track_caller]
    fn everything_was_told(&self, handed: &[String], events: &[Event], row: &str) {
        let mut issued: HashMap<_, Issued<'_>> = HashMap::new();
        for text in handed {
            let token = PresentedToken::read(text);
            let of_grant = (token.grant(), None);
            match token {
                PresentedToken::Access(_) => {
                    issued.entry(of_grant).or_default().access.insert(text.clone());
                }
                PresentedToken::Jwt(jwt) => {
                    let client = Some(jwt.client).filter(|_| of_grant.0.is_none());
                    let jti = jwt.token_id.to_string();
                    issued.entry((of_grant.0, client)).or_default().access.insert(jti);
                }
                PresentedToken::Refresh(handle) => {
                    issued.entry(of_grant).or_default().refresh.insert(text, handle.generation);
                }
                PresentedToken::Unknown => {}
            }
        }
        for ((grant, client), Issued { access, refresh }) in issued {
            let told = |event: &&Event| {
                let issues = matches!(
                    event.kind,
                    EventKind::TokensIssued | EventKind::TokensRefreshed | EventKind::TokenExchanged
                );
                let alone = client.is_none() || (event.client == client && event.subject.is_none());
                issues && event.grant == grant && alone
            };
            let told = events.iter().filter(told).count();
            assert!(access.len() <= told, "{row}: I7: {} tokens, {told} events: {events:?}", access.len());
            assert!(refresh.is_empty() || told > 0, "{row}: I7: {events:?}");
            let generations: HashSet<&u32> = refresh.values().collect();
            assert_eq!(generations.len(), refresh.len(), "{row}: I1: two of one generation: {refresh:?}");
        }
    }
}

/// Access tokens, by their `jti` where they have one, and refresh tokens with their generation.
#[derive(Default)]
struct Issued<'t> {
    access: HashSet<String>,
    refresh: HashMap<&'t str, u32>,
}

fn namespace() -> Namespace {
    Namespace::of_issuer(ISSUER)
}

#[async_trait]
impl Store for Watched {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.inner.load(keys).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.apply(batch)
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        self.inner.list(index, page).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let purged = self.inner.purge(now, limit).await?;
        let known: Vec<Key> = self.history.lock().unwrap().now.keys().copied().collect();
        let left = self.inner.load(&known).await?;
        let mut history = self.history.lock().unwrap();
        for (key, _) in known.into_iter().zip(left).filter(|(_, found)| found.is_none()) {
            history.become_(key, None);
        }
        Ok(purged)
    }
}

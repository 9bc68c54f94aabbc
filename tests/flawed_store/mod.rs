//! A memory store with one deliberate flaw.

#![expect(clippy::unwrap_used, reason = "a test may fail this way")]

mod shadow;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use grantor::protocol::Timestamp;
use grantor::record::{
    Batch, BatchId, Consent, Expectation, Id, Index, Key, Kind, Namespace, Record, Versioned, codec,
};
use grantor::store::contract;
use grantor::store::{CommitError, ImmediateStore, Listing, MemoryStore, Page, Store, StoreError};
use shadow::Shadow;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    AnswersAbsentAsDefault,
    SortsLoads,
    DropsRepeatedKeys,
    InventsVersions,
    IgnoresKinds,
    IgnoresNamespaces,
    TruncatesIds,
    RefusesEmptyBatches,
    ChecksNothingWhereItWritesNothing,
    IgnoresExpectationsOfReads,
    IgnoresAbsence,
    IgnoresVersions,
    ComparesContents,
    TakesAbsentForAnyVersion,
    WritesInSpiteOfConflict,
    DeletesInSpiteOfConflict,
    IndexesInSpiteOfConflict,
    SaysOkForConflict,
    SaysUnavailableForConflict,
    CapsBatches,
    DeletesOnlyAlone,
    RefusesToDeleteTheAbsent,
    BuriesTheDeleted,
    DeletesNothing,
    ListsTheFirstTermOnly,
    KeepsEarlierTerms,
    ListsTheDeleted,
    IgnoresTermKinds,
    IgnoresTermNamespaces,
    SkipsAKeyBetweenPages,
    RepeatsAKeyBetweenPages,
    AnswersNextWhenDone,
    ListsDescending,
    CountsPagesByOffset,
    JudgesValidity,
    PurgesOneTooEarly,
    PurgesOneTooLate,
    PurgesWithoutLimit,
    MiscountsPurges,
    ListsThePurged,
    RemembersPurgedVersions,
    KeepsTheFirstRetention,
    CutsTimesTo32Bits,
    LosesLargeValues,
    FoldsText,
    ForgetsAField,
    ChecksThenActs,
    LocksWhatIsRead,
    LoadsOneByOne,
    WritesOneByOne,
    IndexesLate,
    StopsWhereItIsDropped,
    LosesAllWhenClosed,
    KeepsHandlesApart,
    ChecksEachHandleAlone,
    ExpectsNothingAtOnce,
    LocksOnlyWhatIsWritten,
    StaysGone,
    ForgetsWhatWasInterrupted,
}

pub(crate) struct Flawed {
    flaw: Flaw,
    inner: Arc<MemoryStore>,
    shadow: Mutex<Shadow>,
    history: Mutex<History>,
    retained: Mutex<HashMap<Key, Timestamp>>,
    buried: Mutex<HashMap<Key, BatchId>>,
    busy: AtomicBool,
    alone: Mutex<()>,
    interrupted: AtomicBool,
}

/// What each batch wrote.
type History = HashMap<BatchId, Vec<(Key, Arc<Record>)>>;

/// A store that goes by the clock sees these as long gone.
const LONG_GONE: Timestamp = Timestamp(1_000_000);

impl Flawed {
    pub(crate) fn new(flaw: Flaw, inner: Arc<MemoryStore>) -> Self {
        Self {
            flaw,
            inner,
            shadow: Mutex::default(),
            history: Mutex::default(),
            retained: Mutex::default(),
            buried: Mutex::default(),
            busy: AtomicBool::new(false),
            alone: Mutex::new(()),
            interrupted: AtomicBool::new(false),
        }
    }

    fn key(&self, mut key: Key) -> Key {
        match self.flaw {
            Flaw::IgnoresKinds => key.kind = Kind::Subject,
            Flaw::IgnoresNamespaces => key.namespace = Namespace::of_issuer("https://here.example"),
            Flaw::TruncatesIds => key.id.0[..8].fill(0),
            _ => {}
        }
        key
    }

    fn record(&self, record: &Arc<Record>) -> Arc<Record> {
        let text = || String::from_utf8(codec::encode(record).unwrap()).unwrap();
        match (self.flaw, &**record) {
            (Flaw::FoldsText, _) => {
                Arc::new(codec::decode(text().replace("e\u{301}", "é").as_bytes()).unwrap())
            }
            (Flaw::LosesLargeValues, _) if text().len() > 65_536 => {
                Arc::new(Record::Consent(Consent::default()))
            }
            (Flaw::ForgetsAField, Record::Grant(grant)) => {
                let mut grant = grant.clone();
                grant.jwts = None;
                Arc::new(Record::Grant(grant))
            }
            _ => Arc::clone(record),
        }
    }

    /// The batch as this store understands it.
    async fn rewrite(&self, batch: &Batch) -> Batch {
        let mut batch = batch.clone();
        batch.expect.iter_mut().for_each(|(key, _)| *key = self.key(*key));
        batch.delete.iter_mut().for_each(|key| *key = self.key(*key));
        for put in &mut batch.put {
            put.key = self.key(put.key);
            put.record = self.record(&put.record);
            match self.flaw {
                Flaw::ListsTheFirstTermOnly => put.terms.truncate(1),
                Flaw::CutsTimesTo32Bits => put.retain_until.0 = put.retain_until.0.min(u64::from(u32::MAX)),
                Flaw::KeepsTheFirstRetention => {
                    let mut retained = self.retained.lock().unwrap();
                    put.retain_until = *retained.entry(put.key).or_insert(put.retain_until);
                }
                _ => {}
            }
        }
        if self.flaw == Flaw::IgnoresKinds
            || self.flaw == Flaw::TruncatesIds
            || self.flaw == Flaw::IgnoresNamespaces
        {
            batch.put.dedup_by_key(|put| put.key);
        }
        match self.flaw {
            Flaw::IgnoresExpectationsOfReads => {
                let writes = |key| batch.put.iter().any(|put| put.key == key) || batch.delete.contains(&key);
                let expect = batch.expect.iter().copied().filter(|(key, _)| writes(*key)).collect();
                batch.expect = expect;
            }
            Flaw::IgnoresAbsence => batch.expect.retain(|(_, expected)| *expected != Expectation::Absent),
            Flaw::IgnoresVersions => self.accept(&mut batch, |_, current| current.is_some()).await,
            Flaw::ComparesContents => {
                let history = self.history.lock().unwrap().clone();
                let then = |key, version| history.get(&version)?.iter().find(|(own, _)| *own == key);
                let equal = |(key, version), current: Option<&Versioned>| {
                    current.zip(then(key, version)).is_some_and(|(now, (_, then))| now.record == *then)
                };
                self.accept(&mut batch, equal).await;
            }
            Flaw::TakesAbsentForAnyVersion => self.accept(&mut batch, |_, current| current.is_none()).await,
            Flaw::RemembersPurgedVersions => {
                let buried = self.buried.lock().unwrap().clone();
                self.accept(&mut batch, |(key, version), current| {
                    current.is_none() && buried.get(&key) == Some(&version)
                })
                .await;
            }
            Flaw::CapsBatches => batch.delete.truncate(256),
            Flaw::DeletesOnlyAlone if !batch.put.is_empty() => batch.delete.clear(),
            Flaw::DeletesNothing => batch.delete.clear(),
            _ => {}
        }
        batch
    }

    /// Makes every `At` expectation hold for which `equal` says so.
    async fn accept(&self, batch: &mut Batch, equal: impl Fn((Key, BatchId), Option<&Versioned>) -> bool) {
        for (key, expected) in &mut batch.expect {
            let current = self.inner.load(&[*key]).await.unwrap().pop().flatten();
            if let Expectation::At(version) = *expected
                && equal((*key, version), current.as_ref())
            {
                *expected = Expectation::of(current.as_ref());
            }
        }
    }

    async fn holds(&self, batch: &Batch) -> bool {
        for (key, expected) in &batch.expect {
            let current = self.inner.load(&[*key]).await.unwrap().pop().flatten();
            if *expected != Expectation::of(current.as_ref()) {
                return false;
            }
        }
        true
    }

    /// What becomes of everything when the server is taken away and brought back.
    pub(crate) fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
    }

    fn uses_shadow(&self) -> bool {
        self.shadow.lock().unwrap().is_for(self.flaw)
    }

    fn note(&self, batch: &Batch) {
        self.shadow.lock().unwrap().apply(self.flaw, batch);
        let mut retained = self.retained.lock().unwrap();
        for put in &batch.put {
            retained.insert(put.key, put.retain_until);
        }
        let records = batch.put.iter().map(|put| (put.key, Arc::clone(&put.record)));
        self.history.lock().unwrap().insert(batch.id, records.collect());
        for key in &batch.delete {
            self.buried.lock().unwrap().insert(*key, batch.id);
        }
    }

    async fn apply(&self, batch: &Batch) -> Result<(), CommitError> {
        match self.flaw {
            Flaw::ChecksEachHandleAlone => {
                let _alone = self.alone.lock().unwrap();
                if !contract::block_on(self.holds(batch)) {
                    return Err(CommitError::Conflict);
                }
                std::thread::sleep(Duration::from_micros(200));
                contract::block_on(self.inner.commit(&Batch { expect: Vec::new(), ..batch.clone() }))
            }
            Flaw::ChecksThenActs => {
                if !self.holds(batch).await {
                    return Err(CommitError::Conflict);
                }
                std::thread::sleep(Duration::from_micros(200));
                self.inner.commit(&Batch { expect: Vec::new(), ..batch.clone() }).await
            }
            Flaw::LocksOnlyWhatIsWritten => {
                if !self.holds(batch).await {
                    return Err(CommitError::Conflict);
                }
                std::thread::sleep(Duration::from_micros(200));
                let writes = |key| batch.put.iter().any(|put| put.key == key) || batch.delete.contains(&key);
                let expect = batch.expect.iter().copied().filter(|(key, _)| writes(*key)).collect();
                self.inner.commit(&Batch { expect, ..batch.clone() }).await
            }
            Flaw::LocksWhatIsRead if !batch.expect.is_empty() => {
                if self.busy.swap(true, Ordering::SeqCst) {
                    return Err(CommitError::Conflict);
                }
                std::thread::sleep(Duration::from_micros(200));
                let outcome = self.inner.commit(batch).await;
                self.busy.store(false, Ordering::SeqCst);
                outcome
            }
            Flaw::WritesOneByOne | Flaw::StopsWhereItIsDropped => {
                let mut rest = batch.put.clone();
                let mut part = Batch { put: rest.pop().into_iter().collect(), ..batch.clone() };
                self.inner.commit(&part).await?;
                for put in rest {
                    std::thread::sleep(Duration::from_micros(20));
                    if self.flaw == Flaw::StopsWhereItIsDropped {
                        step_aside().await;
                    }
                    part = Batch { put: vec![put], ..Batch::new(batch.id) };
                    self.inner.commit(&part).await?;
                }
                Ok(())
            }
            _ => self.inner.commit(batch).await,
        }
    }

    /// What a refused batch leaves behind, and what its caller is told.
    async fn refuse(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut rest = Batch::new(batch.id);
        match self.flaw {
            Flaw::WritesInSpiteOfConflict => rest.put = batch.put.iter().take(1).cloned().collect(),
            Flaw::DeletesInSpiteOfConflict => rest.delete = batch.delete.clone(),
            Flaw::IndexesInSpiteOfConflict => self.note(batch),
            _ => {}
        }
        self.inner.commit(&rest).await?;
        match self.flaw {
            Flaw::SaysOkForConflict => Ok(()),
            Flaw::SaysUnavailableForConflict => Err(CommitError::Unavailable("busy".to_owned())),
            _ => Err(CommitError::Conflict),
        }
    }
}

async fn step_aside() {
    let mut aside = false;
    std::future::poll_fn(|context| {
        if aside {
            return Poll::Ready(());
        }
        aside = true;
        std::thread::yield_now();
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait]
impl Store for Flawed {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        let mut keys: Vec<Key> = keys.iter().map(|key| self.key(*key)).collect();
        match self.flaw {
            Flaw::SortsLoads => keys.sort_unstable(),
            Flaw::DropsRepeatedKeys => keys.dedup(),
            _ => {}
        }
        match self.flaw {
            Flaw::StaysGone if self.interrupted.load(Ordering::SeqCst) => {
                return Err(StoreError("gone".to_owned()));
            }
            Flaw::ForgetsWhatWasInterrupted if self.interrupted.swap(false, Ordering::SeqCst) => {
                return Ok(vec![None; keys.len()]);
            }
            _ => {}
        }
        let mut loaded = Vec::new();
        if self.flaw == Flaw::LoadsOneByOne {
            for key in &keys {
                loaded.extend(self.inner.load(&[*key]).await?);
                std::thread::sleep(Duration::from_micros(20));
            }
        } else {
            loaded = self.inner.load(&keys).await?;
        }
        for (key, found) in keys.iter().zip(&mut loaded) {
            let retained = self.retained.lock().unwrap().get(key).copied();
            match self.flaw {
                Flaw::AnswersAbsentAsDefault if found.is_none() && key.kind == Kind::Subject => {
                    let record = Arc::new(Record::Subject(grantor::record::Standing::default()));
                    *found = Some(Versioned { version: BatchId(Id([0; 16])), record });
                }
                Flaw::InventsVersions => {
                    if let Some(found) = found {
                        found.version.0.0[0] ^= 1;
                    }
                }
                Flaw::JudgesValidity if retained.is_some_and(|until| until < LONG_GONE) => *found = None,
                _ => {}
            }
        }
        Ok(loaded)
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut batch = self.rewrite(batch).await;
        match self.flaw {
            Flaw::RefusesEmptyBatches if batch.is_empty() => {
                return Err(CommitError::Unavailable("nothing to do".to_owned()));
            }
            Flaw::ChecksNothingWhereItWritesNothing if batch.is_empty() => return Ok(()),
            Flaw::RefusesToDeleteTheAbsent => {
                let absent = self.inner.load(&batch.delete).await.unwrap().iter().any(Option::is_none);
                if absent {
                    return Err(CommitError::Unavailable("nothing there".to_owned()));
                }
            }
            Flaw::BuriesTheDeleted => {
                let buried = self.buried.lock().unwrap();
                if batch.put.iter().any(|put| buried.contains_key(&put.key)) {
                    return Err(CommitError::Conflict);
                }
            }
            Flaw::InventsVersions => {
                for (_, expected) in &mut batch.expect {
                    if let Expectation::At(version) = expected {
                        version.0.0[0] ^= 1;
                    }
                }
            }
            _ => {}
        }
        match self.apply(&batch).await {
            Ok(()) => {
                self.note(&batch);
                Ok(())
            }
            Err(CommitError::Conflict) => self.refuse(&batch).await,
            Err(error) => Err(error),
        }
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        if self.uses_shadow() {
            return Ok(self.shadow.lock().unwrap().list(self.flaw, index, page));
        }
        self.inner.list(index, page).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let (now, limit) = match self.flaw {
            Flaw::PurgesOneTooEarly => (Timestamp(now.0.saturating_add(1)), limit),
            Flaw::PurgesOneTooLate => (Timestamp(now.0.saturating_sub(1)), limit),
            Flaw::PurgesWithoutLimit => (now, usize::MAX),
            _ => (now, limit),
        };
        let before: Vec<Key> = self.retained.lock().unwrap().keys().copied().collect();
        let versions = self.inner.load(&before).await?;
        let count = self.inner.purge(now, limit).await?;
        let after = self.inner.load(&before).await?;
        for ((key, before), after) in before.iter().zip(versions).zip(after) {
            if let (Some(before), None) = (before, after) {
                self.shadow.lock().unwrap().purged(self.flaw, key);
                self.buried.lock().unwrap().insert(*key, before.version);
            }
        }
        Ok(if self.flaw == Flaw::MiscountsPurges { count + 1 } else { count })
    }
    fn immediate(&self) -> Option<&dyn ImmediateStore> {
        (self.flaw == Flaw::ExpectsNothingAtOnce).then_some(self)
    }
}

impl ImmediateStore for Flawed {
    fn load_now(
        &self,
        keys: &[Key],
        found: &mut dyn FnMut(Key, Option<Versioned>),
    ) -> Result<(), StoreError> {
        self.inner.load_now(keys, found)
    }

    fn commit_now(&self, batch: &Batch) -> Result<(), CommitError> {
        self.inner.commit_now(&Batch { expect: Vec::new(), ..batch.clone() })
    }
}

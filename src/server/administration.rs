//! What operators do, and users about themselves: look at grants, end them, switch subjects and clients off, look at the
//! clients that registered themselves, and forget.

use super::driver::unavailable;
use super::{AuthorizationServer, Origin};
use crate::endpoint::administration::{
    ChangeStanding, EndSession, EraseRecords, ForgetConsent, Party, RevokeGrant, StandingChange, UsableGrants,
};
use crate::endpoint::registration::DeleteRegistration;
use crate::protocol::{ClientId, OAuthError, Reason, SubjectId, Timestamp};
use crate::record::{
    Event, EventKind, Grant, GrantId, Index, Key, Kind, Record, RegisteredClient, SessionId, Versioned,
};
use crate::store::Page;

/// A page of grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// The grants.
    pub grants: Vec<(GrantId, Grant)>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Key>,
}

/// A page of the clients that registered themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registrations {
    /// The clients.
    pub clients: Vec<Registration>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Key>,
}

/// A client that registered itself, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its identifier.
    pub client_id: ClientId,
    /// What it registered, when, and until when that lasts. Nothing in it can be used to act as the client.
    pub record: RegisteredClient,
    /// Whether an operator has switched it off.
    pub disabled: bool,
}

impl AuthorizationServer {
    /// Switches a subject off: whatever was issued for it is dead when this returns, and stays dead.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn disable_subject(&self, subject: &SubjectId) -> Result<(), OAuthError> {
        self.change(Party::Subject(subject.clone()), StandingChange::Disable).await
    }

    /// Switches a subject on again. What was issued before stays dead.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn enable_subject(&self, subject: &SubjectId) -> Result<(), OAuthError> {
        self.change(Party::Subject(subject.clone()), StandingChange::Enable).await
    }

    /// Switches a client off: whatever was issued to it is dead when this returns, and stays dead.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn disable_client(&self, client: &ClientId) -> Result<(), OAuthError> {
        self.change(Party::Client(client.clone()), StandingChange::Disable).await
    }

    /// Switches a client on again. What was issued before stays dead.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn enable_client(&self, client: &ClientId) -> Result<(), OAuthError> {
        self.change(Party::Client(client.clone()), StandingChange::Enable).await
    }

    /// Changes the standing of a subject or a client. One write ends all that was issued; then the sessions of a subject
    /// are ended one by one, so that the clients that remember them are told.
    ///
    /// # Errors
    /// 503 when the store cannot be reached; some clients may not have been told by then.
    pub async fn change(&self, party: Party, change: StandingChange) -> Result<(), OAuthError> {
        let change = ChangeStanding { party, change };
        self.run(&change, Origin::default()).await?;
        match &change {
            ChangeStanding { change: StandingChange::Enable, .. }
            | ChangeStanding { party: Party::Client(_), .. } => Ok(()),
            ChangeStanding { party: Party::Subject(subject), .. } => self.end_sessions_of(subject).await,
        }
    }

    /// Ends one grant.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn revoke_grant(&self, grant: GrantId) -> Result<(), OAuthError> {
        self.run(&RevokeGrant(grant), Origin::default()).await
    }

    /// Ends a session and every grant bound to it.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn end_session(&self, session: SessionId) -> Result<(), OAuthError> {
        self.run(&EndSession(session), Origin::default()).await
    }

    /// Ends every session of a subject, wherever it signed in, and every grant bound to one.
    ///
    /// # Errors
    /// 503 when the store cannot be reached; some sessions may have ended by then.
    pub async fn end_sessions_of(&self, subject: &SubjectId) -> Result<(), OAuthError> {
        let mut sessions = Vec::new();
        self.each_record_of(subject, |key, record| {
            if let Record::Session(_) = record {
                sessions.push(SessionId(key.id));
            }
        })
        .await?;
        for session in sessions {
            self.end_session(session).await?;
        }
        Ok(())
    }

    /// The grants of a subject, dead ones that are not forgotten yet included, oldest first.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn grants_of(&self, subject: &SubjectId) -> Result<Vec<(GrantId, Grant)>, OAuthError> {
        let mut grants = Vec::new();
        self.each_record_of(subject, |key, record| {
            if let Record::Grant(grant) = record {
                grants.push((GrantId(key.id), grant.clone()));
            }
        })
        .await?;
        Ok(grants)
    }

    /// The grants by which clients can act for a subject now, oldest first: what has expired, or was ended by a logout, an
    /// operator or in any other way, is left out.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn usable_grants_of(&self, subject: &SubjectId) -> Result<Vec<(GrantId, Grant)>, OAuthError> {
        let index = Index::subject(self.parts.settings.namespace, subject);
        let (mut usable, mut page) = (Vec::new(), Page { after: None, limit: 100 });
        loop {
            let listing = self.parts.store.list(&index, page).await.map_err(unavailable)?;
            let grants = listing.keys.iter().filter(|key| key.kind == Kind::Grant);
            let grants = UsableGrants(grants.map(|key| GrantId(key.id)).collect());
            usable.extend(self.run(&grants, Origin::default()).await?);
            match listing.next {
                Some(next) => page.after = Some(next),
                None => return Ok(usable),
            }
        }
    }

    /// A page of what is listed, without what was forgotten meanwhile, and where the next begins.
    pub(super) async fn listed(
        &self,
        index: &Index,
        page: Page,
    ) -> Result<(Vec<(Key, Versioned)>, Option<Key>), OAuthError> {
        let listing = self.parts.store.list(index, page).await.map_err(unavailable)?;
        let records = self.parts.store.load(&listing.keys).await.map_err(unavailable)?;
        let found = listing.keys.into_iter().zip(records).filter_map(|(key, found)| Some((key, found?)));
        Ok((found.collect(), listing.next))
    }

    /// Everything that is listed under a subject.
    async fn each_record_of(
        &self,
        subject: &SubjectId,
        mut each: impl FnMut(Key, &Record) + Send,
    ) -> Result<(), OAuthError> {
        let index = Index::subject(self.parts.settings.namespace, subject);
        let mut page = Page { after: None, limit: 100 };
        loop {
            let (records, next) = self.listed(&index, page).await?;
            records.iter().for_each(|(key, found)| each(*key, &found.record));
            match next {
                Some(next) => page.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// A page of the grants of a subject or a client, dead ones that are not forgotten yet included, oldest first.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn grants(&self, party: &Party, page: Page) -> Result<Grants, OAuthError> {
        let namespace = self.parts.settings.namespace;
        let index = match party {
            Party::Subject(subject) => Index::subject(namespace, subject),
            Party::Client(client) => Index::client(namespace, client),
        };
        let (records, next) = self.listed(&index, page).await?;
        let grant = |(key, found): (Key, Versioned)| match found.record.as_ref() {
            Record::Grant(grant) => Some((GrantId(key.id), grant.clone())),
            _ => None,
        };
        Ok(Grants { grants: records.into_iter().filter_map(grant).collect(), next })
    }

    /// A page of the clients that registered themselves (RFC 7591), in no order that means anything: those that are switched
    /// off, and those whose time has run out that are not forgotten yet, included. The host's own clients are not.
    ///
    /// [`disable_client`](Self::disable_client) switches one off for as long as wanted;
    /// [`delete_client`](Self::delete_client) ends it for good.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn registered_clients(&self, page: Page) -> Result<Registrations, OAuthError> {
        let index = Index::registrations(self.parts.settings.namespace);
        let listing = self.parts.store.list(&index, page).await.map_err(unavailable)?;
        let standings = listing.keys.iter().map(|key| Key { kind: Kind::ClientState, ..*key });
        let keys: Vec<Key> = listing.keys.iter().copied().chain(standings).collect();
        let mut clients = self.parts.store.load(&keys).await.map_err(unavailable)?;
        let standings = clients.split_off(listing.keys.len().min(clients.len()));
        let client = |(client, standing): (Option<Versioned>, Option<Versioned>)| {
            let Record::Client(record) = client?.record.as_ref().clone() else { return None };
            let client_id = ClientId::from(record.metadata.get("client_id")?.as_str()?);
            let off =
                |standing: Versioned| matches!(*standing.record, Record::ClientState(own) if own.disabled);
            Some(Registration { client_id, record, disabled: standing.is_some_and(off) })
        };
        let clients = clients.into_iter().zip(standings).filter_map(client).collect();
        Ok(Registrations { clients, next: listing.next })
    }

    /// Ends the registration of a client, as the client itself could (RFC 7592 §2.3): it is gone, whatever was issued to it is
    /// dead when this returns, and [`enable_client`](Self::enable_client) brings nothing of it back. A client that did not
    /// register itself is left alone.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn delete_client(&self, client: &ClientId) -> Result<(), OAuthError> {
        self.run(&DeleteRegistration(client.clone()), Origin::default()).await
    }

    /// Forgets a subject: it is switched off, its sessions are ended and the clients told, and every grant, session and
    /// consent of it is deleted. What stays until it expires: requests that wait for the user, and messages to clients that
    /// could not be told. What stays for good is that the subject is switched off, under a digest of its name: tokens that
    /// other parties still hold must never come to mean somebody else.
    ///
    /// # Errors
    /// 503 when the store cannot be reached; some records may be left by then, and calling it again deletes them.
    pub async fn erase_subject(&self, subject: &SubjectId) -> Result<(), OAuthError> {
        self.disable_subject(subject).await?;
        let index = Index::subject(self.parts.settings.namespace, subject);
        loop {
            let page = Page { after: None, limit: 100 };
            let listing = self.parts.store.list(&index, page).await.map_err(unavailable)?;
            if listing.keys.is_empty() {
                break;
            }
            self.run(&EraseRecords(listing.keys), Origin::default()).await?;
        }
        self.tell(Event::new(EventKind::SubjectErased).subject(Some(subject)));
        Ok(())
    }

    /// Takes back what a subject allowed a client: the consent is forgotten and every grant is ended.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn revoke_access(&self, subject: &SubjectId, client: &ClientId) -> Result<(), OAuthError> {
        self.run(&ForgetConsent { client: client.clone(), subject: subject.clone() }, Origin::default())
            .await?;
        for (id, grant) in self.grants_of(subject).await? {
            if grant.client == *client {
                self.revoke_grant(id).await?;
            }
        }
        Ok(())
    }

    /// Forgets at most `limit` records that can no longer matter, and returns how many. A [`Sweeper`](super::Sweeper) calls it
    /// now and then, in one process or in several: without it a store only grows.
    ///
    /// # Errors
    /// 503 when the store cannot be reached, or when the clock is broken: at the end of time everything is forgotten, and
    /// what was revoked or used once would come back to life as soon as the clock is set.
    pub async fn purge(&self, limit: usize) -> Result<usize, OAuthError> {
        let now = self.parts.clock.now();
        if now == Timestamp::END {
            return Err(OAuthError::new(Reason::ClockBroken));
        }
        self.parts.store.purge(now, limit).await.map_err(unavailable)
    }
}
